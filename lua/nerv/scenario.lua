--- Scenarios: named steps with time limits and retries, clean-up that runs whatever happens, and a verdict.
--
-- @usage
--   local s = scenario { name = "ring", format = "tap", timeout = 60 }
--   local net
--   s:step("make", function() net = network.create { name = "ring", archetype = "ring" } end)
--   s:defer("delete", function() net:delete() end)
--   s:step("ping", { timeout = 10, retries = 5 }, function() expect(net:get("a"):ping(net:get "b")) end)
--
-- A step fails when its function raises, returns nil and a message, or a `check` in it fails; the steps behind it are
-- skipped. The verdict comes with s:finish(), else with the end of the script, also of one that was interrupted. The
-- script's exit status is 1 when a scenario failed.
local api <const> = require "nerv.api"
local checks <const> = require "nerv.checks"
local json <const> = require "nerv.json"
local options <const> = require "nerv.options"
local progress <const> = require "nerv.progress"
local registry <const> = require "nerv.registry"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local Scenario = { __name = "scenario" }
local methods = {}
Scenario.__index = methods

-- Seconds that a function which is cancelled gets to end, and that a clean-up has.
local CANCEL_LIMIT <const>, CLEANUP_LIMIT <const> = 5, 60

local STEP <const> = {
  timeout = { type = "seconds", doc = "longest time of the step with all its attempts; by default none" },
  retries = { type = "integer", default = 0, doc = "how often it is tried again when it fails" },
  interval = { type = "seconds", default = 0.5, doc = "time between two attempts" },
  always = { type = "boolean", default = false, doc = "do not skip it when an earlier step failed" },
}

local open = {}          -- scenarios without a verdict, oldest first
local any_failed = false
local running            -- the scenario whose step runs

-- Writers of verdicts: step(record, number) when a step has ended, finish(scenario) at the end.
local formats <const> = {}

local function first_line(text) return (tostring(text):match("^[^\n]*")) end

