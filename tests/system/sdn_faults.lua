-- Rounds of kill -9 in a software-defined network, at random instants of traffic and of calls that create, change, exchange
-- and delete another one: Open vSwitch, its database, controllers, relays, agents. What is killed comes back by itself,
-- endpoints reach each other again, a call is done or undone, and nothing is left of what it began.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local faults <const> = require "support.faults"
local open_vswitch <const> = require "support.ovs"
local system <const> = require "support.system"

local TIMES <const> = math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))
local ROUNDS <const> = TIMES > 1 and 20 * TIMES or 9
local NODES <const> = tonumber(arg[1]) or 2   -- on which endpoints are: by hand 1, too
local SEED <const> = math.tointeger(tonumber(os.getenv "NERV_SEED" or "")) or os.time()
math.randomseed(SEED)
tap.note(("seed %d (NERV_SEED repeats it)"):format(SEED))
-- Seconds in which a call must end; in which all must be mended: a daemon that dies often waits up to 10 s before it
-- starts again.
local CALL_LIMIT <const>, LIMIT <const> = faults.CALL_LIMIT, 40

local tb <const> = testbed.create { nodes = 2 }
local place <const> = faults.place(tb)
local empty <const> = system.inventory(tb)
local far <const> = NODES == 2 and "pm2" or "pm1"
local net <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1", probe = 1 }
net:endpoint { { name = "a", node = "pm1" }, { name = "b", node = far }, { name = "c", node = "pm1" } }
local a <const>, b <const>, c <const> = net:get "a", net:get "b", net:get "c"
local switches <const> = {}
for i = 1, NODES do switches[i] = open_vswitch.of(node.get(tb.names[i]).run_dir) end

