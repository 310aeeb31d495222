-- The registry and what there is: neither has a name that the other has not; each name has its text, and help for it.
local tap <const> = require "tap"
local command <const> = require "nerv.command"
local context <const> = require "nerv.context"
local kinds <const> = require "nerv.kinds"
local options <const> = require "nerv.options"
local reference <const> = require "nerv.reference"

-- A text that is there, and on one line without a full stop.
local function is_text(text) return type(text) == "string" and text:find "%S" and not text:find "[\n\r]" and not text:find "[^.]%.$" end

-- What is wrong with arguments, in a few words; nil when nothing is.
local function faults(args, where, found)
  for i, a in ipairs(args or {}) do
    local here = where .. " " .. tostring(a.name)
    if type(a.name) ~= "string" or a.name == "" then found[#found + 1] = where .. ": an argument has no name" end
    if not is_text(a.text) then found[#found + 1] = here .. ": no text: " .. tostring(a.text) end
    if a.type ~= "rest" and not options.type_text(a.type) then found[#found + 1] = here .. ": type " .. tostring(a.type) end
    if a.type == "rest" and i ~= #args and not args[#args].fields then found[#found + 1] = here .. ": not the last one" end
    if a.type == "choice" and (not a.choices or #a.choices == 0) then found[#found + 1] = here .. ": no choices" end
    if a.fields then faults(a.fields, here .. ".", found) end
  end
  return found
end

local entries <const> = reference.entries()
local by_key <const> = registry.describe()
local function key_of(entry) return (entry.what == "class" or entry.what == "command") and entry.what .. " " .. entry.name or entry.name end

tap.ok(#entries > 60, "there are many entries", #entries)
for _, entry in ipairs(entries) do
  tap.ok(is_text(entry.text), ("%s %s has a text"):format(entry.what, entry.name), entry.text)
  local found = {}
  for _, f in ipairs(entry.functions) do
    if not is_text(f.text) then found[#found + 1] = ("%s: no text: %s"):format(f.full, tostring(f.text)) end
    faults(f.args, f.full, found)
  end
  for name, text in pairs(entry.fields) do
    if not is_text(text) then found[#found + 1] = ("field %s: no text"):format(name) end
  end
  tap.eq(found, {}, ("%s %s: all its functions, arguments and fields have texts and types"):format(entry.what, entry.name))
end
for _, name in ipairs(options.type_names()) do tap.ok(is_text(options.type_text(name)), "type " .. name .. " has a text") end
for _, name in ipairs(kinds.names()) do
  local kind = kinds.get(name)
  local found = {}
  for property, p in pairs(kind.properties) do
    if not is_text(p.doc) then found[#found + 1] = property end
  end
  tap.ok(is_text(kind.text) and #found == 0, "kind " .. name .. " and its properties have texts", kind.text, found)
end

-- The functions of a table that are not described, and those described that it has not.
local function drift(described, holder)
  local found = {}
  for name, value in pairs(holder) do
    local internal = described.internal and described.internal[name]
    if type(value) == "function" and not name:find "^__" and not described.functions[name] and not internal then
      found[#found + 1] = name .. " is not described"
    end
  end
  for name in pairs(described.functions) do
    if type(rawget(holder, name)) ~= "function" then found[#found + 1] = name .. " is described only" end
  end
  table.sort(found)
  return found
end

for _, entry in ipairs(entries) do
  local described = by_key[key_of(entry)]
  local holder = described.holder
  if not holder and entry.what == "module" then holder = require("nerv." .. entry.name) end
  if not holder and entry.what == "class" then holder = debug.getregistry()[entry.name].__index end
  if type(holder) == "table" then
    tap.eq(drift(described, holder), {}, ("%s %s: described is what there is"):format(entry.what, entry.name))
  end
end
for name, module in pairs(context.globals) do
  local value = _G[name]
  local described = by_key[name] or registry.names()[value] == name or name == "commands"
  tap.ok(described, ("the global %s is described"):format(name), module)
end
for _, name in ipairs(command.names()) do tap.ok(by_key["command " .. name], ("the command %s is described"):format(name)) end

-- What a file describes is loaded with the rest.
local function lua_files(dir, list)
  for _, name in ipairs(file.list(dir)) do
    local path = dir .. "/" .. name
    if name:find "%.lua$" then list[#list + 1] = path elseif file.stat(path).type == "directory" then lua_files(path, list) end
  end
  return list
end
for _, path in ipairs(lua_files("lua/nerv", {})) do
  local text = file.read(path)
  for what, name in text:gmatch 'api%.(%l+)%("([%w_.]+)"' do
    local key = what == "class" and "class " .. name or name
    tap.ok(by_key[key], ("%s: %s is loaded"):format(path, key))
  end
end

-- Help for every name and every function.
local function helps(topic, text, title)
  local good, said = pcall(help.text, topic)
  local flat = good and said:gsub("%s+", " ")
  tap.ok(good and text and flat:find(text, 1, true), title, said, text)
end
for _, entry in ipairs(entries) do
  helps(entry.name, entry.text, ("help for %s %s"):format(entry.what, entry.name))
  local bad = {}
  for _, f in ipairs(entry.functions) do
    local good, said = pcall(help.text, f.full)
    if not good or not said:gsub("%s+", " "):find(f.text:gsub("%s+", " "), 1, true) then bad[#bad + 1] = f.full end
  end
  tap.eq(bad, {}, ("help for all of %s %s"):format(entry.what, entry.name))
end
local bad <const> = {}
for value, name in pairs(registry.names()) do
  local good, said = pcall(help.text, value)
  if not good or not said:find(name, 1, true) then bad[#bad + 1] = name end
end
tap.eq(bad, {}, "help for each function's value")
for _, name in ipairs(archetype.list()) do helps(name, archetype.load(name).summary, "help for archetype " .. name) end
for _, name in ipairs(kinds.names()) do helps("need." .. name, kinds.get(name).text, "help for need." .. name) end

-- Found by the examples: the first task was made before its class.
tap.eq(task.list()[#task.list()]:status(), "running", "the main task has methods")
tap.done()
