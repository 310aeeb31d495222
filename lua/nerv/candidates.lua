--- Candidates of a completion: what fits, how it goes on, and how a list of it looks.
local literal <const> = require "nerv.literal"
local live <const> = require "nerv.live"

local M = {}

-- `behind` is what follows a word that is alone, `text` says what it is.
local Found = {}
Found.__index = Found

--- An empty list of what goes on with `prefix`, which begins at `start`.
function M.new(start, prefix)
  return setmetatable({ start = start, prefix = prefix, list = {}, seen = {} }, Found)
end

function Found:add(name, behind, text)
  if self.seen[name] or name:sub(1, #self.prefix) ~= self.prefix then return end
  self.seen[name] = true
  self.list[#self.list + 1] = { name = name, behind = behind, text = text }
end

function Found:add_all(names, behind, text)
  for _, name in ipairs(names) do self:add(name, behind, text) end
end

local function by_name(a, b) return a.name < b.name end

--- The answer for readline; nil when nothing fits.
function Found:answer()
  if #self.list == 0 then return nil end
  table.sort(self.list, by_name)
  local result = { start = self.start, words = {}, entries = self.list }
  for i, entry in ipairs(self.list) do result.words[i] = entry.name end
  if #self.list == 1 then result.words[1] = self.list[1].name .. (self.list[1].behind or "") end
  return result
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

local function shown(entry)
  return entry.name:match("([^/]+/?)$") or entry.name
end

local function described_list(entries, columns)
  local widest, lines = 0, {}
  for _, entry in ipairs(entries) do widest = math.max(widest, literal.width(shown(entry))) end
  for i, entry in ipairs(entries) do
    local name = shown(entry)
    local line = name .. (" "):rep(widest - literal.width(name) + GAP) .. (entry.text or "")
    if literal.width(line) >= columns then line = line:sub(1, (utf8.offset(line, columns - 1) or columns) - 1) end
    lines[i] = line:gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function in_columns(entries, rows, columns)
  local widest = 0
  for _, entry in ipairs(entries) do widest = math.max(widest, literal.width(shown(entry)) + GAP) end
  local across = math.max(1, columns // widest)
  local most = math.max(1, rows - MARGIN - 1)
  local count = math.min(#entries, across * most)
  local down = (count + across - 1) // across
  local lines = {}
  for i = 1, down do
    local cells = {}
    for j = 0, across - 1 do
      local entry = entries[i + j * down]
      if entry and i + j * down <= count then
        local name = shown(entry)
        cells[#cells + 1] = name .. (" "):rep(widest - literal.width(name))
      end
    end
    lines[i] = table.concat(cells):gsub("%s+$", "")
  end
  if count < #entries then lines[#lines + 1] = ("... and %d more"):format(#entries - count) end
  return table.concat(lines, "\n") .. "\n"
end

--- The text that lists an answer's words, with what they are when they are few.
-- @tparam table answer of M.complete
-- @tparam integer rows of the terminal
-- @tparam integer columns
function M.list(answer, rows, columns)
  local any = false
  for i = 1, math.min(#answer.entries, rows) do any = any or answer.entries[i].text ~= nil end
  if any and #answer.entries <= math.max(rows // 2, 5) then return described_list(answer.entries, columns) end
  return in_columns(answer.entries, rows, columns)
end

return M
