--- Nodes: the machines that run NERV.
local api <const> = require "nerv.api"
local registry <const> = require "nerv.registry"
local capture <const> = require "nerv.capture"
local change <const> = require "nerv.change"
local draft <const> = require "nerv.draft"
local execute <const> = require "nerv.execute"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local ovsdb <const> = require "nerv.ovsdb"
local program <const> = require "nerv.program"
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

function M.get(name)
  return lab.state():node(name) and object(name) or nil
end

function M.list()
  local list = {}
  for i, row in ipairs(lab.state():sorted "Node") do list[i] = object(row.name) end
  return list
end

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

function methods:update(changes)
  if changes.egress then check_egress(changes.egress) end
  local state = lab.state()
  self.last_change = change.run(state, function()
    local row = change.wait_idle(state, function() return row_of(self) end)
    local former = state_module.number_egress(json.decode(row.options) or {})
    local merged = state_module.number_egress(options.join(former, changes))
    return { text = "update node " .. self.name, nodes = { self.name },
      objects = { { table = "Node", owner = self.name, verb = "update", before = { options = row.options } } },
      operations = { draft.unchanged("Node", row, { "options", "change" }),
        { op = "update", table = "Node", where = state_module.only(row),
          row = { options = json.encode(merged), change = ovsdb.named "change" } } } }
  end)
  return self
end

local function socket(self)
  local path, message = lab.socket(self.name)
  if not path then registry.fail(message) end
  return path
end

function methods:exec(...) return execute.passing(socket(self), nil, ...) end

function methods:spawn(...) return program.start("node:spawn", socket(self), nil, ...) end

function methods:run(...) return execute.collecting(socket(self), nil, ...) end

function methods:capture(given)
  return capture.start("node:capture", self.name, socket(self), nil, given)
end

function M.forget(name)
  local state = lab.state()
  local row = state:node(name)
  if not row then registry.fail(("there is no node '%s'"):format(name)) end
  if row.state == "active" then registry.fail(("node %s is active: it cannot be forgotten"):format(name)) end
  local operations = { draft.unchanged("Node", row, { "state" }),
    { op = "delete", table = "Node", where = state_module.only(row) },
    { op = "delete", table = "Endpoint", where = { { "node", "==", name } } },
    { op = "delete", table = "Status", where = { { "node", "==", name } } } }
  local good, message, code = state:transact(operations)
  if not good then registry.fail("node.forget: " .. (code == "timed out" and "changed meanwhile" or message)) end
  return true
end

local NAME <const> = { name = "name", type = "name", names = "node", required = true, text = "name of the node" }

api.class("node", "a machine that runs NERV", methods, {
  update = { text = "changes the node's options; returns the node",
    args = { { name = "options", type = "table", required = true, text = "what changes", fields = OPTIONS } },
    example = 'print(pcall(function() node.here():update { egress = { eth1 = "sharde" } } end))' },
  exec = { text = "runs a program on the node, its output to ours; returns as endpoint:exec", args = execute.ARGS,
    example = 'node.here():exec("ip", "-br", "link")' },
  spawn = { text = "starts a program on the node that runs on; returns as endpoint:spawn", args = program.ARGS,
    example = 'local p <close> = node.here():spawn("sleep", "60")\nprint(p:running())' },
  run = { text = "runs a program on the node and collects what it writes; returns as endpoint:run", args = execute.ARGS,
    example = 'print(node.here():run("uname", "-r").stdout)' },
  capture = { text = "captures what passes an interface of the node, from now on; returns a capture, or nil, message, "
    .. "code", args = capture.ARGS,
    example = 'print(node.here():capture { interface = "lo", seconds = 0.1 }:wait().count)' },
}, { name = "its name", state = "active, joining, or stale: not heard of for 15 s",
  instance = "8 hex digits that mark what is its own", run_dir = "where its sockets, namespaces and pins are",
  egress = "array of {interface=, mode=, port=}: the NVE's ports to the physical network" })

return api.module("node", "the machines that run NERV", M, {
  get = { text = "returns a node by name, or nil", args = { NAME }, returns = "node",
    example = "print(node.get(lab.here()).state)" },
  list = { text = "returns all nodes, by name",
    example = "for _, n in ipairs(node.list()) do print(n.name, n.state) end" },
  here = { text = "returns the node of this shell", returns = "node", example = "print(node.here().run_dir)" },
  forget = { text = "removes what is known of a node that is gone for good, its endpoints and egress ports too; "
    .. "returns true",
    args = { NAME }, example = 'print(pcall(node.forget, lab.here()))  -- it is active' },
})
