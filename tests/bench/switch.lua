-- switch_lost_1, switch_lost_2: echo frames that are lost, of 1000 a second, while a network changes its archetype from ip to
-- bridge and back; the two endpoints are on one node, or on two. The value is the worst of all changes, one way.
-- Usage: switch.lua NODES FIGURE
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local lost_during <const> = require "echo"

local NODES <const>, FIGURE <const> = math.tointeger(tonumber(arg[1])), arg[2]
local ROUNDS <const> = measure.rounds(10, 2)

local bed <const> = testbed.create { nodes = NODES }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local eps <const> = net:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm" .. NODES } }

local samples <const>, worst <const>, idle <const> = {}, { bridge = 0, ip = 0 }, {}
for i = 1, ROUNDS do
  for _, archetype in ipairs { "bridge", "ip" } do
    local lost, sent = lost_during(eps[1], eps[2], function() net:update { archetype = archetype } end)
    samples[#samples + 1] = lost
    worst[archetype] = math.max(worst[archetype], lost)
    measure.progress("round %d of %d: to %s, %d of %d frames lost", i, ROUNDS, archetype, lost, sent)
  end
  idle[i] = lost_during(eps[1], eps[2], function() sleep(0.2) end)
end
net:delete()
bed:delete()

local result <const> = measure.result(samples, ("to bridge %d, to ip %d, without a change %d"):format(worst.bridge, worst.ip,
  math.max(table.unpack(idle))))
result.value = math.max(worst.bridge, worst.ip)
measure.hand_over { [FIGURE] = result }
