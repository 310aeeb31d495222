-- Shells and whole labs are killed: a lab whose shell is gone ends by itself and leaves nothing; what
-- is left of one that could not is removed by `clean` or by the next lab in its place.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"

local ROUNDS <const> = math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))
-- Seconds in which a lab must have ended by itself.
local PATIENCE <const> = 10

local LAB <const> = [[
  local bed = testbed.create { nodes = 2 }
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/16", home = "pm1" }
  local red = network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/16" }
  blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
  red:endpoint { { name = "here" } }
  task.spawn(blue:get("h1").run, blue:get "h1", "sleep", "1000")
  task.spawn(node.get("pm1").run, node.get "pm1", "sleep", "1000")
  sleep(0.1)
  local anatomy = require("support.crash").anatomy()
  io.stdout:write(json.encode(anatomy), "\n")
  io.stdout:flush()
  local specs = {}
  for i = 1, 300 do specs[i] = { name = "e" .. i, node = i % 3 == 0 and "pm2" or "pm1" } end
]]
local CREATE <const> = LAB .. "blue:endpoint(specs) sleep(1000)"
local DELETE <const> = LAB .. "blue:endpoint(specs) print 'made' io.stdout:flush() blue:delete() sleep(1000)"
local UPDATE <const> = LAB .. "while true do blue:update { mtu = 1400 } blue:update { mtu = 1500 } end"

local function read_line(child, rest)
  local text = rest or ""
  while not text:find("\n", 1, true) do
    local bytes, message = child.stdout:read()
    if not bytes then error("the lab does not start: " .. tostring(message)) end
    text = text .. bytes
  end
  return text:match("^([^\n]*)\n(.*)$")
end

-- A lab of another shell, in a state directory of its own.
local function start(state, code)
  local child = assert(process.spawn { argv = { process.exe(), "-e", code }, add_env = state.env, stdin = "null",
    stdout = "pipe", stderr = "inherit" })
  local line, rest = read_line(child)
  return { child = child, rest = rest, anatomy = json.decode(line) }
end

local function endpoints_of(one)
  local count = 0
  for _, dir in ipairs(one.anatomy.run_dirs) do count = count + #(file.list(dir .. "/ns") or {}) end
  return count
end

local function kill_shell(one)
  one.child:kill "KILL"
  one.child:wait()
end

