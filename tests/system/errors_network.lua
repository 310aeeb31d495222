-- What users get wrong about networks and endpoints: one line with their own file and line,
-- nothing is left, and the agent goes on.
local tap <const> = require "tap"
local system <const> = require "support.system"
local refuses <const> = system.refuses

local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
blue:endpoint { { name = "h1" }, { name = "h2", address = "10.1.0.77", mac = "02:00:00:00:00:77" } }
local before <const> = system.inventory()
local agent <const> = system.agent_pid()
local function create(spec) return network.create(spec) end

-- network.create
refuses(function() network.create { name = "red", archetype = "ip", subnett = "10.1.0.0/24" } end,
  "network.create: unknown option 'subnett'; did you mean 'subnet'%?$", "unknown option: the nearest is named")
refuses(function() network.create { name = "red", archetype = "ip", zzzzzzzz = 1, subnet = "10.1.0.0/24" } end,
  "network.create: unknown option 'zzzzzzzz'; there are archetype, dhcp, [%w_, ]+, uplink_router6$",
  "unknown option with none near it: they are listed")
refuses(function() network.create { name = "red", archetype = "ip", "10.1.0.0/24" } end,
  "network.create: options are given by name$", "an option with no name")
refuses(function() network.create { name = "red", archetype = "ip" } end,
  "network.create: option 'subnet' is missing", "missing option")
refuses(function() network.create { archetype = "ip", subnet = "10.1.0.0/24" } end,
  "network.create: option 'name' is missing", "missing name")
refuses(function() network.create { name = "red", subnet = "10.1.0.0/24" } end,
  "network.create: option 'archetype' is missing; there are bridge, .*ip", "missing archetype")
refuses(function() network.create { name = "red", archetype = "ipp", subnet = "10.1.0.0/24" } end,
  "network.create: unknown archetype 'ipp'; did you mean 'ip'%?$", "unknown archetype: the nearest is named")
refuses(function() network.create { name = "red", archetype = "quite-another" } end,
  "network.create: unknown archetype 'quite%-another'; there are .*ip", "unknown archetype with none near it")
refuses(function() network.create { name = "red", archetype = 7 } end,
  "network.create: '7' is no archetype name$", "archetype of a wrong type")
refuses(function() network.create { name = "red", archetype = "../ip" } end,
  "network.create: .*'%.%./ip' is no archetype name$", "an archetype's name is no path")
refuses(function() network.create { name = "red", archetype = "ip", subnet = 10 } end,
  "network.create: subnet = 10: bad CIDR", "wrong type")
refuses(function() network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/24", mtu = "big" } end,
  'network.create: mtu = "big": an integer from 68 to 65535 is expected$', "wrong type: text for a number")
refuses(function() network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/24", mtu = 1e99 } end,
  "network.create: mtu = 1e%+99: an integer from 68", "too large a number")
for options, pattern in pairs {
  [{ subnet = "10.1.0.0/24", uplink = "lo" }] = "option 'uplink' needs gateway = true$",
  [{ subnet = "10.1.0.0/24", uplink_address = "192.0.2.300/24" }] = 'uplink_address = "192.0.2.300/24": bad address',
  [{ subnet = "10.1.0.0/24", uplink_address = "192.0.2.1" }] = "an address, a slash and a prefix length are expected$",
  [{ subnet = "10.1.0.0/24", uplink_address = "2001:db8::1/64" }] = "IPv4 is expected$",
  [{ subnet = "10.1.0.0/24", uplink_address6 = "2001:db8::1/129" }] = "an address, a slash and a prefix length are expected$",
  [{ subnet = "10.1.0.0/24", forwarders = { "192.0.2.1", "dns.example" } }] = "option 'forwarders': bad address \"dns.example\"",
} do
  options.name, options.archetype = "red", "ip"
  refuses(function() network.create(options) end, "network.create: .*" .. pattern, "options that do not go: " .. pattern)
end
refuses(function() network.create { name = "red", archetype = "bridge", stp = "yes" } end,
  'network.create: stp = "yes": true or false is expected$', "wrong type: text for a boolean")
