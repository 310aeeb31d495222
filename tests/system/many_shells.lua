-- Twenty shells on three nodes make two thousand random changes at once: all of them end, whoever loses a race is told
-- "changed meanwhile" and nothing else, nothing is given twice, and every node has what the rows say.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

-- The sanitizers make each shell slow to start and to end: a quarter will do there.
local EACH <const> = process.exe():find "/san/" and 25 or 100
local SHELLS <const>, CHANGES <const> = 20, EACH * math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or 1))
local seed <const> = tonumber(os.getenv "NERV_SEED") or os.time()
tap.note("NERV_SEED=" .. seed)

testbed.create { nodes = 3 }
local dir <const> = system.directory()
local _ <close> = dir
local script <const> = system.write(dir.path, "shell.lua", [[
local seed, changes = math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2]))
math.randomseed(seed)
local function one_of(list) return list[math.random(#list)] end
local function some_network() return network.get(one_of { "n1", "n2", "n3", "n4", "n5", "n6" }) end
local function some_node() return "pm" .. math.random(3) end

-- What each may do; nil when there is nothing to do it with.
local actions = {
  function() return network.create { name = "n" .. math.random(6), home = some_node(),
    archetype = one_of { "bridge", "ip" }, subnet = "10.1.0.0/24" } end,
  function()
    local n = some_network()
    return n and n:endpoint { name = "e" .. math.random(12), node = some_node() }
  end,
  function()
    local n = some_network()
    return n and n:endpoint { { name = "e" .. math.random(12), node = some_node() }, { name = "f" .. math.random(12) , node = some_node() } }
  end,
  function()
    local n = some_network()
    return n and n:update { mtu = math.random(1000, 1500) }
  end,
  function()
    local n = some_network()
    return n and n:update { archetype = one_of { "ip", "bridge" }, subnet = "10.1.0.0/24" }
  end,
  function()
    local n = some_network()
    local e = n and one_of(n:endpoints())
    return e and e:delete()
  end,
  function()
    local n = some_network()
    local e = n and one_of(n:endpoints())
    return e and e:update { rate = one_of { "10mbit", "20mbit" } }
  end,
  function()
    local n = math.random(4) == 1 and some_network()
    return n and n:delete()
  end,
}
-- What the rows may say of an object that is not, or not any more, or is already.
local refusals = { "exists$", "^[^:]+:%d+: there is no network '", "has been deleted$", "has no endpoint '", "unknown option 'subnet'" }
local won, lost, refused, idle = 0, 0, 0, 0
for _ = 1, changes do
  local good, message = pcall(one_of(actions))
  message = tostring(message)
  if good and message ~= "nil" and message ~= "false" then won = won + 1
  elseif good then idle = idle + 1
  elseif message:find "changed meanwhile$" then lost = lost + 1
  else
    local known = false
    for _, pattern in ipairs(refusals) do known = known or message:find(pattern) ~= nil end
    if known then refused = refused + 1 else print("OTHER " .. message) end
  end
end
print(("END %d %d %d %d"):format(won, lost, refused, idle))
]])

local began <const> = runtime.now()
local shells = {}
for i = 1, SHELLS do
  shells[i] = assert(process.spawn { argv = { process.exe(), script, tostring(seed + i), tostring(CHANGES) }, stdin = "null",
    stdout = "pipe", stderr = "stdout" })
end
local won, lost, refused, others, unfinished = 0, 0, 0, {}, 0
for _, shell in ipairs(shells) do
  local ended = false
  while true do
    local line = timeout(300, shell.stdout.read_line, shell.stdout)
    if not line then break end
    local w, l, r = line:match "^END (%d+) (%d+) (%d+) %d+$"
    if w then
      won, lost, refused, ended = won + tonumber(w), lost + tonumber(l), refused + tonumber(r), true
    else
      others[#others + 1] = line
    end
  end
  if not ended then unfinished = unfinished + 1 end
  shell:kill "KILL"
end
tap.note(("%d changes won, %d lost, %d refused, in %.1f s"):format(won, lost, refused, runtime.now() - began))
tap.eq(unfinished, 0, "all shells came to their end")
tap.eq(others, {}, "whoever lost was told so, and nothing else was said")
tap.ok(won > SHELLS * CHANGES / 10, "many changes were made", won)

-- What exists once exists once.
local seen, twice = {}, {}
local function once(scope, value, who)
  if value == nil then return end
  local key = scope .. " " .. tostring(value)
  if seen[key] then twice[#twice + 1] = key .. " of " .. seen[key] .. " and " .. who end
  seen[key] = who
end
for _, n in ipairs(network.list()) do
  for _, port in pairs(n.ports) do
    once("tag", port.tag, n.name)
    once("port", port.number, n.name)
  end
  for _, e in ipairs(n:endpoints()) do
    once("mac", e.mac, e.id)
    once("address " .. n.name, e.address, e.id)
  end
end
tap.eq(twice, {}, "nothing was given twice")
local wrong = {}
for _, n in ipairs(network.list()) do
  if n.archetype ~= "testbed" and (#n:verify() > 0 or n.state ~= "active") then wrong[#wrong + 1] = n.name .. ": " .. n.state end
end
tap.eq(wrong, {}, "every network is as the rows want it")
local running = 0
for _, change in pairs(lab.state().rows.Change) do
  if change.phase ~= "done" and change.phase ~= "undone" then running = running + 1 end
end
tap.eq(running, 0, "no change runs any more")
tap.done()
