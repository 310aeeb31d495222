--- Networks and endpoints: the Standard API (create, read, update, delete).
--
-- @usage local blue = network.create{ name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
--        local h1 = blue:endpoint{ name = "h1", node = "pm1" }
local api <const> = require "nerv.api"
local archetypes <const> = require "nerv.archetype"
local registry <const> = require "nerv.registry"
local capture <const> = require "nerv.capture"
local change <const> = require "nerv.change"
local draft <const> = require "nerv.draft"
local endpoint_draft <const> = require "nerv.endpoint_draft"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local live <const> = require "nerv.prompt.live"
local options <const> = require "nerv.options"

local M = {}
local Network = { __name = "network" }
local fail <const>, must <const> = registry.fail, draft.must

local Endpoint = require "nerv.endpoint"

local function network_object(name)
  return setmetatable({ name = name }, Network)
end

local function row_of(self)
  local row = lab.state():network(self.name)
  if not row then fail(("network '%s' has been deleted"):format(self.name)) end
  return row
end

local fields <const> = {
  archetype = function(self) return row_of(self).archetype end,
  home = function(self) return row_of(self).home end,
  nodes = function(self) return lab.state():nodes_of(row_of(self)) end,
  ports = function(self) return lab.state():ports(row_of(self)) end,
  options = function(self)
    local row = row_of(self)
    local def = draft.definition(lab.state(), row)
    return must(options.check("options", def.network, json.decode(row.options) or {}))
  end,
  state = function(self)
    local row = row_of(self)
    local running = lab.state():running(row)
    if running then return running.phase end
    for _, status in pairs(lab.state().rows.Status) do
      if status.owner:match("^[^:/]+") == self.name then
        return ("%s: %s on %s: %s"):format(status.state, status.owner, status.node, status.error)
      end
    end
    local home = lab.state():node(row.home)
    if home and home.state == "active" then return "active" end
    return ("its home %s is %s: update { home = ... } moves it"):format(row.home, home and home.state or "forgotten")
  end,
}

local methods = {}

function Network.__index(self, key)
  if methods[key] then return methods[key] end
  if fields[key] then return fields[key](self) end
  local row = rawget(self, "name") and lab.state():network(self.name)
  local value = row and self.options[key]
  if value ~= nil then return value end
  return nil
end

function Network.__tostring(self)
  local row = lab.state():network(self.name)
  return row and ("network %s (%s)"):format(self.name, row.archetype) or
    ("network %s (deleted)"):format(self.name)
end

function Network.__eq(a, b) return rawget(a, "name") == rawget(b, "name") end

local function as_list(specs, what)
  local list = type(specs) == "table" and #specs > 0 and specs or { specs }
  for i = 1, math.max(1, #list) do
    if type(list[i]) ~= "table" then fail(what .. ": a table of options is expected") end
  end
  return list, list == specs
end

function methods:endpoint(spec)
  local state = lab.state()
  local specs, many = as_list(spec, "network:endpoint")
  self.last_change = change.run(state, function() return endpoint_draft.create(state, self.name, specs) end)
  local result = {}
  for i, one in ipairs(specs) do result[i] = Endpoint.new(self.name, one.name) end
  if many then return result end
  return result[1]
end

function methods:endpoints()
  local list = {}
  for i, row in ipairs(lab.state():endpoints(row_of(self)._uuid)) do
    list[i] = Endpoint.new(self.name, row.name)
  end
  return list
end

function methods:get(name)
  local row = lab.state():endpoint(row_of(self)._uuid, name)
  return row and not row.doomed and Endpoint.new(self.name, name) or nil
end

function methods:update(changes)
  local state = lab.state()
  self.last_change = change.run(state, function() return draft.update(state, self.name, changes) end)
  return self
end

function methods:delete_endpoints(names)
  local state = lab.state()
  self.last_change = change.run(state, function() return draft.delete(state, self.name, names) end)
  return true
end

function methods:delete()
  local state = lab.state()
  self.last_change = change.run(state, function() return draft.delete(state, self.name) end)
  return true
end

function methods:plan(verb, argument)
  local state = lab.state()
  local drafts <const> = {
    endpoint = function() return endpoint_draft.create(state, self.name, (as_list(argument, "network:plan"))) end,
    update = function() return draft.update(state, self.name, argument) end,
    delete = function() return draft.delete(state, self.name) end,
    delete_endpoints = function() return draft.delete(state, self.name, argument or {}) end,
  }
  return draft.plan(drafts[verb]())
end

function methods:operations()
  return self.last_change and draft.performed(lab.state(), self.last_change) or {}
end

function methods:capture(given)
  local values = options.join(given)
  values.node = nil
  return capture.start("network:capture", self.name, must(lab.socket(given.node or self.home)), self.name, values)
end

function methods:verify()
  return lab.operations(lab.state():nodes_of(row_of(self)), { call = "verify", network = self.name },
    "verify network " .. self.name)
end

function methods:facts()
  local facts = {}
  for _, name in ipairs(lab.state():nodes_of(row_of(self))) do
    facts[name] = lab.ask(name, { call = "facts", network = self.name }, "facts of network " .. self.name).facts
  end
  return facts
end

function M.create(spec)
  local state = lab.state()
  local made = change.run(state, function() return draft.create(state, spec) end)
  local net = network_object(spec.name)
  net.last_change = made
  return net
end

function M.plan(spec)
  local state = lab.state()
  return draft.plan(draft.create(state, spec))
end

function M.get(name)
  local row = lab.state():network(name)
  return row and not row.doomed and network_object(name) or nil
end

function M.list()
  local list = {}
  for _, row in ipairs(lab.state():sorted "Network") do
    if not row.doomed then list[#list + 1] = network_object(row.name) end
  end
  return list
end

local function open_options(known, more)
  return { { name = "options", type = "table", required = true, fields = known, open = true, more = more,
    text = "options of the archetype: help \"ip\" lists those of ip" } }
end

-- Options that only the archetype knows, for completion: of the one that is named, or that the network has.
local function network_options(net, given)
  local def = given.archetype and archetypes.load(given.archetype) or net and live.definition(net.name)
  return def and def.network
end
local function endpoint_options(net)
  local def = live.definition(net.name)
  return def and def.endpoint
end
local function endpoint_names(net) return live.endpoints_of(net.name) end
local UPDATE <const> = { home = draft.NETWORK.home, archetype = { type = "archetype", doc = "another kind" } }
local OPERATIONS <const> = "array of {verb=, kind=, key=, owner=, node=}"

api.class("network", "a virtual network", methods, {
  endpoint = { text = "creates an endpoint, or all of an array of options in one change; returns it, or an array",
    args = open_options(endpoint_draft.OPTIONS, endpoint_options), returns = "endpoint",
    example = [[
local h3 = blue:endpoint { name = "h3" }
local more = blue:endpoint { { name = "h4" }, { name = "h5", address = "10.1.0.77" } }
expect(h3:ping(more[2]))]] },
  endpoints = { text = "returns the network's endpoints, by name",
    example = "for _, e in ipairs(blue:endpoints()) do print(e.name, e.address) end" },
  get = { text = "returns an endpoint by name, or nil",
    args = { { name = "name", type = "string", required = true, names = endpoint_names,
      text = "name of the endpoint" } }, returns = "endpoint",
    example = 'print(blue:get("h1").mac)' },
  update = { text = "changes options, the home or the archetype while the network runs; false takes an option away "
      .. "that is no boolean; returns the network",
    args = open_options(UPDATE, network_options), returns = "network",
    example = 'blue:update { mtu = 1400 }\nblue:update { archetype = "bridge" }' },
  delete_endpoints = { text = "deletes endpoints in one change; returns true",
    args = { { name = "names", type = "list", required = true, names = endpoint_names,
      text = "array of their names" } },
    example = 'blue:delete_endpoints { "h1", "h2" }' },
  delete = { text = "deletes the network and its endpoints; returns true", example = "blue:delete()" },
  plan = { text = "returns what a call would do, without doing it: " .. OPERATIONS,
    args = { { name = "verb", type = "choice", required = true, text = "the method",
        choices = { "endpoint", "update", "delete", "delete_endpoints" } },
      { name = "argument", type = "any", text = "what the method takes" } },
    example = 'for _, o in ipairs(blue:plan("update", { mtu = 1400 })) do print(o.verb, o.kind, o.key) end' },
  operations = { text = "returns what the agents did for this object's last call: " .. OPERATIONS,
    example = "blue:update { mtu = 1400 }\nprint(#blue:operations())" },
  capture = { text = "captures what passes its bridge on a node, from now on; returns a capture, or nil, message, "
    .. "code", args = capture.NETWORK_ARGS,
    example = 'local c <close> = blue:capture { filter = "arp or icmp", count = 1 }\nh1:ping(h2)\nc:wait()' },
  facts = { text = "returns what only its nodes know of it: node -> { [\"WHAT.FACT\"] = value }",
    example = 'for name, value in pairs(blue:facts()[blue.home]) do print(name, value) end' },
  verify = { text = "compares the network with the system on all its nodes and mends what differs; returns "
    .. OPERATIONS, example = "assert(#blue:verify() == 0)" },
}, { name = "its name", archetype = "name of its archetype", home = "node that keeps what it has once",
  nodes = "names of the nodes where it is present", options = "its options, with the defaults",
  ports = "NVE ports, name -> {tag=, number=}", state = "active, the phase of a Change that runs, or what is wrong" },
  function(net) return network_options(net, {}) end)

return api.module("network", "virtual networks: create, read, update, delete", M, {
  create = { text = "creates a network; returns it",
    args = open_options(draft.NETWORK, network_options), returns = "network",
    example = [[
local red = network.create { name = "red", archetype = "ip", subnet = "10.2.0.0/24" }
print(red.state)]] },
  plan = { text = "returns what network.create would do, without doing it: " .. OPERATIONS,
    args = open_options(draft.NETWORK, network_options),
    example = 'print(#network.plan { name = "red", archetype = "bridge" })' },
  get = { text = "returns a network by name, or nil",
    args = { { name = "name", type = "name", required = true, names = "network", text = "name of the network" } },
    returns = "network",
    example = 'print(network.get("blue").archetype)' },
  list = { text = "returns all networks, by name",
    example = "for _, n in ipairs(network.list()) do print(n.name, n.archetype, n.state) end" },
})
