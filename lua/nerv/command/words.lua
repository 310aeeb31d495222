--- A command line's words, quoted as in a POSIX shell: 'literal', "with \" and \\", and \x for one character.
local M = {}

-- Each reads on from `at`: returns what it stands for and the place behind it, or nil and what is missing.
local readers <const> = {
  ["'"] = function(line, at)
    local text, behind = line:match("^([^']*)'()", at)
    if text then return text, behind end
    return nil, "a quote ' is not closed"
  end,
  ['"'] = function(line, at)
    local parts = {}
    while true do
      local text, stop, behind = line:match('^([^"\\]*)(["\\])()', at)
      if not text then return nil, 'a quote " is not closed' end
      parts[#parts + 1] = text
      if stop == '"' then return table.concat(parts), behind end
      local next_one = line:sub(behind, behind)
      parts[#parts + 1] = next_one:find('^["\\$`]') and next_one or "\\" .. next_one
      at = behind + 1
    end
  end,
  ["\\"] = function(line, at)
    if at > #line then return nil, "nothing follows a backslash" end
    return line:sub(at, at), at + 1
  end,
}

--- Splits a line.
-- @return array of words, and for each the place where it begins; or nil, a message, and the words and places
-- up to the one that is wrong, which is the rest of the line
function M.split(line)
  local words, places, at = {}, {}, 1
  while true do
    at = line:match("^%s*()", at)
    if at > #line then return words, places end
    local parts, began = {}, at
    places[#places + 1] = began
    while at <= #line and not line:find("^%s", at) do
      local plain, behind = line:match("^([^%s'\"\\]+)()", at)
      if plain then
        parts[#parts + 1], at = plain, behind
      else
        local text, where = readers[line:sub(at, at)](line, at + 1)
        if not text then
          words[#words + 1] = line:sub(began)
          return nil, where, words, places
        end
        parts[#parts + 1], at = text, where
      end
    end
    words[#words + 1] = table.concat(parts)
  end
end

--- The word as a shell would read it back.
function M.quote(word)
  if word:find("^[%w_./:=@%%+,-]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A line that reads as these words from number `first` on; one word alone is a line already.
function M.join(words, first)
  if first == #words then return words[first] end
  local quoted = {}
  for i = first, #words do quoted[#quoted + 1] = M.quote(words[i]) end
  return table.concat(quoted, " ")
end

return M
