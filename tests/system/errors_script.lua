-- Scripts that fail: one line with the script's file and line, exit status 1, nothing left; by
-- root in a lab of its own, and by a user who may do nothing.
local tap <const> = require "tap"
local system <const> = require "support.system"

-- Everything of NERV's on this machine that the script could have left.
local function machine(state)
  local left = {}
  for _, l in ipairs(link.list()) do left[#left + 1] = "link " .. l.name end
  for _, name in ipairs(file.list(cgroup.root())) do
    if name:find "^nerv%-" then left[#left + 1] = "cgroup " .. name end
  end
  for _, name in ipairs(file.list(os.getenv "NERV_RUN" or "/run/nerv") or {}) do left[#left + 1] = "run " .. name end
  if file.stat(state.path) then left[#left + 1] = "state" end
  table.sort(left)
  return left
end

local function fails(text, line, pattern, title)
  local state <close> = system.state()
  local before = machine(state)
  system.fails(text, line, pattern, title, { env = state.env })
  tap.eq(machine(state), before, title .. ": nothing is left")
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
local function make(name)
  return network.create { name = name, archetype = "ip", subnet = "10.1.0.0/33" }
end
make "blue"]], 2, "network.create: subnet = ", "a call from a function of the script")
fails([[
local t = task.spawn(function()
  network.create { name = "a b", archetype = "bridge" }
end)
t:wait()]], 2, "network.create: name = ", "a call from a task of the script")

local state <close> = system.state()
local before = machine(state)
local result = system.script([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
net:endpoint { { name = "h1" }, { name = "h2" } }
os.exit(3)]], { env = state.env })
tap.eq({ result.exit, result.stdout, result.stderr }, { 3, "", "" }, "os.exit in the middle gives its status")
tap.eq(machine(state), before, "and nothing is left")
result = system.script([[
network.create { name = "blue", archetype = "bridge" }
local x = = 1]], { env = state.env })
tap.ok(result.exit == 1 and result.stderr:find "^nervsh: script.lua:2: [^\n]*\n$", "a syntax error is found before anything runs", result)
tap.eq(machine(state), before, "and nothing is left")
result = system.script([[
network.create { name = "blue", archetype = "bridge" }
process.spawn { argv = { "kill", "-INT", tostring(process.self()) } }
sleep(20)]], { env = state.env })
tap.ok(result.exit == 130, "an interrupted script ends with 130", result)
tap.eq(machine(state), before, "and nothing is left")
result = system.script([[
network.create { name = "blue", archetype = "bridge" }
process.spawn { argv = { "kill", "-KILL", tostring(process.self()) } }
sleep(20)]], { env = state.env })
tap.eq(result.signal, 9, "a script that is killed")
tap.ok(tap.eventually(10, function() return tap.show(machine(state)) == tap.show(before) end), "leaves nothing either", machine(state), before)

-- a user with no privilege
local nobody <const> = "nobody"
local function refused(text, line, pattern, title, env)
  local result = system.script(text, { user = nobody, env = env })
  tap.ok(result.exit == 1 and result.stdout == "" and result.stderr:find(("^nervsh: script.lua:%d: %s[^\n]*\n$"):format(line, pattern)),
    title, result)
end
local closed <close> = system.directory()   -- of mode 700
local create <const> = [[network.create { name = "blue", archetype = "bridge" }]]
refused(create, 1, "no agent runs on .*, and only root can start one", "no privilege and no agent", { NERV_STATE = closed.path .. "/state" })
tap.eq(file.list(closed.path), {}, "nothing was made")
local here <const> = lab.connection().hello
expect(network.create { name = "here", archetype = "bridge" })
local full <const> = system.inventory()
refused(create, 1, ".*" , "no privilege where an agent runs")
refused([[local ok = nve.open()]], 1, ".*", "nor for a switch")
refused([[link.add { kind = "bridge", name = "nobodys" } error "made"]], 1, "", "a primitive says no")
result = system.script([[
local good, message, code = link.add { kind = "bridge", name = "nobodys" }
print(good, code, message)]], { user = nobody })
tap.ok(result.exit == 0 and result.stdout:find "^nil\tE[A-Z]+\t", "with a reason", result)
result = system.script([[
local net = archetype.expand("ip", { subnet = "10.1.0.0/24" }, { endpoints = { { name = "h1", address = "10.1.0.2" } } })
print(#net > 0)]], { user = nobody, env = { NERV_STATE = closed.path .. "/state" } })
tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "true\n", "" }, "what needs no privilege works")
system.same_inventory(full, nil, "nothing is changed")
tap.ok(process.exists(here.pid), "the agent lives")
network.get("here"):delete()
tap.done()
