--- The agent's protocol: frames on a Unix socket. A frame has a type and a payload; a
-- connection carries one call, or is held open to keep a lab alive.
local stream <const> = require "nerv.stream"
local json <const> = require "nerv.json"
local task <const> = require "nerv.task"

local M = {}

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

--- One call on a connection of its own.
-- @tparam string path of the agent's socket
-- @return the reply, or nil, message, code
function M.call(path, request)
  local connection, message, code = stream.connect { path = path, timeout = 5 }
  if not connection then return nil, message, code end
  local _ <close> = connection
  local good
  good, message, code = M.send(connection, request)
  if not good then return nil, message, code end
  local reply
  reply, message, code = M.receive(connection)
  if not reply then return nil, message, code end
  if reply.error then return nil, reply.error, reply.code end
  return reply
end

local function serve(connection, handlers)
  local _ <close> = connection
  local request = M.receive(connection)
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
function M.serve(listener, handlers)
  while true do
    local connection, _, code = listener:accept()
    if connection then
      task.spawn(serve, connection, handlers)
    elseif code == "closed" or code == "EBADF" then
      return
    else
      task.sleep(0.1)
    end
  end
end

return M
