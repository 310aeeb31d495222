-- A call that fails on one node is undone on all of them; it raises with node, need and reason.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"
expect(h1:ping(h2))   -- so that their cgroups are there
expect(h2:ping(h1))
local full <const> = system.inventory(tb)

local function rows_of(name)
  local row = lab.state():network(name)
  return { row.archetype, row.digest, row.options, row.parked, row.home, row.link_group }
end
local former <const> = rows_of "blue"

-- Something of somebody else is where a namespace must be.
local function blocked(name, node_name, f)
  local path = ("%s/ns/blue:%s"):format(node.get(node_name).run_dir, name)
  assert(file.mkdir(path))
  f()
  assert(file.remove_tree(path))
end

blocked("h4", "pm2", function()
  system.refuses(function() net:endpoint { { name = "h3", node = "pm1" }, { name = "h4", node = "pm2" }, { name = "h5", node = "pm2" } } end,
    "create 3 endpoints of network blue: node pm2: create netns blue:h4: .+", "node, need and reason are named")
  system.same_inventory(full, tb, "nothing is left on any node")
  tap.eq({ net:get "h3", net:get "h4", net:get "h5" }, {}, "no endpoint is left")
  system.refuses(function() net:endpoint { name = "h4", node = "pm2" } end,
    "create 1 endpoint of network blue: node pm2: create netns blue:h4: ", "again")
end)
local made = net:endpoint { { name = "h3", node = "pm1" }, { name = "h4", node = "pm2" } }
tap.eq({ made[1].address, made[2].address }, { "10.1.0.4", "10.1.0.5" }, "the addresses are free again")
tap.ok(made[1]:ping(made[2]), "when nothing is in the way, they are made")
net:delete_endpoints { "h3", "h4" }
system.same_inventory(full, tb, "and go")

-- A network that cannot be made: somebody else's interface has its bridge's name.
local function bridge_of(owner)
  for _, l in ipairs(link.list { netns = tb:netns "pm2", alias_prefix = ("nerv:%s:%s"):format(node.get("pm2").instance, owner) }) do
    if l.kind == "bridge" then return l.name end
  end
end
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm2" }
local name <const> = bridge_of "red"
red:delete()
system.same_inventory(full, tb, "a network comes and goes")
expect(link.add { netns = tb:netns "pm2", kind = "bridge", name = name })
system.refuses(function() network.create { name = "red", archetype = "bridge", home = "pm2" } end,
  "create network red: node pm2: create link red/bridge%-data: .*File exists", "its bridge's name is taken: node, need and reason")
tap.eq(network.get "red", nil, "there is no such network")
local stranger <const> = link.get { netns = tb:netns "pm2", name = name }
tap.ok(stranger and not stranger.alias, "what was in the way is not touched")
expect(link.delete { netns = tb:netns "pm2", name = name })
system.same_inventory(full, tb, "nothing is left")

-- An update that fails when its new things are made: on pm2 somebody has given the address by hand.
net:update { archetype = "bridge" }
local as_bridge <const>, by_hand <const> = system.inventory(tb), { netns = h2.netns, link = "eth0", address = "10.1.0.3/24" }
expect(address.add(by_hand))
system.refuses(function() net:update { archetype = "ip" } end,
  "update network blue: node pm2: create address link blue:h2/eth0 10%.1%.0%.3/24: .*File exists", "an update to another archetype")
tap.eq(net.archetype, "bridge", "the network is what it was")
tap.eq(address.list { netns = h1.netns, link = "eth0" }, {}, "so is an endpoint of the other node")
tap.eq(net:verify(), {}, "the system is as it is wanted")
expect(address.delete(by_hand))
system.same_inventory(as_bridge, tb, "nothing more and nothing less is there")
net:update { archetype = "ip" }
tap.eq(rows_of "blue", former, "the rows are as they were")
system.same_inventory(full, tb, "so are the nodes")
tap.ok(h1:ping(h2), "the endpoints reach each other")

-- An update that fails when things are changed: on pm2 one is no longer there.
expect(link.delete { netns = h2.netns, name = "eth0" })
system.refuses(function() net:update { mtu = 1300 } end, "update network blue: node pm2: change link blue:h2/eth0: ",
  "an update of what was deleted by hand")
tap.eq(rows_of "blue", former, "the rows are as they were")
tap.eq(net.mtu, 1500, "so the MTU")
tap.eq(link.get { netns = h1.netns, name = "eth0" }.mtu, 1500, "and that of an endpoint of the other node")
tap.ok(#net:verify() > 0, "what was deleted is mended")
tap.ok(h1:ping(h2), "the endpoints reach each other")
tap.eq(net:verify(), {}, "then nothing is left to do")
net:update { mtu = 1300 }
tap.eq(link.get { netns = h2.netns, name = "eth0" }.mtu, 1300, "and the update is done")

net:delete()
tb:delete()
tap.done()
