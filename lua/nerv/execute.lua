--- Programs in endpoints and on nodes: the agent's side and the shell's. Streams, terminal,
-- signals and exit status go over the agent's socket, here as from another machine.
local protocol <const> = require "nerv.protocol"
local process <const> = require "nerv.process"
local cgroup <const> = require "nerv.cgroup"
local json <const> = require "nerv.json"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"
local terminal <const> = require "nerv.terminal"
local place <const> = require "nerv.agent.place"

local M = {}

-- A connection that several tasks write to: they take turns, because a stream has one writer at a time.
local Turns = {}
Turns.__index = Turns

local function turns(connection) return setmetatable({ connection = connection, busy = false }, Turns) end

function Turns:write_frame(kind, bytes)
  while self.busy do task.sleep(0.001) end
  self.busy = true
  local _ <close> = setmetatable({}, { __close = function() self.busy = false end })
  return self.connection:write_frame(kind, bytes)
end

local function pump(connection, source, kind)
  while true do
    local bytes = source:read()
    if not bytes or not connection:write_frame(kind, bytes) then return end
  end
end

-- What the shell sends: input, its end, signals, the terminal's size. The end of the
-- connection ends the program.
local function follow(connection, child)
  local input = child.pty or child.stdin
  while true do
    local kind, payload = connection:read_frame()
    if not kind then
      child:kill("HUP")
      child:kill("TERM")
      return
    elseif kind == protocol.STDIN then
      input:write(payload)
    elseif kind == protocol.STDIN_END then
      if child.stdin then child.stdin:close() end
    else
      local message = json.decode(payload) or {}
      if message.signal then child:kill(message.signal) end
      if message.rows then child:resize(message.rows, message.cols) end
    end
  end
end

-- A shell on a terminal shows where it is: Debian's bash writes debian_chroot before its prompt.
local function environment(agent, request)
  local id = request.owner or ""
  local env = { NERV_STATE = agent.instance.state_dir, NERV_NODE = agent.name, NERV_ENDPOINT = id,
    TERM = request.term or "dumb" }
  if request.pty then
    env.debian_chroot = id:match("[^:]+$") or agent.name
    env.PS1 = env.debian_chroot .. "# "
  end
  return env
end

local function spawn_options(agent, request)
  local id = request.owner or "node"
  local namespace, problem, reason
  if request.owner then
    namespace, problem, reason = place.namespace(agent, request.owner)
    if not namespace then return nil, problem, reason end
  end
  local group = agent.node.cgroup .. "/endpoints/" .. id
  local good, message, code = cgroup.create(group)
  if not good then return nil, message, code end
  return { argv = request.argv, cgroup = group, cwd = request.cwd, session = true,
    add_env = environment(agent, request),
    netns = namespace, pty = request.pty or nil, stdin = not request.pty and "pipe" or nil,
    stdout = not request.pty and "pipe" or nil, stderr = not request.pty and "pipe" or nil }
end

--- The agent's side of the call `exec`.
function M.serve(agent, request, connection)
  local spec, message, code = spawn_options(agent, request)
  if not spec then return nil, message, code end
  local child
  child, message, code = process.spawn(spec)
  if not child then return nil, message, code end
  protocol.send(connection, { started = child.pid })
  local pumps, out = {}, turns(connection)
  if child.pty then
    pumps[1] = task.spawn(pump, out, child.pty, protocol.STDOUT)
  else
    pumps[1] = task.spawn(pump, out, child.stdout, protocol.STDOUT)
    pumps[2] = task.spawn(pump, out, child.stderr, protocol.STDERR)
  end
  local input = task.spawn(follow, connection, child)
  local status = child:wait()
  -- What it wrote comes before its status; a grandchild may hold the pipes open, so not for ever.
  for _, one in ipairs(pumps) do
    one:join(1)
    one:cancel()
  end
  input:cancel()
  return status
end

local function send_input(connection, source)
  while true do
    local bytes = source:read()
    if not bytes then
      connection:write_frame(protocol.STDIN_END, "")
      return
    end
    if not connection:write_frame(protocol.STDIN, bytes) then return end
  end
end

local function text_of(status)
  if status.signal then return "was ended by " .. status.name, status.name end
  return "exit status " .. tostring(status.exit), "EXIT"
end

