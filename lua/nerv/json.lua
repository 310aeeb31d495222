--- JSON by lua-cjson; `null` members are left out when reading.
local cjson <const> = require("cjson.safe").new()

cjson.encode_sparse_array(true)

local M = {}

-- null members go; whole numbers become integers, which lua-cjson gives as floats.
local function lua_value(value)
  if type(value) == "number" then return math.tointeger(value) or value end
  if type(value) ~= "table" then return value end
  for k, v in pairs(value) do
    if v == cjson.null then value[k] = nil else value[k] = lua_value(v) end
  end
  return value
end

--- Text of a value.
-- @raise when the value holds something that JSON has not
function M.encode(value)
  local text, message = cjson.encode(value)
  if not text then require("nerv.registry").fail("json.encode: " .. message) end
  return text
end

--- Value of a text; whole numbers are integers.
-- @return the value, or nil, a message and "EINVAL"
function M.decode(text)
  local value, message = cjson.decode(text)
  if value == nil then return nil, "json.decode: " .. tostring(message), "EINVAL" end
  return lua_value(value)
end

return M
