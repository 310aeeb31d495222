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

local OPTIONS <const> = {
  name = { type = "name", default = "testbed", doc = "name of the network that holds the nodes" },
  nodes = { type = "integer", default = 2, doc = "number of nodes, from 1 to 250" },
  rate = { type = "rate", doc = "bits per second of each trunk link; by default unshaped" },
  prefix = { type = "name", default = "pm", doc = "the nodes' names begin with it" },
  egress = { type = "choice", choices = { "shared", "dedicated" }, default = "shared",
    doc = "mode of the NVEs' ports to the trunk" },
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
-- @return the nodes' names
local function checked(values)
  if values.nodes < 1 or values.nodes > 250 then
    registry.fail("testbed.create: nodes must be an integer from 1 to 250")
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
  return names
end

function M.create(values)
  local names = checked(values)
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

local NAME <const> = { name = "name", type = "name", required = true, text = "name of a node" }
local EXAMPLE <const> = "local tb = testbed.create { nodes = 1, prefix = \"pc\" }  %s  tb:delete()"

api.class("testbed", "several nodes on this machine", methods, {
  node = { text = "returns a node of the testbed", args = { { name = "which", type = "any", required = true,
    text = "its number or name" } }, example = EXAMPLE:format "print(tb:node(1).state)" },
  address = { text = "returns the address of a node on the trunk, or nil", args = { NAME },
    example = EXAMPLE:format 'print(tb:address "pc1")' },
  netns = { text = "returns the path of the namespace that plays a node; \"trunk\" is the switch between them",
    args = { NAME }, example =
      EXAMPLE:format 'for _, l in ipairs(link.list { netns = tb:netns "trunk" }) do print(l.name) end' },
  delete = { text = "removes the nodes and everything on them; returns true", example = EXAMPLE:format "" },
}, { names = "names of the nodes", network = "the network that holds them" })

return api.module("testbed", "several nodes on this machine, each in a namespace", M, {
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
