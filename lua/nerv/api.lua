--- Describes what is written in Lua in the registry, as bindings do in C: the same tables feed the check of
-- arguments, help, completion and the manual.
--
-- A function is described as
--   { text = one line: what it does, what it returns; args = array of arguments; example = Lua that runs as it stands
--     where `blue` is a network of archetype ip with the endpoints `h1` and `h2`, and `pm1` a node of a testbed;
--     internal = true: for NERV's own modules, neither shown nor checked;
--     returns = the class of the object that it returns }
-- and an argument as
--   { name =, type = a type of options.lua, or "rest" as the last one; required =, text =,
--     choices = what a "choice" may be; fields = of a table: a description as in options.lua;
--     open = true: the function itself checks those fields, because they depend on others;
--     names, more = functions for completion: see complete.lua }
-- The values of a table with fields arrive checked, with their defaults filled in.
local registry <const> = require "nerv.registry"
local options <const> = require "nerv.options"

local M = {}

local function checked_value(what, argument, value)
  if value == nil then
    if argument.required then
      registry.fail(argument.fields and what .. ": a table of options is expected"
        or ("%s: argument '%s' is missing (%s)"):format(what, argument.name, argument.text))
    elseif argument.fields and not argument.open then
      value = {}
    else
      return nil
    end
  elseif argument.fields and argument.type == "table" and type(value) ~= "table" then
    registry.fail(what .. ": a table of options is expected")
  end
  local good, message = options.check_value(argument, value)
  if not good then registry.fail(("%s: %s: %s"):format(what, argument.name, message)) end
  if not argument.fields or argument.open then return options.value(argument, value) end
  value, message = options.check(what, argument.fields, value)
  if not value then registry.fail(message) end
  return value
end

-- The values from argument `i` on, checked.
local function checked_values(what, args, i, ...)
  local argument = args[i]
  if not argument then
    if select("#", ...) > 0 then registry.fail(("%s: too many arguments (%d expected)"):format(what, #args)) end
    return
  end
  if argument.type == "rest" then return ... end
  return checked_value(what, argument, (...)), checked_values(what, args, i + 1, select(2, ...))
end

-- The fields of a table as C describes them: an array.
local function field_list(fields)
  local list = {}
  for _, name in ipairs(options.sorted_keys(fields)) do
    local o = fields[name]
    list[#list + 1] = { name = name, type = o.type, required = o.required or false, text = o.doc,
      default = o.default, choices = o.choices, names = o.names, more = o.more,
      fields = o.fields and field_list(o.fields) }
  end
  return list
end

local function described(entry)
  local args = {}
  for i, a in ipairs(entry.args or {}) do
    args[i] = { name = a.name, type = a.type, required = a.required or false, text = a.text, choices = a.choices,
      open = a.open, names = a.names, more = a.more, fields = a.fields and field_list(a.fields) }
  end
  return { text = entry.text, example = entry.example, args = args, returns = entry.returns }
end

local function record(key, entry, functions)
  entry.functions, entry.internal = {}, {}
  for f, description in pairs(functions) do
    if description.internal then entry.internal[f] = true else entry.functions[f] = described(description) end
  end
  registry.describe()[key] = entry
end

local function checked(what, args, inner)
  return function(...) return inner(checked_values(what, args, 1, ...)) end
end

local function checked_method(class, what, args, inner)
  return function(self, ...)
    local meta = getmetatable(self)
    if type(meta) ~= "table" or meta.__name ~= class then
      registry.fail(("%s: call it with a colon on %s %s"):format(what, class:find("^[aeiou]") and "an" or "a", class))
    end
    return inner(self, checked_values(what, args, 1, ...))
  end
end

-- Puts the check of arguments before the functions of `holder`.
local function wrap(holder, functions, prefix, class)
  for f, description in pairs(functions) do
    local what, inner <const> = prefix .. f, assert(holder[f], f)
    if not description.internal then
      local args <const> = description.args or {}
      holder[f] = class and checked_method(class, what, args, inner) or checked(what, args, inner)
      registry.names()[holder[f]] = what
    end
  end
end

--- Describes a module and puts the check of arguments before its functions.
-- @tparam string name the global under which it is known
-- @tparam string text one line
-- @tparam table module holds the functions
-- @tparam table functions name -> description
-- @return the module
function M.module(name, text, module, functions)
  wrap(module, functions, name .. ".")
  record(name, { text = text, holder = module }, functions)
  return module
end

--- Describes functions that are globals themselves; help lists them together under `name`.
-- @return the module that holds them
function M.globals(name, text, module, functions)
  wrap(module, functions, "")
  record(name, { text = text, holder = module, global = true }, functions)
  return module
end

--- Describes a class the same way.
-- @tparam string name the metatable's __name
-- @tparam string text one line: what an object is
-- @tparam table methods holds the functions, which get the object first
-- @tparam table functions name -> description, without `self`
-- @tparam ?table fields name -> one line, of what an object's fields say
-- @tparam ?function members for completion: see complete.lua
function M.class(name, text, methods, functions, fields, members)
  wrap(methods, functions, name .. ":", name)
  record("class " .. name, { text = text, holder = methods, fields = fields or {}, members = members }, functions)
end

--- Describes what is no function of a module: a command.
function M.record(name, text, functions) record(name, { text = text }, functions) end

return M
