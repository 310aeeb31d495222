-- mixed_networks_s: ten networks of each kind, ip, sdn and etarch, on two nodes with four endpoints each, made at the same
-- time: seconds until all are there and every one carries what it is for from one node to the other.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local protocol <const> = require "nerv.protocol"

local KINDS <const> = { "ip", "sdn", "etarch" }
local OF_EACH <const> = measure.rounds(10, 2)
local NODES <const> = { "pm1", "pm2" }
local SECONDS <const> = 60

local bed <const> = testbed.create { nodes = #NODES }

-- Megabytes of the nodes' agents together.
local function memory()
  local sum = 0
  for _, name in ipairs(NODES) do
    local pid <const> = expect(protocol.call(lab.socket(name), { call = "hello" })).pid
    sum = sum + tonumber(file.read(("/proc/%d/status"):format(pid)):match "VmRSS:%s+(%d+)") / 1024
  end
  return sum
end

-- An entity on each node, and a message from one to the other.
local function converse(net)
  local function register(name) return entity.register { title = name, netns = net:get(name).netns, tries = 100 } end
  local a <close> = expect(register "e1")
  local b <close> = expect(register "e2")
  expect(a:create "room" and b:attach "room")
  measure.wait_until(net.name, function()
    a:send("room", "hello\n")
    return b:receive(0.1)
  end, SECONDS)
end

local function make(kind, i)
  local net <const> = network.create { name = kind .. i, archetype = kind, home = NODES[i % #NODES + 1],
    subnet = kind ~= "etarch" and "10.1.0.0/24" or nil }
  local eps <const> = net:endpoint { { name = "e1", node = "pm1" }, { name = "e2", node = "pm2" },
    { name = "e3", node = "pm1" }, { name = "e4", node = "pm2" } }
  if kind == "etarch" then return converse(net) end
  measure.wait_until(net.name, function()
    return eps[1]:run("ping", "-c1", "-W1", eps[2].address) and eps[4]:run("ping", "-c1", "-W1", eps[3].address)
  end, SECONDS)
end

-- Seconds that it takes to do something for all networks, each in a task of its own.
local function for_all(f)
  local began <const>, tasks <const> = runtime.now(), {}
  for i = 1, OF_EACH do
    for _, kind in ipairs(KINDS) do tasks[#tasks + 1] = spawn(f, kind, i) end
  end
  for _, one in ipairs(tasks) do one:wait() end
  return runtime.now() - began
end

local before <const> = memory()
local took <const> = for_all(make)
local after <const> = memory()
measure.progress("%d networks made, and all work, in %.1f s", OF_EACH * #KINDS, took)
local deleted <const> = for_all(function(kind, i) network.get(kind .. i):delete() end)
bed:delete()
measure.hand_over { mixed_networks_s = { value = took, low = took, high = took, count = 1,
  note = ("deleted in %.1f s; both agents %.0f MB, %.0f before"):format(deleted, after, before) } }
