--- Writes to standard output at once. When nobody reads it any more this program ends, as others do by SIGPIPE:
-- what follows a log or repeats a command would go on for ever.
local BROKEN_PIPE <const> = 141

return function(text)
  io.stdout:write(text)
  local good, _, code = io.stdout:flush()
  if not good and code == 32 then os.exit(BROKEN_PIPE) end
end
