--- Command lines: `nodes`, `net list -f json`, `h1 ping -c1 h2`. Everything else is Lua.
--
-- A command is a module of lua/nerv/commands/ that returns its description:
--   name, text   its word, and one line of what it does
--   args         array of arguments as in api.lua; words are read by their types (an "endpoint" arrives as object);
--                `choices` of such a type are taken as they stand;
--                a "rest" with mixed = true may have options among its words;
--                a "line", the last one, is the text of all further words as it was typed
--   options      NAME = option as in options.lua, with `short` = one letter: given as --NAME VALUE or -x VALUE,
--                a boolean without value; a _ of NAME is typed as -
--   columns      what it returns are records with these fields, or a function of run's argument that returns them:
--                `-f table|json|csv` prints them
--   render(records, a)  the text of format table, where a table of the columns is not what people want to see
--   example      a command line that runs as it stands, where api.lua's `blue`, `h1` and `h2` are
--   run(a)       gets arguments and options by name; returns records, a text to print, or nothing; and, when it
--                failed all the same, a second value: what is wrong (nil when that has been told), and a third:
--                the exit status, by default 1
-- command.define adds one from Lua.
local api <const> = require "nerv.api"
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local put <const> = require "nerv.put"
local records <const> = require "nerv.command.records"
local registry <const> = require "nerv.registry"
local runtime <const> = require "nerv.runtime"
local suggest <const> = require "nerv.suggest"
local words <const> = require "nerv.command.words"

local M = {}

local FORMAT <const> = { type = "choice", choices = records.FORMATS, default = "table", short = "f",
  doc = "how the records are printed" }

local known = {}
local names        -- name -> true, of all commands; read when first asked for

function M.define(spec)
  for _, field in ipairs { "name", "text", "run" } do
    if spec[field] == nil then registry.fail(("command.define: field '%s' is missing"):format(field)) end
  end
  spec.args, spec.options = spec.args or {}, spec.options or {}
  if spec.columns then spec.options.format = FORMAT end
  known[spec.name] = spec
  if names then names[spec.name] = true end
  local args = { table.unpack(spec.args) }
  args[#args + 1] = next(spec.options) and { name = "options", type = "table", text = "options by name",
    fields = spec.options } or nil
  api.record("command " .. spec.name, spec.text, { [spec.name] = { text = spec.text, args = args,
    example = spec.example } })
  return spec
end

local function all_names()
  if names then return names end
  names = {}
  for _, entry in ipairs(file.list(context.data_dir .. "/lua/nerv/commands") or {}) do
    local name = entry:match("^([%w_]+)%.lua$")
    if name then names[name] = true end
  end
  for name in pairs(known) do names[name] = true end
  return names
end

function M.names() return options.sorted_keys(all_names()) end

--- A command's description, or nil.
function M.get(name)
  if known[name] then return known[name] end
  if not all_names()[name] then return nil end
  return M.define((require("nerv.commands." .. name)))
end

--- An endpoint as NETWORK:NAME, or by bare name: of the preferred network, else of the only one that has it.
-- @return the endpoint, or nil
-- @raise when several networks have one of that name
function M.find_endpoint(word, preferred)
  local network <const> = require "nerv.network"
  local net, name = word:match("^([^:]+):(.+)$")
  net, name = net or preferred, name or word
  if net then
    local n = context.valid_name(net) and network.get(net)
    local e = n and n:get(name)
    if e or net ~= preferred then return e or nil end
  end
  local found
  for _, n in ipairs(network.list()) do
    local e = n:get(word)
    if e and found then registry.fail(("endpoint '%s' is in networks %s and %s: name it NETWORK:%s"):format(
      word, found.network, n.name, word)) end
    found = found or e
  end
  return found
end

-- A live endpoint, or a variable that holds one.
local function endpoint_of(word)
  local variable = rawget(_G, word)
  local meta = getmetatable(variable)
  if type(meta) == "table" and meta.__name == "endpoint" then return variable end
  return M.find_endpoint(word)
end

local function names_of(list)
  local found = {}
  for i, object in ipairs(list) do found[i] = object.id or object.name end
  return found
end

