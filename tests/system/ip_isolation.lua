-- Nothing of the node answers tenants: from an endpoint and from a network's own namespace no address and no port of it
-- is heard, however it is addressed. No frame of a network comes to another one with the same addresses. DHCP
-- serves endpoints of all kinds on both nodes.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local guest <const> = require "support.guest"
local kernel <const> = require "support.kernel"

local PORT <const> = 7777
local ETHERTYPE <const> = 0x88b5   -- IEEE 802: local experiments
local bed <const> = testbed.create { nodes = 2 }
local place <close> = system.directory()

local container <const> = "c" .. digest.random(3)
local undo <close> = setmetatable({}, { __close = function(list)
  for i = #list, 1, -1 do list[i]() end
end })
for _, name in ipairs(bed.names) do
  local path = container .. "-" .. name
  assert(netns.add { path = path, lo_up = true })
  undo[#undo + 1] = function() netns.delete { path = path } end
end

-- The nodes of a testbed speak no IPv6; a real machine does, on each interface where nobody has turned it off.
for _, name in ipairs(bed.names) do
  for _, where in ipairs { "default", "lo", "trunk0" } do
    assert(sysctl.set { netns = bed:netns(name), name = ("net.ipv6.conf.%s.disable_ipv6"):format(where), value = "0" })
  end
end

local function create(name, home)
  local net = network.create { name = name, archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", home = home,
    gateway = true, dhcp = true, dns = true }
  net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
  return net
end
local blue <const>, red <const> = create("blue", "pm1"), create("red", "pm2")
blue:endpoint { { name = "v1", node = "pm1", kind = "tap" }, { name = "v2", node = "pm2", kind = "tap" },
  { name = "c1", node = "pm1", kind = "veth", netns = container .. "-pm1" },
  { name = "c2", node = "pm2", kind = "veth", netns = container .. "-pm2" } }

-- What a node has: addresses of its own besides the trunk's, and servers that write down what they hear.
local SERVER <const> = [[
import select, socket, sys
port, listeners = int(sys.argv[1]), []
for family, any in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for kind, number in ((socket.SOCK_DGRAM, port), (socket.SOCK_DGRAM, 5353), (socket.SOCK_STREAM, port)):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any, number))
        if kind == socket.SOCK_STREAM:
            s.listen()
        listeners.append(s)
print("ready", flush=True)
while True:
    for s in select.select(listeners, [], [])[0]:
        print(s.accept()[1] if s.type == socket.SOCK_STREAM else s.recvfrom(2000), flush=True)
]]
local function serve(name)
  local where, log = bed:netns(name), place.path .. "/heard-" .. name
  assert(address.add { netns = where, link = "lo", address = "203.0.113.9/32" })
  assert(address.add { netns = where, link = "lo", address = "2001:db8::9/128", dad = false })
  local child = assert(process.spawn { argv = { "python3", "-c", SERVER, tostring(PORT) }, netns = where, stdin = "null",
    stdout = { file = log }, stderr = "stdout" })
  undo[#undo + 1] = function()
    child:kill "KILL"
    child:wait()
  end
  local function heard() return (file.read(log) or ""):gsub("^ready\n", "") end
  assert(tap.eventually(10, function() return (file.read(log) or ""):find "ready" end), "the server does not start")
  return heard
end
local heard <const> = {}
for _, name in ipairs(bed.names) do heard[name] = serve(name) end

local addresses, macs = {}, {}
for _, name in ipairs(bed.names) do
  for _, a in ipairs(address.list { netns = bed:netns(name) }) do
    local text = a.address:match "^[^/]+"
    if not addresses[text] then addresses[#addresses + 1], addresses[text] = text, true end
  end
end
local function macs_of(name)
  local list = {}
  for _, l in ipairs(link.list { netns = bed:netns(name) }) do
    if l.name ~= "lo" then list[#list + 1] = l.mac end
  end
  return list
end
for _, name in ipairs(bed.names) do macs[name] = macs_of(name) end
tap.ok(#addresses >= 8, "the nodes have addresses: " .. table.concat(addresses, " "))

-- The MAC addresses that may answer in a network.
local function own_macs(net, home)
  local own = {}
  for _, ep in ipairs(net:endpoints()) do own[ep.mac] = true end
  local path = node.get(home).run_dir .. ("/ns/%s+lan:gateway"):format(net.name)
  own[link.get { netns = path, name = "eth0" }.mac] = true
  return own, path
end

local own <const>, gateway <const> = own_macs(blue, "pm1")
local function intrude(where, name)
  local result = assert(process.run { netns = where, argv = { "/usr/bin/python3", "tests/lua/support/intruder.py", "eth0", "10.1.0.2",
    "fd00:1::2", tostring(PORT), table.concat(macs[name], ","), table.concat(addresses, ",") } })
  local strange = {}
  for line in result.stdout:gmatch "[^\n]+" do
    local mac = line:match "^(%x+:%x+:%x+:%x+:%x+:%x+) "
    if mac and not own[mac] then strange[#strange + 1] = line end
  end
  return tonumber(result.stdout:match "sent (%d+)"), strange, result.stderr
end
local tries = {}
for text, at in pairs { ["blue:h1"] = { blue:get("h1").netns, "pm1" }, ["blue:h2"] = { blue:get("h2").netns, "pm2" },
  ["blue's gateway"] = { gateway, "pm1" } } do
  tries[text] = task.spawn(intrude, at[1], at[2])
end
for text, try in pairs(tries) do
  local sent, strange, said = try:wait()
  tap.ok(sent and sent > 500, ("%s sends %s frames to the node"):format(text, sent), said)
  tap.eq(table.move(strange, 1, 12, 1, {}), {}, "and nobody but its own network answers")
end
for _, name in ipairs(bed.names) do tap.eq(heard[name](), "", "no server of " .. name .. " has heard any of it") end

-- By way of the IP stack, too, with routes to the nodes.
local h1 <const> = blue:get "h1"
for _, target in ipairs(addresses) do
  if not target:find "^127%." and target ~= "::1" and not target:find "^fe80" then
    local v6 = target:find(":", 1, true)
    route.add { netns = h1.netns, to = target .. (v6 and "/128" or "/32"), link = "eth0" }
  end
end
local pings = {}
for i, target in ipairs(addresses) do
  pings[i] = task.spawn(function()
    return not target:find "^127%." and target ~= "::1" and h1:run("ping", "-c1", "-W1", target:find "^fe80" and target .. "%eth0" or target)
  end)
end
local reached = {}
for i, one in ipairs(pings) do
  if one:wait() then reached[#reached + 1] = addresses[i] end
end
tap.eq(reached, {}, "no address of a node is reached on the wire")

-- What keeps it so is mended.
local bridge <const> = kernel.ours(bed:netns "pm1", node.get("pm1").instance, "blue", "bridge").ifname
for _, loss in ipairs { { "filter", "del", "dev", bridge, "ingress" }, { "qdisc", "del", "dev", bridge, "ingress" } } do
  assert(process.run { argv = { "tc", table.unpack(loss) }, netns = bed:netns "pm1" }.exit == 0)
  tap.eq(system.texts(blue:verify()), { "pm1: change link blue/bridge-data of blue" }, "a lost " .. loss[1] .. " of the bridge")
  tap.eq(blue:verify(), {}, "is there again")
end

-- Frames of one network and the ports of the other, both ways.
local function bytes_of(mac)
  return (mac:gsub(":", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end
local function listen(net, list)
  for _, name in ipairs(bed.names) do
    local instance, where = node.get(name).instance, bed:netns(name)
    for _, l in ipairs(link.list { netns = where }) do
      local owner = (l.alias or ""):match("^nerv:" .. instance .. ":([^/:]+)")
      if owner == net.name then
        list[#list + 1] = { at = name .. " " .. l.name, socket = assert(packet.open { netns = where, link = l.name, protocol = ETHERTYPE }) }
      end
    end
  end
  for _, ep in ipairs(net:endpoints()) do
    if ep.netns then
      list[#list + 1] = { at = ep.id, socket = assert(packet.open { netns = ep.netns, link = ep.interface or "eth0", protocol = ETHERTYPE }) }
    end
  end
end
local function drain(one, wait)
  local count, frame = 0
  repeat
    frame = one.socket:recv(wait)
    if frame then count = count + 1 end
  until not frame
  one.socket:close()
  return count
end
for _, way in ipairs { { blue, red }, { red, blue } } do
  local from, to = way[1], way[2]
  local theirs, mine = {}, {}
  listen(to, theirs)
  listen(from, mine)
  local sent = 0
  for _, name in ipairs { "h1", "h2" } do
    local ep = from:get(name)
    local out = assert(packet.open { netns = ep.netns, link = "eth0", protocol = 1 })
    for _, mac in ipairs { "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "01:00:5e:00:00:01", "02:00:00:ee:ee:ee", to:get("h1").mac, to:get("h2").mac,
      "01:80:c2:00:00:02", "01:80:c2:00:00:0e" } do
      assert(out:send(bytes_of(mac) .. bytes_of(ep.mac) .. (">I2"):pack(ETHERTYPE) .. ("x"):rep(60)))
      sent = sent + 1
    end
    out:close()
  end
  local seen, came = {}, 0
  for _, one in ipairs(mine) do came = came + drain(one, 0.1) end
  for _, one in ipairs(theirs) do
    local count = drain(one, 0.01)
    if count > 0 then seen[#seen + 1] = one.at .. " " .. count end
  end
  tap.eq(seen, {}, ("none of %d frames of %s comes to one of %d ports of %s"):format(sent, from.name, #theirs, to.name))
  tap.ok(came >= 10, ("%s itself has seen them %d times"):format(from.name, came))
end

-- DHCP
local script <const> = system.write(place.path, "bound", "#!/bin/sh\n[ \"$1\" != bound ] || echo \"bound $ip $subnet $router $dns $mtu\"\n")
file.chmod(script, 493)
local function lease(where, interface)
  local said = process.run { netns = where, argv = { "busybox", "udhcpc", "-i", interface, "-n", "-q", "-f", "-t", "4", "-T", "1", "-O", "mtu",
    "-s", script } }
  return said.stdout:match "bound ([^\n]*)" or said.stderr
end
for _, ep in ipairs(blue:endpoints()) do
  local told
  if ep.kind == "tap" then
    local machine = assert(guest.start { name = "g" .. container .. ep.name, tap = ep.interface, mac = ep.mac, netns = bed:netns(ep.node) })
    told = lease(machine.netns, "eth0")
    machine.stop()
  else
    told = lease(ep.netns, "eth0")
  end
  tap.eq(told, ep.address .. " 255.255.255.0 10.1.0.1 10.1.0.1 1500", ("%s (%s on %s) is leased its address"):format(ep.id, ep.kind, ep.node))
end
tap.done()
