-- A node whose agent is stopped: networks that have their home there say so and can be moved; the node is
-- forgotten, with its endpoints, and when it runs again it joins with nothing that was its own.
-- It runs in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

local bed <const> = testbed.create { nodes = 3 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm3", gateway = true,
  dhcp = true }
local h <const> = blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm3" } }
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm3" }
red:endpoint { { name = "r1", node = "pm1" } }
local flow <const> = crash.flow(h[1], h[2])
local run_dir <const> = node.get("pm3").run_dir
local agent <const> = crash.agent(run_dir)

crash.signal({ agent }, "STOP")
tap.ok(tap.eventually(25, function() return node.get("pm3").state == "stale" end), "a node that is stopped is stale")
tap.like(blue.state, "its home pm3 is stale: update { home = ... } moves it", "its networks say so")
local began <const> = runtime.now()
blue:update { home = "pm1" }
red:update { home = "pm2" }
tap.ok(runtime.now() - began < 5, "their homes are moved without it")
tap.eq({ blue.home, blue.state, red.home }, { "pm1", "active", "pm2" }, "and are where they were asked to be")
tap.ok(h[2]:ping("10.1.0.1"), "the gateway answers at the new home")
tap.ok(node.forget "pm3" and not node.get "pm3" and not blue:get "h3", "it is forgotten, with its endpoints")

crash.signal({ agent }, "CONT")
tap.ok(tap.eventually(10, function() return node.get "pm3" and node.get("pm3").state == "active" end), "it joins again")
tap.eq({ file.list(run_dir .. "/ns"), #file.list(run_dir .. "/files") }, { {}, 0 }, "with nothing that was its own")
local mine <const> = link.list { netns = bed:netns "pm3", alias_prefix = "nerv:" .. node.get("pm3").instance }
tap.eq(#mine, 0, "no link is left")
tap.ok(not crash.service(run_dir, "blue.dnsmasq"), "no service either")
local sent, lost = flow:stop()
tap.ok(lost == 0, ("no frame between the others was lost (%d of %d)"):format(lost, sent))
tap.ok(blue:endpoint({ name = "n3", node = "pm3" }).node == "pm3", "it takes endpoints")

local anatomy <const> = crash.anatomy()
blue:delete()
red:delete()
bed:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
tap.done()
