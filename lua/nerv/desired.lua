--- What the rows want of one node: the set of needs of each owner.
--
-- A view gives the rows: those of the database, or those with a draft laid over them for a dry
-- run. It answers
--   view:network(name)         { name, digest, options, home, nodes, ports, group }, or nil
--   view:endpoint(net, name)   { name, node, mac, options, allocated }, or nil
--   view:endpoint_names(net, all)   names of the network's endpoints on this node, or on all nodes
--   view:has_endpoints(net)    whether it has any on this node
--   view:archetypes()          archetype rows by digest
local allocation <const> = require "nerv.allocation"
local archetypes <const> = require "nerv.archetype"
local attachment <const> = require "nerv.attachment"
local needs <const> = require "nerv.needs"
local options <const> = require "nerv.options"
local json <const> = require "nerv.json"
local state_module <const> = require "nerv.state"

local M = {}

local View = {}
View.__index = View

--- The view of the database.
-- @tparam table state see state.lua
-- @tparam string node name of the node
function M.view(state, node)
  return setmetatable({ state = state, node = node }, View)
end

function View:network(name)
  local row = self.state:network(name)
  if not row or row.doomed then return nil end
  return { name = name, digest = row.digest, options = json.decode(row.options) or {},
    home = row.home, nodes = self.state:nodes_of(row), ports = self.state:ports(row),
    group = row.link_group, uuid = row._uuid }
end

function View:endpoint(net, name)
  local network = self.state:network(net)
  local row = network and self.state:endpoint(network._uuid, name)
  if not row or row.doomed then return nil end
  return { name = name, node = row.node, mac = row.mac, options = json.decode(row.options) or {},
    allocated = json.decode(row.allocated) or {} }
end

function View:endpoint_names(net, all)
  local network = self.state:network(net)
  local names = {}
  for _, row in ipairs(network and self.state:endpoints(network._uuid, not all and self.node or nil) or {}) do
    names[#names + 1] = row.name
  end
  return names
end

--- Whether a network has endpoints on this node.
function View:has_endpoints(net)
  local network = self.state:network(net)
  return network ~= nil and self.state:has_endpoints(network._uuid, self.node)
end

function View:archetypes() return self.state:archetypes() end

local Draft = setmetatable({}, { __index = View })
Draft.__index = Draft

--- The view of the database with a draft over it: the draft's network and endpoints replace
-- rows of the same name; names in `gone` are no more.
function M.draft_view(state, node, draft)
  local view = setmetatable({ state = state, node = node, draft = draft, gone = {}, added = {} }, Draft)
  for _, owner in ipairs(draft.gone or {}) do view.gone[owner] = true end
  for _, ep in ipairs(draft.endpoints or {}) do view.added[ep.name] = ep end
  return view
end

function Draft:network(name)
  if self.gone[name] then return nil end
  if self.draft.network and self.draft.network.name == name then return self.draft.network end
  return View.network(self, name)
end

function Draft:endpoint(net, name)
  if self.gone[net .. ":" .. name] then return nil end
  if self.draft.target == net and self.added[name] then return self.added[name] end
  return View.endpoint(self, net, name)
end

function Draft:endpoint_names(net, all)
  local seen = {}
  for _, name in ipairs(View.endpoint_names(self, net, all)) do
    if not self.gone[net .. ":" .. name] then seen[name] = true end
  end
  if self.draft.target == net then
    for name, ep in pairs(self.added) do seen[name] = all or ep.node == self.node or nil end
  end
  return options.sorted_keys(seen)
end

function Draft:has_endpoints(net) return #self:endpoint_names(net) > 0 end

function Draft:archetypes()
  return options.join(View.archetypes(self), self.draft.archetypes or {})
end

local function default_values(description, given, allocated)
  local values = {}
  for name, option in pairs(description) do
    values[name] = given[name]
    if values[name] == nil then values[name] = allocated and allocated[name] end
    if values[name] == nil then values[name] = option.default end
    values[name] = options.value(option, values[name])
  end
  return values
end

--- The archetype and the evaluated network on this node.
-- @tparam table facts of the network on this node
-- @return { def, net, set, missing }; nil when the network is not wanted here; or nil and a message
function M.network(view, name, facts)
  local row = view:network(name)
  if not row then return nil end
  local here = row.home == view.node or view:has_endpoints(name)
  if not here then return nil end
  local def, message = archetypes.by_digest(row.digest, view:archetypes())
  if not def then return nil, message end
  local net = default_values(def.network, row.options)
  net.name, net.node, net.home, net.nodes = name, view.node, row.home, row.nodes
  net.ports, net.group, net.own_mac = row.ports, row.group, allocation.derived_mac(name, "", 0)
  local node_row = view.state:node(view.node)
  net.node_number = node_row and node_row.number or 0
  local egress = node_row and state_module.egress(node_row)[1]
  net.edge = egress and { port = egress.port, interface = egress.interface } or nil
  local missing
  net, missing = needs.view(net, facts or {})
  local set, made = needs.network(def, net)
  if not set then return nil, made end
  net.made = made
  return { def = def, net = net, set = set, missing = missing, digest = row.digest }
end

--- Whether this node is the home of a network whose services must know its endpoints.
-- @tparam table network what M.network returned
function M.has_members(network)
  return network.def.on_member ~= nil and network.net.home == network.net.node
end

--- The needs of an endpoint on this node.
-- @tparam table network what M.network returned
-- @return the set ({} when nothing is wanted of it here), or nil and a message
function M.endpoint(view, network, net_name, name)
  local row = view:endpoint(net_name, name)
  local here = row and network and (row.node == view.node or M.has_members(network))
  if not here then return { by_key = {}, claims = {} } end
  local ep = default_values(network.def.endpoint, row.options, row.allocated)
  for option, value in pairs(row.options) do
    local description = attachment.OPTIONS[option]
    if description then ep[option] = options.value(description, value) end
  end
  ep.name, ep.node, ep.identity = name, row.node, row.allocated.identity
  ep.mac = row.mac ~= "" and row.mac or nil
  return needs.endpoint(network.def, network.net, ep)
end

--- The needs of the node itself: its switch and the switch's egress ports.
function M.node(view)
  local row = view.state:node(view.node)
  local egress = row and state_module.egress(row) or {}
  return needs.of("node " .. view.node, function(need)
    if #egress == 0 then return end
    local switch = need.switch { name = "nve" }
    for _, port in ipairs(egress) do
      local attached = need.switch_port { switch = "nve", number = port.port,
        interface = port.interface, after = { switch } }
      need.entry { switch = "nve", table = "uplinks", key = { port.port }, action = port.mode,
        after = { attached } }
    end
  end)
end

return M
