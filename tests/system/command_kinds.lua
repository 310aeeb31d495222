-- The commands on endpoints of other kinds than namespaces, and on networks of IPv6 only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
tap.ok(netns.add { path = "/run/netns/there" }, "a namespace that is none of ours")
blue:endpoint { { name = "h1" }, { name = "guest", kind = "tap" }, { name = "box", kind = "veth", netns = "there", interface = "blue0" } }
link.add { kind = "veth", name = "phys0", peer = { name = "wire0" } }
for _, name in ipairs { "phys0", "wire0" } do link.set { name = name, up = true } end
blue:endpoint { name = "out", kind = "link", interface = "phys0" }
local six <const> = network.create { name = "six", archetype = "ip", subnet6 = "fd00:1::/64" }
six:endpoint { { name = "a" }, { name = "b" } }

local function records(line)
  local r = system.nervsh { "-c", line .. " -f json" }
  tap.ok(r.exit == 0 and r.stderr == "", line, r)
  return json.decode(r.stdout) or {}
end

-- interfaces
local by_name = {}
local links <const> = records "links blue"
for _, l in ipairs(links) do by_name[l.name] = l end
tap.eq(#links, 4, "one interface each")
local bridge <const> = link.get { name = by_name["blue:h1"].peer }.master
tap.eq({ by_name["blue:guest"].interface, by_name["blue:guest"].bridge, by_name["blue:guest"].peer }, { blue:get("guest").interface, bridge, nil }, "a tap")
tap.eq({ by_name["blue:box"].interface, by_name["blue:box"].bridge, link.get { name = by_name["blue:box"].peer }.master }, { "blue0", bridge, bridge },
  "an interface in a namespace of others")
tap.eq({ by_name["blue:out"].interface, by_name["blue:out"].bridge, by_name["blue:out"].state }, { "phys0", bridge, "up" }, "an interface that is lent")
blue:get("out"):update { rate = "10mbit" }
tap.eq(#records "links blue", 4, "what shapes it is no interface of its own")
tap.eq(records("ep show guest")[1].kind, "tap", "ep show says the kind")
tap.eq(records("ep show out")[1].options, { rate = 10000000 }, "and what it was given")
tap.eq(records("ep six")[1].address, six:get("a").address6, "an IPv6 address is an address")
tap.like(system.nervsh({ "-c", "graph" }).stdout, '"blue:out" %[label="out\\n', "in the picture")

-- pings
local r = system.nervsh { "-c", "pingall" }
tap.eq({ r.exit, r.stdout }, { 0, "network blue\nbox -> h1\nh1 -> box\nnetwork six\na -> b\nb -> a\nblue:guest is a tap: skipped\n" ..
  "blue:out is a link: skipped\n0% lost (4 of 4 answered)\n" }, "pingall")
tap.eq(records("pingpair a b")[1].address, six:get("b").address6, "by IPv6")
tap.ok((records("iperf a b -t 1")[1] or {}).received_bits_s, "throughput by IPv6")
r = system.nervsh { "-c", "guest true" }
tap.ok(r.exit == 1 and r.stderr:find "blue:guest is a tap", "no programs in a tap", r)

-- changes in place
local function good(line) tap.eq(system.nervsh({ "-c", line }), { exit = 0, stdout = "", stderr = "" }, line) end
good "update h1 mtu=1300 rate=20mbit mac=02:00:00:00:00:11"
local h1 <const> = blue:get "h1"
tap.eq({ h1.mtu, h1.rate, h1.mac }, { 1300, 20e6, "02:00:00:00:00:11" }, "an endpoint's options")
good "update h1 rate="
tap.eq(h1.rate, nil, "one is taken away")
good "update blue mtu=1450"
good "update blue mtu="
tap.eq(blue.mtu, 1500, "a network's, too")
tap.eq(#records "plan update h1 mtu=1200" > 0 and h1.mtu, 1300, "a plan")
for line, message in pairs {
  ["update h1 kind=tap"] = "endpoint:update: an endpoint keeps its kind", ["update h1 mut=3"] = "update: unknown option 'mut'; did you mean 'mtu'%?",
  ["update h1 rate=fast"] = "update: rate=fast: bad rate", ["update blue nix="] = "network:update: unknown option 'nix'",
} do
  r = system.nervsh { "-c", line }
  tap.ok(r.exit == 1 and r.stdout == "" and r.stderr:find("^nervsh: " .. message .. "[^\n]*\n$"), line, r)
end

-- as a file, and back
local before <const> = configuration.export()
tap.eq(configuration.apply(configuration.export { pin = true }), {}, "pinned, nothing changes")
tap.like(configuration.text(before), 'box = { kind = "veth", interface = "blue0", netns = "there" }', "kinds are in the file")
configuration.apply { networks = {} }
tap.eq({ link.get { name = "phys0" }.master, link.get({ name = "phys0" }).up }, { nil, true }, "the interface is given back")
local done <const> = configuration.apply(before)
tap.eq(#done, 2, "all of them come back")
tap.eq(configuration.text(configuration.export()), configuration.text(before), "as they were")
tap.eq(blue:verify(), {}, "in the system, too")
configuration.apply { networks = {} }
link.delete { name = "phys0" }
netns.delete { path = "/run/netns/there" }
tap.done()
