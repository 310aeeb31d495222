-- Options of endpoints, and their change in place: the interface stays the one it is, no frame is lost,
-- and a change that fails is undone.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" },
  { name = "h3", node = "pm1", kind = "netns", interface = "lan0", mtu = 1400, mac = "02:00:00:00:00:33", rate = "10mbit" } }
local h1 <const>, h2 <const>, h3 <const> = net:get "h1", net:get "h2", net:get "h3"
local refuses <const> = system.refuses

local function port(ep)
  return kernel.ours(tb:netns(ep.node), node.get(ep.node).instance, ep.id, "veth")
end

-- as created
local nic <const> = kernel.link(h3.netns, "lan0")
tap.eq({ nic.mtu, nic.address, port(h3).mtu }, { 1400, "02:00:00:00:00:33", 1400 }, "MTU and MAC address as given, both ends")
tap.eq({ kernel.rate(h3.netns, "lan0"), kernel.rate(tb:netns "pm1", port(h3).ifname) }, { 10000000, 10000000 }, "a rate limits both ways")
tap.eq({ h3.kind, h3.interface, h3.mtu, h3.rate, h3.mac, h3.delay }, { "netns", "lan0", 1400, 1e7, "02:00:00:00:00:33" },
  "the object says the same")
tap.eq({ h1.kind, h1.interface, h1.mtu, h1.rate }, { "netns", "eth0" }, "one that was given nothing")
tap.ok(h3:ping(h2) and h1:ping(h3), "they reach each other")
tap.eq(net:verify(), {}, "nothing is to be mended")
tap.eq(kernel.link(tb:netns "pm1", kernel.ours(tb:netns "pm1", node.get("pm1").instance, "blue", "bridge").ifname).mtu, 1500,
  "a port with a smaller MTU does not shrink the bridge's")

-- changes in place, while frames pass
local flow = crash.flow(h1, h2)
local before = { link = kernel.link(h1.netns, "eth0"), port = port(h1), inode = file.stat(h1.netns).ino }
for _, changes in ipairs { { rate = "100mbit" }, { rate = 2e8, mtu = 1450 }, { mtu = 1300 }, { rate = false }, { mtu = false } } do
  h1:update(changes)
end
local sent, missing = flow:stop()
tap.eq(missing, 0, ("no frame of %d is lost while rate and MTU change"):format(sent))
local after = { link = kernel.link(h1.netns, "eth0"), port = port(h1), inode = file.stat(h1.netns).ino }
tap.eq({ after.link.ifindex, after.port.ifindex, after.port.ifname, after.inode, after.link.mtu },
  { before.link.ifindex, before.port.ifindex, before.port.ifname, before.inode, 1500 }, "the same interface is there")
tap.eq({ kernel.rate(h1.netns, "eth0"), h1.rate, h1.mtu }, {}, "what was taken away is as by default")

local plan = system.texts(h1:plan { rate = "5mbit", mtu = 1200, mac = "02:00:00:00:00:11", address = "10.1.0.50" })
tap.eq(plan, { "pm1: create qdisc link blue:h1/eth0 main of blue:h1", "pm1: create qdisc link blue:h1/eth0 peer of blue:h1",
  "pm1: create address link blue:h1/eth0 10.1.0.50/24 of blue:h1", "pm1: change link blue:h1/eth0 of blue:h1",
  "pm1: remove address link blue:h1/eth0 10.1.0.2/24 of blue:h1" }, "a plan shows a change")
tap.eq({ h1.rate, kernel.rate(h1.netns, "eth0"), h1.address }, { [3] = "10.1.0.2" }, "and does nothing")
local allocated <const> = h1.mac
h1:update { rate = "5mbit", mtu = 1200, mac = "02:00:00:00:00:11", address = "10.1.0.50" }
nic.now = kernel.link(h1.netns, "eth0")
tap.eq({ kernel.rate(h1.netns, "eth0"), nic.now.mtu, nic.now.address, kernel.addresses(h1.netns, "eth0") },
  { 5000000, 1200, "02:00:00:00:00:11", { "10.1.0.50/24" } }, "several things in one change")
