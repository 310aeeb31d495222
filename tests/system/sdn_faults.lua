-- Whatever of a software-defined network is killed, alone or with others, comes back by itself, and its endpoints reach
-- each other again: Open vSwitch, its database, controller, relays, agents.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

local ROUNDS <const> = 8 * (tonumber(os.getenv "NERV_ROUNDS") or 1)
local LIMIT <const> = 40   -- seconds; a daemon that dies often waits up to 10 s before it starts again

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1", probe = 1 }
net:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" }, { name = "c", node = "pm1" } }
local a <const>, b <const>, c <const> = net:get "a", net:get "b", net:get "c"

local victims <const> = {}
for _, name in ipairs(tb.names) do
  local run_dir <const> = node.get(name).run_dir
  for _, what in ipairs { "vswitch.daemon", "vswitch.database", "blue.relay" } do
    victims[#victims + 1] = { name .. " " .. what, function() return crash.service(run_dir, what) end }
  end
  victims[#victims + 1] = { name .. " agent", function() return crash.agent(run_dir) end }
end
local home <const> = node.get("pm1").run_dir
victims[#victims + 1] = { "controller", function() return crash.service(home, "blue.controller") end }

local function works()
  return a:run("ping", "-c1", "-W1", b.address) ~= nil and b:run("ping", "-c1", "-W1", c.address) ~= nil
end
tap.ok(tap.eventually(10, works), "before: the endpoints reach each other")

local function try(f, ...)
  local good, result = pcall(f, ...)   -- an agent may be away
  return good and result
end
local seed <const> = os.time()
math.randomseed(seed)
tap.note(("seed %d"):format(seed))
-- Who dies in a round: some together that agents once could not put back, then any.
local FIRST <const> = { { "pm1 agent", "pm1 vswitch.daemon" }, { "pm1 agent", "pm1 vswitch.database" } }
local function choose(round)
  local chosen = {}
  for _, name in ipairs(FIRST[round] or {}) do chosen[name] = true end
  if not next(chosen) then
    for _ = 1, math.random(1, 3) do chosen[victims[math.random(#victims)][1]] = true end
  end
  return chosen
end

for round = 1, ROUNDS do
  local pids, names, chosen = {}, {}, choose(round)
  for _, victim in ipairs(victims) do
    local pid = chosen[victim[1]] and victim[2]()
    if pid and process.exists(pid) then pids[#pids + 1], names[#names + 1] = pid, victim[1] end
  end
  crash.signal(pids, "KILL")
  local began <const> = runtime.now()
  sleep(0.2)
  local well <const> = tap.eventually(LIMIT, function() return try(works) end)
  tap.ok(well, ("round %d: %s killed: it works again"):format(round, table.concat(names, ", ")))
  tap.note(("after %.1f s"):format(runtime.now() - began))
end
tap.ok(tap.eventually(LIMIT, function()
  local operations = try(net.verify, net)
  return operations and #operations == 0
end), "in the end nothing is to be mended")
net:delete()
tb:delete()
tap.done()
