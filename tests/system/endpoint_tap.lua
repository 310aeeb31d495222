-- Endpoints of kind tap: a guest that opens the tap is in the network; owner, offload header, queues; limits
-- both ways; made again when somebody deletes it; nothing of it is left.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"
local guest <const> = require "support.guest"

local tb <const> = testbed.create { nodes = 2 }
local pm1 <const> = tb:netns "pm1"
local instance <const> = node.get("pm1").instance
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "vm", node = "pm1", kind = "tap", owner = "nobody" },
  { name = "vm2", node = "pm1", kind = "tap", interface = "mytap0", owner = 0, owner_group = 0, vnet_header = true, multi_queue = true,
    mtu = 1400, mac = "fe:00:00:00:00:22", rate = "8mbit" } }
local h1 <const>, h2 <const>, vm <const>, vm2 <const> = net:get "h1", net:get "h2", net:get "vm", net:get "vm2"

-- as created
local function details(ep)
  local l = kernel.link(pm1, ep.interface) or {}
  local info = l.linkinfo and l.linkinfo.info_data or {}
  return { kind = info.type, owner = info.user, group = info.group, vnet = info.vnet_hdr, queues = info.multi_queue, mtu = l.mtu,
    mac = l.address, master = l.master, up = l.flags and table.concat(l.flags, " "):find "UP" ~= nil, persist = info.persist }
end
local bridge <const> = kernel.ours(pm1, instance, "blue", "bridge").ifname
tap.eq(details(vm), { kind = "tap", owner = "nobody", vnet = false, queues = false, mtu = 1500, mac = "fe" .. vm.mac:sub(3), master = bridge,
  up = true, persist = true }, "a tap for its owner, a port of the bridge, with another MAC address than its guest")
tap.eq(details(vm2), { kind = "tap", owner = "root", group = "root", vnet = true, queues = true, mtu = 1400, mac = "fa:00:00:00:00:22",
  master = bridge, up = true, persist = true }, "one with a name of its own and all options")
tap.eq({ vm.kind, vm.netns, vm2.interface, vm.address, vm2.mac }, { "tap", [3] = "mytap0", [4] = "10.1.0.4", [5] = "fe:00:00:00:00:22" }, "what it is")
tap.eq(kernel.ours(pm1, instance, "blue:vm", "tun").ifname, vm.interface, "its interface is told")
tap.ok(not file.stat(node.get("pm1").run_dir .. "/ns/blue:vm"), "no namespace is made")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- a guest
local other, why = guest.start { name = "vmx", tap = vm.interface, mac = vm.mac, netns = pm1, uid = 12345 }
tap.ok(not other and why:find "not permitted", "somebody else cannot open it", why)
local function boot() return assert(guest.start { name = "vmg", tap = vm.interface, mac = vm.mac, address = vm.address .. "/24",
  netns = pm1, uid = 65534 }) end
local machine = boot()
tap.ok(h1:ping(vm) and h2:ping(vm) and machine.ping(h2.address), "a guest of the owner is reached, from another node, too")
tap.ok(tap.eventually(3, function() return vm.stats.rx_packets >= 3 end), "its packets are counted")
local stats <const> = vm.stats
local seen = link.get { netns = machine.netns, name = "eth0" }.stats
tap.ok(math.abs(stats.rx_packets - seen.rx_packets) <= 5 and math.abs(stats.tx_packets - seen.tx_packets) <= 5 and stats.carrier
  and stats.interface == vm.interface, "as the guest sees them", stats, seen)

