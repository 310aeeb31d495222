-- archetype.expand: what the archetypes want, with no privilege and the same each time.
local tap <const> = require "tap"

local function keys_of(set)
  local keys = {}
  for i, need in ipairs(set) do keys[i] = need.owner .. ": " .. need.key end
  return keys
end

local function find(set, key)
  for _, need in ipairs(set) do
    if need.key == key then return need end
  end
end

local SUBNET <const> = { subnet = "10.1.0.0/24" }
local EDGE <const> = { port = 1, interface = "eth1" }
local ENDPOINTS <const> = { { name = "h1", address = "10.1.0.2", mac = "02:00:00:00:00:11" }, { name = "h2", address = "10.1.0.3" } }

-- bridge
tap.eq(keys_of(archetype.expand "bridge"), { "bridge: link bridge/bridge-data" }, "a bridge with no edge and no endpoints")
local set = archetype.expand("bridge", { mtu = 1400 }, { name = "blue", edge = EDGE, endpoints = { { name = "h1",
  mac = "02:00:00:00:00:11" } } })
tap.eq(keys_of(set), { "blue: link blue/bridge-data", "blue: link blue/nve-data", "blue: switch_port nve 16", "blue: entry nve ingress_ports 16",
  "blue: entry nve tags 1,100", "blue:h1: netns blue:h1", "blue:h1: link blue:h1/eth0" }, "a bridge with an edge and an endpoint")
local bridge = find(set, "link blue/bridge-data").properties
tap.eq({ bridge.kind, bridge.mtu, bridge.stp, bridge.up }, { "bridge", 1400, false, true }, "the bridge")
local eth0 = find(set, "link blue:h1/eth0").properties
tap.eq({ eth0.kind, eth0.mac, eth0.mtu, eth0.up, eth0.netns.id, eth0.peer.master.name },
  { "veth", "02:00:00:00:00:11", 1400, true, "blue:h1", "bridge-data" }, "the endpoint's interface")
tap.eq(find(set, "netns blue:h1").properties.loopback, false, "a bridge assumes no IP: the loopback stays down")
local entry = find(set, "entry nve ingress_ports 16").properties
tap.eq({ entry.key, entry.action, entry.data }, { { 16 }, "to_tag", { 100, 1 } },
  "frames of the network's port leave by the edge, with its tag")
entry = find(set, "entry nve tags 1,100").properties
tap.eq({ entry.key, entry.action, entry.data }, { { 1, 100 }, "to_port", { 16 } }, "and come back by it")

-- ip
set = archetype.expand("ip", SUBNET, { name = "blue", edge = EDGE, endpoints = ENDPOINTS })
tap.eq(keys_of(set), { "blue: link blue/bridge-data", "blue: link blue/nve-data", "blue: switch_port nve 16", "blue: entry nve ingress_ports 16",
  "blue: entry nve tags 1,100", "blue:h1: netns blue:h1", "blue:h1: link blue:h1/eth0", "blue:h1: address link blue:h1/eth0 10.1.0.2/24",
  "blue:h2: netns blue:h2", "blue:h2: link blue:h2/eth0", "blue:h2: address link blue:h2/eth0 10.1.0.3/24" },
  "an IP network is a bridge in it, and an address for each endpoint")
tap.eq(find(set, "netns blue:h1").properties.loopback, true, "with loopback")
tap.eq(find(set, "link blue:h1/eth0").properties.mac, "02:00:00:00:00:11", "with the given MAC address")
tap.eq(keys_of(archetype.expand("ip", SUBNET, { ports = { data = { tag = 7, number = 99 } }, edge = EDGE }))[5], "ip: entry nve tags 1,7",
  "with the given tag")

