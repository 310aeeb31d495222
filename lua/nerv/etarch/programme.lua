--- What a switch of an ETArch network does, as OpenFlow: computed from the domain, never read from the switch.
--
-- A frame of a member goes to the workspace's group, which is on each switch that has members: it copies the frame to
-- their ports and, where members are elsewhere too, to the trunk, once. OpenFlow never sends a frame back to where it
-- came from, so nobody hears himself and the trunk's frames do not return. Whatever nobody is attached for is dropped.
--
-- The first table parts control frames from messages, the second knows the members: so one flow of the first one, which
-- stays, counts all messages that reach a switch.
local control <const> = require "nerv.etarch.control"
local domains <const> = require "nerv.etarch.domain"
local etcp <const> = require "nerv.etcp"

local M = {}

local TYPE <const>, DTS <const> = control.ETHERTYPE, domains.DTS
-- Priorities in the first table: control frames of a port; of one that is new; those that claim to be from the DTS;
-- messages; all else. In the second: members' messages; others.
local PORT <const> = 310
local CONTROL <const>, FORGED <const>, MESSAGE <const>, OTHER <const> = 300, 290, 100, 0
local MEMBER <const>, STRANGER <const> = 200, 10
local FIRST <const>, SECOND <const> = 0, 1

--- @tparam string switch number of the switch, as text
-- @tparam string port name of its port
-- @return the place, as the domain knows it
function M.place(switch, port) return switch .. "/" .. port end

--- The number of a switch and the name of a port that a place is.
function M.split(place) return place:match("^([^/]*)/(.*)$") end

-- Control frames that a port may send in a second, and at once: who sends more keeps nobody else from being heard.
local REQUESTS <const>, REQUESTS_BURST <const> = 10000, 2000

--- Numbers of what ports have: this one and the port's. Those of workspaces are smaller.
M.PORTS = 100000

--- The cookie of the flow that all messages take.
M.MESSAGES = 1

local function flow(number, priority, match, actions, meter)
  match.eth_type = match.eth_type or (priority > OTHER and TYPE or nil)
  return { table = number, priority = priority, match = match, actions = actions, meter = meter }
end

--- What tells one flow from another.
function M.key(f)
  local m <const> = f.match
  return table.concat({ f.table, f.priority, m.in_port or "", m.eth_src or "", m.eth_dst or "" }, " ")
end

local function keyed(flows)
  local by = {}
  for _, f in ipairs(flows) do by[M.key(f)] = f end
  return by
end

--- What every switch does, whoever is attached. Nothing but ETArch crosses it.
function M.base()
  local messages <const> = flow(FIRST, MESSAGE, {}, {})
  messages.goto_table, messages.cookie = SECOND, M.MESSAGES
  return { flows = keyed { flow(FIRST, CONTROL, { eth_dst = DTS }, { { output = "controller" } }),
    flow(FIRST, FORGED, { eth_src = DTS }, {}), messages, M.drop_others(), flow(SECOND, STRANGER, {}, {}) } }
end

--- The flow that drops whatever is not ETArch.
function M.drop_others() return flow(FIRST, OTHER, {}, {}) end

--- What a switch does for the control frames of one of its ports.
-- @return as workspace() does, with unit= "pktps"
function M.port(number)
  local meter <const> = M.PORTS + number
  local f <const> = flow(FIRST, PORT, { in_port = number, eth_dst = DTS }, { { output = "controller" } }, meter)
  return { number = meter, rate = REQUESTS, burst = REQUESTS_BURST, unit = "pktps", flows = keyed { f } }
end

-- Where entities at one port speak several dialects, the port gets what the first of these in the list is.
local FIRST_SPOKEN <const> = { d2 = 1, d3a = 2, d3 = 3 }

-- The members of a workspace at a switch: port number -> {number=, sources= set of addresses, dialect=}; and whether
-- there are others elsewhere.
local function members_at(domain, workspace, switch, second_label)
  local ports, elsewhere = {}, false
  for title in pairs(workspace.members) do
    local entity <const> = domain.entities[title]
    local id, name = M.split(entity.place)
    local number <const> = switch.ports[name]
    if id ~= switch.id then elsewhere = true
    elseif number then
      local port = ports[number] or { number = number, sources = {}, dialect = entity.dialect }
      ports[number] = port
      if FIRST_SPOKEN[entity.dialect] < FIRST_SPOKEN[port.dialect] then port.dialect = entity.dialect end
      port.sources[entity.dialect == "d2" and second_label or entity.mac] = true
    end
  end
  return ports, elsewhere
