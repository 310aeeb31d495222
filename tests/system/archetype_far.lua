-- A network of a user's archetype, composed of another one of his, on machines whose agents never had the files; then
-- nobody has them any more: what runs is the text in the database.
local tap <const> = require "tap"
local machines <const> = require "support.machines"
local system <const> = require "support.system"

local pair <close> = machines.pair()
local a <const>, b <const> = pair.a, pair.b

-- What the user has, and what the second machine has under the same name.
local own <const>, other <const> = pair.path .. "/own", pair.path .. "/other"
for _, dir in ipairs { own, other } do assert(file.mkdir(dir)) end
system.write(own, "ring.lua", [[
return archetype {
  name = "ring", summary = "a bridge to the outside", uses = { "bridge" }, ports = { "data" },
  network = { mtu = { type = "mtu", default = 1500, doc = "largest packet" } },
  on_network = function(need, net)
    return { lan = need.network { archetype = "bridge", name = "lan", port = "data", mtu = net.mtu } }
  end,
  on_endpoint = function(need, net) return net.made.lan:endpoint { loopback = true } end,
}
]])
system.write(own, "plait.lua", [[
return archetype {
  name = "plait", summary = "a ring with addresses", uses = { "ring" }, ports = { "data" },
  network = { subnet = { type = "cidr4", required = true, doc = "address range" },
    mtu = { type = "mtu", default = 1500, doc = "largest packet" } },
  endpoint = { address = { type = "address4", allocate = "subnet", doc = "address" } },
  on_network = function(need, net)
    return { ring = need.network { archetype = "ring", name = "ring", port = "data", mtu = net.mtu } }
  end,
  on_endpoint = function(need, net, ep)
    local nic = net.made.ring:endpoint {}
    need.address { link = nic.link, address = ep.address .. "/" .. cidr.prefix(net.subnet) }
    return nic
  end,
}
]])
for _, name in ipairs { "ring", "plait" } do system.write(other, name .. ".lua", "error 'another file of that name'") end

local function says(machine, code, want, text, env)
  local result = machine:lua(code, { env = env })
  return tap.ok(result.exit == 0 and result.stdout == want, text, result, want)
end
local HAS <const> = { NERV_PATH = own }
local function start(machine, env)
  tap.ok(machine:start(env), "an agent starts on " .. machine.name, file.read(machine.log))
end
local function active()
  local seen
  tap.ok(tap.eventually(20, function()
    seen = a:lua("for _, n in ipairs(node.list()) do io.write(n.name, ' ', n.state, '\\n') end").stdout
    return seen == "a active\nb active\n"
  end), "both nodes are active", seen)
end
start(a)
start(b, { NERV_PATH = other })
active()
says(a, [[
for _, n in ipairs(node.list()) do n:update { egress = { wire = "shared" } } end
local net = network.create { name = "blue", archetype = "plait", subnet = "10.1.0.0/24" }
net:endpoint { name = "h1" }
network.create { name = "red", archetype = "ring" }:endpoint { name = "r1", node = "b" }
print(net.archetype, net.home)]], "plait\ta\n", "a network of a user's archetype", HAS)
file.remove_tree(own)

local VERIFY <const> = "for _, n in ipairs { 'blue', 'red' } do io.write(#network.get(n):verify(), ' ') end"
says(a, "local n = network.get 'blue' print(n:endpoint{ name = 'h2', node = 'b' }:ping(n:get 'h1').received)", "1\n",
  "the files are gone: an endpoint on a machine that never had them")
says(b, "local n = network.get 'blue' print(n:endpoint{ name = 'h3', node = 'a' }:ping(n:get 'h2').received)", "1\n",
  "and one by a shell of that machine, which has other files of these names")
says(a, VERIFY, "0 0 ", "all is as the rows want it")

for _, machine in ipairs { b, a } do
  machine.agent:kill "KILL"
  machine.agent:wait()
  local text = ("agent of %s killed and started again: "):format(machine.name)
  start(machine, machine == b and { NERV_PATH = other } or nil)
  active()
  says(machine, "local n = network.get 'blue' print(n:get('h1'):ping(n:get 'h2').received)", "1\n", text .. "traffic goes on")
  says(machine, VERIFY, "0 0 ", text .. "all is as the rows want it")
  says(machine, ("print(network.get('blue'):endpoint{ name = 'n%s' }:ping('10.1.0.2').received)"):format(machine.name), "1\n",
    text .. "it takes endpoints")
end
says(b, "network.get('blue'):update { mtu = 1400 } io.write(network.get('blue'):get('h2'):run('cat', '/sys/class/net/eth0/mtu').stdout)",
  "1400\n", "options change")

-- The name stands for the text that networks run.
says(a, "local n = network.get 'blue' n:update { archetype = 'bridge' } n:update { archetype = 'ring' } print(n.archetype, #n:verify())",
  "ring\t0\n", "an exchange for one of them")
local function command(...) return a:command(process.exe(), "--state", a.state, ...) end
tap.eq(command("create", "green", "ring", "mtu=1300").exit, 0, "a new network")
tap.eq(command("update", "green", "archetype=plait", "subnet=10.3.0.0/24").exit, 1, "none of an archetype that no network runs any more")
says(a, "print(network.get('green'):endpoint({ name = 'g1', node = 'b' }).node)", "b\n", "an endpoint of it on the other machine")
local file_of_all <const> = pair.path .. "/all.lua"
tap.eq(command("export", file_of_all).exit, 0, "all is exported")
local applied <const> = command("apply", file_of_all)
tap.eq({ applied.exit, applied.stdout }, { 0, "nothing to change\n" }, "and is as the file says")

-- What needs the files says so.
local function fails(machine, code, pattern, text)
  local result = machine:lua(code)
  return tap.ok(result.exit == 1 and result.stderr:find(pattern), text, result, pattern)
end
fails(a, "archetype.reload 'ring'", "archetype.reload: there is no file ring.lua in /[^;]*/archetypes; " ..
  "what uses it keeps the text that it has: blue, green, red\n", "reload without a file names who would have got the text")
fails(a, "archetype.reload 'plait'", "archetype.reload: unknown archetype 'plait'", "reload of one that is nowhere any more")
assert(file.mkdir(own))
system.write(own, "ring.lua", 'return archetype { name = "ring", summary = "another", on_network = function() end, on_endpoint = function() end }')
says(b, "print(network.create { name = 'white', archetype = 'ring' }.archetype)", "ring\n", "where the file is, it counts", HAS)
fails(a, "network.create { name = 'black', archetype = 'ring' }", "archetype 'ring' has no file here, and networks run more than one text of it",
  "elsewhere the name may mean two things now")

says(a, "for _, n in ipairs(network.list()) do n:delete() end print(#network.list())", "0\n", "all of it is deleted")
fails(a, "network.create { name = 'blue', archetype = 'ring' }", "unknown archetype 'ring'", "then the name means nothing any more")
tap.ok(pair:close(), "the agents end")
tap.done()
