--- The agent of a node: makes what the rows want of this node true.
--
-- Life: open the instance, start or find the database, join it as a node, adopt what a former
-- agent left, then follow the Changes. One task works on the system at a time.
local context <const> = require "nerv.context"
local cgroup <const> = require "nerv.cgroup"
local desired <const> = require "nerv.desired"
local digest <const> = require "nerv.digest"
local driver <const> = require "nerv.driver"
local engine <const> = require "nerv.engine"
local file <const> = require "nerv.file"
local instance <const> = require "nerv.instance"
local json <const> = require "nerv.json"
local paths <const> = require "nerv.paths"
local process <const> = require "nerv.process"
local protocol <const> = require "nerv.protocol"
local publish <const> = require "nerv.publish"
local runtime <const> = require "nerv.runtime"
local snapshot <const> = require "nerv.snapshot"
local state_module <const> = require "nerv.state"
local stream <const> = require "nerv.stream"
local supervisor <const> = require "nerv.supervisor"
local task <const> = require "nerv.task"
local kinds <const> = require "nerv.kinds"
local nve <const> = require "nerv.nve"

local M = {}

local Agent = {}
Agent.__index = Agent

-- Seconds between two renewals of Node.seen.
local HEARTBEAT <const> = 5
-- Seconds within which a lab's first shell must have come.
local FIRST_SHELL <const> = 30
-- Seconds before a failing need is tried again, first and at most.
local RETRY_FIRST <const>, RETRY_MAX <const> = 1, 60

local function log(text)
  runtime.log(("%s %s"):format(os.date("!%Y-%m-%dT%H:%M:%SZ"), text))
end

-- What the kinds need of the node; see kinds.lua and supervisor.lua.
local function make_node(agent)
  local inst = agent.instance
  local node = { instance = inst.id, run_dir = inst.run_dir, name = agent.name, log = log,
    cgroup = agent.cgroup, switches = {} }

  function node.alias(owner) return ("nerv:%s:%s"):format(inst.id, owner) end
  function node.owner_of_alias(alias)
    local id, owner = tostring(alias or ""):match("^nerv:(%x+):(.+)$")
    return id == inst.id and owner or nil
  end
  function node.fresh_group() return 0x40000000 + tonumber(digest.random(4), 16) % 0x3fffffff end
  function node.namespace_path(ns) return kinds.get("netns").path(ns.p, node) end

  local words = { exe = paths.exe(), libexec = paths.libexec(), p4 = paths.p4(),
    run = inst.run_dir, state = inst.state_dir }
  function node.substitute(text)
    words.db = agent.remote
    return (text:gsub("%${(%w+)}", words))
  end
  function node.mount_bpf()
    local dir = inst.run_dir .. "/bpf"
    local good, message, code = file.mkdir(dir, { parents = true })
    if not good then return nil, message, code end
    if file.stat(dir).dev ~= file.stat(inst.run_dir).dev then return true end
    return file.mount { source = "bpf", target = dir, type = "bpf" }
  end
  function node.open_switch(name)
    if not node.switches[name] then
      local sw, message, code = nve.connect(inst.run_dir .. "/" .. name .. ".sock")
      if not sw then return nil, message, code end
      node.switches[name] = sw
    end
    return node.switches[name]
  end
  function node.close_switch(name)
    if node.switches[name] then node.switches[name]:close() end
    node.switches[name] = nil
  end
  function node.service_restarted(p) node.close_switch(p.name) end
  return node
end

