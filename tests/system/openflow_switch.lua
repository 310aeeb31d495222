-- openflow and a real Open vSwitch: flows and their statistics, groups, meters, ports that go, roles, errors by name, a
-- switch that is stopped, and one that comes back.
local tap <const> = require "tap"
local support <const> = require "support.ovs"

local ovs <close> = support.start()
local switch, seen, events = nil, 0, {}

local function on_switch(dp)
  seen = seen + 1
  for _, event in ipairs { "port_status", "flow_removed", "packet_in", "close" } do
    events[event] = {}
    dp:on(event, function(e) table.insert(events[event], e) end)
  end
  assert(dp:flow { command = "delete", table = "all" })
  assert(dp:group { command = "delete", group = "all" })
  assert(dp:meter { command = "delete", meter = "all" })
  dp:barrier()
  switch = dp
end

local _ <close> = assert(openflow.listen { path = ovs.dir .. "/c.sock", on_switch = on_switch, keepalive = 1 })
ovs:bridge("ofbr0", "unix:" .. ovs.dir .. "/c.sock")
tap.ok(tap.eventually(10, function() return switch end), "the switch is ready")
for i = 1, 3 do ovs:host("ofbr0", "ofh" .. i, i, "10.0.0." .. i) end
tap.ok(tap.eventually(10, function() return switch.ports[1] and switch.ports[2] and switch.ports[3] end),
  "its ports are known as they come")
