--- Programs that run on in an endpoint, or on a node, while the shell does other things. Their streams are
-- streams here; the agent's connection carries them. A program ends with its connection, and so with the shell,
-- unless it was told to stay.
local api <const> = require "nerv.api"
local execute <const> = require "nerv.execute"
local json <const> = require "nerv.json"
local options <const> = require "nerv.options"
local protocol <const> = require "nerv.protocol"
local registry <const> = require "nerv.registry"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

local M = {}

-- Bytes of one stream that wait for a reader here before the program is held up.
local MOST <const> = 1 << 20
-- Seconds between two looks whether somebody has read.
local LOOK <const> = 0.02

local Program = { __name = "program" }
local methods = {}
Program.__index = methods

function Program.__tostring(self)
  return ("program %s (%s)"):format(self.name, self.status and "ended" or "pid " .. self.pid)
end

--- What spawn may be told, by name.
M.OPTIONS = {
  argv = { type = "list", required = true, doc = "the program and its arguments" },
  cwd = { type = "file", doc = "working directory" },
  env = { type = "table", doc = "variables to set on top of its environment" },
  stdin = { type = "choice", choices = { "pipe", "null" }, default = "pipe", doc = "a stream to write to, or nothing" },
  stdout = { type = "choice", choices = { "pipe", "null", "inherit" }, default = "pipe",
    doc = "a stream to read from, nothing, or ours" },
  stderr = { type = "choice", choices = { "pipe", "null", "inherit" }, default = "pipe", doc = "the same" },
  pty = { type = "any", doc = "true or {rows=, cols=}: it runs on a terminal of its own, whose output is stdout" },
  keep = { type = "boolean", default = false, doc = "it goes on when the shell ends; its output is lost then" },
}

--- The arguments of spawn, as api.lua has them.
M.ARGS = { { name = "argv", type = "rest", text = "the program and its arguments; or one table of options: argv, cwd, "
  .. "env, stdin, stdout, stderr (\"pipe\", \"null\", \"inherit\"), pty, keep" } }

-- Where one of its output streams goes: to `write`, or to a stream that somebody reads here.
local function new_sink(how, file)
  local sink = { queue = {}, waiting = 0 }
  if how == "inherit" then
    function sink.write(bytes)
      file:write(bytes)
      file:flush()
    end
  elseif how == "pipe" then
    local near
    near, sink.reader = stream.pair()
    function sink.write(bytes)
      if not near:write(bytes) then sink.write = nil end   -- the reader has closed it
    end
    function sink.finish() near:close() end
  end
  return sink
end

local function empty(sink)
  while sink.queue[1] do
    local bytes = table.remove(sink.queue, 1)
    if sink.write then sink.write(bytes) end
    sink.waiting = sink.waiting - #bytes
  end
  sink.task = nil
  if sink.ended and sink.finish then sink.finish() end
end

-- One stream that nobody reads does not hold up the other, nor the news of the end, until much waits in it.
local function deliver(sink, bytes)
  if not sink.write then return end
  table.insert(sink.queue, bytes)
  sink.waiting = sink.waiting + #bytes
  if not sink.task then sink.task = task.spawn(empty, sink) end
  while sink.waiting > MOST do task.sleep(LOOK) end
end

local function close_sinks(self)
  for _, sink in pairs(self.sinks) do
    sink.ended = true
    if not sink.task and sink.finish then sink.finish() end
  end
end

-- What comes from the agent, until the end.
local function follow(self)
  while not self.status do
    local kind, payload = self.connection:read_frame()
    if kind == protocol.STDOUT then
      deliver(self.sinks.stdout, payload)
    elseif kind == protocol.STDERR then
      deliver(self.sinks.stderr, payload)
    elseif kind and json.decode(payload).taken then
      self.window.ahead = self.window.ahead - json.decode(payload).taken
    else
      self.status = kind and json.decode(payload) or { error = "the agent's connection ended: " .. tostring(payload),
        code = "closed" }
    end
  end
  self.out.over = true
  self.connection:close()
  close_sinks(self)
  if self.input then self.input:cancel() end
end

--- Ends a program that still runs, and its streams.
function methods:close()
  if not self.status then
    self.status = { error = self.name .. ": it was closed", code = "closed" }
    self.follower:cancel()
    self.out.over = true
    self.connection:close()
    close_sinks(self)
    if self.input then self.input:cancel() end
  end
  if self.stdin then self.stdin:close() end