-- The database of a node that was given none: an ovsdb-server of its own, under the supervisor.
local function start_database(agent)
  local inst = agent.instance
  local db_file, socket = inst.state_dir .. "/nerv.db", inst.run_dir .. "/db.sock"
  agent.remote = "unix:" .. socket
  if not file.stat(db_file) then
    local schema_file = inst.state_dir .. "/nerv.ovsschema"
    file.write(schema_file, json.encode(require "nerv.schema"))
    local result, message, code = process.run { argv = { "ovsdb-tool", "create", db_file, schema_file } }
    if not result then return nil, message, code end
    if result.exit ~= 0 then return nil, "ovsdb-tool: " .. result.stderr, "EXIT" end
  end
  return agent.node.supervisor:start { id = "agent", name = "database", ready = socket, stop = 5,
    argv = { "ovsdb-server", "--remote=punix:" .. socket, "--unixctl=" .. inst.run_dir .. "/db.ctl",
      "--no-chdir", "-vconsole:warn", "-vsyslog:off", "-vfile:off", db_file } }
end

-- Writes this node's row: a new one, or the one that a testbed or a former agent left.
local function join(agent)
  local row = agent.state:node(agent.name)
  local values = { instance = agent.instance.id, state = "active", run_dir = agent.instance.run_dir,
    seen = (row and row.seen or 0) + 1 }
  if row then
    return agent.state:transact { { op = "update", table = "Node",
      where = { { "_uuid", "==", row._uuid } }, row = values } }
  end
  values.name, values.options = agent.name, "{}"
  return agent.state:transact { { op = "insert", table = "Node", row = values } }
end

local function heartbeat(agent)
  while true do
    task.sleep(HEARTBEAT)
    if agent.state:node(agent.name) then join(agent) end
  end
end

-- Network and endpoint of an owner: "blue", "blue:h1".
local function split(owner)
  local net, name = owner:match("^([^:]+):(.+)$")
  return net or owner, name
end

local EMPTY <const> = { by_key = {}, claims = {} }

--- The evaluated network on this node, kept until its row or its endpoints' presence changes.
function Agent:network(view, name, fresh)
  local known = self.networks[name]
  if known and not fresh and not view.draft then return known end
  local facts = self.facts[name] or {}
  local network, message = desired.network(view, name, facts)
  if message then return nil, message end
  if not view.draft then self.networks[name] = network end
  return network
end