for _, case in ipairs {
  { "10.1.0.0", "an address, a slash" }, { "10.1.0.0/33", "at most 32" }, { "10.1.0.1/24", "host bits are set; the range is 10.1.0.0/24" },
  { "10.1.0.256/24", "an IPv4 or IPv6 address" }, { "10.1.0/24", "an IPv4 or IPv6 address" }, { "fd00::1/64", "host bits are set; the range is fd00::/64" },
  { "", "an address, a slash" }, { "10.01.0.0/24", "an IPv4 or IPv6 address" } } do
  refuses(function() network.create { name = "red", archetype = "ip", subnet = case[1] } end,
    ("network.create: subnet = %q: bad CIDR %q: .*%s"):format(case[1], case[1], case[2]):gsub("%-", "%%-"),
    "bad CIDR " .. case[1])
end
for _, name in ipairs { "", "-a", ".a", "a b", "a/b", "a:b", "a\nb", "a\0b", "ä", ("a"):rep(64) } do
  refuses(function() network.create { name = name, archetype = "bridge" } end,
    "network.create: name = .*: a name begins with a letter or digit", ("no name: %q"):format(name):gsub("[\n\0]", "?"))
end
refuses(function() network.create { name = "blue", archetype = "bridge" } end,
  "network.create: network 'blue' exists$", "duplicate name")
refuses(function() network.create { name = "red", archetype = "bridge", home = "pm1" } end,
  "unknown node 'pm1'; ", "unknown home")
refuses(function() network.create "red" end, "network.create: a table of options is expected$", "no table")
refuses(function() network.create() end, "network.create: a table of options is expected$", "no argument")
refuses(function() network.plan { name = "red", archetype = "ip", subnett = "10.1.0.0/24" } end,
  "network.%a+: unknown option 'subnett'; did you mean 'subnet'%?$", "a plan refuses the same")

-- network:endpoint
refuses(function() blue:endpoint { name = "h3", adress = "10.1.0.9" } end,
  "endpoint: unknown option 'adress'; did you mean 'address'%?$", "endpoint: unknown option")
refuses(function() blue:endpoint { name = "h3", address = 5 } end,
  "endpoint: address = 5: bad address", "endpoint: wrong type")
refuses(function() blue:endpoint { name = "h3", address = "10.1.0.300" } end,
  "endpoint: address = \"10.1.0.300\": bad address", "endpoint: bad address")
refuses(function() blue:endpoint { name = "h3", address = "10.2.0.3" } end,
  "network blue: address 10.2.0.3 is not in 10.1.0.0/24$", "endpoint: an address of another range")
refuses(function() blue:endpoint { name = "h3", address = "10.1.0.255" } end,
  "network blue: address 10.1.0.255 is the broadcast address of 10.1.0.0/24$", "endpoint: the broadcast address")
refuses(function() blue:endpoint { name = "h3", address = "10.1.0.0" } end,
  "network blue: address 10.1.0.0 is the network address of 10.1.0.0/24$", "endpoint: the network address")
refuses(function() blue:endpoint { name = "h3", address = "10.1.0.77" } end,
  "network blue: address 10.1.0.77 is taken$", "endpoint: a taken address")
refuses(function() blue:endpoint { name = "h3", mac = "02:00:00:00:00:77" } end,
  "MAC address 02:00:00:00:00:77 is taken$", "endpoint: a taken MAC address")
refuses(function() blue:endpoint { name = "h3", mac = "01:00:00:00:00:01" } end,
  "endpoint: mac = .*group address$", "endpoint: a group address")
refuses(function() blue:endpoint { name = "h1" } end, "endpoint 'h1' of network blue exists$", "endpoint: duplicate name")
refuses(function() blue:endpoint { { name = "h3" }, { name = "h3" } } end,
  "endpoint 'h3' of network blue exists$", "endpoint: a name twice in one call")
refuses(function() blue:endpoint { { name = "h3", address = "10.1.0.5" }, { name = "h4", address = "10.1.0.5" } } end,
  "network blue: address 10.1.0.5 is taken$", "endpoint: an address twice in one call")
refuses(function() blue:endpoint { { name = "h3" }, { name = "h4", nod = "x" } } end,
  "endpoint: unknown option 'nod'; did you mean 'node'%?$", "endpoint: one wrong in a list")