--- What exec and run of endpoints and nodes take.
M.ARGS = { { name = "argv", type = "rest", text = "the program and its arguments; one table of them will do" } }

--- Runs a program over an agent's socket.
-- @tparam string path of the agent's socket
-- @tparam table request { argv =, owner =, cwd =, pty = }
-- @tparam table streams { stdin = stream or nil, stdout = f(bytes), stderr = f(bytes), beside = f(to agent) or nil:
-- what runs as long as the program, and may send }
-- @return { ok = true, exit = 0 }; or nil, message, code, { ok = false, exit = or signal =, name = }
function M.run(path, request, streams)
  local connection, message, code = protocol.connect(path)
  if not connection then return nil, message, code end
  local _ <close> = connection
  request.call = "exec"
  protocol.send(connection, request)
  local reply
  reply, message, code = protocol.receive(connection)
  if not reply then return nil, message, code end
  if reply.error then return nil, reply.error, reply.code end
  local out = turns(connection)
  local input_task <close> = task.spawn(function()   -- luacheck: ignore (it ends with this scope)
    if streams.stdin then
      send_input(out, streams.stdin)
    else
      out:write_frame(protocol.STDIN_END, "")
    end
  end)
  local beside <close> = streams.beside and task.spawn(streams.beside, out)   -- luacheck: ignore (the same)
  while true do
    local kind, payload = connection:read_frame()
    if not kind then return nil, "the agent's connection ended: " .. tostring(payload), "closed" end
    if kind == protocol.STDOUT then
      streams.stdout(payload)
    elseif kind == protocol.STDERR then
      streams.stderr(payload)
    else
      local status = json.decode(payload) or {}
      if status.error then return nil, status.error, status.code end
      status.ok = status.exit == 0
      if status.ok then return status end
      local what, short = text_of(status)
      return nil, ("%s: %s"):format(request.argv[1], what), short, status
    end
  end
end

local function words(...)
  local argv = { ... }
  if #argv == 1 and type(argv[1]) == "table" then argv = argv[1] end
  for i, word in ipairs(argv) do argv[i] = tostring(word) end
  if #argv == 0 then require("nerv.registry").fail("a program and its arguments are expected") end
  return argv
end

local function output(bytes)
  io.stdout:write(bytes)
  io.stdout:flush()
end

-- Tells the program's terminal how large ours is, now and when that changes.
local function send_size(connection)
  local resized = process.signals { "WINCH" }
  repeat
    local rows, cols = terminal.size()
    if rows then protocol.send(connection, { rows = rows, cols = cols }) end
  until not resized:next()
end

--- Runs a program on this terminal, which is then all its own: keys, colours, size, job control. Where there is no
-- terminal, it gets our standard input.
-- @tparam string path of the agent's socket
-- @tparam ?string owner the endpoint; nil for the node itself
-- @tparam table argv
-- @return as passing()
function M.interactive(path, owner, argv)
  local input <close> = stream.fd(0)
  local streams = { stdin = input, stdout = output, stderr = function(bytes) io.stderr:write(bytes) end }
  local request = { argv = argv, owner = owner }
  if not terminal.there() then return M.run(path, request, streams) end
  io.stdout:flush()
  local _ <close> = assert(terminal.raw())
  request.pty, request.term, streams.beside = true, os.getenv "TERM", send_size
  return M.run(path, request, streams)
end

--- Runs a program whose output goes to ours.
-- @tparam string path of the agent's socket
-- @tparam ?string owner the endpoint; nil for the node itself
-- @return { ok = true, exit = 0 }; or nil, message, code, the status
function M.passing(path, owner, ...)
  return M.run(path, { argv = words(...), owner = owner }, {
    stdout = output,
    stderr = function(bytes) io.stderr:write(bytes) end })
end

--- Runs a program and collects what it writes.
-- @return { ok =, exit =, stdout =, stderr = }; or nil, message, code, the same table
function M.collecting(path, owner, ...)
  local out, err = {}, {}
  local result, message, code, status = M.run(path, { argv = words(...), owner = owner }, {
    stdout = function(bytes) out[#out + 1] = bytes end,
    stderr = function(bytes) err[#err + 1] = bytes end })
  local record = result or status or {}
  record.stdout, record.stderr = table.concat(out), table.concat(err)
  if result then return record end
  return nil, message, code, record
end

return M
