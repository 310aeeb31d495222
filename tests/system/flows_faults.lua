-- Rounds in which agent, daemon and database of Open vSwitch are killed at random, amid changes: flows and meters are then
-- those of the endpoints that there are, and nothing is to be mended.
-- It runs in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local open_vswitch <const> = require "support.ovs"

system.with_guide "guarded"

local ROUNDS <const> = 25
local seed <const> = os.time()
math.randomseed(seed)
tap.note("seed " .. seed)

local before <const> = system.inventory()
local net <const> = network.create { name = "net", archetype = "guarded", subnet = "10.1.0.0/20" }
net:endpoint { { name = "a" }, { name = "b" } }
local hello <const> = lab.connection().hello
local ovs <const> = open_vswitch.of(hello.run_dir)
local bridge <const> = ovs:bridges()[1]
local function dump(what)
  local good, text = pcall(ovs.ofctl, ovs, "dump-" .. what, bridge)
  return good and text or ""
end

local function change(round)
  local choice <const> = math.random(3)
  local extra <const> = {}
  for _, ep in ipairs(net:endpoints()) do
    if ep.name:find "^x" then extra[#extra + 1] = ep.name end
  end
  if choice == 1 then net:update { share = math.random(5, 50) .. "mbit" }
  elseif choice == 2 or #extra == 0 then net:endpoint { name = "x" .. round }
  else net:delete_endpoints { extra[math.random(#extra)] } end
end

for round = 1, ROUNDS do
  local victims, pids = {}, {}
  for _, what in ipairs { "agent", "daemon", "database" } do
    if math.random() < 0.5 then
      victims[#victims + 1] = what
      pids[#pids + 1] = what == "agent" and crash.agent(hello.run_dir) or ovs:pid(what)
    end
  end
  local changing <const> = task.spawn(function()
    local good, problem = pcall(change, round)
    if not good then tap.note(tostring(problem)) end
  end)
  sleep(math.random() * 0.1)
  pcall(crash.signal, pids, "KILL")   -- one may have died with another
  changing:wait()
  local wanted
  local good <const> = tap.eventually(60, function()
    local called, endpoints = pcall(net.endpoints, net)
    if not called or not lab.connection().state.db:connected() then return false end
    wanted = 2 * #endpoints
    local _, count = dump("flows"):gsub("cookie=", "")
    return count == wanted and dump("meters"):find "rate="
  end)
  local title <const> = ("round %d, %s killed"):format(round, #victims > 0 and table.concat(victims, ", ") or "nothing")
  tap.ok(good, title .. ": each endpoint has its flows", wanted, dump "flows")
  local mended
  tap.eventually(30, function()
    local called, operations = pcall(net.verify, net)
    mended = called and operations
    return called
  end)
  tap.eq(mended, {}, title .. ": nothing is to be mended")
end
tap.ok(tap.eventually(20, function() return net:get("a"):ping(net:get "b", 1) end), "the endpoints reach each other")
net:delete()
system.same_inventory(before, nil, "nothing is left")
tap.done()
