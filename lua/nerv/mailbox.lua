--- Mailboxes: values that some tasks put and one takes, in their order.
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

-- Seconds after which who waits for ever looks again.
local LONG <const> = 3600

local Mailbox <const> = {}
Mailbox.__index = Mailbox

--- An empty mailbox.
-- @tparam ?integer most values that it holds; the oldest give way to more, and `dropped` counts them
function M.new(most)
  return setmetatable({ first = 1, last = 0, most = most or math.huge, dropped = 0, values = {} }, Mailbox)
end

local function wake(self)
  if self.sleeper then self.sleeper:cancel() end
end

local function remove(self)
  local value <const> = self.values[self.first]
  self.values[self.first] = nil
  self.first = self.first + 1
  return value
end

--- Puts a value, never nil.
function Mailbox:put(value)
  if self.closed then return end
  if self:count() >= self.most then
    remove(self)
    self.dropped = self.dropped + 1
  end
  self.last = self.last + 1
  self.values[self.last] = value
  wake(self)
end

--- How many values wait.
function Mailbox:count() return self.last - self.first + 1 end

--- Takes the oldest value, waiting for one.
-- @tparam ?number timeout seconds; by default for ever
-- @return the value; or nil and "timeout", or nil and why it was closed, when it is empty
function Mailbox:take(timeout)
  local deadline <const> = runtime.now() + (timeout or math.huge)
  while self.first > self.last do
    local left <const> = deadline - runtime.now()
    if self.closed then return nil, self.closed end
    if left <= 0 then return nil, "timeout" end
    local sleeper <close> = task.spawn(task.sleep, math.min(left, LONG))
    self.sleeper = sleeper
    sleeper:join()
    self.sleeper = nil
  end
  return remove(self)
end

--- Takes all that is there, waiting for the first.
-- @return array of values; or nil and why, as take
function Mailbox:take_all()
  local value, why = self:take()
  if value == nil then return nil, why end
  local all = { value }
  while self.first <= self.last do all[#all + 1] = remove(self) end
  return all
end

--- Ends it: what is in it can be taken, nothing more comes.
function Mailbox:close(why)
  self.closed = self.closed or why or "closed"
  wake(self)
end

return M
