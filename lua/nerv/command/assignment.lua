--- Words of a command line that set options: `subnet=10.1.0.0/24 mtu=1400`, read by the options' types.
local json <const> = require "nerv.json"
local options <const> = require "nerv.options"
local suggest <const> = require "nerv.suggest"

local M = {}

-- A list: JSON, or words with commas between them.
local function list_of(word)
  if word:find("^[%[{]") then return json.decode(word) or word end
  local list = {}
  for part in word:gmatch("[^,]+") do list[#list + 1] = part end
  return list
end

-- Types whose values are no texts: the word as it stands is tried when it reads as none.
local readers <const> = {
  boolean = function(word) return word == "true" or word ~= "false" and word end,
  table = list_of, list = list_of,
  any = function(word) return tonumber(word) or word end,
}

local function value_of(option, word)
  local reader = readers[option.type]
  if reader then return reader(word) end
  local number = math.tointeger(tonumber(word)) or tonumber(word)
  if number and options.check_value(option, number) then return number end
  return word
end

--- Separates names from options.
-- @tparam table words of the command line
-- @return array of the words without a "=", and a table of the others: option -> text
function M.split(words)
  local names, given = {}, {}
  for _, word in ipairs(words) do
    local key, value = word:match("^([%a_][%w_]*)=(.*)$")
    if key then given[key] = value else names[#names + 1] = word end
  end
  return names, given
end

--- Reads options by their description.
-- @tparam table given option -> text
-- @tparam table description of options.lua
-- @return option -> value; or nil and a message
function M.read(given, description)
  local values = {}
  for _, key in ipairs(options.sorted_keys(given)) do
    local option, word = description[key], given[key]
    if not option then
      return nil, ("unknown option '%s'%s"):format(key, suggest(key, options.sorted_keys(description),
        "; there are " .. table.concat(options.sorted_keys(description), ", ")))
    end
    local value = value_of(option, word)
    local good, message = options.check_value(option, value)
    if not good then return nil, ("%s=%s: %s"):format(key, word, message) end
    values[key] = value
  end
  return values
end

return M
