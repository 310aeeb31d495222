--- Nodes: the machines that run NERV.
local registry <const> = require "nerv.registry"
local change <const> = require "nerv.change"
local execute <const> = require "nerv.execute"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local ovsdb <const> = require "nerv.ovsdb"
local state_module <const> = require "nerv.state"

local M = {}
local Node = { __name = "node" }
local methods = {}

-- Numbers from 16 on belong to networks.
local MAX_EGRESS <const> = 15
local OPTIONS <const> = {
  egress = { type = "table", doc = "physical interfaces of the NVE: name = \"shared\" or \"dedicated\"" },
}

local function row_of(self)
  local row = lab.state():node(self.name)
  if not row then registry.fail(("there is no node '%s'"):format(self.name)) end
  return row
end

function Node.__index(self, key)
  if methods[key] then return methods[key] end
  if key == "egress" then return state_module.egress(row_of(self)) end
  if key == "state" or key == "instance" or key == "run_dir" then return row_of(self)[key] end
  return nil
end

function Node.__tostring(self) return "node " .. self.name end

local function object(name) return setmetatable({ name = name }, Node) end

--- A node by name, or nil.
function M.get(name)
  return lab.state():node(name) and object(name) or nil
end

--- All nodes, by name.
function M.list()
  local list = {}
  for i, row in ipairs(lab.state():sorted "Node") do list[i] = object(row.name) end
  return list
end

--- The node of this shell.
function M.here() return object(lab.here()) end

local function check_egress(egress)
  local count = #options.sorted_keys(egress)
  if count > MAX_EGRESS then
    registry.fail(("node:update: egress: %d ports, but a node has at most %d"):format(count, MAX_EGRESS))
  end
  for name, mode in pairs(egress) do
    if type(name) ~= "string" or (mode ~= "shared" and mode ~= "dedicated") then
      registry.fail(("node:update: egress %s: \"shared\" or \"dedicated\" is expected, not %s"):format(
        tostring(name), tostring(mode)))
    end
  end
end

--- Changes the node's options.
-- @usage node.get("pm1"):update{ egress = { eth1 = "dedicated" } }
function methods:update(changes)
  local values, message = options.check("node:update", OPTIONS, changes)
  if not values then registry.fail(message) end
  if values.egress then check_egress(values.egress) end
  local state = lab.state()
  self.last_change = change.run(state, function()
    local row = change.wait_idle(state, function() return row_of(self) end)
    local former = state_module.number_egress(json.decode(row.options) or {})
    local merged = state_module.number_egress(options.join(former, changes))
    return { text = "update node " .. self.name, nodes = { self.name },
      objects = { { table = "Node", owner = self.name, verb = "update", before = { options = row.options } } },
      operations = { { op = "update", table = "Node", where = state_module.only(row),
        row = { options = json.encode(merged), change = ovsdb.named "change" } } } }
  end)
  return self
end

local function socket(self)
  local path, message = lab.socket(self.name)
  if not path then registry.fail(message) end
  return path
end

--- Runs a program on the node; its output goes to ours. See endpoint:exec.
function methods:exec(...) return execute.passing(socket(self), nil, ...) end

--- Runs a program on the node and collects what it writes. See endpoint:run.
function methods:run(...) return execute.collecting(socket(self), nil, ...) end

--- Removes the record of a node that is gone for good, with its endpoints.
function M.forget(name)
  local state = lab.state()
  local row = state:node(name)
  if not row then registry.fail(("there is no node '%s'"):format(tostring(name))) end
  if row.state == "active" then registry.fail(("node %s is active: it cannot be forgotten"):format(name)) end
  local operations = { { op = "delete", table = "Node", where = state_module.only(row) },
    { op = "delete", table = "Endpoint", where = { { "node", "==", name } } },
    { op = "delete", table = "Status", where = { { "node", "==", name } } } }
  local good, message = state:transact(operations)
  if not good then registry.fail("node.forget: " .. message) end
  return true
end

return M
