-- A bridge of Open vSwitch. It switches by itself until a controller says otherwise.
local digest <const> = require "nerv.digest"
local link_kind <const> = require "nerv.kinds.link"
local options <const> = require "nerv.options"
local ovsdb <const> = require "nerv.ovsdb"

local M = { name = "ovs_bridge", text = "a bridge of Open vSwitch", class = "call", rank = 35 }

M.properties = {
  id = { doc = "owner; by default who wants it" },
  name = { doc = "name; the bridge's own is derived from it", required = true },
  vswitch = { doc = "the node's Open vSwitch; wanted by itself" },
  sink = { doc = "the link that hides its ports from the node's own stack; wanted by itself" },
}
M.facts = { "datapath", "offload", "dpid", "interface", "socket" }

function M.key(p) return p.id .. "/" .. p.name end
function M.complete(p, _, want)
  p.vswitch = want("vswitch", {})
  p.sink = want("link", { id = p.id, kind = "bridge", name = p.name .. " sink", sink = true })
end

--- Name of the bridge in Open vSwitch.
function M.ifname(p, node) return link_kind.derived(node, p.id, p.name .. " ovs") end

--- Its datapath id, 16 hex digits: the same one tomorrow, another one on each node.
function M.dpid(p, node)
  return "000006" .. digest.sha256(table.concat({ node.seed, node.name, M.key(p) }, "\0")):sub(1, 10)
end

-- In-band control would put flows of its own between tenants and controller.
local function columns(p, node)
  local dpid = M.dpid(p, node)
  return { datapath_type = node.vswitch:in_user_space() and "netdev" or "",
    external_ids = node.vswitch:mark(p.id),
    other_config = { ["datapath-id"] = dpid, ["disable-in-band"] = "true",
      hwaddr = dpid:sub(5):gsub("..", ":%0"):sub(2) } }
end

-- The operations that make a bridge with its own port; what they call its row in the transaction.
local function insert(p, node, number)
  local bridge, port, interface = "bridge" .. number, "port" .. number, "interface" .. number
  local row, name = columns(p, node), M.ifname(p, node)
  row.name, row.ports = name, { ovsdb.named(port) }
  return { { op = "insert", table = "Interface", uuid_name = interface, row = { name = name, type = "internal" } },
    { op = "insert", table = "Port", uuid_name = port, row = { name = name, interfaces = { ovsdb.named(interface) } } },
    { op = "insert", table = "Bridge", uuid_name = bridge, row = row } }, ovsdb.named(bridge)
end

local function mutate_bridges(node, how, rows)
  return { op = "mutate", table = "Open_vSwitch", where = { { "_uuid", "==", node.vswitch:root()._uuid } },
    mutations = { { "bridges", how, rows } } }
end

local function apply(operations, node)
  local good, message, code = node.vswitch:apply(operations)
  if not good then return nil, message, code, 1 end
  return true
end

-- One that is there already is made as it should be.
function M.create(list, node)
  local operations, new = {}, {}
  for i, action in ipairs(list) do
    local p = action.need.p
    local row = node.vswitch:find("Bridge", M.ifname(p, node))
    local more
    if row then
      local values <const> = columns(p, node)
      values.external_ids = options.join(row.external_ids, values.external_ids)
      more = { { op = "update", table = "Bridge", where = { { "_uuid", "==", row._uuid } }, row = values } }
    else
      more, new[#new + 1] = insert(p, node, i)
    end
    table.move(more, 1, #more, #operations + 1, operations)
  end
  if #new > 0 then operations[#operations + 1] = mutate_bridges(node, "insert", new) end
  return apply(operations, node)
end
M.change = M.create

function M.remove(list, node)
  local gone = {}
  for _, action in ipairs(list) do
    local p = action.need.p
    local row = node.vswitch:find("Bridge", p.bridge or M.ifname(p, node))
    if row then node.vswitch.management:close(row.name) end
    if row then gone[#gone + 1] = row._uuid end
  end
  return #gone == 0 or apply({ mutate_bridges(node, "delete", gone) }, node)
end

function M.read(p, _, node)
  local row = node.vswitch:find("Bridge", M.ifname(p, node))
  if not row or node.vswitch:owner_of(row) ~= p.id then return nil end
  local same = row.datapath_type == columns(p, node).datapath_type
  for key, value in pairs(columns(p, node).other_config) do same = same and row.other_config[key] == value end
  return { id = p.id, name = p.name, vswitch = p.vswitch, sink = p.sink, after = p.after, drifted = not same or nil }
end

function M.list(_, node)
  local found = {}
  for _, row in pairs(node.vswitch:rows "Bridge") do
    local owner = node.vswitch:owner_of(row)
    if owner then found[#found + 1] = { owner = owner, key = row.name, p = { bridge = row.name } } end
  end
  return found
end

--- The name of the bridge in Open vSwitch.
function M.mark(p, node) return M.ifname(p, node) end

function M.fact(p, field, node)
  if not node.vswitch:runs() then return nil end
  if field == "datapath" then return node.vswitch:datapath() end
  if field == "offload" then return node.vswitch:offload() end
  if field == "socket" then return node.vswitch.management:socket(M.ifname(p, node)) end
  return field == "dpid" and M.dpid(p, node) or M.ifname(p, node)
end

return M
