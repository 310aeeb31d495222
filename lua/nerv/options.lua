--- Option tables: one description drives validation, defaults, help and schema.
--
-- A description is { NAME = { type = "cidr", required = true, default = ..., doc = "...",
-- choices = { ... }, allocate = OPTION } }. `choices` are what a "choice" may be. `allocate`
-- names the option of the network from whose range a value is taken when none is given.
-- The same types describe the arguments of functions and commands; see api.lua, on which cidr.lua builds:
-- it is loaded when it is needed.
local context <const> = require "nerv.context"
local suggest <const> = require "nerv.suggest"

local M = {}

local function is_name(value)
  if context.valid_name(value) then return true end
  return nil, "a name begins with a letter or digit and has at most 63 letters, digits and . _ -"
end

local function integer_from(low, high)
  return function(value)
    if math.type(value) == "integer" and value >= low and value <= high then return true end
    return nil, ("an integer from %d to %d is expected"):format(low, high)
  end
end

--- Bits per second of a number or a text such as "100mbit".
-- @return number, or nil, message, "EINVAL"
function M.rate(value)
  if type(value) == "number" and value > 0 then return value end
  local number, unit = tostring(value):lower():match("^(%d+%.?%d*)([kmgt]?)bit$")
  local scale <const> = { [""] = 1, k = 1e3, m = 1e6, g = 1e9, t = 1e12 }
  if number and tonumber(number) > 0 then return tonumber(number) * scale[unit] end
  return nil, ("bad rate \"%s\": bits per second, or a text such as \"100mbit\" or \"1gbit\"")
    :format(tostring(value)), "EINVAL"
end

