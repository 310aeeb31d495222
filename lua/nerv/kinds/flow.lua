-- A flow of a bridge of Open vSwitch: what it does with the frames that match. Its cookie says whose it is: the first
-- half is the instance, the second one made of the owner. Flows with other cookies are not touched.
local bridge_kind <const> = require "nerv.kinds.ovs_bridge"
local digest <const> = require "nerv.digest"
local needs <const> = require "nerv.needs"
local options <const> = require "nerv.options"
local wanted <const> = require "nerv.openflow.wanted"

local M = { name = "flow", text = "a flow of an Open vSwitch bridge: what it does with frames", class = "call",
  rank = 93, phase = "switch" }

local ITEMS <const> = { "table", "priority", "match", "actions", "write_actions", "clear_actions", "goto_table",
  "write_metadata", "meter" }
-- So many flows are looked for one by one; of more all that the switch has are read.
local FEW <const> = 16

M.properties = wanted.properties("flow_mod", ITEMS)
M.properties.match.doc = M.properties.match.doc .. "; `in_port` may be an ovs_port"

function M.key(p) return bridge_kind.key(p.bridge.p) .. " " .. wanted.key(p) end
function M.container(p) return p.bridge end
function M.late() return 6 end   -- after the ports, meters and groups that it names

function M.complete(p)
  wanted.check("flow", p, ITEMS)
  if p.table == "all" then wanted.complain("flow", "table: a number is expected") end
end

function M.can_be(p, node) return wanted.resolved("flow", p, ITEMS, node) ~= nil end

local function instance_bits(node) return tonumber(node.instance, 16) << 32 end

local function cookie_of(p, node) return instance_bits(node) | tonumber(digest.sha256(p.id):sub(1, 8), 16) end

local function by_identity(flows)
  local by <const> = {}
  for _, flow in ipairs(flows) do by[wanted.identity(flow)] = flow end
  return by
end

-- What is in the place of flows that are to be made.
local function in_place(name, flows, node)
  local management <const> = node.vswitch.management
  if #flows > FEW then return by_identity(management:stats(name, "flow")) end
  local found <const> = {}
  for _, flow in ipairs(flows) do
    local have <const> = management:stats(name, "flow", { table = flow.table, match = flow.match })
    table.move(have, 1, #have, #found + 1, found)
  end
  return by_identity(found)
end

-- Somebody else's flow that has the place of one of these: its number among them and its cookie.
local function foreign(name, flows, node)
  local there <const> = in_place(name, flows, node)
  for i, flow in ipairs(flows) do
    local have <const> = there[wanted.identity(flow)]
    if have and have.cookie & ~0xffffffff ~= instance_bits(node) then return i, have.cookie end
  end
end

local function delete(flow, cookie)
  return { "flow", { command = "delete_strict", table = flow.table, priority = flow.priority, match = flow.match,
    cookie = cookie, cookie_mask = -1 } }
end

-- Whether the place of a flow has been taken by one of another need: ports may change their numbers among them.
local function is_taken(flow, key, placed)
  for other, theirs in pairs(placed) do
    if other ~= key and wanted.identity(theirs) == wanted.identity(flow) then return true end
  end
  return false
end

-- A flow whose port has another number than it had leaves its former place, before others come there.
-- @return messages, and how many of them are not about the flows themselves
local function messages(run, flows, placed, node)
  local list <const>, new <const> = {}, {}
  for i, flow in ipairs(flows) do
    local p <const> = run[i]
    local key <const>, cookie <const> = M.key(p), cookie_of(p, node)
    local former <const> = placed[key]
    if former and wanted.identity(former) ~= wanted.identity(flow) and not is_taken(former, key, placed) then
      list[#list + 1] = delete(former, cookie)
    end
    new[i] = { "flow", options.join(flow, { cookie = cookie }) }
  end
  local before <const> = #list
  return table.move(new, 1, #new, before + 1, list), before
end

local function put(list, node, new)
  local management <const> = node.vswitch.management
  return wanted.by_bridge(list, node, function(name, run)
    local flows <const> = {}
    for i, p in ipairs(run) do
      local message
      flows[i], message = wanted.resolved("flow", p, ITEMS, node)
      if not flows[i] then return nil, message, "ENODEV", i end
    end
    local index, cookie
    if new then index, cookie = foreign(name, flows, node) end
    if index then
      return nil, ("the bridge has such a flow of somebody else, with cookie 0x%x"):format(cookie), "EEXIST", index
    end
    local placed <const> = management:placed(name)
    local sent <const>, before <const> = messages(run, flows, placed, node)
    local good, message, code, place = management:send(name, sent)
    if not good then return nil, message, code, place and math.max(1, place - before) end
    for i, p in ipairs(run) do placed[M.key(p)] = flows[i] end
    return true
  end)
end

function M.create(list, node) return put(list, node, true) end
function M.change(list, node) return put(list, node, false) end

-- What is on the switch of a need, as far as that can be known.
local function placed_of(p, node)
  return node.vswitch.management:placed(wanted.bridge(p, node))[M.key(p)] or wanted.resolved("flow", p, ITEMS, node)
end

function M.remove(list, node)
  local management <const> = node.vswitch.management
  return wanted.by_bridge(list, node, function(name, run)
    local gone <const> = {}
    for _, p in ipairs(run) do
      local flow <const> = p.flow or placed_of(p, node)
      if flow then gone[#gone + 1] = delete(flow, p.cookie or cookie_of(p, node)) end
    end
    local good, message, code = management:send(name, gone)
    if not good and code ~= "ENOENT" then return nil, message, code, 1 end
    for _, p in ipairs(run) do
      if not p.flow then management:placed(name)[M.key(p)] = nil end
    end
    return true
  end)
end

-- Somebody else's in its place is one of ours that was replaced.
function M.read(p, snapshot, node)
  local name <const>, flow <const> = wanted.bridge(p, node), wanted.resolved("flow", p, ITEMS, node)
  local management <const> = node.vswitch.management
  local have <const> = flow and snapshot:once("flows", name, function()
    return by_identity(management:stats(name, "flow"))
  end)[wanted.identity(flow)]
  if not have then return nil end
  management:placed(name)[M.key(p)] = flow
  local same <const> = have.cookie == cookie_of(p, node) and needs.equal(wanted.pick(have, ITEMS), flow)
  return options.join(p, { drifted = not same or nil })
end

function M.list(_, node)
  return wanted.list(node, function(name)
    local found <const> = node.vswitch.management:stats(name, "flow",
      { cookie = instance_bits(node), cookie_mask = ~0xffffffff })
    for i, flow in ipairs(found) do
      found[i] = { key = name .. " " .. wanted.identity(flow), p = { bridge_name = name, flow = flow,
        cookie = flow.cookie } }
    end
    return found
  end)
end

--- The bridge, and what tells the flow from others there.
function M.mark(p, node)
  local flow <const> = placed_of(p, node)
  return flow and wanted.bridge(p, node) .. " " .. wanted.identity(flow) or M.key(p)
end

return M
