-- Needs of kind flow, group and meter: what an archetype wants of a switch is there, in the words of ovs-ofctl too; traffic
-- goes by it; what somebody else changed is mended and what is somebody else's stays; whoever is killed, it comes back.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local open_vswitch <const> = require "support.ovs"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  system.write(dir.path, "panel.lua", [[
-- Endpoints that send to a group, whose buckets lead to three listeners.
return archetype {
  name = "panel", summary = "a switch with a panel of listeners", uses = { "ovs" }, ports = { "data" },
  network = {
    type = { type = "string", default = "all", doc = "of the group" },
    first = { type = "integer", default = 1, doc = "listener of the first bucket" },
    limit = { type = "integer", default = 100000, doc = "frames per second" },
    dscp = { type = "boolean", default = false, doc = "a meter that Open vSwitch does not know" },
    broken = { type = "boolean", default = false, doc = "a flow that no switch takes, among others" },
    controllers = { type = "list", default = {}, doc = "of the switch" },
    priority = { type = "integer", default = 100, doc = "of the endpoints' flows" },
  },
  on_network = function(need, net)
    local lan = need.network { archetype = "ovs", name = "lan", port = "data", fail_mode = "secure",
      controllers = net.controllers }
    local switch, ports, buckets = lan.made.bridge, {}, {}
    for i = 1, 3 do
      local ns = need.netns { id = net.path .. "/l" .. i }
      local nic = need.link { kind = "veth", name = "eth" .. i, netns = ns, up = true, peer = { master = switch.sink, up = true } }
      ports[i] = need.ovs_port { bridge = switch, link = nic, side = "peer" }
    end
    for i, port in ipairs(ports) do
      need.flow { bridge = switch, priority = 50, match = { in_port = port, eth_type = 0x88b5 }, goto_table = 10 + i }
      local number = (i + net.first - 2) % 3 + 1
      buckets[i] = { actions = { { output = ports[number] } }, watch_port = net.type == "ff" and ports[number] or nil }
    end
    local bands = { { drop = net.limit } }
    if net.dscp then bands = { { dscp_remark = net.limit, prec_level = 1 } } end
    local meter = need.meter { bridge = switch, meter = 7, flags = { pktps = true }, bands = bands }
    local group = need.group { bridge = switch, group = 5, type = net.type, buckets = buckets }
    for priority = 41, net.broken and 43 or 40 do
      need.flow { bridge = switch, priority = priority, actions = { { output = priority == 42 and 0xffffff01 or "normal" } } }
    end
    need.flow { bridge = switch, table = 1, match = {}, actions = { { group = group } }, meter = meter }
    return { lan = lan, switch = switch, ports = ports }
  end,
  on_endpoint = function(need, net, ep)
    local nic = net.made.lan:endpoint {}
    local switch = net.made.switch
    need.flow { bridge = switch, priority = net.priority, match = { in_port = nic.port, eth_src = ep.mac }, goto_table = 1 }
    need.flow { bridge = switch, match = { in_port = net.made.ports[1], eth_dst = ep.mac }, actions = { { output = nic.port } } }
    return nic
  end,
}]])
  local result = process.spawn { argv = { process.exe(), arg[0] }, add_env = { NERV_PATH = dir.path } }:wait()
  os.exit(result.exit or 1)
end

local before <const> = system.inventory()
local net <const> = network.create { name = "net", archetype = "panel" }
net:endpoint { { name = "a" }, { name = "b" } }
local a <const>, b <const> = net:get "a", net:get "b"
local hello <const> = lab.connection().hello
local ovs <const> = open_vswitch.of(hello.run_dir)
local bridge <const> = ovs:bridges()[1]

