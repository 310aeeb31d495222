-- Agents that are stopped (SIGSTOP), not dead: calls that concern their nodes fail and name them, others go on, and
-- when they run again a node becomes what the rows want; one that was forgotten joins anew, with nothing of its own.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

local bed <const> = testbed.create { nodes = 3 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm1" }
local h <const> = blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" },
  { name = "h3", node = "pm2" } }
red:endpoint { { name = "r1", node = "pm1" }, { name = "r2", node = "pm2" } }
local white <const> = network.create { name = "white", archetype = "ip", subnet = "10.2.0.0/24", home = "pm3", gateway = true, dhcp = true }
white:endpoint { { name = "w1", node = "pm1" }, { name = "w3", node = "pm3" } }
blue:endpoint { name = "h9", node = "pm3" }
local processes <const> = crash.processes()

local function timed(f, ...)
  local began = runtime.now()
  local good, message = pcall(f, ...)
  return { good = good, message = message, took = runtime.now() - began }
end

-- The lock of the database passes to another agent when the lab's dies: the one that is stopped may
-- have it.
local former <const> = { lab = processes.lab() }
crash.signal({ former.lab }, "KILL")
tap.ok(crash.restarted(processes, former), "the lab's agent is another one")

local flow <const> = crash.flow(h[1], h[2])
local third <const> = { run_dir = node.get("pm3").run_dir, pid = crash.agent(node.get("pm3").run_dir) }
crash.signal({ processes.pm2(), third.pid }, "STOP")
local failed <const> = timed(blue.endpoint, blue, { { name = "f1", node = "pm1" }, { name = "f2", node = "pm2" } })
tap.ok(not failed.good and tostring(failed.message):find("node pm2", 1, true) and failed.took < 22,
  ("a call that concerns the node fails and names it, after %.0f s"):format(failed.took), failed)
tap.eq({ blue:get "f1", blue:get "f2" }, {}, "no endpoint of it is left")
tap.ok(not file.stat(node.get("pm1").run_dir .. "/ns/blue:f1"), "nor on the node that runs")
tap.eq(node.get("pm2").state, "stale", "the node is stale")

local again <const> = timed(network.create, { name = "green", archetype = "bridge", home = "pm2" })
tap.ok(not again.good and tostring(again.message):find("node pm2 is stale", 1, true) and again.took < 1,
  "the next one fails at once", again)
local other <const> = timed(blue.endpoint, blue, { name = "g1", node = "pm1" })
tap.ok(other.good and other.took < 8, "a call that does not concern it goes on", other)
tap.ok(blue:get("g1"):ping(h[2]), "its endpoints are reached all the same")
local deleted <const> = timed(blue.delete_endpoints, blue, { "h3" })
local gone <const> = timed(red.delete, red)
tap.ok(deleted.good and gone.good and deleted.took + gone.took < 20, "deletions do not wait for it", deleted, gone)
local run_dir <const> = node.get("pm2").run_dir
tap.ok(file.stat(run_dir .. "/ns/blue:h3") and file.stat(run_dir .. "/ns/red:r2"), "it has not cleaned up yet")

-- The third one is gone for good, as it seems.
tap.ok(tap.eventually(10, function() return node.get("pm3").state == "stale" end), "the other one is stale, too")
tap.like(white.state, "its home pm3 is stale: update { home = ... } moves it", "a network whose home it is says so")
tap.ok(node.forget "pm3", "it is forgotten")
tap.eq({ node.get "pm3", white:get "w3", blue:get "h9" }, {}, "with its endpoints")
white:update { home = "pm1" }
tap.ok(white.home == "pm1" and white:get("w1"):ping "10.2.0.1", "what it was home of has another one")
crash.signal({ third.pid }, "CONT")
tap.ok(tap.eventually(3, function() return node.get "pm3" and node.get("pm3").state == "active" end), "it runs again and joins at once")
tap.eq({ crash.agent(third.run_dir), file.list(third.run_dir .. "/ns"), #file.list(third.run_dir .. "/files") }, { third.pid, {}, 0 },
  "with nothing that was its own")
tap.eq(#link.list { netns = bed:netns "pm3", alias_prefix = "nerv:" .. node.get("pm3").instance .. ":" }, 0, "no link either")
tap.eq(node.get("pm3").egress, {}, "nor its port to the others")
node.get("pm3"):update { egress = { trunk0 = "shared" } }
tap.ok(white:endpoint({ name = "w4", node = "pm3" }):ping "10.2.0.1", "with one it takes part")

-- Called stale while its agent runs and is only late: it is back before anybody asks.
lab.state():transact { { op = "update", table = "Node", where = { { "name", "==", "pm3" } }, row = { state = "stale" } } }
tap.ok(tap.eventually(3, function() return node.get("pm3").state == "active" end), "a node that is called stale and is not says so at once")
tap.ok(white:get("w4"):ping "10.2.0.1" and #white:verify() == 0, "with all that it has")

local function has_address()
  for _, a in ipairs(address.list { netns = h[2].netns, link = "eth0" }) do
    if a.address == h[2].address .. "/24" then return true end
  end
  return false
end
assert(address.delete { netns = h[2].netns, link = "eth0", address = h[2].address .. "/24" })
crash.signal({ processes.pm2() }, "CONT")
tap.ok(tap.eventually(15, function() return node.get("pm2").state == "active" end), "it comes back")
tap.ok(has_address(), "it has compared all that it has before it said so")
tap.eq(file.list(run_dir .. "/ns"), { "blue:h2" }, "and has cleaned up")
local strange <const> = {}
for _, line in ipairs(crash.picture(bed, "pm2")) do
  if line:find "red[:/]" or line:find "blue:h3%f[%W]" or line:find "blue:f2%f[%W]" then strange[#strange + 1] = line end
end
tap.eq(strange, {}, "nothing of what was deleted is left")
local entries <const> = #nve.open("pm2").tables.tags:dump()
tap.eq(entries, 1, "its switch knows one network")
sleep(2)   -- an agent that slept must not take the others for stale
for _, n in ipairs(node.list()) do tap.eq(n.state, "active", "node " .. n.name .. " is active") end
local sent, lost = flow:stop()
tap.ok(lost == 0, ("no frame was lost (%d of %d)"):format(lost, sent))
tap.eq(#blue:verify(), 0, "nothing had to be mended")
blue:endpoint { { name = "f1", node = "pm1" }, { name = "f2", node = "pm2" } }
tap.ok(blue:get("f2"):ping(blue:get "f1"), "new endpoints work")

local anatomy <const> = crash.anatomy()
blue:delete()
white:delete()
bed:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
tap.done()
