-- The first frame after a call, of somebody whom Open vSwitch has heard before: it remembers what became of his frames,
-- and has many others to remember, too.
-- With sanitizers in check-long only.
local tap <const> = require "tap"

local ROUNDS <const>, OTHERS <const> = 6, 1500
local ETHERTYPE <const> = 0x88b5   -- IEEE 802.1: local experiments
local net <const> = network.create { name = "blue", archetype = "ovs" }
local a <const> = net:endpoint { name = "a" }
expect(netns.add { path = "guest" })
local out <const> = expect(packet.open { netns = a.netns, link = "eth0", protocol = 1 })

local function frame(source, text)
  return packet.build { { type = "ethernet", dst = "ff:ff:ff:ff:ff:ff", src = source, ethertype = ETHERTYPE }, text }
end
local function speak()
  for i = 1, OTHERS do out:send(frame(("02:00:00:01:%02x:%02x"):format(i // 256, i % 256), "early")) end
  for _ = 1, 10 do out:send(frame(a.mac, "early")) end
end
local function hears(into, text)
  local limit <const> = runtime.now() + 2
  while runtime.now() < limit do
    local bytes = into:recv(limit - runtime.now())
    if bytes and bytes:find(text, 1, true) then return true end
  end
  return false
end

local heard = { 0, 0 }
for i = 1, ROUNDS do
  speak()
  for k, options in ipairs { { name = "b" }, { name = "b", kind = "veth", netns = "guest" } } do
    local b <const> = net:endpoint(options)
    local into <close> = expect(packet.open { netns = b.netns, link = "eth0", protocol = ETHERTYPE })
    out:send(frame(a.mac, "first " .. i))
    if hears(into, "first " .. i) then heard[k] = heard[k] + 1 end
    b:delete()
  end
end
netns.delete { path = "guest" }
tap.eq(heard, { ROUNDS, ROUNDS }, "a new endpoint gets the first frame that is sent to all")
tap.done()
