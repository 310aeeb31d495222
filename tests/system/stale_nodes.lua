-- A stale node is refused as the new home of a network at once, by its name; a stale home can be left, and is cleaned
-- up when it comes back; node.forget.
-- It runs in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local system <const> = require "support.system"

testbed.create { nodes = 3 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm2", gateway = true,
  dns = true, dhcp = true }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm3" } }
local function gateway_on(name) return file.stat(node.get(name).run_dir .. "/ns/blue+lan:gateway") ~= nil end

-- a stale node
local processes <const> = { pm1 = function() return crash.service(lab.connection().hello.run_dir, "testbed.pm1") end,
  pm2 = function() return crash.service(lab.connection().hello.run_dir, "testbed.pm2") end }
local function stop(name)
  crash.signal({ processes[name]() }, "STOP")
  tap.ok(tap.eventually(30, function() return node.get(name).state == "stale" end), name .. " is stale")
end
local function wake(name)
  crash.signal({ processes[name]() }, "CONT")
  tap.ok(tap.eventually(20, function() return node.get(name).state == "active" end), name .. " comes back")
end
stop "pm2"
local began = runtime.now()
system.refuses(function() network.create { name = "red", archetype = "bridge", home = "pm2" } end,
  ".*node pm2 is stale: it cannot take part; node.forget%(\"pm2\"%) removes it", "a stale node as the home of a new network")
tap.ok(runtime.now() - began < 2, "is refused at once")
tap.eq(blue.home, "pm2", "the home is stale")
local green <const> = network.create { name = "green", archetype = "ip", subnet = "10.2.0.0/24", home = "pm1", gateway = true }
system.refuses(function() green:update { home = "pm2" } end, ".*node pm2 is stale", "a stale node as a new home")
tap.eq(green.home, "pm1", "the home stays")
began = runtime.now()
blue:delete()
tap.ok(runtime.now() - began < 10, "a delete does not wait for it")
tap.ok(gateway_on "pm2", "which has it all still")
wake "pm2"
tap.ok(tap.eventually(10, function() return #file.list(node.get("pm2").run_dir .. "/ns") == 0 end), "it cleans up",
  file.list(node.get("pm2").run_dir .. "/ns"))
green:update { home = "pm2" }
tap.eq(green.home, "pm2", "and can be a home again")

-- node.forget
system.refuses(function() node.forget "pm2" end, "node pm2 is active: it cannot be forgotten", "an active node is not forgotten")
system.refuses(function() node.forget "pm9" end, "there is no node 'pm9'", "nor one that is not there")
stop "pm2"
tap.eq(green.home, "pm2", "a network's home is stale")
local g1
local function leaves(text)
  local moved = table.pack(pcall(green.update, green, { home = "pm1" }))
  tap.ok(moved[1] and green.home == "pm1", text, moved[2])
  g1 = g1 or green:endpoint { name = "g1", node = "pm1" }
  tap.ok(g1:ping "10.2.0.1", "and the new one serves")
end
leaves "it can be left"
wake "pm2"
tap.ok(tap.eventually(10, function() return #file.list(node.get("pm2").run_dir .. "/ns") == 0 end), "the former one cleans up",
  file.list(node.get("pm2").run_dir .. "/ns"))
green:update { home = "pm2" }
stop "pm2"
node.forget "pm2"
tap.eq(node.get "pm2", nil, "a stale node is forgotten")
leaves "a forgotten home is left, too"
tap.eq(green:verify(), {}, "nothing differs")
crash.signal({ processes.pm2() }, "CONT")
tap.done()
