-- A port of an Open vSwitch bridge: a link of ours, one end of a veth, or an existing interface.
local bridge_kind <const> = require "nerv.kinds.ovs_bridge"
local ethtool <const> = require "nerv.ethtool"
local kinds <const> = require "nerv.kinds"
local link <const> = require "nerv.link"
local link_kind <const> = require "nerv.kinds.link"
local ovsdb <const> = require "nerv.ovsdb"

local M = { name = "ovs_port", text = "a port of an Open vSwitch bridge", class = "call", rank = 45 }

M.properties = {
  id = { type = "string", doc = "owner; by default who wants it" },
  bridge = { need = { "ovs_bridge" }, doc = "the ovs_bridge", required = true },
  link = { need = { "link", "interface" }, doc = "interface that it is", required = true },
  number = { type = "integer", doc = "OpenFlow number that it asks for, 1 to 65279; by default the next free one" },
  side = { doc = "\"main\" or \"peer\": which end of a veth", default = "main" },
}

function M.key(p) return rawget(p.link, "key") .. " " .. p.side end

--- An interface is a port of one bridge at a time.
function M.claims(p) return { link_kind.port_claim(rawget(p.link, "key"), p.side) } end

-- Leaves before a link becomes a port of another bridge, and comes after it has left one.
function M.late(action) return action.verb == "remove" and 1 or 3 end

local function place(p, node)
  if p.side == "peer" then return link_kind.peer_place(p.link.p, node) end
  return kinds.get(p.link.kind).place(p.link.p, node)
end

local function ifname(p, node) return p.ifname or place(p, node).name end

-- The far end of a veth, whose sender the switch hears.
local function far_end(p, node)
  if p.link.kind ~= "link" or p.link.p.kind ~= "veth" then return nil end
  return p.side == "peer" and link_kind.place(p.link.p, node) or link_kind.peer_place(p.link.p, node)
end

-- Whether senders must compute checksums themselves; see agent/vswitch.lua.
local function set_checksum(list, node, on)
  if node.vswitch:offload() ~= "checksum off" then return true end
  for i, action in ipairs(list) do
    local far = action.need.p.link and far_end(action.need.p, node)
    local good, message, code = true, nil, nil
    if far then good, message, code = ethtool.set { link = far.name, netns = far.netns, tx_checksum = on } end
    if not good and not on then return nil, message, code, i end   -- the link may have gone first
  end
  return true
end

-- The row of a bridge that has a port.
local function bridge_of(node, port)
  for _, row in pairs(node.vswitch:rows "Bridge") do
    for _, uuid in ipairs(row.ports) do
      if uuid == port._uuid then return row end
    end
  end
end

local Ports = {}
Ports.__index = Ports

-- Mutations of the ports of bridges, gathered: one operation for each bridge.
local function gather() return setmetatable({}, Ports) end

function Ports:add(bridge, how, port)
  self[bridge] = self[bridge] or { insert = {}, delete = {} }
  table.insert(self[bridge][how], port)
end

function Ports:operations(list)
  for bridge, by in pairs(self) do
    for how, ports in pairs(by) do
      if #ports > 0 then
        list[#list + 1] = { op = "mutate", table = "Bridge", where = { { "name", "==", bridge } },
          mutations = { { "ports", how, ports } } }
      end
    end
  end
  return list
end

local function delete_operations(names, node)
  local ports = gather()
  for _, name in ipairs(names) do
    local port = node.vswitch:find("Port", name)
    local bridge = port and node.vswitch:owner_of(port) and bridge_of(node, port)
    if bridge then ports:add(bridge.name, "delete", port._uuid) end
  end
  return ports:operations {}
end

-- What the daemon says of interfaces that it cannot use.
local function first_fault(list, node)
  for i, action in ipairs(list) do
    local name = ifname(action.need.p, node)
    local row = node.vswitch:find("Interface", name)
    if not row or row.error or row.ofport == -1 then
      return i, ("Open vSwitch cannot use %s: %s"):format(name, row and row.error or "it is gone")
    end
  end
end

-- Which interface a port was made for. In user space the daemon goes on listening to that one when it is gone and
-- another has its name; only a port that is made anew hears the other.
local INDEX <const> = "nerv-ifindex"
-- So many interfaces are looked up one by one.
local FEW <const> = 16

-- Indices of the interfaces of actions, by name.
local function indices(list, node)
  local by_name = {}
  if #list > FEW then
    for _, have in ipairs(link.list()) do by_name[have.name] = have.index end
    return by_name
  end
  for _, action in ipairs(list) do
    local have = link.get { name = ifname(action.need.p, node) }
    if have then by_name[have.name] = have.index end
  end
  return by_name
end

local function is_deaf(port, index)
  local made_for = port.external_ids[INDEX]
  return made_for ~= nil and made_for ~= tostring(index)
end

