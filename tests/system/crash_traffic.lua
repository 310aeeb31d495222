-- Agents, switch processes and the database are killed while frames flow between two nodes: no
-- frame is lost, everything is adopted as it was, and the lab works on.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

local ROUNDS <const> = 3 * math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))

local bed <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm2" }
local h1 <const>, h2 <const> = table.unpack(blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } })
red:endpoint { { name = "r1", node = "pm1" }, { name = "r2", node = "pm2" } }
local processes <const> = crash.processes()

local function pictures()
  local both = crash.picture(bed, "pm1")
  local second = crash.picture(bed, "pm2")
  return table.move(second, 1, #second, #both + 1, both)
end

local function mended()
  local operations = {}
  for _, net in ipairs { blue, red, bed.network } do
    for _, op in ipairs(net:verify()) do operations[#operations + 1] = ("%s %s"):format(op.verb, op.key) end
  end
  return operations
end

-- Kills the processes of these names; `before` is what there must be again.
local function strike(names, before, text)
  local former, pids = {}, {}
  for i, name in ipairs(names) do
    pids[i] = processes[name]()
    former[name] = pids[i]
  end
  local flow = crash.flow(h1, h2)
  sleep(0.2)
  local counted = crash.counters "pm1"
  crash.signal(pids, "KILL")
  tap.ok(crash.restarted(processes, former), text .. ": started again")
  sleep(0.1)
  local sent, lost = flow:stop()
  tap.ok(sent >= 200 and lost == 0, text .. ": no frame was lost", ("%d of %d"):format(lost, sent))
  crash.same_picture(before, pictures(), text .. ": the same namespaces, links, addresses, ports and entries")
  tap.ok(crash.went_on(counted, crash.counters "pm1"), text .. ": the counters went on")
  tap.eq(mended(), {}, text .. ": nothing had to be mended")
  local fresh = blue:endpoint { { name = "f1", node = "pm1" }, { name = "f2", node = "pm2" } }
  tap.ok(fresh[1]:ping(h2) and fresh[2]:ping(fresh[1]), text .. ": new endpoints work")
  blue:delete_endpoints { "f1", "f2" }
  local green = network.create { name = "green", archetype = "bridge", home = "pm1" }
  green:delete()
  crash.same_picture(before, pictures(), text .. ": they leave nothing")
end

local before <const> = pictures()
for round = 1, ROUNDS do
  for _, names in ipairs { { "pm1" }, { "lab" }, { "pm1_nve" }, { "database" }, { "lab", "database" },
    { "pm1", "pm1_nve" }, { "lab", "database", "pm1", "pm2", "pm1_nve", "pm2_nve" } } do
    strike(names, before, ("round %d: %s killed"):format(round, table.concat(names, ", ")))
  end
end

local anatomy <const> = crash.anatomy()
blue:delete()
red:delete()
bed:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
tap.done()
