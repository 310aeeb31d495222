--- The shell's connection to its agent and to the database. The first call that needs them
-- finds the agent of the state directory, or starts one as a lab.
local api <const> = require "nerv.api"
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local instance <const> = require "nerv.instance"
local paths <const> = require "nerv.paths"
local process <const> = require "nerv.process"
local protocol <const> = require "nerv.protocol"
local registry <const> = require "nerv.registry"
local runtime <const> = require "nerv.runtime"
local state_module <const> = require "nerv.state"
local stream <const> = require "nerv.stream"
local tail <const> = require "nerv.tail"
local task <const> = require "nerv.task"

local M = {}

-- Seconds that an agent has to start.
local START_LIMIT <const> = 20

-- Seconds that the database has to come back: longer than its agent needs to find it silent and to start another one.
local DATABASE_LIMIT <const> = 15

-- Seconds in which it answers a shell that leaves.
local LEAVE_LIMIT <const> = 10

local connecting = false
local ended = false   -- the shell is about to: a task that is still at work must not start another lab
local current   -- { state, hello, socket, hold }

local function socket_of(state_dir)
  local id = context.read_instance(state_dir)
  return id and context.run_dir(id) .. "/agent.sock"
end

local function start_agent(state_dir)
  file.mkdir(state_dir, { parents = true, mode = 448 })
  local argv = { paths.exe(), "--agent", "--lab", "--state", state_dir }
  for _, name in ipairs { "db", "node", "config" } do
    if context.options[name] then
      argv[#argv + 1] = "--" .. name
      argv[#argv + 1] = context.options[name]
    end
  end
  return process.spawn { argv = argv, stdin = "pipe", stdout = "null", session = true,
    stderr = { file = state_dir .. "/agent.log", append = true } }
end

local function try_hold(state_dir)
  local path = socket_of(state_dir)
  if not path then return nil end
  local connection = stream.connect { path = path, timeout = 5 }
  if not connection then return nil end
  local hello, message, code = protocol.ask(path, connection, { call = "hold" })
  if hello then return connection, hello, path end
  connection:close()
  if code == "timeout" then registry.fail(message) end   -- it has the lab, and no other can have it
end

local function find_or_start(state_dir)
  local connection, hello, path = try_hold(state_dir)
  if connection then return connection, hello, path end
  if process.uid() ~= 0 then
    registry.fail("no agent answers you on " .. state_dir .. ", and only root can start one")
  end
  local limit, child = runtime.now() + START_LIMIT, nil
  repeat
    -- Until the agent of a lab that is just ending, or was killed, is gone: the next one would take its place in it.
    if not child and instance.clean_dead(state_dir) ~= nil then
      local message
      child, message = start_agent(state_dir)
      if not child then registry.fail("the agent does not start: " .. message) end
    end
    connection, hello, path = try_hold(state_dir)
    if connection then return connection, hello, path end
    if not child then
      task.sleep(0.05)
    elseif child:wait(0.01) then
      -- Another shell may have won the race for the lock.
      if not (tail.last_line(state_dir .. "/agent.log") or ""):find("an agent runs already", 1, true) then break end
      task.sleep(0.1)
      child = nil
    end
  until runtime.now() > limit
  registry.fail("the agent does not start: " .. (tail.last_line(state_dir .. "/agent.log") or "it does not answer"))
end

-- The agent died: start another one at once, so that its lab does not outlive the shell.
local function keep_agent(state_dir, link)
  while true do
    link.hold:read_frame()
    if link.closed then return end
    link.hold:close()
    link.hold = nil
    repeat
      task.sleep(0.05)
      local good, connection, hello, path = pcall(find_or_start, state_dir)
      if good then link.hold, link.hello, link.socket = connection, hello, path end
      if link.closed then return end   -- the shell leaves: that ended the attempt
      if not good then task.sleep(1) end
    until good
  end
end

-- A node's own database comes back when its agent finds it dead or silent, which takes less time than one attempt has.
local function connect_state(remote)
  local limit = runtime.now() + DATABASE_LIMIT
  local state, message, code = state_module.connect(remote)
  while not state and code ~= "timeout" and remote:find "^unix:" and runtime.now() < limit do
    task.sleep(0.1)
    state, message, code = state_module.connect(remote)
  end
  if not state then registry.fail("database: " .. message) end
  return state
end

local function await_database(state)
  local limit = runtime.now() + DATABASE_LIMIT
  while not state.db:connected() do
    if runtime.now() > limit then registry.fail(("the database %s does not answer"):format(state.remote)) end
    task.sleep(0.05)
  end
end

function M.connection()
  if ended then registry.fail("this shell has left its lab") end
  if current then
    await_database(current.state)
    return current
  end
  -- Two tasks that come at once make one connection.
  while connecting do task.sleep(0.01) end
  if current then return current end
  connecting = true
  local _ <close> = setmetatable({}, { __close = function() connecting = false end })
  local state_dir = context.state_dir()
  local hold, hello, path = find_or_start(state_dir)
  local shell = instance.attach(state_dir)
  if context.options.keep then protocol.call(path, { call = "keep" }) end
  local state = connect_state(hello.db)
  current = { state = state, hold = hold, hello = hello, socket = path, shell = shell }
  current.keeper = task.spawn(keep_agent, state_dir, current)
  return current
end

function M.active() return current ~= nil end

function M.present()
  if current then return true end
  local path = socket_of(context.state_dir())
  local probe = path and file.stat(path) and stream.connect { path = path, timeout = 5 }
  if probe then probe:close() end
  return probe ~= nil and probe ~= false
end

function M.state() return M.connection().state end

function M.here() return M.connection().hello.node end

function M.socket(node_name)
  local link = M.connection()
  if node_name == link.hello.node then return link.socket end
  local row = link.state:node(node_name)
  if not row then return nil, "unknown node " .. tostring(node_name) end
  local path = row.run_dir .. "/agent.sock"
  if row.address == "" or file.stat(path) then return path end
  return row.address
end

local function count(rows)
  local n = 0
  for _, row in pairs(rows) do n = n + (row.doomed and 0 or 1) end
  return n
end

M.farewell = false

--- The reply of a node's agent.
-- @raise when there is none: "WHAT: node NAME: why"
function M.ask(node, request, what)
  local where, message = M.socket(node)
  local reply
  if where then reply, message = protocol.call(where, request) end
  if not reply then registry.fail(("%s: node %s: %s"):format(what, node, message)) end
  return reply
end


--- Asks the agents of several nodes for operations: of a plan, a Change, a repair.
-- @tparam table nodes their names
-- @tparam table request see agent/calls.lua
-- @tparam string what begins the message when one does not answer
-- @return their operations, each with its node
-- @raise when one does not answer
function M.operations(nodes, request, what)
  local all = {}
  for _, node in ipairs(nodes) do
    for _, operation in ipairs(M.ask(node, request, what).operations) do
      operation.node = node
      all[#all + 1] = operation
    end
  end
  return all
end

--- Leaves the agent; a lab that nobody else uses ends, and this waits until it has. M.farewell, if set, is told
-- what becomes of it: { ends =, others = other shells that use it, networks =, endpoints = }.
-- @tparam[opt] integer status with which the shell ends, when it does
function M.leave(status)
  ended = status ~= nil
  if not current then return end
  local link = current
  local networks, endpoints = count(link.state.rows.Network), count(link.state.rows.Endpoint)
  current = nil
  link.closed = true
  link.keeper:cancel()
  link.keeper:join()
  link.state:close()
  if link.shell then instance.detach(link.hello.state_dir, link.shell) end
  if not link.hold then return end   -- its agent is gone; the next one finds no shell
  local asking <close> = task.spawn(function()
    protocol.send(link.hold, { call = "leave" })
    local answer = protocol.receive(link.hold)
    return answer
  end)
  local answer = asking:join(LEAVE_LIMIT) and asking:wait()
  link.hold:close()
  if not answer then return end
  local agent = answer.ends and process.adopt(link.hello.pid)
  if agent then agent:wait(60) end
  if M.farewell then
    M.farewell { ends = answer.ends, others = answer.others, networks = networks, endpoints = endpoints }
  end
end

function M.clean() return instance.clean_all_dead() end

return api.module("lab", "this shell's agent and database; the first call that needs them starts a lab", M, {
  here = { text = "returns the name of this shell's node", example = "print(lab.here())" },
  present = { text = "returns whether a lab or daemon is there that this shell would use; starts none",
    example = "assert(lab.present())" },
  active = { text = "returns whether this shell has an agent already; starts none", example = "assert(lab.active())" },
  connection = { text = "returns {state=, socket= the agent's, hello={node=, pid=, db=, state_dir=, run_dir=}}",
    example = "print(lab.connection().hello.run_dir)" },
  state = { text = "returns this shell's replica of the database: the rows of its tables by UUID are in `rows`",
    example = "for _, row in pairs(lab.state().rows.Endpoint) do print(row.name, row.mac) end" },
  socket = { text = "returns where the agent of a node answers: its socket's path, or \"ssl:ADDRESS:PORT\" from "
      .. "another machine; or nil and a message",
    args = { { name = "node", type = "name", names = "node", required = true, text = "name of the node" } },
    example = "print(lab.socket(lab.here()))" },
  ask = { internal = true },
  operations = { internal = true },
  leave = { internal = true },
  clean = { text = "removes what labs left whose agents are dead; returns the state directories that were cleaned, "
      .. "and why others stay",
    example = "print(#lab.clean())" },
})
