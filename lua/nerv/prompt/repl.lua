--- The interactive prompt: reads lines, runs commands and Lua, shows values.
local candidates <const> = require "nerv.prompt.candidates"
local context <const> = require "nerv.context"
local complete <const> = require "nerv.prompt.complete"
local fault <const> = require "nerv.prompt.fault"
local history <const> = require "nerv.prompt.history"
local lab <const> = require "nerv.lab"
local line <const> = require "nerv.prompt.line"
local prompt <const> = require "nerv.prompt"
local runtime <const> = require "nerv.runtime"
local show <const> = require "nerv.prompt.show"
local task <const> = require "nerv.task"
local terminal <const> = require "nerv.terminal"

local M = {}

local inputs = {}    -- texts of what has been run, for errors
local session = {}   -- { text =, good = } of each

--- What this session has run: array of { text = one command or piece of Lua, good = whether it succeeded }.
function M.session() return session end

-- Runs one statement in the foreground; returns whether it went well.
local function run(text, obvious)
  inputs[#inputs + 1] = text
  local job = prompt.foreground(xpcall, line.run, fault.collect, text, fault.chunk_name(#inputs))
  local ended, good, result = pcall(job.wait, job)
  local interrupted = prompt.background()
  if interrupted then
    if terminal.there() then print() end
  elseif not ended then
    runtime.log(tostring(good))
  elseif not good then
    runtime.log(fault.text(result, inputs, obvious, show.colour()))
  end
  local well = ended and good and result == 0 and not interrupted
  session[#session + 1] = { text = text, good = well }
  return well
end

-- A session that is pasted from a manual has prompts.
local function lines_of(text)
  local lines = {}
  for one in (text .. "\n"):gmatch("([^\n]*)\r?\n") do
    lines[#lines + 1] = one:gsub("^%s*nerv> ", ""):gsub("^   >> ", "")
  end
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
  local known, is_command = pcall(line.is_command, self.statement)
  if not known or is_command then return self.statement end   -- what it raises, raises in run(), too
  while true do
    local chunk, problem = line.compile(self.statement, "=prompt")
    local following = self.lines[self.next]
    if not line.incomplete(problem) and not (chunk and following and line.continues(following)) then
      return self.statement
    end
    local more = self:more()
    if not more then return nil end
    self.statement = self.statement .. "\n" .. more
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
  if what.ends and what.networks == 0 then
    runtime.log("the lab has ended: there was nothing in it")
  elseif what.ends then
    runtime.log(("the lab has ended: %s removed"):format(things))
  elseif what.others > 0 then
    runtime.log(("the lab goes on, %s use%s it: %s"):format(plural(what.others, "other shell"),
      what.others == 1 and "s" or "", things))
  else
    runtime.log(("the agent is kept, with %s"):format(things))
  end
end

-- Names of a lab that is there can be completed from the first line on. Others may have to be told of its failure.
local function join_lab()
  if lab.present() then pcall(lab.connection) end
end

--- Runs the prompt until the end of its input.
function M.run()
  prompt.completer(complete.line, candidates.list)
  history.load()
  run_user_file()
  lab.farewell = farewell
  task.spawn(join_lab)
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
