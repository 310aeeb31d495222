-- verify() finds what somebody else changed, mends it, and touches nothing else.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2, rate = "100mbit" }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm1" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"
local pm1 <const> = tb:netns "pm1"
tap.ok(h1:ping(h2), "before: the endpoints reach each other")
local full <const> = system.inventory(tb)

-- Links of the node's namespace by owner and by what they are.
local function links_of(owner)
  local found = {}
  for _, l in ipairs(link.list { netns = pm1, alias_prefix = ("nerv:%s:"):format(node.get("pm1").instance) }) do
    if l.alias:match("^nerv:%x+:(.+)$") == owner then found[#found + 1] = l end
  end
  return found
end

local function only(owner, kind)
  for _, l in ipairs(links_of(owner)) do
    if l.kind == kind then return l.name end
  end
  error(("%s has no %s"):format(owner, kind))
end

local bridge <const>, near <const> = only("blue", "bridge"), only("blue", "veth")
local port <const> = only("blue:h1", "veth")

-- Breaks something, lets verify() mend it, and looks whether that is all it did.
local function mends(title, break_it, operations, well)
  expect(break_it())
  tap.eq(system.texts(net:verify()), operations, title .. ": is mended, and only that")
  tap.ok(not well or well(), title .. ": is as it was")
  tap.ok(h1:ping(h2, 1), title .. ": the endpoints reach each other")
  tap.eq(net:verify(), {}, title .. ": then nothing is left to do")
  system.same_inventory(full, tb, title .. ": nothing more and nothing less is there")
end

local function get(ns, name) return link.get { netns = ns, name = name } end

mends("an endpoint's interface set down", function() return link.set { netns = h1.netns, name = "eth0", up = false } end,
  { "pm1: change link blue:h1/eth0 of blue:h1" }, function() return get(h1.netns, "eth0").up end)
mends("its other end set down", function() return link.set { netns = pm1, name = port, up = false } end,
  { "pm1: change link blue:h1/eth0 of blue:h1" }, function() return get(pm1, port).up end)
mends("another MAC address", function() return link.set { netns = h1.netns, name = "eth0", mac = "02:00:00:00:99:99" } end,
  { "pm1: change link blue:h1/eth0 of blue:h1" }, function() return get(h1.netns, "eth0").mac == h1.mac end)
mends("another MTU", function() return link.set { netns = h1.netns, name = "eth0", mtu = 1200 } end,
  { "pm1: change link blue:h1/eth0 of blue:h1" }, function() return get(h1.netns, "eth0").mtu == 1500 end)
mends("a bridge port removed", function() return link.set { netns = pm1, name = port, master = "" } end,
  { "pm1: change link blue:h1/eth0 of blue:h1" }, function() return get(pm1, port).master == bridge end)
mends("the bridge set down", function() return link.set { netns = pm1, name = bridge, up = false } end,
  { "pm1: change link blue/bridge-data of blue" }, function() return get(pm1, bridge).up end)
mends("an address deleted", function()
  return address.delete { netns = h1.netns, link = "eth0", address = h1.address .. "/24" }
end, { "pm1: create " .. "address link blue:h1/eth0 " .. h1.address .. "/24 of blue:h1" })
mends("the loopback set down", function() return link.set { netns = h1.netns, name = "lo", up = false } end,
  { "pm1: change netns blue:h1 of blue:h1" }, function() return get(h1.netns, "lo").up end)
mends("IPv6 turned on", function()
  return sysctl.set { netns = h1.netns, name = "net.ipv6.conf.all.disable_ipv6", value = "0" }
end, { "pm1: change netns blue:h1 of blue:h1" }, function()
  return sysctl.get { netns = h1.netns, name = "net.ipv6.conf.all.disable_ipv6" } == "1"
end)
mends("an endpoint's veth deleted", function() return link.delete { netns = pm1, name = port } end,
  { "pm1: create link blue:h1/eth0 of blue:h1", "pm1: create address link blue:h1/eth0 " .. h1.address .. "/24 of blue:h1" },
  function() return get(h1.netns, "eth0").mac == h1.mac and get(pm1, port).master == bridge end)
mends("the same from within", function() return link.delete { netns = h1.netns, name = "eth0" } end,
  { "pm1: create link blue:h1/eth0 of blue:h1", "pm1: create address link blue:h1/eth0 " .. h1.address .. "/24 of blue:h1" })
mends("an endpoint's namespace deleted", function() return netns.delete { path = h1.netns } end,
  { "pm1: create netns blue:h1 of blue:h1", "pm1: create link blue:h1/eth0 of blue:h1",
    "pm1: create address link blue:h1/eth0 " .. h1.address .. "/24 of blue:h1" })

-- What hangs on what was broken is mended with it.
local function all_mended(title, break_it)
  expect(break_it())
  tap.ok(#net:verify() > 0, title .. ": something is mended")
  tap.ok(h1:ping(h2, 1) and h1:ping(net:get "h3"), title .. ": the endpoints reach each other")
  tap.eq(net:verify(), {}, title .. ": then nothing is left to do")
  system.same_inventory(full, tb, title .. ": nothing more and nothing less is there")
end
all_mended("the bridge deleted", function() return link.delete { netns = pm1, name = bridge } end)
all_mended("the switch's veth deleted", function() return link.delete { netns = pm1, name = near } end)
all_mended("the switch's veth set down", function() return link.set { netns = pm1, name = near, up = false } end)
local sw <const> = nve.open "pm1"
all_mended("a table entry deleted", function() return sw.tables.tags:delete(sw.tables.tags:dump()[1].handle) end)
all_mended("a table entry changed", function()
  local entry = sw.tables.tags:dump()[1]
  return sw.tables.tags:modify { handle = entry.handle, action = entry.action, data = { 400 } }
end)
all_mended("all entries deleted", function() return sw.tables.tags:clear() and sw.tables.ingress_ports:clear() end)
all_mended("the switch's port removed", function() return sw:remove_port(net.ports.data.number) end)
all_mended("much at once", function()
  return link.delete { netns = pm1, name = bridge } and link.delete { netns = pm1, name = port }
    and netns.delete { path = net:get("h3").netns } and sw.tables.tags:clear()
end)
sw:close()

-- Somebody else's things stay.
expect(link.add { netns = pm1, kind = "veth", name = "foreign", peer = { name = "foreign-peer" } })
expect(link.set { netns = pm1, name = "foreign", master = bridge })
expect(address.add { netns = h1.netns, link = "eth0", address = "172.16.0.1/24" })
tap.eq(net:verify(), {}, "what NERV did not make is not its business")
tap.ok(get(pm1, "foreign") and #address.list { netns = h1.netns, link = "eth0" } >= 2, "and stays")
expect(link.delete { netns = pm1, name = "foreign" })

-- The testbed is a network like any other.
local trunk <const> = tb:netns "trunk"
expect(link.set { netns = trunk, name = "pm1", up = false })
tap.eq(system.texts(tb.network:verify()), { lab.here() .. ": change link testbed/pm1/trunk0 of testbed" }, "a trunk link set down is mended")
expect(qdisc.delete { netns = trunk, link = "pm2", parent = "root" })
tap.eq(#tb.network:verify(), 1, "a trunk link's shaping, too")
expect(qdisc.delete { netns = trunk, link = "pm2", parent = "root" })
expect(qdisc.add { netns = trunk, link = "pm2", kind = "tbf", rate = 1000000, burst = 3200, latency = 0.025 })
tap.eq(#tb.network:verify(), 1, "and somebody else's, whose place it takes")
expect(qdisc.set { netns = trunk, link = "pm2", kind = "tbf", handle = "1:", rate = 2000000, burst = 3200, latency = 0.025 })
tap.eq(system.texts(tb.network:verify()), { lab.here() .. ": change qdisc link testbed/pm2/trunk0 peer of testbed" },
  "and its rate, in place")
tap.eq(tb.network:verify(), {}, "then nothing is left to do")
tap.ok(h1:ping(h2), "the endpoints reach each other")

net:delete()
tb:delete()
tap.done()
