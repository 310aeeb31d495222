#!/usr/bin/env nervsh
-- Two emulated nodes, two IP networks with the same addresses on both, and real traffic: blue
-- reaches blue across the nodes and never red, while the trunk carries the nodes' own IP traffic
-- and somebody else's VLAN. Then the paper's section 5: iperf3 between the nodes, raw and through
-- NERV. At the end nothing is left.
--
-- Usage: nervsh scripts/two-nodes.lua [SECONDS]     length of each iperf3 run, by default 5

io.stdout:setvbuf("line")
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/common/?.lua;" .. package.path
local left <const> = require "left"
local traffic <const> = require "nerv.command.traffic"

local SECONDS <const> = math.tointeger(tonumber(arg[1] or "5")) or 5
local RATE <const> = "100mbit"
local FOREIGN_TAG <const> = 4000
local TEST_ETHERTYPE <const> = 0x88b5      -- IEEE 802.1: local experiments
local BROADCAST <const> = "ff:ff:ff:ff:ff:ff"
local NOBODY <const> = "02:de:ad:00:00:01"

local function say(...) print(("two-nodes: " .. select(1, ...)):format(select(2, ...))) end

local function mac_bytes(mac)
  return (mac:gsub(":", ""):gsub("..", function(h) return string.char(tonumber(h, 16)) end))
end