refuses(function() blue:endpoint { { name = "h3" }, "h4" } end,
  "network:endpoint: a table of options is expected$", "endpoint: something else in a list")
refuses(function() blue:endpoint { name = "h3", node = "nowhere" } end,
  "unknown node 'nowhere'; ", "endpoint: unknown node")
refuses(function() blue:endpoint {} end, "endpoint: option 'name' is missing", "endpoint: no name")
refuses(function() blue:endpoint "h3" end, "network:endpoint: a table of options is expected$", "endpoint: no table")
refuses(function() blue:endpoint { name = "a:b" } end, "endpoint: name = .*a name begins", "endpoint: a bad name")

-- network:update and what deletes
refuses(function() blue:update { mtuu = 1400 } end,
  "network.update: unknown option 'mtuu'; did you mean 'mtu'%?$", "update: unknown option")
refuses(function() blue:update { mtu = "x" } end, 'network.update: mtu = "x": an integer', "update: wrong type")
refuses(function() blue:update { archetype = "brigde" } end,
  "network.update: unknown archetype 'brigde'; did you mean 'bridge'%?$", "update: unknown archetype")
refuses(function() blue:update { archetype = 7 } end, "network.update: .*7", "update: archetype of a wrong type")
refuses(function() blue:update { home = "nowhere" } end, "unknown node 'nowhere'", "update: unknown home")
refuses(function() blue:update { home = 5 } end, "network.update: home = 5: a name", "update: home of a wrong type")
refuses(function() blue:update { name = "green" } end, "network.update: .*name", "update: a network keeps its name")
refuses(function() blue:update() end, "network:update: a table of options is expected$", "update: no argument")
refuses(function() blue:delete_endpoints { "h9" } end, "network blue has no endpoint 'h9'", "delete: unknown endpoint")
refuses(function() blue:delete_endpoints { "h1", "h9" } end, "network blue has no endpoint 'h9'", "delete: one is unknown")
refuses(function() blue:delete_endpoints "h1" end, "network:delete_endpoints: names: an array is expected$", "delete: no table")
refuses(function() blue:delete_endpoints() end, "network:delete_endpoints: argument 'names' is missing", "delete: no names are not all of them")
refuses(function() blue:plan("remove") end, "network:plan: verb: one of endpoint, update, delete, delete_endpoints is expected$", "plan: unknown verb")
refuses(function() blue:plan("updat", {}) end, "network:plan: verb: .*; did you mean 'update'%?$",
  "plan: the nearest verb is named")

-- what is looked up
refuses(function() network.get "a b" end, "network.get: name: a name begins with", "get: a bad name")
refuses(function() network.get(nil) end, "network.get: argument 'name' is missing", "get: no name")
tap.eq(network.get "bleu", nil, "get: an unknown network is nil")
tap.eq(blue:get "h9", nil, "get: an unknown endpoint is nil")
tap.eq(node.get "nowhere", nil, "get: an unknown node is nil")

-- what was deleted
local gone <const> = create { name = "gone", archetype = "ip", subnet = "10.9.0.0/24" }
local lost <const> = gone:endpoint { name = "e" }
lost:delete()
refuses(function() return lost.mac end, "endpoint 'gone:e' has been deleted$", "a deleted endpoint says so")
refuses(function() lost:run "true" end, "endpoint 'gone:e' has been deleted$", "nothing runs in a deleted endpoint")
gone:delete()
refuses(function() return gone.home end, "network 'gone' has been deleted$", "a deleted network says so")
refuses(function() gone:endpoint { name = "e" } end, "there is no network 'gone'", "no endpoint in a deleted network")
refuses(function() gone:delete() end, "there is no network 'gone'", "a deleted network is not deleted twice")
refuses(function() gone:update { mtu = 1400 } end, "there is no network 'gone'", "a deleted network is not changed")

system.same_inventory(before, nil, "nothing is left of all that")
tap.eq(system.agent_pid(), agent, "the agent is the same")
tap.eq(blue:verify(), {}, "the network is as it was")
tap.ok(blue:get("h1"):ping(blue:get "h2"), "and works")
tap.done()
