-- The life of a lab: it begins with the first call, ends with the last shell and takes along all
-- that it made; --keep leaves it; two labs on one machine do not see each other.
local tap <const> = require "tap"
local system <const> = require "support.system"

local MAKE <const> = [[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local h = net:endpoint { { name = "h1" }, { name = "h2" } }
expect(h[1]:ping(h[2]))
print(lab.connection().hello.pid)
]]

-- A lab of one script.
local one <close> = system.state()
local result = system.script("print(1 + 1, cidr.prefix '10.0.0.0/8')", { env = one.env })
tap.eq({ result.stdout, one:left() }, { "2\t8\n", {} }, "a script that asks nothing of a lab begins none")
result = system.script(MAKE, { env = one.env })
local agent = math.tointeger(tonumber(result.stdout))
tap.ok(result.exit == 0 and agent, "a script in a lab of its own", result)
tap.eq(one:left(), {}, "which has ended, with all that it made, when the script has")
tap.ok(not process.exists(agent), "so has its agent")
result = system.script(MAKE, { env = one.env })
tap.ok(result.exit == 0 and math.tointeger(tonumber(result.stdout)) ~= agent, "the next one begins anew", result)
tap.eq(one:left(), {}, "and ends")
local tbed = system.script([[
local tb = testbed.create { nodes = 2 }
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local h = net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
expect(h[1]:ping(h[2]))
task.spawn(function() h[1]:run("sleep", "1000") end)
sleep(0.2)
]], { env = one.env })
tap.eq({ tbed.exit, tbed.stderr }, { 0, "" }, "a testbed with networks and a program that runs")
tap.eq(one:left(), {}, "nothing of it is left")

-- Several shells in one lab.
local two <close> = system.state()
local first <const> = process.spawn { argv = { process.exe(), "-" }, add_env = two.env, stdin = "pipe", stdout = "pipe" }
first.stdin:write(MAKE .. "io.stdout:flush() sleep(1000)")
first.stdin:close()
agent = math.tointeger(tonumber(first.stdout:read_line()))
tap.ok(agent, "a first shell has begun a lab", agent)
result = system.script("print(lab.connection().hello.pid, #network.get('blue'):endpoints())", { env = two.env })
tap.eq(result.stdout, agent .. "\t2\n", "a second shell is in the same one")
local began = runtime.now()
system.script("network.get('blue'):endpoint { name = 'h3' }", { env = two.env })
tap.ok(runtime.now() - began < 5, "a shell that leaves while others stay does not wait", runtime.now() - began)
tap.ok(process.exists(agent), "the lab lives while one shell does")
result = system.script("expect(network.get('blue'):get('h3'):ping(network.get('blue'):get 'h1'))", { env = two.env })
tap.eq({ result.exit, result.stderr }, { 0, "" }, "and what another one made is there")
first:kill "KILL"
first:wait()
tap.ok(tap.eventually(10, function() return not process.exists(agent) end), "the last shell is killed: the lab ends")
tap.eq(two:left(), {}, "with all that it made")

-- Two shells that begin at once.
local starts = {}
for i = 1, 3 do starts[i] = task.spawn(function() return system.script("print(lab.connection().hello.pid) io.stdout:flush() sleep(1)",
  { env = two.env }) end) end
local pids = {}
for _, start in ipairs(starts) do pids[start:wait().stdout] = true end
local count = 0
for _ in pairs(pids) do count = count + 1 end
tap.eq(count, 1, "three shells that begin at once are in one lab")
tap.eq(two:left(), {}, "which ends with the last of them")

-- kept
local kept <close> = system.state()
result = system.nervsh({ "--keep", "-e", MAKE }, { env = kept.env })
agent = math.tointeger(tonumber(result.stdout))
tap.ok(result.exit == 0 and agent and process.exists(agent), "--keep leaves the lab", result)
result = system.script("print(lab.connection().hello.pid) expect(network.get('blue'):get('h1'):ping(network.get('blue'):get 'h2'))",
  { env = kept.env })