local function frame(to, from, ethertype, payload)
  payload = payload .. ("\0"):rep(46 - #payload)
  return mac_bytes(to) .. mac_bytes(from) .. (">I2"):pack(ethertype) .. payload
end

-- Background traffic on the trunk: the nodes ping each other, and frames of a foreign VLAN pass.
local function trunk_traffic(tb)
  local state = { pings = 0, lost = 0, foreign = 0 }
  local tagged = packet.open { link = "trunk0", netns = tb:netns "pm1" }
  local from = link.get { name = "trunk0", netns = tb:netns "pm1" }.mac
  state.tasks = {
    task.spawn(function()
      while true do
        local result = tb:node("pm1"):run("ping", "-n", "-c1", "-W2", tb:address "pm2")
        state.pings = state.pings + 1
        if not result then state.lost = state.lost + 1 end
        sleep(0.2)
      end
    end),
    task.spawn(function()
      while true do
        tagged:send(mac_bytes(BROADCAST) .. mac_bytes(from) .. (">I2I2I2"):pack(0x8100, FOREIGN_TAG,
          TEST_ETHERTYPE) .. "foreign" .. ("\0"):rep(40))
        state.foreign = state.foreign + 1
        sleep(0.05)
      end
    end),
  }
  function state.stop()
    for _, one in ipairs(state.tasks) do
      one:cancel()
      one:join()
    end
    tagged:close()
  end
  return state
end

-- Every port of a network on every node: its bridge ports, the NVE's side, and the endpoints' own ends.
local function ports_of(tb, net)
  local ports = {}
  for _, name in ipairs(tb.names) do
    local n = node.get(name)
    for _, l in ipairs(link.list { netns = tb:netns(name), alias_prefix = "nerv:" .. n.instance .. ":" }) do
      local owner = l.alias:match("^nerv:%x+:([^:/]+)")
      if owner == net.name then ports[#ports + 1] = { netns = tb:netns(name), link = l.name } end
    end
  end
  for _, ep in ipairs(net:endpoints()) do ports[#ports + 1] = { netns = ep.netns, link = "eth0" } end
  return ports
end

-- Counts, on each port, the frames whose source is one of the MAC addresses; of any protocol,
-- or of one.
local function watch_ports(ports, macs, protocol)
  local watch = { seen = 0, frames = 0, tasks = {}, sockets = {} }
  for i, port in ipairs(ports) do
    local socket = expect(packet.open { netns = port.netns, link = port.link, promiscuous = true,
      protocol = protocol })
    watch.sockets[i] = socket
    watch.tasks[i] = task.spawn(function()
      while true do
        local bytes = socket:recv()
        if not bytes then return end
        watch.frames = watch.frames + 1
        if macs[bytes:sub(7, 12)] then watch.seen = watch.seen + 1 end
      end
    end)
  end
  function watch.stop()
    for i, one in ipairs(watch.tasks) do
      one:cancel()
      one:join()
      watch.sockets[i]:close()
    end
    return watch
  end
  return watch
end

local function macs_of(net)
  local macs = {}
  for _, ep in ipairs(net:endpoints()) do macs[mac_bytes(ep.mac)] = true end
  return macs
end

local function neighbour(ep, address)
  local result = expect(ep:run("ip", "neigh", "show", address))
  return result.stdout:match("lladdr (%S+)")
end

-- Broadcast and unknown unicast of one network's endpoint.
local function flood(ep)
  local socket <close> = expect(packet.open { netns = ep.netns, link = "eth0" })
  for _, to in ipairs { BROADCAST, NOBODY } do
    for _ = 1, 20 do expect(socket:send(frame(to, ep.mac, TEST_ETHERTYPE, "flood"))) end
  end
end

local function prove_isolation(tb, mine, other)
  local h1, h2 = mine:get "h1", mine:get "h2"
  local foreign = watch_ports(ports_of(tb, other), macs_of(mine))
  local own = watch_ports({ { netns = h2.netns, link = "eth0" } }, { [mac_bytes(h1.mac)] = true },
    TEST_ETHERTYPE)
  expect(h1:ping(h2, 3))
  expect(h2:ping(h1, 3))
  expect(neighbour(h1, h2.address) == h2.mac:lower(), "a stranger answered for " .. h2.id)
  flood(h1)
  flood(h2)
  sleep(0.3)
  foreign.stop()
  own.stop()
  expect(own.seen == 40, ("%s got %d of 40 flooded frames"):format(h2.id, own.seen))
  expect(foreign.seen == 0, ("%d frames of %s were seen in %s"):format(foreign.seen, mine.name, other.name))
  say("%s reaches %s across nodes (%s answers); of %d flooded frames %d came to %s and 0 to the %d ports of %s",
    h1.id, h2.id, h2.mac, 40, own.seen, h2.id, #foreign.tasks, other.name)
end

-- Throughput between two places, endpoints or nodes.
local function measure(server, client, address)
  local function run(more)
    more.seconds, more.port = SECONDS, 5301
    return expect(traffic.run_iperf(client, server, address, more))
  end
  local tcp, udp = run {}, run { udp = true, rate = 90e6, length = 1400 }
  return { tcp = tcp.sum_received.bits_per_second / 1e6, jitter = udp.sum.jitter_ms, loss = udp.sum.lost_percent }
end

local before = left.inventory()
local tb = testbed.create { nodes = 2, rate = RATE }
say("two nodes, %s trunk links", RATE)

local nets = {}
for _, name in ipairs { "blue", "red" } do
  local net = network.create { name = name, archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
  net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
  nets[name] = net
end
local blue <const>, red <const> = nets.blue, nets.red
expect(blue:get("h2").address == red:get("h2").address, "the networks do not have equal addresses")
say("networks blue and red, both %s, endpoints %s and %s in each", blue.subnet, blue:get("h1").address,
  blue:get("h2").address)

local trunk = trunk_traffic(tb)
prove_isolation(tb, blue, red)
prove_isolation(tb, red, blue)

local raw = measure(tb:node "pm2", tb:node "pm1", tb:address "pm2")
local nerv = measure(blue:get "h2", blue:get "h1", blue:get("h2").address)
trunk.stop()
expect(trunk.pings > 0 and trunk.lost == 0, ("%d of %d pings between the nodes were lost"):format(trunk.lost,
  trunk.pings))
local uplink = nve.open("pm2").tables.uplinks
local passed = uplink:counter(uplink:dump()[1].handle).packets
expect(passed >= trunk.foreign, "frames of the foreign VLAN did not come through to the node")
say("meanwhile %d pings between the nodes (0 lost) and %d frames of VLAN %d passed beside them", trunk.pings,
  trunk.foreign, FOREIGN_TAG)

print()
print("                       paper (BMv2)         here")
print("                       raw      NERV        raw      NERV")
print(("TCP Mbit/s           %6.1f    %6.1f     %6.1f    %6.1f"):format(93.9, 40.1, raw.tcp, nerv.tcp))
print(("UDP jitter ms        %6.3f    %6.3f     %6.3f    %6.3f"):format(0.008, 0.242, raw.jitter, nerv.jitter))
print(("UDP loss %%           %6.2f    %6.2f     %6.2f    %6.2f"):format(0, 1.04, raw.loss, nerv.loss))
print()

blue:delete()
red:delete()
tb:delete()
left.check(before)
say("nothing is left")
print("two-nodes: ok")
