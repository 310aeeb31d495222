-- Controllers that never answer: mute ones, some that say hello and no more, garbage, or close at once, and none at all.
-- What they are asked for works or is refused within 20 s, and nobody else is disturbed.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"

local LIMIT <const> = 20
local PROGRAM <const> = file.realpath(arg[0]):match "^(.*)/system/" .. "/lua/support/silent_controller.py"
local empty <const> = system.inventory()
local node_name <const> = lab.here()

-- How long a call takes, and how it ends.
local slowest = 0
local function timed(f, ...)
  local began <const> = runtime.now()
  local results <const> = table.pack(pcall(f, ...))
  slowest = math.max(slowest, runtime.now() - began)
  return table.unpack(results, 1, results.n)
end

local function free_port()
  local listener <close> = stream.listen { host = "127.0.0.1", port = 0 }
  return listener:port()
end

-- Somebody else's network, with frames that must not be lost.
local other <const> = network.create { name = "other", archetype = "sdn", subnet = "10.1.0.0/24", probe = 1 }
local o <const> = other:endpoint { { name = "a" }, { name = "b" } }
tap.ok(o[1]:ping(o[2], 1), "a network works as soon as it is there: its switch has joined its controller")
tap.eq(other:facts()[node_name]["other/switch-data.controller"], "connected to 192.168.255.1:6653 on " .. node_name, "which the facts say")
local flow <const> = crash.flow(o[1], o[2])

-- One that runs elsewhere, and may come later.
local REASONS <const> = { mute = "Connection timed out", hello = "Connection timed out", garbage = "%u%l+ %l[%l ]+",
  close = "%u%l+ [%l ]+", nobody = "Connection refused" }
local function elsewhere(mode)
  local port <const>, child = free_port(), nil
  if mode ~= "nobody" then
    child = expect(process.spawn { argv = { "python3", PROGRAM, mode, ("%d"):format(port) }, stdin = "null", stdout = "pipe" })
    child.stdout:read_line()
  end
  local where <const> = ("tcp:127.0.0.1:%d"):format(port)
  local good, net = timed(network.create, { name = mode, archetype = "sdn", subnet = "10.1.0.0/24", controller = where, probe = 1 })
  if not tap.ok(good, mode .. ": the network is created", net) then return end
  local why <const> = ("no controller: %s/switch%%-data on %s: tcp:127%%.0%%.0%%.1:%d: %s"):format(mode, node_name:gsub("%p", "%%%0"), port, REASONS[mode])
  local made, h = timed(net.endpoint, net, { { name = "h1" }, { name = "h2" }, { name = "h3" } })
  if not tap.ok(made, mode .. ": endpoints are created", h) then return end
  -- Whoever says hello counts as there, until he does not answer; then he says hello again.
  tap.ok(mode == "hello" or tap.eventually(LIMIT, function() return net.state:find(why) end), mode .. ": the state says that nobody controls it, and why",
    net.state, why)
  local fact
  tap.ok(tap.eventually(LIMIT, function()
    fact = net:facts()[node_name][mode .. "/switch-data.controller"]
    return fact:find("^not connected: tcp.*: " .. REASONS[mode]) or mode == "hello" and fact:find "^connected to tcp.*; before: Connection timed out"
  end), mode .. ": so do the facts", fact)
  tap.ok(not h[1]:ping(h[2], 1), mode .. ": nothing new is forwarded")
  tap.ok(timed(net.update, net, { fail_mode = "standalone" }), mode .. ": it may be told to switch by itself")
  tap.ok(tap.eventually(LIMIT, function() return h[1]:run("ping", "-c1", "-W1", h[2].address) end), mode .. ": and does")
  tap.ok(timed(net.delete_endpoints, net, { "h3" }), mode .. ": an endpoint is deleted")
  tap.ok(timed(net.update, net, { archetype = "ip" }) and h[1]:ping(h[2], 1), mode .. ": it is exchanged for ip")
  tap.ok(timed(net.update, net, { archetype = "sdn" }), mode .. ": and back")
  tap.eq(net:verify(), {}, mode .. ": nothing is to be mended")
  tap.ok(timed(net.delete, net), mode .. ": it is deleted")
  if child then child:kill "KILL" end
end

-- One that the network runs itself: a network that it does not answer is not created.
local WORDS <const> = { mute = "Connection timed out", close = "%u%l+ [%l ]+", dies = "service controller ended with status 1: there is no such application",
  nobody = "service relay: 192%.168%.255%.1:6653: Connection refused" }
local function its_own(mode)
  local argv <const> = mode == "nobody" and { "sleep", "1000" } or { "python3", PROGRAM, mode, "${port}", "${address}" }
  local name <const> = "own." .. mode
  local options <const> = { name = name, archetype = "sdn", subnet = "10.1.0.0/24", controller = argv, join = 2, probe = 1 }
  local good, message = timed(network.create, options)
  tap.ok(not good, name .. ": it is not created")
  local refusal <const> = "create network NAME: node %S+: create controller NAME/switch%-data: " ..
    "no controller has answered the switch for 2 s: 192.168.255.1:6653 on %S+: "
  tap.like(message, refusal:gsub("NAME", name) .. ".*" .. WORDS[mode], name .. ": and the error says where and why")
  options.join = 0
  local net
  good, net = timed(network.create, options)
  tap.ok(good, name .. ": where nothing is expected it is", net)
  local joined, why = timed(net.update, net, { controller = "built-in" })
  local h <const> = net:endpoint { { name = "h1" }, { name = "h2" } }
  tap.ok(joined and tap.eventually(LIMIT, function() return h[1]:run("ping", "-c1", "-W1", h[2].address) end), name .. ": another controller decides", why)
  local changed
  changed, message = timed(net.update, net, { controller = argv, join = 1 })
  tap.ok(not changed and message:find("change controller " .. name .. "/switch-data: no controller has answered the switch for 1 s: ", 1, true),
    name .. ": it is not put in the place of one that works", message)
  tap.ok(mode ~= "nobody" or not message:find("service controller", 1, true), name .. ": and is not said to have said what that one did", message)
  tap.ok(tap.eventually(LIMIT, function() return h[2]:run("ping", "-c1", "-W1", h[1].address) and net.state == "active" end), name .. ": which goes on", net.state)
  tap.ok(timed(net.update, net, { controller = argv, join = 0 }), name .. ": unless nothing is expected of it")
  tap.ok(tap.eventually(LIMIT, function() return net.state:find("^no controller: " .. name .. "/switch%-data on ") end),
    name .. ": the state says that he does not", net.state)
  tap.ok(timed(net.delete, net), name .. ": it is deleted")
end

local tasks = {}
for mode in pairs(REASONS) do tasks[#tasks + 1] = spawn(elsewhere, mode) end
for mode in pairs(WORDS) do tasks[#tasks + 1] = spawn(its_own, mode) end
for _, one in ipairs(tasks) do one:wait() end
tap.ok(slowest < LIMIT, "no call took longer than 20 s", slowest)
local sent <const>, lost <const> = flow:stop()
tap.ok(sent > 200 and lost == 0, "the other network lost nothing", sent, lost)
tap.eq({ other.state, other:verify() }, { "active", {} }, "and is well")
other:delete()
system.same_inventory(empty, nil, "in the end nothing is left")
tap.done()
