--- Candidates of a completion: what fits, how it goes on, and how a list of it looks.
local literal <const> = require "nerv.prompt.literal"
local live <const> = require "nerv.prompt.live"

local M = {}

-- `behind` is what follows a word that is alone, `text` says what it is.
local Found = {}
Found.__index = Found

--- An empty list of what goes on with `prefix`, which begins at `start`.
function M.new(start, prefix)
  return setmetatable({ start = start, prefix = prefix, words = {}, seen = {}, behind = {}, text = {} }, Found)
end

function Found:add(name, behind, text)
  if self.seen[name] or name:sub(1, #self.prefix) ~= self.prefix then return end
  self.seen[name], self.behind[name], self.text[name] = true, behind, text
  self.words[#self.words + 1] = name
end

function Found:add_all(names, behind, text)
  for _, name in ipairs(names) do self:add(name, behind, text) end
end

--- The answer for readline; nil when nothing fits.
function Found:answer()
  if #self.words == 0 then return nil end
  table.sort(self.words)
  local names = self.words
  if #names == 1 then self.words = { names[1] .. (self.behind[names[1]] or "") } end
  return { start = self.start, words = self.words, names = names, text = self.text }
end

local function names_of(option, prefix, object, given)
  if type(option.names) == "function" then
    local good, names = pcall(option.names, object, given, prefix)
    return good and names or {}
  end
  local kinds, all = type(option.names) == "table" and option.names or { option.names or option.type }, nil
  for _, kind in ipairs(kinds) do
    local names = live.by_type[kind]
    if names then
      all = all or {}
      for _, name in ipairs(names(prefix)) do all[#all + 1] = name end
    end
  end
  return all
end

--- What an argument or option may be, of its type or by its description; nil when that is not known.
function M.values(option, prefix, object, given)
  local names = names_of(option, prefix, object, given)
  if not option.choices then return names end
  return table.move(option.choices, 1, #option.choices, #(names or {}) + 1, names or {})
end

-- Rows that stay free below a list, and what a description needs.
local MARGIN <const>, GAP <const> = 2, 2

-- Of a path the last part.
local function shown(name) return name:match("([^/]+/?)$") or name end

local function described_list(answer, columns)
  local widest, lines = 0, {}
  for _, name in ipairs(answer.names) do widest = math.max(widest, literal.width(shown(name))) end
  for i, name in ipairs(answer.names) do
    local line = shown(name) .. (" "):rep(widest - literal.width(shown(name)) + GAP) .. (answer.text[name] or "")
    if literal.width(line) >= columns then line = line:sub(1, (utf8.offset(line, columns - 1) or columns) - 1) end
    lines[i] = line:gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function in_columns(names, rows, columns)
  local widest = 0
  for _, name in ipairs(names) do widest = math.max(widest, literal.width(shown(name)) + GAP) end
  local across = math.max(1, columns // widest)
  local count = math.min(#names, across * math.max(1, rows - MARGIN - 1))
  local down = (count + across - 1) // across
  local lines = {}
  for i = 1, down do
    local cells = {}
    for j = i, count, down do
      cells[#cells + 1] = shown(names[j]) .. (" "):rep(widest - literal.width(shown(names[j])))
    end
    lines[i] = table.concat(cells):gsub("%s+$", "")
  end
  if count < #names then lines[#lines + 1] = ("... and %d more"):format(#names - count) end
  return table.concat(lines, "\n") .. "\n"
end

--- The text that lists an answer's words, with what they are when they are few.
-- @tparam table answer of Found:answer
-- @tparam integer rows of the terminal
-- @tparam integer columns
function M.list(answer, rows, columns)
  if next(answer.text) and #answer.names <= math.max(rows // 2, 5) then return described_list(answer, columns) end
  return in_columns(answer.names, rows, columns)
end

return M
