-- A node's agent is killed while a call waits for the node's switch to join its controller: the next one finds all made,
-- and the call still returns when the switch has joined.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1", join = 60 }
local a <const> = net:endpoint { name = "a", node = "pm1" }
local processes <const> = crash.processes()
local controller <const> = crash.service(node.get("pm1").run_dir, "blue.controller")

crash.signal({ controller }, "STOP")
local call <const> = task.spawn(function() return net:endpoint { name = "b", node = "pm2" } end)
tap.ok(tap.eventually(20, function() return crash.service(node.get("pm2").run_dir, "blue.relay") end),
  "a switch comes that cannot join its controller")
local former <const> = { pm2 = processes.pm2() }
crash.signal({ former.pm2 }, "KILL")
tap.ok(crash.restarted(processes, former), "its node's agent is killed and starts again")
sleep(0.5)   -- what would return too early gets the time to
tap.eq(call:status(), "waiting", "the call waits still")
crash.signal({ controller }, "CONT")
local b <const> = call:wait()
tap.ok(a:ping(b) and b:ping(a), "when it has returned they reach each other")
tap.done()
