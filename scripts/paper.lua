#!/usr/bin/env nervsh
-- The paper's testbed (sections 4 and 5): two nodes joined at 100 Mbit/s and three networks at once, IP, SDN and
-- ETArch, on both. VLC serves a video over HTTP in the IP and in the SDN network, people chat in the ETArch network,
-- and iperf3 measures TCP and UDP between the nodes, without virtualization and in the networks. What was found, beside
-- the paper's numbers, is a page: build/paper/index.html.
--
-- Usage: nervsh scripts/paper.lua [--short | --seconds N] [--out DIR] [--again]
--   --short       measure for 10 s each
--   --seconds N   measure for N s each; by default 60, as in the paper
--   --out DIR     where the results go; by default build/paper
--   --again       do all of it; by default only what is not there yet, or was made with other options
-- It may be interrupted at any time: the next run does the rest.

io.stdout:setvbuf "line"
local HERE <const> = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = ("%s/common/?.lua;%s/paper/?.lua;%s"):format(HERE, HERE, package.path)
local bed_module <const> = require "bed"
local results_module <const> = require "results"
local steps_module <const> = require "steps"
local work <const> = require "work"

local RATE <const> = "100mbit"

local function usage(message)
  io.stderr:write("paper: ", message, "\nusage: paper.lua [--short | --seconds N] [--out DIR] [--again]\n")
  os.exit(2)
end

local function read_arguments(words)
  local o = { seconds = 60, rate = RATE, out = "build/paper", again = false }
  local i = 1
  local function value()
    i = i + 1
    return words[i] or usage(words[i - 1] .. " needs a value")
  end
  while words[i] do
    if words[i] == "--short" then o.seconds = 10
    elseif words[i] == "--again" then o.again = true
    elseif words[i] == "--out" then o.out = value()
    elseif words[i] == "--seconds" then
      o.seconds = math.tointeger(tonumber(value()))
      if not o.seconds or o.seconds < 1 then usage("--seconds: a whole number from 1 on is expected") end
    else usage("unknown: " .. words[i])
    end
    i = i + 1
  end
  return o
end

local function machine()
  local _, cores = file.read("/proc/cpuinfo"):gsub("processor%s*:", "")
  return { kernel = file.read("/proc/sys/kernel/osrelease"):match "%S+", cores = cores,
    nervsh = process.run { argv = { process.exe(), "--version" } }.stdout:match "%d%S*" }
end

local o <const> = read_arguments(arg)
work.sweep()
local results <const> = results_module.open(o.out, o.again, { seconds = o.seconds, rate = o.rate, machine = machine() })
local steps <const> = steps_module.list(results.data, o)

local missing <const> = {}
for _, step in ipairs(steps) do
  if not results:has(step.name, step.made_with) then
    step.put(nil)
    missing[#missing + 1] = step
  end
end

local function run(s, bed, step)
  local new, reason = s:step(step.name, { always = true }, function() return step.run(bed) end)
  step.put(new)
  if new then results:keep(step.name, step.made_with) else results:fail(step.name, reason) end
end

local function run_missing()
  local s <const>, bed <const> = scenario { name = "paper" }, bed_module.new()
  s:defer("take the testbed down", function() bed:take_down() end)
  local good, reason = s:step("testbed", function() bed:build(o.rate) end)
  if not good then results:fail("testbed", reason) end
  for _, step in ipairs(good and missing or {}) do run(s, bed, step) end
  s:finish()
  for name, why in pairs(results.data.failed) do io.stderr:write(("paper: %s: %s\n"):format(name, why)) end
end

if #missing < #steps then
  print(("paper: %d of %d steps are in %s; --again does all of them"):format(#steps - #missing, #steps, results.path))
end
if #missing > 0 then run_missing() end
print(("paper: %s/index.html"):format(o.out))
