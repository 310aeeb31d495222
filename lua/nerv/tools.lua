--- Small functions that scripts use everywhere; each is a global.
local api <const> = require "nerv.api"
local checks <const> = require "nerv.checks"
local task <const> = require "nerv.task"
local registry <const> = require "nerv.registry"
local runtime <const> = require "nerv.runtime"

local M = {}

M.sleep = task.sleep
M.spawn = task.spawn

function M.timeout(seconds, f, ...)
  local child <close> = task.spawn(f, ...)
  local limit = runtime.now() + seconds
  child:limit(seconds)   -- while it waits for nothing, no timer could end it
  if child:join(seconds) then
    local results = table.pack(pcall(child.wait, child))
    if results[1] then return table.unpack(results, 2, results.n) end
    if runtime.now() < limit then error(results[2], 0) end
  else
    child:cancel()
    child:join(5)
  end
  return nil, ("no end within %g s"):format(seconds), "timeout"
end

local function failure(what, value, message)
  return ("%s: %s"):format(what, tostring(message or "the value is " .. tostring(value)))
end

function M.expect(value, message, ...)
  if not value then registry.fail(failure("expect", value, message)) end
  return value, message, ...
end

function M.check(value, message, ...)
  local _, text
  if not value then _, text = pcall(registry.fail, failure("check", value, message)) end
  checks.note(text)
  return value, message, ...
end

function M.scenario(given) return require("nerv.scenario").new(given) end

local SCENARIO <const> = {
  name = { type = "string", required = true, doc = "what is tried, in a few words" },
  format = { type = "choice", choices = { "text", "tap", "json" }, default = "text",
    doc = "how the verdict is printed" },
  timeout = { type = "seconds", doc = "longest time of all steps together; by default none" },
}
local RESULTS <const> = {
  { name = "value", type = "any", text = "what must be true: a condition, or the result of a call" },
  { name = "message", type = "any", text = "what to say when it is not" },
  { name = "...", type = "rest", text = "further results of the call" },
}

local of_tasks <const> = registry.describe("task").functions

return api.globals("tools", "what scripts use everywhere: globals", M, {
  sleep = of_tasks.sleep, spawn = of_tasks.spawn,
  timeout = { text = "runs a function for a limited time; returns its results, or nil, a message and \"timeout\"",
    example = "timeout(1, h1.ping, h1, h2)",
    args = { { name = "seconds", type = "seconds", required = true, text = "longest time" },
      { name = "function", type = "function", required = true, text = "what to run; cancelled when the time is over" },
      { name = "...", type = "rest", text = "its arguments" } } },
  expect = { text = "fails the script unless the value is true; returns its arguments", args = RESULTS,
    example = "expect(h1:ping(h2))" },
  check = { text = "tells of a value that is not true and goes on; the script's exit status is then 1", args = RESULTS,
    example = "check(h1:ping(h2))\ncheck(blue.mtu == 1500, \"the MTU is the usual one\")" },
  scenario = { text = "begins a scenario: named steps with time limits and retries, clean-up and a verdict",
    example = "local s = scenario { name = \"reach\", format = \"tap\", timeout = 60 }\n" ..
      "s:step(\"ping\", { timeout = 10, retries = 5 }, function() return h1:ping(h2) end)\nexpect(s:finish())",
    args = { { name = "options", type = "table", required = true, text = "name, format, timeout",
      fields = SCENARIO } } },
})