local function ends_by_itself(code, ready, text)
  local state <close> = system.state()
  local one = start(state, code)
  ready(one)
  one.anatomy.pids[#one.anatomy.pids + 1] = one.child.pid
  kill_shell(one)
  crash.all_gone(one.anatomy, PATIENCE, text .. ": the lab ends and nothing is left")
end

-- Kills a shell together with these processes of its lab.
local function kill_with(one, which)
  local pids = { one.child.pid }
  for _, pid in ipairs(one.anatomy.pids) do
    if process.exists(pid) and which(pid) then pids[#pids + 1] = pid end
  end
  crash.signal(pids, "KILL")
  one.child:wait()
  tap.eventually(5, function() return not process.exists(pids[#pids]) end)
end

local function agent_only(one)
  return function(pid) return pid == one.anatomy.pids[1] end
end
local function everything() return function() return true end end

local function removed_by_clean(code, ready, which, text)
  local state <close> = system.state()
  local one = start(state, code)
  ready(one)
  kill_with(one, which(one))
  tap.ok(#crash.remains(one.anatomy) > 0, text .. ": something is left")
  local cleaned = system.nervsh { "-c", "clean" }
  tap.ok(cleaned.exit == 0 and cleaned.stdout:find("removed " .. state.path, 1, true), text .. ": clean says so", cleaned)
  crash.all_gone(one.anatomy, 3, text .. ": clean leaves nothing")
end

local function removed_by_next(which, text)
  local state <close> = system.state()
  local one = start(state, LAB .. "sleep(1000)")
  kill_with(one, which(one))
  local result = system.nervsh({ "-e", "print(#network.list(), #node.list())" }, { env = state.env })
  tap.eq(result.stdout, "0\t1\n", text .. ": the next lab in its place begins anew")
  crash.all_gone(one.anatomy, 3, text .. ": nothing is left of the former one")
end

-- An agent that was killed keeps its lock until the kernel is done with it.
local function removed_by_next_later()
  local state <close> = system.state()
  local one = start(state, LAB .. "sleep(1000)")
  kill_with(one, everything())
  local lock
  tap.eventually(5, function() lock = file.lock(state.path .. "/lock") return lock end)
  local next_one = task.spawn(system.nervsh, { "-e", "print(#network.list(), #node.list())" }, { env = state.env })
  tap.ok(not next_one:join(1), "while a dead agent's lock is there the next lab waits")
  lock:close()
  tap.eq(next_one:wait().stdout, "0\t1\n", "and then begins anew")
  crash.all_gone(one.anatomy, 3, "nothing is left of the former one")
end

local function at_once() end
local function while_made(one) tap.eventually(20, function() return endpoints_of(one) > 60 end) end
local function while_deleted(one)
  read_line(one.child, one.rest)
  tap.eventually(20, function() return endpoints_of(one) < 290 end)
end
local function soon() sleep(0.4) end

-- This shell's own lab must live through all of it.
local mine <const> = network.create { name = "mine", archetype = "ip", subnet = "10.1.0.0/24" }
mine:endpoint { { name = "a" }, { name = "b" } }

for round = 1, ROUNDS do
  local function title(text) return ("round %d: %s"):format(round, text) end
  ends_by_itself(LAB .. "sleep(1000)", at_once, title "shell killed")
  ends_by_itself(CREATE, while_made, title "shell killed while endpoints are made")
  ends_by_itself(DELETE, while_deleted, title "shell killed while the network is deleted")
  ends_by_itself(UPDATE, soon, title "shell killed between updates")
  removed_by_clean(LAB .. "sleep(1000)", at_once, agent_only, title "shell and agent killed")
  removed_by_clean(CREATE, while_made, agent_only, title "shell and agent killed while endpoints are made")
  removed_by_clean(LAB .. "sleep(1000)", at_once, everything, title "all processes killed")
  removed_by_next(agent_only, title "shell and agent killed")
  removed_by_next(everything, title "all processes killed")
end

removed_by_next_later()

-- At any moment, the start of the lab and its end included.
local WORK <const> = [[
  local bed = testbed.create { nodes = 2 }
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/16", home = "pm1" }
  local specs = {}
  for i = 1, 60 do specs[i] = { name = "e" .. i, node = i % 2 == 0 and "pm2" or "pm1" } end
  blue:endpoint(specs)
  blue:update { mtu = 1400 }
  blue:update { archetype = "bridge" }
  bed:delete()
]]
local root <const> = require("nerv.context").run_root()

local function instances()
  local there = {}
  for _, id in ipairs(file.list(root) or {}) do there[id] = true end
  return there
end

local function killed_at(seconds)
  local state <close> = system.state()
  local before = instances()
  local child = assert(process.spawn { argv = { process.exe(), "-e", WORK }, add_env = state.env, stdin = "null",
    stdout = "null", stderr = "null" })
  child:wait(seconds)
  if child:running() then child:kill "KILL" end
  child:wait()
  local function left()
    local list = state:left()
    for id in pairs(instances()) do
      if not before[id] then list[#list + 1] = "instance " .. id end
    end
    return list
  end
  tap.eventually(2 * PATIENCE, function() return #left() == 0 end)
  tap.eq(left(), {}, ("a shell killed after %.3f s leaves no lab"):format(seconds))
end

for _ = 1, 8 * ROUNDS do killed_at(1.2 * math.random()) end

-- A shell that ends while a task of it waits for the end of a change, and another one asks all the time: which starts
-- no other lab.
do
  local state <close> = system.state()
  local began = runtime.now()
  local result = system.nervsh({ "-e", [[
    local net, count = network.create { name = "n", archetype = "bridge" }, 0
    spawn(function() while true do count = count + 1 net:update { mtu = 1400 + count % 2 } end end)
    spawn(function() while true do pcall(network.list) sleep(0.001) end end)
    sleep(0.3)]] }, { env = state.env })
  tap.eq({ result.exit, result.stdout }, { 0, "" }, "a shell whose task changes something ends")
  tap.ok(runtime.now() - began < 10, "soon", runtime.now() - began)
  tap.eq(state:left(), {}, "and leaves nothing")
end

-- Not what lives: a lab whose agent is just being started again, and this one.
do
  local state <close> = system.state()
  local one = start(state, LAB .. "while true do assert(#network.list() == 3) sleep(0.1) end")
  local agent = one.anatomy.pids[1]
  crash.signal({ agent }, "KILL")
  local cleaned = system.nervsh { "-c", "clean" }
  tap.eq(cleaned.stdout, "", "clean leaves a lab alone whose agent died and whose shell lives")
  local back = tap.eventually(10, function()
    local pid = crash.agent(one.anatomy.run_dirs[1])
    return pid and pid ~= agent
  end)
  tap.ok(back and one.child:running(), "its shell starts the agent again")
  tap.ok(file.stat(one.anatomy.run_dirs[1] .. "/ns/red:here"), "its endpoints are there")
  kill_shell(one)
  crash.all_gone(one.anatomy, PATIENCE, "and it ends with its shell")
end
tap.ok(mine:get("a"):ping(mine:get "b") and #mine:verify() == 0, "the lab of another shell has noticed nothing")

local anatomy <const> = crash.anatomy()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left of it, either")
tap.done()
