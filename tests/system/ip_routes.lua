-- Static routes of an IP network, in endpoints, at the gateway and by DHCP; and who may come in by the gateway: nobody
-- outside opens a connection into the network unless asked for, though he routes the inner range to it. DHCP and DNS of
-- the gateway are for those inside alone.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local have, why = nftables.supported()
if not have then
  tap.skip("static routes and what may come in", why)
  tap.done()
  return
end

local outside <const> = "outside" .. digest.random(2)
local _ <close> = setmetatable({}, { __close = function() netns.delete { path = outside } end })
assert(netns.add { path = outside, lo_up = true })
assert(link.add { kind = "veth", name = "wan", up = true, peer = { name = "eth0", netns = outside } })
assert(link.set { name = "eth0", netns = outside, up = true })
assert(address.add { link = "eth0", address = "198.51.100.1/24", netns = outside })
assert(address.add { link = "eth0", address = "2001:db8::1/64", netns = outside, dad = false })
for to, via in pairs { ["10.1.0.0/24"] = "198.51.100.10", ["10.9.0.0/16"] = "198.51.100.10", ["fd00:1::/64"] = "2001:db8::10",
  ["fd00:9::/48"] = "2001:db8::10" } do
  assert(route.add { netns = outside, to = to, via = via, link = "eth0" })
end

local ROUTES <const> = { ["10.9.0.0/16"] = "10.1.0.7", ["fd00:9::/48"] = "fd00:1::7" }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", gateway = true,
  dhcp = true, dns = true, uplink = "wan", uplink_address = "198.51.100.10/24", uplink_router = "198.51.100.1",
  uplink_address6 = "2001:db8::10/64", uplink_router6 = "2001:db8::1", routes = ROUTES }
local h1 <const>, router <const> = table.unpack(blue:endpoint { { name = "h1" },
  { name = "router", address = "10.1.0.7", address6 = "fd00:1::7" } })
assert(address.add { netns = router.netns, link = "lo", address = "10.9.0.1/32" })
assert(address.add { netns = router.netns, link = "lo", address = "fd00:9::1/128" })

