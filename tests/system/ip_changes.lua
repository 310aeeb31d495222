-- Each option of an IP network and of its endpoints changes in place: endpoints and the gateway's namespace stay the ones they
-- are, the system has what the option says by another way of asking, and nothing differs then. See also ip_services (gateway,
-- dhcp, dns), ip_routes (routes, inbound), endpoint_update (address).
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local system <const> = require "support.system"

local have, why = nftables.supported()
if not have then
  tap.skip("changes of an IP network with a way out", why)
  tap.done()
  return
end

-- Outside: two links to one machine, which knows a name; and somebody else's namespace.
local TAG <const> = digest.random(2)
local outside <const>, box <const> = "outside" .. TAG, "box" .. TAG
local _ <close> = setmetatable({}, { __close = function() kernel.forget(outside, box) end })
for _, name in ipairs { outside, box } do assert(netns.add { path = name, lo_up = true }) end
for name, places in pairs { wan1 = { "198.51.100.1/24", "198.51.100.3/24", "2001:db8::1/64", "2001:db8::3/64" }, wan2 = { "203.0.113.1/24" } } do
  assert(link.add { kind = "veth", name = name, up = true, peer = { name = name, netns = outside } })
  assert(link.set { name = name, netns = outside, up = true })
  for _, one in ipairs(places) do kernel.sh("ip", "-n", outside, "addr", "add", one, "dev", name, table.unpack(one:find ":" and { "nodad" } or {})) end
end
local server <const> = assert(process.spawn { netns = outside, stdin = "null", argv = { "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
  "--pid-file=", "--no-hosts", "--no-resolv", "--address=/www.example.org/192.0.2.99", "--log-facility=-" }, stderr = "null" })

local here <const> = lab.here()
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", gateway = true, dhcp = true, dns = true,
  uplink = "wan1", uplink_address = "198.51.100.10/24", uplink_router = "198.51.100.1" }
local h1 <const>, h2 <const>, z1 <const> = table.unpack(blue:endpoint { { name = "h1" }, { name = "h2" },
  { name = "z1", kind = "veth", netns = box, interface = "eth0" } })
local gateway <const> = lab.connection().hello.run_dir .. "/ns/blue+lan:gateway"

