--- Completion at the prompt: what may stand at the cursor, out of the registry, the values of the session and the
-- rows of the database.
--
-- No table of names is kept here. What a function takes is in its description (nerv.api, bindings); beyond its type
-- an argument or option there may have
--   names   what its value may be: a type whose names are meant (network, node ...), an array of such, or a
--           function(object, given, prefix) that returns a list
--   more    of a table: a function(object, given, items) that returns options on top of its fields, as in options.lua
-- where `object` is what the method belongs to, `given` the options that have been typed already, and `items` the
-- arguments before. A function whose result is an object has `returns` = the name of its class. A class may have
--   members function(object, argument) that returns what is known of its fields: name -> { class =, value =,
--           members = }; `argument` is that of the call that would give the object, where there is no object yet
-- None of them may wait.
local candidates <const> = require "nerv.prompt.candidates"
local command <const> = require "nerv.command"
local line <const> = require "nerv.prompt.complete_line"
local context <const> = require "nerv.context"
local literal <const> = require "nerv.prompt.literal"
local live <const> = require "nerv.prompt.live"
local registry <const> = require "nerv.registry"
local scan <const> = require "nerv.prompt.scan"

local M = {}

--- Lines of the same statement before the one that is typed, or nil.
M.before = nil

-- What is known of an expression: { value =, class =, description = of a function, module =, object = }.
local function thing_of(value)
  if value == nil then return nil end
  local thing = { value = value, class = live.class_of(value) }
  if type(value) == "function" then
    thing.description = live.description(registry.names()[value])
  end
  return thing
end

-- Modules load themselves when they are first named; that waits for nothing.
local function global(name)
  local value = rawget(_G, name)
  if value == nil and context.globals[name] then value = _G[name] end
  local thing = thing_of(value)
  if thing and context.globals[name] then thing.module = name end
  return thing
end

-- The value of a field of a class, or what is known of it.
local function class_member(class, name)
  local described = live.class(class)
  local f = described and described.functions[name]
  return f and { description = f } or nil
end

local function field(thing, name)
  if thing.members then return thing.members[name] end
  local described = thing.module and registry.describe(thing.module)
  local inner = thing_of(live.member(thing.value, name))
  if described and described.functions[name] then
    inner = inner or {}
    inner.description = described.functions[name]
  end
  local class = live.class(thing.class)
  local known = not inner and class and class.members and class.members(thing.value, thing.argument)
  return inner or known and known[name] or class_member(thing.class, name)
end

local function method(thing, name)
  local inner = class_member(thing.class, name) or field(thing, name)
  if inner then inner.object = thing.value or { name = thing.argument } end
  return inner
end

local function result_of(thing, argument)
  local class = thing.description and thing.description.returns
  return class and { class = class, argument = argument } or nil
end

-- Follows the steps of an expression without calling anything; nil when it leads nowhere.
local function resolve(steps)
  local thing
  for _, step in ipairs(steps or {}) do
    if step.name then thing = global(step.name)
    elseif step.field then thing = field(thing, step.field)
    elseif step.method then thing = method(thing, step.method)
    elseif step.call then thing = result_of(thing, step.argument)
    elseif step.index ~= nil then thing = field(thing, step.index)
    else thing = nil end
    if not thing then return nil end
  end
  return thing
end

-- What follows a function's name: `{ ` where options by name are all that it takes.
local function opener(description)
  local args = description and description.args or {}
  if #args == 1 and args[1].type == "table" and (args[1].fields or args[1].more) then return "{ " end
  return description and #args == 0 and "()" or "("
end

local function behind_value(value, module)
  if type(value) == "function" then
    local thing = thing_of(value)
    return opener(thing.description), thing.description and thing.description.text
  end
  if module then return ".", (registry.describe(module) or {}).text end
end

local function add_functions(list, described)
  for name, f in pairs(described.functions) do list:add(name, opener(f), f.text) end
end

local function add_class(list, class, thing, methods_only)
  if methods_only then return add_functions(list, class) end
  for name, text in pairs(class.fields or {}) do list:add(name, nil, text) end
  for name in pairs(class.members and class.members(thing.value, thing.argument) or {}) do list:add(name) end
end

