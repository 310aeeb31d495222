-- Endpoints of kind veth: into a named namespace, a path, a process's namespace. It is somebody else's: never
-- changed but for our interface, never deleted; when it is gone the endpoint says so and comes back with it;
-- a process's number that is another's now is never followed.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"

local TAG <const> = digest.random(3)
local NAMED <const>, OTHER <const> = "c" .. TAG, "o" .. TAG
local made <close> = setmetatable({}, { __close = function(list)
  for i = #list, 1, -1 do list[i]() end
end })
local function add_namespace(name)
  assert(netns.add { path = name, lo_up = true })
  made[#made + 1] = function() if netns.exists(name) then netns.delete { path = name } end end
end
add_namespace(NAMED)
add_namespace(OTHER)
assert(link.add { netns = NAMED, kind = "veth", name = "own0", up = true, peer = { name = "own1" } })
assert(address.add { netns = NAMED, link = "own0", address = "10.9.0.1/24" })

-- A process in a namespace that has no name: a container.
local function container()
  local child = assert(process.spawn { argv = { "unshare", "--net", "sleep", "1000" } })
  made[#made + 1] = function() if child:running() then child:kill "KILL" child:wait() end end
  assert(tap.eventually(5, function() return netns.identity { netns = child.pid } ~= netns.identity() end))
  return child
end
local guest = container()

local function foreign_picture(where, without)
  local lines = {}
  for _, l in ipairs(link.list { netns = where }) do
    if l.name ~= without then
      lines[#lines + 1] = ("%s %d %s %d %s %s"):format(l.name, l.index, l.mac, l.mtu, l.up, l.alias)
    end
  end
  for _, a in ipairs(address.list { netns = where }) do
    if a.link ~= without then lines[#lines + 1] = a.link .. " " .. a.address end
  end
  for _, r in ipairs(route.list { netns = where }) do
    if r.link ~= without then lines[#lines + 1] = ("route %s %s"):format(r.to, r.link) end
  end
  lines[#lines + 1] = sysctl.get { netns = where, name = "net.ipv6.conf.all.disable_ipv6" }
  lines[#lines + 1] = sysctl.get { netns = where, name = "net.ipv6.conf.default.disable_ipv6" }
  return lines
end
local before <const> = foreign_picture(NAMED)

local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local instance <const> = node.here().instance
net:endpoint { { name = "h1" }, { name = "c1", kind = "veth", netns = NAMED, rate = "20mbit", mtu = 1400 },
  { name = "c2", kind = "veth", netns = guest.pid, interface = "net1" },
  { name = "c3", kind = "veth", netns = "/run/netns/" .. OTHER, interface = "eth9", address = "10.1.0.90" } }
local h1 <const>, c1 <const>, c2 <const>, c3 <const> = net:get "h1", net:get "c1", net:get "c2", net:get "c3"

tap.eq({ c1.kind, c1.netns, c1.interface, c2.netns, c2.interface, c3.netns }, { "veth", "/run/netns/" .. NAMED, "eth0",
  ("/proc/%d/ns/net"):format(guest.pid), "net1", "/run/netns/" .. OTHER }, "what it is")
local nic = kernel.link(NAMED, "eth0")
tap.eq({ nic.address, nic.mtu, kernel.addresses(NAMED, "eth0"), kernel.rate(NAMED, "eth0") },
  { c1.mac, 1400, { c1.address .. "/24" }, 20000000 }, "an interface in a named namespace")
tap.eq(kernel.addresses(guest.pid, "net1"), { c2.address .. "/24" }, "one in a process's namespace")
tap.eq(kernel.addresses(OTHER, "eth9"), { "10.1.0.90/24" }, "one by path, with its own name and address")
tap.eq(sysctl.get { netns = NAMED, name = "net.ipv6.conf.eth0.disable_ipv6" }, "1", "without IPv6, which this network has not")
tap.ok(h1:ping(c1) and h1:ping(c2) and c2:ping(c3) and c1:ping(h1), "all reach each other")
crash.same_picture(before, foreign_picture(NAMED, "eth0"), "nothing else in it is touched")
tap.eq(c1:run("ip", "-br", "addr", "show", "own0").stdout:match "10%.9%.0%.1", "10.9.0.1", "programs run in it")
tap.eq(net:verify(), {}, "nothing is to be mended")
do
  local c <close> = expect(c2:capture { filter = "icmp" })
  h1:ping(c2)
  tap.ok(#c:stop().packets >= 2, "its frames are captured")
end

-- in place
local index = nic.ifindex
c1:update { rate = "30mbit", mtu = 1300, address = "10.1.0.77", mac = "02:00:00:00:00:c1" }
nic = kernel.link(NAMED, "eth0")
tap.eq({ nic.ifindex, nic.mtu, nic.address, kernel.rate(NAMED, "eth0"), kernel.addresses(NAMED, "eth0") },
  { index, 1300, "02:00:00:00:00:c1", 30000000, { "10.1.0.77/24" } }, "an update in place")
c1:update { rate = false, mtu = false }

-- another endpoint's namespace: a host between two networks
local red <const> = network.create { name = "red", archetype = "ip", subnet = "10.2.0.0/24" }
local r1 <const>, r2 <const> = table.unpack(red:endpoint { { name = "r1" },
  { name = "r2", kind = "veth", netns = h1.netns, interface = "eth1" } })
tap.ok(r1:ping(r2) and h1:ping(r1.address), "an endpoint of another network may be in an endpoint's namespace")
red:delete()
tap.ok(h1:ping(c1) and not kernel.link(h1.netns, "eth1"), "and goes alone")

-- refused, with nothing written
local full <const> = system.inventory()
local function refused(options, pattern, text)
  options.name, options.kind = "x", "veth"
  system.refuses(function() net:endpoint(options) end, "endpoint blue:x: node .-: " .. pattern, text)
end
refused({ netns = "none" .. TAG }, "there is no namespace /run/netns/none", "no such name")
refused({ netns = "/tmp" }, "there is no namespace /tmp", "no namespace")
refused({ netns = 4194304 }, "there is no namespace /proc/4194304/ns/net %(no such process%)", "no such process")
refused({ netns = process.self() }, "namespace .* is the node's own", "the node's own")
refused({ netns = NAMED, interface = "own0" }, "namespace .* has an interface own0 already", "an interface that is there")
system.refuses(function() c1:update { netns = OTHER } end, "endpoint:update: an endpoint keeps its netns", "another namespace")
system.same_inventory(full, nil, "nothing of it has left anything")

-- somebody meddles with our interface
local function mended(title, meddle)
  expect(meddle())
  tap.ok(#net:verify() > 0 and h1:ping(c1), title .. ": is mended")
  tap.eq(net:verify(), {}, title .. ": whole")
  crash.same_picture(before, foreign_picture(NAMED, "eth0"), title .. ": nothing else is touched")
end
mended("the interface deleted", function() return link.delete { netns = NAMED, name = "eth0" } end)
local function rename(from, to)   -- kernels before 6.2 rename only what is down
  return link.set { netns = NAMED, name = from, up = false } and link.set { netns = NAMED, name = from, rename = to }
end
mended("renamed", function() return rename("eth0", "away") end)
mended("its address deleted", function() return address.delete { netns = NAMED, link = "eth0", address = "10.1.0.77/24" } end)
mended("its other end no port any more", function()
  return link.set { name = kernel.ours(nil, instance, "blue:c1", "veth").ifname, master = "" }
end)
expect(rename("eth0", "away"))
expect(rename("own0", "eth0"))
local good, message = pcall(net.verify, net)
tap.ok(not good and message:find "eth0", "a stranger's interface with our name is not taken for ours", message)
tap.ok(tap.eventually(5, function() return kernel.addresses(NAMED, "eth0")[1] == "10.9.0.1/24" end)
  and #kernel.addresses(NAMED, "eth0") == 1, "it keeps what it has and gets nothing")
expect(rename("eth0", "own0"))
expect(link.set { netns = NAMED, name = "own0", up = true })
tap.ok(tap.eventually(5, function() return pcall(net.verify, net) and h1:ping(c1) end), "when it is gone ours comes back")

-- the agent is killed
local processes <const> = crash.processes()
local function restart(while_dead)
  local former = { lab = processes.lab() }
  crash.signal({ former.lab }, "STOP")
  if while_dead then while_dead() end
  crash.signal({ former.lab }, "KILL")
  return crash.restarted(processes, former)
end
index = kernel.link(NAMED, "eth0").ifindex
tap.ok(restart(), "the agent is killed and starts again")
tap.eq({ net:verify(), kernel.link(NAMED, "eth0").ifindex }, { {}, index }, "it finds all as it was")

-- other archetypes
net:update { archetype = "bridge" }
tap.eq({ kernel.addresses(NAMED, "eth0"), kernel.link(NAMED, "eth0").ifindex }, { {}, index }, "a network without addresses: the interface stays")
net:update { archetype = "ip" }
tap.ok(h1:ping(c1) and h1:ping(c2) and h1:ping(c3), "and back: all reach each other")
net:update { subnet6 = "fd00:1::/64" }
tap.ok(h1:ping(c1.address6) and c2:ping(c3.address6), "with IPv6, too")
tap.eq({ sysctl.get { netns = NAMED, name = "net.ipv6.conf.eth0.disable_ipv6" } }, { "0" }, "on this interface only")
crash.same_picture(before, foreign_picture(NAMED, "eth0"), "the namespace is not changed")
net:update { gateway = true }
tap.eq({ kernel.sh("ip", "-n", NAMED, "route", "show", "default"), h1:run("ip", "route", "show", "default").stdout:match "via %S+" },
  { "", "via 10.1.0.1" }, "somebody else's namespace gets no default route")
net:endpoint { name = "c4", kind = "veth", netns = OTHER, default_route = true }
tap.like(kernel.sh("ip", "-n", OTHER, "route", "show", "default"), "via 10%.1%.0%.1 dev eth0", "unless it is told to")
net:delete_endpoints { "c4" }

-- the namespaces go
local function gone(ep)
  return tap.eventually(10, function() return ep.state:find "^failed: .*is gone" end)
end
local number <const> = guest.pid
guest:kill "KILL"
guest:wait()
tap.ok(gone(c2), "a process that ends takes its endpoint along, and that says so", c2.state)
tap.eq(net:verify(), {}, "it holds up nobody else")
tap.ok(net:update { mtu = 1480 } and kernel.link(h1.netns, "eth0").mtu == 1480, "nor a change of its network")
local again = table.pack(c2:run "true")
tap.ok(again[1] == nil and again[2]:find "is gone", "no program runs in it", again)
again = table.pack(c2:capture { count = 1 })
tap.ok(again[1] == nil and again[2]:find "is gone", "nor is it captured", again)
system.refuses(function() c2:update { mtu = 1300 } end, "update endpoint blue:c2: .*is gone", "nor is it changed")

-- The number becomes another process's: made so by the kernel's own counter.
local stranger
for _ = 1, 20 do
  if not file.write("/proc/sys/kernel/ns_last_pid", tostring(number - 1)) then break end
  stranger = assert(process.spawn { argv = { "unshare", "--net", "sleep", "1000" } })
  if stranger.pid == number then break end
  stranger:kill "KILL"
  stranger:wait()
  stranger = nil
end
if stranger then
  made[#made + 1] = function() stranger:kill "KILL" stranger:wait() end
  assert(tap.eventually(5, function() return netns.identity { netns = number } ~= netns.identity() end))
  assert(link.add { netns = number, kind = "veth", name = "net1", up = true, peer = { name = "net2" } })
  assert(address.add { netns = number, link = "net1", address = c2.address .. "/24" })
  local strange = foreign_picture(number)
  net:verify()
  tap.ok(restart(), "its number is another process's; the agent is killed and starts again")
  net:verify()
  net:update { mtu = 1470 }
  sleep(3)   -- a retry may have been under way
  tap.like(c2.state, "is gone", "the endpoint is gone still", c2.state)
  tap.ok(c2:run "true" == nil, "no program runs in the stranger's namespace")
  crash.same_picture(strange, foreign_picture(number), "the stranger's namespace, with things of the same names, is not touched")
  net:delete_endpoints { "c2" }
  crash.same_picture(strange, foreign_picture(number), "nor when the endpoint is deleted")
else
  tap.skip("a process's number that is another's now", "ns_last_pid cannot be written")
  net:delete_endpoints { "c2" }
end
tap.ok(not kernel.ours(nil, instance, "blue:c2"), "nothing of it is left")

-- A name is followed: what has it now is meant.
netns.delete { path = OTHER }
tap.ok(gone(c3), "a named namespace that is deleted", c3.state)
tap.ok(restart(), "the agent is killed and starts again")
tap.ok(gone(c3) and h1:ping(c1), "it holds up nobody")
assert(netns.add { path = OTHER, lo_up = true })
tap.ok(tap.eventually(15, function() return c3.state == "active" end), "one of the same name takes its place by itself", c3.state)
tap.ok(h1:ping(c3) and #kernel.addresses(OTHER, "eth9") == 1, "the endpoint is in it")
tap.eq(net:verify(), {}, "whole")
netns.delete { path = OTHER }
assert(netns.add { path = OTHER, lo_up = true })
tap.ok(tap.eventually(10, function() return kernel.addresses(OTHER, "eth9")[1] end), "one that took its place at once, too")

-- deleted while the agent is away, in any order
tap.ok(restart(), "once more")
net:delete_endpoints { "c1" }
tap.eq({ kernel.link(NAMED, "eth0") }, {}, "a deleted endpoint's interface is gone")
crash.same_picture(before, foreign_picture(NAMED), "its namespace is as it was")
tap.ok(netns.exists(OTHER), "the other namespace, too")
net:endpoint { name = "c5", kind = "veth", netns = NAMED }
local anatomy <const> = crash.anatomy()
lab.leave()
crash.all_gone(anatomy, 5, "the lab ends and leaves nothing")
crash.same_picture(before, foreign_picture(NAMED), "the namespace is as it was")
tap.done()
