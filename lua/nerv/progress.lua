--- Tells a person at a terminal what takes more than a second: one line on stderr, redrawn, gone at the end.
--
-- @usage local _ <close> = progress.start(function() return "waiting for pm2" end)
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

-- Seconds before the line is shown, and between two looks.
local PATIENCE <const>, EVERY <const> = 1, 0.25

local works = {}   -- what is at work, innermost last: { describe =, began = }
local ticker       -- the task that draws

-- The innermost work that is old enough to be told of.
local function text()
  local now = runtime.now()
  for i = #works, 1, -1 do
    local took = now - works[i].began
    if took >= PATIENCE then
      local good, what = pcall(works[i].describe)   -- what it looks at may be gone
      return good and ("%s (%d s)"):format(what, took // 1 | 0) or nil
    end
  end
end

local function draw()
  while true do
    task.sleep(EVERY)
    runtime.status(text())
  end
end

local Work = {}
Work.__index = Work

--- Ends it, and takes its line away.
function Work:close()
  for i, work in ipairs(works) do
    if work == self then
      table.remove(works, i)
      runtime.status(text())
      break
    end
  end
  if #works == 0 and ticker then
    ticker:cancel()
    ticker = nil
  end
end
Work.__close = Work.close

--- Begins to tell of some work, if it goes on for long.
-- @tparam function describe returns what is being done now; called from time to time
-- @return a handle to close
function M.start(describe)
  local work = setmetatable({ describe = describe, began = runtime.now() }, Work)
  works[#works + 1] = work
  if not ticker and runtime.has_terminal() then ticker = task.spawn(draw) end
  return work
end

return M
