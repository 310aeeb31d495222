-- Networks on Open vSwitch: its own daemons from the first to the last of them; endpoints of every kind; what the node
-- itself hears; what verify() mends; daemons and agents that are killed.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local guest <const> = require "support.guest"
local kernel <const> = require "support.kernel"
local open_vswitch <const> = require "support.ovs"

local hello <const> = lab.connection().hello
local ovs <const> = open_vswitch.of(hello.run_dir)
local function daemons() return { database = ovs:pid "database", daemon = ovs:pid "daemon" } end
local empty <const> = system.inventory()
tap.eq(daemons(), {}, "no Open vSwitch runs before it is needed")

-- endpoints of every kind
expect(netns.add { path = "f1", lo_up = true })
expect(link.add { kind = "veth", name = "ext0", up = true, peer = { name = "eth0", netns = "f1" } })
expect(link.set { name = "eth0", netns = "f1", up = true })
expect(netns.add { path = "f2" })
local net <const> = network.create { name = "blue", archetype = "ovs" }
net:endpoint { { name = "a", loopback = true }, { name = "b" }, { name = "v", kind = "veth", netns = "f2", rate = "80mbit" }, { name = "t", kind = "tap" },
  { name = "l", kind = "link", interface = "ext0" } }
local a <const>, b <const> = net:get "a", net:get "b"
local machine <const> = assert(guest.start { name = "vmo", tap = net:get("t").interface, mac = net:get("t").mac, address = "10.0.0.4/24" })
for place, address_of in pairs { [a.netns] = "10.0.0.1/24", [b.netns] = "10.0.0.2/24", f2 = "10.0.0.3/24", f1 = "10.0.0.5/24" } do
  expect(address.add { netns = place, link = "eth0", address = address_of })
end
local function pings(from, target)
  return tap.eventually(10, function()
    return process.run { argv = { "ping", "-c1", "-W1", target }, netns = from }.exit == 0
  end)