-- Takes away ports of ours that hear an interface which is gone.
local function remove_deaf(list, node, index_of)
  local names = {}
  for _, action in ipairs(list) do
    local name = ifname(action.need.p, node)
    local port = node.vswitch:find("Port", name)
    if port and is_deaf(port, index_of[name]) then names[#names + 1] = name end
  end
  return #names == 0 or node.vswitch:apply(delete_operations(names, node))
end

-- One transaction for all of them. An interface that is a port of ours already moves.
local function put(list, node)
  local operations, ports, index_of = {}, gather(), indices(list, node)
  local good, message, code = remove_deaf(list, node, index_of)
  if not good then return nil, message, code, 1 end
  for i, action in ipairs(list) do
    local p = action.need.p
    local name, bridge = ifname(p, node), bridge_kind.ifname(p.bridge.p, node)
    local port = node.vswitch:find("Port", name)
    local former = port and bridge_of(node, port)
    node.vswitch:note(bridge)
    local foreign = port and p.link.kind == "interface" and not node.vswitch:owner_of(port)
    if foreign then
      return nil, ("%s is a port of %s, which is not NERV's"):format(name, former and former.name or "another bridge"),
        "EEXIST", i
    end
    local marks = node.vswitch:mark(p.id)
    marks[INDEX] = index_of[name] and tostring(index_of[name])
    if port then
      operations[#operations + 1] = { op = "update", table = "Port", where = { { "_uuid", "==", port._uuid } },
        row = { external_ids = marks, qos = node.vswitch:hands_off() } }
      operations[#operations + 1] = { op = "update", table = "Interface", where = { { "name", "==", name } },
        row = { ofport_request = p.number or {} } }
      if former and former.name ~= bridge then ports:add(former.name, "delete", port._uuid) end
      if not former or former.name ~= bridge then ports:add(bridge, "insert", port._uuid) end
    else
      local interface, new = "interface" .. i, "port" .. i
      operations[#operations + 1] = { op = "insert", table = "Interface", uuid_name = interface,
        row = { name = name, ofport_request = p.number } }
      operations[#operations + 1] = { op = "insert", table = "Port", uuid_name = new, row = { name = name,
        interfaces = { ovsdb.named(interface) }, external_ids = marks,
        qos = node.vswitch:hands_off() } }
      ports:add(bridge, "insert", ovsdb.named(new))
    end
  end
  good, message, code = node.vswitch:apply(ports:operations(operations))
  if not good then return nil, message, code, 1 end
  node.vswitch:enlarge_buffers()
  return set_checksum(list, node, false)
end

function M.create(list, node)
  local good, message, code, index = put(list, node)
  if not good then return nil, message, code, index end
  index, message = first_fault(list, node)
  if not index then return true end
  node.vswitch:apply(delete_operations({ ifname(list[index].need.p, node) }, node))
  return nil, message, "ENODEV", index
end

M.change = put

-- What becomes of the link is another need's business: it may live on. Frames go on with the next bridge as soon as it
-- is a port there, which in the kernel can only be when the datapath has let it go.
function M.remove(list, node)
  local names = {}
  for i, action in ipairs(list) do names[i] = ifname(action.need.p, node) end
  local operations = delete_operations(names, node)
  local good, message, code = true, nil, nil
  local run <const> = node.vswitch:in_user_space() and node.vswitch.commit or node.vswitch.apply
  if #operations > 0 then good, message, code = run(node.vswitch, operations) end
  if not good then return nil, message, code, 1 end
  return #operations == 0 or set_checksum(list, node, true)
end

function M.read(p, snapshot, node)
  local name = ifname(p, node)
  local port, device = node.vswitch:find("Port", name), snapshot:link(nil, name)
  if not port or not node.vswitch:owner_of(port) or not device then return nil end
  local bridge, far = bridge_of(node, port), far_end(p, node)
  local same = bridge and bridge.name == bridge_kind.ifname(p.bridge.p, node)
  local offload = far and node.vswitch:offload() == "checksum off"
    and ethtool.get { link = far.name, netns = far.netns }
  local interface = node.vswitch:find("Interface", name)
  return { id = p.id, link = p.link, side = p.side, after = p.after, number = interface and interface.ofport_request,
    bridge = same and p.bridge or bridge and bridge.name,
    drifted = is_deaf(port, device.index) or offload and offload.tx_checksum or nil }
end

-- The port of an interface that is gone goes before another one is made: the daemon takes hold of that as soon as it
-- has the name, and writes flags back that it has read before the interface was up.
function M.debris(p, _, node)
  local operations = delete_operations({ ifname(p, node) }, node)
  if #operations > 0 then node.vswitch:apply(operations) end
end

function M.list(_, node)
  local found = {}
  for _, row in pairs(node.vswitch:rows "Port") do
    local owner = node.vswitch:owner_of(row)
    if owner then found[#found + 1] = { owner = owner, key = row.name, p = { ifname = row.name } } end
  end
  return found
end

--- Its OpenFlow number, or nil while there is none.
function M.number(p, node)
  local interface = node.vswitch:find("Interface", ifname(p, node))
  local number = interface and interface.ofport
  return number and number > 0 and number or nil
end

--- The interface.
M.mark = ifname

return M
