-- A network changes its archetype while it runs: endpoints keep namespace, interface and MAC
-- address, and going back gives the same addresses.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1", mtu = 1400 }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm2", address = "10.1.0.200" },
  { name = "h4", node = "pm1", mac = "02:00:00:00:00:44" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"

local function ends()
  local list = {}
  for i, ep in ipairs(net:endpoints()) do
    local l = link.get { name = "eth0", netns = ep.netns }
    list[i] = { name = ep.name, netns = ep.netns, inode = file.stat(ep.netns).ino, index = l.index, mac = l.mac, up = l.up,
      mtu = l.mtu, wanted_mac = ep.mac }
  end
  return list
end

local function addresses()
  local list = {}
  for _, ep in ipairs(net:endpoints()) do
    for _, a in ipairs(address.list { netns = ep.netns, link = "eth0" }) do
      if a.address:find(".", 1, true) then list[#list + 1] = ep.name .. " " .. a.address end
    end
  end
  return list
end

local former <const>, first <const> = ends(), addresses()
tap.eq(#first, 4, "each endpoint has an address")
tap.ok(h1:ping(h2, 3) and net:get("h4"):ping(net:get "h3"), "before: the endpoints reach each other across nodes")
local marker <const> = expect(h1:run("sh", "-c", "sleep 100 >/dev/null 2>&1 & echo $!")).stdout:match("%d+")
local full <const> = system.inventory(tb)

for round = 1, 2 do
  net:update { archetype = "bridge" }
  tap.eq(net.archetype, "bridge", "round " .. round .. ": it is a bridge now")
  tap.eq(ends(), former, "round " .. round .. ": namespaces, interfaces and MAC addresses stay")
  tap.eq(addresses(), {}, "round " .. round .. ": the addresses are gone")
  tap.eq(net.subnet, nil, "round " .. round .. ": a bridge has no range")
  tap.eq(net.mtu, 1400, "round " .. round .. ": what both know stays")
  tap.eq(h1.address, nil, "round " .. round .. ": an endpoint of a bridge has no address")
  tap.eq(net:verify(), {}, "round " .. round .. ": the system is as it is wanted")
  net:update { archetype = "ip" }
  tap.eq(net.archetype, "ip", "round " .. round .. ": it is an IP network again")
  tap.eq(net.subnet, "10.1.0.0/24", "round " .. round .. ": its range was kept")
  tap.eq(ends(), former, "round " .. round .. ": namespaces, interfaces and MAC addresses stay again")
  tap.eq(addresses(), first, "round " .. round .. ": the same addresses are back")
  tap.ok(h1:ping(h2, 3) and net:get("h4"):ping(net:get "h3"), "round " .. round .. ": the endpoints reach each other")
  tap.eq(net:verify(), {}, "round " .. round .. ": the system is as it is wanted again")
  system.same_inventory(full, tb, "round " .. round .. ": nothing more and nothing less is there")
end
tap.ok(process.exists(math.tointeger(tonumber(marker))), "what ran in an endpoint goes on")

-- Endpoints that come while it is a bridge get addresses when it becomes an IP network.
net:update { archetype = "bridge" }
net:endpoint { name = "late", node = "pm1" }
net:delete_endpoints { "h4" }
net:update { archetype = "ip" }
tap.eq(net:get("late").address, "10.1.0.4", "the first free address, where one has become free")
tap.ok(net:get("late"):ping(h2), "which works")
tap.eq(h1.address, first[1]:match("h1 ([^/]+)"), "the others have theirs")
tap.eq(net:verify(), {}, "the system is as it is wanted")

-- A network that began as a bridge.
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm1" }
red:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local with_red <const> = system.inventory(tb)
system.refuses(function() red:update { archetype = "ip" } end, "network.update: option 'subnet' is missing",
  "what the new archetype requires is asked for")
system.refuses(function() red:update { archetype = "ip", subnet = "10.5.0.0/30" } end,
  "network red: no free address in 10.5.0.0/30: all 1 are taken$", "a range that is too small is refused")
system.same_inventory(with_red, tb, "nothing has changed")
red:update { archetype = "ip", subnet = "10.5.0.0/24" }
tap.eq(red:get("h1").address, "10.5.0.2", "each endpoint gets an address")
tap.ok(red:get("h1"):ping(red:get "h2"), "and they reach each other")
tap.eq(red:verify(), {}, "the system is as it is wanted")

-- Another range.
red:endpoint { name = "h3", node = "pm1", address = "10.5.0.100" }
local with_fixed <const> = system.inventory(tb)
system.refuses(function() red:update { subnet = "10.6.0.0/24" } end,
  "endpoint red:h3: address 10.5.0.100 is not in 10.6.0.0/24", "a range without a fixed address is refused")
system.same_inventory(with_fixed, tb, "nothing has changed")
red:delete_endpoints { "h3" }
red:update { subnet = "10.6.0.0/24" }
tap.eq({ red:get("h1").address, red:get("h2").address }, { "10.6.0.2", "10.6.0.3" }, "other addresses in another range")
tap.ok(red:get("h1"):ping(red:get "h2"), "which work")
tap.eq(red:verify(), {}, "the system is as it is wanted")
red:update { subnet = "10.5.0.0/24" }
tap.eq({ red:get("h1").address, red:get("h2").address }, { "10.5.0.2", "10.5.0.3" }, "and back, the same as before")
red:update { subnet = "10.5.0.0/25" }
tap.eq({ red:get("h1").address, red:get("h2").address }, { "10.5.0.2", "10.5.0.3" }, "a narrower range keeps what is in it")
tap.ok(red:get("h1"):ping(red:get "h2"), "which work")

-- With all that an IP network may have, of both families: IPv6 takes its addresses and routes along when it is turned off.
local before_green <const> = system.inventory(tb)
local green <const> = network.create { name = "green", archetype = "ip", subnet = "10.7.0.0/24", subnet6 = "fd00:7::/64", gateway = true,
  dhcp = true, dns = true, home = "pm1", routes = { ["10.9.0.0/16"] = "10.7.0.7", ["fd00:9::/48"] = "fd00:7::7" } }
local g <const> = green:endpoint { { name = "g1", node = "pm1" }, { name = "g2", node = "pm2" }, { name = "g3", node = "pm2" } }
tap.ok(g[1]:ping("fd00:7::1", 3) and g[2]:ping("10.7.0.1", 3), "both families: its gateway answers")
local full_green <const> = system.inventory(tb)
local function way_of(ep)
  return process.run { argv = { "ip", "-6", "route", "show", "proto", "110" }, netns = ep.netns }.stdout
end
local ways <const> = way_of(g[2])
for round = 1, 2 do
  green:update { archetype = "bridge" }
  tap.eq({ green.state, way_of(g[2]) }, { "active", "" }, "both families, round " .. round .. ": a bridge")
  tap.ok(not file.stat(node.get("pm1").run_dir .. "/ns/green+lan:gateway"), "round " .. round .. ": its gateway is gone")
  tap.eq(green:verify(), {}, "round " .. round .. ": the system is as it is wanted")
  green:update { archetype = "ip" }
  tap.eq({ green.state, way_of(g[2]) }, { "active", ways }, "round " .. round .. ": an IP network again")
  tap.ok(g[2]:ping("10.7.0.1", 3) and g[2]:ping("fd00:7::1", 3) and g[1]:ping(g[3].address6, 3), "round " .. round .. ": they reach each other")
  tap.eq(green:verify(), {}, "round " .. round .. ": the system is as it is wanted again")
  system.same_inventory(full_green, tb, "round " .. round .. ": nothing more and nothing less is there")
end
green:delete()
system.same_inventory(before_green, tb, "nothing of it is left")

red:delete()
net:delete()
system.same_inventory(empty, tb, "in the end nothing is left")
tb:delete()
tap.done()