end
Program.__close = methods.close

function methods:running() return self.status == nil end

function methods:wait(seconds)
  if not self.follower:join(seconds) then return nil, self.name .. ": it runs still", "timeout" end
  return execute.result(self.name, self.status)
end

local function tell(self, message)
  if self.status then return nil, self.name .. ": it has ended", "ESRCH" end
  return protocol.send(self.out, message)
end

function methods:kill(signal)
  signal = signal or "TERM"
  local plausible = math.type(signal) == "integer" or type(signal) == "string" and signal:find "^[%u%d+]+$"
  if not plausible then
    registry.fail(("program:kill: bad signal '%s': a name as \"TERM\" or a number is expected"):format(
      tostring(signal)))
  end
  return tell(self, { signal = signal })
end

function methods:resize(rows, cols)
  if not self.pty then registry.fail "program:resize: it has no terminal" end
  return tell(self, { rows = rows, cols = cols })
end

-- Options, or the words of a command line.
local function read_arguments(what, ...)
  local first = ...
  local given = type(first) == "table" and select("#", ...) == 1 and first.argv ~= nil and first
    or { argv = execute.words(...) }
  local values, message = options.check(what, M.OPTIONS, given)
  if not values then registry.fail(message) end
  values.argv = execute.words(values.argv)
  return values
end

--- Starts a program.
-- @tparam string what the function that was called, for messages
-- @tparam string where the agent is
-- @tparam ?string owner the endpoint; nil for the node itself
-- @param ... what M.ARGS says
-- @return the program; or nil, message, code
function M.start(what, where, owner, ...)
  local values = read_arguments(what, ...)
  local connection, reply, code = execute.begin(where, { argv = values.argv, cwd = values.cwd, env = values.env,
    pty = values.pty, keep = values.keep, term = "xterm", owner = owner })
  if not connection then return nil, reply, code end
  local self = setmetatable({ connection = connection, out = execute.sender(connection), pid = reply.started,
    name = values.argv[1], pty = values.pty, window = { ahead = 0 },
    sinks = { stdout = new_sink(values.stdout, io.stdout), stderr = new_sink(values.stderr, io.stderr) } }, Program)
  self.stdout, self.stderr = self.sinks.stdout.reader, not values.pty and self.sinks.stderr.reader or nil
  self.follower = task.spawn(follow, self)
  if values.stdin == "pipe" then
    local source
    self.stdin, source = stream.pair()
    self.input = task.spawn(execute.send_input, self.out, source, self.window)
  else
    self.out:write_frame(protocol.STDIN_END, "")
  end
  return self
end

api.class("program", "a program of an endpoint or node that runs on; it ends with the shell or is kept", methods, {
  wait = { text = "waits for the end; returns as endpoint:exec, after the time limit nil, message, \"timeout\"; what "
    .. "it writes must be read meanwhile, more than 1 MB that waits holds it up",
    args = { { name = "seconds", type = "seconds", text = "longest time to wait; by default for ever" } },
    example = 'local p = h1:spawn("sh", "-c", "echo hello")\nprint(p.stdout:read_line(), p:wait(5).exit)' },
  kill = { text = "sends a signal; returns true",
    args = { { name = "signal", type = "any", text = "name or number; by default TERM" } },
    example = 'local p = h1:spawn("sleep", "60")\np:kill "INT"\nprint(select(2, p:wait()))' },
  resize = { text = "sets the size of its terminal; returns true", args = {
    { name = "rows", type = "count", required = true, text = "height in characters" },
    { name = "cols", type = "count", required = true, text = "width in characters" } },
    example = 'local p <close> = h1:spawn { argv = { "top" }, pty = true }\np:resize(50, 132)' },
  running = { text = "returns whether it has not ended",
    example = 'local p <close> = h1:spawn("sleep", "60")\nprint(p:running())' },
  close = { text = "ends it when it still runs; <close> does the same",
    example = 'local p = h1:spawn("sleep", "60")\np:close()' },
}, { pid = "its number on its node", stdin = "stream to write to", stdout = "stream to read from",
  stderr = "stream to read from" })

return M
