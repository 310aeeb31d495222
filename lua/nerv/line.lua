--- A line as it is typed at the prompt: a command, or Lua: an expression first, then a statement.
local command <const> = require "nerv.command"
local lab <const> = require "nerv.lab"

local M = {}

--- Whether a line is a command. One that may name an endpoint connects to a lab that is there, but starts none.
function M.is_command(text)
  if text:find("^%s*!") then return true end
  if not lab.active() and text:find("^%s*%w[%w._:-]*%s+%S") and lab.present() then lab.connection() end
  return command.is_command(text)
end

--- Compiles Lua.
-- @tparam string name of the chunk
-- @return the function, or nil and a message
function M.compile(text, name)
  local chunk = load("return " .. text, name)
  if chunk then return chunk end
  return load(text, name)
end

--- Whether a message of compile() says that more lines are needed.
function M.incomplete(message)
  return message ~= nil and message:find("<eof>", 1, true) ~= nil
end

local function show(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if value ~= nil or i > 1 then print(value) end
  end
end

--- Runs a line and shows the values of Lua. What begins with `!` is a command, what begins with `=` is Lua.
-- @tparam[opt="=prompt"] string name of the chunk, for errors in Lua
-- @return the exit status: 0, or the one of a program or command that has told its failure
-- @raise when it fails
function M.run(text, name)
  if M.is_command(text) then return command.run_line(text:match("^%s*!(.*)") or text) end
  local chunk, message = M.compile(text:gsub("^(%s*)=", "%1"), name or "=prompt")
  if not chunk then error(message, 0) end
  show(chunk())
  return 0
end

return M