-- What ovs-ofctl says of the switch: a line for each thing, without what is counted.
local function dump(what)
  local list <const> = {}
  local good, text = pcall(ovs.ofctl, ovs, "dump-" .. what, bridge)
  for line in (good and text or ""):gsub("\n(type=)", " %1"):gmatch "[^\n]+" do
    if not line:find "^OFPST" then
      list[#list + 1] = line:gsub("duration=[^,]*, ", ""):gsub("n_packets=[^,]*, ", ""):gsub("n_bytes=[^,]*, ", ""):gsub("^ +", "")
    end
  end
  table.sort(list)
  return list
end
local function number_of(interface)
  return tonumber((ovs:vsctl("get", "interface", interface, "ofport")))
end
local function port_of(ep)
  for _, name in ipairs(ovs:ports(bridge)) do
    if ovs:vsctl("get", "port", name, "external_ids:nerv"):find(":net:" .. ep.name, 1, true) then return number_of(name) end
  end
end
local function everything() return { flows = dump "flows", groups = dump "groups", meters = dump "meters" } end

-- as it is wanted
local flows <const> = dump "flows"
tap.eq(#flows, 8, "two flows for each endpoint and four of the network")
local text = table.concat(flows, "\n")
tap.like(text, ("table=0, priority=100,in_port=%d,dl_src=%s actions=goto_table:1"):format(port_of(a), a.mac), "a flow of an endpoint")
tap.like(text, "table=1, actions=meter:7,group:5", "the network's, with group and meter")
local _, ours = text:gsub("cookie=0x" .. hello.instance:gsub("^0+", ""), "")
tap.eq(ours, 8, "their cookies begin with the instance")
tap.like(dump "groups"[1], "group_id=5,type=all,bucket=actions=output:%d+,bucket=actions=output:%d+,bucket=actions=output:%d+$", "the group")
tap.eq(dump "meters", { "meter=7 pktps bands= type=drop rate=100000" }, "the meter")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- traffic: frames that differ in their sources, and who of the listeners gets them
local listeners <const> = {}
for i = 1, 3 do listeners[i] = { netns = ("%s/ns/net+l%d"):format(hello.run_dir, i), link = "eth" .. i } end
local run = 0
local function heard(count, pause)
  run = run + 1
  local got, tasks = { 0, 0, 0 }, {}
  for i, one in ipairs(listeners) do
    local socket = expect(packet.open { netns = one.netns, link = one.link })
    tasks[i] = { socket = socket, task = task.spawn(function()
      repeat   -- until its link is down, or it is closed
        local frame = socket:recv()
        if frame and frame:find(("run %d."):format(run), 1, true) then got[i] = got[i] + 1 end
      until not frame
    end) }
  end
  local out <close> = expect(packet.open { netns = a.netns, link = "eth0" })
  local began <const> = runtime.now()
  for i = 1, count do
    out:send(packet.build { { type = "ethernet", src = a.mac, dst = "02:00:00:00:00:99" },
      { type = "ipv4", src = ("10.9.%d.%d"):format(i // 250, i % 250 + 1), dst = "10.8.0.1" }, { type = "udp", src_port = 1000, dst_port = 2000 },
      ("run %d.%s"):format(run, ("x"):rep(40)) })
    if pause then sleep(pause) end
  end
  local took, last = runtime.now() - began, -1
  tap.eventually(3, function()
    local sum = got[1] + got[2] + got[3]
    local quiet = sum == last
    last = sum
    sleep(0.2)
    return quiet and sum > 0
  end)
  for _, one in ipairs(tasks) do
    one.task:cancel()
    one.task:join()
    one.socket:close()
  end
  return got, took
end
-- Polls, because Open vSwitch uses its cache for some milliseconds, and a machine may be busy.
local function hears(title, good)
  local got
  tap.ok(tap.eventually(15, function()
    got = heard(60, 0.001)
    return good(got)
  end), title, got)
end
hears("group `all`: every listener gets each frame", function(got) return got[1] == 60 and got[2] == 60 and got[3] == 60 end)
net:update { type = "select" }
tap.like(dump "groups"[1], "type=select,bucket=actions=output:%d+,bucket=actions=output:%d+,bucket=actions=output:%d+$", "changed in place")
hears("group `select`: each frame reaches one, and all listeners get some", function(got)
  return got[1] > 0 and got[2] > 0 and got[3] > 0 and got[1] + got[2] + got[3] == 60
end)
net:update { type = "ff" }
hears("group `ff`: the first one gets all", function(got) return got[1] == 60 and got[2] + got[3] == 0 end)
expect(link.set { netns = listeners[1].netns, name = "eth1", up = false })
hears("when its link is down the second one does", function(got) return got[2] == 60 and got[1] + got[3] == 0 end)
expect(link.set { netns = listeners[1].netns, name = "eth1", up = true })
hears("and when it is up again the first one", function(got) return got[1] == 60 and got[2] + got[3] == 0 end)
net:update { limit = 50 }
tap.eq(dump "meters", { "meter=7 pktps bands= type=drop rate=50" }, "a meter changed in place")
do
  local got, took = heard(1000)
  local most <const> = 50 * (took + 2) * 1.5
  tap.note(("%d of 1000 frames in %.2f s"):format(got[1], took))
  tap.ok(got[1] > 0 and got[1] < math.max(400, most), "the meter holds", got[1], took)
end
net:update { limit = 100000 }
hears("and lets pass again", function(got) return got[1] == 60 end)
net:update { priority = 90 }
tap.ok(not table.concat(dump "flows", "\n"):find "priority=100" and #dump "flows" == 8, "another priority is another flow; the old one goes")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- what is somebody else's
ovs:ofctl("add-flow", bridge, "cookie=0x77,priority=7,in_port=9,actions=drop")
ovs:ofctl("add-group", bridge, "group_id=6,type=all,bucket=output:1")
ovs:ofctl("add-meter", bridge, "meter=8,kbps,band=type=drop,rate=1000")
local function foreign_stay(title)
  local t = table.concat(dump "flows", "\n") .. table.concat(dump "groups") .. table.concat(dump "meters")
  tap.ok(t:find "cookie=0x77," and t:find "group_id=6," and t:find "meter=8 ", title .. ": what is somebody else's stays", t)
end
local whole = everything()
local function mended(title, wanted)
  local operations = {}
  for i, o in ipairs(net:verify()) do operations[i] = o.verb .. " " .. o.key end
  table.sort(operations)
  tap.eq(operations, wanted, title .. ": verify mends just that")
  tap.eq(everything(), whole, title .. ": all is as it was")
  tap.eq(net:verify(), {}, title .. ": nothing more is to be mended")
end
local FIRST <const>, SECOND <const> = "flow net/switch-data 0/90 eth_src=" .. a.mac .. ",in_port=net:a/eth0 peer", "flow net/switch-data 1/32768 any"
ovs:ofctl("del-flows", bridge, "in_port=" .. port_of(a))
mended("a flow that was removed", { "create " .. FIRST })
ovs:ofctl("mod-flows", bridge, "table=1,actions=drop")
mended("a flow that was changed", { "change " .. SECOND })
ovs:ofctl("add-flow", bridge, "table=1,actions=drop")
mended("a flow that was replaced", { "change " .. SECOND })
ovs:ofctl("mod-group", bridge, "group_id=5,type=all,bucket=output:3")
mended("a group that was changed", { "change group net/switch-data 5" })
ovs:ofctl("mod-meter", bridge, "meter=7,pktps,band=type=drop,rate=3")
mended("a meter that was changed", { "change meter net/switch-data 7" })
ovs:ofctl("del-meter", bridge, "meter=7")
mended("a meter that was removed, with the flow through it", { "create " .. SECOND, "create meter net/switch-data 7" })
ovs:ofctl("del-groups", bridge, "group_id=5")
mended("a group that was removed, with the flow to it", { "create " .. SECOND, "create group net/switch-data 5" })
foreign_stay "mended"
for _, name in ipairs(ovs:ports(bridge)) do
  if number_of(name) == port_of(a) then ovs:vsctl("del-port", bridge, name) break end
end
do
  local operations = {}
  for i, o in ipairs(net:verify()) do operations[i] = o.verb .. " " .. o.key end
  tap.eq(operations, { "create ovs_port link net:a/eth0 peer", "create " .. FIRST, "create flow net/switch-data 0/32768 eth_dst=" .. a.mac ..
    ",in_port=net/l1/eth1 peer" }, "a port that was removed: it is made again, with the flows that name it")
end
tap.eq({ #dump "flows", net:verify() }, { 9, {} }, "none is left of the number that it had")
hears("traffic goes by its new number", function(got) return got[1] == 60 end)

-- two ports that change their numbers
local function number_in(goto_table)
  return tonumber(table.concat(dump "flows", "\n"):match("in_port=(%d+),dl_type=0x88b5 actions=goto_table:" .. goto_table))
end
local function named(number)
  for _, name in ipairs(ovs:ports(bridge)) do
    if number_of(name) == number then return name end
  end
end
do
  local first <const>, second <const> = number_in(11), number_in(12)
  local one <const>, two <const> = named(first), named(second)
  ovs:vsctl("set", "interface", one, "ofport_request=" .. second, "--", "set", "interface", two, "ofport_request=" .. first)
  tap.ok(tap.eventually(10, function() return number_of(one) == second and number_of(two) == first end), "two ports change their numbers")
  tap.ok(#net:verify() >= 2, "verify sees it")
  tap.eq({ number_in(11), number_in(12), #dump "flows", net:verify() }, { number_of(one), number_of(two), 9, {} }, "their flows change places")
end

-- a container's namespace that goes and comes back: its port has another number
expect(netns.add { path = "flowbox" })
net:endpoint { name = "c", kind = "veth", netns = "flowbox" }
local c <const> = net:get "c"
local function number_of_c() return tonumber(table.concat(dump "flows", "\n"):match("in_port=(%d+),dl_src=" .. c.mac)) end
tap.eq(number_of_c(), port_of(c), "flows of an endpoint in somebody's namespace")
expect(netns.delete { path = "flowbox" })
expect(netns.add { path = "flowbox" })
tap.ok(tap.eventually(20, function()
  local inside = link.get { netns = "/run/netns/flowbox", name = "eth0" }
  return inside and port_of(c) and number_of_c() == port_of(c)
end), "the namespace is another one: the flows follow the port", { number_of_c(), port_of(c), dump "flows" })
tap.eq(net:verify(), {}, "nothing is to be mended")
net:delete_endpoints { "c" }
expect(netns.delete { path = "flowbox" })
tap.eq(#dump "flows", 9, "and go with the endpoint")

-- refusals: nothing has changed then
whole = everything()
local function refused(title, options, pattern)
  system.refuses(function() net:update(options) end, pattern, title)
  tap.eq(everything(), whole, title .. ": all is as it was")
end
refused("what the switch refuses has its name", { dscp = true },
  "update network net: node [^:]+: change meter net/switch%-data 7: the switch %x+ refuses it: meter_mod_failed/bad_band")
refused("one flow of several", { broken = true },
  "update network net: node [^:]+: create flow net/switch%-data 0/42 any: the switch %x+ refuses it: bad_action/bad_out_port")
ovs:ofctl("add-flow", bridge, ("cookie=0x78,priority=80,in_port=%d,dl_src=%s,actions=drop"):format(port_of(a), a.mac))
whole = everything()
refused("the place of somebody else's flow", { priority = 80 },
  "update network net: node [^:]+: create flow net/switch%-data 0/80 .*: the bridge has such a flow of somebody else, with cookie 0x78")
ovs:ofctl("del-flows", bridge, "cookie=0x78/-1")
system.refuses(function() net:update { type = "indirect" } end, "update network net: .*change group net/switch%-data 5: .*group_mod_failed/",
  "a group that cannot be")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- whoever is killed
whole = everything()
local function places() return { port_of(a), port_of(b) } end
local former = places()
local function comes_back(title, foreign_too)
  local back = tap.eventually(20, function()
    local now = everything()
    return #now.groups >= 1 and #now.meters >= 1 and table.concat(now.flows, "\n"):find "group:5" and #now.flows >= 8
  end)
  tap.ok(back, title .. ": flows, group and meter come back by themselves", everything())
  hears(title .. ": traffic goes by them", function(got) return got[1] == 60 and got[2] + got[3] == 0 end)
  tap.eq(places(), former, title .. ": with the same ports")
  tap.eq(net:verify(), {}, title .. ": nothing is to be mended")
  if foreign_too then tap.eq(everything(), whole, title .. ": all is as it was") end
end
local function kill(what)
  local pids = {}
  for i, name in ipairs(what) do pids[i] = name == "agent" and crash.agent(hello.run_dir) or ovs:pid(name) end
  crash.signal(pids, "KILL")
  tap.ok(tap.eventually(30, function()
    for i, name in ipairs(what) do
      local now = name == "agent" and crash.agent(hello.run_dir) or ovs:pid(name)
      if not now or now == pids[i] then return false end
    end
    return lab.connection().state.db:connected() and lab.connection().hello.pid == crash.agent(hello.run_dir)
  end), table.concat(what, " and ") .. " killed: another one is there")
end
for _ = 1, 2 do
  kill { "daemon" }
  comes_back "the daemon"
end
ovs:ofctl("add-flow", bridge, "cookie=0x77,priority=7,in_port=9,actions=drop")
ovs:ofctl("add-group", bridge, "group_id=6,type=all,bucket=output:1")
ovs:ofctl("add-meter", bridge, "meter=8,kbps,band=type=drop,rate=1000")
whole = everything()
kill { "database" }
comes_back("the database", true)
-- Left by an agent that died between two steps: ours by its mark, and wanted by nobody.
ovs:ofctl("add-flow", bridge, ("cookie=0x%s00000001,priority=3,in_port=4,actions=drop"):format(hello.instance))
ovs:ofctl("add-group", bridge, "group_id=9,type=all,bucket=output:1")
ovs:vsctl("set", "bridge", bridge, "external_ids:nerv-group-9=net")
kill { "agent" }
tap.ok(tap.eventually(20, function() return table.concat(everything().groups):find "group_id=9" == nil end), "what an agent left half done goes")
comes_back("the agent", true)
foreign_stay "another agent"
kill { "agent", "daemon", "database" }   -- and with the database what number each port had
tap.eventually(20, function() return port_of(a) and port_of(b) end)
former = places()
comes_back "all of them"

-- controllers that come and go take all flows along, ours are told again
ovs:ofctl("add-flow", bridge, "cookie=0x77,priority=7,in_port=9,actions=drop")
for _, controllers in ipairs { { "tcp:127.0.0.1:1" }, { "tcp:127.0.0.1:2" }, {} } do
  net:update { controllers = controllers }
  comes_back(#controllers == 0 and "no controller" or "controller " .. controllers[1])
end

-- a bridge that somebody takes away, once and soon again
for _, title in ipairs { "a bridge taken away", "again" } do
  local uuid <const> = ovs:vsctl("get", "bridge", bridge, "_uuid")
  ovs:vsctl("del-br", bridge)
  tap.ok(tap.eventually(30, function()
    return ovs:bridges()[1] == bridge and ovs:vsctl("get", "bridge", bridge, "_uuid") ~= uuid and port_of(a) and port_of(b)
  end), title .. ": it is made again", ovs:bridges())
  former = places()
  comes_back(title)
end

-- the end
local gone <const> = port_of(a)
net:delete_endpoints { "a" }
text = table.concat(dump "flows", "\n") .. "\n"
tap.ok(not text:find(("in_port=%d[, ]"):format(gone)) and not text:find(("output:%d\n"):format(gone)), "the flows of an endpoint go with it", text)
tap.eq(#dump "flows", 6, "the others stay")
tap.eq(net:verify(), {}, "nothing is to be mended")
net:delete()
system.same_inventory(before, nil, "nothing is left")
tap.done()