local function yaml(record)
  local lines = { "  ---", ("  duration_ms: %.3f"):format(record.duration * 1000) }
  if record.attempts > 1 then lines[#lines + 1] = "  attempts: " .. record.attempts end
  if record.message then lines[#lines + 1] = "  message: " .. json.encode(record.message) end
  lines[#lines + 1] = "  ..."
  return table.concat(lines, "\n")
end

-- Test Anything Protocol, version 13. Its descriptions have no '#'.
formats.tap = {
  begin = function() print("TAP version 13") end,
  step = function(record, number)
    local good = record.verdict == "passed" or record.verdict == "skipped"
    local name = record.name:gsub("[#\n]", " ")
    print(("%s %d - %s%s"):format(good and "ok" or "not ok", number, name,
      record.verdict == "skipped" and " # SKIP " .. record.message or ""))
    if record.verdict ~= "skipped" then print(yaml(record)) end
  end,
  finish = function(self)
    local count = #self.steps
    for _, record in ipairs(self.cleanup) do
      if record.message then
        count = count + 1
        formats.tap.step({ name = "clean-up: " .. record.name, verdict = "failed", message = record.message,
          duration = record.duration, attempts = 1 }, count)
      end
    end
    if self.message then print("Bail out! " .. first_line(self.message)) end
    print("1.." .. count)
  end,
}

formats.json = {
  begin = function() end,
  step = function() end,
  finish = function(self)
    print(json.encode { name = self.name, verdict = self.verdict, message = self.message, duration = self.duration,
      steps = self.steps, cleanup = self.cleanup })
  end,
}

local function text_line(verdict, name, duration, message)
  print((("  %-11s %-30s %9.3f s  %s"):format(verdict, name, duration, message or ""):gsub("%s+$", "")))
end

formats.text = {
  begin = function(self) print("scenario " .. self.name) end,
  step = function(record)
    local again = record.attempts > 1 and ("(%d attempts) "):format(record.attempts) or ""
    text_line(record.verdict, record.name, record.duration, again .. (record.message or ""))
  end,
  finish = function(self)
    for _, record in ipairs(self.cleanup) do
      if record.message then text_line("failed", "clean-up: " .. record.name, record.duration, record.message) end
    end
    local failed = 0
    for _, record in ipairs(self.steps) do failed = failed + (record.verdict == "failed" and 1 or 0) end
    print(("%s: %s%d of %d steps failed, %.3f s"):format(self.verdict, self.message and self.message .. "; " or "",
      failed, #self.steps, self.duration))
  end,
}

local function rounded(seconds) return math.floor(seconds * 1e6 + 0.5) / 1e6 end

-- Runs a function in a task of its own.
-- @tparam ?number limit seconds
-- @return true and its results; or false, what is wrong (nil: its time was over), and whether it was interrupted
local function guarded(limit, f, ...)
  local child <close> = task.spawn(f, ...)
  if limit then child:limit(limit) end
  local began = runtime.now()
  local waited, ended = pcall(child.join, child, limit or -1)
  if not waited or not ended then
    child:cancel()
    pcall(child.join, child, CANCEL_LIMIT)
  end
  if not waited then return false, ended, true end
  local results = table.pack(pcall(child.wait, child))
  if results[1] then return table.unpack(results, 1, results.n) end
  if limit and runtime.now() >= began + limit then return false end
  return false, tostring(results[2]), results[2] == "interrupted"
end

-- One attempt of a step. Returns as guarded().
local function attempt(limit, f)
  local list = { count = 0, failed = {} }
  local outer <const> = checks.collect(list)
  local results = table.pack(guarded(limit, f))
  checks.collect(outer)
  if not results[1] then return table.unpack(results, 1, results.n) end
  if #list.failed > 0 then return false, table.concat(list.failed, "; ") end
  if not results[2] and type(results[3]) == "string" then return false, results[3] end
  return table.unpack(results, 1, results.n)
end

-- When the step must have ended, and what to say of one that has not; nil when there is no limit.
local function limit_of(self, given)
  local own = given.timeout and runtime.now() + given.timeout
  if self.limit and (not own or self.limit < own) then
    return self.limit, ("the scenario's %g s are over"):format(self.timeout)
  end
  return own, own and ("no end within %g s"):format(given.timeout)
end

-- Tries until it goes well; a failure that is seen before the time is over says more than that it is over.
local function attempts(self, record, given, f)
  local limit, over = limit_of(self, given)
  local results = { false, over }
  while not limit or runtime.now() < limit do
    record.attempts = record.attempts + 1
    local former <const> = results[2]
    results = table.pack(attempt(limit and limit - runtime.now(), f))
    if not results[1] and results[2] == nil then results[2] = record.attempts > 1 and former or over end
    if results[1] or results[3] or record.attempts > given.retries then break end
    if limit and runtime.now() + given.interval >= limit then break end
    task.sleep(given.interval)
  end
  return results
end

local function note(self, record)
  self.steps[#self.steps + 1] = record
  formats[self.format].step(record, #self.steps)
end

local function check_arguments(self, given, f)
  if type(given) == "function" then given, f = {}, given end
  if type(f) ~= "function" then registry.fail("scenario:step: a function is expected at the end") end
  local values, message = options.check("scenario:step", STEP, given)
  if not values then registry.fail(message) end
  if self.verdict then registry.fail(("scenario:step: scenario %s has its verdict already"):format(self.name)) end
  if running then
    registry.fail(("scenario:step: step %s of scenario %s runs still"):format(running.at.name, running.name))
  end
  return values, f
end

local function skip(self, name, why)
  note(self, { name = name, verdict = "skipped", duration = 0, attempts = 0, message = why })
  return nil, why
end

function methods:step(name, given, f)
  given, f = check_arguments(self, given, f)
  if self.failed and not given.always then return skip(self, name, "an earlier step failed") end
  local record = { name = name, attempts = 0 }
  local began = runtime.now()
  local _ <close> = progress.start(function()
    return ("scenario %s: %s%s"):format(self.name, name,
      record.attempts > 1 and (", attempt %d"):format(record.attempts) or "")
  end)
  running, self.at, self.at_since = self, record, began
  local good, results = pcall(attempts, self, record, given, f)
  if not good then results = { false, results, true } end   -- between two attempts
  running, self.at = nil, nil
  record.duration = rounded(runtime.now() - began)
  record.verdict = results[1] and "passed" or results[3] and "interrupted" or "failed"
  record.message = not results[1] and tostring(results[2]) or nil
  note(self, record)
  if results[1] then
    if results[2] == nil then return true end
    return table.unpack(results, 2, results.n)
  end
  self.failed = true
  if results[3] then error(results[2], 0) end
  return nil, record.message
end

function methods:defer(name, f)
  if type(name) == "function" then name, f = "clean-up " .. #self.deferred + 1, name end
  if type(name) ~= "string" or type(f) ~= "function" then
    registry.fail("scenario:defer: a function is expected, or a name and a function")
  end
  self.deferred[#self.deferred + 1] = { name = name, f = f }
end

-- Newest first; each one whatever became of the others.
local function clean_up(self)
  local good = true
  while #self.deferred > 0 do
    local one = table.remove(self.deferred)
    local began = runtime.now()
    local _ <close> = progress.start(function() return ("scenario %s: %s"):format(self.name, one.name) end)
    local went_well, message = guarded(CLEANUP_LIMIT, one.f)
    self.cleanup[#self.cleanup + 1] = { name = one.name, verdict = went_well and "passed" or "failed",
      duration = rounded(runtime.now() - began), message = not went_well and tostring(message) or nil }
    good = good and went_well
  end
  return good
end

local function conclude(self, interrupted)
  for i, one in ipairs(open) do
    if one == self then table.remove(open, i) end
  end
  local clean = clean_up(self)
  if #self.steps == 0 and not self.message then self.message = "no step ran" end
  self.verdict = interrupted and "interrupted" or (self.failed or self.message or not clean) and "failed" or "passed"
  self.duration = rounded(runtime.now() - self.began)
  any_failed = any_failed or self.verdict ~= "passed"
  formats[self.format].finish(self)
end

function methods:finish()
  if running == self then registry.fail("scenario:finish: a step runs still") end
  if not self.verdict then conclude(self, false) end
  return self.verdict == "passed", self.verdict
end

-- A scenario that the end of the script found open. An interruption is no failure of the step.
local function abandon(self, status)
  if self.at then   -- os.exit
    self.at.verdict, self.at.message = "failed", "os.exit was called"
    self.at.duration = rounded(runtime.now() - self.at_since)
    running, self.failed = nil, true
    note(self, self.at)
  elseif status ~= 0 and status ~= 130 then
    self.message = "the script failed"
  end
  if status == 130 then self.message = "interrupted" end
  conclude(self, status == 130)
end

local M = {}

--- The end of the program; see shell/main.c.
-- @tparam integer status what it would exit with
-- @return its exit status
function M.leave(status)
  while #open > 0 do abandon(open[#open], status) end
  return status == 0 and any_failed and 1 or status
end

--- Begins a scenario; see tools.lua for what it is given.
function M.new(given)
  local self = setmetatable({ name = given.name, format = given.format, began = runtime.now(), steps = {},
    cleanup = {}, deferred = {}, failed = false }, Scenario)
  self.timeout, self.limit = given.timeout, given.timeout and self.began + given.timeout
  open[#open + 1] = self
  formats[self.format].begin(self)
  return self
end

api.class("scenario", "named steps with time limits and retries, and a verdict", methods, {
  step = { text = "runs a step; returns what its function returns, or nil and what is wrong",
    example = "local s = scenario { name = \"reach\" }\n" ..
      "s:step(\"ping\", { timeout = 10, retries = 5 }, function() return h1:ping(h2) end)",
    args = { { name = "name", type = "string", required = true, text = "what the step does" },
      { name = "options", type = "any", text = "a table; may be left out", fields = STEP, open = true },
      { name = "function", type = "function",
        text = "the step; it fails by an error, by returning nil and a message, or by a failed `check`" } } },
  defer = { text = "notes what must be done at the end, whatever happens; the last one first",
    example = "local s = scenario { name = \"clean\" }\n" ..
      "s:defer(\"delete\", function() h2:delete() end)\ns:step(\"nothing\", function() end)",
    args = { { name = "name", type = "any", text = "what is done; may be left out" },
      { name = "function", type = "function", text = "does it, within 60 s" } } },
  finish = { text = "cleans up and prints the verdict; returns whether all went well, and the verdict",
    example = "local s = scenario { name = \"nothing\", format = \"json\" }\n" ..
      "s:step(\"nothing\", function() end)\nexpect(s:finish())" },
}, { name = "its name", verdict = "\"passed\", \"failed\" or \"interrupted\", once it is finished" })

return M
