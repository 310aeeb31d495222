--- Completion of command lines: their words by the types of the commands' arguments.
local candidates <const> = require "nerv.candidates"
local command <const> = require "nerv.command"
local live <const> = require "nerv.live"
local words <const> = require "nerv.words"

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

local function add_words(list, names, quote)
  for _, name in ipairs(names) do
    local directory = name:find("/$")
    list:add(quote and name or words.quote(name), not directory and (quote or "") .. " " or nil)
  end
end

local function argument_words(list, argument, prefix, given, quote)
  if not argument then return end
  local names = candidates.values(argument, prefix, nil, given)
  if argument.type == "boolean" then names = { "true", "false" } end
  if argument.type == "rest" and not names then
    add_words(list, live.endpoints(prefix), quote)
    names = live.files(prefix)
  end
  if not names and argument.type == "file" then names = live.files(prefix) end
  add_words(list, names or {}, quote)
end

local function command_words(spec, list, prefix, done, quote)
  local argument, no_options = argument_of(spec, done)
  if prefix:find("^%-") and not no_options then
    for name, option in pairs(spec.options) do
      list:add("--" .. name, option.type == "boolean" and " " or " ", option.doc)
    end
    return
  end
  if argument and argument.type == "command" then return M.words(list, { table.unpack(done, 2) }, prefix, quote) end
  argument_words(list, argument, prefix, {}, quote)
end

-- In an endpoint: a program, then what it may be told.
local function program_words(list, prefix, done, quote)
  if #done == 1 and not prefix:find("/") then return add_words(list, live.programs(), quote) end
  local at = prefix:match("^@(.*)")
  if at then
    for _, name in ipairs(live.endpoints(at)) do list:add("@" .. name, " ") end
    return
  end
  if prefix ~= "" or command.takes_names(done[2]) then add_words(list, live.endpoints(prefix), quote) end
  add_words(list, live.files(prefix), quote)
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

function M.complete(text)
  local done, prefix, start, quote = split(text)
  if not done then return nil end
  local list = candidates.new(start, quote and prefix or words.quote(prefix))
  if prefix == "" then list.prefix = "" end
  M.words(list, done, prefix, quote)
  return list
end

return M
