-- Rounds of kill -9 in an ETArch network: DTSA, relays and Open vSwitch die, alone or two at once, while entities enter
-- and leave workspaces. What was answered holds, nobody has to register again, who hears whom is what the answers say,
-- and so are the flows and groups of the switches.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local titles <const> = require "support.titles"

local TIMES <const> = math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))
local ROUNDS <const> = TIMES > 1 and 20 * TIMES or 5
local SEED <const> = math.tointeger(tonumber(os.getenv "NERV_SEED" or "")) or os.time()
math.randomseed(SEED)
tap.note(("seed %d (NERV_SEED repeats it)"):format(SEED))
-- Seconds in which everything must be back: a process that dies often is not started again at once.
local PATIENCE <const> = 60

local empty <const> = require("support.system").inventory()
local bed <const> = testbed.create { nodes = 2 }
local NAMES <const>, ROOMS <const> = { "alice", "bob", "carol", "dave" }, { "one", "two", "three" }
local field <const> = titles.network { name = "uf", entities = { alice = "pm1", bob = "pm1", carol = "pm2", dave = "pm2", nina = "pm2" } }
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
local function kill_some()
  local names, pids = {}, {}
  task.sleep(math.random() * 0.3)
  for i = 1, math.random(2) do
    local victim <const> = VICTIMS[math.random(#VICTIMS)]
    pids[#pids + 1] = crash.service(node.get(victim[1]).run_dir, victim[2])
    names[i] = victim[2] .. " on " .. victim[1]
  end
  if pids[1] ~= pids[2] then crash.signal(pids, "KILL") end
  return table.concat(names, " and ")
end

-- What the switches of a node do for the rooms, in words, by their own account.
local function do_forward(where)
  local ovs <const>, bridge <const> = titles.switch(where)
  local list = {}
  local good, flows = pcall(ovs.ofctl, ovs, "dump-flows", bridge)
  if not good then return { flows } end
  for line in flows:gmatch "[^\n]*actions=group:%d+" do
    list[#list + 1] = ("from %s to %s"):format(line:match "dl_src=([%x:]+)" or "trunk", line:match "dl_dst=([%x:]+)")
  end
  for line in ovs:ofctl("dump-groups", bridge):gmatch "[^\n]*group_id=[^\n]*" do
    list[#list + 1] = ("a group of %d"):format(select(2, line:gsub("bucket=", "")))
  end
  table.sort(list)
  return list
end

-- The same, by the answers.
local function should_forward(where)
  local list = {}
  for _, room in ipairs(ROOMS) do
    local here, elsewhere, label = 0, 0, etcp.label(room)
    for name in pairs(members[room]) do
      if field.node_of[name] == where then
        here = here + 1
        list[#list + 1] = ("from %s to %s"):format(field.entities[name].mac, label)
      else
        elsewhere = 1
      end
    end
    if here > 0 then list[#list + 1] = ("a group of %d"):format(here + elsewhere) end
    if here > 0 and elsewhere > 0 then list[#list + 1] = ("from trunk to %s"):format(label) end
  end
  table.sort(list)
  return list
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

local function answered()
  for _, name in ipairs(NAMES) do
    local good, message = field.entities[name]:lookup "one"
    if not good then return nil, message end
  end
  return make_sure(), "a request is not answered"
end

-- The DTSA's log, where something is wrong.
local function tell_log()
  local text <const> = file.read(node.get("pm1").run_dir .. "/log/uf+sdn.controller.log") or ""
  for line in text:sub(-3000):gmatch "[^\n]+" do tap.note(line) end
end

-- Somebody new in each round, at nina's, and then somebody else who wants the same title.
local function newcomer(round)
  return spawn(function()
    task.sleep(math.random() * 0.3)
    return (entity.register { title = "new" .. round, netns = field:space "nina" })
  end)
end
local function is_taken(title)
  local other <const>, _, code = entity.register { title = title, netns = field:space "bob", tries = 20 }
  if other then other:unregister() end
  return code == "EACCES", code
end

for round = 1, ROUNDS do
  local killer <const>, refused = spawn(kill_some), nil
  local joining <const> = newcomer(round)
  for _ = 1, 12 do refused = step() or refused end
  local title <const> = ("round %d, %s"):format(round, killer:wait())
  local joined <const> = joining:wait()
  tap.ok(not refused, title .. ": nothing is refused that may be", refused)
  local began <const>, why = runtime.now(), nil
  local back <const> = tap.eventually(PATIENCE, function()
    local good
    good, why = answered()
    return good
  end)
  tap.ok(back, title .. ": entities are answered without registering again", why)
  if joined and back then
    local taken, code = is_taken(joined.title)
    tap.ok(taken, title .. ": whose registration was answered has the title", code)
    joined:unregister()
  end
  local heard
  local agrees <const> = tap.eventually(PATIENCE, function()
    heard = do_hear()
    return same(heard, should_hear())
  end)
  tap.ok(agrees, title .. ": who hears whom is what was answered", heard, should_hear())
  local does, should = {}, {}
  local as_before <const> = tap.eventually(PATIENCE, function()
    does, should = { do_forward "pm1", do_forward "pm2" }, { should_forward "pm1", should_forward "pm2" }
    return same(does[1], should[1]) and same(does[2], should[2])
  end)
  tap.ok(as_before, title .. ": and so are flows and groups", does, should)
  if runtime.now() - began > 10 then tap.note(("after %.1f s"):format(runtime.now() - began)) end
  if not (back and agrees and as_before) then
    tell_log()
    break
  end
end
for _, one in pairs(field.entities) do one:close() end
tap.eq(field.net:verify(), {}, "nothing is to be mended")
field.net:delete()
bed:delete()
tap.eq(require("support.system").inventory(), empty, "and nothing is left")
tap.done()
