--- The end of logs, in time that grows with what is looked at and with nothing else: a log may be one endless line.
local file <const> = require "nerv.file"

local M = {}

-- Bytes that are read at once, and of the end of a log at most.
local CHUNK <const> = 65536
local NEWLINE <const> = 10

function M.size(path)
  local stat = file.stat(path)
  return stat and stat.size or 0
end

--- What stands in a file from an offset on, one piece of it; "" where there is nothing.
function M.piece(path, offset)
  local handle <close> = io.open(path, "rb")
  if not handle then return "" end
  handle:seek("set", offset)
  return handle:read(CHUNK) or ""
end

--- The last lines of a text, whether the last one has an end or not.
function M.lines(text, count)
  local at = #text
  for _ = 1, count do
    local before = text:sub(1, at - 1):match "^.*()\n"
    if not before then return text end
    at = before
  end
  return text:sub(at + 1)
end

--- The end of a file's first `size` bytes, from the first whole line of a piece on.
function M.of_file(path, size)
  local first = math.max(0, size - CHUNK)
  local text = M.piece(path, first):sub(1, size - first)
  return first > 0 and text:match "^[^\n]*\n(.*)" or text
end

--- The last line of a file that is not empty, or nil.
-- @tparam ?integer from where it begins to count; of a file that has become shorter all does
function M.last_line(path, from)
  local size = M.size(path)
  local behind = from and from <= size and size - from or size
  if behind == 0 then return nil end
  local text = M.of_file(path, size):sub(-behind)
  local last = #text
  while text:byte(last) == NEWLINE do last = last - 1 end
  return last > 0 and M.lines(text:sub(1, last), 1) or nil
end

return M
