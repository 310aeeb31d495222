--- Describes what is written in Lua in the registry, as bindings do in C: the same tables feed the check of
-- arguments, help, completion and the manual.
--
-- A function is described as
--   { text = one line: what it does, what it returns; args = array of arguments; example = Lua that runs as it stands
--     where `blue` is a network of archetype ip with the endpoints `h1` and `h2` }
-- and an argument as
--   { name =, type = a type of options.lua, or "rest" as the last one; required =, text =,
--     choices = what a "choice" may be; fields = of a table: a description as in options.lua;
--     open = true: the function itself checks those fields, because they depend on others }
-- The values of a table with fields arrive checked, with their defaults filled in.
local registry <const> = require "nerv.registry"
local options <const> = require "nerv.options"

local M = {}

local function checked_value(what, argument, value)
  local where = ("%s: %s"):format(what, argument.name)
  local good, message = options.check_value(argument, value)
  if not good then registry.fail(("%s: %s"):format(where, message)) end
  if not argument.fields or argument.open then return options.value(argument, value) end
  value, message = options.check(what, argument.fields, value)
  if not value then registry.fail(message) end
  return value
end

local function check_arguments(what, args, values)
  for i, argument in ipairs(args) do
    if argument.type == "rest" then return end
    if values[i] ~= nil then
      values[i] = checked_value(what, argument, values[i])
    elseif argument.required then
      registry.fail(("%s: argument '%s' is missing (%s)"):format(what, argument.name, argument.text))
    elseif argument.fields and not argument.open then
      values[i] = checked_value(what, argument, {})
      values.n = math.max(values.n, i)
    end
  end
  if values.n > #args then registry.fail(("%s: too many arguments (%d expected)"):format(what, #args)) end
end

-- The fields of a table as C describes them: an array.
local function field_list(fields)
  local list = {}
  for _, name in ipairs(options.sorted_keys(fields)) do
    local o = fields[name]
    list[#list + 1] = { name = name, type = o.type, required = o.required or false, text = o.doc,
      default = o.default, choices = o.choices, fields = o.fields and field_list(o.fields) }
  end
  return list
end

local function described(entry)
  local args = {}
  for i, a in ipairs(entry.args or {}) do
    args[i] = { name = a.name, type = a.type, required = a.required or false, text = a.text, choices = a.choices,
      fields = a.fields and field_list(a.fields) }
  end
  return { text = entry.text, example = entry.example, args = args }
end

local function record(name, text, functions, more)
  local entry = { text = text, functions = {} }
  for f, description in pairs(functions) do entry.functions[f] = described(description) end
  for key, value in pairs(more or {}) do entry[key] = value end
  registry.describe()[name] = entry
end

--- Describes a module and puts the check of arguments before its functions.
-- @tparam string name the global under which it is known
-- @tparam string text one line
-- @tparam table module holds the functions
-- @tparam table functions name -> description
-- @return the module
function M.module(name, text, module, functions)
  for f, description in pairs(functions) do
    local what, inner <const> = name .. "." .. f, module[f]
    local args = description.args or {}
    module[f] = function(...)
      local values = table.pack(...)
      check_arguments(what, args, values)
      return inner(table.unpack(values, 1, values.n))
    end
  end
  record(name, text, functions)
  return module
end

--- Describes a class the same way.
-- @tparam string name the metatable's __name
-- @tparam table methods holds the functions, which get the object first
-- @tparam table functions name -> description, without `self`
-- @tparam ?table fields name -> one line, of what an object's fields say
function M.class(name, text, methods, functions, fields)
  for f, description in pairs(functions) do
    local what, inner <const> = name .. ":" .. f, methods[f]
    local args = description.args or {}
    methods[f] = function(self, ...)
      local meta = getmetatable(self)
      if type(meta) ~= "table" or meta.__name ~= name then
        registry.fail(("%s: call it with a colon on a %s"):format(what, name))
      end
      local values = table.pack(...)
      check_arguments(what, args, values)
      return inner(self, table.unpack(values, 1, values.n))
    end
  end
  record(name, text, functions, { class = true, fields = fields or {} })
end

--- Describes what is no function of a module: a command.
function M.record(name, text, functions) record(name, text, functions) end

return M
