--- Texts in aligned columns. The first of the lines is the heading.
local literal <const> = require "nerv.prompt.literal"

local M = {}
local width <const> = literal.width

--- The heading of a column: "LAST CHANGE" of last_change.
function M.heading(name) return (name:upper():gsub("_", " ")) end

--- A text of at most so many characters; a ~ stands for what is left out.
function M.clip(text, room)
  if width(text) <= room then return text end
  if not utf8.len(text) then return text:sub(1, room - 1) .. "~" end
  return text:sub(1, utf8.offset(text, room) - 1) .. "~"
end

--- The widths of the columns, and how many there is room for: one at least.
-- @tparam table lines arrays of texts
-- @tparam[opt] integer room in characters; by default for all as they are
function M.fit(lines, room)
  local widths, used, n = {}, 0, 0
  for j = 1, #lines[1] do
    local widest = 0
    for _, line in ipairs(lines) do widest = math.max(widest, width(line[j])) end
    widths[j] = room and math.min(widest, math.max((room - 2) // 2, 20)) or widest
  end
  for j = 1, #widths do
    if j > 1 and room and used + widths[j] > room then break end
    used, n = used + widths[j] + 2, j
  end
  return widths, n
end

--- The first `n` texts of a line side by side.
function M.pad(line, widths, n)
  local cells = {}
  for j = 1, n do
    local text = M.clip(line[j], widths[j])
    cells[j] = j == n and text or text .. (" "):rep(widths[j] - width(text))
  end
  return (table.concat(cells, "  "):gsub("%s+$", ""))
end

--- The columns and lines without those columns in which there is nothing.
function M.no_blanks(columns, lines)
  local kept, new = {}, {}
  for i = 1, #lines do new[i] = {} end
  for j, name in ipairs(columns) do
    local blank = true
    for i = 2, #lines do blank = blank and lines[i][j] == "" end
    if not blank then
      kept[#kept + 1] = name
      for i, line in ipairs(lines) do new[i][#kept] = line[j] end
    end
  end
  return kept, new
end

return M
