--- A configuration as the text of a Lua table file: plain data, in an order that does not change.
local options <const> = require "nerv.options"
local runtime <const> = require "nerv.runtime"

local M = {}

-- Seconds that the file may compute.
local BUDGET <const> = 1

local keywords <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while]]):gmatch "%a+" do keywords[word] = true end

local function key_text(key)
  if type(key) ~= "string" then return ("[%s]"):format(tostring(key)) end
  return key:find("^[%a_][%w_]*$") and not keywords[key] and key or ("[%q]"):format(key)
end

-- h2 comes before h10.
local function natural(text)
  return (text:gsub("%d+", function(digits) return ("%03d%s"):format(#digits, digits) end))
end

--- Keys of a table, sorted as people count.
function M.sorted(t)
  local keys = options.sorted_keys(t)
  table.sort(keys, function(a, b)
    local one, other = natural(a), natural(b)
    if one ~= other then return one < other end
    return a < b
  end)
  return keys
end

-- A value on one line.
local function literal(value)
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, part in ipairs(value) do parts[i] = literal(part) end
  for _, key in ipairs(#value == 0 and M.sorted(value) or {}) do
    parts[#parts + 1] = ("%s = %s"):format(key_text(key), literal(value[key]))
  end
  if #parts == 0 then return "{}" end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- The keys of an entry: the named ones first, then the others.
local function keys_of(entry, first)
  local keys, named = {}, { endpoints = true }
  for _, key in ipairs(first) do
    named[key] = true
    if entry[key] ~= nil then keys[#keys + 1] = key end
  end
  for _, key in ipairs(M.sorted(entry)) do
    if not named[key] then keys[#keys + 1] = key end
  end
  return keys
end

local function endpoint_text(entry)
  local ordered = {}
  for i, key in ipairs(keys_of(entry, { "node", "kind" })) do
    ordered[i] = ("%s = %s"):format(key_text(key), literal(entry[key]))
  end
  return #ordered > 0 and "{ " .. table.concat(ordered, ", ") .. " }" or "{}"
end

local function add_network(lines, name, entry)
  local function add(...) lines[#lines + 1] = (...):format(select(2, ...)) end
  add("    %s = {", key_text(name))
  for _, key in ipairs(keys_of(entry, { "archetype", "home" })) do
    add("      %s = %s,", key_text(key), literal(entry[key]))
  end
  if entry.endpoints and next(entry.endpoints) then
    add("      endpoints = {")
    for _, ep in ipairs(M.sorted(entry.endpoints)) do
      add("        %s = %s,", key_text(ep), endpoint_text(entry.endpoints[ep]))
    end
    add("      },")
  end
  add("    },")
end

--- The text of a configuration. Testbeds come first, because others live on their nodes.
function M.write(configuration)
  local lines = { "-- Networks and endpoints: `nervsh apply FILE` makes the system equal to this file.", "return {",
    ("  version = %d,"):format(configuration.version), "  networks = {" }
  local names = M.sorted(configuration.networks)
  for _, testbeds in ipairs { true, false } do
    for _, name in ipairs(names) do
      local entry = configuration.networks[name]
      if (entry.archetype == "testbed") == testbeds then add_network(lines, name, entry) end
    end
  end
  lines[#lines + 1] = "  },\n}\n"
  return table.concat(lines, "\n")
end

-- Every global is missing: a file that needs one is no plain data.
local function environment(name)
  return setmetatable({}, {
    __index = function(_, key)
      error(("%s: there is no global '%s' here: a configuration is plain data"):format(name, tostring(key)), 0)
    end,
    __newindex = function(_, key)
      error(("%s: a global '%s' is set: a configuration is plain data"):format(name, tostring(key)), 0)
    end,
  })
end

--- Evaluates the text of a configuration.
-- @tparam string name of the file, for messages
-- @return the table, unchecked; or nil and a message
function M.read(text, name)
  local function problem(message)
    message = tostring(message)
    return message:find(name, 1, true) and message or name .. ": " .. message
  end
  local chunk, message = load(text:gsub("^#[^\n]*", "", 1), "@" .. name, "t", environment(name))
  if not chunk then return nil, problem(message) end
  local good, result = runtime.limited(BUDGET, chunk)
  if not good then return nil, problem(result) end
  if type(result) ~= "table" then return nil, ("%s: it returns no table, but %s"):format(name, type(result)) end
  return result
end

return M
