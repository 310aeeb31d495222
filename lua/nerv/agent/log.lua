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

-- What was in a log before it began anew: see Supervisor:rotate.
local function former_of(path) return path .. ".1" end

-- The last lines of what a log had when it had that size.
local function last_lines(path, size, count)
  local text = tail.lines(tail.of_file(path, size), count)
  local _, have = text:gsub("\n", "")
  local former = former_of(path)
  if have >= count or #text < size then return text end
  return tail.lines(tail.of_file(former, tail.size(former)), count - have) .. text
end

-- Sends what a file has from an offset on.
-- @return the offset of what comes next; nil when nobody reads
local function send(connection, path, offset)
  local text = tail.piece(path, offset)
  while #text > 0 do
    if not connection:write_frame(protocol.STDOUT, text) then return nil end
    offset = offset + #text
    text = tail.piece(path, offset)
  end
  return offset
end

-- A file that has become shorter has begun anew.
local function follow(connection, path, offset)
  while offset do
    local anew = tail.size(path) < offset
    offset = send(connection, anew and former_of(path) or path, offset)
    if anew and offset then offset = 0 else task.sleep(LOOK) end
  end
end

--- @tparam table request { service = id, or nil for the agent itself; lines = how many; follow = boolean }
-- @return { text = }; with `follow` nothing: text frames come until the connection ends
function M.serve(agent, request, connection)
  local path, message, code = path_of(agent, request.service)
  if not path then return nil, message, code end
  local size = tail.size(path)
  local answer = { text = last_lines(path, size, request.lines) }
  if not request.follow then return answer end
  protocol.send(connection, answer)
  local follower = task.spawn(follow, connection, path, size)
  connection:read_frame()   -- the shell has left
  follower:cancel()
end

return M
