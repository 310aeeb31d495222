--- help: what there is, from the same tables that check the arguments.
local registry <const> = require "nerv.registry"
local archetypes <const> = require "nerv.archetype"
local options <const> = require "nerv.options"
local context <const> = require "nerv.context"
local suggest <const> = require "nerv.suggest"

local function option_lines(description)
  local lines = {}
  for _, name in ipairs(options.sorted_keys(description)) do
    local o = description[name]
    lines[#lines + 1] = ("  %-12s %-8s %s%s"):format(name, o.type, o.doc,
      o.required and " (required)" or o.default ~= nil and (" (default %s)"):format(tostring(o.default)) or "")
  end
  return table.concat(lines, "\n")
end

local function archetype_text(name)
  local def = archetypes.load(name)
  if not def then return nil end
  return ("archetype %s: %s\nnetwork options:\n%s\nendpoint options:\n%s"):format(name, def.summary,
    option_lines(def.network), option_lines(def.endpoint))
end

local function argument_lines(args, indent)
  local lines = {}
  for _, a in ipairs(args) do
    lines[#lines + 1] = ("%s%-14s %s%s"):format(indent, a.name, a.text, a.required and " (required)" or "")
    if a.fields then lines[#lines + 1] = argument_lines(a.fields, indent .. "  ") end
  end
  return table.concat(lines, "\n")
end

local function module_text(name)
  local good = pcall(require, "nerv." .. name)
  local d = good and registry.describe(name)
  if not d then return nil end
  local lines = { name .. ": " .. d.text }
  for _, f in ipairs(options.sorted_keys(d.functions)) do
    lines[#lines + 1] = ("  %s.%s: %s"):format(name, f, d.functions[f].text)
  end
  return table.concat(lines, "\n")
end

local function function_text(name)
  local module, f = name:match("^([%w_]+)[.:]([%w_]+)$")
  if not module or not pcall(require, "nerv." .. module) then return nil end
  local d = registry.describe(module)
  local entry = d and d.functions[f]
  return entry and ("%s: %s\n%s"):format(name, entry.text, argument_lines(entry.args, "  "))
end

local function overview()
  local command <const> = require "nerv.command"
  local lines = { "Commands:" }
  for _, name in ipairs(command.names()) do
    lines[#lines + 1] = ("  %-10s %s"):format(name, command.get(name).text)
  end
  lines[#lines + 1] = "  ENDPOINT PROGRAM ARGUMENTS   runs a program in an endpoint; @NAME is an address,"
  lines[#lines + 1] = "             and so is a bare NAME for " .. table.concat(command.programs, ", ")
  lines[#lines + 1] = "Everything else is Lua. Archetypes: " .. table.concat(archetypes.list(), ", ")
  lines[#lines + 1] = "Modules: " .. table.concat(options.sorted_keys(context.globals), ", ")
  lines[#lines + 1] = "help \"ip\", help \"link\", help \"link.add\" say more."
  return table.concat(lines, "\n")
end

--- Prints help on a topic: an archetype, a module, a function, or an overview.
return function(topic)
  if topic == nil then return print(overview()) end
  topic = tostring(topic)
  local text = archetype_text(topic) or function_text(topic) or module_text(topic)
  if text then return print(text) end
  local names = options.sorted_keys(context.globals)
  table.move(archetypes.list(), 1, #archetypes.list(), #names + 1, names)
  registry.fail(("help: nothing is known of '%s'%s"):format(topic,
    suggest(topic, names)))
end
