--- Small functions that scripts use everywhere.
local task <const> = require "nerv.task"
local registry <const> = require "nerv.registry"

local M = {}

M.sleep = task.sleep
M.spawn = task.spawn

--- Runs a function, at most for a number of seconds.
-- @tparam number seconds time limit
-- @tparam function f what to run; it is cancelled when the time is over
-- @return what f returns; or nil, a message and "timeout"
function M.timeout(seconds, f, ...)
  local child <close> = task.spawn(f, ...)
  if child:join(seconds) then return child:wait() end
  child:cancel()
  child:join(5)
  return nil, ("no end within %g s"):format(seconds), "timeout"
end

--- Fails the script unless the value is true, or a result that went well.
-- @usage expect(h1:ping(h2))
-- @return its arguments
function M.expect(value, message, ...)
  if not value then
    registry.fail("expect: " .. tostring(message or "the value is " .. tostring(value)))
  end
  return value, message, ...
end

return M
