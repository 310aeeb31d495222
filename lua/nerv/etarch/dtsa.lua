--- The agent of the Domain Title Service (DTSA) of an ETArch network: a program that the network's home runs. Switches
-- connect to it by OpenFlow; what entities ask arrives as packet_in, and answers leave as packet_out.
--
-- One task works, in rounds: it takes all that has arrived, decides it, writes what has changed in one transaction, and
-- programmes the switches. What changes a workspace is answered when they do it, all else at once. So an answer that
-- was seen holds, and a switch that is slow keeps nobody else waiting.
local attachment <const> = require "nerv.attachment"
local cache <const> = require "nerv.etarch.cache"
local domains <const> = require "nerv.etarch.domain"
local control <const> = require "nerv.etarch.control"
local mailbox <const> = require "nerv.mailbox"
local openflow <const> = require "nerv.openflow"
local programme <const> = require "nerv.etarch.programme"
local runtime <const> = require "nerv.runtime"
local store <const> = require "nerv.etarch.store"
local task <const> = require "nerv.task"

local M = {}
local Dtsa <const> = {}
Dtsa.__index = Dtsa

-- Seconds between two looks for ports that are gone.
local LOOK <const> = 1
-- Seconds in which a switch that comes must answer.
local ANSWER <const> = 5
-- Requests that are told to be wrong from one look to the next.
local COMPLAINTS_MOST <const> = 20
-- Frames that may wait: then switches are held back, and drop what comes beyond; seconds between two looks for room.
local WAITING_MOST <const>, HELD_BACK <const> = 4096, 0.006

local function log(fmt, ...) io.stderr:write(fmt:format(...), "\n") end

-- -- switches --

-- Notes a port that is there, or has gone. One whose interface has been taken away stays, but without a link.
local function note_port(switch, port, gone)
  local name <const>, number <const> = port.name, port.port
  switch.ports[name], switch.names[number] = not gone and number or nil, not gone and name or nil
  switch.live[name] = not gone and not (port.state and port.state.link_down) or nil
  if number == attachment.CROSSING then switch.trunk = not gone and number or nil end
end

local function new_switch(dp)
  local switch <const> = { id = dp.id, dp = dp, ports = {}, names = {}, live = {}, installed = {} }
  for _, port in pairs(dp.ports) do note_port(switch, port) end
  return switch
end