local function add_table(list, thing, methods_only)
  local described = thing.module and registry.describe(thing.module)
  local internal = described and described.internal or {}
  for _, name in ipairs(live.members(thing.value)) do
    local value = live.member(thing.value, name)
    if not internal[name] and (not methods_only or type(value) == "function") then
      list:add(name, behind_value(value))
    end
  end
  if thing.value == command.callable then
    for _, name in ipairs(command.names()) do list:add(name, "(", command.get(name).text) end
  end
end

-- What its class or module says of a thing, and the keys of a live table.
local function add_members(list, thing, methods_only)
  local described = thing.module and registry.describe(thing.module)
  local class = live.class(thing.class)
  if methods_only and thing.module then return end
  if described then add_functions(list, described) end
  for name in pairs(thing.members or {}) do list:add(name, nil) end
  if class then add_class(list, class, thing, methods_only) else add_table(list, thing, methods_only) end
end

-- After a dot an object's fields, but also its methods, with the colon that they need, when no field fits.
local function members(text, tokens, count, prefix, start)
  local separator = tokens[count].text
  local thing = resolve(scan.expression(tokens, count - 1))
  if not thing then return nil end
  local list = candidates.new(start, prefix)
  add_members(list, thing, separator == ":")
  if #list.words > 0 or separator == ":" or not live.class(thing.class) then return list end
  list = candidates.new(tokens[count].start, ":" .. prefix)
  for name, f in pairs(live.class(thing.class).functions) do list:add(":" .. name, opener(f), f.text) end
  return list, text
end

local STATEMENTS <const> = { ["local"] = true, ["for"] = true, ["if"] = true, ["while"] = true, ["repeat"] = true,
  ["return"] = true, ["function"] = true, ["goto"] = true, ["break"] = true, ["do"] = true }

