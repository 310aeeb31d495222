-- Software-defined networks: one controller on the home, reached from every node over a control network of the network's
-- own; controllers that others wrote; what happens when a controller dies.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local open_vswitch <const> = require "support.ovs"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local switches <const> = {}
for _, name in ipairs(tb.names) do switches[name] = open_vswitch.of(node.get(name).run_dir) end

local function answers(from, target, seconds)
  return tap.eventually(seconds or 10, function() return from:run("ping", "-c1", "-W1", target) ~= nil end)
end
local function bridge_of(net, name) return net:facts()[name]["blue/switch-data.interface"] end

-- two networks whose controllers and endpoints have the same addresses, each with its home on another node
local blue <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1" }
local red <const> = network.create { name = "red", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm2" }
blue:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" }, { name = "c", node = "pm1", address = "10.1.0.50" } }
red:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" }, { name = "d", node = "pm2", address = "10.1.0.60" } }
local a <const>, b <const>, c <const> = blue:get "a", blue:get "b", blue:get "c"
tap.ok(a:ping(b, 1) and a:ping(c, 1), "endpoints reach each other at once, on one node and across nodes")
local ra <const>, rb <const> = red:get "a", red:get "b"
tap.ok(ra:ping(rb, 1) and ra:ping(red:get "d", 1), "those of the other network, too, with the same addresses")
tap.ok(not answers(a, "10.1.0.60", 0) and not answers(rb, "10.1.0.50", 0), "neither network reaches into the other")
tap.eq({ blue:verify(), red:verify() }, { {}, {} }, "nothing is to be mended")

-- how the controller is reached
local function services(name)
  local list = {}
  for _, s in ipairs(lab.state():list "Service") do
    if s.node == name and (s.name:find "^blue" or s.name:find "^red") then list[#list + 1] = s.name end
  end
  table.sort(list)
  return list
end
tap.ok(tap.eventually(5, function() return #services "pm1" == 3 and #services "pm2" == 3 end), "each home has a controller, each node relays",
  services "pm1", services "pm2")
tap.eq(switches.pm1:vsctl("get-controller", bridge_of(blue, "pm1")), "unix:" .. switches.pm1.dir .. "/blue.relay", "a switch connects to a socket")
for _, name in ipairs(tb.names) do
  local text = process.run { argv = { "ip", "-br", "addr" }, netns = tb:netns(name) }.stdout
  tap.ok(not text:find "192.168.255", name .. ": the control network has no address in the node's namespace")
end
local function flows(name) return switches[name]:ofctl("dump-flows", bridge_of(blue, name)) end
tap.ok(flows "pm1":find "CONTROLLER" and flows "pm2":find "CONTROLLER", "the controller told both switches what to do")

-- TCP
local server <const> = b:spawn("iperf3", "-s", "-1")
tap.ok(tap.eventually(10, function() return a:run("iperf3", "-c", b.address, "-n", "20M") ~= nil end), "TCP across nodes")
server:wait()

-- other controllers, told by one update each
local function pair(name)   -- two endpoints that have never spoken, so that no switch knows them
  return blue:endpoint { name = name .. "1", node = "pm1" }, blue:endpoint { name = name .. "2", node = "pm2" }
end
local function forwards(name, title)
  local from, to = pair(name)
  tap.ok(answers(from, to.address, 15), title)
  blue:delete_endpoints { from.name, to.name }
end
local function bad_checksums(e)
  local names <const>, values <const> = e:run("cat", "/proc/net/snmp").stdout:match "\nTcp: (.-)\nTcp: (.-)\n"
  tap.like(names, " InCsumErrors$", "the kernel counts bad checksums last")
  return values:match "%d+$"
end
do
  local from <const>, to <const> = pair "t"
  local listener <const> = to:spawn("iperf3", "-s", "-1")
  tap.ok(tap.eventually(10, function() return from:run("iperf3", "-c", to.address, "-n", "1M") ~= nil end), "TCP between strangers")
  listener:wait()
  tap.eq({ bad_checksums(from), bad_checksums(to) }, { "0", "0" }, "the frames that went by the controller have their checksums")
  blue:delete_endpoints { from.name, to.name }
end
local app <const> = file.realpath(arg[0]):match "^(.*)/system/" .. "/lua/support/learning_switch.py"
blue:update { controller = { "osken-manager", "--ofp-listen-host", "${address}", "--ofp-tcp-listen-port", "${port}", app }, controller_port = 7001 }
forwards("k", "a learning switch on os-ken, on another port")
local out <const> = assert(process.spawn { argv = { "ovs-testcontroller", "ptcp:6699:192.0.2.1", "--unixctl=none", "-vsyslog:off" }, netns = tb:netns "pm1",
  stdout = "null", stderr = "null" })
blue:update { controller = "tcp:192.0.2.1:6699" }
tap.eventually(5, function() return #services "pm1" == 1 end)   -- the list follows a moment later
tap.eq(services "pm1", { "red.relay" }, "with a controller elsewhere there is none here, and no relay")
forwards("o", "a controller at an address")
out:kill "KILL"
out:wait()
blue:update { controller = "ovs-testcontroller", controller_port = 6653, probe = 1 }
forwards("t", "ovs-testcontroller again")

-- its death
local function controller() return crash.service(node.get(blue.home).run_dir, "blue.controller") end
local former <const> = controller()
crash.signal({ former }, "KILL")
tap.ok(tap.eventually(10, function() return controller() and controller() ~= former end), "a controller that is killed comes back")
forwards("s", "and decides again")
blue:update { controller = { "sleep", "1000" }, join = 0 }
local s1 <const>, s2 <const> = pair "f"
tap.ok(not answers(s1, s2.address, 4), "secure: without a controller nothing new is forwarded")
tap.ok(tap.eventually(10, function() return blue.state:find "^no controller: blue/switch%-data on pm%d: 192.168.255.1:6653 on pm%d: " end), "which shows", blue.state)
tap.ok(answers(ra, rb.address), "which hinders nobody else")
blue:update { fail_mode = "standalone" }
tap.ok(answers(s1, s2.address, 15), "standalone: a switch decides by itself")
tap.like(blue.state, "^no controller: ", "which is no controller")
blue:update { controller = "built-in", fail_mode = "secure", join = 8 }
tap.eq(blue.state, "active", "the state says at once that there is one")
tap.ok(answers(s1, s2.address, 15), "with a controller it decides")
blue:delete_endpoints { "f1", "f2" }

-- the home moves, and the controller with it
blue:update { home = "pm2" }
tap.ok(tap.eventually(5, function() return #services "pm1" == 2 and #services "pm2" == 4 end), "the controller moves with the home")
forwards("h", "and decides there")
tap.eq(blue:verify(), {}, "nothing is to be mended")
blue:update { home = "pm1" }
forwards("g", "and back")

-- relays that are killed
for _, name in ipairs(tb.names) do
  local pid = crash.service(node.get(name).run_dir, "blue.relay")
  crash.signal({ pid }, "KILL")
  tap.eventually(10, function() return (crash.service(node.get(name).run_dir, "blue.relay") or pid) ~= pid end)
end
forwards("r", "relays that are killed come back")

-- what cannot be
system.refuses(function() blue:update { controller = "opendaylight" } end, "network.update: option 'controller': \"built%-in\", \"ovs%-testcontroller\", a command as",
  "an unknown controller")
system.refuses(function() blue:update { controller = { "app", "${adress}" } } end, "network.update: option 'controller': %${adress} is unknown: %${address} %${port}",
  "no such word")
system.refuses(function() blue:update { controller = "udp:192.0.2.1:6653" } end, "network.update: option 'controller': an address begins with", "no such way")
local tiny <const> = network.create { name = "tiny", archetype = "sdn", control = "192.168.9.0/30", home = "pm2" }
system.refuses(function() tiny:endpoint { name = "x", node = "pm1" } end, "create 1 endpoint of network tiny: node pm1: archetype sdn, network tiny: " ..
  ".*option 'control': a larger range is needed: node pm1 is number %d, and 192%.168%.9%.%d is", "a range that is too small")
tiny:delete()

red:delete()
blue:delete()
system.same_inventory(empty, tb, "in the end nothing is left")
tap.eq({ switches.pm1:pid "daemon", switches.pm2:pid "daemon" }, {}, "no daemon either")
tb:delete()
tap.done()
