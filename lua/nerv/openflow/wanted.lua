--- What the kinds of need `flow`, `group` and `meter` have in common: they are items of OpenFlow messages, in which
-- ports, groups and meters may be needs; they are checked before anything is touched, and put on the switches of a node
-- in one go for each.
local archetypes <const> = require "nerv.archetype"
local bridge_kind <const> = require "nerv.kinds.ovs_bridge"
local codec <const> = require "nerv.openflow_codec"
local needs <const> = require "nerv.needs"
local port_kind <const> = require "nerv.kinds.ovs_port"

local M = {}

-- Kinds that OpenFlow knows by a number, and what that is before the system has made them.
local NUMBERED <const> = { ovs_port = function() return 1 end, group = function(need) return need.p.group end,
  meter = function(need) return need.p.meter end }

--- The texts of the items of a message, for properties that are those items.
-- @tparam string message "flow_mod"
-- @tparam array names of the items
function M.properties(message, names)
  local texts <const>, properties <const> = {}, { id = { doc = "owner; by default who wants it" },
    bridge = { doc = "the ovs_bridge", required = true } }
  for _, item in ipairs(codec.describe().messages[message].items) do
    texts[item.name] = item.text:gsub("; \"all\" for delete$", "")
  end
  for _, name in ipairs(names) do properties[name] = { doc = texts[name] } end
  return properties
end

--- Raises an error with the archetype's line.
function M.complain(kind, text) archetypes.complain(("need.%s: %s"):format(kind, text)) end

-- A copy of a value with numbers in the place of needs.
local function replaced(value, number_of)
  if needs.is_need(value) or needs.is_placeholder(value) then return number_of(value) end
  if type(value) ~= "table" then return value end
  local copy <const> = {}
  for key, inner in pairs(value) do
    local number, message = replaced(inner, number_of)
    if number == nil then return nil, message end
    copy[key] = number
  end
  return copy
end

local function items_of(p, names, number_of)
  local items <const> = {}
  for _, name in ipairs(names) do
    if p[name] ~= nil then
      local message
      items[name], message = replaced(p[name], number_of)
      if items[name] == nil then return nil, message end
    end
  end
  return items
end

--- The items of those names, as a switch says them: nothing where nothing is done.
function M.pick(said, names)
  local items <const> = {}
  for _, name in ipairs(names) do items[name] = said[name] end
  for _, name in ipairs { "actions", "write_actions" } do
    if items[name] and #items[name] == 0 then items[name] = nil end
  end
  return items
end

-- Every value in its usual form.
local function canonical(message, items, names)
  return M.pick(codec.decode(codec.encode(message, items)), names)
end

local function number_when_checked(kind, p)
  return function(value)
    if needs.is_placeholder(value) then
      M.complain(kind, rawget(value, "text") .. " is known only to the system")
    end
    local number <const> = NUMBERED[value.kind]
    if not number then
      M.complain(kind, ("a %s is no port of the bridge: hand on an ovs_port, which need.attachment returns as `port`")
        :format(value.kind))
    end
    if value.p.bridge.key ~= p.bridge.key then
      M.complain(kind, ("%s is on another bridge, %s"):format(value.key, value.p.bridge.key))
    end
    return number(value)
  end
end

--- Checks the properties of a need that is wanted.
-- @tparam string kind "flow"
-- @raise at the archetype's line: what is wrong, with the nearest valid choice
function M.check(kind, p, names)
  if not needs.is_need(p.bridge) or p.bridge.kind ~= "ovs_bridge" then
    M.complain(kind, "property 'bridge': an ovs_bridge is expected")
  end
  local message <const> = kind .. "_mod"
  local good, problem = pcall(codec.encode, message, items_of(p, names, number_when_checked(kind, p)))
  if not good then M.complain(kind, (problem:gsub("^.-" .. message .. ": ", ""))) end
end

--- The same properties as the switch has them; nil and a message while a port is not there.
-- @tparam table p properties
-- @tparam table node
function M.resolved(kind, p, names, node)
  local items, message = items_of(p, names, function(need)
    if need.kind ~= "ovs_port" then return NUMBERED[need.kind](need) end
    local number <const> = port_kind.number(need.p, node)
    if number then return number end
    return nil, ("%s is no port yet"):format(need.key)
  end)
  if not items then return nil, message end
  return canonical(kind .. "_mod", items, names)
end

local function text_of(value)
  if type(value) == "string" then return value end
  return math.type(value) == "integer" and ("%d"):format(value) or tostring(value)
end

local function sorted_text(values)
  local parts <const> = {}
  for name, value in pairs(values) do parts[#parts + 1] = name .. "=" .. text_of(value) end
  table.sort(parts)
  return #parts > 0 and table.concat(parts, ",") or "any"
end

--- What tells one flow of a switch from another.
function M.identity(flow) return ("%s/%d %s"):format(flow.table, flow.priority, sorted_text(flow.match)) end

local IDENTITY <const> = { "table", "priority", "match" }

--- The same of a flow that is wanted, with the names of ports.
function M.key(p)
  local form <const> = canonical("flow_mod", items_of(p, IDENTITY, function() return 1 end), IDENTITY)
  for name, value in pairs(p.match or {}) do
    if needs.is_need(value) then form.match[name] = rawget(value, "key"):gsub("^ovs_port link ", "") end
  end
  return M.identity(form)
end

--- The name of the bridge in Open vSwitch.
function M.bridge(p, node) return p.bridge_name or bridge_kind.ifname(p.bridge.p, node) end

--- What f(name, row) lists for each bridge that carries our mark; one that does not answer has nothing.
function M.list(node, f)
  local all <const> = {}
  for _, row in pairs(node.vswitch:rows "Bridge") do
    local good, found = true, {}
    if node.vswitch:owner_of(row) then good, found = pcall(f, row.name, row) end
    if not good then node.log(("bridge %s: %s"):format(row.name, found)) end
    table.move(good and found or {}, 1, good and #found or 0, #all + 1, all)
  end
  return all
end

--- What the row of a bridge calls a group or meter that is ours.
function M.label(kind, number) return ("nerv-%s-%d"):format(kind, number) end

--- Removes what others have told a bridge but flows: its groups and meters that are not ours.
-- @return true, or nil, message, code
function M.clear(name, node)
  local row <const>, messages <const> = node.vswitch:find("Bridge", name), {}
  for kind, statistics in pairs { group = "group_desc", meter = "meter_config" } do
    for _, have in ipairs(row and node.vswitch.management:stats(name, statistics) or {}) do
      if not row.external_ids[M.label(kind, have[kind])] then
        messages[#messages + 1] = { kind, { command = "delete", [kind] = have[kind] } }
      end
    end
  end
  return #messages == 0 or node.vswitch.management:send(name, messages)
end

--- Calls f(name, run) for each run of actions on the same bridge; `run` has their properties.
-- @return true, or nil, message, code, index of the action that failed, from f's place in `run`
function M.by_bridge(list, node, f)
  local first = 1
  while list[first] do
    local name <const>, run <const> = M.bridge(list[first].need.p, node), {}
    repeat run[#run + 1] = list[first + #run].need.p
    until not list[first + #run] or M.bridge(list[first + #run].need.p, node) ~= name
    local good, message, code, place = f(name, run)
    if not good then return nil, message, code, first - 1 + (place or 1) end
    first = first + #run
  end
  return true
end

return M
