-- What an IP network answers: router, DHCP and DNS on its home, for endpoints of all nodes; two networks with equal
-- addresses; both families; each switched on and off while the network runs.
-- With sanitizers in check-long only.
local tap <const> = require "tap"

testbed.create { nodes = 2 }
local BOTH <const> = { gateway = true, dhcp = true, dns = true }
local function create(name, home)
  local spec = { name = name, archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", home = home }
  for key, value in pairs(BOTH) do spec[key] = value end
  return network.create(spec)
end
local blue <const>, red <const> = create("blue", "pm1"), create("red", "pm2")
local h1 <const>, h2 <const> = table.unpack(blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } })
local r1 <const> = red:endpoint { name = "h1", node = "pm1" }

local function says(ep, command, pattern, text)
  local result
  tap.ok(tap.eventually(5, function()
    result = table.pack(ep:run("sh", "-c", command .. " 2>&1"))
    result = result[1] or result[4]
    return result and result.stdout:find(pattern)
  end), text, result and result.stdout)
end

local function lookup(name, kind) return ("busybox nslookup -type=%s %s 10.1.0.1"):format(kind or "a", name) end

for _, ep in ipairs { h1, h2, r1 } do
  tap.ok(ep:ping "10.1.0.1", ep.id .. " reaches its gateway")
  tap.ok(ep:ping "fd00:1::1", ep.id .. " reaches it by IPv6")
  says(ep, "ip route; ip -6 route", "default via 10.1.0.1 dev eth0.*default via fd00:1::1 dev eth0", ep.id .. " has default routes")
end
tap.ok(h1:ping(h2), "endpoints reach each other")
tap.ok(h1:ping(h2.address6), "by IPv6, too")
tap.eq({ h1.address6, h2.address6, r1.address6 }, { "fd00:1::2", "fd00:1::3", "fd00:1::2" }, "addresses of both families")

-- DNS
says(h2, lookup "h1.blue", "Address: 10.1.0.2", "a name of an endpoint on another node")
says(h2, lookup("h1.blue", "aaaa"), "fd00:1::2", "its IPv6 address")
says(h2, lookup "h1", "Address: 10.1.0.2", "a bare name")
says(h1, lookup "gateway.blue", "Address: 10.1.0.1", "the gateway's own")
says(r1, lookup "h1.red", "Address: 10.1.0.2", "the other network has names of its own")
says(r1, lookup "h2.red", "NXDOMAIN", "and none of this one's")
says(h1, lookup "www.example.org", "REFUSED", "other names are refused where nobody was named to ask")

-- DHCP: the client asks anew
local function lease(ep, want)
  says(ep, "busybox udhcpc -i eth0 -n -q -f -t 3 -T 1 -s /bin/true", ("lease of %s obtained from 10.1.0.1"):format(want),
    ep.id .. " is leased its address")
end
lease(h1, "10.1.0.2")
lease(h2, "10.1.0.3")
lease(r1, "10.1.0.2")

-- endpoints that come, change and go
local h3 <const> = blue:endpoint { name = "h3", node = "pm2", address = "10.1.0.77" }
says(h1, lookup "h3", "Address: 10.1.0.77", "a new endpoint has its name at once")
lease(h3, "10.1.0.77")
h3:delete()
says(h1, lookup "h3.blue", "NXDOMAIN", "a deleted one has none any more")
blue:endpoint { name = "h4", node = "pm1", address = "10.1.0.77" }
says(h1, lookup "h4", "Address: 10.1.0.77", "another one has its address now")
lease(blue:get "h4", "10.1.0.77")

-- options that change in place
blue:update { dns = false }
says(h2, lookup "h1", "refused", "no DNS any more")
lease(h2, "10.1.0.3")
blue:update { dhcp = false, gateway = false }
says(h2, "ip route", "^10.1.0.0/24 dev eth0[^\n]*\n$", "no default route any more")
tap.ok(not h2:ping "10.1.0.1", "and no gateway")
tap.ok(h1:ping(h2), "endpoints keep their addresses")
blue:update(BOTH)
says(h2, lookup "h1", "Address: 10.1.0.2", "all of it comes back")
lease(h2, "10.1.0.3")
blue:update { home = "pm2" }
says(h1, lookup "h2", "Address: 10.1.0.3", "the home moved, and the names with it")
lease(h1, "10.1.0.2")
local function services(where)
  local names = {}
  for _, row in ipairs(lab.state():list "Service") do
    if row.node == where and row.owner == "blue" then names[#names + 1] = row.name end
  end
  return names
end
tap.ok(tap.eventually(5, function() return #services "pm1" == 0 and #services "pm2" == 1 end),
  "the service runs on the new home and not on the former one")
tap.eq({ #blue:verify(), #red:verify() }, { 0, 0 }, "all is as the rows want it")

-- no address of the node answers
for _, target in ipairs { "192.0.2.1", "127.0.0.1" } do
  local reached = node.get("pm1"):run("ping", "-c1", "-W1", target)
  tap.ok(reached, "the node itself reaches " .. target)
end
tap.ok(not h1:ping "192.0.2.1", "an endpoint does not reach its node's address")
for _, spec in ipairs { { subnet6 = "fd00:2::/64" }, {} } do
  spec.name, spec.archetype = "green", "ip"
  local good, message = pcall(network.create, spec)
  tap.ok(good == (spec.subnet6 ~= nil), "one family is enough, none is not", message)
end
local g1 <const> = network.get("green"):endpoint { name = "g1" }
tap.eq({ g1.address, g1.address6 }, { nil, "fd00:2::2" }, "a network of IPv6 alone")
tap.ok(g1:ping "fd00:2::2", "its endpoint has its address")
tap.done()
