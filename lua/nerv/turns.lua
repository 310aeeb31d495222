--- Turns: tasks that use one thing one after the other, in the order in which they came. A stream, for
-- one, takes the writing of one task at a time.
local task <const> = require "nerv.task"

--- @return a function that calls f(...) when all earlier calls have ended, and returns its results. Who waits
-- may be cancelled; what has begun goes on to its end.
-- @usage local in_turn = turns()     in_turn(connection.write_frame, connection, kind, bytes)
return function()
  local last
  return function(f, ...)
    local before <const>, arguments <const> = last, table.pack(...)
    last = task.spawn(function()
      if before then before:join() end
      return f(table.unpack(arguments, 1, arguments.n))
    end)
    return last:wait()
  end
end
