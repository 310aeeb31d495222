--- The interactive prompt: reads lines, runs commands and Lua, shows values.
local candidates <const> = require "nerv.candidates"
local command <const> = require "nerv.command"
local context <const> = require "nerv.context"
local complete <const> = require "nerv.complete"
local fault <const> = require "nerv.fault"
local history <const> = require "nerv.history"
local lab <const> = require "nerv.lab"
local literal <const> = require "nerv.literal"
local prompt <const> = require "nerv.prompt"
local runtime <const> = require "nerv.runtime"
local show <const> = require "nerv.show"
local suggest <const> = require "nerv.suggest"
local terminal <const> = require "nerv.terminal"

local M = {}

local inputs = {}    -- texts of what has been run, for errors
local session = {}   -- { text =, good = } of each

--- What this session has run: array of { text = one command or piece of Lua, good = whether it succeeded }.
function M.session() return session end

-- A local of one input would be gone at the next: at the prompt it lasts.
local function lasting(text)
  local named = text:match("^%s*local%s+(function%s+[%a_].*)$")
  if named then return named end
  local rest = text:match("^%s*local%s+(.*)$")
  local names = {}
  while rest do
    local name, behind = rest:match("^([%a_][%w_]*)%s*(.*)$")
    if not name then return text end
    local attribute, more = behind:match("^<%s*([%a_]+)%s*>%s*(.*)$")
    if attribute and attribute ~= "const" then return text end
    names[#names + 1], behind = name, more or behind
    rest = behind:match("^,%s*(.*)$")
    if not rest then
      local values = behind:find("^=") and behind or "= nil " .. behind
      return table.concat(names, ", ") .. " " .. values
    end
  end
  return text
end

-- An expression first, then a statement.
local function compile(text, name)
  text = text:gsub("^%s*=", "")
  return load("return " .. text, name) or load(lasting(text), name)
end

local function problem_of(text)
  local chunk = compile(text, "=prompt")
  if chunk then return nil end
  return select(2, load(lasting(text), "=prompt"))
end

-- Lines that go on with the statement before them.
local function continues(line)
  return line:find("^%s*[:.,=+*/%%^&|~<>(%[{\"']") ~= nil and not line:find("^%s*::")
    or line:find("^%s*%-[^%-]") ~= nil or line:find("^%s*and%f[%W]") ~= nil or line:find("^%s*or%f[%W]") ~= nil
end

local function is_command(line) return line:find("^%s*!") ~= nil or command.is_command(line) end

local function run_command(line)
  local status = command.run_line((line:gsub("^%s*!", "")))
  return status == 0
end

-- A syntax error in what may have been meant as a command.
local function misread(text, message)
  local word, rest = text:match("^%s*([%w_.-]+)[ \t]+([^\n]+)$")
  if not word or not rest:find("^[%w_@/-]") or literal.KEYWORDS[word] then return message end
  return ("%s; and there is no command or endpoint '%s'%s"):format(message, word, suggest(word, command.names()))
end

local function evaluate(text)
  if is_command(text) then return run_command(text) end
  local number = #inputs
  local chunk = compile(text, fault.chunk_name(number))
  if not chunk then error(misread(text, select(2, load(lasting(text), fault.chunk_name(number)))), 0) end
  local values = table.pack(chunk())
  if values[1] == io.stdout then return true end   -- io.write has said it all
  if values.n > 0 and values[1] ~= nil then rawset(_G, "_", values[1]) end
  show.values(table.unpack(values, 1, values.n))
  return true
end

-- Runs one statement in the foreground; returns whether it went well.
local function run(text, obvious)
  inputs[#inputs + 1] = text
  local job = prompt.foreground(xpcall, evaluate, fault.collect, text)
  local ended, good, result = pcall(job.wait, job)
  local interrupted = prompt.background()
  if interrupted then
    if terminal.there() then print() end
  elseif not ended then
    runtime.log(tostring(good))
  elseif not good then
    runtime.log(fault.text(result, inputs, obvious, show.colour()))
  end
  local well = ended and good and result and not interrupted or false
  session[#session + 1] = { text = text, good = well }
  return well
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\r?\n") do lines[#lines + 1] = line end
  return lines
end

-- What has been typed or pasted: its lines, of which those before `next` have been run.
local Input = {}
Input.__index = Input

-- One more line, of those that are there or from the terminal; nil when the input was dropped.
function Input:more()
  if self.next > #self.lines then
    complete.before = self.statement
    local text = prompt.read("   >> ")
    complete.before = nil
    if not text then return nil end
    table.move(lines_of(text), 1, #lines_of(text), #self.lines + 1, self.lines)
  end
  self.next = self.next + 1
  return self.lines[self.next - 1]
end

-- The next statement, or nil when there is none any more.
function Input:take()
  repeat
    if self.next > #self.lines then return nil end
    self.statement = self:more()
  until self.statement:find("%S")
  if is_command(self.statement) then return self.statement end
  while true do
    local problem = problem_of(self.statement)
    local unfinished = problem and problem:find("<eof>", 1, true)
    local following = self.lines[self.next]
    if not unfinished and not (not problem and following and continues(following)) then return self.statement end
    local line = self:more()
    if not line then return nil end
    self.statement = self.statement .. "\n" .. line
  end
end

local function run_input(text)
  local input = setmetatable({ lines = lines_of(text), next = 1 }, Input)
  local kept, ran = false, false
  local function keep()
    kept = true
    history.add(table.concat(input.lines, "\n"))
  end
  for statement in input.take, input do
    local last = input.next > #input.lines
    if last then keep() end
    ran = true
    if not run(statement, #input.lines == 1) and not last then
      local left = #input.lines - input.next + 1
      runtime.log(("%d %s not run"):format(left, left == 1 and "line after it was" or "lines after it were"))
      break
    end
  end
  if ran and not kept then keep() end
end

local function user_file()
  local config, home = os.getenv("XDG_CONFIG_HOME"), os.getenv("HOME")
  if not config or config == "" then config = home and home ~= "" and home .. "/.config" end
  return config and config .. "/nervsh/init.lua"
end

-- The user's own preferences, for prompts only.
local function run_user_file()
  local path = user_file()
  local file = path and not context.options["no-init"] and io.open(path)
  if not file then return end
  file:close()
  local chunk, message = loadfile(path)
  if not chunk then return runtime.log(message) end
  local good, problem = xpcall(chunk, fault.collect)
  if not good then runtime.log(fault.text(problem, inputs, false, show.colour())) end
end

local function plural(n, word) return ("%d %s%s"):format(n, word, n == 1 and "" or "s") end

local function farewell(what)
  local things = plural(what.networks, "network") .. ", " .. plural(what.endpoints, "endpoint")
  if what.ends then
    runtime.log(("the lab has ended: %s removed"):format(things))
  elseif what.others > 0 then
    runtime.log(("the lab goes on, %s use%s it: %s"):format(plural(what.others, "other shell"),
      what.others == 1 and "s" or "", things))
  else
    runtime.log(("the agent is kept, with %s"):format(things))
  end
end

--- Runs the prompt until the end of its input.
function M.run()
  prompt.completer(complete.line, candidates.list)
  history.load()
  run_user_file()
  lab.farewell = farewell
  if terminal.there() then
    print('nervsh: "help" explains, Tab completes, Ctrl-D leaves')
  end
  while true do
    local text, why = prompt.read("nerv> ")
    if text then
      run_input(text)
    elseif why == "end" then
      return
    end
  end
end

return M