--- A rate as people write it: "100mbit" for 100000000.
function M.rate_text(value)
  if type(value) ~= "number" then return value end
  for _, unit in ipairs { { 1e12, "t" }, { 1e9, "g" }, { 1e6, "m" }, { 1e3, "k" } } do
    if value % unit[1] == 0 then return ("%d%sbit"):format(value // unit[1], unit[2]) end
  end
  return value
end

-- An IP address or range, of one family where that matters.
local function ip(reader, family)
  return function(v)
    local value, more = require("nerv.cidr")[reader](v)
    if not value then return nil, more end
    local have = type(value) == "table" and value.family or more
    if family and have ~= family then return nil, ("IPv%d is expected"):format(family) end
    return true
  end
end

-- A number, or a text of a number and a unit.
local function measure(value, units)
  if type(value) == "number" then return value end
  local number, unit = tostring(value):lower():match("^(%d+%.?%d*)(%D+)$")
  return number and units[unit] and tonumber(number) * units[unit] or nil
end

local TIMES <const> = { s = 1, ms = 1e-3, us = 1e-6 }
local SHARES <const> = { ["%"] = 0.01 }

-- How a value that may be written in several ways is read.
local readers <const> = {
  rate = M.rate,
  duration = function(value) return measure(value, TIMES) end,
  share = function(value) return measure(value, SHARES) end,
}

local function of_type(name, text)
  return function(v)
    if type(v) == name then return true end
    return nil, text .. " is expected"
  end
end

-- An object of a class, or its name.
local function object_or_name(class)
  return function(v)
    local meta = getmetatable(v)
    if type(v) == "string" or type(meta) == "table" and meta.__name == class then return true end
    return nil, ("%s %s or its name is expected"):format(class:find("^[aeiou]") and "an" or "a", class)
  end
end

--- Each type: one line, and a function of a value and its option that returns true, or nil and what is wrong.
local types <const> = {
  any = { "any value", function() return true end },
  bytes = { "a string; any bytes", of_type("string", "a string") },
  number = { "a number", of_type("number", "a number") },
  ["function"] = { "a function", of_type("function", "a function") },
  network = { "a network, or its name", object_or_name "network" },
  endpoint = { "an endpoint, or its name", object_or_name "endpoint" },
  node = { "a node, or its name", object_or_name "node" },
  archetype = { "name of an archetype", is_name },
  file = { "path of a file", of_type("string", "a path") },
  line = { "a command line or Lua", of_type("string", "a command line or Lua") },
  netns = { "name of a namespace, a path to one, or a process id", function(v)
    if type(v) == "string" or math.type(v) == "integer" then return true end
    return nil, "a namespace is expected: its name, a path or a process id"
  end },
  seconds = { "a time in seconds, 0 or more; fractions too", function(v)
    if type(v) == "number" and v >= 0 and v < math.huge then return true end
    return nil, "seconds, 0 or more, are expected"
  end },
  choice = { "one of the values that are named", function(v, option)
    for _, choice in ipairs(option.choices) do
      if v == choice then return true end
    end
    return nil, ("one of %s is expected%s"):format(table.concat(option.choices, ", "),
      suggest(v, option.choices))
  end },
  string = { "a string without NUL", function(v)
    if type(v) == "string" and not v:find("\0", 1, true) then return true end
    return nil, "a string is expected"
  end },
  name = { "1 to 63 letters, digits and . _ -; the first one is a letter or digit", is_name },
  boolean = { "true or false", of_type("boolean", "true or false") },
  integer = { "a whole number", function(v)
    if math.type(v) == "integer" then return true end
    return nil, "an integer is expected"
  end },
  mtu = { "bytes of a packet, 68 to 65535", integer_from(68, 65535) },
  count = { "a whole number, 1 to 1000", integer_from(1, 1000) },
  cidr = { "a range of addresses: \"10.1.0.0/24\", \"fd00::/64\"", ip "parse" },
  cidr4 = { "a range of IPv4 addresses", ip("parse", 4) },
  cidr6 = { "a range of IPv6 addresses", ip("parse", 6) },
  address = { "an IP address: \"10.1.0.2\", \"fd00::2\"", ip "address" },
  address4 = { "an IPv4 address", ip("address", 4) },
  address6 = { "an IPv6 address", ip("address", 6) },
  interface4 = { "an IPv4 address with its prefix length: \"10.1.0.2/24\"", ip("interface", 4) },
  interface6 = { "an IPv6 address with its prefix length: \"fd00::2/64\"", ip("interface", 6) },
  host = { "an IP address with its prefix length: \"10.1.0.2/24\", \"fd00::2/64\"", ip "interface" },
  mac = { "a MAC address: \"02:00:00:00:00:01\"", function(v)
    if type(v) == "string" and v:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$") then
      local first = tonumber(v:sub(1, 2), 16)
      if first % 2 == 0 and v ~= "00:00:00:00:00:00" then return true end
      return nil, "it must not be zero or a group address"
    end
    return nil, "six hexadecimal bytes with colons are expected"
  end },
  rate = { "bits per second: a number, or \"100mbit\", \"1.5gbit\"", function(v)
    local rate, message = M.rate(v)
    if rate then return true end
    return nil, message
  end },
  duration = { "a time: seconds, or \"10ms\", \"250us\"", function(v)
    local seconds = readers.duration(v)
    if seconds and seconds >= 0 and seconds <= 3600 then return true end
    return nil, "seconds are expected, or a text such as \"10ms\", 3600 s at most"
  end },
  share = { "a share: 0 to 1, or \"2.5%\"", function(v)
    local share = readers.share(v)
    if share and share >= 0 and share <= 1 then return true end
    return nil, "a number from 0 to 1 is expected, or a text such as \"2.5%\""
  end },
  interface = { "name of an interface, 1 to 15 characters", function(v)
    if type(v) == "string" and #v <= 15 and v:find("^[^%s/:%%]+$") and v ~= "." and v ~= ".." then return true end
    return nil, "an interface name is expected: 1 to 15 characters, no '/', ':', '%' or blank"
  end },
  user = { "name or number of a user or group", function(v)
    if type(v) == "string" and v ~= "" or math.type(v) == "integer" and v >= 0 then return true end
    return nil, "a name or a number is expected"
  end },
  table = { "a table", of_type("table", "a table") },
  list = { "an array", of_type("table", "an array") },
}

--- The names of the types.
function M.type_names()
  local names = {}
  for name in pairs(types) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- What values of a type are, in one line; nil when there is no such type.
function M.type_text(name) return types[name] and types[name][1] end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  return keys
end
M.sorted_keys = sorted_keys

local function join(...)
  local all = {}
  for _, t in ipairs { ... } do
    for k, v in pairs(t) do all[k] = v end
  end
  return all
end
M.join = join

--- What is wrong with the description itself: nil when nothing is.
function M.problem(description)
  for name, option in pairs(description) do
    if type(option) ~= "table" then return ("option %s: a table is expected"):format(name) end
    if not types[option.type] then
      return ("option %s: unknown type '%s'; the types are %s"):format(name, tostring(option.type),
        table.concat(M.type_names(), ", "))
    end
    if type(option.doc) ~= "string" then return ("option %s has no doc"):format(name) end
    if option.type == "choice" and (type(option.choices) ~= "table" or #option.choices == 0) then
      return ("option %s: a choice needs `choices`"):format(name)
    end
    if option.default ~= nil then
      local good, message = types[option.type][2](option.default, option)
      if not good then return ("option %s: default: %s"):format(name, message) end
    end
  end
end

--- A value as an archetype sees it: a rate, a duration or a share as a number, whatever it was written as.
function M.value(option, value)
  local reader = readers[option.type]
  if reader and value ~= nil then return (reader(value)) end
  return value
end

--- Whether a value is of an option's type.
-- @return true, or nil and what is wrong
function M.check_value(option, value) return types[option.type][2](value, option) end

local completion <const> = setmetatable({}, { __mode = "k" })

--- What a description says of options that are not given: array of { key, default, required, doc }, by name; kept
-- as long as the description. Thousands are checked against one, and most options may just be absent.
function M.completions(description)
  local list = completion[description]
  if list then return list end
  list = {}
  for _, key in ipairs(sorted_keys(description)) do
    local o = description[key]
    if o.default ~= nil or o.required then
      list[#list + 1] = { key = key, default = o.default, required = o.default == nil and o.required, doc = o.doc }
    end
  end
  completion[description] = list
  return list
end
local completions <const> = M.completions

--- Checks the given values against a description, which must not change afterwards.
-- @tparam string what the call, for messages: "network.create"
-- @return a new table with the defaults filled in, or nil and a message
function M.check(what, description, values)
  if type(values) ~= "table" then return nil, what .. ": a table of options is expected" end
  local result = {}
  for key, value in pairs(values) do
    local option = description[key]
    if type(key) ~= "string" then return nil, what .. ": options are given by name" end
    if not option then
      local names <const> = sorted_keys(description)
      return nil, ("%s: unknown option '%s'%s"):format(what, key,
        suggest(key, names, names[1] and "; there are " .. table.concat(names, ", ") or "; it has none"))
    end
    local good, message = M.check_value(option, value)
    if not good then
      local shown = type(value) == "string" and ("%q"):format(value):gsub("\\\n", "\\n") or tostring(value)
      return nil, ("%s: %s = %s: %s"):format(what, key, shown, message)
    end
    result[key] = M.value(option, value)
  end
  for _, one in ipairs(completions(description)) do
    if result[one.key] == nil then
      if one.required then return nil, ("%s: option '%s' is missing (%s)"):format(what, one.key, one.doc) end
      result[one.key] = one.default
    end
  end
  return result
end

return M