tap.eq({ result.exit, result.stdout, result.stderr }, { 0, agent .. "\n", "" }, "a second shell uses it")
tap.ok(process.exists(agent), "and leaves it, too")
tap.eq(system.nervsh({ "-c", "net" }, { env = kept.env }).stdout:match "\n(%S+)", "blue", "a third one")
tap.eq(system.nervsh({ "-c", "clean" }, { env = kept.env }).stdout, "", "clean does not touch a lab that lives")
tap.ok(process.exists(agent), "it lives")
result = system.script("network.get('blue'):delete()", { env = kept.env })
tap.eq({ result.exit, result.stderr }, { 0, "" }, "its network can be deleted")
process.adopt(agent):kill "TERM"
tap.ok(tap.eventually(10, function() return not process.exists(agent) end), "the agent can be ended")

-- side by side
local left <close> = system.state()
local right <close> = system.state()
local tasks = {}
for i, state in ipairs { left, right } do
  tasks[i] = task.spawn(function()
    return system.script([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local h = net:endpoint { { name = "h1" }, { name = "h2" } }
for _ = 1, 5 do
  expect(h[1]:ping(h[2]))
  expect(#net:verify() == 0)
  expect(#network.list() == 1)
  net:endpoint { name = "x" }
  net:delete_endpoints { "x" }
end
sleep(0.5)
expect(h[1]:ping(h[2]))
print "done"]], { env = state.env })
  end)
end
for i, one_task in ipairs(tasks) do
  result = one_task:wait()
  tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "done\n", "" },
    ("lab %d of two side by side, with the same names and addresses"):format(i))
end
tap.eq({ left:left(), right:left() }, { {}, {} }, "nothing is left of either")

-- An agent that is killed.
local hurt <close> = system.state()
result = system.script([[
local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local h = net:endpoint { { name = "h1" }, { name = "h2" } }
local pid = lab.connection().hello.pid
process.adopt(pid):kill "KILL"
local limit = runtime.now() + 20
while lab.connection().hello.pid == pid and runtime.now() < limit do sleep(0.05) end
expect(lab.connection().hello.pid ~= pid, "no new agent came")
expect(h[1]:ping(h[2]))
expect(#net:verify() == 0, "something had to be mended")
net:endpoint { name = "h3" }
expect(net:get("h3"):ping(h[1]))
print "done"]], { env = hurt.env })
tap.eq({ result.exit, result.stdout }, { 0, "done\n" }, "a lab outlives its agent: " .. result.stderr)
tap.eq(hurt:left(), {}, "and ends like any other")

-- A shell that leaves while it asks the next agent, which is stopped for a second as soon as it listens.
result = system.script([[
local here = lab.connection().hello
local socket = here.run_dir .. "/agent.sock"
file.remove(socket)
process.adopt(here.pid):kill "KILL"
repeat sleep(0) until file.stat(socket)
local pid = math.tointeger(tonumber(file.read(here.state_dir .. "/lock")))
process.adopt(pid):kill "STOP"
process.spawn { argv = { "sh", "-c", "sleep 1; kill -CONT " .. pid }, session = true, stdout = "null" }
sleep(0.2)
-- The end of the script is the end of the shell.
print "leaves"]], { env = hurt.env })
tap.eq({ result.exit, result.stdout }, { 0, "leaves\n" }, "a shell can leave while an agent starts: " .. result.stderr)
tap.ok(tap.eventually(20, function() return #hurt:left() == 0 end), "and nothing is left", hurt:left())

-- An agent that cannot begin.
local unborn <close> = system.state()
result = system.nervsh({ "--db", "unix:/none", "-e", "network.list()" }, { env = unborn.env })
tap.ok(result.exit == 1 and result.stderr:find "the agent does not start: .*database: ", "a database that is not there", result)
tap.ok(not file.stat(require("nerv.context").run_dir(unborn.id)) and not file.stat(cgroup.root() .. "/nerv-" .. unborn.id),
  "leaves no lab behind")

-- Somebody removes the state directory of a lab that lives.
local bare <close> = system.state()
result = system.script(MAKE .. "expect(file.remove_tree(lab.connection().hello.state_dir)) print 'removed'", { env = bare.env })
tap.like(result.stdout, "removed\n$", "a lab's state directory is removed under it: " .. result.stderr)
tap.ok(tap.eventually(20, function() return #bare:left() == 0 end), "and nothing is left", bare:left())
tap.ok(tap.eventually(20, function() return not process.exists(math.tointeger(result.stdout:match "%d+")) end), "nor its agent")
tap.done()
