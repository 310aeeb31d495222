--- Several nodes on one machine: namespaces that play physical machines, a switch between
-- them, a full node in each, all on one database.
local registry <const> = require "nerv.registry"
local context <const> = require "nerv.context"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local node <const> = require "nerv.node"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}
local Testbed = { __name = "testbed" }
local methods = {}
Testbed.__index = methods

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
    if lab.state():node(name) then registry.fail(("testbed.create: node '%s' exists"):format(name)) end
    operations[i] = { op = "insert", table = "Node", row = { name = name, instance = "", state = "joining",
      seen = 0, run_dir = "", options = json.encode { egress = { trunk0 = egress } } } }
  end
  local good, message = lab.state():transact(operations)
  if not good then registry.fail("testbed.create: " .. message) end
end

local function wait_joined(names)
  local limit = runtime.now() + JOIN_LIMIT
  for _, name in ipairs(names) do
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

--- Creates a testbed.
-- @tparam table spec nodes = how many (2); rate = bits/s or text such as "100mbit" of each trunk
-- link, by default unshaped; prefix = "pm": names of the nodes; egress = "shared" or "dedicated"
-- @return the testbed
-- @usage local tb = testbed.create{ nodes = 2, rate = "100mbit" }
function M.create(spec)
  spec = spec or {}
  local given = {}
  for key, value in pairs(spec) do given[key] = value end
  local prefix, egress = given.prefix or "pm", given.egress or "shared"
  given.prefix, given.egress = nil, nil
  if not context.valid_name(prefix) then registry.fail("testbed.create: prefix is no name") end
  if egress ~= "shared" and egress ~= "dedicated" then
    registry.fail("testbed.create: egress must be \"shared\" or \"dedicated\"")
  end
  local count = given.nodes or 2
  if math.type(count) ~= "integer" or count < 1 or count > 250 then
    registry.fail("testbed.create: nodes must be an integer from 1 to 250")
  end
  local names = {}
  for i = 1, count do names[i] = prefix .. i end
  given.nodes, given.count = nil, count
  given.name, given.archetype = given.name or "testbed", "testbed"
  given.prefix = prefix
  given.home = lab.here()
  network.plan(given)   -- refuses wrong options before any node is announced
  join_rows(names, egress)
  local bed = setmetatable({ names = names }, Testbed)
  local good, message = pcall(function()
    bed.network = network.create(given)
    wait_joined(names)
  end)
  if good then return bed end
  if bed.network then bed.network:delete() end
  forget_rows(names)
  error(message, 0)
end

return M