local function all_endpoints()
  local list = {}
  for _, net in ipairs(require("nerv.network").list()) do
    for _, e in ipairs(net:endpoints()) do
      list[#list + 1] = e.id
      list[#list + 1] = e.name
    end
  end
  return list
end

local function unknown(what, word, known_names)
  return nil, ("there is no %s '%s'%s"):format(what, word, suggest(word, known_names))
end

--- A network by name.
-- @return the network, or nil and what is wrong
function M.find_network(word)
  local network <const> = require "nerv.network"
  local net = context.valid_name(word) and network.get(word)
  if net then return net end
  return unknown("network", word, names_of(network.list()))
end

-- Values of words, by the type of the argument; a type that is not here takes the word as it stands.
local readers <const> = {
  integer = function(word) return math.tointeger(tonumber(word)) or word end,
  number = function(word) return tonumber(word) or word end,
  seconds = function(word) return tonumber(word) or word end,
  boolean = function(word) return word == "true" or word ~= "false" and word end,
  endpoint = function(word)
    local e = endpoint_of(word)
    if e then return e end
    return unknown("endpoint", word, all_endpoints())
  end,
  network = function(word) return M.find_network(word) end,
  node = function(word)
    local node <const> = require "nerv.node"
    local n = node.get(word)
    if n then return n end
    return unknown("node", word, names_of(node.list()))
  end,
}
for _, name in ipairs { "mtu", "count" } do readers[name] = readers.integer end

-- Types of a last argument that takes all that is left.
local taken_whole <const> = { rest = true, line = true }

local function read_word(spec, name, option, word)
  for _, choice in ipairs(option.choices or {}) do
    if word == choice then return word end
  end
  local value, message = word, nil
  if readers[option.type] then value, message = readers[option.type](word) end
  if value == nil then registry.fail(("%s: %s"):format(spec.name, message)) end
  local good
  good, message = options.check_value(option, value)
  if not good then registry.fail(("%s: %s '%s': %s"):format(spec.name, name, word, message)) end
  return options.value(option, value)
end

--- An option as it is typed.
function M.option_word(name) return "--" .. name:gsub("_", "-") end

local function option_names(spec)
  local list = {}
  for name, option in pairs(spec.options) do
    list[#list + 1] = M.option_word(name)
    if option.short then list[#list + 1] = "-" .. option.short end
  end
  table.sort(list)
  return list
end

local function find_option(spec, word)
  for name, option in pairs(spec.options) do
    if word == M.option_word(name) or option.short and word == "-" .. option.short then return name, option end
  end
  local list = option_names(spec)
  registry.fail(("%s: unknown option '%s'%s"):format(spec.name, word,
    suggest(word, list, #list > 0 and "; there are " .. table.concat(list, " ") or "; it has none")))
end

-- Reads the option at `i`; returns the place behind it.
local function take_option(spec, list, i, values)
  local word, inline = list[i], nil
  if word:find("^%-%-[^=]+=") then word, inline = word:match("^([^=]+)=(.*)$") end
  local name, option = find_option(spec, word)
  if option.type == "boolean" and not inline then
    values[name] = true
    return i + 1
  end
  if not inline then
    i = i + 1
    inline = list[i]
    if not inline then registry.fail(("%s: option '%s' needs a value (%s)"):format(spec.name, word, option.doc)) end
  end
  values[name] = read_word(spec, name, option, inline)
  return i + 1
end

-- Options come before the words of a "rest" or a "line", which are taken as they stand; unless it is mixed.
-- @tparam function text_from the text from the word of a number on
local function arguments(spec, list, text_from)
  local values, taken, i, literal = {}, 0, 1, next(spec.options) == nil and #spec.args > 0
    and taken_whole[spec.args[1].type]
  while i <= #list do
    local argument = spec.args[taken + 1]
    if list[i] == "--" and not literal then
      literal, i = true, i + 1
    elseif not literal and list[i]:find("^%-.") and not tonumber(list[i]) then
      i = take_option(spec, list, i, values)
    elseif not argument then
      registry.fail(("%s: too many arguments: '%s'"):format(spec.name, list[i]))
    elseif argument.mixed then
      values[argument.name] = values[argument.name] or {}
      table.insert(values[argument.name], list[i])
      i = i + 1
    elseif taken_whole[argument.type] then
      values[argument.name] = argument.type == "rest" and { table.unpack(list, i) } or text_from(i)
      taken, i = taken + 1, #list + 1
    else
      values[argument.name] = read_word(spec, argument.name, argument, list[i])
      taken, i = taken + 1, i + 1
    end
  end
  for j = taken + 1, #spec.args do
    local argument = spec.args[j]
    if argument.required then
      registry.fail(("%s: argument '%s' is missing (%s)"):format(spec.name, argument.name, argument.text))
    end
    if argument.type == "rest" then values[argument.name] = values[argument.name] or {} end
  end
  for name, option in pairs(spec.options) do
    if values[name] == nil then values[name] = option.default end
  end
  return values
end

-- What is shown of a command's result.
local function text_of(spec, values, result)
  if type(result) ~= "table" or not spec.columns then return result == nil and "" or tostring(result) .. "\n" end
  if spec.render and values.format == "table" then return spec.render(result, values) end
  return records.text(type(spec.columns) == "function" and spec.columns(values) or spec.columns, result, values.format)
end

-- A failure that has a status of its own is told, but raises nothing.
local function told(message, status)
  io.stdout:flush()
  runtime.log("nervsh: " .. message)
  return status
end

--- Programs whose arguments may be endpoints' bare names.
M.programs = { "arping", "curl", "iperf3", "mtr", "nc", "ping", "ssh", "tracepath", "traceroute", "wget" }

--- Whether bare names of endpoints among a program's arguments are addresses.
function M.takes_names(program)
  for _, name in ipairs(M.programs) do
    if name == program then return true end
  end
  return false
end

-- @NAME is an address; for some programs a bare name is one, too, where it stands alone.
local function addresses(list, endpoint)
  local bare = M.takes_names(list[1])
  for i = 2, #list do
    local name = list[i]:match("^@(.+)$")
    local target = (name or bare) and M.find_endpoint(name or list[i], endpoint.network)
    if target and target.address then
      list[i] = target.address
    elseif name then
      registry.fail(("%s: %s"):format(list[i],
        target and "the endpoint has no address" or "there is no such endpoint"))
    end
  end
end

--- The exit status that a program's end gives: its own, or 128 and the number of the signal that ended it.
function M.exit_status(status) return status.exit or 128 + status.signal end

-- A program's failure is its own affair: its status becomes ours.
local function run_in(endpoint, list)
  addresses(list, endpoint)
  local good, message, _, status = endpoint:exec(table.unpack(list))
  if good then return 0 end
  if not (status and (status.exit or status.signal)) then registry.fail(message) end
  return told(message, M.exit_status(status))
end

--- Whether a line is a command: a registered word alone or followed by a blank and no Lua operator.
function M.is_command(line)
  local first, rest = line:match("^%s*(%S+)%s*(.-)%s*$")
  if not first then return false end
  local operator = rest:match("^[=~<>({%[.:,;\"']") or rest:match("^and%f[%W]") or rest:match("^or%f[%W]")
  if all_names()[first] then return not operator end
  if rest == "" or operator or not first:match("^%w[%w._:-]*$") then return false end
  local variable = rawget(_G, first)
  local meta = getmetatable(variable)
  if type(meta) == "table" and meta.__name == "endpoint" then return true end
  return lab.active() and variable == nil and M.find_endpoint(first) ~= nil
end

-- A lab of this shell alone takes along what a command has just made: who types one command expects it to last.
local function tell_of_end()
  lab.farewell = lab.farewell or function(what)
    if what.ends and what.networks > 0 then
      runtime.log("nervsh: the lab has ended, and its networks with it; nervsh --keep leaves a lab running")
    end
  end
end

--- Runs a command whose words are known.
-- @tparam string first the command's name, or an endpoint's
-- @tparam table list the other words
-- @tparam[opt] function text_from the text, as it was typed, from the word of a number on
-- @tparam[opt] function take takes the text that the command returns; by default it is printed
-- @return the exit status: 0, or the one of a program that was run in an endpoint
-- @raise when the command is unknown or fails
function M.run_words(first, list, text_from, take)
  local spec = M.get(first)
  if spec and list[1] == "--help" then
    require("nerv.help")(first)
    return 0
  end
  if spec then
    local values = arguments(spec, list, text_from or function(i) return words.join(list, i) end)
    local result, problem, status = spec.run(values)
    if spec.options.dry_run and not values.dry_run then tell_of_end() end
    local text = text_of(spec, values, result)
    if text ~= "" then (take or put)(text) end
    if not problem then return status or 0 end
    if status then return told(("%s: %s"):format(first, problem), status) end
    registry.fail(("%s: %s"):format(first, problem))
  end
  local endpoint = endpoint_of(first)
  if not endpoint then
    registry.fail(("unknown command or endpoint '%s'%s"):format(first,
      suggest(first, M.names(), "; 'help' lists the commands")))
  end
  return run_in(endpoint, list)
end

-- Whether a command takes a line: of that what is no sequence of words may be Lua.
local function takes_line(name)
  local spec = name and M.get(name)
  local last = spec and spec.args[#spec.args]
  return last and last.type == "line"
end

function M.run_line(line, take)
  local list, places, so_far, places_so_far = words.split(line)
  if not list then
    if not takes_line(so_far[1]) then registry.fail(places) end
    list, places = so_far, places_so_far
  end
  local first = table.remove(list, 1)
  if not first then return 0 end
  return M.run_words(first, list, function(i) return line:sub(places[i + 1]):match("^(.-)%s*$") end, take)
end

-- commands.NAME(arguments..., { options }) is the command for scripts: it returns what the command would print.
local callable <const> = {}

local function call(spec, ...)
  local given, values, chosen = table.pack(...), {}, {}
  if type(given[given.n]) == "table" and not getmetatable(given[given.n]) then
    chosen = table.remove(given, given.n)
    given.n = given.n - 1
  end
  for i, argument in ipairs(spec.args) do
    if argument.type == "rest" then
      values[argument.name] = { table.unpack(given, i) }
      given.n = #spec.args
    else
      values[argument.name] = given[i]
      if given[i] ~= nil then
        local value = given[i]
        if type(value) == "string" then value = read_word(spec, argument.name, argument, value) end
        local good, message = options.check_value(argument, value)
        if not good then registry.fail(("%s: %s: %s"):format(spec.name, argument.name, message)) end
        values[argument.name] = value
      elseif argument.required then
        registry.fail(("%s: argument '%s' is missing (%s)"):format(spec.name, argument.name, argument.text))
      end
    end
  end
  if given.n > #spec.args then registry.fail(("%s: too many arguments (%d expected)"):format(spec.name, #spec.args)) end
  local message
  chosen, message = options.check(spec.name, spec.options, chosen)
  if not chosen then registry.fail(message) end
  for name, value in pairs(chosen) do values[name] = value end
  local result, problem, status = spec.run(values)
  if problem or status and status ~= 0 then
    return nil, problem or "exit status " .. status, status and "EXIT" or "failed",
      status and { exit = status } or result
  end
  if result == nil then return true end
  return result
end

setmetatable(callable, { __index = function(_, name)
  local spec = M.get(name)
  if not spec then
    registry.fail(("there is no command '%s'%s"):format(tostring(name), suggest(name, M.names())))
  end
  return function(...) return call(spec, ...) end
end })
M.callable = callable

return api.module("command", "command lines", M, {
  define = { text = "adds a command; the head of lua/nerv/command.lua describes its fields; returns it",
    args = { { name = "command", type = "table", required = true, text = "name, text, args, options, columns, run"
    .. " ..." } },
    example = [[
command.define { name = "hello", text = "greet", args = { { name = "who", type = "string", text = "whom" } },
  run = function(a) return "hello " .. (a.who or "world") end }
command.run_line "hello you"]] },
  names = { text = "returns the names of all commands", example = 'print(table.concat(command.names(), " "))' },
  run_line = { text = "runs a command line; returns its exit status, not 0 when a program in an endpoint failed",
    args = { { name = "line", type = "string", required = true, text = "as typed at the prompt" },
      { name = "take", type = "function", text = "takes the text of records; by default it is printed" } },
    example = 'command.run_line "h1 ping -c1 h2"' },
  get = { internal = true }, find_endpoint = { internal = true }, find_network = { internal = true },
  is_command = { internal = true },
  run_words = { internal = true }, exit_status = { internal = true }, option_word = { internal = true },
  takes_names = { internal = true },
})
