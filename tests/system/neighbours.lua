-- Needs of the kind neighbour: made, changed in place, mended, removed.
local tap <const> = require "tap"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  local result = process.spawn { argv = { process.exe(), arg[0], dir.path }, add_env = { NERV_PATH = dir.path } }:wait()
  file.remove_tree(dir.path)
  os.exit(result.exit or 1)
end

system.write(arg[1], "static.lua", [[
return archetype {
  name = "static", summary = "two addresses, and one neighbour who is known without being asked",
  network = { far = { type = "string", default = "02:00:00:00:00:07", doc = "the neighbour's MAC address" },
    proxy = { type = "boolean", default = false, doc = "answer for another one" } },
  on_network = function(need, net)
    local ns = need.netns { id = net.name .. "/inner", ipv6 = true }
    local nic = need.link { kind = "veth", name = "eth0", netns = ns, up = true,
      peer = { name = "eth1", netns = ns, up = true } }
    local own = need.address { link = nic, address = "10.7.0.1/24" }
    need.neighbour { link = nic, address = "10.7.0.7", mac = net.far, after = { own } }
    local six = need.sysctl { netns = ns, name = "net.ipv6.conf.all.disable_ipv6", value = 0, otherwise = 1, after = { nic } }
    need.neighbour { link = nic, address = "fd07::7", mac = net.far, after = { six } }
    if net.proxy then need.neighbour { link = nic, address = "10.7.0.8" } end
  end,
  on_endpoint = function() end,
}]])

local empty <const> = system.inventory()
local net <const> = network.create { name = "n", archetype = "static" }
local ns <const> = ("%s/ns/n+inner"):format(lab.connection().hello.run_dir)

local function ip(dst, ...)
  local result = process.run { netns = ns, argv = { "ip", "-j", "neigh", "show", ... } }
  for _, have in ipairs(json.decode(result.stdout)) do
    if have.dst == dst then return have end
  end
end

local function mac(dst)
  local have = ip(dst)
  return have and have.state[1] == "PERMANENT" and have.lladdr or nil
end

tap.eq({ mac "10.7.0.7", mac "fd07::7" }, { "02:00:00:00:00:07", "02:00:00:00:00:07" }, "both are there, for good")
tap.eq(ip "10.7.0.7".protocol, "110", "with NERV's mark")
tap.eq(net:verify(), {}, "as wanted")
local change <const> = node.list()[1].name .. ": change neighbour link n/inner/eth0 %s of n"
tap.eq(system.texts(net:plan("update", { far = "02:00:00:00:00:09" })),
  { change:format "10.7.0.7", change:format "fd07::7" }, "the plan of a change")
net:update { far = "02:00:00:00:00:09", proxy = true }
tap.eq({ mac "10.7.0.7", mac "fd07::7" }, { "02:00:00:00:00:09", "02:00:00:00:00:09" }, "changed in place")
tap.ok(ip("10.7.0.8", "proxy"), "and an address to answer for")
tap.eq(net:verify(), {}, "as wanted")
expect(neighbour.delete { netns = ns, link = "eth0", address = "10.7.0.7" })
expect(neighbour.replace { netns = ns, link = "eth0", address = "fd07::7", mac = "02:00:00:00:00:01" })
expect(neighbour.delete { netns = ns, link = "eth0", address = "10.7.0.8", proxy = true })
tap.eq(#net:verify(), 3, "what somebody else changed")
tap.eq({ mac "10.7.0.7", mac "fd07::7" }, { "02:00:00:00:00:09", "02:00:00:00:00:09" }, "is mended")
tap.ok(ip("10.7.0.8", "proxy"), "all of it")
tap.eq(net:verify(), {}, "then nothing is left to do")
net:update { proxy = false }
tap.eq(ip("10.7.0.8", "proxy"), nil, "removed when it is not wanted any more")
net:delete()
system.same_inventory(empty, nil, "nothing is left")
tap.done()
