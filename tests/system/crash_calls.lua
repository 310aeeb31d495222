-- Processes are killed in the middle of calls: a call ends soon, with success or with an error that
-- says why, and the node is as it was before the call or as it should be after it.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"

local ENDPOINTS <const> = 300
-- Seconds within which a call that somebody's death disturbs must end.
local PATIENCE <const> = 20
local ROUNDS <const> = math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))

local bed <const> = testbed.create { nodes = 2 }
local processes <const> = crash.processes()
local empty <const> = system.inventory(bed)

local function specs()
  local list = { { name = "far", node = "pm2" } }
  for i = 1, ENDPOINTS do list[#list + 1] = { name = "e" .. i, node = "pm1" } end
  return list
end

local function links_on_pm1()
  return #link.list { netns = bed:netns "pm1", alias_prefix = "nerv:" .. node.get("pm1").instance .. ":blue:" }
end

-- Runs a call and kills processes when `reached` says so.
local function disturbed(call, reached, victims)
  local former, pids = {}, {}
  for i, name in ipairs(victims) do
    pids[i] = processes[name]()
    former[name] = pids[i]
  end
  local running <close> = task.spawn(pcall, call)
  local met = tap.eventually(30, reached)
  crash.signal(pids, "KILL")
  local at = runtime.now()
  running:join(60)
  local took = runtime.now() - at
  local good, message = running:wait()
  local back = crash.restarted(processes, former)
  return { good = good, message = message, took = took, met = met, back = back }
end

local function judge(result, text)
  tap.ok(result.met and result.back, text .. ": killed in its middle, and started again", result)
  tap.ok(result.took < PATIENCE and (result.good or tostring(result.message):find("^[^\n]+$")),
    ("%s: it ended in time (%s)"):format(text, result.good and "success" or tostring(result.message)), result)
  return result.good
end

local function works(blue, text)
  local far = blue:get "far"
  local reached = 0
  for i = 1, ENDPOINTS, 50 do
    if blue:get("e" .. i):ping(far) then reached = reached + 1 end
  end
  tap.eq(reached, math.ceil(ENDPOINTS / 50), text .. ": the endpoints reach the other node")
  tap.eq(system.texts(blue:verify()), {}, text .. ": nothing had to be mended")
end

local function create_and_delete(victims)
  local who = table.concat(victims, ", ")
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/16", home = "pm1" }
  local before = system.inventory(bed)

  local text = ("%s killed while endpoints are made"):format(who)
  local made = judge(disturbed(function() blue:endpoint(specs()) end,
    function() return links_on_pm1() > ENDPOINTS // 4 end, victims), text)
  if not made then
    system.same_inventory(before, bed, text .. ": nothing is left of them")
    blue:endpoint(specs())
  end
  tap.eq(#blue:endpoints(), ENDPOINTS + 1, text .. ": all are there")
  works(blue, text)
  local full = system.inventory(bed)

  text = ("%s killed while endpoints are deleted"):format(who)
  local names = {}
  for i, spec in ipairs(specs()) do names[i] = spec.name end
  local gone = judge(disturbed(function() blue:delete_endpoints(names) end,
    function() return links_on_pm1() < ENDPOINTS end, victims), text)
  if not gone then
    system.same_inventory(full, bed, text .. ": all are there again")
    blue:delete_endpoints(names)
  end
  system.same_inventory(before, bed, text .. ": nothing is left")

  text = ("%s killed while the network is deleted"):format(who)
  blue:endpoint(specs())
  gone = judge(disturbed(function() blue:delete() end,
    function() return links_on_pm1() < ENDPOINTS end, victims), text)
  if not gone then
    works(blue, text)
    blue:delete()
  end
  system.same_inventory(empty, bed, text .. ": nothing is left")
end

for _ = 1, ROUNDS do
  for _, victims in ipairs { { "pm1" }, { "lab" }, { "database" }, { "lab", "database", "pm1", "pm1_nve" } } do
    create_and_delete(victims)
  end
end

local anatomy <const> = crash.anatomy()
bed:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
tap.done()
