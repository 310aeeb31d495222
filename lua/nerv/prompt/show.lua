--- Values as a person reads them: lists of records as tables, records as lines, what is short on one line.
--
-- At the prompt a value is cut where the terminal's height ends, and says how much is left; show.all shows
-- all of it. What is cut is never built.
local api <const> = require "nerv.api"
local columns_of <const> = require "nerv.command.columns"
local literal <const> = require "nerv.prompt.literal"
local registry <const> = require "nerv.registry"
local terminal <const> = require "nerv.terminal"

local M = {}
local inline <const>, paint <const>, width <const> = literal.inline, literal.paint, literal.width
local clip <const> = columns_of.clip

-- Where lines go. `left` is how many more may come: nil for any number.
local Page = {}
Page.__index = Page

function Page:line(text)
  if self.left then
    if self.left <= 0 then
      self.full = true
      return false
    end
    self.left = self.left - 1
  end
  self.put(text)
  return true
end

local function thousands(n)
  local text = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

-- Said once, for what was being shown when the page was full.
function Page:cut(count, what)
  if self.noted then return end
  self.noted = true
  local text = count > 0 and ("... %s more %s; "):format(thousands(count), what) or "... more; "
  self.put(paint("note", text .. "show.all(_) shows all", self.colour))
end

local block

-- The names that come first, because people look for them there.
local LEADING <const> = { "id", "name", "key", "kind", "verb", "archetype", "home", "node", "nodes", "address",
  "state" }
local rank <const> = {}
for i, name in ipairs(LEADING) do rank[name] = i end

local function sort_names(names)
  table.sort(names, function(a, b)
    local ra, rb = rank[a] or 99, rank[b] or 99
    if ra ~= rb then return ra < rb end
    return tostring(a) < tostring(b)
  end)
  return names
end