local function ip(where, ...) return process.run { argv = { "ip", ... }, netns = where }.stdout end
local function identity()
  local list = { file.stat(gateway).ino, link.get { netns = box, name = "eth0" }.index }
  for _, ep in ipairs { h1, h2 } do
    list[#list + 1] = ("%d %d %s"):format(file.stat(ep.netns).ino, link.get { netns = ep.netns, name = "eth0" }.index, ep.mac)
  end
  return list
end
local first <const> = identity()
-- Changes options; then nothing differs, and everything is the one it was.
local function changes(given, text)
  blue:update(given)
  tap.eq({ identity(), #blue:verify(), blue.state }, { first, 0, "active" }, text)
end
local function says(want, text, ...)
  local argv, said = { ... }, nil
  local good = tap.eventually(5, function()
    said = process.run { argv = argv, netns = h1.netns }
    said = said.stdout .. said.stderr
    return said:find(want)
  end)
  tap.ok(good, text, said)
end
local function lookup(name, want, text, kind)
  says(want, text, "timeout", "2", "busybox", "nslookup", "-type=" .. (kind or "a"), name, blue.subnet and cidr.gateway(blue.subnet) or
    cidr.gateway(blue.subnet6))
end
local function leased(want, text)
  says("lease of " .. want:gsub("%.", "%%.") .. " obtained", text, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1", "-s",
    "/bin/true")
end
tap.ok(h1:ping "198.51.100.1", "at first endpoints reach the outside")

-- subnet6, uplink_address6, uplink_router6
changes({ subnet6 = "fd00:1::/64" }, "subnet6: a second family")
tap.eq({ h1.address6, h2.address6 }, { "fd00:1::2", "fd00:1::3" }, "each endpoint has an address of it")
tap.ok(h1:ping "fd00:1::1" and h1:ping(h2.address6) and h1:ping(h2.address), "they and the gateway are reached")
tap.like(ip(h1.netns, "-6", "route"), "default via fd00:1::1 dev eth0", "and have a default route")
lookup("h2.blue", "fd00:1::3", "and a name", "aaaa")
changes({ uplink_address6 = "2001:db8::10/64", uplink_router6 = "2001:db8::1" }, "uplink_address6: a way out for it")
tap.ok(h1:ping "2001:db8::1", "which leads there")
changes({ uplink_address6 = "2001:db8::11/64", uplink_router6 = "2001:db8::3" }, "another one")
tap.like(ip(gateway, "-6", "route"), "default via 2001:db8::3 dev uplink", "uplink_router6: another router")
tap.ok(not ip(gateway, "-6", "addr"):find "2001:db8::10/" and h1:ping "2001:db8::3", "the former address is gone")
changes({ subnet6 = "fd00:2::/64" }, "subnet6: another range")
tap.eq({ h1.address6, ip(h1.netns, "-6", "addr"):find "fd00:1:" }, { "fd00:2::2" }, "the former addresses are gone")
tap.ok(h1:ping "2001:db8::1" and h1:ping "fd00:2::1", "the new ones work")
h1:update { address6 = "fd00:2::99" }
tap.eq({ h1.address6, identity(), #blue:verify() }, { "fd00:2::99", first, 0 }, "address6: a fixed one")
tap.ok(h2:ping "fd00:2::99", "which is reached")
lookup("h1.blue", "fd00:2::99", "and has the name", "aaaa")
h1:update { address6 = false }
tap.eq(h1.address6, "fd00:2::99", "no longer fixed, it stays")
changes({ uplink_address6 = false, uplink_router6 = false }, "uplink_address6: none any more")
tap.ok(not h1:ping "2001:db8::1" and h1:ping "198.51.100.1", "IPv4 alone has a way out")
changes({ subnet6 = false }, "subnet6: one family again")
tap.eq({ h1.address6, ip(h1.netns, "-6", "addr"), ip(gateway, "-6", "route") }, { nil, "", "" }, "nothing of IPv6 is left")

-- uplink_router, uplink
changes({ uplink_router = "198.51.100.3" }, "uplink_router: another one")
tap.like(ip(gateway, "route"), "default via 198.51.100.3 dev uplink", "is the next hop")
changes({ uplink_router = false }, "uplink_router: none")
tap.ok(not ip(gateway, "route"):find "default" and h1:ping "198.51.100.1", "only what is near is reached")
changes({ uplink = "wan2", uplink_address = "203.0.113.10/24", uplink_router = "203.0.113.1" }, "uplink: another interface")
tap.ok(h1:ping "203.0.113.1", "is the way out")
tap.eq(ip(gateway, "-4", "-br", "addr", "show", "dev", "uplink"):match "(203%S+)", "203.0.113.10/24", "with its address alone")
changes({ uplink = "wan1", uplink_address = "198.51.100.10/24", uplink_router = "198.51.100.1" }, "and the former one")
tap.ok(h1:ping "198.51.100.1", "is it again")

-- domain, forwarders
changes({ domain = "lab.test" }, "domain: another one")
lookup("h2.lab.test", "Address: 10.1.0.3", "has the endpoints' names")
lookup("h2.blue", "REFUSED", "the former one has none")
lookup("www.example.org", "REFUSED", "other names are not known")
changes({ forwarders = { "198.51.100.1" } }, "forwarders: a server outside")
lookup("www.example.org", "192.0.2.99", "knows them")
changes({ forwarders = {}, domain = false }, "forwarders and domain: none")
lookup("www.example.org", "REFUSED", "they are not known any more")
lookup("h2.blue", "Address: 10.1.0.3", "the domain is the network's name")

-- default_route
tap.ok(not ip(box, "route"):find "default", "somebody else's namespace gets no default route")
z1:update { default_route = true }
tap.like(ip(box, "route"), "default via 10.1.0.1 dev eth0", "default_route: unless it is asked for")
h1:update { default_route = false }
tap.ok(not ip(h1.netns, "route"):find "default" and not h1:ping "198.51.100.1", "default_route: none")
z1:update { default_route = false }
h1:update { default_route = true }
tap.ok(not ip(box, "route"):find "default" and h1:ping "198.51.100.1", "and back")
tap.eq({ identity(), #blue:verify() }, { first, 0 }, "all of it in place")

-- mtu, subnet
changes({ mtu = 1400 }, "mtu: another one")
tap.eq({ link.get { netns = h1.netns, name = "eth0" }.mtu, link.get { netns = gateway, name = "eth0" }.mtu }, { 1400, 1400 }, "everywhere")
leased("10.1.0.2", "leases go on")
changes({ subnet = "10.5.0.0/24" }, "subnet: another one")
tap.eq({ h1.address, ip(h1.netns, "route"):match "default via (%S+)" }, { "10.5.0.2", "10.5.0.1" }, "addresses and gateway are new")
tap.ok(h1:ping "198.51.100.1" and h1:ping(h2), "they work")
lookup("h2.blue", "Address: 10.5.0.3", "names follow")
leased("10.5.0.2", "leases, too")
local tables = kernel.sh("nsenter", "--net=" .. gateway, "nft", "list", "tables")
tap.ok(tables:find("10.5.0.0/24", 1, true) and not tables:find("10.1.0.0", 1, true), "the new range is masqueraded, the former one not", tables)
changes({ subnet6 = "fd00:5::/64", subnet = false, uplink = false }, "subnet: none, where there is subnet6")
tap.eq({ h1.address, h1.address6, ip(h1.netns, "-4", "addr", "show", "dev", "eth0") }, { nil, "fd00:5::2", "" }, "nothing of IPv4 is left")
tap.ok(h1:ping(h2.address6), "they reach each other")

-- What cannot be: one line, and nothing has changed.
for text, case in pairs { ["no range"] = { { subnet6 = false }, "option 'subnet' is missing" },
  ["a way out without gateway"] = { { gateway = false, uplink = "wan1" }, "option 'uplink' needs gateway = true" },
  ["a way out without address"] = { { uplink = "wan1", uplink_address = false }, "option 'uplink' needs uplink_address" },
  ["an address outside that is none"] = { { uplink_address = "198.51.100.10" }, "uplink_address" },
  ["an address of the other family"] = { { uplink_address6 = "198.51.100.10/24" }, "uplink_address6" },
  ["a router of the other family"] = { { uplink_router = "2001:db8::1" }, "uplink_router" },
  ["a name server without address"] = { { forwarders = { "ns.example.org" } }, "forwarders" },
  ["a domain that is none"] = { { domain = "a b" }, "domain" }, ["an MTU that is none"] = { { mtu = 60 }, "mtu" },
  ["an interface that is not there"] = { { uplink = "nosuch" }, "node " .. here .. ": [^\n]*nosuch" } } do
  system.refuses(function() blue:update(case[1]) end, ".*" .. case[2], text)
end
tap.eq({ identity(), #blue:verify(), blue.subnet6, blue.uplink }, { first, 0, "fd00:5::/64" }, "nothing has changed")

blue:delete()
server:kill "KILL"
server:wait()
tap.done()
