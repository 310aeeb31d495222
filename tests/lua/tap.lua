-- TAP output for tests written in Lua: numbered lines, a plan at the end, and an exit
-- status that says whether all went well.
local M = { count = 0, failed = 0 }
io.stdout:setvbuf "line"   -- one that hangs shall have said where

local function show(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for k, v in pairs(value) do parts[#parts + 1] = tostring(k) .. "=" .. show(v) end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end
M.show = show

local function report(good, text, detail)
  M.count = M.count + 1
  print(("%s %d - %s"):format(good and "ok" or "not ok", M.count, text))
  if good then return true end
  M.failed = M.failed + 1
  for line in tostring(detail or ""):gmatch("[^\n]+") do print("# " .. line) end
  return false
end

--- The condition holds. Further values (an error message) are shown when it does not.
function M.ok(condition, text, ...)
  local detail = {}
  for i = 1, select("#", ...) do detail[i] = show((select(i, ...))) end
  return report(condition and true or false, text, table.concat(detail, " "))
end

--- Two values are equal; tables are compared by content.
function M.eq(got, want, text)
  return report(show(got) == show(want), text, "got  " .. show(got) .. "\nwant " .. show(want))
end

--- The string matches a Lua pattern.
function M.like(got, pattern, text)
  return report(type(got) == "string" and got:find(pattern) ~= nil, text,
    "got  " .. show(got) .. "\nwant a match of " .. pattern)
end

--- The function raises an error that matches a Lua pattern.
function M.raises(f, pattern, text)
  local good, message = pcall(f)
  if good then return report(false, text, "nothing was raised") end
  return M.like(tostring(message), pattern, text)
end

--- A case that this machine cannot run; says what is missing.
function M.skip(text, why)
  M.count = M.count + 1
  print(("ok %d - %s # SKIP %s"):format(M.count, text, why))
end

function M.note(...) print("# " .. table.concat({ ... }, " ")) end

--- Polls a condition until it holds; for what has no event to wait for.
function M.eventually(seconds, condition)
  local limit = runtime.now() + seconds
  repeat
    local value = condition()
    if value then return value end
    sleep(0.02)
  until runtime.now() > limit
  return condition()
end

--- Prints the plan; the script fails when a case did, or when there was none.
function M.done()
  print("1.." .. M.count)
  if M.failed > 0 or M.count == 0 then os.exit(1) end
end

return M
