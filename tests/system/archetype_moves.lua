-- A network changes to an archetype with a bridge of its own, and back: all ports move from bridge to bridge, on both
-- nodes, the NVE's too. (Archetypes composed of `bridge` keep theirs: archetype_exchange.)
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  local result = process.spawn { argv = { process.exe(), arg[0], dir.path }, add_env = { NERV_PATH = dir.path } }:wait()
  file.remove_tree(dir.path)
  os.exit(result.exit or 1)
end
system.write(arg[1], "own.lua", [[
return archetype {
  name = "own", summary = "a bridge of its own", ports = { "data" }, network = { mtu = { type = "mtu", default = 1500, doc = "MTU" } },
  on_network = function(need, net)
    local bridge = need.link { kind = "bridge", name = "own", mtu = net.mtu, up = true }
    need.crossing { master = bridge }
    return { bridge = bridge }
  end,
  on_endpoint = function(need, net) return need.attachment { master = net.made.bridge, mtu = net.mtu, loopback = true } end,
}]])

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local h1 <const>, h2 <const> = table.unpack(net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } })
expect(h1:ping(h2))
expect(h2:ping(h1))   -- so that their cgroups are there

local function bridge_of(node_name)
  return kernel.ours(tb:netns(node_name), node.get(node_name).instance, "blue", "bridge")
end

local function interfaces()
  local list = {}
  for i, ep in ipairs { h1, h2 } do
    local l = link.get { netns = ep.netns, name = "eth0" }
    list[i] = { inode = file.stat(ep.netns).ino, index = l.index, mac = l.mac }
  end
  return list
end

-- The endpoints' ports and the NVE's.
local function ports_of(name) return #link.list { netns = tb:netns "pm2", master = name } end

local full <const>, former <const>, first <const> = system.inventory(tb), interfaces(), bridge_of "pm2".ifname
tap.eq(ports_of(first), 2, "a bridge has the NVE's port and the endpoint's")

for round = 1, 2 do
  local before <const> = "round " .. round .. ": "
  net:update { archetype = "bridge" }
  tap.eq(bridge_of "pm2".ifname, first, before .. "what is composed of the same bridge keeps it")
  net:update { archetype = "own" }
  local own <const> = bridge_of "pm2".ifname
  tap.ok(own ~= first, before .. "another bridge", own)
  tap.eq({ ports_of(own), (link.get { netns = tb:netns "pm2", name = first }) }, { 2 },
    before .. "has the ports; the former one is gone")
  tap.eq(interfaces(), former, before .. "the interfaces are the same")
  tap.eq(net:verify(), {}, before .. "the system is as it is wanted")
  net:update { archetype = "ip" }
  tap.eq({ bridge_of "pm2".ifname, interfaces() }, { first, former }, before .. "all is where it was")
  tap.ok(h1:ping(h2, 3) and h2:ping(h1), before .. "the endpoints reach each other")
  system.same_inventory(full, tb, before .. "nothing more and nothing less is there")
end

-- The other bridge cannot be made on one node: all is undone.
net:update { archetype = "own" }
local taken <const> = bridge_of "pm2".ifname
net:update { archetype = "ip" }
expect(link.add { netns = tb:netns "pm2", kind = "bridge", name = taken })
system.refuses(function() net:update { archetype = "own" } end,
  "update network blue: node pm2: create link blue/own: .*File exists", "a name is taken: node, need and reason")
tap.eq(net.archetype, "ip", "the network is what it was")
tap.eq(bridge_of "pm1".ifname ~= nil and interfaces(), former, "so are the interfaces")
tap.eq(net:verify(), {}, "the system is as it is wanted")
tap.ok(h1:ping(h2, 3), "the endpoints reach each other")
expect(link.delete { netns = tb:netns "pm2", name = taken })
system.same_inventory(full, tb, "nothing more and nothing less is there")

net:delete()
tb:delete()
tap.done()
