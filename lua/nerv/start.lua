-- The first Lua file of every nervsh: where modules come from, what is global,
-- and what the command line asked for.
local options, actions, dir = ...

local function read_file(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text, problem = file:read("a")
  file:close()
  if not text then return nil, ("%s: %s"):format(path, problem) end
  return text
end

-- Modules "nerv.X" come from NERV's own directory. Their chunk names begin with
-- "@nerv:", which is how errors tell a user's line from ours.
table.insert(package.searchers, 2, function(name)
  local part = name:match("^nerv%.(.+)$")
  if not part then return nil end
  part = part:gsub("%.", "/")
  local path = dir .. "/lua/nerv/" .. part .. ".lua"
  local text, message = read_file(path)
  if not text then return "\n\t" .. message end
  local chunk, problem = load(text, "@nerv:" .. part .. ".lua")
  if not chunk then error(problem, 0) end
  return chunk, path
end)

local context <const> = require "nerv.context"
context.options = options
context.data_dir = dir

-- Globals are loaded when they are first used, so that a script pays for what it needs.
local registry <const> = require "nerv.registry"
local globals <const> = {
  network = "nerv.network", node = "nerv.node", testbed = "nerv.testbed",
  archetype = "nerv.archetype", nve = "nerv.nve", json = "nerv.json", help = "nerv.help",
  cidr = "nerv.cidr", lab = "nerv.lab", show = "nerv.prompt.show", command = "nerv.command", kinds = "nerv.kinds",
  configuration = "nerv.configuration", entity = "nerv.entity", openflow = "nerv.openflow",
}
for _, name in ipairs(registry.modules()) do
  if not globals[name] then globals[name] = "nerv." .. name end
end
context.globals = globals
local tools <const> = { "sleep", "timeout", "expect", "check", "scenario", "spawn" }
for _, name in ipairs(tools) do globals[name] = "nerv.tools" end
globals.commands = "nerv.command"

-- A module that names what it has not.
local function named(name, module)
  if type(module) ~= "table" or getmetatable(module) then return module end
  return setmetatable(module, {
    __name = "module",
    __tostring = function() return ("module %s: %s"):format(name, registry.describe(name).text) end,
    __index = function(_, key)
      local functions <const> = require("nerv.options").sorted_keys(registry.describe(name).functions)
      registry.fail(("there is no '%s.%s'%s"):format(name, tostring(key), require "nerv.suggest"(key, functions,
        ("; help '%s' lists what there is"):format(name))))
    end,
  })
end

setmetatable(_G, {
  __index = function(_, name)
    local module = globals[name]
    if not module then return nil end
    local value = require(module)
    if module == "nerv.tools" then value = value[name]
    elseif name == "commands" then value = value.callable
    else value = named(name, value) end
    rawset(_G, name, value)
    return value
  end,
})

local function run_text(text, name, ...)
  local chunk, message = load(text, name)
  if not chunk then error(message, 0) end
  return chunk(...)
end

local function leave_unless_zero(status)
  if status ~= 0 then os.exit(status) end
end

local function run_action(action)
  if action.kind == "code" then
    run_text(action.text, "=-e")
  elseif action.kind == "command" then
    leave_unless_zero(require("nerv.command").run_line(action.text))
  else
    rawset(_G, action.text, require(action.text))
  end
end

-- `nervsh FILE` runs a script; where there is no such file, `nervsh COMMAND` runs a command.
local function is_command(word)
  local stat = require("nerv.file").stat(word)
  return (not stat or stat.type == "directory") and require("nerv.command").get(word) ~= nil
end

local function script_text(file)
  if file == "-" then return io.read("a"), "=stdin" end
  local text, message = read_file(file)
  if text then return (text:gsub("^#[^\n]*", "", 1)), "@" .. file end
  local near = not file:find("/", 1, true) and registry.nearest(file, require("nerv.command").names())
  error("cannot read " .. message .. (near and (", and no command; did you mean '%s'?"):format(near) or ""), 0)
end

if options.agent then
  return require("nerv.agent").run()
end
for _, action in ipairs(actions) do run_action(action) end
local terminal <const> = require "nerv.terminal"
local nothing_else <const> = #actions == 0 and not arg[0]
if arg[0] and is_command(arg[0]) then
  leave_unless_zero(require("nerv.command").run_words(arg[0], { table.unpack(arg) }))
elseif arg[0] or (nothing_else and not options.interactive and not terminal.there()) then
  local text, name = script_text(arg[0] or "-")
  run_text(text, name, table.unpack(arg))
end
if options.interactive or (nothing_else and terminal.there()) then
  require("nerv.prompt.repl").run()
end
