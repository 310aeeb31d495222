--- The agent's protocol: frames on a Unix socket. A frame has a type and a payload; a
-- connection carries one call, or is held open to keep a lab alive.
local config <const> = require "nerv.config"
local file <const> = require "nerv.file"
local stream <const> = require "nerv.stream"
local json <const> = require "nerv.json"
local task <const> = require "nerv.task"
local tools <const> = require "nerv.tools"

local M = {}

-- Seconds that an agent has to answer a connection.
local LIMIT <const> = 5
-- Seconds without a reply after which an agent that is at work on a call is asked whether it lives.
local SILENCE <const> = 5

--- Frame types.
M.CONTROL, M.STDIN, M.STDOUT, M.STDERR, M.STDIN_END = 1, 2, 3, 4, 5

--- Sends a control message.
function M.send(connection, message)
  return connection:write_frame(M.CONTROL, json.encode(message))
end

--- Reads a frame that must be a control message.
-- @return the message, or nil, message, code
function M.receive(connection)
  local kind, payload, code = connection:read_frame()
  if not kind then return nil, payload, code end
  if kind ~= M.CONTROL then return nil, "a control frame was expected", "EPROTO" end
  local message = json.decode(payload)
  if type(message) ~= "table" then return nil, "a control frame holds no JSON object", "EPROTO" end
  return message
end

--- Host and port of "ADDRESS:PORT"; an IPv6 address stands in brackets.
-- @return host, port; or nil, message, "EINVAL"
function M.host_port(text)
  local host, port = text:match("^%[([%x:.]+)%]:(%d+)$")
  if not host then host, port = text:match("^([%d.]+):(%d+)$") end
  port = math.tointeger(tonumber(port))
  if host and port <= 65535 then return host, port end
  return nil, ("bad address \"%s\": \"ADDRESS:PORT\" is expected, an IPv6 address in brackets"):format(text), "EINVAL"
end

-- An agent writes its node's name beside its socket.
local function silent(where)
  local name = (file.read((where:gsub("[^/]*$", "node"))) or ""):match("%S+")
  return nil, ("the agent %s does not answer"):format(name and "of node " .. name or "at " .. where), "timeout"
end

--- Connects to an agent.
-- @tparam string where path of its socket, or "ssl:ADDRESS:PORT"
-- @return the stream, or nil, message, code
function M.connect(where)
  local remote = where:match("^ssl:(.*)$")
  local to = { path = not remote and where or nil, timeout = LIMIT }
  if remote then
    to.host, to.port = M.host_port(remote)
    if not to.host then return nil, to.port, "EINVAL" end
  end
  local connection, message, code = stream.connect(to)
  if connection and remote then
    connection, message, code = tools.timeout(LIMIT, connection.secure, connection, config.tls())
  end
  if code == "timeout" then return silent(where) end
  return connection, message, code
end

local function exchange(connection, request)
  local good, message, code = M.send(connection, request)
  if not good then return nil, message, code end
  return M.receive(connection)
end

-- An agent answers this whatever else it is at work on, so long as it runs at all.
local function is_alive(where)
  local connection = M.connect(where)
  if not connection then return false end
  local _ <close> = connection
  return tools.timeout(LIMIT, exchange, connection, { call = "alive" }) ~= nil
end

--- Sends a call and reads its reply, which may take as long as the agent lives.
-- @tparam string where the agent that the connection leads to; see connect
-- @return the reply, or nil, message, code
function M.ask(where, connection, request)
  local asking <close> = task.spawn(exchange, connection, request)
  while not asking:join(SILENCE) do
    if not is_alive(where) and not asking:join(0) then return silent(where) end
  end
  local reply, message, code = asking:wait()
  if not reply then return nil, message, code end
  if reply.error then return nil, reply.error, reply.code end
  return reply
end

--- Carries bytes both ways between two connections until one ends; closes both.
-- @tparam ?function change takes bytes of `a`, returns those that `b` gets and those to see again with the next ones
function M.relay(a, b, change)
  local function carry(from, to, through)
    local bytes, rest = from:read(), ""
    while bytes do
      if through then bytes, rest = through(rest .. bytes) end
      if not to:write(bytes) then break end
      bytes = from:read()
    end
    a:close()
    b:close()
  end
  local back <close> = task.spawn(carry, b, a)   -- luacheck: ignore (it ends with this scope)
  carry(a, b, change)
end

--- One call on a connection of its own.
-- @tparam string where of the agent; see connect
-- @return the reply, or nil, message, code
function M.call(where, request)
  local connection, message, code = M.connect(where)
  if not connection then return nil, message, code end
  local _ <close> = connection
  return M.ask(where, connection, request)
end

local function serve(connection, handlers, options)
  local _ <close> = connection
  if options.tls and not tools.timeout(LIMIT, connection.secure, connection, options.tls) then return end
  local request = M.receive(connection)
  if request and request.call == "alive" then
    M.send(connection, { ok = true })
    return
  end
  if request and options.ready then options.ready() end
  local handler = request and handlers[request.call]
  if not handler then
    M.send(connection, { error = "unknown call " .. tostring(request and request.call), code = "EPROTO" })
    return
  end
  local good, reply, message, code = pcall(handler, request, connection)
  if not good then
    M.send(connection, { error = tostring(reply), code = "EINTERNAL" })
  elseif reply then
    M.send(connection, reply)
  elseif message then
    M.send(connection, { error = message, code = code })
  end
end

--- Serves a listener until it is closed. Each handler gets the request and its connection and
-- returns a reply; nil, message, code; or nothing when it has answered by itself.
-- @tparam[opt] table options { tls = files of a listener whose clients speak TLS, and server = true; ready = function
-- that returns when calls can be handled }
function M.serve(listener, handlers, options)
  while true do
    local connection, _, code = listener:accept()
    if connection then
      task.spawn(serve, connection, handlers, options or {})
    elseif code == "closed" or code == "EBADF" then
      return
    else
      task.sleep(0.1)
    end
  end
end

return M
