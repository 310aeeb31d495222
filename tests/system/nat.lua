-- Needs of kind nat: translation in a namespace of ours and in the node's own, repaired, changed, removed; tables of
-- others stay as they are.
local tap <const> = require "tap"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  system.write(dir.path, "outside.lua", [[
-- Endpoints, a router in a namespace of its own, and behind it a namespace that knows nothing of them.
return archetype {
  name = "outside", summary = "endpoints whose addresses nobody outside knows", uses = { "bridge" }, ports = { "data" },
  network = { subnet = { type = "cidr", required = true, doc = "address range" },
    out = { type = "string", default = "out", doc = "by which link it is left" },
    too = { type = "boolean", default = false, doc = "translate in the node's namespace, too" } },
  endpoint = { address = { type = "address", allocate = "subnet", doc = "address" } },
  on_network = function(need, net)
    local lan = need.network { archetype = "bridge", name = "lan", port = "data" }
    local router = need.netns { id = net.path .. "/router" }
    local world = need.netns { id = net.path .. "/world" }
    local inside = need.link { kind = "veth", name = "in", netns = router, up = true,
      peer = { master = lan.net.made.bridge, up = true } }
    local out = need.link { kind = "veth", name = "out", netns = router, up = true,
      peer = { name = "eth0", netns = world, up = true } }
    need.address { link = inside, address = cidr.gateway(net.subnet) .. "/" .. cidr.prefix(net.subnet) }
    need.address { link = out, address = "192.0.2.1/24" }
    need.sysctl { netns = router, name = "net.ipv4.ip_forward", value = 1 }
    need.nat { netns = router, subnet = net.subnet, link = net.out == "out" and out or net.out }
    if net.too then need.nat { subnet = net.subnet, link = "lo" } end
    return { lan = lan, world = world }
  end,
  on_endpoint = function(need, net, ep)
    local nic = net.made.lan:endpoint { loopback = true }
    local address = need.address { link = nic.link, address = ep.address .. "/" .. cidr.prefix(net.subnet) }
    need.route { netns = nic.netns, to = "default", via = cidr.gateway(net.subnet), link = nic.link, after = { address } }
  end,
}]])
  local result = process.spawn { argv = { process.exe(), arg[0] }, add_env = { NERV_PATH = dir.path } }:wait()
  os.exit(result.exit or 1)
end

local have, why = nftables.supported()
if not have then
  tap.skip("translation", why)
  tap.done()
  return
end

local foreign <const> = "nerv-00000000-10.7.0.0/24"   -- looks like one of another instance
expect(nftables.run { commands = ("add table ip %s; add table ip mine; add chain ip mine c"):format(foreign) })

local net <const> = network.create { name = "green", archetype = "outside", subnet = "10.7.0.0/24" }
local h1 <const> = net:endpoint { name = "h1" }
local hello <const> = lab.connection().hello
local function ns(name) return ("%s/ns/green+%s"):format(hello.run_dir, name) end
expect(address.add { netns = ns "world", link = "eth0", address = "192.0.2.2/24" })

local own <const> = ("nerv-%s-10.7.0.0/24"):format(hello.instance)
local function tables(where)
  local names = {}
  for _, o in ipairs(expect(nftables.list { netns = where })) do
    if o.table then names[#names + 1] = o.table.name end
  end
  table.sort(names)
  return names
end

local function reaches() return h1:run("ping", "-q", "-c", "1", "-W", "1", "192.0.2.2") ~= nil end

tap.eq(tables(ns "router"), { own }, "a table of its own, with the instance and the range in its name")
tap.ok(reaches(), "an endpoint reaches who knows no way back")
tap.eq(net:verify(), {}, "nothing differs")

local function mends(title, commands, verb)
  expect(nftables.run { netns = ns "router", commands = commands:gsub("OWN", own) })
  local list = system.texts(net:verify())
  tap.ok(#list == 1 and list[1]:find(": " .. verb .. " nat green/router 10.7.0.0/24 of green", 1, true),
    title .. ": is mended, and only that", list)
  tap.eq(net:verify(), {}, title .. ": then nothing is left to do")
  tap.ok(reaches(), title .. ": the way out is there again")
end
mends("the table is gone", "delete table ip OWN", "create")
mends("it is empty", "flush table ip OWN", "change")
mends("another rule is in it", "add rule ip OWN out accept", "change")

net:update { out = "other" }
tap.ok(not reaches(), "another link")
tap.eq(tables(ns "router"), { own }, "in the same table")
net:update { out = "out", too = true }
tap.ok(reaches(), "and back")
tap.eq(tables(), { "mine", foreign, own }, "in the node's own namespace, beside those of others")
net:update { too = false }
tap.eq(tables(), { "mine", foreign }, "what is not wanted goes, nothing else")

-- What an agent that starts finds of a former one.
local kind <const> = require "nerv.kinds".get "nat"
local here <const> = { instance = hello.instance, run_dir = hello.run_dir .. "/none" }
expect(nftables.run { commands = ("add table ip nerv-%s-10.8.0.0/24; add table ip6 nerv-%s-fd00__/64")
  :format(hello.instance, hello.instance) })
local left <const> = kind.list(require "nerv.snapshot".new(here), here)
tap.eq({ #left, left[1].p.subnet, left[2].p.subnet }, { 2, "10.8.0.0/24", "fd00::/64" }, "tables of this instance are found")
for _, found in ipairs(left) do expect(batch.run(kind.remove(found.p, here))) end
tap.eq(tables(), { "mine", foreign }, "and removed, nothing else")

system.refuses(function() network.create { name = "bad", archetype = "outside", subnet = "0.0.0.0/0" } end,
  ".*need.nat: a range of all addresses is none", "a range of everything")
net:delete()
tap.ok(not netns.exists(ns "router"), "a table goes with its namespace")
expect(nftables.run { commands = ("delete table ip %s; delete table ip mine"):format(foreign) })
tap.done()
