-- Shells that race for the same names and for one small range: each thing is given once, and who
-- loses is told.
local tap <const> = require "tap"
local system <const> = require "support.system"

local ROUNDS <const> = 3 * (tonumber(os.getenv "NERV_ROUNDS") or 1)
local SHELLS <const> = 3

-- Runs a text in several shells of this lab at once.
local function race(text)
  local tasks, results = {}, {}
  for i = 1, SHELLS do
    tasks[i] = task.spawn(function() return system.script(("local ME <const> = %d\n"):format(i) .. text) end)
  end
  for i, one in ipairs(tasks) do results[i] = one:wait() end
  return results
end

local empty <const> = system.inventory()
local agent <const> = system.agent_pid()
lab.connection()   -- the lab is there before the others come

for round = 1, ROUNDS do
  local results = race [[network.create { name = "same", archetype = "ip", subnet = "10.1.0.0/24" } print "mine"]]
  local winners, losers = 0, 0
  for _, result in ipairs(results) do
    if result.exit == 0 and result.stdout == "mine\n" then winners = winners + 1 end
    local told = result.stderr:find "^nervsh: script.lua:2: [^\n]*network 'same' exists\n$" or
      result.stderr:find "^nervsh: script.lua:2: [^\n]*changed meanwhile[^\n]*\n$"
    if result.exit == 1 and told then losers = losers + 1 end
  end
  tap.ok(winners == 1 and losers == SHELLS - 1, ("round %d: one shell makes the network, the others are told"):format(round), results)
  tap.eq(network.get("same"):verify(), {}, ("round %d: it is as it is wanted"):format(round))
  network.get("same"):delete()
end
system.same_inventory(empty, nil, "nothing is left")

-- 13 addresses, three shells that want 8 each, one at a time.
local small <const> = network.create { name = "small", archetype = "ip", subnet = "10.2.0.0/28" }
local results = race [[
local net = network.get "small"
for i = 1, 8 do
  local good, ep = pcall(net.endpoint, net, { name = ("e%d-%d"):format(ME, i) })
  print(good and ep.address or tostring(ep):gsub("^%S+:%d+: ", ""))
end
]]
local given, refused, other, twice = 0, 0, {}, {}
local seen = {}
for _, result in ipairs(results) do
  for line in result.stdout:gmatch "[^\n]+" do
    if line:match "^10%.2%.0%.%d+$" then
      given = given + 1
      if seen[line] then twice[#twice + 1] = line end
      seen[line] = true
    elseif line:find("no free address in 10.2.0.0/28: all 13 are taken", 1, true) then
      refused = refused + 1
    else
      other[#other + 1] = line
    end
  end
  if result.exit ~= 0 then other[#other + 1] = result.stderr end
end
tap.eq(other, {}, "who gets no address is told so")
tap.eq(twice, {}, "each address is given once")
tap.eq({ given, refused }, { 13, 11 }, "all of them are")
local in_system = {}
for _, ep in ipairs(small:endpoints()) do
  for _, a in ipairs(address.list { netns = ep.netns, link = "eth0" }) do
    if a.address:match "^10%." then in_system[a.address] = (in_system[a.address] or 0) + 1 end
  end
end
local count = 0
for text, times in pairs(in_system) do count = count + (times == 1 and 1 or 100) tap.ok(times == 1, "once in the system: " .. text) end
tap.eq(count, 13, "and in the system")
tap.eq(small:verify(), {}, "all is as it is wanted")
small:delete()
system.same_inventory(empty, nil, "nothing is left")

-- the same endpoint
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.3.0.0/24" }
for round = 1, ROUNDS do
  results = race [[network.get("blue"):endpoint { name = "h" } print "mine"]]
  local winners, told = 0, 0
  for _, result in ipairs(results) do
    if result.exit == 0 then winners = winners + 1 end
    if result.stderr:find "^nervsh: script.lua:2: endpoint 'h' of network blue exists\n$" then told = told + 1 end
  end
  tap.ok(winners == 1 and told == SHELLS - 1, ("round %d: one shell makes the endpoint, the others are told"):format(round), results)
  results = race [[local h = network.get("blue"):get "h" if h then h:delete() print "mine" end]]
  winners = 0
  for _, result in ipairs(results) do
    if result.exit == 0 and result.stdout == "mine\n" then winners = winners + 1 end
  end
  tap.ok(winners == 1, ("round %d: one shell deletes it"):format(round), results)
  tap.eq(#blue:endpoints(), 0, ("round %d: it is gone"):format(round))
end

-- Endpoints come while the network is changed and deleted by others.
results = race [[
local net = network.get "blue"
for i = 1, 6 do
  local good, message
  if ME == 1 then
    good, message = pcall(net.endpoint, net, { name = "x" .. i })
  else
    good, message = pcall(net.update, net, { mtu = 1300 + 10 * i + ME })
  end
  if not good and not tostring(message):find "changed meanwhile" then print(message) end
end
]]
for i, result in ipairs(results) do
  tap.ok(result.exit == 0 and result.stdout == "" and result.stderr == "", ("shell %d gets through or is told"):format(i), result)
end
tap.eq(blue:verify(), {}, "all is as it is wanted")
for _, ep in ipairs(blue:endpoints()) do
  tap.eq(link.get { netns = ep.netns, name = "eth0" }.mtu, blue.mtu, ep.name .. " has the last MTU")
end
blue:delete()

-- An endpoint that came between the drafting and the writing of its network's deletion was left, and
-- the deletion never ended.
for round = 1, 3 * ROUNDS do
  network.create({ name = "blue", archetype = "ip", subnet = "10.3.0.0/24" }):endpoint { { name = "x1" }, { name = "x2" } }
  results = race [[
local net = network.get "blue"
if ME == 1 then net:delete() print "deleted" else
  local good, message = pcall(net.endpoint, net, { name = "late" .. ME })
  print(good or message)
end
]]
  tap.ok(results[1].stdout == "deleted\n" and not network.get "blue",
    ("round %d: a network is deleted while endpoints come"):format(round), results)
end
system.same_inventory(empty, nil, "with all endpoints")

-- Tasks of one shell chose the same tags, and of more than twenty the last ones gave up.
local many <const>, tags = {}, {}
for i = 1, 40 do
  many[i] = task.spawn(network.create, { name = "t" .. i, archetype = "ip", subnet = "10.1.0.0/24" })
end
for _, one in ipairs(many) do
  local tag <const> = one:wait().ports.data.tag
  tap.ok(not tags[tag], "a task of many gets a tag of its own", tag)
  tags[tag] = true
end
for i = 1, #many do many[i] = task.spawn(function() return network.get("t" .. i):delete() end) end
for _, one in ipairs(many) do tap.ok(one:wait(), "and deletes its network") end
system.same_inventory(empty, nil, "with all networks")
tap.eq(system.agent_pid(), agent, "the agent is the same")
tap.done()