local function add_globals(list, first)
  for name, value in next, _G do
    if literal.is_name(name) and (name:sub(1, 1) ~= "_" or list.prefix ~= "") then
      list:add(name, behind_value(value, context.globals[name] and type(value) == "table" and name))
    end
  end
  for name, module in pairs(context.globals) do
    local good = list.prefix == name:sub(1, #list.prefix) and pcall(require, module)
    if good then list:add(name, behind_value(_G[name], type(_G[name]) == "table" and name)) end
  end
  for word in pairs(literal.KEYWORDS) do
    if #list.prefix > 0 and (not STATEMENTS[word] or first) then list:add(word) end
  end
end

-- The arguments of what is called: a function, or a module that can be called itself.
local function taken_by(thing)
  local described = thing and thing.module and registry.describe(thing.module)
  return (thing and thing.description or described and described.call or {}).args or {}
end

-- The description of the argument that the bracket frame stands for or is in: { type =, fields =, names = ... },
-- and the object whose method is called.
local function argument_at(tokens, stack, depth)
  local frame = stack[depth]
  if not frame or frame.text == "block" or frame.text == "[" then return nil end
  local before = tokens[frame.at - 1]
  local callable = before and (before.type == "name" or before.type == "string"
    or before.type == "op" and before.text:find("^[%])}]$"))
  if callable then
    local thing = resolve(scan.expression(tokens, frame.at - 1))
    local args = taken_by(thing)
    local n = frame.text == "(" and frame.item or 1
    local argument = args[n]
    if not argument and #args > 0 and args[#args].type == "rest" then argument = args[#args] end
    return argument, thing and thing.object
  end
  if frame.text ~= "{" then return nil end
  -- A table within a table: an option's value, or one of a list of such tables.
  local outer, object = argument_at(tokens, stack, depth - 1)
  local parent = stack[depth - 1]
  if not outer or not parent then return nil end
  if parent.text == "(" then return outer, object end
  if not parent.field then return outer, object end
  for _, option in ipairs(outer.fields or {}) do
    if option.name == parent.field then return option, object end
  end
end

local function option_text(option) return option.text or option.doc end

-- The options of a table at hand: name -> option.
local function fields_of(argument, object, given, items)
  local all = {}
  for _, option in ipairs(argument.fields or {}) do all[option.name] = option end
  if not argument.more then return all end
  local good, more = pcall(argument.more, object or {}, given, items or {})
  for name, option in pairs(good and more or {}) do all[name] = option end
  return all
end

-- The arguments before that of the innermost frame.
local function arguments_before(stack)
  local outer = stack[#stack - 1]
  return outer and outer.text == "(" and outer.items or {}
end

-- The option whose value stands at the cursor, in a table or an argument list.
local function option_here(tokens, stack)
  local frame = stack[#stack]
  local argument, object = argument_at(tokens, stack, #stack)
  if not argument then return nil end
  if frame.text == "(" or argument.type == "list" then return argument, object, frame end
  if not frame.field then return nil end
  return fields_of(argument, object, frame.literals, arguments_before(stack))[frame.field], object, frame
end

-- In a string: what the option or argument may be, else files.
local function in_string(tokens, token, text)
  local prefix, close = text:sub(token.inner), token.quote or "]]"
  local count = #tokens - 1
  local stack = scan.open_brackets(tokens, count)
  local option, object, frame
  local before = tokens[count]
  if before and (before.type == "name" or before.type == "op" and before.text == ")") then   -- f "text"
    local thing = resolve(scan.expression(tokens, count))
    option, object = taken_by(thing)[1], thing and thing.object
  else
    option, object, frame = option_here(tokens, stack)
  end
  local names = option and candidates.values(option, prefix, object, frame and frame.literals or {})
  local list = candidates.new(token.inner, prefix)
  if names then
    list:add_all(names, close)
    return list
  end
  for _, name in ipairs(live.files(prefix)) do list:add(name, not name:find("/$") and close or nil) end
  return list
end

-- A value that is not begun yet: names in quotes, true and false.
local function quoted_values(list, option, object, given)
  if option.type == "boolean" then list:add_all { "true", "false" } end
  for _, name in ipairs(candidates.values(option, "", object, given) or {}) do list:add('"' .. name .. '"') end
end

local function in_brackets(list, tokens, stack, count)
  local frame = stack[#stack]
  local argument, object = argument_at(tokens, stack, #stack)
  if not argument then return end
  if frame.text == "{" and frame.began == count + 1 and argument.type == "list" then
    quoted_values(list, argument, object, {})
  elseif frame.text == "{" and frame.began == count + 1 then
    local fields = fields_of(argument, object, frame.literals, arguments_before(stack))
    for name, option in pairs(fields) do
      if not frame.given[name] then list:add(name, " = ", option_text(option)) end
    end
  elseif frame.text == "{" and tokens[count].text == "=" then
    local option = fields_of(argument, object, frame.literals, arguments_before(stack))[frame.field]
    if option then quoted_values(list, option, object, frame.literals) end
  elseif frame.text == "(" and frame.began == count + 1 then
    quoted_values(list, argument, object, {})
  end
end

local function is_separator(token) return token and token.type == "op" and (token.text == "." or token.text == ":") end

local function lua(text)
  local tokens = scan.tokens(text)
  local last = tokens[#tokens]
  if last and not last.stop then
    return last.type == "string" and in_string(tokens, last, text) or nil
  end
  local prefix, start, count = "", #text + 1, #tokens
  if last and last.stop == #text then
    if last.type == "number" then return nil end
    if last.type == "name" or last.type == "keyword" then
      prefix, start, count = last.text, last.start, count - 1
    end
  end
  if is_separator(tokens[count]) then return (members(text, tokens, count, prefix, start)) end
  local stack = scan.open_brackets(tokens, count)
  local list = candidates.new(start, prefix)
  if #stack > 0 then in_brackets(list, tokens, stack, count) end
  if #list.words == 0 then add_globals(list, count == 0) end
  return list, count == 0
end

local whole_line

-- The candidates for the end of a line that is a statement of its own.
function whole_line(text)
  local forced = text:match("^%s*!()")
  if forced then return line.complete((" "):rep(forced - 1) .. text:sub(forced), whole_line) end
  if line.is_command(text) then return line.complete(text, whole_line) end
  local list, first = lua(text:gsub("^(%s*)=", "%1 "))
  if list and first and not text:find("^%s*=") then line.add_beginnings(list) end
  return list
end

--- What may stand at the end of a text.
-- @tparam string text the line up to the cursor
-- @tparam[opt] string before the lines of the same statement before it
-- @return { start = place of the word in the line, words = what it may be, in order }; or nil
function M.complete(text, before)
  local list
  if before then
    list = lua(before .. "\n" .. text)
    if list then list.start = list.start - #before - 1 end
  else
    list = whole_line(text)
  end
  return list and list:answer()
end

--- For prompt.completer: goes on with the statement that the prompt reads.
function M.line(text) return M.complete(text, M.before) end

return M
