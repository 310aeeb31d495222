-- Any shell on any node may name any node.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 3 }
tap.eq(tostring(tb), "testbed testbed", "a testbed has a name")
local empty <const> = system.inventory(tb)

-- Runs Lua in a shell of a node.
local function on(name, text) return table.pack(node.get(name):run(process.exe(), "-e", text)) end
local function says(name, text, want, title)
  local got = on(name, text)
  return tap.ok(got[1] and got[1].stdout == want, title, got, want)
end

says("pm1", "print(lab.here())", "pm1\n", "a shell on a node is of that node")
says("pm2", "for _, n in ipairs(node.list()) do io.write(n.name, ' ') end", (function()
  local names = { lab.here(), "pm1", "pm2", "pm3" }
  table.sort(names)
  return table.concat(names, " ") .. " "
end)(), "it sees all nodes")
says("pm1", [[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
print(net.home, table.concat(net.nodes, ","))]], "pm1\tpm1\n", "a network that it makes has its home there")
says("pm1", [[
local h = network.get("blue"):endpoint { { name = "h1" }, { name = "h2", node = "pm2" } }
print(h[1].node, h[2].node, h[1].address, h[2].address)
expect(h[1]:ping(h[2]))
expect(h[2]:ping(h[1]))]], "pm1\tpm2\t10.1.0.2\t10.1.0.3\n", "it makes an endpoint on another node and runs programs there")
local blue <const> = network.get "blue"
tap.ok(blue and blue:get("h1"):ping(blue:get "h2"), "this shell sees them, too")
says("pm3", [[
local net = network.get "blue"
print(#net:endpoints(), table.concat(net.nodes, ","))
print(net:get("h2"):run("sh", "-c", "echo $NERV_NODE").stdout)
for _, op in ipairs(net:plan("endpoint", { name = "h3", node = "pm2" })) do print(op.node, op.verb, op.key) end
print(#net:verify())]], "2\tpm1,pm2\npm2\n\npm2\tcreate\tnetns blue:h3\npm2\tcreate\tlink blue:h3/eth0\n" ..
  "pm2\tcreate\taddress link blue:h3/eth0 10.1.0.4/24\n0\n", "a node where nothing of it is reads, plans and verifies")
says("pm3", [[
local net = network.get "blue"
net:endpoint { name = "h3" }
expect(net:get("h3"):ping(net:get "h1"))
print(table.concat(net.nodes, ","))
net:update { mtu = 1300 }]], "pm1,pm2,pm3\n", "it takes part, and changes all nodes")
tap.eq(link.get { netns = blue:get("h2").netns, name = "eth0" }.mtu, 1300, "so it is on the others")
blue:update { home = "pm3" }
tap.eq(blue.home, "pm3", "the home moves")
tap.ok(blue:get("h1"):ping(blue:get "h3"), "and the endpoints go on")
blue:delete_endpoints { "h1" }
tap.eq(blue.nodes, { "pm2", "pm3" }, "a node with no endpoint is no node of the network")
tap.eq(blue:verify(), {}, "the system is as it is wanted")
local foreign = {}
for _, line in ipairs(system.inventory(tb)) do
  if line:find "^pm1 " and line:find "blue" then foreign[#foreign + 1] = line end
end
tap.eq(foreign, {}, "nothing of it is left there")
local bad = on("pm2", [[network.get("blue"):endpoint { name = "h4", node = "pm9" }]])
tap.ok(not bad[1] and bad[4].exit == 1 and bad[4].stderr:find "^nervsh: %-e:1: unknown node 'pm9'; did you mean 'pm%d'%?\n$",
  "an unknown node", bad)
bad = on("pm2", "error 'no'")
tap.ok(not bad[1] and bad[4].exit == 1, "a shell there passes its status on", bad)

-- A command line there.
local listed = node.get("pm2"):run(process.exe(), "-c", "nodes")
tap.ok(listed and listed.stdout:find "\npm1 +active", "a command there", listed)
local pinged = table.pack(node.get("pm1"):run(process.exe(), "-c", "h3 ping -c1 h2"))
tap.ok(pinged[1] and pinged[1].stdout:find "1 received", "an endpoint of a third node pings one of a second", pinged)

-- Nodes at once.
local tasks = {}
for i, name in ipairs(tb.names) do
  tasks[i] = task.spawn(on, name, ([[
local net = network.get "blue"
for i = 1, 5 do net:endpoint { { name = "%s-" .. i }, { name = "%s-far-" .. i, node = "%s" } } end]]):format(name, name,
    tb.names[i % 3 + 1]))
end
for i, one in ipairs(tasks) do
  local got = one:wait()
  tap.ok(got[1] ~= nil, "endpoints from " .. tb.names[i], got)
end
local eps, addresses = blue:endpoints(), {}
for _, ep in ipairs(eps) do addresses[ep.address] = true end
tap.eq({ #eps, #require("nerv.options").sorted_keys(addresses) }, { 32, 32 }, "three shells at once: all endpoints, each with an address")
tap.eq(blue:verify(), {}, "the system is as it is wanted")
tap.ok(blue:get("pm1-far-5"):ping(blue:get "pm3-5"), "they reach each other")
says("pm2", "network.get('blue'):delete() print(#network.list())", "1\n", "another node deletes it")
system.same_inventory(empty, tb, "nothing is left")

-- Egress ports come and go while others carry traffic.
local net <const> = network.create { name = "net", archetype = "ip", subnet = "10.2.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local pm1 <const> = node.get "pm1"
expect(link.add { netns = tb:netns "pm1", kind = "veth", name = "aaa0", peer = { name = "aaa1" } })
local former <const> = pm1.egress
pm1:update { egress = { aaa0 = "dedicated", trunk0 = "shared" } }
tap.eq(pm1.egress, { { interface = "trunk0", mode = "shared", port = 1 }, { interface = "aaa0", mode = "dedicated", port = 2 } },
  "a second egress port gets the next number")
tap.ok(net:get("h1"):ping(net:get "h2"), "the first one goes on")
tap.eq(net:verify(), {}, "the network is as it is wanted")
local refused = table.pack(pcall(pm1.update, pm1, { egress = { trunk0 = "shared", aaa0 = "shared", nosuch0 = "shared" } }))
tap.ok(not refused[1] and refused[2]:find "nosuch0", "an interface that is not there is refused", refused)
tap.eq(pm1.egress[2], { interface = "aaa0", mode = "dedicated", port = 2 }, "and changes nothing")
pm1:update { egress = { trunk0 = "dedicated" } }
tap.eq(pm1.egress, { { interface = "trunk0", mode = "dedicated", port = 1 } }, "an egress port goes, another changes its mode")
tap.ok(net:get("h1"):ping(net:get "h2"), "and goes on")
pm1:update { egress = { trunk0 = "shared" } }
tap.eq(pm1.egress, former, "as it was")
expect(link.delete { netns = tb:netns "pm1", name = "aaa0" })
net:delete()
system.same_inventory(empty, tb, "nothing is left")
tb:delete()
tap.done()