tap.eq({ h1.rate, h1.mtu, h1.mac, h1.address }, { 5e6, 1200, "02:00:00:00:00:11", "10.1.0.50" }, "the object says the same")
tap.ok(h2:ping "10.1.0.50" and h1:ping(h2), "it is reached by its new address")
net:endpoint { name = "h4", node = "pm2", address = "10.1.0.2", mac = allocated }
tap.ok(h1:ping "10.1.0.2", "another endpoint may have what was given up")
net:delete_endpoints { "h4" }
h1:update { mac = false, address = false, rate = false, mtu = false }
tap.eq({ h1.mac, h1.address, kernel.addresses(h1.netns, "eth0") }, { allocated, "10.1.0.50", { "10.1.0.50/24" } },
  "false: no longer fixed; the MAC address is chosen by NERV again, the address stays")
h1:update { address = "10.1.0.50" }
h1:update { address = "10.1.0.2" }
tap.eq({ h1.address, kernel.addresses(h1.netns, "eth0") }, { "10.1.0.2", { "10.1.0.2/24" } }, "and may be fixed again")
h1:update { address = false }
tap.eq(h1:update {}, h1, "a change of nothing")
h2:update { rate = "50mbit" }
tap.eq(kernel.rate(h2.netns, "eth0"), 50000000, "on another node, too")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- below IPv6's least MTU the kernel has none on a link; above it has it anew
local function port_ipv6() return sysctl.get { netns = tb:netns "pm1", name = ("net.ipv6.conf.%s.disable_ipv6"):format(port(h1).ifname) } end
h1:update { mtu = 1000 }
tap.eq({ (port_ipv6()) }, {}, "a small MTU: no IPv6 on the node's end")
h1:update { mtu = false }
tap.eq(port_ipv6(), "1", "a large one again: still none")
net:endpoint { name = "small", node = "pm2", mtu = 600 }
tap.ok(h1:ping(net:get "small"), "one that begins so")
net:delete_endpoints { "small" }

-- what is refused, with nothing written
local full <const> = system.inventory(tb)
refuses(function() h1:update { kind = "tap" } end, "endpoint:update: an endpoint keeps its kind; delete it and create another one$", "another kind")
refuses(function() h1:update { node = "pm2" } end, "endpoint:update: an endpoint keeps its node", "another node")
refuses(function() h1:update { interface = "x" } end, "endpoint:update: an endpoint keeps its interface", "another interface")
refuses(function() h1:update { raet = 1 } end, "endpoint:update: unknown option 'raet'; did you mean 'rate'%?$", "an unknown option")
refuses(function() h1:update { rate = "fast" } end, "endpoint:update: rate = \"fast\": bad rate", "a bad value")
refuses(function() h1:update { mtu = 1501 } end, ".*endpoint blue:h1: .*mtu 1501 is more than the network's, 1500", "a larger MTU than the network's")
refuses(function() h1:update { mac = h2.mac } end, "MAC address .* is taken$", "a MAC address of another one")
refuses(function() h1:update { address = h2.address } end, "network blue: address .* is taken$", "an address of another one")
refuses(function() h1:update { address = "10.2.0.1" } end, "network blue: address 10.2.0.1 is not in 10.1.0.0/24", "an address outside of the range")
refuses(function() h1:update "mtu" end, ".*update: .*table", "no table")
refuses(function() net:endpoint { name = "x", kind = "vm" } end, "endpoint: kind = \"vm\": one of netns, tap, veth, link is expected$", "an unknown kind")
refuses(function() net:endpoint { name = "x", netns = "y" } end, "endpoint: option 'netns' is for kind = \"veth\", not for \"netns\"$", "an option of another kind")
refuses(function() net:endpoint { name = "x", kind = "veth" } end, "endpoint: option 'netns' is missing", "a veth into nowhere")
refuses(function() net:endpoint { name = "x", kind = "veth", netns = "./y" } end, "endpoint: netns = \"%./y\": a name, an absolute path", "a path from somewhere")
refuses(function() net:endpoint { name = "x", kind = "link" } end, "endpoint: option 'interface' is missing", "a link without an interface")
refuses(function() net:endpoint { name = "x", interface = "far too long a name" } end, "endpoint: interface = .* 1 to 15 characters", "a bad interface name")
if not qdisc.supports "netem" then
  for _, options in ipairs { { delay = "10ms" }, { loss = "1%" }, { delay = 0.1, loss = 0.5, rate = "1mbit" } } do
    refuses(function() h2:update(options) end, "endpoint blue:h2: node pm2: delay and loss: this kernel has no netem %(module sch_netem%)$",
      "a kernel without netem is named")
    options.name, options.node = "x", "pm2"
    refuses(function() net:endpoint(options) end, "endpoint blue:x: node pm2: delay and loss: this kernel has no netem", "for a new one, too")
  end
  h1:update { delay = 0, loss = 0 }
  tap.eq({ h1.delay, h1.loss, kernel.qdiscs(h1.netns, "eth0")[1].kind }, { 0, 0, "noqueue" }, "none of it needs none of it")
  h1:update { delay = false, loss = false }