end

-- What a member's port gets: see domain.lua on dialects.
local function bucket(number, dialect, label, second_label)
  local actions = { { output = number } }
  if dialect == "d2" then table.insert(actions, 1, { set_field = { eth_src = second_label } })
  elseif dialect == "d3a" then
    table.insert(actions, 1, { set_field = { eth_src = label } })
    table.insert(actions, 2, { set_field = { eth_dst = domains.BROADCAST } })
  end
  return { actions = actions }
end

--- What a switch does for a workspace. A meter is there from the workspace's beginning to its end: a new one lets
-- nothing pass until its bucket has filled.
-- @tparam table switch id, ports (name -> number), trunk (number of the port to the other switches, or nil)
-- @return {number=, buckets=, rate= kbit/s or nil, flows= by key}, or nil when there is nothing to do
function M.workspace(domain, workspace, switch)
  local _, second_label <const> = etcp.label(workspace.title)
  local ports, elsewhere = members_at(domain, workspace, switch, second_label)
  local number <const>, rate <const> = workspace.number, workspace.rate > 0 and workspace.rate or nil
  if not next(ports) then return rate and { number = number, rate = rate, flows = {} } end
  local trunk <const> = elsewhere and switch.trunk or nil
  local buckets, flows, to_group = {}, {}, { { group = number } }
  for port, member in pairs(ports) do
    buckets[#buckets + 1] = bucket(port, member.dialect, workspace.label, second_label)
    for source in pairs(member.sources) do
      local match <const> = { in_port = port, eth_src = source, eth_dst = workspace.label }
      flows[#flows + 1] = flow(SECOND, MEMBER, match, to_group, rate and number)
    end
  end
  table.sort(buckets, function(a, b) return a.actions[#a.actions].output < b.actions[#b.actions].output end)
  if trunk then
    buckets[#buckets + 1] = bucket(trunk)
    flows[#flows + 1] = flow(SECOND, MEMBER, { in_port = trunk, eth_dst = workspace.label }, to_group)
  end
  return { number = number, buckets = buckets, rate = rate, flows = keyed(flows) }
end

-- Whether two values, made of tables, are the same.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- A burst of what a workspace may send in a second passes.
local function meter(command, spec)
  local flags <const> = { [spec.unit or "kbps"] = true, burst = true }
  return { "meter_mod", { command = command, meter = spec.number, flags = flags,
    bands = command ~= "delete" and { { drop = spec.rate, burst = spec.burst or spec.rate } } or {} } }
end

local function group(command, spec)
  return { "group_mod", { command = command, group = spec.number, type = "all",
    buckets = command ~= "delete" and spec.buckets or {} } }
end

local function remove_flow(f)
  return { "flow_mod", { command = "delete_strict", table = f.table, priority = f.priority, match = f.match } }
end

--- The messages that lead from what a switch does to what it is to do. At no moment does a flow name a group that is
-- not there, and what stays the same is not touched.
-- @tparam ?table old, new from M.workspace or M.base
-- @return array of { name of the message, its items }
function M.messages(old, new)
  local list = {}
  local function add(message) list[#list + 1] = message end
  old, new = old or { flows = {} }, new or { flows = {} }
  if new.rate and new.rate ~= old.rate then add(meter(old.rate and "modify" or "add", new)) end
  if new.buckets and not same(old.buckets, new.buckets) then add(group(old.buckets and "modify" or "add", new)) end
  for key, f in pairs(new.flows) do
    if not same(old.flows[key], f) then add { "flow_mod", f } end
  end
  for key, f in pairs(old.flows) do
    if not new.flows[key] then add(remove_flow(f)) end
  end
  if old.buckets and not new.buckets then add(group("delete", old)) end
  if old.rate and not new.rate then add(meter("delete", old)) end
  return list
end

return M
