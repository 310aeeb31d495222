--- The interactive prompt: reads lines, runs commands and Lua, prints values.
local prompt <const> = require "nerv.prompt"
local command <const> = require "nerv.command"
local runtime <const> = require "nerv.runtime"

local M = {}

-- An expression first, then a statement; more lines while Lua says that the text is incomplete.
local function compile(text)
  local chunk = load("return " .. text, "=prompt")
  if chunk then return chunk end
  return load(text, "=prompt")
end

local function incomplete(message)
  return message and message:find("<eof>", 1, true) ~= nil
end

local function show(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "table" and not getmetatable(value) then
      local keys = {}
      for k in pairs(value) do keys[#keys + 1] = k end
      table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
      for _, k in ipairs(keys) do print(("%s = %s"):format(tostring(k), tostring(value[k]))) end
    elseif value ~= nil or i > 1 then
      print(value)
    end
  end
end

local function evaluate(line)
  if line:match("^%s*!") then return command.run_line(line:match("!(.*)")) end
  if command.is_command(line) then return command.run_line(line) end
  local chunk, message = compile(line:gsub("^%s*=", ""))
  if not chunk then error(message, 0) end
  show(chunk())
end

local function read_whole()
  local text, why = prompt.read("nerv> ")
  while text and not command.is_command(text) do
    local chunk, message = compile(text)
    if chunk or not incomplete(message) then break end
    local more
    more, why = prompt.read("   >> ")
    if not more then return nil, why end
    text = text .. "\n" .. more
  end
  return text, why
end

--- Runs the prompt until the end of its input.
function M.run()
  while true do
    local line, why = read_whole()
    if line then
      if line:match("%S") then
        local job = prompt.foreground(evaluate, line)
        local good, message = pcall(job.wait, job)
        prompt.background()
        if not good then runtime.log(tostring(message)) end
      end
    elseif why == "end" then
      return print()
    end
  end
end

return M
