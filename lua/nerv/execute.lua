--- Programs in endpoints and on nodes: the agent's side and the shell's. Streams, terminal,
-- signals and exit status go over the agent's socket, here as from another machine.
local protocol <const> = require "nerv.protocol"
local process <const> = require "nerv.process"
local cgroup <const> = require "nerv.cgroup"
local digest <const> = require "nerv.digest"
local json <const> = require "nerv.json"
local put <const> = require "nerv.put"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"
local terminal <const> = require "nerv.terminal"
local turns <const> = require "nerv.turns"
local place <const> = require "nerv.agent.place"

local M = {}

-- Seconds that a program has to end by itself when its shell has gone.
local GRACE <const> = 2
-- Bytes of input that a shell sends ahead of the program, and seconds between two looks whether more may be sent.
local WINDOW <const>, TURN <const> = 1 << 20, 0.02
-- Looks without output after which nobody waits for a pipe that a program's descendants hold open, and seconds
-- between two of them. Looks are counted: a machine may stand still for a second.
local IDLE <const>, LOOK <const> = 10, 0.1

--- A connection that several tasks write to; it writes nothing any more when its scope has ended.
function M.sender(connection)
  local self <const>, in_turn <const> = { over = false }, turns()
  local function write(kind, bytes)
    if self.over then return nil, "it has ended", "closed" end
    return connection:write_frame(kind, bytes)
  end
  function self:write_frame(kind, bytes) return in_turn(write, kind, bytes) end   -- luacheck: ignore (no self)
  return setmetatable(self, { __close = function() self.over = true end })
end

-- Carries one of a program's streams. What one that stays writes when its shell has gone is lost.
-- @return { task =, count = how often something was read, busy = whether it is being sent }
local function pump(out, source, kind, stays)
  local self = { count = 0, busy = false }
  self.task = task.spawn(function()
    local listens = true
    while listens or stays do
      local bytes = source:read()
      if not bytes then return end
      self.count, self.busy = self.count + 1, true
      listens = listens and out:write_frame(kind, bytes)
      self.busy = false
    end
  end)
  return self
end

-- Waits until all that a program wrote is sent.
local function drain(self)
  local idle, count = 0, self.count
  while idle < IDLE do
    if self.task:join(LOOK) then return end
    idle = not self.busy and self.count == count and idle + 1 or 0
    count = self.count
  end
  self.task:cancel()
end

-- The program and all that it started, unless that went elsewhere.
local function finish(child, group)
  child:kill("HUP")
  child:kill("TERM")
  if not child:wait(GRACE) then child:kill("KILL") end
  cgroup.kill(group)
end