local function routes(where)
  local lines = {}
  for _, family in ipairs { "-4", "-6" } do
    local text = assert(process.run { argv = { "ip", family, "-j", "route" }, netns = where }).stdout
    for _, r in ipairs(json.decode(text)) do
      if r.gateway and r.dst ~= "default" then lines[#lines + 1] = r.dst .. " " .. r.gateway end
    end
  end
  return lines
end
local BOTH <const> = { "10.9.0.0/16 10.1.0.7", "fd00:9::/48 fd00:1::7" }
local gateway <const> = lab.connection().hello.run_dir .. "/ns/blue+lan:gateway"
tap.eq(routes(h1.netns), BOTH, "an endpoint has the routes of both families")
tap.eq(routes(gateway), BOTH, "so has the gateway")
tap.eq(routes(router.netns), {}, "the next router itself has not")
tap.ok(h1:ping "10.9.0.1" and h1:ping "fd00:9::1", "what lies behind that router is reached")

-- by DHCP: with option 121 a client ignores the router option (RFC 3442), so the default route stands there, too
local place <close> = system.directory()
local script <const> = system.write(place.path, "bound", "#!/bin/sh\n[ \"$1\" != bound ] || echo \"routes $staticroutes\"\n")
file.chmod(script, 493)
local function leased()
  local told = h1:run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1", "-O", "staticroutes", "-s", script)
  return told and told.stdout:match "routes ([^\n]*)"
end
tap.eq(leased(), "10.9.0.0/16 10.1.0.7 0.0.0.0/0 10.1.0.1", "a DHCP client is told them, and the default route")

-- Who is outside.
local server <const> = assert(process.spawn { argv = { "busybox", "nc", "-ll", "-p", "7777", "-e", "echo", "here" }, stdin = "null",
  netns = h1.netns })
local function listens() return h1:run("busybox", "nc", "-w", "1", "127.0.0.1", "7777") end
assert(tap.eventually(5, function() return listens() and listens().stdout == "here\n" end), "no server in h1")
local function opened(target, port)
  return process.run { argv = { "busybox", "nc", "-w", "1", target, port or "7777" }, netns = outside, input = "" }.exit == 0
end
local function answers(target)
  return process.run { argv = { "ping", "-c1", "-W1", target }, netns = outside }.exit == 0
end
local INNER <const> = { h1.address, h1.address6, "10.1.0.1", "fd00:1::1", "10.9.0.1", "fd00:9::1" }
local function reached()
  local tasks, list = {}, {}
  for i, target in ipairs(INNER) do tasks[i] = task.spawn(answers, target) end
  for i, one in ipairs(tasks) do
    if one:wait() then list[#list + 1] = INNER[i] end
  end
  return list
end
tap.ok(h1:ping "198.51.100.1" and h1:ping "2001:db8::1", "endpoints reach the outside")
tap.ok(router:run("ping", "-c1", "-W2", "-I", "10.9.0.1", "198.51.100.1"), "so do those behind the router")
tap.eq(reached(), {}, "from outside nothing inside answers")
tap.ok(not opened(h1.address) and not opened(h1.address6), "and no connection is opened")
tap.ok(answers "198.51.100.10", "the gateway itself answers at its outer address")

-- DHCP and DNS: no socket of theirs is at an outer address, and inside they are reached by the inner ones alone.
local sockets = {}
for line in assert(process.run { argv = { "ss", "-Hlntu" }, netns = gateway }).stdout:gmatch "[^\n]+" do
  local bound = line:match "^%S+%s+%S+%s+%S+%s+%S+%s+(%S+)"
  if not bound:find "%%eth0:" then sockets[#sockets + 1] = line:match "^%S+" .. " " .. bound end
end
table.sort(sockets)
tap.eq(sockets, { "tcp 10.1.0.1:53", "tcp [fd00:1::1]:53", "udp 10.1.0.1:53", "udp [fd00:1::1]:53" }, "no server is at an outer address")
tap.ok(not opened("198.51.100.10", "53") and not opened("2001:db8::10", "53"), "the name server's port is closed outside")
local function lookup(at, where)
  local said = process.run { argv = { "timeout", "1", "busybox", "nslookup", "-type=a", "h1.blue", at }, netns = where }
  return said.exit == 0 and said.stdout:find "10.1.0.2" ~= nil
end
tap.ok(tap.eventually(5, function() return lookup("10.1.0.1", h1.netns) end), "an endpoint is told names at the inner address")
tap.ok(not lookup("198.51.100.10", h1.netns) and not lookup("198.51.100.10", outside), "at the outer one nobody is")

-- replies, not openings: a connection from inside goes on
local echo <const> = assert(process.spawn { argv = { "busybox", "nc", "-ll", "-p", "7778", "-e", "cat" }, stdin = "null", netns = outside })
tap.ok(tap.eventually(5, function()
  local said = h1:run("sh", "-c", "(echo one; sleep 0.2; echo two) | busybox nc -w 2 198.51.100.1 7778")
  return said and said.stdout == "one\ntwo\n"
end), "a connection from inside carries data both ways")
echo:kill "KILL"
echo:wait()
tap.eq(blue:verify(), {}, "nothing differs")

-- it is mended
local function mends(commands, text)
  expect(nftables.run { netns = gateway, commands = commands:gsub("TABLE", ("nerv-%s-10.1.0.0/24"):format(lab.connection().hello.instance)) })
  local list = system.texts(blue:verify())
  tap.ok(#list == 1 and list[1]:find "change nat blue/lan:gateway 10.1.0.0/24", text .. " is mended", list)
  tap.eq(reached(), {}, "and nothing answers then")
end
mends("delete chain ip TABLE in", "a lost chain")
mends("flush chain ip TABLE in", "a lost rule")
mends("insert rule ip TABLE in accept", "a foreign rule")

-- in place
local index <const> = link.get { netns = h1.netns, name = "eth0" }.index
blue:update { inbound = true }
tap.eq(reached(), INNER, "asked for, all of it answers")
tap.ok(opened(h1.address) and opened(h1.address6), "and connections are opened")
blue:update { inbound = false }
tap.ok(not opened(h1.address) and not opened(h1.address6) and #reached() == 0, "and not any more")
blue:update { routes = { ["10.8.0.0/16"] = "10.1.0.7", ["10.9.0.0/16"] = "10.1.0.8", ["10.7.7.7/32"] = "10.1.0.7" } }
local function sorted(list) table.sort(list) return list end
tap.eq({ sorted(routes(h1.netns)), sorted(routes(gateway)) }, { { "10.7.7.7 10.1.0.7", "10.8.0.0/16 10.1.0.7", "10.9.0.0/16 10.1.0.8" },
  { "10.7.7.7 10.1.0.7", "10.8.0.0/16 10.1.0.7", "10.9.0.0/16 10.1.0.8" } }, "routes that come, change and go")
tap.eq(blue:verify(), {}, "nothing differs")
assert(route.delete { netns = h1.netns, to = "10.8.0.0/16" })
tap.eq(system.texts(blue:verify()), { lab.here() .. ": create route blue:h1 10.8.0.0/16 of blue:h1" }, "a lost one is mended")
tap.ok(tap.eventually(5, function()
  return leased() == "10.7.7.7/32 10.1.0.7 10.8.0.0/16 10.1.0.7 10.9.0.0/16 10.1.0.8 0.0.0.0/0 10.1.0.1"
end), "DHCP tells the new ones", leased())
blue:update { routes = {} }
tap.eq(routes(h1.netns), {}, "none at all")
tap.eq(link.get { netns = h1.netns, name = "eth0" }.index, index, "the endpoint stayed")

-- what cannot be
for range, case in pairs { ["10.9.0.1/16"] = { "10.1.0.7", "host bits are set" }, ["10.9.0.0"] = { "10.1.0.7", "bad CIDR" },
  ["10.9.0.0/16"] = { "10.2.0.7", "next router must be an address in the network's range, not 10.2.0.7" },
  ["fd00:8::/48"] = { "10.1.0.7", "next router" }, ["0.0.0.0/0"] = { "10.1.0.7", "default route" } } do
  system.refuses(function() blue:update { routes = { [range] = case[1] } } end, ".*" .. case[2], "a route to " .. range .. " by " .. case[1])
end

server:kill "KILL"
server:wait()
blue:delete()
tap.done()
