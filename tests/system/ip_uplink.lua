-- The way out of IP networks: two networks with equal addresses inside reach a machine outside, masqueraded, by an
-- interface of their home; nothing of the node answers them.
-- With sanitizers in check-long only.
local tap <const> = require "tap"

-- "Outside" is a machine behind the node's interface `wan`, which has an address of its own.
local outside <const> = "outside"
assert(netns.add { path = outside, lo_up = true })
assert(link.add { kind = "veth", name = "wan", up = true, peer = { name = "eth0", netns = outside } })
assert(link.set { name = "eth0", netns = outside, up = true })
assert(address.add { link = "wan", address = "198.51.100.2/24" })
assert(address.add { link = "eth0", address = "198.51.100.1/24", netns = outside })
assert(address.add { link = "wan", address = "2001:db8::2/64", dad = false })
assert(address.add { link = "eth0", address = "2001:db8::1/64", netns = outside, dad = false })

local function create(name, host)
  return network.create { name = name, archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", gateway = true,
    uplink = "wan", uplink_address = "198.51.100." .. host .. "/24", uplink_router = "198.51.100.1",
    uplink_address6 = "2001:db8::" .. host .. "/64", uplink_router6 = "2001:db8::1" }
end
local blue <const>, red <const> = create("blue", 10), create("red", 11)
local b <const>, r <const> = blue:endpoint { name = "h1" }, red:endpoint { name = "h1" }
tap.eq(b.address, r.address, "equal addresses inside")

for ep, own in pairs { [b] = "198.51.100.10", [r] = "198.51.100.11" } do
  local seen <close> = packet.open { link = "eth0", netns = outside, filter = "icmp" }
  tap.ok(ep:ping "198.51.100.1", ep.id .. " reaches the outside")
  local from
  repeat
    local bytes = seen:recv(2)
    local layers = bytes and packet.parse(bytes)
    for _, layer in ipairs(layers or {}) do
      if layer.type == "ipv4" and layer.dst == "198.51.100.1" then from = layer.src end
    end
  until from or not bytes
  tap.eq(from, own, "which sees the network's address there")
  tap.ok(ep:ping "2001:db8::1", "by IPv6, too")
end

-- Nothing of the node answers: neither its address on that interface, nor another one, nor a port.
assert(address.add { link = "lo", address = "203.0.113.9/32" })
local server <const> = process.spawn { argv = { "busybox", "nc", "-ll", "-p", "7777", "-e", "echo", "here" }, stdin = "null" }
tap.ok(tap.eventually(5, function()
  return process.run { argv = { "busybox", "nc", "-w", "1", "127.0.0.1", "7777" }, input = "" }.stdout == "here\n"
end), "the node has a server")
for _, target in ipairs { "198.51.100.2", "203.0.113.9", "2001:db8::2" } do
  tap.ok(not b:ping(target), "no answer from the node at " .. target)
  local result, _, _, failed = b:run("busybox", "nc", "-w", "1", target, "7777")
  tap.ok(not result or result.stdout == "", "and none of its server", result or failed)
end

server:kill "KILL"

-- In place, and repaired.
blue:update { uplink_address = "198.51.100.20/24" }
tap.ok(b:ping "198.51.100.1", "another address on that side")
for _ = 1, 3 do   -- the kernel takes its time to remove what a namespace held
  blue:update { archetype = "bridge" }
  blue:update { archetype = "ip" }
end
tap.ok(b:ping "198.51.100.1", "the way out comes back with the archetype, at once")
tap.eq({ #blue:verify(), #red:verify() }, { 0, 0 }, "all is as the rows want it")
local way <const> = lab.connection().hello.run_dir .. "/ns/blue+lan:gateway"
assert(link.delete { name = "uplink", netns = way })
assert(nftables.run { netns = way, commands = "flush ruleset" })
tap.ok(#blue:verify() > 0, "what was lost is noticed")
tap.ok(b:ping "198.51.100.1", "and mended")
blue:update { uplink = false }
tap.ok(not b:ping "198.51.100.1", "no way out any more")
blue:delete()
tap.ok(r:ping "198.51.100.1", "the other network stays")
red:delete()
address.delete { link = "lo", address = "203.0.113.9/32" }
local left = {}
for _, one in ipairs(link.list()) do
  if one.kind == "macvlan" then left[#left + 1] = one.name end
end
tap.eq({ left, link.get { name = "wan" } ~= nil }, { {}, true }, "nothing is left on the interface")
netns.delete { path = outside }
tap.done()