--- The owners on this node that objects of a change concern, with their sets: the network
-- itself, and the endpoints that are named; all endpoints when the network's own row changed.
-- @return array of { owner =, set = }, in the order of creation; or nil and a message
function Agent:wanted(view, objects)
  local nets, order = {}, {}
  for _, object in ipairs(objects) do
    local net, endpoint = split(object.owner)
    if object.table ~= "Node" then
      if not nets[net] then
        nets[net] = { names = {} }
        order[#order + 1] = net
      end
      if object.table == "Network" then nets[net].changed = true end
      if endpoint and object.node == self.name then
        table.insert(nets[net].names, endpoint)
        nets[net].names[endpoint] = true
      end
    end
  end
  local result = {}
  for _, net in ipairs(order) do
    local network, message = self:network(view, net, true)
    if message then return nil, message end
    result[#result + 1] = { owner = net, set = network and network.set or EMPTY }
    local names = nets[net].names
    if nets[net].changed then
      for _, name in ipairs(view:endpoint_names(net)) do
        if not names[name] then names[#names + 1] = name end
      end
    end
    for i, name in ipairs(names) do
      local set
      set, message = desired.endpoint(view, network, net, name)
      if not set then return nil, message end
      result[#result + 1] = { owner = net .. ":" .. name, set = set }
      if i % 50 == 0 then task.sleep(0) end
    end
  end
  return result
end

--- The merged plan for a list of { owner, set }.
function Agent:plan(wanted)
  local plans = {}
  for i, one in ipairs(wanted) do
    local plan, message = self.engine:plan(one.owner, one.set)
    if not plan then return nil, message end
    plans[i] = plan
  end
  return engine.merge(plans)
end

-- Facts that a function asked for and that are there now.
function Agent:learn_facts(name)
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

local function report(self, change, text)
  return self.state:transact {
    { op = "wait", table = "Change", where = { { "_uuid", "==", change._uuid } },
      columns = { "phase" }, ["until"] = "==", rows = { { phase = change.phase } }, timeout = 0 },
    { op = "mutate", table = "Change", where = { { "_uuid", "==", change._uuid } },
      mutations = { { "reports", "delete", { self.name } },
        { "reports", "insert", { [self.name] = text } } } } }
end

function Agent:node_wanted()
  local set, message = desired.node(self.view)
  if not set then return nil, message end
  return { { owner = "node " .. self.name, set = set } }
end

-- Phases of a change that are applied together: the one that is due, or all of them.
local phases_of <const> = { make = { "make" }, switch = { "make", "switch" },
  sweep = engine.PHASES, undo = engine.PHASES }

local function remaining(plan, done)
  for _, phase in ipairs(engine.PHASES) do
    if not done[phase] and #plan[phase] > 0 then return true end
  end
  return false
end

--- Applies one phase of a change on this node.
-- @return the report for it
function Agent:phase(change)
  local objects = json.decode(change.objects) or {}
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
  local plan
  plan, message = self:plan(wanted)
  if not plan then return "failed: " .. message end
  local journal = self.journal[change._uuid] or {}
  self.journal[change._uuid] = journal
  local done = {}
  for _, phase in ipairs(phases_of[change.phase]) do
    local good
    table.move(engine.describe(plan[phase]), 1, #engine.describe(plan[phase]), #journal + 1, journal)
    good, message = self.engine:apply(plan[phase])
    if not good then
      if change.phase == "sweep" or change.phase == "undo" then self:retry_later(wanted) end
      return "failed: " .. message
    end
    done[phase] = true
  end
  for _, one in ipairs(wanted) do
    if self:learn_facts(one.owner) and change.phase == "make" then
      return self:phase(change)   -- once more, with the facts it asked for
    end
  end
  return remaining(plan, done) and change.phase or change.phase == "undo" and "undo" or "converged"
end

local function in_order(a, b) return a.serial < b.serial end

function Agent:due()
  local due = {}
  for _, change in ipairs(self.state:list "Change") do
    if phases_of[change.phase] and (change.reports[self.name] or ""):match("^%l+") ~= change.phase
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
  if state == "active" then
    if row then
      self.state:transact { { op = "delete", table = "Status", where = { { "_uuid", "==", row._uuid } } } }
    end
    return
  end
  if row then
    self.state:transact { { op = "update", table = "Status", where = { { "_uuid", "==", row._uuid } },
      row = { state = state, error = message } } }
  else
    self.state:transact { { op = "insert", table = "Status",
      row = { owner = owner, node = self.name, state = state, error = message, facts = "{}" } } }
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
Agent.exclusive = exclusive

-- After `done` a failing need is tried for ever, and shown in the state meanwhile.
function Agent:retry_later(wanted)
  for _, one in ipairs(wanted) do
    if not self.retries[one.owner] then
      self.retries[one.owner] = { delay = RETRY_FIRST, at = runtime.now() + RETRY_FIRST }
    end
  end
end

local function retry(self)
  for owner, r in pairs(self.retries) do
    if runtime.now() >= r.at then
      local good, message = self:exclusive(self.converge, { owner })
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
function Agent:converge(owners, verify)
  local objects = {}
  for i, owner in ipairs(owners) do
    local _, endpoint = split(owner)
    objects[i] = { table = endpoint and "Endpoint" or "Network", owner = owner, node = self.name }
  end
  local wanted, message = self:wanted(self.view, objects)
  if not wanted then return nil, message end
  if verify then
    local snap = snapshot.new(self.node)
    for _, one in ipairs(wanted) do self.engine:verify(one.owner, one.set, snap) end
  end
  local plan
  plan, message = self:plan(wanted)
  if not plan then return nil, message end
  local operations = {}
  for _, phase in ipairs(engine.PHASES) do
    local listed = engine.describe(plan[phase])
    table.move(listed, 1, #listed, #operations + 1, operations)
    local good
    good, message = self.engine:apply(plan[phase])
    if not good then return nil, message end
  end
  return operations
end

local function known_owners(self)
  local owners = { ["node " .. self.name] = true, agent = true }
  for _, net in ipairs(self.state:list "Network") do
    owners[net.name] = true
    for _, ep in ipairs(self.state:endpoints(net._uuid, self.name)) do
      owners[net.name .. ":" .. ep.name] = true
    end
  end
  return owners
end

-- An owner as marks carry it: the needs of a composed network are marked with its path.
local function outermost(owner) return (owner:gsub("/[^:]*", "")) end

local function remove_stranger(self, stranger)
  local kind, found = stranger.kind, stranger.found
  if kind.name == "link" then
    return require("nerv.link").delete { name = found.name }
  elseif kind.name == "service" then
    return self.node.supervisor:stop(found.p)
  elseif kind.class == "kernel" then
    return require("nerv.batch").run(kind.remove(found.p, self.node))
  end
end

-- At start: the node's own needs, then each network and endpoint, read back and mended; then
-- whatever carries our mark and belongs to nobody goes.
local function adopt(self)
  local own, message = self:node_wanted()
  if not own then return nil, message end
  local snap = snapshot.new(self.node)
  self.engine:verify(own[1].owner, own[1].set, snap)
  local plan
  plan, message = self:plan(own)
  if not plan then return nil, message end
  for _, phase in ipairs(engine.PHASES) do
    local good
    good, message = self.engine:apply(plan[phase])
    if not good then return nil, message end
  end
  for _, net in ipairs(self.state:list "Network") do
    local owners = { net.name }
    local good
    good, message = self:converge(owners, true)
    if not good then
      log(("network %s: %s"):format(net.name, message))
      self:retry_later { { owner = net.name } }
    end
  end
  local owners = known_owners(self)
  local known = setmetatable({}, { __index = function(_, owner) return owners[outermost(owner)] end })
  for _, stranger in ipairs(self.engine:strangers(known, snapshot.new(self.node))) do
    remove_stranger(self, stranger)
  end
  return true
end

-- What is remembered of Changes goes with their rows.
local function forget_old(self)
  for uuid in pairs(self.journal) do
    if not self.state.rows.Change[uuid] then self.journal[uuid] = nil end
  end
  for key, uuid in pairs(self.reported) do
    if not self.state.rows.Change[uuid] then self.reported[key] = nil end
  end
end

--- Follows the Changes until cancelled.
local function work(self)
  local watch <close> = self.state.db:watch { "Change" }
  while true do
    local due = self:due()
    for _, change in ipairs(due) do
      local good, text = pcall(self.exclusive, self, self.phase, change)
      if not good then
        log(("change %s: %s"):format(change.text, tostring(text)))
        text = "failed: " .. tostring(text)
      end
      if not text:find("^failed") and text ~= "converged" then text = change.phase end
      self.reported[change._uuid .. change.phase] = change._uuid
      report(self, change, text)
    end
    retry(self)
    forget_old(self)
    publish.run(self.state, self.node, self.engine)
    if #due == 0 then watch:all(next(self.retries) and 0.5 or 5) end
  end
end

local function handlers(self)
  local calls = {}

  function calls.hello()
    return { node = self.name, instance = self.instance.id, db = self.remote, lab = self.lab,
      run_dir = self.instance.run_dir, state_dir = self.instance.state_dir, pid = process.self() }
  end

  -- Held open by a shell: a lab lives as long as one of these does.
  function calls.hold(_, connection)
    self.holders = self.holders + 1
    protocol.send(connection, calls.hello())
    connection:read_frame()
    self.holders = self.holders - 1
    if self.lab and self.holders == 0 then self.finish:close() end
  end

  function calls.keep()
    self.lab = false
    file.remove(self.instance.state_dir .. "/temporary")
    return { ok = true }
  end

  function calls.plan(request)
    return exclusive(self, function()
      local view = desired.draft_view(self.state, self.name, request.draft)
      local wanted, message = self:wanted(view, request.objects)
      if not wanted then return nil, message, "EINVAL" end
      local plan
      plan, message = self:plan(wanted)
      if not plan then return nil, message, "EBUSY" end
      local operations = {}
      for _, phase in ipairs(engine.PHASES) do
        local listed = engine.describe(plan[phase])
        table.move(listed, 1, #listed, #operations + 1, operations)
      end
      return { operations = operations }
    end)
  end

  function calls.operations(request)
    return { operations = self.journal[request.change] or {} }
  end

  function calls.verify(request)
    return exclusive(self, function()
      local operations, message = self:converge({ request.network }, true)
      if not operations then return nil, message, "EIO" end
      return { operations = operations }
    end)
  end

  function calls.exec(request, connection)
    return require("nerv.execute").serve(self, request, connection)
  end

  return calls
end

local function open(options)
  local inst, message, code = instance.open(context.state_dir())
  if not inst then
    error(code == "EWOULDBLOCK" and ("an agent runs already on %s"):format(context.state_dir())
      or message, 0)
  end
  local agent = setmetatable({ instance = inst, lab = options.lab or false, holders = 0,
    temporary = options.lab or options.temporary or false, networks = {}, facts = {}, journal = {},
    reported = {}, retries = {} }, Agent)
  agent.name = options.node or file.read("/proc/sys/kernel/hostname"):match("%S+")
  local group
  group, message = instance.cgroup(inst.id)
  if not group then error(message, 0) end
  agent.cgroup = group
  local good
  good, message = cgroup.create(group)
  if not good then error(message, 0) end
  if agent.temporary then file.write(inst.state_dir .. "/temporary", "") end
  return agent
end

-- Leaves a temporary instance as if it had never been; leaves a lasting one running.
local function close(self)
  self.worker:cancel()
  self.worker:join(10)
  if not self.temporary then
    self.node.supervisor:release()
    return
  end
  local owners = {}
  for owner in pairs(self.engine.owned) do owners[#owners + 1] = { owner = owner, set = EMPTY } end
  local plan = self:plan(owners)
  for _, phase in ipairs(engine.PHASES) do
    local good, message = self.engine:apply(plan and plan[phase] or {})
    if not good then log(message) end
  end
  self.state:close()
  self.node.supervisor:release()   -- what is left, the database above all, ends with its cgroup
  instance.clean(self.instance.state_dir)
end

--- Runs the agent until it is told to end.
function M.run()
  local options = context.options
  local self = open(options)
  self.remote = options.db
  self.node = make_node(self)
  self.node.supervisor = supervisor.new(self.node)
  local good, message = true, nil
  if not self.remote then good, message = start_database(self) end
  if not good then error("database: " .. message, 0) end
  self.state, message = state_module.connect(self.remote)
  if not self.state then error("database: " .. message, 0) end
  self.view = desired.view(self.state, self.name)
  self.engine = engine.new(self.node)
  -- Who sees the node active can call it: the calls wait until it has adopted what is there.
  local listener = assert(stream.listen { path = self.instance.run_dir .. "/agent.sock", mode = 432 })
  assert(join(self))
  good, message = adopt(self)
  if not good then log("adoption: " .. message) end
  self.finish = {}
  local signals = process.signals { "TERM", "INT", "HUP" }
  self.worker = task.spawn(work, self)
  local children = { task.spawn(driver.run, self.state), task.spawn(heartbeat, self),
    task.spawn(protocol.serve, listener, handlers(self)) }
  local waiter = task.spawn(function() signals:next() end)
  function self.finish.close() waiter:cancel() end
  if self.lab then   -- the shell that started it may have died meanwhile
    children[#children + 1] = task.spawn(function()
      task.sleep(FIRST_SHELL)
      if self.lab and self.holders == 0 then waiter:cancel() end
    end)
  end
  waiter:join()
  listener:close()
  for _, child in ipairs(children) do child:cancel() end
  close(self)
end

return M