do
  local c <close> = expect(vm:capture { filter = "icmp" })
  h1:ping(vm)
  tap.ok(#c:stop().packets >= 2, "its frames are captured")
end
net:update { dhcp = true }
local lease <const> = process.run { argv = { "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", "/bin/true" },
  netns = machine.netns }
tap.ok((lease.stdout .. lease.stderr):find("lease of " .. vm.address:gsub("%.", "%%.") .. " obtained"), "its guest gets its address by DHCP", lease)
net:update { dhcp = false }

-- programs run behind it
for what, call in pairs { exec = function() vm:exec "true" end, run = function() vm:run "true" end, ping = function() vm:ping(h1) end } do
  system.refuses(call, "endpoint:%a+: blue:vm is a tap: programs run behind its interface " .. vm.interface:gsub("%p", "%%%0") ..
    " on node pm1, not in it", what .. " says what it is")
end
local path <const> = node.get("pm1").run_dir .. "/agent.sock"
local told = table.pack(require("nerv.execute").collecting(path, "blue:vm", "true"))
tap.ok(told[1] == nil and told[2] == "endpoint blue:vm is a tap: no program runs in it", "so does its agent", told)

-- in place, with limits both ways through an ifb
local index <const> = kernel.link(pm1, vm.interface).ifindex
vm:update { rate = "4mbit", mtu = 1300 }
local shaper <const> = kernel.ours(pm1, instance, "blue:vm", "ifb").ifname
tap.eq({ kernel.rate(pm1, vm.interface), kernel.rate(pm1, shaper), kernel.redirect(pm1, vm.interface), kernel.link(pm1, vm.interface).mtu },
  { 4000000, 4000000, shaper, 1300 }, "a rate, both ways")
tap.ok(h1:ping(vm) and machine.ping(h2.address), "the guest is reached still")
-- 100 kB at 4 Mbit/s take 0.2 s in either direction.
local function seconds(from, to)
  local began = runtime.now()
  local run = process.run { argv = { "ping", "-q", "-c", "100", "-i", "0.002", "-s", "1000", "-W", "3", to }, netns = from }
  return run.exit == 0 and runtime.now() - began
end
local slow <const> = seconds(h1.netns, vm.address)
vm:update { rate = "100mbit" }
tap.eq({ kernel.rate(pm1, vm.interface), kernel.rate(pm1, shaper), kernel.ours(pm1, instance, "blue:vm", "ifb").ifname },
  { 100000000, 100000000, shaper }, "another rate in place")
local fast <const> = seconds(h1.netns, vm.address)
tap.ok(slow and fast and slow > 0.19, "a slow link is slow", slow, fast)
vm:update { rate = false, mtu = false }
tap.eq({ kernel.rate(pm1, vm.interface), kernel.redirect(pm1, vm.interface), kernel.ours(pm1, instance, "blue:vm", "ifb") }, {},
  "no rate: nothing of it is left")
tap.eq(kernel.link(pm1, vm.interface).ifindex, index, "the tap stays the one it is")
vm:update { mac = "02:00:00:00:00:77" }
tap.eq({ kernel.link(pm1, vm.interface).address, vm.mac }, { "fe:00:00:00:00:77", "02:00:00:00:00:77" }, "another MAC address for its guest")
vm:update { mac = false }
tap.ok(machine.ping(h1.address), "the guest has noticed nothing")

-- refused
local full <const> = system.inventory(tb)
system.refuses(function() net:endpoint { name = "x", node = "pm1", kind = "tap", interface = "mytap0" } end,
  "endpoint blue:x: node pm1: interface mytap0 exists", "a name that is taken")
system.refuses(function() net:endpoint { name = "x", node = "pm1", kind = "tap", interface = "lo" } end,
  "endpoint blue:x: node pm1: interface lo exists", "a name of somebody else's")
system.refuses(function() net:endpoint { name = "x", node = "pm1", kind = "tap", owner = "nobody-of-this-name" } end,
  "create 1 endpoint of network blue: node pm1: .*nobody%-of%-this%-name", "an owner that is not there")
system.refuses(function() net:endpoint { name = "x", kind = "netns", owner = "nobody" } end,
  "endpoint: option 'owner' is for kind = \"tap\", not for \"netns\"", "an owner of what is no tap")
system.refuses(function() net:endpoint { { name = "x", node = "pm1", kind = "tap", interface = "twice0" },
  { name = "y", node = "pm1", kind = "tap", interface = "twice0" } } end,
  "create 2 endpoints of network blue: node pm1: .*interface twice0 is wanted by", "one name twice")
system.same_inventory(full, tb, "nothing of it has left anything")

-- mended
local function mended(title, meddle, operations)
  expect(meddle())
  tap.eq(system.texts(net:verify()), operations, title .. ": is mended")
  tap.eq(net:verify(), {}, title .. ": whole")
end
vm:update { rate = "50mbit" }
mended("no port any more", function() return link.set { netns = pm1, name = vm.interface, master = "" } end, { "pm1: change link blue:vm/tap of blue:vm" })
mended("set down", function() return link.set { netns = pm1, name = vm.interface, up = false } end, { "pm1: change link blue:vm/tap of blue:vm" })
mended("its hook gone", function() return qdisc.delete { netns = pm1, link = vm.interface, kind = "ingress" } end,
  { "pm1: create redirect link blue:vm/tap of blue:vm" })
mended("its shaper gone", function() return link.delete { netns = pm1, name = kernel.ours(pm1, instance, "blue:vm", "ifb").ifname } end,
  { "pm1: create link blue:vm/shaper of blue:vm", "pm1: create qdisc link blue:vm/shaper main of blue:vm", "pm1: create redirect link blue:vm/tap of blue:vm" })
tap.ok(h1:ping(vm), "the guest is reached still")
machine.stop()
expect(link.delete { netns = pm1, name = vm.interface })
tap.ok(#net:verify() >= 3 and details(vm).owner == "nobody" and details(vm).master == bridge, "a tap that somebody deleted is made again")
tap.eq(net:verify(), {}, "whole")
expect(link.delete { netns = pm1, name = "mytap0" })
expect(link.add { netns = pm1, kind = "tap", name = "mytap0", mac = "02:12:34:56:78:9a" })
local good, message = pcall(net.verify, net)
tap.ok(not good and message:find "mytap0" and kernel.link(pm1, "mytap0").address == "02:12:34:56:78:9a", "a stranger's tap of that name is not taken for ours", message)
expect(link.delete { netns = pm1, name = "mytap0" })
net:verify()
tap.eq({ net:verify(), details(vm2).vnet }, { {}, true }, "when it is gone ours comes back")

-- the agent is killed, archetypes are exchanged, with a running guest
machine = boot()
local processes <const> = crash.processes()
local former <const> = { pm1 = processes.pm1() }
crash.signal({ former.pm1 }, "KILL")
tap.ok(crash.restarted(processes, former), "the agent is killed and starts again")
tap.eq({ net:verify(), machine.ping(h1.address) }, { {}, true }, "it finds all as it was")
local stays <const> = kernel.link(pm1, vm.interface).ifindex
net:update { archetype = "bridge" }
tap.ok(not machine.ping "10.1.0.3" and kernel.link(pm1, vm.interface).ifindex == stays, "a network without addresses: the tap stays")
net:update { archetype = "ip" }
tap.ok(tap.eventually(5, function() return machine.ping(h1.address) and machine.ping(h2.address) end), "and back: the guest has stayed")
machine.stop()

local name <const> = vm.interface
net:delete_endpoints { "vm", "h1" }
tap.ok(not kernel.ours(pm1, instance, "blue:vm") and not kernel.link(pm1, name), "a deleted one leaves nothing")
net:delete()
tap.ok(not kernel.link(pm1, "mytap0"), "nor does one that goes with its network")

-- more than one at once, and the end of the lab
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm1" }
local specs = {}
for i = 1, 20 do specs[i] = { name = "t" .. i, node = "pm1", kind = "tap", rate = i % 2 == 0 and "10mbit" or nil } end
red:endpoint(specs)
tap.eq({ #red:endpoints(), red:verify() }, { 20, {} }, "many at once")
local anatomy <const> = crash.anatomy(tb)
lab.leave()
crash.all_gone(anatomy, 10, "the lab ends and leaves nothing")
tap.done()
