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
local chat <const> = require "chat"
local clip <const> = require "clip"
local results_module <const> = require "results"
local throughput <const> = require "throughput"
local video <const> = require "video"
local views <const> = require "views"

local RATE <const> = "100mbit"
local PLACES <const> = { "raw", "ip", "sdn" }
-- A video is shown for as long as is measured, at most once through.
local CLIP_SECONDS <const> = clip.PICTURES // clip.RATE

local function usage(message)
  io.stderr:write("paper: ", message, "\nusage: paper.lua [--short | --seconds N] [--out DIR] [--again]\n")
  os.exit(2)
end

local function read_arguments(words)
  local o = { seconds = 60, out = "build/paper", again = false }
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
local results <const> = results_module.open(o.out, o.again, { seconds = o.seconds, rate = RATE, machine = machine() })
local found <const> = results.data

-- What is done, in this order: { name, made_with = what decides over the result, retries =, run = function(bed) }.
local steps <const> = {}
local function add(name, made_with, run, retries)
  steps[#steps + 1] = { name = name, made_with = made_with, run = run, retries = retries or 0 }
end

local function draw(nets)
  for name, view in pairs(views.write(o.out, nets)) do found.views[name] = view end
end

add("views", {}, function(bed) draw { ip = bed.ip, sdn = bed.sdn } end)

-- The list without what is of one network, and with what is new of it.
local function exchanged(list, name, new)
  for _, record in ipairs(list) do
    if record.network ~= name then new[#new + 1] = record end
  end
  table.sort(new, function(a, b) return a.network .. a.client < b.network .. b.client end)
  return new
end

local pictures <const> = math.min(o.seconds, CLIP_SECONDS) * clip.RATE
for _, name in ipairs { "ip", "sdn" } do
  add("video " .. name, { pictures = pictures }, function(bed)
    local dir <close> = video.prepare()
    local net <const> = bed[name]
    found.video = exchanged(found.video, name, video.show(net, { server = net:get "h1",
      clients = { net:get "h2", net:get "h3" }, pictures = pictures, dir = dir.path, out = o.out }))
  end)
end

-- A first message may be lost while switches learn of who is new: then it is said again, as people do.
add("chat", {}, function(bed)
  local net <const> = bed.etarch
  found.chat = chat.talk({ net:get "h1", net:get "h3", net:get "h2" }, { "alice", "bob", "carol" }, {
    { 1, "does anybody have an address here?" }, { 2, "no, only titles" }, { 3, "and I read you both" } },
    function() draw { etarch = net } end)     -- with those who talk
end, 2)

-- The two ends of a measurement, and the address of the second.
local function ends(bed, place)
  if place == "raw" then return bed.testbed:node "pm1", bed.testbed:node "pm2", bed.testbed:address "pm2" end
  local from <const>, to <const> = bed[place]:get "h2", bed[place]:get "h4"
  return from, to, to.address
end

for _, place in ipairs(PLACES) do
  for _, protocol in ipairs { "tcp", "udp" } do
    add(protocol .. " " .. place, { seconds = o.seconds, rate = RATE }, function(bed)
      local from <const>, to <const>, address <const> = ends(bed, place)
      found.throughput[place] = found.throughput[place] or {}
      found.throughput[place][protocol] = throughput[protocol](from, to, address, o.seconds)
    end)
  end
end

local missing <const> = {}
for _, step in ipairs(steps) do
  if not results:has(step.name, step.made_with) then missing[#missing + 1] = step end
end

local function run_missing()
  local s <const>, bed <const> = scenario { name = "paper" }, bed_module.new()
  s:defer("take the testbed down", function() bed:take_down() end)
  if not s:step("testbed", function() bed:build(RATE) end) then return end
  for _, step in ipairs(missing) do
    local good, reason = s:step(step.name, { always = true, retries = step.retries }, function() step.run(bed) end)
    if good then results:keep(step.name, step.made_with) else results:fail(step.name, reason) end
  end
  s:finish()
end

if #missing < #steps then
  print(("paper: %d of %d steps are in %s; --again does all of them"):format(#steps - #missing, #steps, results.path))
end
if #missing > 0 then run_missing() end
for _, step in ipairs(steps) do
  local reason <const> = found.failed[step.name]
  if reason then io.stderr:write(("paper: %s: %s\n"):format(step.name, reason)) end
end
print(("paper: %s/index.html"):format(o.out))
