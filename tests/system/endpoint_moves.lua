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

-- What a network hears of it: nothing where it is not to, above all where only EtherType 0x0880 crosses its switches.
-- A bridge itself tells by IGMP that it is one (RFC 4286).
local function heard(options)
  options.name, options.home = "quiet", "pm1"
  local net <const> = network.create(options)
  net:endpoint { { name = "q1", node = "pm1" }, { name = "q2", node = "pm2", mac = MAC:gsub("77", "79") } }
  local c <close> = expect(net:get("q1"):capture { filter = "not ether proto 0x0880 and not igmp" })
  net:delete_endpoints { "q2" }
  net:endpoint { name = "q2", node = "pm1", mac = MAC:gsub("77", "79") }
  net:get("q2"):update { mac = MAC:gsub("77", "7a") }
  net:endpoint { name = "q3", node = "pm2", mac = MAC:gsub("77", "79") }
  sleep(0.5)   -- nothing is what is waited for
  local types = {}
  for i, p in ipairs(c:stop().packets) do types[i] = packet.parse(p.bytes).ethernet.ethertype end
  net:delete()
  return types
end
tap.eq(heard { archetype = "bridge" }, { 0x8035, 0x8035 }, "a network is told by reverse ARP")
tap.eq(heard { archetype = "bridge", announce = false }, {}, "unless it is not to be")
tap.eq(heard { archetype = "ovs", announce = false }, {}, "nor one on Open vSwitch")
tap.eq(heard { archetype = "etarch" }, {}, "one without addresses hears nothing of it")

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
