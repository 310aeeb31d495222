--- Reads Lua text up to the cursor: its tokens, and the brackets that are open there.
--
-- The text may be anything; what is no Lua is skipped.
local literal <const> = require "nerv.prompt.literal"

local M = {}

local BLOCKS <const> = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }
local CLOSES <const> = { [")"] = "(", ["]"] = "[", ["}"] = "{" }

local function short_string(text, at, quote)
  local i = at + 1
  while true do
    local found = text:find('[\\\n' .. quote .. ']', i)
    if not found then return nil end
    local c = text:sub(found, found)
    if c == quote then return found end
    if c == "\n" then return found - 1 end   -- a mistake: the string ends with its line
    i = found + 2
  end
end

-- The value of a string without escapes that need more than a glance.
local function string_value(text, from, to)
  local inner = text:sub(from, to)
  return not inner:find("\\", 1, true) and inner or nil
end

local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  return level and "]" .. level .. "]", level and at + #level + 2
end

-- Each reads one token at `at`: returns it and the place behind it; a token without `stop` is still open.
local function read_comment(text, at)
  local close, inner = long_bracket(text, at + 2)
  if close then
    local _, stop = text:find(close, inner, true)
    return { type = "comment", start = at, stop = stop }, stop and stop + 1
  end
  local stop = text:find("\n", at, true)
  return { type = "comment", start = at, stop = stop }, stop
end

local function read_string(text, at, c)
  local close, inner = long_bracket(text, at)
  if close then
    local _, stop = text:find(close, inner, true)
    return { type = "string", start = at, inner = inner, stop = stop,
      value = stop and text:sub(inner, stop - #close) }, stop and stop + 1
  end
  local stop = short_string(text, at, c)
  return { type = "string", start = at, inner = at + 1, quote = c, stop = stop,
    value = stop and string_value(text, at + 1, stop - 1) }, stop and stop + 1
end

local function read_token(text, at)
  local c = text:sub(at, at)
  if text:find("^%-%-", at) then return read_comment(text, at) end
  if c == '"' or c == "'" or c == "[" and long_bracket(text, at) then return read_string(text, at, c) end
  local word, behind = text:match("^([%a_][%w_]*)()", at)
  if word then
    return { type = literal.KEYWORDS[word] and "keyword" or "name", text = word, start = at, stop = behind - 1 }, behind
  end
  word, behind = text:match("^(%.?%d[%w.]*)()", at)
  if word then return { type = "number", text = word, start = at, stop = behind - 1 }, behind end
  word = text:match("^%.%.%.", at) or text:match("^%.%.", at) or text:match("^::", at) or text:match("^[=~<>]=", at)
    or text:match("^//", at) or text:match("^<<", at) or text:match("^>>", at) or c
  return { type = "op", text = word, start = at, stop = at + #word - 1 }, at + #word
end

--- The tokens of a text; comments are left out.
-- @return array of { type = name, keyword, number, string or op, text =, start =, stop =, value = of a string };
-- the last one of type string or comment has no `stop` when the text ends in it
function M.tokens(text)
  local tokens, at = {}, text:match("^%s*()")
  while at and at <= #text do
    local token
    token, at = read_token(text, at)
    if token.type ~= "comment" or not token.stop then tokens[#tokens + 1] = token end
    at = at and text:match("^%s*()", at)
  end
  return tokens
end

-- What a value token stands for: { value } when it is a literal.
local function literal_of(token)
  if token.type == "string" then return token.value end
  if token.type == "keyword" and (token.text == "true" or token.text == "false") then return token.text == "true" end
  if token.type == "number" then return tonumber(token.text) end
end

local function close_bracket(stack, opener)
  for i = #stack, 1, -1 do
    if stack[i].text == opener then
      for j = #stack, i, -1 do stack[j] = nil end
      return
    end
    if stack[i].text == "block" and opener ~= "block" then return end   -- a bracket does not close a block
  end
end

-- In a table or an argument list: counts the items, notes NAME = LITERAL.
local function note(frame, tokens, i)
  local token, former = tokens[i], tokens[i - 1]
  if token.text == "," or token.text == ";" and frame.text == "{" then
    frame.item, frame.field, frame.began = frame.item + 1, nil, i + 1
  elseif token.text == "=" and former and former.type == "name" and frame.began == i - 1 then
    frame.field = former.text
    frame.given[frame.field] = true
  elseif former and former.text == "=" and frame.field and frame.began == i - 2 then
    frame.literals[frame.field] = literal_of(token)
  elseif frame.began == i then
    frame.items[frame.item] = literal_of(token)
  end
end

--- The brackets that are open at the end of the tokens, outermost first.
-- @return array of { text = "(", "{", "[" or "block", at = index of the token, item = number of the present one,
-- field = its name, began = index of its first token, given = names seen, literals = name -> value, items }
function M.open_brackets(tokens, count)
  local stack = {}
  for i = 1, count do
    local token = tokens[i]
    local top = stack[#stack]
    if top and top.text ~= "block" then note(top, tokens, i) end
    local opens = token.type == "op" and token.text:find("^[({%[]$") and token.text
      or token.type == "keyword" and BLOCKS[token.text] and "block"
    if opens then
      stack[#stack + 1] = { text = opens, at = i, item = 1, began = i + 1, given = {}, literals = {}, items = {} }
    elseif token.type == "op" and CLOSES[token.text] then
      close_bracket(stack, CLOSES[token.text])
    elseif token.type == "keyword" and (token.text == "end" or token.text == "until") then
      close_bracket(stack, "block")
    end
  end
  return stack
end

-- The index of the bracket that the closing one at `i` belongs to, or nil.
local function opening(tokens, i)
  local depth = 0
  for j = i, 1, -1 do
    local text = tokens[j].type == "op" and tokens[j].text
    if CLOSES[text] then depth = depth + 1 end
    if text == "(" or text == "[" or text == "{" then
      depth = depth - 1
      if depth == 0 then return j end
    end
  end
end

-- What the brackets from `first` to `last` hold, when it is one literal.
local function sole_literal(tokens, first, last)
  if last - first == 2 then return literal_of(tokens[first + 1]) end
end

--- The expression that ends with token `last`: a name and what is applied to it.
-- @return array of steps: { name = } first, then { field = }, { method = }, { call = true, argument = literal },
-- { index = literal }; or nil when it is something else
function M.expression(tokens, last)
  local steps, i = {}, last
  while i >= 1 do
    local token, former = tokens[i], tokens[i - 1]
    local operator = former and former.type == "op" and former.text
    if token.type == "name" and (operator == "." or operator == ":") then
      table.insert(steps, 1, { [operator == "." and "field" or "method"] = token.text })
      i = i - 2
    elseif token.type == "name" then
      table.insert(steps, 1, { name = token.text })
      return steps
    elseif token.type == "string" then
      table.insert(steps, 1, { call = true, argument = token.value })
      i = i - 1
    elseif token.type == "op" and CLOSES[token.text] then
      local first = opening(tokens, i)
      if not first then return nil end
      local held = token.text ~= "}" and sole_literal(tokens, first, i) or nil
      table.insert(steps, 1, token.text == "]" and { index = held } or { call = true, argument = held })
      i = first - 1
    else
      return nil
    end
  end
  return nil
end

return M
