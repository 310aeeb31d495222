-- nodes_100_s: a testbed of 100 nodes on one database, one network over all of them, an endpoint on each, until all are
-- active. No node may starve meanwhile or after: each says that it lives, and none is found stale.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"

local COUNT <const> = measure.rounds(100, 4)
-- Seconds in which each node must have said twice that it lives, afterwards.
local ALIVE <const> = 30

local starved <const> = {}
local function look()
  for _, row in pairs(lab.state().rows.Node) do
    if row.state == "stale" then starved[row.name] = true end
  end
end
local watcher <const> = task.spawn(function()
  while true do
    look()
    sleep(0.25)
  end
end)

local began <const> = runtime.now()
local bed <const> = testbed.create { nodes = COUNT }
local joined <const> = runtime.now() - began
local net <const> = network.create { name = "all", archetype = "ip", subnet = "10.64.0.0/16", home = "pm1" }
local specs <const> = {}
for i, name in ipairs(bed.names) do specs[i] = { name = "e" .. i, node = name } end
local eps <const> = net:endpoint(specs)
local took <const> = runtime.now() - began

for _, ep in ipairs(eps) do expect(ep.state == "active", ep.id .. " is " .. ep.state) end
expect(eps[1]:ping(eps[COUNT], 3))
expect(eps[COUNT // 2]:ping(eps[1], 3))
local seen <const> = {}
for _, name in ipairs(bed.names) do seen[name] = lab.state():node(name).seen end
local function all_said()
  for name, before in pairs(seen) do
    if lab.state():node(name).seen < before + 2 then return false end
  end
  return true
end
measure.wait_until("all nodes to say that they live", all_said, ALIVE)
look()
watcher:cancel()

net:delete()
bed:delete()
local names <const> = {}
for name in pairs(starved) do names[#names + 1] = name end
measure.hand_over { nodes_100_s = { value = took, low = took, high = took, count = 1, starved = #names,
  note = ("joined after %.1f s, %d starved %s"):format(joined, #names, table.concat(names, " ")) } }