-- What the shell sends: input, its end, signals, the terminal's size. The end of the
-- connection ends the program. A program that does not read its input holds up nothing but that:
-- the shell is told what was taken, and sends no more than WINDOW bytes ahead.
local function follow(session, connection, child, out)
  local input, in_turn = child.pty or child.stdin, turns()
  local function take(bytes)
    if input:write(bytes) then protocol.send(out, { taken = #bytes }) end
  end
  while true do
    local kind, payload = connection:read_frame()
    if not kind then
      session.ends = not session.stays
      if session.ends then finish(child, session.group) end
      return
    elseif kind == protocol.STDIN then
      task.spawn(in_turn, take, payload)
    elseif kind == protocol.STDIN_END then
      if child.stdin then task.spawn(in_turn, child.stdin.close, child.stdin) end
    else
      local message = json.decode(payload) or {}
      if message.signal then pcall(child.kill, child, message.signal) end   -- one that there is not does nothing
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
  for name, value in pairs(request.env or {}) do env[name] = value end
  return env
end

local function spawn_options(agent, request)
  local id = request.owner or "node"
  local namespace, problem, reason
  if request.owner then
    namespace, problem, reason = place.namespace(agent, request.owner)
    if not namespace then return nil, problem, reason end
  end
  local group = ("%s/endpoints/%s/%s"):format(agent.node.cgroup, id, digest.random(4))
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
  if not child then
    cgroup.remove(spec.cgroup)
    return nil, message, code
  end
  protocol.send(connection, { started = child.pid })
  local out <close> = M.sender(connection)
  local session, pumps = { group = spec.cgroup, stays = request.keep }, {}
  pumps[1] = pump(out, child.pty or child.stdout, protocol.STDOUT, request.keep)
  pumps[2] = child.stderr and pump(out, child.stderr, protocol.STDERR, request.keep)
  local input = task.spawn(follow, session, connection, child, out)
  local status = child:wait()
  if session.ends then input:join() end
  input:cancel()
  for _, one in ipairs(pumps) do drain(one) end   -- what it wrote comes before its status
  cgroup.remove(spec.cgroup)   -- unless something that it started runs on
  return status
end

--- Sends a program's input until its end.
-- @tparam table out a sender
-- @tparam table window { ahead = bytes that the agent has not said it has taken }
function M.send_input(out, source, window)
  local bytes = source:read()
  while bytes and out:write_frame(protocol.STDIN, bytes) do
    window.ahead = window.ahead + #bytes
    while window.ahead > WINDOW do task.sleep(TURN) end
    bytes = source:read()
  end
  out:write_frame(protocol.STDIN_END, "")
end

local function text_of(status)
  if status.signal then return "was ended by " .. status.name, status.name end
  return "exit status " .. tostring(status.exit), "EXIT"
end

--- What exec and run of endpoints and nodes take.
M.ARGS = { { name = "argv", type = "rest", text = "the program and its arguments; one table of them will do" } }

--- Starts a program over an agent's socket.
-- @tparam string path of the agent's socket
-- @tparam table request { argv =, owner =, cwd =, env =, pty =, keep = }
-- @return the connection, and { started = pid }; or nil, message, code
function M.begin(path, request)
  local connection, message, code = protocol.connect(path)
  if not connection then return nil, message, code end
  request.call = "exec"
  local reply
  reply, message, code = protocol.ask(path, connection, request)
  if reply then return connection, reply end
  connection:close()
  return nil, message, code
end

--- What a call gives for the status of a program's end.
-- @return { ok = true, exit = 0 }; or nil, message, code, { ok = false, exit = or signal =, name = }
function M.result(name, status)
  if status.error then return nil, status.error, status.code end
  status.ok = status.exit == 0
  if status.ok then return status end
  local what, short = text_of(status)
  return nil, ("%s: %s"):format(name, what), short, status
end

--- Runs a program over an agent's socket.
-- @tparam string path of the agent's socket
-- @tparam table request as for begin
-- @tparam table streams { stdin = stream or nil, stdout = f(bytes), stderr = f(bytes), beside = f(to agent) or nil:
-- what runs as long as the program, and may send }
-- @return what result gives
function M.run(path, request, streams)
  local connection, message, code = M.begin(path, request)
  if not connection then return nil, message, code end
  local _ <close> = connection
  local out <close>, window = M.sender(connection), { ahead = 0 }
  local input_task <close> = task.spawn(function()   -- luacheck: ignore (it ends with this scope)
    if streams.stdin then M.send_input(out, streams.stdin, window) else out:write_frame(protocol.STDIN_END, "") end
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
      local news = json.decode(payload) or {}
      if not news.taken then return M.result(request.argv[1], news) end
      window.ahead = window.ahead - news.taken
    end
  end
end

--- Words of a command line: the arguments, or one table of them.
function M.words(...)
  local argv = { ... }
  if #argv == 1 and type(argv[1]) == "table" then argv = argv[1] end
  for i, word in ipairs(argv) do argv[i] = tostring(word) end
  if #argv == 0 then require("nerv.registry").fail("a program and its arguments are expected") end
  return argv
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
  local streams = { stdin = input, stdout = put, stderr = function(bytes) io.stderr:write(bytes) end }
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
  return M.run(path, { argv = M.words(...), owner = owner }, {
    stdout = put,
    stderr = function(bytes) io.stderr:write(bytes) end })
end

--- Runs a program and collects what it writes.
-- @return { ok =, exit =, stdout =, stderr = }; or nil, message, code, the same table
function M.collecting(path, owner, ...)
  local out, err = {}, {}
  local result, message, code, status = M.run(path, { argv = M.words(...), owner = owner }, {
    stdout = function(bytes) out[#out + 1] = bytes end,
    stderr = function(bytes) err[#err + 1] = bytes end })
  local record = result or status or {}
  record.stdout, record.stderr = table.concat(out), table.concat(err)
  if result then return record end
  return nil, message, code, record
end

return M