end
local function all_reach() return pings(a.netns, "10.0.0.2") and pings("f2", "10.0.0.4") and pings("f1", "10.0.0.1") and pings("f2", "10.0.0.5") end
tap.ok(all_reach(), "endpoints in namespaces, behind a veth, a tap and an interface reach each other")
tap.eq(net:verify(), {}, "nothing is to be mended")
local bridge <const> = ovs:bridges()[1]
tap.eq({ #ovs:bridges(), #ovs:ports(bridge) }, { 1, 5 }, "one bridge with a port for each")

tap.like(select(2, net:capture { seconds = 1 }), "blue is on Open vSwitch: capture an endpoint", "it has no interface that all frames pass")

-- facts
local facts <const> = net:facts()[hello.node]
local in_kernel <const> = file.stat "/sys/module/openvswitch" ~= nil
tap.eq({ facts["blue/switch-data.datapath"], facts["blue/switch-data.offload"], facts["blue/switch-data.interface"] },
  in_kernel and { "system", "kernel", bridge } or { "netdev", "userspace-tso", bridge }, "the chosen ways show in the facts")
tap.eq(ovs:vsctl("get", "bridge", bridge, "datapath_id"), '"' .. facts["blue/switch-data.dpid"] .. '"', "so does the datapath id")
local seen
local asked <const> = assert(openflow.connect { path = facts["blue/switch-data.socket"],
  on_switch = function(dp) seen = { dp.id, #dp:stats "flow" } end })
tap.eventually(10, function() return seen end)
asked:close()
tap.eq(seen, { facts["blue/switch-data.dpid"], 1 }, "and a socket at which the bridge answers whoever asks, beside controllers")

-- TCP: a server that says how much it got, a client that sends it
local function carries(from, to, target, bytes)
  local server = assert(process.spawn { argv = { "python3", "-c", [[
import socket
s = socket.create_server(("]] .. target .. [[", 7000)); print("ready", flush=True)
c = s.accept()[0]; n = 0
while d := c.recv(1 << 16): n += len(d)
print(n)]] }, netns = to, stdout = "pipe" })
  server.stdout:read_line()
  local client = process.run { netns = from, argv = { "timeout", "10", "python3", "-c", ([[
import socket
socket.create_connection(("%s", 7000), 5).sendall(bytes(%d))]]):format(target, bytes) } }
  if client.exit ~= 0 then server:kill "KILL" end
  local got = server.stdout:read_line()
  server:wait()
  return client.exit == 0 and got == tostring(bytes)
end
tap.ok(carries(a.netns, b.netns, "10.0.0.2", 20000000), "TCP between endpoints")
tap.ok(carries("f1", a.netns, "10.0.0.1", 2000000) and carries(a.netns, "f1", "10.0.0.5", 2000000), "and with a borrowed interface")
ethtool.set { netns = machine.netns, link = "eth0", tx_checksum = false }   -- whoever opens a tap so sends whole packets
tap.ok(carries(machine.netns, b.netns, "10.0.0.2", 200000), "and with a guest behind a tap")

-- other frames
net:update { mtu = 9000 }
tap.ok(tap.eventually(10, function()
  return process.run { argv = { "ping", "-c1", "-W1", "-s8000", "-Mdo", "10.0.0.2" }, netns = a.netns }.exit == 0
end) and carries(a.netns, b.netns, "10.0.0.2", 20000000), "large frames, and TCP with them")
net:update { mtu = 1500 }

-- the node's own stack hears nothing of what its ports carry
expect(link.add { kind = "veth", name = "own0", up = true, peer = { name = "own1", up = true } })
expect(address.add { link = "own0", address = "10.0.0.77/32" })
local reached <const> = process.run { argv = { "ping", "-c2", "-W1", "-i0.2", "10.0.0.77" }, netns = a.netns }.exit == 0
tap.ok(not reached and not kernel.shell("ip netns exec f2 ip neigh"):find "10.0.0.77 .*lladdr", "a tenant does not reach the node")
expect(link.delete { name = "own0" })

-- what somebody else changes
local port <const> = kernel.ours(nil, hello.instance, "blue:a", "veth").ifname
local function mends(title, kinds_mended)
  local operations = {}
  for i, o in ipairs(net:verify()) do operations[i] = o.verb .. " " .. o.key end
  tap.eq(operations, kinds_mended, title .. ": is mended, and only that")
  tap.ok(pings(a.netns, "10.0.0.2"), title .. ": the endpoints reach each other")
  tap.eq(net:verify(), {}, title .. ": then nothing is left to do")
end
ovs:vsctl("del-port", bridge, port)
tap.ok(not process.run { argv = { "ping", "-c1", "-W1", "10.0.0.2" }, netns = a.netns }.stdout:find "1 received", "a port is removed by hand")
mends("a removed port", { "create ovs_port link blue:a/eth0 peer" })
ovs:vsctl("set", "bridge", bridge, "other_config:datapath-id=00000000deadbeef")
mends("a datapath id", { "change ovs_bridge blue/switch-data" })
ovs:vsctl("add-br", "foreign", "--", "set", "bridge", "foreign", "datapath_type=netdev")
ovs:vsctl("del-port", bridge, port, "--", "add-port", "foreign", port)
mends("a port in another bridge", { "create ovs_port link blue:a/eth0 peer" })
tap.eq(ovs:ports "foreign", {}, "which has it no more")
ovs:vsctl("del-br", "foreign")

-- controllers and fail mode
net:update { controllers = { "tcp:127.0.0.1:1", "tcp:127.0.0.1:2" }, fail_mode = "secure", probe = 7 }
local function controllers() return ovs:vsctl("get-controller", bridge):gsub("\n", " ") end
tap.eq({ (controllers()), ovs:vsctl("get-fail-mode", bridge) }, { "tcp:127.0.0.1:1 tcp:127.0.0.1:2", "secure" }, "controllers and fail mode")
tap.eq(net:verify(), {}, "nothing is to be mended")
ovs:vsctl("set-controller", bridge, "tcp:127.0.0.1:9")
ovs:vsctl("set-fail-mode", bridge, "standalone")
local changed <const> = net:verify()
tap.eq({ #changed, changed[1].verb, changed[1].kind }, { 1, "change", "controller" }, "a changed controller is mended")
tap.eq({ (controllers()), ovs:vsctl("get-fail-mode", bridge) }, { "tcp:127.0.0.1:1 tcp:127.0.0.1:2", "secure" }, "it is as it was")
ovs:vsctl("del-controller", bridge)
ovs:vsctl("del-fail-mode", bridge)
net:verify()
tap.eq({ (controllers()), ovs:vsctl("get-fail-mode", bridge) }, { "tcp:127.0.0.1:1 tcp:127.0.0.1:2", "secure" }, "a removed one, too")
net:update { controllers = {}, fail_mode = "standalone" }
tap.eq({ (controllers()), ovs:vsctl("get-fail-mode", bridge) }, { "", "" }, "none again")
tap.ok(pings(a.netns, "10.0.0.2"), "it switches by itself")

-- daemons that are killed
for _, victims in ipairs { { "daemon" }, { "database" }, { "daemon", "database" } } do
  local former, pids = daemons(), {}
  for i, what in ipairs(victims) do pids[i] = former[what] end
  crash.signal(pids, "KILL")
  local back = tap.eventually(20, function()
    for i, what in ipairs(victims) do
      local now = ovs:pid(what)
      if not now or now == pids[i] then return false end
    end
    return true
  end)
  tap.ok(back and all_reach(), table.concat(victims, " and ") .. " killed: the bridge and its ports are back")
  tap.eq(ovs:vsctl("get", "bridge", bridge, "datapath_id"), '"' .. facts["blue/switch-data.dpid"] .. '"', "with the same datapath id")
  tap.eq(net:verify(), {}, "nothing is to be mended")
end

-- an agent that is killed; its successor finds an Open vSwitch that runs, or one that is dead, too
local function another_agent(pids)
  crash.signal(pids, "KILL")
  return tap.eventually(30, function()
    local pid = crash.agent(hello.run_dir)
    return pid and pid ~= pids[1] and lab.connection().state.db:connected() and lab.connection().hello.pid == pid
  end)
end
local former <const> = daemons()
tap.ok(another_agent { crash.agent(hello.run_dir) }, "an agent takes over")
tap.eq(daemons(), former, "with the daemons that run")
tap.ok(all_reach() and #net:verify() == 0, "all is as it was")
tap.ok(another_agent { crash.agent(hello.run_dir), former.database, former.daemon }, "an agent takes over when all are dead")
tap.ok(all_reach(), "the endpoints reach each other again")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- a second network, and the end of both
local red <const> = network.create { name = "red", archetype = "ovs" }
red:endpoint { { name = "a" }, { name = "b" } }
for i, ep in ipairs(red:endpoints()) do expect(address.add { netns = ep.netns, link = "eth0", address = ("10.0.0.%d/24"):format(i) }) end
tap.ok(pings(red:get("a").netns, "10.0.0.2"), "another network with the same addresses")
tap.eq(#ovs:bridges(), 2, "has a bridge of its own")
net:delete_endpoints { "l" }
tap.eq((link.get { name = "ext0" } or {}).master, nil, "a borrowed interface is given back")
machine.stop()
net:delete()
tap.eq(#ovs:bridges(), 1, "one bridge is left")
tap.ok(pings(red:get("a").netns, "10.0.0.2"), "which works")
local last <const> = daemons()
red:delete()
tap.eq(daemons(), {}, "the daemons go with the last network")
tap.ok(not process.exists(last.daemon) and not process.exists(last.database), "they are gone")
tap.ok(not file.stat(ovs.dir), "and their directory")
system.same_inventory(empty, nil, "nothing is left")
for _, name in ipairs { "ext0" } do link.delete { name = name } end
kernel.forget("f1", "f2")

-- another one in the same place
local function links()
  local names = {}
  for i, l in ipairs(link.list()) do names[i] = l.name end
  table.sort(names)
  return names
end
local bare <const> = links()
if in_kernel then
  tap.skip("two do not fit into one namespace", "there is a datapath in the kernel")
else
  local other <const> = process.spawn { stdin = "null", stdout = "pipe", argv = { "python3", "-c", [[
import fcntl, os, struct, time
t = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(t, 0x400454ca, struct.pack("16sH22x", b"ovs-netdev", 0x1002))
print("ready", flush=True)
time.sleep(60)]] } }
  other.stdout:read_line()
  system.refuses(function() network.create { name = "green", archetype = "ovs" } end, "create network green: node [^:]+: create vswitch of the node: " ..
    "another Open vSwitch runs in this network namespace: `ovs = \"system\"` in the agent's settings uses it$", "two do not fit into one namespace")
  other:kill "KILL"
  other:wait()
end
system.same_inventory(empty, nil, "nothing is left")

-- a lab of which nobody is left
local second <close> = system.state()
local made <const> = system.script([[
network.create { name = "gone", archetype = "ovs" }:endpoint { name = "a" }
cgroup.kill(cgroup.root() .. "/nerv-" .. lab.connection().hello.instance)
process.adopt(lab.connection().hello.pid):kill "KILL"
process.adopt(process.self()):kill "KILL"
]], { env = second.env })
tap.ok(made.signal == 9 and #links() > #bare, "a lab is killed with all its processes", made, links())
require("nerv.instance").clean(second.path)
tap.eq(links(), bare, "clean leaves no device of it")
tap.eq(second:left(), {}, "and nothing else")
tap.done()