-- Who may be killed.
local victims <const>, order <const> = {}, {}
local function add(name, pid)
  victims[name], order[#order + 1] = pid, name
end
for i = 1, NODES do
  local name <const> = tb.names[i]
  local run_dir <const> = node.get(name).run_dir
  for _, what in ipairs { "vswitch.daemon", "vswitch.database", "blue.relay", "red.relay" } do
    add(name .. " " .. what, function() return crash.service(run_dir, what) end)
  end
  add(name .. " agent", function() return crash.agent(run_dir) end)
end
for _, what in ipairs { "blue.controller", "red.controller" } do
  add("pm1 " .. what, function() return crash.service(node.get("pm1").run_dir, what) end)
end

-- The walk of network "red".
local MAKE <const> = [[network.create { name = "red", archetype = "sdn", subnet = "10.1.0.0/24", home = N1, probe = 1 }]]
local FILL <const> = [[network.get "red":endpoint { { name = "x", node = N1 }, { name = "y", node = N2 } }]]
local function update(options) return ('network.get "red":update { %s }'):format(options) end
local CALLS <const> = {
  { from = "none", to = { "bare", "sdn" }, text = "create", code = MAKE .. "\n" .. FILL },
  { from = "sdn", to = { "more" }, text = "add endpoints", code = [[network.get "red":endpoint { { name = "v", node = N1 }, { name = "w", node = N2 } }]] },
  { from = "more", to = { "sdn" }, text = "delete endpoints", code = [[network.get "red":delete_endpoints { "v", "w" }]] },
  { from = "sdn", to = { "other" }, text = "take another controller", code = update 'controller = "ovs-testcontroller"' },
  { from = "other", to = { "sdn" }, text = "take the built-in one", code = update 'controller = "built-in"' },
  { from = "sdn", to = { "ip" }, text = "exchange for ip", code = update 'archetype = "ip"' },
  { from = "ip", to = { "sdn" }, text = "exchange for sdn", code = update 'archetype = "sdn"' },
  { from = "sdn", to = { "none" }, text = "delete", code = [[network.get "red":delete()]] },
}
local FINISH <const> = { from = "bare", to = { "sdn" }, text = "add the first endpoints", code = FILL }
if NODES == 1 then place.nodes[2] = nil end

-- What there is of it, on every node: rows, links, namespaces, programs' groups, entries; bridges and how many ports each
-- has, and flows that lead to a controller.
local function picture()
  local lines = {}
  for _, line in ipairs(system.inventory(tb)) do
    -- a random number; a group of programs, which is there from the first one; how controllers are, which comes and goes
    if not (line:find " endpoints [^ ]+$" or line:find "^row Status .*/") then lines[#lines + 1] = line:gsub("link group=%d+", "link group") end
  end
  for i, ovs in ipairs(switches) do
    for _, bridge in ipairs(ovs:bridges()) do
      local _, told = ovs:ofctl("dump-flows", bridge):gsub("CONTROLLER", "")
      lines[#lines + 1] = ("%s bridge %s: %d ports, controller %s, %s"):format(tb.names[i], bridge, #ovs:ports(bridge), ovs:vsctl("get-controller", bridge),
        told > 0 and "told what to do" or "")
    end
  end
  table.sort(lines)
  return lines
end
local function try(f, ...)
  local good, result = pcall(f, ...)   -- an agent may be away
  return good and result
end
local function reaches(from, to) return from:run("ping", "-c1", "-W1", to.address) ~= nil end
local function blue_works() return reaches(a, b) and reaches(b, c) and reaches(c, a) end
local function red_works()
  local red <const> = network.get "red"
  local x <const>, y <const> = red and red:get "x", red and red:get "y"
  return not x or reaches(x, y)
end

-- The first walk, undisturbed: what each state looks like, how long each call takes.
local pictures, seconds = { none = picture() }, {}
local function walk(call, state)
  local caller <const> = faults.call(place, call.code)
  local result <const> = caller:result(CALL_LIMIT)
  caller:close()
  seconds[call.text] = result and result.took or CALL_LIMIT
  tap.ok(result and result.good, call.text .. ", undisturbed", result)
  if not pictures[state] then
    pictures[state] = picture()
    tap.eventually(5, function()
      local former <const> = pictures[state]
      sleep(0.1)
      pictures[state] = picture()
      return #faults.differences(former, pictures[state]) == 0
    end)
  end
end
tap.ok(tap.eventually(10, blue_works), "before: the endpoints reach each other")
walk({ text = "create the network", code = MAKE }, "bare")
walk(FINISH, "sdn")
for i = 2, #CALLS do walk(CALLS[i], CALLS[i].to[#CALLS[i].to]) end
seconds[CALLS[1].text] = seconds["create the network"] + seconds[FINISH.text]

-- Who dies in a round: some together that agents once could not put back, then any.
local FIRST <const> = { { "pm1 agent", "pm1 vswitch.daemon" }, { "pm1 agent", "pm1 vswitch.database" } }
local function kill(round)
  local pids, names = {}, {}
  local chosen <const> = FIRST[round] or {}
  for _ = #chosen + 1, #chosen > 0 and 0 or math.random(1, 3) do chosen[#chosen + 1] = order[math.random(#order)] end
  for _, name in ipairs(chosen) do
    local pid <const> = try(victims[name])
    if pid and process.exists(pid) then pids[#pids + 1], names[#names + 1] = pid, name end
  end
  try(crash.signal, pids, "KILL")
  return #names > 0 and table.concat(names, ", ") .. " killed" or "nobody killed"
end

local function next_call(state)
  if state == "bare" then return FINISH end
  local list = {}
  for _, call in ipairs(CALLS) do
    if call.from == state then list[#list + 1] = call end
  end
  return list[math.random(#list)]
end

-- What may say why a round went wrong.
local function tell_all()
  for _, row in ipairs(lab.state():list "Status") do tap.note(("status of %s on %s: %s: %s"):format(row.owner, row.node, row.state, row.error)) end
  for _, name in ipairs(tb.names) do
    local text <const> = file.read(("%s/log/testbed.%s.log"):format(lab.connection().hello.run_dir, name)) or ""
    for line in text:sub(-4000):gmatch "[^\n]+" do tap.note(name .. ": " .. line) end
  end
end

-- One round from a state: a call that is disturbed, or traffic alone.
-- @return the state after it, or nil when it is none that may be
local function run_round(round, state)
  local call <const> = math.random(4) > 1 and next_call(state) or nil
  local caller <const> = call and faults.call(place, call.code)
  sleep(math.random() * (call and seconds[call.text] * 1.2 or 0.1))
  local who <const> = kill(round)
  local began <const> = runtime.now()
  local title <const> = ("round %d: %s in state %s: %s"):format(round, call and call.text or "traffic", state, who)
  local states <const>, result = { state }, nil
  if call then
    result = caller:result(CALL_LIMIT + 5)
    caller:close()
    tap.ok(result and result.took < CALL_LIMIT, title .. ": the call ends in time", result)
    if result and result.good then states[1] = call.to[#call.to]
    else table.move(call.to, 1, #call.to, 2, states) end   -- an error may come late
  end
  local found, have
  tap.eventually(LIMIT, function()
    have = try(picture)
    for _, name in ipairs(have and states or {}) do
      if #faults.differences(pictures[name], have) == 0 then found = name end
    end
    return found
  end)
  tap.ok(found, title .. ": nothing more and nothing less is there", result, have and faults.differences(pictures[states[1]], have))
  if not found then tell_all() end
  local well <const> = found and tap.eventually(LIMIT, function() return try(blue_works) and try(red_works) end)
  tap.ok(well, title .. ": endpoints reach each other")
  tap.note(("after %.1f s; %s"):format(runtime.now() - began, result and not result.good and result.message or "done"))
  return well and found or nil
end

local state = "none"
for round = 1, ROUNDS do
  state = run_round(round, state)
  if not state then break end
end
tap.ok(tap.eventually(LIMIT, function()
  local operations = try(net.verify, net)
  return operations and #operations == 0
end), "in the end nothing is to be mended")
for _, name in ipairs { "red", "blue" } do
  if network.get(name) then network.get(name):delete() end
end
system.same_inventory(empty, tb, "and nothing is left")
tb:delete()
tap.done()
