--- A line as it is typed at the prompt: a command, or Lua: an expression first, then a statement.
local command <const> = require "nerv.command"
local fault <const> = require "nerv.prompt.fault"
local lab <const> = require "nerv.lab"
local literal <const> = require "nerv.prompt.literal"
local runtime <const> = require "nerv.runtime"
local show <const> = require "nerv.prompt.show"
local suggest <const> = require "nerv.suggest"

local M = {}

--- Whether a line is a command. One that may name an endpoint connects to a lab that is there, but starts none.
function M.is_command(text)
  if text:find("^%s*!") then return true end
  if not lab.active() and text:find("^%s*%w[%w._:-]*%s+%S") and lab.present() then lab.connection() end
  return command.is_command(text)
end

-- A local of one line would be gone at the next: here it lasts.
local function lasting(text)
  local named = text:match("^%s*local%s+(function%s+[%a_].*)$")
  if named then return named end
  local names, rest = {}, text:match("^%s*local%s+(.*)$")
  while rest do
    local name, behind = rest:match("^([%a_][%w_]*)%s*(.*)$")
    if not name then return text end
    local attribute, more = behind:match("^<%s*([%a_]+)%s*>%s*(.*)$")
    if attribute and attribute ~= "const" then return text end
    names[#names + 1], behind = name, more or behind
    rest = behind:match("^,%s*(.*)$")
    if not rest then
      return table.concat(names, ", ") .. " " .. (behind:find("^=") and behind or "= nil " .. behind)
    end
  end
  return text
end

--- Compiles Lua; what begins with `=` is an expression.
-- @tparam string name of the chunk
-- @return the function, or nil and a message
function M.compile(text, name)
  text = text:gsub("^(%s*)=", "%1")
  local chunk = load("return " .. text, name)
  if chunk then return chunk end
  return load(lasting(text), name)
end

--- Whether a message of compile() says that more lines are needed.
function M.incomplete(message)
  return message ~= nil and message:find("<eof>", 1, true) ~= nil
end

--- Whether a line goes on with the statement before it, which is whole without it.
function M.continues(text)
  return text:find("^%s*[:.,=+*/%%^&|~<>(%[{\"']") ~= nil and not text:find("^%s*::")
    or text:find("^%s*%-[^%-]") ~= nil or text:find("^%s*and%f[%W]") ~= nil or text:find("^%s*or%f[%W]") ~= nil
end

-- A syntax error in what may have been meant as a command.
local function misread(text, message)
  local word, rest = text:match("^%s*([%w_.-]+)[ \t]+([^\n]+)$")
  if not word or not rest:find("^[%w_@/-]") or literal.KEYWORDS[word] then return message end
  return ("%s; and there is no command or endpoint '%s'%s"):format(message, word, suggest(word, command.names()))
end

--- Runs a line and shows the values of Lua, of which `_` keeps the first. What begins with `!` is a command.
-- @tparam[opt="=prompt"] string name of the chunk, for errors in Lua
-- @return the exit status: 0, or the one of a program or command that has told its failure
-- @raise when it fails
function M.run(text, name)
  if M.is_command(text) then return command.run_line(text:match("^%s*!(.*)") or text) end
  local chunk, message = M.compile(text, name or "=prompt")
  if not chunk then error(misread(text, message), 0) end
  local values = table.pack(chunk())
  if values[1] == io.stdout then return 0 end   -- io.write has said it all
  if values[1] ~= nil then rawset(_G, "_", values[1]) end
  show.values(table.unpack(values, 1, values.n))
  local bare = values.n == 1 and values[1] == nil and text:match("^%s*([%a_][%w_]*)%s*$")
  local where = bare and fault.whereabouts(bare)
  if where then runtime.log(where) end
  return 0
end

return M
