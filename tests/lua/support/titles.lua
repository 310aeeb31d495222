-- An ETArch network for tests: two nodes, entities on both, and what goes over every wire of it.
local ovs <const> = require "support.ovs"

local M = {}
local Field = {}
Field.__index = Field

--- Creates a network with endpoints, and registers the entity of each.
-- @tparam table options name, nodes (of the testbed: pm1, pm2), entities { name -> node }, and options of the network
function M.network(options)
  local given = { name = options.name, archetype = "etarch", home = "pm1" }
  for key, value in pairs(options.network or {}) do given[key] = value end
  local self <const> = setmetatable({ net = network.create(given), entities = {}, node_of = options.entities }, Field)
  local specs = {}
  for name, where in pairs(options.entities) do specs[#specs + 1] = { name = name, node = where } end
  self.net:endpoint(specs)
  return self
end

--- The namespace of an endpoint, on whichever node of this machine.
function Field:space(name) return ("%s/ns/%s:%s"):format(node.get(self.node_of[name]).run_dir, self.net.name, name) end

--- Registers an entity on an endpoint, and keeps it.
function Field:register(name, title)
  local entity_of <const>, message = entity.register { title = title or name, netns = self:space(name) }
  if not entity_of then return nil, message end
  self.entities[title or name] = entity_of
  return entity_of
end

--- The Open vSwitch of a node, and the network's bridge there.
function M.switch(name)
  local switch <const> = ovs.of(node.get(name).run_dir)
  return switch, switch:bridges()[1]
end

--- What comes of messages within `seconds` after the last one: array of "workspace: text", sorted.
function M.drain(one, seconds)
  local got = {}
  for message in one:messages(seconds or 0.3) do
    got[#got + 1] = message.workspace .. ": " .. message.bytes:gsub("%z+$", "")
  end
  table.sort(got)
  return got
end

return M
