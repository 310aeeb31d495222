-- Flows that an archetype wants beside those of its controller: neither takes the other's away, unless the controller
-- removes all.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local open_vswitch <const> = require "support.ovs"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  system.write(dir.path, "quiet.lua", [[
return archetype { name = "quiet", summary = "an sdn network in which nobody knocks at port 9", uses = { "sdn" },
  ports = { "control", "data" },
  network = { subnet = { type = "cidr4", required = true, doc = "range" }, controller = { type = "any", default = "built-in", doc = "which" } },
  endpoint = { address = { type = "address4", allocate = "subnet", doc = "fixed address" } },
  on_network = function(need, net)
    local sdn = need.network { archetype = "sdn", name = "sdn", ports = { control = "control", data = "data" }, subnet = net.subnet,
      controller = net.controller }
    need.flow { bridge = sdn.made.data.made.bridge, priority = 1000, match = { eth_type = 0x0800, ip_proto = 17, udp_dst = 9 } }
    return { sdn = sdn }
  end,
  on_endpoint = function(_, net, ep) return net.made.sdn:endpoint { address = ep.address } end,
}]])
  local result = process.spawn { argv = { process.exe(), arg[0] }, add_env = { NERV_PATH = dir.path } }:wait()
  os.exit(result.exit or 1)
end

local before <const> = system.inventory()
local net <const> = network.create { name = "blue", archetype = "quiet", subnet = "10.1.0.0/24" }
local h <const> = net:endpoint { { name = "a" }, { name = "b" } }
local hello <const> = lab.connection().hello
local ovs <const> = open_vswitch.of(hello.run_dir)
local bridge <const> = ovs:bridges()[1]
local function flows() return select(2, pcall(ovs.ofctl, ovs, "dump-flows", bridge)) end
local function ours() return flows():match "priority=1000,udp,tp_dst=9 actions=drop" ~= nil end
local function reach() return tap.eventually(20, function() return h[1]:ping(h[2], 1) end) end

-- Whether a datagram to a port arrives; one that does is sent again until it does.
local function arrives(port)
  local socket <close> = expect(packet.open { netns = h[2].netns, link = "eth0", filter = "udp port " .. port })
  local out <close> = expect(packet.open { netns = h[1].netns, link = "eth0" })
  local function send()
    out:send(packet.build { { type = "ethernet", src = h[1].mac, dst = h[2].mac }, { type = "ipv4", src = h[1].address, dst = h[2].address },
      { type = "udp", src_port = 1, dst_port = port }, "x" })
    return socket:recv(0.3) ~= nil
  end
  return tap.eventually(port == 9 and 1 or 15, send)
end
local function works(title)
  tap.ok(tap.eventually(20, function() return ours() and flows():find "CONTROLLER" end), title .. ": its flow and the controller's", flows())
  tap.ok(reach() and arrives(10) and not arrives(9), title .. ": both hold")
  tap.eq(net:verify(), {}, title .. ": nothing is to be mended")
end
works "beside the built-in controller"

local function controller() return crash.service(hello.run_dir, "blue+sdn.controller") end
local former <const> = controller()
crash.signal({ former }, "KILL")
tap.ok(tap.eventually(20, function() return controller() and controller() ~= former end), "the controller dies, and another one is there")
tap.ok(ours(), "the archetype's flow is")
works "another controller"

ovs:ofctl("del-flows", bridge)
tap.eq(system.texts(net:verify()), { hello.node .. ": create flow blue/switch-data 0/1000 eth_type=2048,ip_proto=17,udp_dst=9 of blue" },
  "all flows are removed: verify puts back what is ours, and says so")
crash.signal({ controller() }, "KILL")   -- it puts back its own
works "after that"

crash.signal({ ovs:pid "daemon" }, "KILL")
works "another daemon"
net:update { controller = "ovs-testcontroller" }
tap.ok(tap.eventually(20, function() return net:verify() and ours() end) and reach(), "a controller that others wrote, which removes all")
net:delete()
system.same_inventory(before, nil, "nothing is left")
tap.done()
