--- Several nodes on one machine: namespaces that play physical machines, a switch between
-- them, a full node in each, all on one database.
local api <const> = require "nerv.api"
local registry <const> = require "nerv.registry"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local node <const> = require "nerv.node"
local progress <const> = require "nerv.progress"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}
local Testbed = { __name = "testbed" }
local methods = {}
Testbed.__index = methods
function Testbed.__tostring(self) return "testbed " .. self.network.name end

local OPTIONS <const> = {
  name = { type = "name", default = "testbed", doc = "name of the network that holds the nodes" },
  nodes = { type = "integer", default = 2, doc = "number of nodes, from 1 to 250" },
  rate = { type = "rate", doc = "bits per second of each trunk link; by default unshaped" },
  prefix = { type = "name", default = "pm", doc = "the nodes' names begin with it" },
  egress = { type = "choice", choices = { "shared", "dedicated" }, default = "shared",
    doc = "mode of the NVEs' ports to the trunk" },
}
-- How many nodes have an address on the trunk.
local MOST <const> = 250
-- Seconds in which the nodes must have joined.
local JOIN_LIMIT <const> = 30

local function forget_rows(names)
  if #names == 0 then return end
  local operations = {}
  for i, name in ipairs(names) do
    operations[i] = { op = "delete", table = "Node", where = { { "name", "==", name } } }
  end
  lab.state():transact(operations)
end

function methods:node(which)
  return node.get(math.type(which) == "integer" and self.names[which] or which)
end

function methods:address(name)
  for i, known in ipairs(self.names) do
    if known == name then return ("192.0.2.%d"):format(i) end
  end
  return nil
end

function methods:netns(name)
  return lab.connection().hello.run_dir .. "/ns/" .. self.network.name .. "+" .. name
end

local function join_rows(names, egress)
  if #names == 0 then return end
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

--- Names of the nodes of a testbed with these options, and the same as a set.
function M.names(o)
  local names, set = {}, {}
  for i = 1, o and o.count or 0 do
    names[i] = o.prefix .. i
    set[names[i]] = true
  end
  return names, set
end
local names_of <const> = M.names

-- The names of a list that are not in a set.
local function without(names, set)
  local left = {}
  for _, name in ipairs(names) do
    if not set[name] then left[#left + 1] = name end
  end
  return left
end

local function set_egress(names, egress)
  for _, name in ipairs(names) do
    local n = node.get(name)
    if n and n.egress[1] and n.egress[1].mode ~= egress then n:update { egress = { trunk0 = egress } } end
  end
end

--- What is wrong with the options of a testbed's network.
-- @tparam ?table former its options now { count, prefix }; nil for a new one
-- @tparam table wanted those that it is to have
-- @return a message, or nil
function M.problem(former, wanted)
  if former and former.prefix ~= wanted.prefix then return "prefix cannot be changed: delete the testbed first" end
  if wanted.count > MOST then return ("count: a testbed has at most %d nodes"):format(MOST) end
  if #(wanted.prefix .. wanted.count) > 15 then
    return "prefix is too long: a node's name is that of an interface, too, and has at most 15 characters"
  end
end

--- Carries out a change of the network that holds a testbed, with the rows of its nodes: those that come are
-- announced before, so that their agents find how they leave; those that go are forgotten after.
-- @tparam string name of the network
-- @tparam ?table former the network's options { count, prefix, egress }; nil for a new one
-- @tparam ?table wanted those that it is to have; nil when it goes
-- @tparam function change makes the network so, or raises
function M.around(name, former, wanted, change)
  local before, was = names_of(former)
  local after, is = names_of(wanted)
  local new = without(after, was)
  join_rows(new, wanted and wanted.egress)
  local good, message = pcall(change)
  if good then good, message = pcall(wait_joined, new) end
  if not good then
    local net = not former and network.get(name)   -- one that cannot be made leaves nothing
    if net then net:delete() end
    if not former then forget_rows(new) end
    error(message, 0)
  end
  forget_rows(without(before, is))
  if former and wanted and former.egress ~= wanted.egress then set_egress(after, wanted.egress) end
end

local function object(name, names) return setmetatable({ names = names, network = network.get(name) }, Testbed) end

function methods:delete()
  M.around(self.network.name, self.network.options, nil, function() self.network:delete() end)
  return true
end

-- Refuses what is wrong before any node is announced.
-- @return the options of its network
local function checked(values)
  if values.nodes < 1 or values.nodes > MOST then
    registry.fail(("testbed.create: nodes must be an integer from 1 to %d"):format(MOST))
  end
  local wanted = { count = values.nodes, prefix = values.prefix, egress = values.egress }
  if lab.state():network(values.name) then
    registry.fail(("testbed.create: network '%s' exists"):format(values.name))
  end
  local problem = M.problem(nil, wanted)
  if problem then registry.fail("testbed.create: " .. problem) end
  for _, name in ipairs((names_of(wanted))) do
    if lab.state():node(name) then registry.fail(("testbed.create: node '%s' exists"):format(name)) end
  end
  return wanted
end

function M.create(values)
  local wanted = checked(values)
  M.around(values.name, nil, wanted, function()
    network.create { name = values.name, archetype = "testbed", home = lab.here(), count = wanted.count,
      prefix = wanted.prefix, rate = values.rate, egress = wanted.egress }
  end)
  return object(values.name, (names_of(wanted)))
end

function M.get(name)
  local net = network.get(name or OPTIONS.name.default)
  return net and net.archetype == "testbed" and object(net.name, (names_of(net.options))) or nil
end

local function node_names(bed) return bed.names end
local NAME <const> = { name = "name", type = "name", required = true, names = node_names, text = "name of a node" }
local EXAMPLE <const> = "local tb = testbed.create { nodes = 1, prefix = \"pc\" }  %s  tb:delete()"

api.class("testbed", "several nodes on this machine", methods, {
  node = { text = "returns a node of the testbed", returns = "node", args = { { name = "which", type = "any",
    required = true, names = node_names, text = "its number or name" } },
    example = EXAMPLE:format "print(tb:node(1).state)" },
  address = { text = "returns the address of a node on the trunk, or nil", args = { NAME },
    example = EXAMPLE:format 'print(tb:address "pc1")' },
  netns = { text = "returns the path of the namespace that plays a node; \"trunk\" is the switch between them",
    args = { NAME }, example =
      EXAMPLE:format 'for _, l in ipairs(link.list { netns = tb:netns "trunk" }) do print(l.name) end' },
  delete = { text = "removes the nodes and everything on them; returns true", example = EXAMPLE:format "" },
}, { names = "names of the nodes", network = "the network that holds them" })

return api.module("testbed", "several nodes on this machine, each in a namespace", M, {
  get = { text = "returns a testbed that exists, or nil",
    args = { { name = "name", type = "name", text = "of the network that holds it; by default testbed" } },
    example = EXAMPLE:format "print(testbed.get().names[1])" },
  problem = { text = "says what hinders a testbed", internal = true },
  names = { text = "says how the nodes are called", internal = true },
  around = { text = "changes a testbed's network with its nodes", internal = true },
  create = { text = "makes nodes with a switch between them, all on one database; returns the testbed",
    args = { { name = "options", type = "table", text = "the testbed", fields = OPTIONS } },
    example = [[
local tb = testbed.create { nodes = 2, rate = "100mbit" }
local red = network.create { name = "red", archetype = "ip", subnet = "10.2.0.0/24", home = "pm1" }
local a, b = table.unpack(red:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" } })
expect(a:ping(b))
red:delete()
tb:delete()]] },
})
