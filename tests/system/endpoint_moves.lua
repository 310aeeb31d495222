-- Who comes to have what was another's is reached by the first packet after the call: another MAC address for an
-- address that neighbours know, another endpoint with an address, another node with a MAC address.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

testbed.create { nodes = 2 }
local V4 <const>, V6 <const>, MAC <const> = "10.1.0.77", "fd00:1::77", "02:00:00:00:00:77"
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", home = "pm1" }
local h1 <const>, h2 <const> = table.unpack(blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } })

local function knows(text)
  for _, ep in ipairs { h1, h2 } do
    for _, target in ipairs { V4, V6 } do
      local answer, why = ep:ping(target)
      tap.ok(answer, ("%s: %s reaches %s at once"):format(text, ep.name, target), why)
    end
  end
end

local a = blue:endpoint { name = "a", node = "pm2", address = V4, address6 = V6 }
knows "new"
a:update { mac = MAC }
knows "another MAC address"
a:delete()
a = blue:endpoint { name = "b", node = "pm2", address = V4, address6 = V6 }
knows "another endpoint"
a:delete()
a = blue:endpoint { name = "b", node = "pm1", address = V4, address6 = V6 }
knows "another node"
local other <const> = blue:endpoint { name = "c", node = "pm2" }
a:update { address = false, address6 = false, mac = false }
a:update { address = "10.1.0.78", address6 = "fd00:1::78" }
other:update { address = V4, address6 = V6 }
knows "an address that was given up"

-- A frame of somebody who has no address, and has said nothing yet.
local green <const> = network.create { name = "green", archetype = "bridge", home = "pm1" }
green:endpoint { { name = "g1", node = "pm1" }, { name = "g2", node = "pm2", mac = MAC:gsub("77", "78") } }
local g1 <const> = green:get "g1"
local function first_frame()
  local g2 <const> = green:get "g2"
  local into <close> = packet.open { netns = g2.netns, link = "eth0", protocol = 0x88b5 }
  local out <close> = packet.open { netns = g1.netns, link = "eth0", protocol = 1 }
  out:send(packet.build { { type = "ethernet", src = g1.mac, dst = g2.mac, ethertype = 0x88b5 }, "hello" })
  return into:recv(2) ~= nil
end
crash.flow(green:get "g2", g1):stop()   -- the bridges know where it is
green:delete_endpoints { "g2" }
green:endpoint { name = "g2", node = "pm1", mac = MAC:gsub("77", "78") }
tap.ok(first_frame(), "a frame finds its way to another node")

-- An agent that starts does not know what was before.
local processes <const> = crash.processes()
other:update { mac = MAC }
knows "before an agent's end"
local former <const> = { pm2 = processes.pm2() }
crash.signal({ former.pm2 }, "KILL")
other:update { mac = false }
tap.ok(crash.restarted(processes, former), "an agent is killed meanwhile and starts again")
knows "after it"
tap.done()
