-- Rounds of kill -9 in an ETArch network: DTSA, relays and Open vSwitch die while entities enter and leave workspaces.
-- What was answered holds, nobody has to register again, and who hears whom is what the answers say.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local titles <const> = require "support.titles"

local TIMES <const> = math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))
local ROUNDS <const> = TIMES > 1 and 20 * TIMES or 5
local SEED <const> = math.tointeger(tonumber(os.getenv "NERV_SEED" or "")) or os.time()
math.randomseed(SEED)
tap.note(("seed %d (NERV_SEED repeats it)"):format(SEED))
-- Seconds in which everything must be back.
local PATIENCE <const> = 20

local empty <const> = require("support.system").inventory()
local bed <const> = testbed.create { nodes = 2 }
local NAMES <const>, ROOMS <const> = { "alice", "bob", "carol", "dave" }, { "one", "two", "three" }
local field <const> = titles.network { name = "uf", entities = { alice = "pm1", bob = "pm1", carol = "pm2", dave = "pm2" } }
for _, name in ipairs(NAMES) do expect(field:register(name)) end
for i, room in ipairs(ROOMS) do expect(field.entities[NAMES[i]]:create(room, { attach = false })) end

-- room -> set of members, by the answers
local members <const> = { one = {}, two = {}, three = {} }
-- Enters or leaves, whichever it is not; where no answer comes, what holds is asked for afterwards.
local unsure = {}
local function step()
  local name, room = NAMES[math.random(#NAMES)], ROOMS[math.random(#ROOMS)]
  if unsure[name .. room] then return end
  local one, inside = field.entities[name], members[room][name]
  local good, _, code = one[inside and "detach" or "attach"](one, room)
  if good then members[room][name] = not inside or nil
  elseif code == "timeout" then unsure[name .. room] = { name = name, room = room }
  else return ("%s %s %s was refused"):format(name, inside and "leaves" or "enters", room)
  end
end

-- Leaving ends in a known state, whether the answer is yes or no.
local function make_sure()
  for key, what in pairs(unsure) do
    local one <const> = field.entities[what.name]
    local _, _, code = one:detach(what.room)
    if code == "timeout" then return false end
    members[what.room][what.name], unsure[key] = nil, nil
  end
  return true
end

local VICTIMS <const> = { { "pm1", "uf+sdn.controller" }, { "pm1", "uf+sdn.controller" }, { "pm1", "uf+sdn.relay" }, { "pm2", "uf+sdn.relay" },
  { "pm1", "vswitch.daemon" }, { "pm2", "vswitch.daemon" }, { "pm1", "vswitch.database" }, { "pm2", "vswitch.database" } }
local function kill_one()
  local victim <const> = VICTIMS[math.random(#VICTIMS)]
  task.sleep(math.random() * 0.3)
  local pid <const> = crash.service(node.get(victim[1]).run_dir, victim[2])
  if pid then crash.signal({ pid }, "KILL") end
  return victim[2] .. " on " .. victim[1]
end

local function drain_all(seconds)
  local heard = {}
  for _, name in ipairs(NAMES) do
    for _, text in ipairs(titles.drain(field.entities[name], seconds)) do heard[#heard + 1] = name .. " " .. text end
  end
  table.sort(heard)
  return heard
end

-- Everybody speaks in every room: who hears what.
local function should_hear()
  local list = {}
  for _, room in ipairs(ROOMS) do
    for from in pairs(members[room]) do
      for to in pairs(members[room]) do
        if to ~= from then list[#list + 1] = ("%s %s: %s\n"):format(to, room, from) end
      end
    end
  end
  table.sort(list)
  return list
end
local function do_hear()
  drain_all(0)
  for _, room in ipairs(ROOMS) do
    for _, name in ipairs(NAMES) do field.entities[name]:send(room, name .. "\n") end
  end
  return drain_all(0.1)
end
local function same(a, b) return table.concat(a, "|") == table.concat(b, "|") end

for round = 1, ROUNDS do
  local killer <const>, refused = spawn(kill_one), nil
  for _ = 1, 12 do refused = step() or refused end
  local victim <const> = killer:wait()
  local title <const> = ("round %d, %s"):format(round, victim)
  tap.ok(not refused, title .. ": nothing is refused that may be", refused)
  local back <const> = tap.eventually(PATIENCE, function()
    for _, name in ipairs(NAMES) do
      if not field.entities[name]:lookup "one" then return false end
    end
    return make_sure()
  end)
  tap.ok(back, title .. ": entities are answered without registering again")
  local heard
  local agrees <const> = tap.eventually(PATIENCE, function()
    heard = do_hear()
    return same(heard, should_hear())
  end)
  tap.ok(agrees, title .. ": who hears whom is what was answered", heard, should_hear())
  if not (back and agrees) then break end
end
for _, one in pairs(field.entities) do one:close() end
tap.eq(field.net:verify(), {}, "nothing is to be mended")
field.net:delete()
bed:delete()
tap.eq(require("support.system").inventory(), empty, "and nothing is left")
tap.done()
