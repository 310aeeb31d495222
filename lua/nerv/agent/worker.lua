--- What an agent does to its node: evaluates rows, plans, applies phases of Changes, mends.
-- One task at a time works on the system (Worker:exclusive).
local controllers <const> = require "nerv.agent.controllers"
local desired <const> = require "nerv.desired"
local driver <const> = require "nerv.driver"
local planning <const> = require "nerv.engine.planning"
local kinds <const> = require "nerv.kinds"
local ovs_bridge <const> = require "nerv.kinds.ovs_bridge"
local publish <const> = require "nerv.publish"
local runtime <const> = require "nerv.runtime"
local snapshot <const> = require "nerv.snapshot"
local task <const> = require "nerv.task"
local state_module <const> = require "nerv.state"

-- Fields: name, state, view, engine, node, networks, facts, journal, reported, retries, busy,
-- closing, adopted_amid: uuids of the Changes that were under way when it adopted what is there.
local Worker = {}
Worker.__index = Worker

-- Seconds before a failing need is tried again, first and at most.
local RETRY_FIRST <const>, RETRY_MAX <const> = 1, 60
-- Seconds between two looks at what NERV did not make.
local LOOK <const> = 2
-- Seconds between two looks at what is remembered for nothing.
local FORGET <const> = 5
-- Seconds before a report is tried again that did not reach the database.
local REPORT_AGAIN <const> = 0.2

-- Network and endpoint of an owner: "blue", "blue:h1".
local function split(owner)
  local net, name = owner:match("^([^:]+):(.+)$")
  return net or owner, name
end

-- What an owner wants that is to go.
local EMPTY <const> = { by_key = {}, claims = {} }
Worker.EMPTY = EMPTY

-- The evaluated network on this node; remembered for its facts, unless it is a draft's.
local function evaluate(self, view, name)
  local network, message = desired.network(view, name, self.facts[name] or {})
  if message then return nil, message end
  if not view.draft then self.networks[name] = network end
  return network
end

