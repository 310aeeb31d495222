-- Processes that are there and do not answer (SIGSTOP): each wait has an end. A database is replaced, and the call that
-- met it succeeds; a switch fails the call with the node's name, and is used again when it goes on; an agent's name
-- is what a shell says that cannot begin.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local system <const> = require "support.system"
local protocol <const> = require "nerv.protocol"

local bed <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local here <const> = lab.connection().hello
local processes <const> = crash.processes()
local function database() return crash.service(here.run_dir, "agent.database") end

local function timed(f, ...)
  local began = runtime.now()
  local good, message = pcall(f, ...)
  return { good = good, message = tostring(message), took = runtime.now() - began }
end
local function shell_of(agent)
  return system.nervsh({ "-e", "print(network.get 'blue')" }, { env = { NERV_STATE = agent.state_dir } })
end

-- The database.
local former <const> = database()
local flow <const> = crash.flow(blue:get "h1", blue:get "h2")
crash.signal({ former }, "STOP")
local call <const> = timed(blue.endpoint, blue, { { name = "d1", node = "pm1" }, { name = "d2", node = "pm2" } })
tap.ok(call.good and call.took < 15, ("a call meets a database that is stopped, and succeeds after %.0f s"):format(call.took),
  call)
tap.ok(not process.exists(former) and database() ~= former, "with another one in its place")
tap.ok(blue:get("d1"):ping(blue:get "d2"), "what it made works")

-- A node's switch, and at the same time another node's agent.
local pm2 <const> = protocol.call(node.get("pm2").run_dir .. "/agent.sock", { call = "hello" })
crash.signal({ processes.pm1_nve(), pm2.pid }, "STOP")
local shell <const> = task.spawn(timed, function() return shell_of(pm2).stderr end)
local program <const> = task.spawn(timed, function() return select(2, blue:get("h2"):run "true") end)
local made <const> = timed(network.create, { name = "red", archetype = "bridge", home = "pm1" })
tap.ok(not made.good and made.message:find("node pm1", 1, true) and made.took < 15,
  ("a call that needs a switch which is stopped names the node after %.0f s"):format(made.took), made)
local run <const> = program:wait()
tap.ok(run.message == "the agent of node pm2 does not answer" and run.took < 15,
  ("a program on a node whose agent is stopped does not begin: %.0f s"):format(run.took), run)
local first <const> = shell:wait()
tap.ok(first.message == "nervsh: -e:1: the agent of node pm2 does not answer\n" and first.took < 15,
  ("a new shell there says so after %.0f s"):format(first.took), first)
crash.signal({ processes.pm1_nve(), pm2.pid }, "CONT")
tap.eq(shell_of(pm2).stdout, "network blue (ip)\n", "one that comes when it goes on finds it")
local again <const> = timed(network.create, { name = "red", archetype = "bridge", home = "pm1" })
tap.ok(again.good and again.took < 10, "and the switch takes networks again", again)
tap.eq(#network.get("red"):verify(), 0, "with nothing to mend")
tap.ok(tap.eventually(10, function() return blue:get("h2"):run("true") end), "programs begin again")
local sent, lost = flow:stop()
tap.ok(lost == 0, ("no frame was lost meanwhile (%d of %d)"):format(lost, sent))

local anatomy <const> = crash.anatomy()
blue:delete()
network.get("red"):delete()
bed:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
tap.done()