-- What a class of objects says of itself: the names of its fields. An object that has `options` as fields of its
-- own shows them as such.
local function class_fields(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and meta.__name
  local description = type(name) == "string" and registry.describe("class " .. name)
  if not (description and description.fields and next(description.fields)) then return nil end
  local good, more = pcall(description.members or next, value)
  local own = good and type(more) == "table" and more or {}
  local names = {}
  for field in pairs(description.fields) do
    local again = field == "options" and next(own) or field == "name" and description.fields.id
    if not own[field] and not again then names[#names + 1] = field end
  end
  for field in pairs(own) do names[#names + 1] = field end
  return sort_names(names), name
end

local function field_of(value, name)
  local good, field = pcall(function() return value[name] end)
  if good then return field end
end

-- An array of objects of one class, or of plain tables with names for keys: "class", "record", or nil.
local function list_kind(list, most)
  local first = rawget(list, 1)
  if type(first) ~= "table" then return nil end
  local fields, class = class_fields(first)
  for i = 1, math.min(rawlen(list), most) do
    local row = rawget(list, i)
    if type(row) ~= "table" then return nil end
    if fields then
      if select(2, class_fields(row)) ~= class then return nil end
    elseif literal.is_object(row) or rawlen(row) > 0 or next(row) == nil then
      return nil
    end
  end
  return fields and "class" or "record"
end

local function cell(value)
  if value == nil then return "" end
  if type(value) == "string" and not value:find("%c") then return value end
  if type(value) == "table" and not literal.is_object(value) and rawlen(value) > 0 then
    local parts = {}
    for i = 1, math.min(rawlen(value), 20) do
      if type(value[i]) == "table" then return inline(value, 60) or "{...}" end
      parts[i] = cell(value[i])
    end
    return table.concat(parts, ",") .. (rawlen(value) > 20 and ",..." or "")
  end
  return inline(value, 60) or (type(value) == "table" and "{...}" or (literal.scalar(value)))
end

local function record_columns(list, most)
  local seen, names = {}, {}
  for i = 1, math.min(rawlen(list), most) do
    for key in next, list[i] do
      if not seen[key] then
        seen[key] = true
        names[#names + 1] = key
      end
    end
  end
  return sort_names(names)
end

-- Fields that hold records, like counters: no columns of a list of objects.
local function no_records(columns, list)
  local first, kept = list[1], {}
  for _, name in ipairs(columns) do
    local value = field_of(first, name)
    if type(value) ~= "table" or literal.is_object(value) or next(value) == nil or rawlen(value) > 0 then
      kept[#kept + 1] = name
    end
  end
  return kept
end

-- As many columns as fit; those that are left out are named below.
local function aligned(page, list, kind, indent)
  local count = page.left and math.min(rawlen(list), math.max(page.left - 1, 0)) or rawlen(list)
  local columns = kind == "class" and no_records(class_fields(list[1]), list) or record_columns(list, count)
  local heading, lines = {}, {}
  for j, name in ipairs(columns) do heading[j] = columns_of.heading(tostring(name)) end
  lines[1] = heading
  for i = 1, count do
    local line = {}
    for j, name in ipairs(columns) do line[j] = cell(field_of(list[i], name)) end
    lines[i + 1] = line
  end
  columns, lines = columns_of.no_blanks(columns, lines)
  local widths, n = columns_of.fit(lines, page.width - #indent)
  page:line(indent .. paint("heading", columns_of.pad(lines[1], widths, n), page.colour))
  for i = 2, #lines do page:line(indent .. columns_of.pad(lines[i], widths, n)) end
  if count < rawlen(list) then
    page:cut(rawlen(list) - count, "rows")
  elseif n < #columns then
    local rest = {}
    for j = n + 1, #columns do rest[#rest + 1] = tostring(columns[j]) end
    local note = "... not shown: " .. clip(table.concat(rest, ", "), page.width - 17)
    page:line(indent .. paint("note", note, page.colour))
  end
end

-- A larger record has a line for each of its fields.
local MEMBERS_MOST <const> = 40

-- Values that are no tables: as many on a line as there is room for.
local function flow(page, list, indent)
  local line, used = {}, #indent
  local function flush()
    local good = #line == 0 or page:line(indent .. table.concat(line, ", "))
    line, used = {}, #indent
    return good
  end
  for i = 1, rawlen(list) do
    local text, kind = literal.scalar(list[i])
    if used > #indent and used + width(text) + 2 > page.width and not flush() then
      return page:cut(rawlen(list) - i + 1, "values")
    end
    line[#line + 1] = paint(kind, text, page.colour)
    used = used + width(text) + 2
  end
  flush()
end

local function all_scalars(list, most)
  for i = 1, math.min(rawlen(list), most) do
    local value = rawget(list, i)
    if type(value) == "table" and not literal.is_object(value) then return false end
  end
  return true
end

-- A record of values that are no tables, over as few lines as it needs; false when it is something else.
local function wrapped(page, label, record, indent)
  local line, used, room = {}, #indent + width(label) + 2, page.width - 2
  local keys, count = literal.keys(record, MEMBERS_MOST)
  if rawlen(record) > 0 or count == 0 or count > MEMBERS_MOST then return false end
  local lines = {}
  for i, key in ipairs(keys) do
    local name = literal.key(key) .. " = "
    local value = rawget(record, key)
    local text, kind = literal.scalar(value)
    local more = width(name) + width(text) + 2
    if type(value) == "table" and next(value) ~= nil or more > room // 2 then return false end
    if type(value) == "table" then text = "{}" end
    if used + more > room then
      lines[#lines + 1] = table.concat(line)
      line, used = { indent, "  " }, #indent + 2
    end
    line[#line + 1] = name .. paint(kind, text, page.colour) .. (i < count and ", " or " }")
    used = used + more
  end
  lines[#lines + 1] = table.concat(line)
  lines[1] = indent .. label .. "{ " .. lines[1]
  for _, text in ipairs(lines) do
    if not page:line((text:gsub("%s+$", ""))) then break end
  end
  return true
end

-- `label` stands before the value: "key = ", or nothing.
local function entry(page, label, value, indent, seen)
  local text = inline(value, page.width - #indent - width(label), page.colour, seen)
  if text then return page:line(indent .. label .. text) end
  local plain = type(value) == "table" and not literal.is_object(value)
  if plain and label ~= "" and wrapped(page, label, value, indent) then return not page.full end
  if not plain or seen[value] then
    local scalar, kind = literal.scalar(value)
    local room = page.width * 4
    local more = width(scalar) > room and (" ... %s bytes"):format(thousands(#tostring(value))) or ""
    return page:line(indent .. label .. paint(kind, clip(scalar, room), page.colour) .. more)
  end
  if not page:line(indent .. label:gsub("%s+$", "")) then return false end
  return block(page, value, indent .. "  ", seen)
end

local function items(page, t, indent, seen)
  for i = 1, rawlen(t) do
    if page.left == 0 then return page:cut(rawlen(t) - i + 1, "values") end
    entry(page, ("[%d] = "):format(i), rawget(t, i), indent, seen)
    if page.full then return page:cut(rawlen(t) - i, "values") end
  end
end

local function lines_of(page, t, indent, seen)
  local keys, count = literal.keys(t, page.left or math.maxinteger)
  for i, key in ipairs(keys) do
    if page.left == 0 then return page:cut(count - i + 1, "fields") end
    entry(page, literal.key(key) .. " = ", rawget(t, key), indent, seen)
    if page.full then return page:cut(count - i, "fields") end
  end
end

function block(page, t, indent, seen)
  seen[t] = true
  local most = page.left or math.maxinteger
  if rawlen(t) > 0 then
    local kind = list_kind(t, most)
    if kind then aligned(page, t, kind, indent)
    elseif all_scalars(t, most) then flow(page, t, indent)
    else items(page, t, indent, seen) end
  end
  if not page.full and not page.noted then lines_of(page, t, indent, seen) end
  seen[t] = nil
  return not page.full
end

-- An object: what it calls itself, and its fields.
local function object(page, value)
  local good, title = pcall(tostring, value)
  if not page:line(paint("heading", good and title or type(value), page.colour)) then return end
  for _, name in ipairs(class_fields(value) or {}) do
    local field = field_of(value, name)
    if field ~= nil then entry(page, name .. " = ", field, "  ", {}) end
    if page.full then return page:cut(0) end
  end
end

local function is_text(value) return utf8.len(value) and not value:find("[^%C\n\t]") end

local function text_lines(page, text)
  local rest = 1
  for line, place in (text .. "\n"):gmatch("([^\n]*)\n()") do
    if place > #text + 1 and line == "" and rest > 1 then return end
    if not page:line(line) then
      local _, left = (text:sub(rest):gsub("\n$", "") .. "\n"):gsub("\n", "")
      return page:cut(left, "lines")
    end
    rest = place
  end
end

local function whole(page, value)
  if type(value) == "string" and is_text(value) then return text_lines(page, value) end
  if type(value) == "table" and class_fields(value) then return object(page, value) end
  if type(value) ~= "table" or literal.is_object(value) then return entry(page, "", value, "", {}) end
  if next(value) == nil then return page:line("{}") end
  local kind = rawlen(value) > 0 and list_kind(value, page.left or math.maxinteger)
  local text = not kind and rawlen(value) > 0 and inline(value, page.width, page.colour)
  if text then return page:line(text) end
  block(page, value, "", {})
end

-- The world said no: nil, "what: why", "ECODE".
local function failure(page, values)
  local code = type(values[3]) == "string" and (" (%s)"):format(values[3]) or ""
  page:line(paint("fault", "failed: ", page.colour) .. values[2] .. code)
end

local function render(page, values)
  if values.n >= 2 and values[1] == nil and type(values[2]) == "string" then return failure(page, values) end
  local last = values.n
  while last > 1 and values[last] == nil do last = last - 1 end
  for i = 1, last do
    whole(page, values[i])
    if page.full then return end
  end
end

local function colour_wanted()
  local no_colour, term = os.getenv("NO_COLOR"), os.getenv("TERM")
  return (not no_colour or no_colour == "") and term ~= nil and term ~= "" and term ~= "dumb"
end

-- Rows that stay for what was typed and the next prompt.
local MARGIN <const> = 4
local LEAST_ROWS <const>, USUAL_WIDTH <const> = 10, 80

local function page_for(put, cut)
  local rows, columns = terminal.size()
  return setmetatable({ put = put, width = rows and columns or USUAL_WIDTH, colour = rows and colour_wanted(),
    left = cut and rows and math.max(rows - MARGIN, LEAST_ROWS) or nil }, Page)
end

--- Whether colours are wanted: on a terminal, unless NO_COLOR is set or TERM is dumb.
function M.colour() return terminal.size() ~= nil and colour_wanted() end

--- The text of a value.
-- @param value anything
-- @tparam[opt] table options { width = 80, rows = most lines, colour = false }
function M.text(value, options)
  options = options or {}
  local lines = {}
  local page = setmetatable({ put = function(line) lines[#lines + 1] = line end,
    width = options.width or USUAL_WIDTH, left = options.rows, colour = options.colour }, Page)
  whole(page, value)
  return table.concat(lines, "\n") .. "\n"
end

--- Prints values as the prompt does: on a terminal cut where its height ends.
function M.values(...)
  local lines = {}
  render(page_for(function(line) lines[#lines + 1] = line end, true), table.pack(...))
  if #lines > 0 then print(table.concat(lines, "\n")) end
end

-- The pager has the terminal until it ends. It may end before it has read all.
local function paged(values)
  local process <const> = require "nerv.process"
  local pager = os.getenv("PAGER")
  local lent <close> = terminal.lend()   -- luacheck: ignore (before the pager sets the terminal, until it has ended)
  local child, message, code = process.spawn { argv = { "/bin/sh", "-c", pager and pager ~= "" and pager or "less" },
    stdin = "pipe", add_env = { LESS = os.getenv("LESS") or "FRX" } }
  if not child then return nil, message, code end
  local lines, open = {}, true
  local function flush()
    open = open and child.stdin:write(table.concat(lines, "\n", 1, #lines) .. "\n") ~= nil
    lines = {}
  end
  render(page_for(function(line)
    if not open then return end
    lines[#lines + 1] = line
    if #lines == 500 then flush() end
  end), values)
  if #lines > 0 then flush() end
  child.stdin:close()
  child:wait()
end

--- Shows all of a value: by $PAGER, or less, on a terminal.
function M.all(...)
  if terminal.there() then return paged(table.pack(...)) end
  render(page_for(print), table.pack(...))
end

api.module("show", "values as a person reads them", M, {
  values = { text = "prints values as the prompt does, cut where the terminal's height ends",
    args = { { name = "value", type = "rest", text = "what to show" } },
    example = "show.values { a = 1, b = { 2, 3 } }" },
  all = { text = "shows all of a value, on a terminal by $PAGER or less",
    args = { { name = "value", type = "rest", text = "what to show" } }, example = "show.all(link.list())" },
  text = { text = "returns the text of a value",
    args = { { name = "value", type = "any", text = "what to show" },
      { name = "options", type = "table", text = "how", fields = {
        width = { type = "integer", doc = "columns; by default 80" },
        rows = { type = "integer", doc = "most lines; by default all" },
        colour = { type = "boolean", doc = "true: with colours" } } } },
    example = "print(show.text({ a = 1, b = { 2, 3 } }, { width = 40 }))" },
  colour = { text = "returns whether colours are wanted: on a terminal, without NO_COLOR and TERM=dumb",
    example = "print(show.colour())" },
})

return M
