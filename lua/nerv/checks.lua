--- What `check` has seen, until the end of the program tells of it.
local runtime <const> = require "nerv.runtime"

local M = {}

-- A scenario's step has a list of its own while it runs.
local current = { count = 0, failed = {}, tell = runtime.log }

--- Notes a check.
-- @tparam ?string failure what is wrong; nil when all is right
function M.note(failure)
  current.count = current.count + 1
  if not failure then return end
  current.failed[#current.failed + 1] = failure
  if current.tell then current.tell(failure) end
end

--- Lets what follows be noted in another list.
-- @tparam table list { count = 0, failed = {}, tell = f(failure) or nil }
-- @return the former list
function M.collect(list)
  local former = current
  current = list
  return former
end

--- The end of the program; see shell/main.c.
-- @tparam integer status what it would exit with
-- @return its exit status
function M.leave(status)
  if #current.failed == 0 then return status end
  runtime.log(("nervsh: %d of %d checks failed"):format(#current.failed, current.count))
  return status == 0 and 1 or status
end

return M
