--- Several nodes on one machine: namespaces that play physical machines, a switch between
-- them, a full node in each, all on one database.
local registry <const> = require "nerv.registry"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local node <const> = require "nerv.node"
local options <const> = require "nerv.options"
local progress <const> = require "nerv.progress"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}
local Testbed = { __name = "testbed" }
local methods = {}
Testbed.__index = methods

local OPTIONS <const> = {
  name = { type = "name", default = "testbed", doc = "name of the network that holds the nodes" },
  nodes = { type = "integer", default = 2, doc = "number of nodes, from 1 to 250" },
  rate = { type = "rate", doc = "bits per second of each trunk link; by default unshaped" },
  prefix = { type = "name", default = "pm", doc = "the nodes' names begin with it" },
  egress = { type = "string", default = "shared", doc = "\"shared\" or \"dedicated\"" },
}
-- Seconds in which the nodes must have joined.
local JOIN_LIMIT <const> = 30

local function forget_rows(names)
  local operations = {}
  for i, name in ipairs(names) do
    operations[i] = { op = "delete", table = "Node", where = { { "name", "==", name } } }
  end
  lab.state():transact(operations)
end

--- The node of number i, or by name.
function methods:node(which)
  return node.get(math.type(which) == "integer" and self.names[which] or which)
end

--- The address of a node on the trunk.
function methods:address(name)
  for i, known in ipairs(self.names) do
    if known == name then return ("192.0.2.%d"):format(i) end
  end
  return nil
end

--- The namespace that plays a node; "trunk" is the switch between them.
function methods:netns(name)
  return lab.connection().hello.run_dir .. "/ns/" .. self.network.name .. "+" .. name
end

--- Removes the nodes and everything on them.
function methods:delete()
  self.network:delete()
  forget_rows(self.names)
  return true
end

local function join_rows(names, egress)
  local operations = {}
  for i, name in ipairs(names) do
    operations[i] = { op = "insert", table = "Node", row = { name = name, instance = "", state = "joining",
      seen = 0, run_dir = "", options = json.encode { egress = { trunk0 = egress } } } }
  end
  local good, message = lab.state():transact(operations)
  if not good then registry.fail("testbed.create: " .. message) end
end

local function wait_joined(names)
  local limit = runtime.now() + JOIN_LIMIT
  local joined = 0
  local _ <close> = progress.start(function() return ("testbed: %d of %d nodes have joined"):format(joined, #names) end)
  for i, name in ipairs(names) do
    joined = i - 1
    while true do
      local row = lab.state():node(name)
      if row and row.state == "active" then break end
      if runtime.now() > limit then
        registry.fail(("testbed.create: node %s did not join within %d s"):format(name, JOIN_LIMIT))
      end
      task.sleep(0.02)
    end
  end
end

-- Refuses what is wrong before any node is announced.
-- @return the values, with defaults, and the nodes' names
local function checked(spec)
  local values, message = options.check("testbed.create", OPTIONS, spec or {})
  if not values then registry.fail(message) end
  if values.nodes < 1 or values.nodes > 250 then
    registry.fail("testbed.create: nodes must be an integer from 1 to 250")
  end
  if values.egress ~= "shared" and values.egress ~= "dedicated" then
    registry.fail("testbed.create: egress must be \"shared\" or \"dedicated\"")
  end
  if #(values.prefix .. values.nodes) > 15 then
    registry.fail("testbed.create: prefix is too long: a node's name is that of an interface, too, and has at most "
      .. "15 characters")
  end
  if lab.state():network(values.name) then
    registry.fail(("testbed.create: network '%s' exists"):format(values.name))
  end
  local names = {}
  for i = 1, values.nodes do
    names[i] = values.prefix .. i
    if lab.state():node(names[i]) then registry.fail(("testbed.create: node '%s' exists"):format(names[i])) end
  end
  return values, names
end

--- Creates a testbed.
-- @tparam table spec nodes = how many (2); rate = bits/s or text such as "100mbit" of each trunk
-- link, by default unshaped; prefix = "pm": names of the nodes; egress = "shared" or "dedicated"
-- @return the testbed
-- @usage local tb = testbed.create{ nodes = 2, rate = "100mbit" }
function M.create(spec)
  local values, names = checked(spec)
  join_rows(names, values.egress)
  local bed = setmetatable({ names = names }, Testbed)
  local good, message = pcall(function()
    bed.network = network.create { name = values.name, archetype = "testbed", home = lab.here(),
      count = values.nodes, prefix = values.prefix, rate = values.rate }
    wait_joined(names)
  end)
  if good then return bed end
  if bed.network then bed.network:delete() end
  forget_rows(names)
  error(message, 0)
end

return M
