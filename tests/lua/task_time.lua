-- task.every: a function that is called again and again.
local tap <const> = require "tap"

local times, began = {}, runtime.now()
local ticks = task.every(0.02, function(a, b)
  times[#times + 1] = { runtime.now() - began, a, b }
end, "x", 2)
tap.ok(tap.eventually(5, function() return #times >= 5 end), "it is called again and again")
ticks:cancel()
ticks:join(5)
local n <const> = #times
tap.ok(times[1][1] >= 0.02, "first after the interval", times[1][1])
tap.eq({ times[3][2], times[3][3] }, { "x", 2 }, "with its arguments")
tap.ok(times[5][1] >= 0.099, "the fifth not before five intervals", times[5][1])
sleep(0.05)
tap.eq(#times, n, "not any more when it is cancelled")

-- a call that waits, and one that takes longer than the interval
local running, most, calls = 0, 0, 0
do
  local slow <close> = task.every(0.01, function()
    running = running + 1
    most = math.max(most, running)
    sleep(0.03)
    running, calls = running - 1, calls + 1
  end)
  tap.ok(tap.eventually(5, function() return calls >= 3 end) and tostring(slow):find "waiting", "calls may wait")
end
tap.eq(most, 1, "one at a time")
local after = calls
sleep(0.06)
tap.eq(calls, after, "it ends with its scope")

-- an error ends it
local count = 0
local broken = task.every(0.001, function()
  count = count + 1
  if count == 3 then error "enough" end
end)
tap.raises(function() broken:wait() end, "task_time.lua:%d+: enough", "an error ends it, and is its result")
tap.eq({ count, broken:status() }, { 3, "failed" }, "at the call that raised")

for _, bad in ipairs { 0, -1, 0 / 0 } do
  tap.raises(function() task.every(bad, print) end, "task_time.lua:%d+: task.every: seconds must be more than 0",
    "refused: " .. bad)
end
tap.raises(function() task.every(1) end, "argument 'function' is missing", "no function")
tap.done()
