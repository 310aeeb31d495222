-- Scripts that fail: one line with the script's file and line, exit status 1, nothing left; by
-- root in a lab of its own, and by a user who may do nothing.
local tap <const> = require "tap"
local system <const> = require "support.system"

local function fails(text, line, pattern, title)
  local state <close> = system.state()
  system.fails(text, line, pattern, title, { env = state.env })
  tap.eq(state:left(), {}, title .. ": nothing is left")
end

fails([[network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", colour = "blue" }]], 1,
  "network.create: unknown option 'colour'", "an unknown option")
fails([[
local net = network.create {
  name = "blue", archetype = "ip",
  subnet = "10.1.0.7/24" }]], 1, 'network.create: subnet = "10.1.0.7/24": bad CIDR "10.1.0.7/24": host bits', "a bad CIDR")
fails([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
network.create { name = "blue", archetype = "bridge" }]], 2, "network.create: network 'blue' exists", "a duplicate name")
fails([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/30" }
net:endpoint { name = "a" }
net:endpoint { name = "b" }]], 3, "network blue: no free address in 10.1.0.0/30: all 1 are taken", "a full range")
fails([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
net:endpoint { name = "a" }
net:endpoint { name = "a" }]], 3, "endpoint 'a' of network blue exists", "a duplicate endpoint")
fails([[network.create { name = "blue", archetype = "brigde" }]], 1, "network.create: unknown archetype 'brigde'; did you mean 'bridge'%?",
  "an unknown archetype")
fails([[network.create { name = "blue", archetype = "bridge", home = "far" }]], 1, "unknown node 'far'", "an unknown node")
fails([[
local tb = testbed.create { nodes = 2, rate = "10mbit" }
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local h = net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
expect(h[1]:ping(h[2]))
expect(h[1]:ping "10.1.0.99")]], 5, "expect: blue:h1 does not reach 10.1.0.99: 0 of 1 answers", "a ping that must succeed")
fails([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
net:endpoint { { name = "h1" }, { name = "h2" } }
error "in the middle"]], 3, "in the middle", "a script that raises in the middle")
fails([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local x = net.nothing.more]], 2, "attempt to index a nil value", "a mistake in the script")
fails([[
local t = task.spawn(function()
  network.create { name = "a b", archetype = "bridge" }
end)
t:wait()]], 2, "network.create: name = ", "a call from a task of the script")

local state <close> = system.state()
local nested <const> = system.script([[
local function make(name)
  local net = network.create { name = name, archetype = "ip", subnet = "10.1.0.0/33" }
  return net
end
make "blue"]], { env = state.env })
tap.ok(nested.exit == 1 and nested.stderr:find "^nervsh: script.lua:2: network.create: subnet = ", "a call from a function of the script",
  nested)
tap.eq(state:left(), {}, "and nothing is left")
local result = system.script([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
net:endpoint { { name = "h1" }, { name = "h2" } }
os.exit(3)]], { env = state.env })
tap.eq({ result.exit, result.stdout, result.stderr }, { 3, "", "" }, "os.exit in the middle gives its status")
tap.eq(state:left(), {}, "and nothing is left")
result = system.script([[
network.create { name = "blue", archetype = "bridge" }
local x = = 1]], { env = state.env })
tap.ok(result.exit == 1 and result.stderr:find "^nervsh: script.lua:2: [^\n]*\n$", "a syntax error is found before anything runs", result)
tap.eq(state:left(), {}, "and nothing is left")
result = system.script([[
network.create { name = "blue", archetype = "bridge" }
process.spawn { argv = { "kill", "-INT", tostring(process.self()) } }
sleep(20)]], { env = state.env })
tap.ok(result.exit == 130, "an interrupted script ends with 130", result)
tap.eq(state:left(), {}, "and nothing is left")
result = system.script([[
network.create { name = "blue", archetype = "bridge" }
process.spawn { argv = { "kill", "-KILL", tostring(process.self()) } }
sleep(20)]], { env = state.env })
tap.eq(result.signal, 9, "a script that is killed")
tap.ok(tap.eventually(10, function() return #state:left() == 0 end), "leaves nothing either", state:left())

-- a user with no privilege
local function as_nobody(text, env)
  return system.nervsh({ "-" }, { input = text, user = "nobody", env = env })
end
local function refused(text, pattern, title, env)
  local said = as_nobody(text, env)
  tap.ok(said.exit == 1 and said.stdout == "" and said.stderr:find(("^nervsh: stdin:1: %s[^\n]*\n$"):format(pattern)),
    title, said)
end
local closed <close> = system.directory()
assert(file.chmod(closed.path, 448))
local none <const> = { NERV_STATE = closed.path .. "/state" }
local create <const> = [[network.create { name = "blue", archetype = "bridge" }]]
refused(create, "no agent answers you on .*, and only root can start one", "no privilege and no agent", none)
tap.eq(file.list(closed.path), {}, "nothing was made")
local here <const> = lab.connection().hello
network.create { name = "here", archetype = "bridge" }
local full <const> = system.inventory()
refused(create, "no agent answers you on ", "no privilege where an agent runs")
refused("nve.open()", "", "nor for a switch")
refused("testbed.create()", "", "nor for a testbed")
refused("expect(link.add { kind = 'bridge', name = 'nobodys' })", "expect: link.add nobodys: Operation not permitted", "a primitive says no")
refused("expect(netns.add { path = '/run/netns/nobodys' })", "expect: netns.add ", "another")
local net = as_nobody([[
local net = archetype.expand("ip", { subnet = "10.1.0.0/24" }, { endpoints = { { name = "h1", address = "10.1.0.2" } } })
print(#net > 0)]], none)
tap.eq({ net.exit, net.stdout, net.stderr }, { 0, "true\n", "" }, "what needs no privilege works")
system.same_inventory(full, nil, "nothing is changed")
tap.ok(process.exists(here.pid), "the agent lives")
network.get("here"):delete()
tap.done()
