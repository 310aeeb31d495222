-- `source`: a file of lines as they would be typed.
local file <const> = require "nerv.file"
local line <const> = require "nerv.prompt.line"

-- The next piece from line number `at` on: a command, or Lua, which may go on over several lines.
-- @return the text, nil at the end, and the number of the line behind it
local function next_piece(lines, at)
  while lines[at] and (lines[at]:match("^%s*$") or lines[at]:match("^%s*#")) do at = at + 1 end
  local text, behind = lines[at], at + 1
  if not text or line.is_command(text) then return text, behind, at end
  while lines[behind] do
    local chunk, message = line.compile(text, "=source")
    if not line.incomplete(message) and not (chunk and line.continues(lines[behind])) then break end
    text = text .. "\n" .. lines[behind]
    behind = behind + 1
  end
  return text, behind, at
end

-- Lua's own errors name file and line already: the text is moved down to where it stands.
local function run_piece(path, text, at)
  if not line.is_command(text) then return line.run(("\n"):rep(at - 1) .. text, "@" .. path) end
  local good, status = pcall(line.run, text)
  if not good then error(("%s:%d: %s"):format(path, at, status), 0) end
  return status
end

return {
  name = "source", text = "run a file of lines as typed at the prompt; stop at the first that fails",
  args = { { name = "file", type = "file", required = true, text = "path of the file; # begins a comment" } },
  run = function(a)
    local text, message = file.read(a.file)
    if not text then return nil, message end
    local lines = {}
    for one in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = one end
    local at = 1
    while true do
      local piece, behind, began = next_piece(lines, at)
      if not piece then return nil end
      local status = run_piece(a.file, piece, began)
      if status ~= 0 then return nil, ("%s:%d: exit status %d"):format(a.file, began, status), status end
      at = behind
    end
  end,
}
