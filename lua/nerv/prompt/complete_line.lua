--- Completion of command lines: their words by the types of the commands' arguments.
local candidates <const> = require "nerv.prompt.candidates"
local command <const> = require "nerv.command"
local live <const> = require "nerv.prompt.live"
local words <const> = require "nerv.command.words"

local M = {}

-- The word at the cursor and those before it; nil inside quotes that are not simple.
local function split(text)
  local done, places = words.split(text)
  if not done then
    local open = text:match("^.*()[\"']")
    done = words.split(text:sub(1, open - 1))
    if not done then return nil end
    return done, text:sub(open + 1), open + 1, text:sub(open, open)
  end
  if #done == 0 or text:find("%s$") then return done, "", #text + 1 end
  return done, table.remove(done), places[#places]
end

local function option_of(spec, word)
  for name, option in pairs(spec.options) do
    if word == "--" .. name or option.short and word == "-" .. option.short then return option end
  end
end

-- The argument that a command's next word is: walks over the words as command.lua does.
local function argument_of(spec, list)
  local taken, option, literal_words = 0, nil, false
  for i = 2, #list do
    local word = list[i]
    local argument = spec.args[taken + 1]
    if option then option = nil
    elseif word == "--" and not literal_words then literal_words = true
    elseif not literal_words and word:find("^%-.") and not (argument and argument.type == "rest" and taken > #spec.args)
    then
      option = option_of(spec, word)
      if option and option.type == "boolean" then option = nil end
    elseif argument and argument.type ~= "rest" then taken = taken + 1 end
  end
  return option or spec.args[taken + 1], option ~= nil or literal_words
end

-- A word so that it stays one.
local function escape(word) return (word:gsub("[^%w_./:=@%%+,~\128-\255-]", "\\%0")) end

local function add_words(list, names, quote)
  for _, name in ipairs(names) do
    local directory = name:find("/$")
    list:add(quote and name or escape(name), not directory and (quote or "") .. " " or nil)
  end
end

local function files_of(argument, prefix)
  return (argument.type == "file" or argument.type == "rest") and live.files(prefix) or {}
end

-- NAME=VALUE, as `create` and `update` take them.
local function add_pairs(list, known, prefix)
  local name, value = prefix:match("^([%w_]+)=(.*)$")
  local option = known[name]
  if not option then
    for other, o in pairs(known) do list:add(other .. "=", nil, o.doc) end
    return
  end
  local values = option.type == "boolean" and { "true", "false" } or candidates.values(option, value, nil, {}) or {}
  for _, one in ipairs(values) do list:add(escape(name .. "=" .. one), " ") end
end

local function argument_words(list, argument, prefix, done, quote)
  if argument.pairs then
    local good, known = pcall(argument.pairs, done)
    add_pairs(list, good and known or {}, prefix)
  end
  local names = argument.type == "boolean" and { "true", "false" } or candidates.values(argument, prefix, nil, done)
  if argument.type == "rest" and not names and not argument.pairs then
    add_words(list, live.endpoints(prefix), quote)
  end
  add_words(list, names or not argument.pairs and files_of(argument, prefix) or {}, quote)
end

local function command_words(spec, list, prefix, done, quote)
  local argument, no_options = argument_of(spec, done)
  if prefix:find("^%-") and not no_options then
    for name, option in pairs(spec.options) do list:add("--" .. name, " ", option.doc) end
  elseif argument and argument.command then
    M.words(list, { table.unpack(done, 2) }, prefix, quote)
  elseif argument then
    argument_words(list, argument, prefix, done, quote)
  end
end

-- A program, then what it may be told: endpoints and files.
local function program_words(list, prefix, done, quote)
  if #done == 1 and not prefix:find("/") then return add_words(list, live.programs(), quote) end
  local at = prefix:match("^@(.*)")
  for _, name in ipairs(at and live.endpoints(at) or {}) do list:add("@" .. name, " ") end
  if at then return end
  local bare = command.takes_names(done[2]) and live.endpoints(prefix) or {}
  add_words(list, #bare > 0 and bare or live.files(prefix), quote)
end

--- Names of commands and endpoints, which begin a command line.
function M.add_beginnings(list)
  for _, name in ipairs(command.names()) do
    local spec = name:sub(1, #list.prefix) == list.prefix and command.get(name)
    if spec then list:add(name, #spec.args > 0 and " " or nil, spec.text) end
  end
  for _, name in ipairs(live.endpoints(list.prefix)) do list:add(name, " ", "endpoint") end
end

--- The words of a command line, after those that are there.
function M.words(list, done, prefix, quote)
  if #done == 0 then return M.add_beginnings(list) end
  local spec = command.get(done[1])
  if spec then return command_words(spec, list, prefix, done, quote) end
  return program_words(list, prefix, done, quote)
end

local function is_endpoint(word)
  return live.class_of(rawget(_G, word)) == "endpoint" or rawget(_G, word) == nil and live.is_endpoint(word)
end

--- Whether the line is a command as far as it goes.
function M.is_command(text)
  local first, rest = text:match("^%s*(%S+)%s+(.*)$")
  if not first then return false end
  if rest:find("^[=~<>({%[.:,;\"']") or rest:find("^and%f[%W]") or rest:find("^or%f[%W]") then return false end
  return command.get(first) ~= nil or is_endpoint(first)
end

-- The place where an argument that is a whole line begins, and what kind of line it is.
local function inner_line(text)
  local name, at = text:match("^%s*(%S+)%s+()")
  local spec = name and command.get(name)
  local argument = spec and spec.args[1]
  if argument and argument.type == "line" then return at, argument end
end

--- The words that may stand at the end of a command line.
-- @tparam function line completes what is a line of its own again
-- @return candidates, or nil
function M.complete(text, line)
  local at, argument = inner_line(text)
  if at and argument.names ~= "program" then
    local list = line(text:sub(at))
    if list then list.start = list.start + at - 1 end
    return list
  end
  local done, prefix, start, quote = split(text)
  if not done then return nil end
  local list = candidates.new(start, quote and prefix or escape(prefix))
  if at then program_words(list, prefix, done, quote) else M.words(list, done, prefix, quote) end
  return list
end

return M
