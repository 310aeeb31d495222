--- The agent's side of the call `log`: the end of its own log or of a service's, and what comes after it.
local file <const> = require "nerv.file"
local protocol <const> = require "nerv.protocol"
local tail <const> = require "nerv.tail"
local task <const> = require "nerv.task"

local M = {}

-- Seconds between two looks at a log that is followed.
local LOOK <const> = 0.2

-- Our own log is what standard error goes to.
local function path_of(agent, service)
  if service then
    local known = agent.node.supervisor.services[service]
    if not known then return nil, ("node %s has no service '%s'"):format(agent.name, service), "ENOENT" end
    return known.paths.log
  end
  local path = file.realpath "/proc/self/fd/2"
  local stat = path and file.stat(path)
  if stat and stat.type == "file" then return path end
  return nil, ("the agent of node %s writes its log to no file: look where it was started (journalctl -u nerv)")
    :format(agent.name), "ENOENT"
end

-- A file that has become shorter has begun anew.
local function follow(connection, path, offset)
  while true do
    local size = tail.size(path)
    if size < offset then offset = 0 end
    local text = size > offset and tail.piece(path, offset) or ""
    offset = offset + #text
    if #text > 0 and not connection:write_frame(protocol.STDOUT, text) then return end
    if #text == 0 then task.sleep(LOOK) end
  end
end

--- @tparam table request { service = id, or nil for the agent itself; lines = how many; follow = boolean }
-- @return { text = }; with `follow` nothing: text frames come until the connection ends
function M.serve(agent, request, connection)
  local path, message, code = path_of(agent, request.service)
  if not path then return nil, message, code end
  local size = tail.size(path)
  local answer = { text = tail.lines(tail.of_file(path, size), request.lines) }
  if not request.follow then return answer end
  protocol.send(connection, answer)
  local follower = task.spawn(follow, connection, path, size)
  connection:read_frame()   -- the shell has left
  follower:cancel()
end

return M