tap.eq(switch.ports[2].name, "ofh2p", "with their names")
tap.eq(switch.ports[2].mac, link.get { name = "ofh2p" }.mac, "and addresses")
tap.eq(switch:stats("desc").manufacturer, "Nicira, Inc.", "who made it")
tap.eq(#switch:stats "port_desc", 4, "four ports, the switch's own among them")
for _, kind in ipairs { "table", "queue", "group_features", "meter_features" } do
  tap.ok(switch:stats(kind), "statistics: " .. kind)
end

local function reaches(from, to)
  return tap.eventually(5, function() return support.ping("ofh" .. from, "10.0.0." .. to) end)
end
local function flow_of(cookie)
  return switch:stats("flow", { cookie = cookie, cookie_mask = -1 })[1]
end

-- flows
for i, j in pairs { [1] = 2, [2] = 1 } do
  assert(switch:flow { cookie = 10 + i, match = { in_port = i }, priority = 5, actions = { { output = j } },
    flags = { send_flow_rem = true } })
end
tap.eq(switch:barrier(), true, "flows are in")
tap.ok(reaches(1, 2), "frames go by them")
local flow = flow_of(11)
tap.eq({ flow.match, flow.priority, flow.actions }, { { in_port = 1 }, 5, { { output = 2, max_len = "whole" } } },
  "a flow's statistics tell what it is")
tap.ok(flow.packets > 0 and flow.bytes > 60 and flow.duration >= 0, "and what it has done", flow)
tap.ok(switch:stats("aggregate", { cookie = 10, cookie_mask = -4 }).packets >= flow.packets, "several together")
tap.ok(ovs:ofctl("dump-flows", "ofbr0"):find("cookie=0xb,", 1, true), "as the switch says itself")
assert(switch:flow { command = "modify", match = { in_port = 1 }, actions = {} })
switch:barrier()
tap.ok(tap.eventually(5, function() return not support.ping("ofh1", "10.0.0.2") end), "a flow that is changed to drop")
assert(switch:flow { command = "delete", match = { in_port = 1 } })
tap.ok(tap.eventually(5, function() return #events.flow_removed > 0 end), "a flow that goes is told")
local gone <const> = events.flow_removed[1]
tap.eq({ gone.cookie, gone.reason, gone.priority, gone.match }, { 11, "delete", 5, { in_port = 1 } }, "and which it was")
tap.ok(gone.packets >= flow.packets, "with what it has done")

-- many flows at once: more than a message holds, and more than a socket takes
local MANY <const> = 3000
for i = 1, MANY do
  assert(switch:flow { table = 3, match = { eth_type = 0x800, ipv4_dst = "10.9." .. i // 250 .. "." .. i % 250 },
    actions = { { output = 1 } }, cookie = 99 })
end
tap.eq(switch:barrier(), true, MANY .. " flows are in")
tap.eq(#switch:stats("flow", { table = 3 }), MANY, "and all are told of, in many parts")
assert(switch:flow { command = "delete", table = 3 })
tap.eq({ switch:barrier(), switch:stats("aggregate", { table = 3 }).flows }, { true, 0 }, "and gone")

-- groups
local function to_port(port, more) return require("nerv.options").join({ actions = { { output = port } } }, more or {}) end
assert(switch:group { group = 1, type = "all", buckets = { to_port(1), to_port(2), to_port(3) } })
for i = 1, 3 do assert(switch:flow { match = { in_port = i }, priority = 6, actions = { { group = 1 } } }) end
switch:barrier()
tap.ok(reaches(1, 2) and reaches(3, 1) and reaches(2, 3), "a group of type all is a hub")
local stats = switch:stats("group", { group = 1 })[1]
tap.ok(stats.packets > 0 and #stats.buckets == 3 and stats.references == 3, "its statistics", stats)
tap.eq(switch:stats("group_desc")[1].type, "all", "its description")
assert(switch:flow { command = "delete" })

-- Frames from that many addresses behind host 1; how many frames ports 2 and 3 send more.
local MAC <const> = { link.get { name = "eth0", netns = "ofh1" }.mac, link.get { name = "eth0", netns = "ofh2" }.mac }
local from <close> = packet.open { link = "eth0", netns = "ofh1" }
local function frame(i)
  return packet.build { { type = "ethernet", src = MAC[1], dst = MAC[2] },
    { type = "ipv4", src = "10.1.0." .. i, dst = "10.0.0.2" }, { type = "udp", src_port = 7, dst_port = 7 },
    ("x"):rep(100) }
end
local function sent_by(port) return switch:stats("port", { port = port })[1].tx_packets end
local function send(count)
  local before <const> = { [2] = sent_by(2), [3] = sent_by(3) }
  for i = 1, count do
    from:send(frame(i))
    sleep(0.002)
  end
  local function more() return { sent_by(2) - before[2], sent_by(3) - before[3] } end
  tap.eventually(5, function()
    local now = more()
    return now[1] + now[2] >= count
  end)
  return more()
end

assert(switch:group { group = 2, type = "select", buckets = { to_port(2, { weight = 1 }), to_port(3, { weight = 1 }) } })
assert(switch:flow { match = { in_port = 1 }, priority = 6, actions = { { group = 2 } } })
switch:barrier()
local shares <const> = send(200)
tap.ok(shares[1] >= 30 and shares[2] >= 30 and shares[1] + shares[2] < 210, "a group of type select shares flows out", shares)

assert(switch:group { group = 3, type = "ff", buckets = { to_port(2, { watch_port = 2 }), to_port(3, { watch_port = 3 }) } })
assert(switch:flow { match = { in_port = 1 }, priority = 6, actions = { { group = 3 } } })
switch:barrier()
tap.ok(tap.eventually(5, function() return send(50)[1] >= 50 end), "fast failover: all by the first port while it is up")
events.port_status = {}
assert(link.set { name = "ofh2p", up = false })
tap.ok(tap.eventually(5, function() return switch.ports[2].state.link_down end), "a port that goes down is told")
tap.eq(events.port_status[1].reason, "modify", "as a change")
tap.ok(tap.eventually(5, function() return send(50)[2] >= 50 end), "and the second port takes over")
assert(link.set { name = "ofh2p", up = true })
tap.ok(tap.eventually(5, function() return not switch.ports[2].state.link_down end), "the first port comes back")
tap.ok(tap.eventually(5, function() return send(50)[1] >= 50 end), "and has the frames again")
ovs:vsctl("del-port", "ofbr0", "ofh3p")
tap.ok(tap.eventually(5, function() return switch.ports[3] == nil end), "a port that is deleted is known to be gone")
tap.eq(events.port_status[#events.port_status].reason, "delete", "and told")
ovs:vsctl("add-port", "ofbr0", "ofh3p", "--", "set", "interface", "ofh3p", "ofport_request=3")
tap.ok(tap.eventually(5, function() return switch.ports[3] end), "a port that is added")

-- frames to and from the controller
events.packet_in = {}
assert(switch:flow { match = { in_port = 1, eth_type = 0x0880 }, cookie = 5, priority = 9,
  actions = { { output = "controller" } } })
switch:barrier()
local mine <const> = ("\2\0\0\0\0\9\2\0\0\0\0\8\8\x80"):sub(1, 14) .. ("etarch"):rep(10)
from:send(mine)
tap.ok(tap.eventually(5, function() return #events.packet_in > 0 end), "a frame comes to the controller")
local p <const> = events.packet_in[1]
tap.eq({ p.in_port, p.eth_dst, p.eth_src, p.eth_type, p.cookie, p.reason, p.table, p.data == mine },
  { 1, "02:00:00:00:00:09", "02:00:00:00:00:08", 0x0880, 5, "action", 0, true }, "with all that is to know of it")
local to <close> = packet.open { link = "eth0", netns = "ofh2", protocol = 0x0880 }
assert(switch:packet_out { data = mine, actions = { { set_field = { eth_src = "02:00:00:00:00:07" } }, { output = 2 } } })
tap.eq(to:recv(5), mine:sub(1, 6) .. "\2\0\0\0\0\7" .. mine:sub(13), "a frame that the controller sends")

-- meters: 1 Mbit/s of 10
assert(switch:flow { command = "delete" })
for i, j in pairs { [1] = 2, [2] = 1 } do assert(switch:flow { match = { in_port = i }, actions = { { output = j } } }) end
assert(switch:meter { meter = 1, flags = { kbps = true, stats = true, burst = true }, bands = { { drop = 1000, burst = 100 } } })
assert(switch:flow { match = { in_port = 1, eth_type = 0x800, ip_proto = 17 }, priority = 40000, meter = 1,
  actions = { { output = 2 } } })
switch:barrier()
tap.eq(switch:stats("meter_config")[1].bands, { { drop = 1000, burst = 100 } }, "a meter is as it was given")
local server <const> = assert(process.spawn { argv = { "iperf3", "-s", "-1" }, netns = "ofh2", stdout = "null",
  stderr = "null" })
local summary <const> = assert(tap.eventually(10, function()
  local result <const> = assert(process.run { argv = { "iperf3", "-c", "10.0.0.2", "-u", "-b", "10M", "-t", "2", "-J" },
    netns = "ofh1" })
  return json.decode(result.stdout)["end"].sum   -- its exit status may be 0 without
end), "iperf3 does not get through")
local rate <const> = summary.bits_per_second * (1 - summary.lost_percent / 100)
tap.ok(rate > 5e5 and rate < 2e6, "a meter of 1 Mbit/s holds 10 Mbit/s back", rate)
local meter <const> = switch:stats("meter", { meter = 1 })[1]
tap.ok(meter.packets > meter.bands[1].packets and meter.bands[1].packets > 0 and meter.flows == 1,
  "its statistics tell what it dropped", meter)
server:kill "KILL"
server:wait()

-- what the switch refuses has a name
local function refused(f, pattern, text)
  assert(f())
  tap.raises(function() switch:barrier() end, pattern, text)
end
refused(function() return switch:flow { match = { in_port = 1 }, actions = { { group = 77 } } } end,
  "flow_mod: bad_action/bad_out_group: {.*group = 77", "a group that is not there")
refused(function() return switch:group { group = 1, type = "all" } end, "group_mod: group_mod_failed/group_exists",
  "a group that is there")
refused(function() return switch:meter { command = "modify", meter = 5, flags = { kbps = true }, bands = { { drop = 1 } } } end,
  "meter_mod: meter_mod_failed/unknown_meter", "a meter that is not there")
refused(function() return switch:flow { table = 1, goto_table = 0 } end, "bad_instruction/bad_table_id", "a way back")
refused(function() return switch:port { port = 99, mac = "02:00:00:00:00:01" } end, "port_mod_failed/bad_port", "a port")
refused(function() return switch:packet_out { data = "short", actions = { { output = 0xffffff77 } } } end,
  "bad_action/bad_out_port", "a port to send by")
refused(function() return switch:packet_out { data = ("long"):rep(100), actions = { { output = 0xffffff77 } } } end,
  "packet_out: bad_action/bad_out_port: {.*longlong", "a long one")
tap.eq(select(3, switch:stats("meter", { meter = 5 })), "meter_mod_failed/unknown_meter", "statistics of what is not there")
tap.eq(switch:barrier(), true, "and nothing is left of it")
assert(switch:config { miss_send_len = 64 })
tap.eq(switch:settings(), { fragments = "normal", miss_send_len = 64 }, "settings")

-- two controllers
local other
local second <close> = assert(openflow.listen { path = ovs.dir .. "/c2.sock", on_switch = function(dp) other = dp end })
ovs:vsctl("set-controller", "ofbr0", "unix:" .. ovs.dir .. "/c.sock", "unix:" .. second.where)
tap.ok(tap.eventually(10, function() return other and not switch.closed end), "a second controller")
tap.eq(switch:role("master", 5), { role = "master", generation = 5 }, "one is master")
tap.eq(other:role("slave", 5).role, "slave", "the other slave")
assert(other:flow { match = { in_port = 1 }, actions = {} })
tap.raises(function() other:barrier() end, "bad_request/is_slave", "who may change nothing")
tap.eq(select(3, other:role("master", 4)), "role_request_failed/stale", "an election that is over does not count")
tap.eq(other:role("master", 6).role, "master", "a new one does")
tap.eq(switch:role("nochange").role, "slave", "and makes the former master slave")
tap.eq(switch:role("equal").role, "equal", "equal again")

-- a switch that is stopped, and goes on
seen, switch = 0, nil
local pid <const> = ovs.vswitchd.pid
process.run { argv = { "kill", "-STOP", tostring(pid) } }
tap.ok(tap.eventually(10, function() return events.close[1] end), "a switch that is stopped is given up")
tap.like(events.close[1], "no answer to an echo request within 1 s", "and it is said why")
process.run { argv = { "kill", "-CONT", tostring(pid) } }
tap.ok(tap.eventually(15, function() return switch and seen == 1 end), "when it goes on it connects again")
tap.eq(switch:stats("aggregate").flows, 0, "and is set up anew")
tap.done()
