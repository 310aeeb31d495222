--- How long the loop keeps others waiting: a task that wants to run every millisecond, and notes when it could not.
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

local EVERY <const> = 0.001

local Pulse = {}
Pulse.__index = Pulse

--- Ends the measurement.
-- @return the longest pause, in seconds
function Pulse:stop()
  self.task:cancel()
  return math.max(self.longest, runtime.now() - self.last - EVERY)
end
Pulse.__close = Pulse.stop

local function beat(self)
  while true do
    task.sleep(EVERY)
    local now = runtime.now()
    self.longest = math.max(self.longest, now - self.last - EVERY)
    self.last = now
  end
end

--- Begins to measure.
function M.start()
  local self = setmetatable({ longest = 0, last = runtime.now() }, Pulse)
  self.task = task.spawn(beat, self)
  return self
end

return M