-- What a switch has from former times: all its flows, and groups and meters as what is unlike anything wanted. One that
-- does not answer, barriers included, takes no part: nobody waits for it again.
local function read_switch(dp)
  local found <const> = { workspaces = {}, flows = {} }
  local function workspace(number)
    found.workspaces[number] = found.workspaces[number] or { number = number, flows = {} }
    return found.workspaces[number]
  end
  local flows <const>, groups <const>, meters <const> = dp:stats "flow", dp:stats "group_desc", dp:stats "meter_config"
  if not flows or not groups or not meters or not dp:barrier(ANSWER) then return nil end
  found.memory = cache.new(flows)
  for _, f in ipairs(flows) do
    found.flows[#found.flows + 1] = { table = f.table, priority = f.priority, match = f.match }
  end
  for _, group in ipairs(groups) do workspace(group.group).buckets = {} end
  for _, meter in ipairs(meters) do workspace(meter.meter).rate = -1 end
  return found
end

local function send(switch, messages)
  for _, message in ipairs(messages) do
    switch.dp[message[1]:gsub("_mod$", "")](switch.dp, message[2])
  end
  return #messages > 0
end

-- Where entities are: neither the way to other nodes nor the switch's own port, which has a name instead of a number.
local function is_entities(port) return math.type(port) == "integer" and port < attachment.CROSSING end

-- What a switch is to do for a workspace, or for one of its ports; nil: nothing.
function Dtsa:wanted(switch, number)
  local workspace <const>, port <const> = self.domain.workspaces[self.domain.numbers[number]], number - programme.PORTS
  if workspace then return programme.workspace(self.domain, workspace, switch) end
  return switch.names[port] and programme.port(port) or nil
end

-- Brings one workspace or port up to date on a switch; returns whether anything was sent.
function Dtsa:programme(switch, number)
  local new <const> = self:wanted(switch, number)
  local sent <const> = send(switch, programme.messages(switch.installed[number], new))
  switch.installed[number] = new
  return sent
end

-- Flows that nobody wants go last: until then frames take them.
local function remove_flows(switch, flows)
  local wanted <const> = {}
  for key in pairs(programme.base().flows) do wanted[key] = true end
  for _, installed in pairs(switch.installed) do
    for key in pairs(installed.flows) do wanted[key] = true end
  end
  for _, f in ipairs(flows) do
    if not wanted[programme.key(f)] then
      switch.dp:flow { command = "delete_strict", table = f.table, priority = f.priority, match = f.match }
    end
  end
end

function Dtsa:join(switch, found)
  self.switches[switch.id] = switch
  switch.installed, switch.memory = found.workspaces, found.memory
  send(switch, programme.messages(nil, programme.base()))
  local numbers <const> = {}
  for number in pairs(found.workspaces) do numbers[number] = true end
  for number in pairs(self.domain.numbers) do numbers[number] = true end
  for port in pairs(switch.names) do
    if is_entities(port) then numbers[programme.PORTS + port] = true end
  end
  for number in pairs(numbers) do self:programme(switch, number) end
  remove_flows(switch, found.flows)
  log("switch %s is here", switch.id)
end

-- A switch has connected; it takes part when it is known what it has.
local function on_switch(self, dp)
  local switch <const> = new_switch(dp)
  dp:on("packet_in", function(p)
    while self.inbox:count() > WAITING_MOST do task.sleep(HELD_BACK) end
    self.inbox:put { switch = switch, number = p.in_port, frame = p.data }
  end)
  dp:on("port_status", function(e) self.inbox:put { switch = switch, port = e.port, gone = e.reason == "delete" } end)
  dp:on("error", function(e) log("switch %s refuses: %s/%s", dp.id, e.type, e.code) end)
  dp:on("close", function() self.inbox:put { leaves = switch } end)
  local found <const> = read_switch(dp)
  if found then return self.inbox:put { joins = switch, found = found } end
  log("switch %s does not answer", dp.id)
  dp:close "it does not say what it does"
end

-- -- rounds --

function Dtsa:port_changed(switch, port, gone)
  local number <const> = port.port
  note_port(switch, port, gone)
  if is_entities(number) and self.switches[switch.id] == switch then
    self:programme(switch, programme.PORTS + number)
  end
  for title in pairs(self.domain.workspaces) do self.touched[title] = true end
end

local function changes_workspaces(changes, first)
  for i = first, #changes do
    if changes[i].kind ~= "entity" then return true end
  end
  return false
end

-- What is wrong with requests, as long as it is not too much.
function Dtsa:complain(fmt, ...)
  self.complaints = self.complaints + 1
  if self.complaints <= COMPLAINTS_MOST then log(fmt, ...) end
end

-- What nobody enforces is told.
local function log_class(request)
  local class <const> = domains.class_of(request.body.capabilities)
  if class then log("workspace %s: class of service %s: kept, not enforced", request.body.workspace_title, class) end
end

-- What is asked again while its answer waits for switches is answered then.
function Dtsa:answer(round, item)
  local name <const> = item.switch.names[item.number]
  if not name or self.switches[item.switch.id] ~= item.switch then return end
  local first <const> = #self.domain.changes + 1
  local answer <const>, why = control.handle(self.control, programme.place(item.switch.id, name), item.frame)
  if not answer then return self:complain("switch %s, port %s: %s", item.switch.id, name, why) end
  if answer.again and not answer.kept.sent then return end
  if not answer.good then self:complain("%s: %s", answer.request.type, answer.reason)
  elseif answer.request.body.workspace_title then log_class(answer.request)
  end
  local list <const> = changes_workspaces(self.domain.changes, first) and round.later or round.now
  list[#list + 1] = { switch = item.switch, number = item.number, kept = answer.kept }
end

function Dtsa:take(round, item)
  if item.frame then self:answer(round, item)
  elseif item.port then self:port_changed(item.switch, item.port, item.gone)
  elseif item.joins then self:join(item.joins, item.found)
  elseif item.leaves and self.switches[item.leaves.id] == item.leaves then self.switches[item.leaves.id] = nil
  end
end

function Dtsa:note_touched(changes)
  for _, change in ipairs(changes) do
    if change.kind ~= "entity" then self.touched[change.title] = true end
  end
end

-- The numbers of the workspaces that are touched, also of those that are gone.
function Dtsa:touched_numbers()
  local numbers <const> = {}
  for title in pairs(self.touched) do
    local workspace <const> = self.domain.workspaces[title]
    local number <const> = workspace and workspace.number or self.former[title]
    if number then numbers[number] = true end
  end
  return numbers
end

-- Waits until a switch does what it has been told. One that does not answer leaves.
function Dtsa:follow(switch)
  local good, done, message = pcall(cache.wait, switch.dp, switch.memory, self.look_port)
  if good and done then
    if message then log("switch %s: %s", switch.id, message) end
    return
  end
  log("switch %s: %s", switch.id, tostring(not good and done or message))
  switch.dp:close "it does not do what it is told"
end

-- Tells the switches; returns tasks that end when they do it.
function Dtsa:programme_all()
  local waits = {}
  local numbers <const> = self:touched_numbers()
  for _, switch in pairs(self.switches) do
    local sent = false
    for number in pairs(numbers) do sent = self:programme(switch, number) or sent end
    if sent then waits[#waits + 1] = task.spawn(self.follow, self, switch) end
  end
  self.touched = {}
  return waits
end

-- Numbers of workspaces as they are, to know those of workspaces that go.
function Dtsa:remember_numbers()
  self.former = {}
  for number, title in pairs(self.domain.numbers) do self.former[title] = number end
end

local function answer_all(list)
  for _, one in ipairs(list) do
    one.switch.dp:packet_out { data = one.kept.reply, actions = { { output = one.number } } }
    one.kept.sent = true
  end
end

function Dtsa:round(items)
  local round <const> = { now = {}, later = {} }
  for _, item in ipairs(items) do self:take(round, item) end
  local changes <const> = domains.take_changes(self.domain)
  local good, message = store.write(self.store, self.domain, changes)
  if not good then error("the database does not take what has changed: " .. message, 0) end
  answer_all(round.now)
  self:note_touched(changes)
  if not next(self.touched) then return end
  local waits <const> = self:programme_all()
  self:remember_numbers()
  task.spawn(function()
    for _, wait in ipairs(waits) do wait:join() end
    answer_all(round.later)
  end)
end

-- Whether the port that a place is can be reached.
function Dtsa:is_there(place)
  local id, name = programme.split(place)
  local switch <const> = self.switches[id]
  return switch and switch.live[name]
end

-- Entities whose port or its link, or whose switch, stays away go with it.
function Dtsa:age()
  local now <const>, gone <const> = runtime.now(), {}
  local untold <const> = self.complaints - COMPLAINTS_MOST
  if untold > 0 then log("%d more requests were wrong", untold) end
  self.complaints = 0
  for place in pairs(self.domain.at) do
    self.missing[place] = not self:is_there(place) and (self.missing[place] or now) or nil
    if now - (self.missing[place] or now) >= self.absence then gone[#gone + 1] = place end
  end
  for _, place in ipairs(gone) do
    self.missing[place] = nil
    for _, title in ipairs(domains.vacate(self.domain, place)) do log("entity %s: its port is gone", title) end
  end
  local forgotten <const> = domains.forget_departed(self.domain, now, control.TAKEOVER)
  if #gone > 0 or forgotten then self.inbox:put {} end
end

--- Runs until the database or the socket fails.
-- @tparam table options network (its name), db (remote of the database), node (its own), path or address and port
--   (where switches connect), policy, rate (kbit/s), dialect (of who does not say), absence (seconds for which entities
--   outlive their port), look_port (where relays tell that their switch has looked its cache through)
function M.run(options)
  local kept, message = store.open(options.db, options.network, options.node)
  if not kept then error(message, 0) end
  local domain <const> = domains.new(options)
  domains.restore(domain, store.load(kept))
  local self <const> = setmetatable({ domain = domain, store = kept, switches = {}, missing = {}, touched = {},
    complaints = 0, absence = options.absence, look_port = options.look_port, inbox = mailbox.new(),
    control = control.new(domain, { title = options.title }) }, Dtsa)
  self:remember_numbers()
  assert(openflow.listen { path = options.path, address = options.address, port = options.port,
    on_switch = function(dp) on_switch(self, dp) end })
  task.every(LOOK, self.age, self)
  while true do self:round(self.inbox:take_all()) end
end

return M
