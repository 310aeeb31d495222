--- Networks and endpoints: the Standard API (create, read, update, delete).
--
-- @usage local blue = network.create{ name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
--        local h1 = blue:endpoint{ name = "h1", node = "pm1" }
local registry <const> = require "nerv.registry"
local change <const> = require "nerv.change"
local context <const> = require "nerv.context"
local draft <const> = require "nerv.draft"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local protocol <const> = require "nerv.protocol"
local suggest <const> = require "nerv.suggest"

local M = {}
local Network = { __name = "network" }
local fail <const>, must <const> = registry.fail, draft.must

local function performed(state, uuid)
  local all = {}
  local row = state.rows.Change[uuid]
  for _, node in ipairs(row and row.nodes or {}) do
    local reply = must(protocol.call(must(lab.socket(node)), { call = "operations", change = uuid }))
    for _, operation in ipairs(reply.operations) do
      operation.node = node
      all[#all + 1] = operation
    end
  end
  return all
end

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
      if status.owner:match("^[^:]+") == self.name then
        return ("%s: %s on %s: %s"):format(status.state, status.owner, status.node, status.error)
      end
    end
    return "active"
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

local function as_names(names)
  if type(names) ~= "table" then fail("network:delete_endpoints: an array of names is expected") end
  return names
end

--- Creates an endpoint, or all of a list in one change.
-- @tparam table spec { name =, node =, ... }, or an array of such
-- @return the endpoint, or an array of endpoints
function methods:endpoint(spec)
  local state = lab.state()
  local specs, many = as_list(spec, "network:endpoint")
  self.last_change = change.run(state, function() return draft.endpoints(state, self.name, specs) end)
  local result = {}
  for i, one in ipairs(specs) do result[i] = Endpoint.new(self.name, one.name) end
  if many then return result end
  return result[1]
end

--- The network's endpoints, by name.
function methods:endpoints()
  local list = {}
  for i, row in ipairs(lab.state():endpoints(row_of(self)._uuid)) do
    list[i] = Endpoint.new(self.name, row.name)
  end
  return list
end

--- An endpoint by name, or nil.
function methods:get(name)
  local row = lab.state():endpoint(row_of(self)._uuid, name)
  return row and not row.doomed and Endpoint.new(self.name, name) or nil
end

--- Changes options, the home or the archetype while the network runs.
-- @usage blue:update{ mtu = 1400 }   blue:update{ archetype = "bridge" }
function methods:update(changes)
  local state = lab.state()
  self.last_change = change.run(state, function() return draft.update(state, self.name, changes) end)
  return self
end

--- Deletes endpoints by name in one change.
-- @tparam table names array of names
function methods:delete_endpoints(names)
  local state = lab.state()
  as_names(names)
  self.last_change = change.run(state, function() return draft.delete(state, self.name, names) end)
  return true
end

--- Deletes the network and its endpoints.
function methods:delete()
  local state = lab.state()
  self.last_change = change.run(state, function() return draft.delete(state, self.name) end)
  return true
end

--- What a call would do, without doing it.
-- @tparam string verb "endpoint", "update", "delete" or "delete_endpoints"
-- @param argument what the method of that name takes
-- @return array of { verb, kind, key, owner, node }
function methods:plan(verb, argument)
  local state = lab.state()
  local drafts <const> = {
    endpoint = function() return draft.endpoints(state, self.name, (as_list(argument, "network:plan"))) end,
    update = function() return draft.update(state, self.name, argument) end,
    delete = function() return draft.delete(state, self.name) end,
    delete_endpoints = function() return draft.delete(state, self.name, as_names(argument)) end,
  }
  if not drafts[verb] then
    fail(("network:plan: unknown verb '%s'%s"):format(tostring(verb),
      suggest(verb, options.sorted_keys(drafts))))
  end
  return draft.plan(drafts[verb]())
end

--- The operations that the agents performed for this object's last call.
function methods:operations()
  return self.last_change and performed(lab.state(), self.last_change) or {}
end

--- Compares the network with the system on each of its nodes, and mends what differs.
-- @return array of the operations; empty when all was right
function methods:verify()
  local all = {}
  local row = row_of(self)
  for _, node in ipairs(lab.state():nodes_of(row)) do
    local reply = must(protocol.call(must(lab.socket(node)), { call = "verify", network = self.name }))
    for _, operation in ipairs(reply.operations) do
      operation.node = node
      all[#all + 1] = operation
    end
  end
  return all
end

--- Creates a network.
-- @tparam table spec name, archetype, home, and the archetype's options (help "ip" lists them)
-- @return the network
function M.create(spec)
  local state = lab.state()
  local made = change.run(state, function() return draft.create(state, spec) end)
  local net = network_object(spec.name)
  net.last_change = made
  return net
end

--- What network.create would do, without doing it.
-- @return array of { verb, kind, key, owner, node }
function M.plan(spec)
  local state = lab.state()
  return draft.plan(draft.create(state, spec))
end

--- A network by name, or nil.
function M.get(name)
  if not context.valid_name(name) then fail("network.get: a name is expected") end
  local row = lab.state():network(name)
  return row and not row.doomed and network_object(name) or nil
end

--- All networks, by name.
function M.list()
  local list = {}
  for _, row in ipairs(lab.state():sorted "Network") do
    if not row.doomed then list[#list + 1] = network_object(row.name) end
  end
  return list
end

return M