else
  h1:update { delay = "10ms", rate = "10mbit" }
  tap.ok(expect(h1:ping(h2)).rtt_ms > 20, "a delay, each way")
  h1:update { delay = false, rate = false }
end
system.same_inventory(full, tb, "nothing of it has left anything")

-- undone
expect(link.set { netns = h1.netns, name = "eth0", up = false })
expect(link.set { netns = h1.netns, name = "eth0", rename = "away" })
refuses(function() h1:update { mtu = 1280, mac = "02:00:00:00:00:12", address = "10.1.0.60", rate = "1mbit" } end,
  "update endpoint blue:h1: node pm1: create .*eth0", "a change that fails raises")
tap.eq({ h1.mtu, h1.mac, h1.address, h1.rate }, { nil, allocated, "10.1.0.2" }, "the row is as it was")
expect(link.set { netns = h1.netns, name = "away", rename = "eth0" })
net:verify()
tap.eq(net:verify(), {}, "the system, too")
system.same_inventory(full, tb, "and nothing is left of it")
tap.ok(h1:ping(h2), "they reach each other")

-- at once
local tasks = {}
for i = 1, 8 do tasks[i] = task.spawn(function() return pcall(h1.update, h1, { mtu = 1300 + i }) end) end
local good = 0
for _, one in ipairs(tasks) do
  if one:wait() then good = good + 1 end
end
tap.ok(good >= 1 and h1.mtu > 1300 and kernel.link(h1.netns, "eth0").mtu == h1.mtu, "of several at once one is the last", good, h1.mtu)
h1:update { mtu = false }

-- a network's change with limited endpoints, other archetypes, an agent that was killed
h1:update { rate = "30mbit", mtu = 1350 }
net:update { mtu = 1460 }
tap.eq({ kernel.link(h2.netns, "eth0").mtu, kernel.link(h1.netns, "eth0").mtu }, { 1460, 1350 }, "a network's MTU is that of who has none")
refuses(function() net:update { mtu = 1340 } end, "update network blue: .*endpoint blue:h1: .*mtu 1350 is more than the network's, 1340",
  "a network's MTU below an endpoint's")
net:update { archetype = "bridge" }
tap.eq({ kernel.rate(h1.netns, "eth0"), kernel.link(h1.netns, "eth0").mtu, kernel.addresses(h1.netns, "eth0") }, { 30000000, 1350, {} },
  "another archetype limits as before")
tap.ok(tap.eventually(3, function() return h1.rate == 3e7 end) and h1.address == nil, "and shows it")
net:update { archetype = "ip" }
tap.eq({ kernel.rate(h1.netns, "eth0"), kernel.addresses(h1.netns, "eth0") }, { 30000000, { "10.1.0.2/24" } }, "and back")
local processes <const> = crash.processes()
local former <const> = { pm1 = processes.pm1() }
local picture <const> = kernel.qdiscs(h1.netns, "eth0")
crash.signal({ former.pm1 }, "KILL")
tap.ok(crash.restarted(processes, former), "its agent is killed and starts again")
tap.eq(net:verify(), {}, "it finds all as it was")
tap.eq(kernel.qdiscs(h1.netns, "eth0"), picture, "the limit is the same one")
expect(qdisc.delete { netns = h1.netns, link = "eth0", parent = "root" })
tap.eq(system.texts(net:verify()), { "pm1: create qdisc link blue:h1/eth0 main of blue:h1" }, "a limit that somebody took away comes back")
expect(qdisc.set { netns = h1.netns, link = "eth0", kind = "tbf", handle = "1:", rate = 1e6 })
tap.eq(system.texts(net:verify()), { "pm1: change qdisc link blue:h1/eth0 main of blue:h1" }, "one that was changed is set right")
tap.eq({ kernel.rate(h1.netns, "eth0"), net:verify() }, { 30000000, {} }, "in place")

net:delete()
tb:delete()
tap.done()
