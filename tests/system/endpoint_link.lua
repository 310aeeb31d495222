-- Endpoints of kind link: an existing interface of the node is borrowed, and given back as it was: address,
-- MTU, state, former bridge with its settings, addresses; also when agents die at any moment. Others' things,
-- and NERV's own, are not taken.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"

local TAG <const> = digest.random(3)
local function named(what) return what .. TAG end
local made <close> = setmetatable({}, { __close = function(list)
  for i = #list, 1, -1 do list[i]() end
end })

-- A wire: what is behind `far`, in a namespace, is the machine that the interface leads to.
local function add_wire(name, options)
  local ns = name .. "-ns"
  assert(netns.add { path = ns, lo_up = true })
  made[#made + 1] = function() netns.delete { path = ns } end
  options = options or {}
  options.kind, options.name, options.peer = "veth", name, { name = "far0", netns = ns, up = true }
  assert(link.add(options))
  made[#made + 1] = function() link.delete { name = name } end
  return ns
end
local bare <const>, used <const>, port <const>, default <const> = named "a", named "b", named "c", named "d"
local far <const> = add_wire(bare)
local used_far <const> = add_wire(used, { mtu = 1450, mac = "02:00:00:00:0b:0b", up = true, alias = "somebody's" })
assert(address.add { link = used, address = "172.16.5.1/24" })
assert(address.add { link = used, address = "172.16.5.2/24" })
assert(address.add { link = used, address = "fd00:5::1/64" })
local foreign_bridge <const> = named "br"
assert(link.add { kind = "bridge", name = foreign_bridge, up = true })
made[#made + 1] = function() link.delete { name = foreign_bridge } end
add_wire(port, { master = foreign_bridge, up = true })
assert(link.set { name = port, bridge_port = { cost = 77, priority = 9, hairpin = true } })
add_wire(default, { up = true })
assert(address.add { link = default, address = "172.16.9.1/24" })
assert(route.add { to = "default", via = "172.16.9.254", link = default })
made[#made + 1] = function() route.delete { to = "default", via = "172.16.9.254" } end

local NAMES <const> = { bare, used, port, default, foreign_bridge }
local function picture()
  local lines = {}
  for _, name in ipairs(NAMES) do
    local l = assert(link.get { name = name })
    lines[#lines + 1] = ("%s index %d mac %s mtu %d up %s master %s alias %s group %d"):format(name, l.index, l.mac, l.mtu, l.up,
      l.master, l.alias, l.group)
    local settings = l.bridge_port or {}
    lines[#lines + 1] = ("%s cost %s priority %s hairpin %s"):format(name, settings.cost, settings.priority, settings.hairpin)
    for _, a in ipairs(address.list { link = name }) do
      if a.scope ~= "link" then lines[#lines + 1] = name .. " " .. a.address end
    end
    for _, q in ipairs(kernel.qdiscs(nil, name)) do   -- the kernel's own has no handle, and is there once a link was up
      if q.handle ~= "0:" then lines[#lines + 1] = ("%s %s %s"):format(name, q.kind, q.handle) end
    end
  end
  for _, r in ipairs(route.list()) do lines[#lines + 1] = ("route %s %s"):format(r.to, r.link) end
  table.sort(lines)
  return lines
end
assert(tap.eventually(5, function()
  for _, a in ipairs(address.list()) do
    if a.tentative then return false end
  end
  return true
end))
local before <const> = picture()

-- borrowed
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local instance <const> = node.here().instance
net:endpoint { { name = "h1" }, { name = "wire", kind = "link", interface = bare },
  { name = "used", kind = "link", interface = used, mac = "02:00:00:00:11:11", mtu = 1400, rate = "8mbit" } }
local h1 <const>, wire <const>, lent <const> = net:get "h1", net:get "wire", net:get "used"
local bridge <const> = kernel.ours(nil, instance, "blue", "bridge").ifname
local function now(name)
  local l = kernel.link(nil, name)
  return { mtu = l.mtu, master = l.master, up = table.concat(l.flags, " "):find "UP" ~= nil, mac = l.address, group = l.group, alias = l.ifalias }
end
tap.eq(now(used), { mtu = 1400, master = bridge, up = true, mac = "02:00:00:00:11:11", group = "default", alias = "somebody's" },
  "an interface as a port, without our mark or group")
tap.ok(now(bare).master == bridge and now(bare).up and now(bare).mtu == 1500, "one that was down is up", now(bare))
tap.eq({ kernel.rate(nil, used), kernel.redirect(nil, used) }, { 8000000, kernel.ours(nil, instance, "blue:used", "ifb").ifname }, "a rate, both ways")
tap.eq({ wire.kind, wire.interface, wire.mac, lent.mac, wire.netns, type(wire.address) }, { "link", bare, nil, "02:00:00:00:11:11", [6] = "string" },
  "what it is; its address is for who is behind it")
for ns, ep in pairs { [far] = wire, [used_far] = lent } do
  assert(address.add { netns = ns, link = "far0", address = ep.address .. "/24" })
end
tap.ok(h1:ping(wire) and h1:ping(lent), "who is behind them is reached")
tap.ok(tap.eventually(3, function() return wire.stats.rx_packets >= 2 and wire.stats.tx_packets >= 2 end), "and counted")
tap.eq(kernel.addresses(nil, used), { "172.16.5.1/24", "172.16.5.2/24" }, "its addresses stay on it")
tap.eq(net:verify(), {}, "nothing is to be mended")
system.refuses(function() wire:exec "true" end, "endpoint:exec: blue:wire is a link: programs run behind its interface " .. bare, "no program runs in it")

do
  local c <close> = expect(wire:capture { filter = "icmp" })
  h1:ping(wire)
  tap.ok(#c:stop().packets >= 2, "and captured")
end

-- in place
local index <const> = kernel.link(nil, used).ifindex
lent:update { mtu = 1300, rate = "9mbit", mac = "02:00:00:00:22:22" }
tap.eq({ now(used).mtu, now(used).mac, kernel.rate(nil, used) }, { 1300, "02:00:00:00:22:22", 9000000 }, "an update in place")
lent:update { mac = false, rate = false, mtu = false }
tap.eq({ now(used).mtu, now(used).mac, kernel.rate(nil, used), kernel.redirect(nil, used), lent.mac }, { 1500, "02:00:00:00:0b:0b" },
  "without a MAC address it has its own again")
lent:update { rate = "8mbit" }

-- refused, with nothing written
local full <const> = system.inventory()
local function refused(name, pattern, text, options)
  options = options or {}
  options.name, options.kind, options.interface = options.name or "x", "link", name
  system.refuses(function() net:endpoint(options) end, "endpoint blue:x: node .-: " .. pattern, text)
end
refused(named "none", "there is no interface none", "no such interface")
refused("lo", "lo is the loopback: it cannot be a bridge's port", "the loopback")
refused(foreign_bridge, ".* is a bridge: it cannot be a bridge's port", "a bridge")
refused(default, "the default route leaves by interface .*: force = true takes it nevertheless", "the default route's")
refused(used, "interface .* is in use by blue:used", "one that is borrowed already")
refused(kernel.ours(nil, instance, "blue:h1", "veth").ifname, "interface .* is NERV's own", "NERV's own")
refused(kernel.ours(nil, instance, "blue:used", "ifb").ifname, "interface .* is NERV's own", "NERV's own shaper")
expect(qdisc.add { link = port, kind = "tbf", rate = 1e6 })
refused(port, "interface .* has a queueing discipline of its own %(tbf%)", "one with a discipline, for a rate", { rate = "1mbit" })
expect(qdisc.delete { link = port, parent = "root" })
expect(qdisc.add { link = port, kind = "clsact" })
refused(port, "interface .* has a queueing discipline of its own %(clsact%)", "or with a hook", { rate = "1mbit" })
expect(qdisc.delete { link = port, kind = "clsact" })
system.refuses(function() net:endpoint { { name = "x", kind = "link", interface = port }, { name = "y", kind = "link", interface = port } } end,
  "create 2 endpoints of network blue: .* is wanted by blue:x and by blue:y", "one interface twice in one call")
system.same_inventory(full, nil, "nothing of it has left anything")
local tun <const>, above <const> = named "t", named "m"
assert(link.add { kind = "tun", name = tun })
refused(tun, tun .. " is no Ethernet interface", "a tun")
expect(link.delete { name = tun })
net:delete_endpoints { "wire" }
assert(link.add { kind = "macvlan", name = above, parent = bare, mode = "passthru" })
local busy <const> = link.get { name = bare }
system.refuses(function() net:endpoint { name = "x", kind = "link", interface = bare, mtu = 1300, mac = "02:00:00:00:33:33" } end,
  "create 1 endpoint of network blue: node .-: create interface .*busy", "one that cannot be a port")
local after <const> = link.get { name = bare }
tap.eq({ after.mtu, after.mac, after.up }, { busy.mtu, busy.mac, false }, "what had been changed is changed back")
tap.ok(not file.stat(node.here().run_dir .. "/borrowed/" .. bare), "and nothing is remembered of it")
expect(link.delete { name = above })
net:endpoint { name = "wire", kind = "link", interface = bare }
node.here():update { egress = { [port] = "dedicated" } }
refused(port, "interface .* is in use by node", "an egress port of the switch")
node.here():update { egress = {} }

-- the default route's, and a bridge's port
net:endpoint { { name = "port", kind = "link", interface = port }, { name = "way", kind = "link", interface = default, force = true } }
tap.eq({ now(port).master, now(default).master }, { bridge, bridge }, "with force, and out of another bridge")
tap.ok(kernel.sh("ip", "route", "show", "default"):find(default, 1, true), "the route is not touched")

-- somebody meddles
local function mended(title, meddle, operations)
  expect(meddle())
  tap.eq(system.texts(net:verify()), operations, title .. ": is mended")
  tap.eq(net:verify(), {}, title .. ": whole")
end
local here <const> = lab.here()
mended("no port any more", function() return link.set { name = bare, master = "" } end, { here .. ": change interface " .. bare .. " of blue:wire" })
mended("another bridge's port", function() return link.set { name = bare, master = foreign_bridge } end, { here .. ": change interface " .. bare .. " of blue:wire" })
mended("set down", function() return link.set { name = bare, up = false } end, { here .. ": change interface " .. bare .. " of blue:wire" })
mended("its MTU", function() return link.set { name = bare, mtu = 1280 } end, { here .. ": change interface " .. bare .. " of blue:wire" })
mended("its limit gone", function() return qdisc.delete { link = used, parent = "root" } end, { here .. ": create qdisc interface " .. used .. " main of blue:used" })

-- deleted, one and together
net:delete_endpoints { "way", "port" }
tap.eq({ now(port).master, now(default).master, now(port).mtu }, { foreign_bridge, nil, 1500 }, "given back, one to its bridge")
net:delete_endpoints { "used", "wire" }
crash.same_picture(before, picture(), "all is given back as it was")
tap.eq(kernel.link(nil, used).ifindex, index, "the same interface")

-- agents that die
local processes <const> = crash.processes()
local function restart(while_dead)
  local former = { lab = processes.lab() }
  crash.signal({ former.lab }, "KILL")
  if while_dead then while_dead() end
  return crash.restarted(processes, former)
end
local function borrow()
  net:endpoint { { name = "wire", kind = "link", interface = bare }, { name = "port", kind = "link", interface = port, rate = "5mbit" },
    { name = "used", kind = "link", interface = used, mac = "02:00:00:00:11:11", mtu = 1200, rate = "8mbit" } }
end
borrow()
tap.ok(restart(), "the agent is killed and starts again")
tap.eq({ net:verify(), now(used).mac }, { {}, "02:00:00:00:11:11" }, "it finds all as it was")
net:update { archetype = "bridge" }
net:update { archetype = "ip" }
tap.ok(h1:ping(net:get "wire"), "other archetypes, and back")
net:delete_endpoints { "port", "wire", "used" }
crash.same_picture(before, picture(), "what a former agent borrowed is given back as it was")

-- One dies when it has put the port back into its bridge, which gave it the usual settings.
borrow()
do
  local former <const> = { lab = processes.lab() }
  crash.signal({ former.lab }, "STOP")
  local job <const> = task.spawn(net.delete_endpoints, net, { "port", "wire", "used" })
  tap.ok(tap.eventually(5, function()
    local row = lab.state():endpoint(lab.state():network("blue")._uuid, "port")
    return row and row.doomed
  end), "an endpoint is to go")
  expect(link.set { name = port, master = foreign_bridge })
  crash.signal({ former.lab }, "KILL")
  tap.ok(crash.restarted(processes, former) and pcall(job.wait, job), "and its agent dies in the middle")
  crash.same_picture(before, picture(), "the next one gives it back whole")
end

-- Killed at any moment of borrowing and giving back.
local rounds <const> = 6 * tonumber(os.getenv "NERV_ROUNDS" or "1")
local wrong = 0
for round = 1, rounds do
  local former = { lab = processes.lab() }
  local job = task.spawn(function() return pcall(round % 2 == 1 and borrow or function() net:delete_endpoints { "port", "wire", "used" } end) end)
  sleep(0.004 * round + 0.001 * math.random(0, 8))
  crash.signal({ former.lab }, "KILL")
  if not crash.restarted(processes, former) then wrong = wrong + 1 end
  job:wait()
  local there = net:get "used" ~= nil
  if round % 2 == 1 and not there then borrow() end
  if round % 2 == 0 and there then net:delete_endpoints { "port", "wire", "used" } end
  net:verify()
  local good = round % 2 == 1 and now(used).master == kernel.ours(nil, instance, "blue", "bridge").ifname and now(used).mtu == 1200
    or round % 2 == 0 and table.concat(picture()) == table.concat(before)
  if not good then
    wrong = wrong + 1
    crash.same_picture(before, picture(), "round " .. round)
  end
end
tap.eq(wrong, 0, ("killed at %d moments: each is borrowed or given back in the end"):format(rounds))

-- The interface goes, and comes back as another one.
net:endpoint { name = "wire", kind = "link", interface = bare }
local gone_wire <const> = net:get "wire"
expect(link.delete { name = bare })
tap.ok(tap.eventually(10, function() return gone_wire.state:find "^failed: .*is gone" end), "an interface that goes", gone_wire.state)
tap.ok(net:update { mtu = 1450 } and h1:ping(h1.address), "holds up nobody")
expect(link.add { kind = "veth", name = bare, mtu = 1333, peer = { name = "far1", netns = far } })
tap.ok(tap.eventually(15, function() return gone_wire.state == "active" and now(bare).master == bridge end), "another one of its name takes its place")
net:delete_endpoints { "wire" }
tap.eq({ now(bare).mtu, now(bare).up, now(bare).master }, { 1333, false }, "and is given back as it was, too")
net:endpoint { name = "wire", kind = "link", interface = bare }
expect(link.delete { name = bare })
net:delete_endpoints { "wire" }
tap.ok(not file.stat(node.here().run_dir .. "/borrowed/" .. bare), "one that has gone and is deleted leaves no record")
expect(link.add { kind = "veth", name = bare, peer = { name = "far2", netns = far } })

-- The end of a lab, one that is dead, too.
local again <const> = picture()
net:endpoint { { name = "wire", kind = "link", interface = bare }, { name = "port", kind = "link", interface = port, rate = "5mbit" } }
local anatomy <const> = crash.anatomy()
lab.leave()
crash.all_gone(anatomy, 5, "the lab ends and leaves nothing")
crash.same_picture(again, picture(), "and gives all back")
do
  local state <close> = system.state()
  local dead = system.nervsh({ "-e", ([[
    local crash = require "support.crash"
    local net = network.create { name = "blue", archetype = "bridge" }
    net:endpoint { { name = "wire", kind = "link", interface = "%s" }, { name = "used", kind = "link", interface = "%s", rate = "1mbit" } }
    local anatomy = crash.anatomy()
    table.insert(anatomy.pids, process.self())
    crash.signal(anatomy.pids, "KILL")
    sleep(10)]]):format(bare, used) }, { env = state.env })
  tap.ok((dead.name or dead.signal) == "SIGKILL" and now(used).master ~= nil, "another lab is killed while it borrows", dead)
  system.nervsh { "-c", "clean" }
  crash.same_picture(again, picture(), "clean gives all back")
end
tap.done()