-- The names of the endpoints of a network that a change concerns on this node: those that are named,
-- and all when the network's own row changed; also those that are here no more.
local function endpoints_of(self, view, net, network, concerned)
  local names, members = {}, network ~= nil and desired.has_members(network)
  local function add(name)
    if not names[name] then names[#names + 1] = name end
    names[name] = true
  end
  for _, one in ipairs(concerned.named) do
    if one.here or members then add(one.name) end
  end
  if not concerned.changed then return names end
  for _, name in ipairs(view:endpoint_names(net, members)) do add(name) end
  for owner in pairs(self.engine.owned) do
    local owned_net, name = split(owner)
    if name and owned_net == net then add(name) end
  end
  return names
end

--- The owners on this node that objects of a change concern, with their sets: the network
-- itself, and the endpoints that are named; all endpoints when the network's own row changed.
-- @return array of { owner =, set = }, in the order of creation; or nil and a message
function Worker:wanted(view, objects)
  local nets, order = {}, {}
  for _, object in ipairs(objects) do
    local net, endpoint = split(object.owner)
    if object.table ~= "Node" then
      if not nets[net] then
        nets[net] = { named = {} }
        order[#order + 1] = net
      end
      if object.table == "Network" then nets[net].changed = true end
      if endpoint then table.insert(nets[net].named, { name = endpoint, here = object.node == self.name }) end
    end
  end
  local result = {}
  for _, net in ipairs(order) do
    local network, message = evaluate(self, view, net)
    if message then return nil, message end
    result[#result + 1] = { owner = net, set = network and network.set or EMPTY }
    for _, name in ipairs(endpoints_of(self, view, net, network, nets[net])) do
      local set
      set, message = desired.endpoint(view, network, net, name)
      if not set then return nil, message end
      result[#result + 1] = { owner = net .. ":" .. name, set = set }
      task.breathe()
    end
  end
  return result
end

--- The merged plan for a list of { owner, set }.
function Worker:plan(wanted)
  local settled, why = self.engine:clear_doubts()
  if not settled then return nil, why end
  local plans = {}
  for i, one in ipairs(wanted) do
    local plan, message = self.engine:plan(one.owner, one.set)
    if not plan then return nil, message end
    plans[i] = plan
    task.breathe()
  end
  local conflict = planning.conflict(plans)
  if conflict then return nil, conflict end
  return planning.merge(plans)
end

--- Leaves out owners whose foreign things are gone: those wait until these are back, and hold up nobody
-- else. Who is named must not be left out.
-- @tparam table named owner -> true
-- @return the others; or nil and a message
function Worker:without_lost(wanted, named)
  local present = {}
  for _, one in ipairs(wanted) do
    local lost, why = self.engine:lost(one.set)
    if lost and named[one.owner] then return nil, ("%s: %s"):format(one.owner, why) end
    if lost then self:retry_later { one } else present[#present + 1] = one end
  end
  return present
end

-- Facts that a function asked for and that are there now.
function Worker:learn_facts(name)
  local network = self.networks[name]
  if not network or not next(network.missing) then return false end
  local learned = false
  for _, need in ipairs(network.set) do
    local kind = kinds.get(need.kind)
    for _, field in ipairs(kind.facts or {}) do
      local fact = rawget(need, "p").name and need.p.name .. "." .. field
      if fact and network.missing[fact] then
        self.facts[name] = self.facts[name] or {}
        self.facts[name][fact] = kind.fact(need.p, field, self.node)
        learned = learned or self.facts[name][fact] ~= nil
      end
    end
  end
  return learned
end

-- Until it is in the database, which may have died and come back, or the phase is over. The step that the report makes
-- due is made with it, unless it cannot be: then the driver says why.
local function report(self, change, due, text)
  local operations = {
    { op = "wait", table = "Change", where = state_module.only(change),
      columns = { "phase" }, ["until"] = "==", rows = { { phase = due } }, timeout = 0 },
    { op = "mutate", table = "Change", where = state_module.only(change),
      mutations = { { "reports", "delete", { self.name } },
        { "reports", "insert", { [self.name] = text } } } } }
  local with_step = true
  while true do
    local step = with_step and change.phase == due and driver.with_report(self.state, change, self.name, text) or {}
    local results, message, code = self.state:transact(table.move(step, 1, #step, #operations + 1,
      table.move(operations, 1, #operations, 1, {})))
    if results or code == "timed out" then return end
    with_step = false
    self.node.log(("report on %s: %s"):format(change.text, message))
    if #step == 0 then task.sleep(REPORT_AGAIN) end
  end
end

function Worker:node_wanted()
  local set, message = desired.node(self.view)
  if not set then return nil, message end
  return { { owner = "node " .. self.name, set = set } }
end

-- Phases of a change that are applied together: the one that is due, or all of them.
local phases_of <const> = { make = { "make" }, switch = { "make", "switch" },
  sweep = planning.PHASES, undo = planning.PHASES }

-- The report after a phase: the last one before there is something left to do.
local function report_for(plan, due)
  if due == "undo" then return due end
  local through
  for _, phase in ipairs(planning.PHASES) do
    if not through then
      if phase == due then through = phase end
    elseif #plan[phase] > 0 then
      return through
    else
      through = phase
    end
  end
  return "converged"
end

-- Owners that a change makes or changes.
local function named_in(objects)
  local named = {}
  for _, object in ipairs(objects) do named[object.owner] = true end
  return named
end

-- Adds those actions of which it shows later whether they work.
local function add_uncertain(list, actions)
  for _, action in ipairs(actions) do
    local kind = kinds.get(action.need.kind)
    if action.verb ~= "remove" and kind.uncertain and kind.uncertain(action) then list[#list + 1] = action end
  end
end

-- The same of all that is wanted by a Change that was under way when this agent adopted what is there: that may be what
-- it wants.
local function add_adopted(list, wanted)
  for _, one in ipairs(wanted) do
    for _, need in ipairs(one.set) do add_uncertain(list, { { verb = "create", need = need } }) end
  end
end

-- What services said that are taken back may tell why: it would go with them.
local function quote_services(self, actions)
  for _, action in ipairs(actions) do
    if action.verb == "remove" and action.need.kind == "service" then self.node.supervisor:quote(action.need.p) end
  end
end

--- Applies one phase of a change on this node.
-- @tparam string due the phase: the row itself may move on meanwhile
-- @return the report for it, and what is to be confirmed before
function Worker:phase(change, due)
  local objects = state_module.objects(change)
  local wanted, message = self:wanted(self.view, objects)
  if not wanted then return "failed: " .. message end
  for _, object in ipairs(objects) do
    if object.table == "Node" and object.owner == self.name then
      local own
      own, message = self:node_wanted()
      if not own then return "failed: " .. message end
      table.move(own, 1, #own, #wanted + 1, wanted)
      for _, net in ipairs(self.state:list "Network") do
        local more = self:wanted(self.view, { { table = "Network", owner = net.name } })
        table.move(more or {}, 1, #(more or {}), #wanted + 1, wanted)
      end
    end
  end
  wanted, message = self:without_lost(wanted, due ~= "undo" and due ~= "sweep" and named_in(objects) or {})
  if not wanted then return "failed: " .. message end
  local plan
  plan, message = self:plan(wanted)
  if not plan then return "failed: " .. message end
  local journal = self.journal[change._uuid] or {}
  self.journal[change._uuid] = journal
  local uncertain = {}
  if self.adopted_amid[change._uuid] then add_adopted(uncertain, wanted) end
  for _, phase in ipairs(phases_of[due]) do
    local good
    local listed = planning.describe(plan[phase])
    table.move(listed, 1, #listed, #journal + 1, journal)
    add_uncertain(uncertain, plan[phase])
    if due == "undo" then quote_services(self, plan[phase]) end
    good, message = self.engine:apply(plan[phase])
    if not good then
      return "failed: " .. message
    end
  end
  for _, one in ipairs(wanted) do
    task.breathe()
    if self:learn_facts(one.owner) and due == "make" then
      return self:phase(change, due)   -- once more, with the facts it asked for
    end
  end
  return report_for(plan, due), due ~= "undo" and uncertain or {}
end

-- Waits until it shows that what has been done works, and reports.
local function confirm(self, change, due, text, list)
  for _, action in ipairs(list) do
    local called, good, message = pcall(kinds.get(action.need.kind).confirm, action.need.p, self.node)
    if not called then good, message = nil, tostring(good) end
    if not good then
      text = ("failed: %s %s: %s"):format(action.verb, action.need.key, message)
      break
    end
    if action.need.kind == "controller" then controllers.joined(self, action.need.key:match " (.*)") end
  end
  if not self.closing then report(self, change, due, text) end   -- else the next agent looks
end

local function in_order(a, b) return a.serial < b.serial end

function Worker:due()
  local due = {}
  for _, change in ipairs(self.state:list "Change") do
    if phases_of[change.phase] and not driver.has_reported(change, self.name)
      and not self.reported[change._uuid .. change.phase] then
      for _, node in ipairs(change.nodes) do
        if node == self.name then due[#due + 1] = change end
      end
    end
  end
  table.sort(due, in_order)
  return due
end

local function status(self, owner, state, message)
  local row
  for _, candidate in ipairs(self.state:list "Status") do
    if candidate.owner == owner and candidate.node == self.name then row = candidate end
  end
  if row and row.state == state and row.error == message then return end
  if state ~= "active" then self.node.log(("%s: %s: %s"):format(owner, state, message)) end   -- the row goes
  if state == "active" then
    if row then
      self.state:transact { { op = "delete", table = "Status", where = state_module.only(row) } }
    end
    return
  end
  if row then
    self.state:transact { { op = "update", table = "Status", where = state_module.only(row),
      row = { state = state, error = message } } }
  else
    self.state:transact { { op = "insert", table = "Status",
      row = { owner = owner, node = self.name, state = state, error = message } } }
  end
end

-- One task at a time works on the system: calls that need it take turns with `work`.
local function exclusive(self, f, ...)
  while self.busy do task.sleep(0.002) end
  self.busy = true
  local results = table.pack(pcall(f, self, ...))
  self.busy = false
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end
Worker.exclusive = exclusive

-- After `done` a failing need is tried for ever, and shown in the state meanwhile.
function Worker:retry_later(wanted)
  for _, one in ipairs(wanted) do
    if not self.retries[one.owner] then
      self.retries[one.owner] = { delay = RETRY_FIRST, at = runtime.now() + RETRY_FIRST }
    end
  end
end

-- What a Change was about, when it is too late to fail: whoever waits for it does not wait for this node any more.
local function retry_objects(self, change)
  local list = {}
  for _, object in ipairs(state_module.objects(change)) do
    if object.table ~= "Node" then
      list[#list + 1] = { owner = object.owner }
    elseif object.owner == self.name then
      list[#list + 1] = { owner = "node " .. self.name }
      for _, net in ipairs(self.state:list "Network") do list[#list + 1] = { owner = net.name } end
    end
  end
  self:retry_later(list)
end

--- The same, at once.
function Worker:retry_now(owner)
  self.retries[owner] = { delay = RETRY_FIRST, at = runtime.now() }
end

--- All that is to be tried again is tried soon.
function Worker:hurry()
  for _, r in pairs(self.retries) do r.at, r.delay = runtime.now(), RETRY_FIRST end
end

local function retry(self)
  for owner, r in pairs(self.retries) do
    if runtime.now() >= r.at then
      local called, good, message = pcall(self.exclusive, self, self.converge, { owner },
        self.engine:has_foreign(owner))
      if self.closing then return end
      if not called then good, message = nil, tostring(good) end
      if good then
        self.retries[owner] = nil
        status(self, owner, "active", "")
      else
        r.delay = math.min(r.delay * 2, RETRY_MAX)
        r.at = runtime.now() + r.delay
        status(self, owner, "failed", message)
      end
      return   -- the table may have changed
    end
  end
end

--- Makes owners equal to their rows in one go, after reading them back from the system.
-- @return the described operations, or nil and a message
function Worker:converge(owners, verify)
  local objects, own, named = {}, nil, {}
  for _, owner in ipairs(owners) do
    named[owner] = true
    local _, endpoint = split(owner)
    if owner == "node " .. self.name then
      own = true
    else
      table.insert(objects, { table = endpoint and "Endpoint" or "Network", owner = owner, node = self.name })
    end
  end
  local wanted, message = self:wanted(self.view, objects)
  if wanted and own then
    own, message = self:node_wanted()
    wanted = own and table.move(wanted, 1, #wanted, 2, own)
  end
  if not wanted then return nil, message end
  if verify then
    local snap = snapshot.new(self.node)
    for _, one in ipairs(wanted) do self.engine:verify(one.owner, one.set, snap) end
  end
  wanted, message = self:without_lost(wanted, named)
  if not wanted then return nil, message end
  local plan
  plan, message = self:plan(wanted)
  if not plan then return nil, message end
  local good
  good, message = self.engine:apply_all(plan)
  if not good then return nil, message end
  return planning.describe_all(plan)
end

-- Whether a need is what a bridge of Open vSwitch was told, and can be told again now.
local function is_told(need, bridge, node)
  local kind = kinds.get(need.kind)
  local container = kind.can_be and kind.container(need.p)
  return container and ovs_bridge.ifname(container.p, node) == bridge and kind.can_be(need.p, node)
end

--- Makes again what is lost of the needs of a bridge of which f(need) is true; what fails is tried again later.
-- @tparam string bridge its name in Open vSwitch
function Worker:restore(bridge, f)
  local good, message, owners = self.engine:restore(f)
  if good then return end
  self.node.log(("bridge %s: %s"):format(bridge, message))
  for i, owner in ipairs(owners) do owners[i] = { owner = owner } end
  self:retry_later(owners)
end

--- Makes again what a bridge of Open vSwitch has forgotten.
function Worker:make_again(bridge)
  self:restore(bridge, function(need) return is_told(need, bridge, self.node) end)
end

--- The same, as soon as its daemon is there and nobody else works on the system: who does so sooner does that first.
function Worker:tell_again(bridge)
  local good, _, code = self.node.vswitch:apply {}
  while not good and code ~= "ENOENT" and not self.closing do
    task.sleep(RETRY_FIRST)
    good, _, code = self.node.vswitch:apply {}
  end
  if not good or self.closing then return end
  self:exclusive(function()
    local vswitch = self.node.vswitch
    if vswitch:answers() and not vswitch:find("Bridge", bridge) then return end   -- told when it is made again
    vswitch.management:refresh(bridge)
  end)
end

-- Looks whether what NERV did not make, and endpoints rest on, is still there and the same. Where it is
-- not, its owner is made anew from what is there, and until that succeeds it is shown as failed.
function Worker:look_around()
  local now = runtime.now()
  if next(self.engine.foreign) == nil or now - (self.looked or 0) < LOOK then return end
  self.looked = now
  local needs = {}
  for key, entry in pairs(self.engine.foreign) do needs[key] = entry.need end
  for key, need in pairs(needs) do
    local entry, found = self.engine.foreign[key], kinds.get(need.kind).look(need.p, self.node) or "gone"
    if entry and found ~= self.node.seen[key] then
      self.node.seen[key] = found
      self:retry_now(next(entry.owners))
    end
  end
end

-- What is remembered of Changes goes with their rows, some time later.
local function forget_old(self)
  local now = runtime.now()
  if now - (self.forgot or 0) < FORGET then return end
  self.forgot = now
  self.node.moves:follow()
  for uuid in pairs(self.journal) do
    if not self.state.rows.Change[uuid] then self.journal[uuid] = nil end
  end
  for key, uuid in pairs(self.reported) do
    if not self.state.rows.Change[uuid] then self.reported[key] = nil end
  end
end

--- Tells the others what this node runs; one transaction at a time.
function Worker:publish()
  self.unpublished = true
  if self.publishing then return end
  self.publishing = true
  while self.unpublished and not self.closing do
    self.unpublished = false
    publish.run(self.state, self.node, self.engine)
  end
  self.publishing = false
end

--- Follows the Changes until cancelled, or the agent closes: what was cancelled may have been caught below.
function Worker:follow()
  local watch <close> = self.state.db:watch { "Change" }
  while not self.closing do
    local due = self:due()
    for _, change in ipairs(due) do
      local phase = change.phase   -- the row is live: it may move on while we work
      local good, text, uncertain = pcall(self.exclusive, self, self.phase, change, phase)
      if not good then
        self.node.log(("change %s: %s"):format(change.text, tostring(text)))
        text = "failed: " .. tostring(text)
      end
      if self.closing then return end
      if text:find("^failed") and (phase == "sweep" or phase == "undo") then
        self.node.log(("change %s: %s: %s"):format(change.text, phase, text))   -- nobody else hears of it
        retry_objects(self, change)
      end
      self.reported[change._uuid .. phase] = change._uuid
      if uncertain and #uncertain > 0 then task.spawn(confirm, self, change, phase, text, uncertain)
      else report(self, change, phase, text) end
    end
    self:look_around()
    retry(self)
    forget_old(self)
    self:publish()
    if #due == 0 then watch:all(next(self.retries) and 0.5 or next(self.engine.foreign) and LOOK or 5) end
  end
end

return Worker
