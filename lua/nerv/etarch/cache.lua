--- What a switch may do with messages only because it did so before. Open vSwitch remembers what became of a frame, and
-- does the same with its like without a look at its flows. When they have changed it looks through all that it
-- remembers, but after it has answered the barrier, and at most every 5 ms: so long a message may reach those who were
-- members before, or nobody.
--
-- Where no message was seen for some time nothing is remembered: one flow counts them, at once those that are the first
-- of their kind, and within half a second all others. Otherwise the relay beside the switch is asked, which knows when
-- a look that began after the question has ended.
local programme <const> = require "nerv.etarch.programme"
local runtime <const> = require "nerv.runtime"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

local M = {}

-- Seconds in which a switch must have done what it is told, and its relay have told so.
local PATIENCE <const> = 1
-- Seconds between two requests for a look.
local AGAIN <const> = 0.002
-- Seconds after which nothing is remembered of a frame: 10, and until it is counted.
local MEMORY <const> = 12
-- Seconds that a switch gets whose relay does not tell; measured: 2 to 7 ms, on a machine with nothing else to do.
local BLIND <const> = 0.02

--- What is known of a switch that has come.
-- @tparam table flows as its statistics list them
function M.new(flows)
  local seen = false
  for _, f in ipairs(flows) do seen = seen or f.packets > 0 end
  return { count = 0, changed = seen and runtime.now() or -math.huge }
end

-- Whether anything may be remembered, when so many messages have been counted.
local function may_remember(memory, count)
  local now <const> = runtime.now()
  if count ~= memory.count then memory.count, memory.changed = count, now end
  return now - memory.changed < MEMORY
end

-- Waits until the relay tells that a look has ended. A change that changes nothing makes the switch look again.
local function be_told(dp, relay)
  local good, message = relay:write "\n"
  if not good then return nil, message end
  local asking <close> = task.every(AGAIN,   -- luacheck: ignore (it ends with this scope)
    function() dp:flow(programme.drop_others()) end)
  local line
  line, message = relay:read_line()
  return line == "done", line or message
end

local function reach_relay(dp, port)
  local host <const> = dp:info().name:match "^(.*):"
  local relay <close>, message = stream.connect { host = host, port = port, timeout = PATIENCE }
  if not relay then return nil, message end
  return be_told(dp, relay)
end

local function told_in_time(dp, port)
  local telling <close> = task.spawn(reach_relay, dp, port)
  if not telling:join(PATIENCE) then return nil, "its relay says nothing" end
  local good, told, why = pcall(telling.wait, telling)
  return good and told, "its relay: " .. tostring(why or told)
end

--- Waits until a switch does with every frame what it has been told by now.
-- @tparam table dp the switch
-- @tparam table memory from new()
-- @tparam ?integer port where relays tell; nil: there are none
-- @return true; or true and why it is not certain; or nil and a message when the switch does not answer
-- @raise what the switch refuses
function M.wait(dp, memory, port)
  local counting <close> = task.spawn(dp.stats, dp, "aggregate",
    { table = 0, cookie = programme.MESSAGES, cookie_mask = -1 }, PATIENCE)
  local good, message = dp:barrier(PATIENCE)
  if not good then return nil, message end
  local counted
  counted, message = counting:wait()
  if not counted then return nil, message end
  if not may_remember(memory, counted.packets) then return true end
  local told, why = nil, "there is no relay that tells when it has looked its cache through"
  if port then told, why = told_in_time(dp, port) end
  if told then return true end
  task.sleep(BLIND)
  return true, why
end

return M
