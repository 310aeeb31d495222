--- A value as text on one line, the way Lua writes it.
local registry <const> = require "nerv.registry"

local M = {}

local ESCAPES <const> = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\0"] = "\\0", ['"'] = '\\"',
  ["\\"] = "\\\\", ["\27"] = "\\27" }

local function escape(c) return ESCAPES[c] or ("\\x%02x"):format(c:byte()) end

--- A string in quotes; what no terminal can show is escaped.
function M.quote(text)
  text = text:gsub('[%c"\\]', escape)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", escape) end
  return '"' .. text .. '"'
end

--- A number so that Lua reads the same one again.
function M.number(n)
  if math.type(n) == "integer" then return tostring(n) end
  if n ~= n then return "nan" end
  if n == math.huge or n == -math.huge then return n > 0 and "inf" or "-inf" end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(n)
    if tonumber(text) == n then return text:find("[.e]") and text or text .. ".0" end
  end
end

--- The colours of the kinds of values: SGR parameters.
local COLOURS <const> = { string = "32", number = "36", boolean = "35", ["nil"] = "35", object = "34", note = "2",
  heading = "1", fault = "31" }

--- Text in the colour of its kind.
function M.paint(kind, text, colour)
  local code = colour and COLOURS[kind]
  return code and ("\27[%sm%s\27[m"):format(code, text) or text
end

--- How many columns a text takes.
function M.width(text) return utf8.len(text) or #text end

local function function_text(f)
  local name = registry.names()[f]
  if name then return "function " .. name end
  local info = debug.getinfo(f, "S")
  return info.what == "C" and "function" or ("function (%s:%d)"):format(info.short_src, info.linedefined)
end

--- Whether a table says itself how it is shown.
function M.is_object(value)
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and (meta.__tostring ~= nil or meta.__name ~= nil)
end

--- What is no plain table: its text, and its kind for the colour.
function M.scalar(value)
  local kind = type(value)
  if kind == "string" then return M.quote(value), kind end
  if kind == "number" then return M.number(value), kind end
  if kind == "boolean" or kind == "nil" then return tostring(value), kind end
  if kind == "function" then return function_text(value), "object" end
  local good, text = pcall(tostring, value)
  return good and text:gsub("%c", " ") or "a " .. kind, "object"
end

local KEYWORDS <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
until while]]):gmatch("%a+") do KEYWORDS[word] = true end
M.KEYWORDS = KEYWORDS

--- Whether a string can stand as a name.
function M.is_name(text)
  return type(text) == "string" and text:match("^[%a_][%w_]*$") ~= nil and not KEYWORDS[text]
end

--- A key as it stands before the `=` of a table.
function M.key(key)
  if M.is_name(key) then return key end
  return ("[%s]"):format((M.scalar(key)))
end

local ranks <const> = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return (ranks[ta] or 4) < (ranks[tb] or 4) end
  if ta == "number" or ta == "string" then return a < b end
  return tostring(a) < tostring(b)
end

-- More keys than anybody reads are left as they come.
local SORTED_MOST <const> = 5000

--- The keys of a table that are not part of its sequence, sorted.
-- @tparam integer most how many to return
-- @return the keys, and how many there are
function M.keys(t, most)
  local length, keys, count = rawlen(t), {}, 0
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then
      count = count + 1
      if count <= most or count <= SORTED_MOST then keys[count] = key end
    end
  end
  table.sort(keys, before)
  return keys, count
end

local inline

-- Adds a piece to the line; false when the line is full.
local function add(line, text, kind)
  line.room = line.room - M.width(text)
  line[#line + 1] = M.paint(kind, text, line.colour)
  return line.room >= 0
end

local function members(line, t)
  local keys = M.keys(t, line.room)   -- each takes more than one character
  local first = true
  local function separate()
    local text = first and " " or ", "
    first = false
    return add(line, text)
  end
  for i = 1, rawlen(t) do
    if not (separate() and inline(line, rawget(t, i))) then return false end
  end
  for _, key in ipairs(keys) do
    if not (separate() and add(line, M.key(key) .. " = ") and inline(line, rawget(t, key))) then return false end
  end
  return first or add(line, " ")
end

function inline(line, value)
  if type(value) ~= "table" or M.is_object(value) then
    local text, kind = M.scalar(value)
    return add(line, text, kind)
  end
  if line.seen[value] then return add(line, "<cycle>", "note") end
  line.seen[value] = true
  local good = add(line, "{") and members(line, value) and add(line, "}")
  line.seen[value] = nil
  return good
end

--- A value on one line.
-- @tparam integer room columns that it may take
-- @tparam[opt] boolean colour
-- @tparam[opt] table seen the tables that it is part of
-- @return the text and its width; or nil when it does not fit
function M.inline(value, room, colour, seen)
  local line = { room = room, colour = colour, seen = seen or {} }
  if not inline(line, value) then return nil end
  return table.concat(line), room - line.room
end

return M
