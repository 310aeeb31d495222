--- Records for people and for programs: a table with aligned columns, JSON, or CSV (RFC 4180).
local columns_of <const> = require "nerv.command.columns"
local json <const> = require "nerv.json"

local M = {}

--- The formats, as a command's `-f` names them.
M.FORMATS = { "table", "json", "csv" }

local function cell(value)
  if value == nil then return "" end
  if type(value) ~= "table" or getmetatable(value) then return tostring(value) end
  local parts = {}
  for i, part in ipairs(value) do parts[i] = cell(part) end
  return table.concat(parts, ",")
end

local function lines_of(columns, rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local line = {}
    for j, column in ipairs(columns) do line[j] = cell(row[column]) end
    lines[i] = line
  end
  return lines
end

local function heading(columns)
  local names = {}
  for i, column in ipairs(columns) do names[i] = columns_of.heading(column) end
  return names
end

local function as_table(columns, rows)
  local lines = lines_of(columns, rows)
  table.insert(lines, 1, heading(columns))
  local widths, n = columns_of.fit(lines)
  for i, line in ipairs(lines) do lines[i] = columns_of.pad(line, widths, n) end
  return table.concat(lines, "\n") .. "\n"
end

local function quoted(text)
  if not text:find('[,"\r\n]') then return text end
  return '"' .. text:gsub('"', '""') .. '"'
end

local function as_csv(columns, rows)
  local lines = { table.concat(columns, ",") }
  for _, line in ipairs(lines_of(columns, rows)) do
    for j, text in ipairs(line) do line[j] = quoted(text) end
    lines[#lines + 1] = table.concat(line, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- What is empty is a list: a column without value is left out.
local function encoded(value)
  if type(value) == "table" and next(value) == nil then return "[]" end
  return json.encode(value)
end

-- One record a line: readable as it stands, and by `jq`.
local function as_json(columns, rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local members = {}
    for _, column in ipairs(columns) do
      if row[column] ~= nil then
        members[#members + 1] = json.encode(column) .. ": " .. encoded(row[column])
      end
    end
    lines[i] = "  {" .. table.concat(members, ", ") .. "}"
  end
  if #lines == 0 then return "[]\n" end
  return "[\n" .. table.concat(lines, ",\n") .. "\n]\n"
end

--- The text of records.
-- @tparam table columns the fields that are shown, in this order
-- @tparam table rows array of records; a list among the values is joined by commas
-- @tparam[opt="table"] string format one of FORMATS
function M.text(columns, rows, format)
  if format == "json" then return as_json(columns, rows) end
  if format == "csv" then return as_csv(columns, rows) end
  return as_table(columns, rows)
end

return M
