--- What there is, in detail, as records: networks, endpoints, and their interfaces as the nodes have them now.
local attachment <const> = require "nerv.attachment"
local draft <const> = require "nerv.draft"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local protocol <const> = require "nerv.protocol"

local M = {}

-- What a node's agent says of its endpoints' interfaces; nil and why when it cannot be asked.
local function links_of(name, network)
  local row = lab.state():node(name)
  if not row or row.state ~= "active" then return nil, row and row.state or "gone" end
  local reply, message = protocol.call(lab.socket(name), { call = "links", network = network })
  if not reply then return nil, message end
  local by_owner = {}
  for _, one in ipairs(reply.links) do
    by_owner[one.owner] = by_owner[one.owner] or {}
    table.insert(by_owner[one.owner], one)
  end
  return by_owner
end

--- The interfaces of endpoints.
-- @tparam table endpoints array
-- @tparam ?string network that all of them belong to
-- @return array of { name, interface, peer, bridge, node, state, mtu }: `peer` is the end on the node of an interface
-- that is in a namespace, `state` says what hinders: "up", "down", "no carrier", "missing", or that the node is stale
function M.links(endpoints, network)
  local nodes, problems, list = {}, {}, {}
  for _, e in ipairs(endpoints) do
    local where = e.node
    if not nodes[where] then
      local found, message = links_of(where, network)
      nodes[where], problems[where] = found or {}, message
    end
    for _, one in ipairs(nodes[where][e.id] or { { state = problems[where] or "missing" } }) do
      list[#list + 1] = { name = e.id, interface = one.interface, peer = one.peer, bridge = one.bridge, node = where,
        state = one.state, mtu = one.mtu }
    end
  end
  return list
end

--- The endpoints of a network, or of all.
function M.endpoints(net)
  local list = {}
  for _, one in ipairs(net and { net } or require("nerv.network").list()) do
    table.move(one:endpoints(), 1, #one:endpoints(), #list + 1, list)
  end
  return list
end

--- The address by which an endpoint is reached, or nil.
function M.address(e) return e.address or e.address6 end

--- One line of a list of endpoints: what it holds, and the record.
M.LINE = { "name", "node", "mac", "address", "state" }

function M.line(e) return { name = e.id, node = e.node, mac = e.mac, address = M.address(e), state = e.state } end

--- What an endpoint's record holds, in this order.
M.ENDPOINT = { "name", "kind", "node", "state", "mac", "address", "address6", "options", "netns", "interfaces" }

-- Options that have a place of their own in the record.
local OWN <const> = { kind = true, mac = true, address = true, address6 = true, netns = true, interface = true }

local function details(e, def, interfaces)
  local values = {}
  for name in pairs(options.join(def.endpoint, attachment.OPTIONS)) do
    if not OWN[name] then values[name] = e[name] end
  end
  for _, one in ipairs(interfaces) do one.name, one.node = nil, nil end
  return { name = e.id, kind = e.kind, node = e.node, state = e.state, mac = e.mac, address = e.address,
    address6 = e.address6, netns = e.netns, options = next(values) and values, interfaces = interfaces }
end

local function definition(name)
  local state = lab.state()
  return draft.definition(state, state:network(name))
end

--- One endpoint in detail.
function M.endpoint(e)
  return details(e, definition(e.network), M.links({ e }, e.network))
end

--- What a network's record holds, in this order.
M.NETWORK = { "name", "archetype", "home", "nodes", "state", "options", "tags", "endpoints" }

--- One network in detail, with its endpoints.
function M.network(net)
  local def, list, by_name, tags = definition(net.name), net:endpoints(), {}, {}
  for _, one in ipairs(M.links(list, net.name)) do
    by_name[one.name] = by_name[one.name] or {}
    table.insert(by_name[one.name], one)
  end
  for i, e in ipairs(list) do list[i] = details(e, def, by_name[e.id] or {}) end
  for name, port in pairs(net.ports) do tags[name] = port.tag end
  return { name = net.name, archetype = net.archetype, home = net.home, nodes = net.nodes, state = net.state,
    options = next(net.options) and net.options, tags = next(tags) and tags, endpoints = list }
end

local function plain(value)
  if math.type(value) == "float" then value = math.tointeger(value) or value end   -- a rate
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, part in ipairs(value) do parts[i] = plain(part) end
  for _, key in ipairs(#value == 0 and options.sorted_keys(value) or {}) do
    parts[#parts + 1] = key .. "=" .. plain(value[key])
  end
  return table.concat(parts, #value > 0 and "," or " ")
end

local function add_lines(lines, columns, record, indent)
  for _, column in ipairs(columns) do
    local value = record[column]
    if column == "endpoints" then
      for _, e in ipairs(value or {}) do
        lines[#lines + 1] = indent .. "endpoint " .. e.name
        add_lines(lines, { table.unpack(M.ENDPOINT, 2) }, e, indent .. "  ")
      end
    elseif column == "interfaces" then
      for _, one in ipairs(value or {}) do
        lines[#lines + 1] = ("%s%-10s %s"):format(indent, one.interface or "interface", plain {
          peer = one.peer, bridge = one.bridge, state = one.state, mtu = one.mtu })
      end
    elseif value ~= nil then
      lines[#lines + 1] = ("%s%-10s %s"):format(indent, column, plain(value))
    end
  end
end

--- Records as blocks of lines: one line a field, endpoints below their network.
-- @tparam string what "network" or "endpoint"
function M.text(what, columns, rows)
  local lines = {}
  for _, record in ipairs(rows) do
    lines[#lines + 1] = what .. " " .. record.name
    add_lines(lines, { table.unpack(columns, 2) }, record, "  ")
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return M