-- kinds of endpoint, in a composed archetype, too
local function endpoint_keys(given)
  given.name, given.address = "e", "10.1.0.9"
  local list = {}
  for _, key in ipairs(keys_of(archetype.expand("ip", SUBNET, { name = "blue", endpoints = { given } }))) do
    list[#list + 1] = key:match "^blue:e: (.*)"
  end
  return list
end
tap.eq(endpoint_keys { interface = "lan0", rate = "1mbit" }, { "netns blue:e", "link blue:e/lan0", "qdisc link blue:e/lan0 main",
  "qdisc link blue:e/lan0 peer", "address link blue:e/lan0 10.1.0.9/24" }, "a limited namespace: both ends are shaped")
tap.eq(endpoint_keys { kind = "veth", netns = "c", delay = 0.1 }, { "foreign_netns blue:e", "link blue:e/eth0", "qdisc link blue:e/eth0 main",
  "qdisc link blue:e/eth0 peer", "address link blue:e/eth0 10.1.0.9/24" }, "a veth")
tap.eq(endpoint_keys { kind = "tap" }, { "link blue:e/tap" }, "a tap: its guest gives itself the address")
tap.eq(endpoint_keys { kind = "link", interface = "eth1", loss = 0.5 }, { "interface eth1", "link blue:e/shaper", "qdisc interface eth1 main",
  "qdisc link blue:e/shaper main", "redirect interface eth1" }, "an existing interface: what arrives is shaped behind it")
tap.eq(endpoint_keys { kind = "tap", rate = 1e6, delay = 0, loss = 0 }, { "link blue:e/tap", "link blue:e/shaper", "qdisc link blue:e/tap main",
  "qdisc link blue:e/shaper main", "redirect link blue:e/tap" }, "a limited tap")
set = archetype.expand("bridge", { mtu = 1400 }, { name = "blue", endpoints = { { name = "t", kind = "tap", mac = "02:00:00:00:00:11", mtu = 1300,
  owner = "nobody" }, { name = "v", kind = "veth", netns = 7 } } })
local tap0 = find(set, "link blue:t/tap").properties
tap.eq({ tap0.mac, tap0.mtu, tap0.owner, tap0.master.name, find(set, "foreign_netns blue:v").properties.path },
  { "fe:00:00:00:00:11", 1300, "nobody", "bridge-data", "/proc/7/ns/net" }, "their properties")
for message, given in pairs { ["option 'netns' is missing"] = { kind = "veth" }, ["option 'owner' is for kind"] = { owner = "x" },
  ["mtu 1501 is more than the network's, 1500"] = { mtu = 1501 } } do
  tap.raises(function() endpoint_keys(given) end, message, "refused: " .. message)
end

-- testbed
set = archetype.expand("testbed", { count = 3, rate = "10mbit", prefix = "m" })
local services, rates = {}, 0
for _, need in ipairs(set) do
  if need.kind == "service" then services[#services + 1] = need.properties.name end
  if need.kind == "qdisc" then
    rates = rates + 1
    tap.eq(need.properties.rate, 1e7, "a rate is a number for an archetype")
  end
end
tap.eq({ services, rates }, { { "m1", "m2", "m3" }, 6 }, "a testbed of three")

-- the same each time, in each process, whoever asks
local TEXT <const> = [[
local function flat(v, depth)
  if type(v) ~= "table" then return tostring(v) end
  local key = rawget(v, "key")
  if getmetatable(v) then return "<" .. key .. ">" end
  local parts = {}
  for k, x in pairs(v) do parts[#parts + 1] = tostring(k) .. "=" .. flat(x) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end
local endpoints = {}
for i = 1, 40 do endpoints[i] = { name = "e" .. i, address = "10.1.0." .. i + 1 } end
for _, need in ipairs(archetype.expand("ip", { subnet = "10.1.0.0/24", mtu = 1400 },
  { name = "blue", edge = { port = 1, interface = "eth1" }, endpoints = endpoints })) do
  print(need.owner, need.key, flat(need.properties))
end
]]
local function expand_as(user)
  return assert(process.run { argv = { process.exe(), "-" }, input = TEXT, user = user,
    add_env = { NERV_STATE = "/nonexistent/state", NERV_RUN = "/nonexistent/run" } })
end
local first <const> = expand_as()
tap.ok(first.exit == 0 and select(2, first.stdout:gsub("\n", "")) == 5 + 40 * 3, "a network with forty endpoints", first.stderr)
for i = 1, 3 do tap.eq(expand_as().stdout, first.stdout, "the same, time " .. i) end
if process.uid() == 0 then
  local nobody = expand_as "nobody"
  tap.eq({ nobody.exit, nobody.stderr, nobody.stdout == first.stdout }, { 0, "", true }, "the same for a user with no privilege")
else
  tap.skip("the same for a user with no privilege", "this is one")
end
tap.ok(not file.stat "/nonexistent", "nothing is made")

-- what its author's `check` says, whatever it does
local function refusal(name, check)
  local dir <close> = setmetatable({ path = os.tmpname() }, { __close = function(d) file.remove_tree(d.path) end })
  file.remove(dir.path)
  assert(file.mkdir(dir.path))
  assert(file.write(dir.path .. "/" .. name .. ".lua", ([[return archetype { name = "%s", summary = "for a test",
    on_network = function() return {} end, on_endpoint = function() return {} end, check = function(net) %s end }]]):format(name, check)))
  local run = assert(process.run { argv = { process.exe(), "-e", ("archetype.expand %q"):format(name) }, add_env = { NERV_PATH = dir.path } })
  return run.exit, run.stderr
end
for check, message in pairs {
  ["return 'two of them'"] = "archetype.expand: two of them\n",
  ["return false"] = "archetype.expand: archetypes/odd.lua: check returns boolean: a string or nil is expected\n",
  ["error 'no'"] = "archetype.expand: archetypes/odd.lua:2: no\n",
  ["local s = 'x' while true do s = s .. s end"] = "archetype.expand: archetypes/odd.lua: it took more memory than it may\n",
  ["while true do end"] = "archetype.expand: archetypes/odd.lua: it ran for longer than it may\n",
} do
  local exit, stderr = refusal("odd", check)
  tap.ok(exit == 1 and stderr:find(message, 1, true), "check: " .. check, stderr)
end
tap.eq({ refusal("even", "return nil") }, { 0, "" }, "check: nothing is wrong")

-- what is given is not changed
tap.eq(SUBNET, { subnet = "10.1.0.0/24" }, "options stay as they were")
tap.eq(ENDPOINTS[1], { name = "h1", address = "10.1.0.2", mac = "02:00:00:00:00:11" }, "endpoints, too")

-- the list, and digests
local listed = {}
for _, name in ipairs(archetype.list()) do listed[name] = true end
tap.ok(listed.bridge and listed.ip and listed.testbed, "archetypes are listed", archetype.list())
local ip, bridge_def = archetype.load "ip", archetype.load "bridge"
tap.like(ip.digest, "^%x+$", "an archetype has a digest")
tap.eq(ip.uses, { bridge = bridge_def.digest }, "and those of what it is composed of")
tap.eq(archetype.load("ip").digest, ip.digest, "always the same one")
tap.eq(archetype.by_digest(ip.digest, {}).name, "ip", "by which it is found")
tap.eq({ archetype.by_digest(("0"):rep(64), {}) }, { nil, "the database has no archetype text 000000000000" }, "an unknown one")
for _, name in ipairs { "", "../ip", "a b", "a\0b", 5, true } do
  local def, message = archetype.load(name)
  tap.ok(def == nil and message:find "is no archetype name", "no archetype's name: " .. tostring(name):gsub("%z", "?"), message)
end
tap.done()
