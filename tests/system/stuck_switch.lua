-- A data plane that cannot be taken out of the kernel: whoever is to do so says why, leaves what the next attempt needs,
-- and the next attempt does it.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"

-- The directories of the pins of a lab's switches.
local function pins_of(anatomy)
  local pins = {}
  for _, run_dir in ipairs(anatomy.run_dirs) do
    for _, name in ipairs(file.list(run_dir .. "/bpf") or {}) do
      local path = run_dir .. "/bpf/" .. name
      if file.stat(path).type == "directory" then pins[#pins + 1] = path end
    end
  end
  return pins
end

-- Holds a switch's pins as a switch does that lives.
local function hold(pin)
  local holder = process.spawn { argv = { "flock", "--no-fork", "-x", pin, "sh", "-c", "echo held; exec sleep 1000" }, stdin = "null", stdout = "pipe" }
  return holder, holder.stdout:read_line()
end

local LAB <const> = [[
  testbed.create { nodes = 1 }
  network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }:endpoint { name = "h1", node = "pm1" }
  io.stdout:write(json.encode(require("support.crash").anatomy()), "\n")
  io.stdout:flush()
  sleep(1000)]]
local function start(state)
  local child = process.spawn { argv = { process.exe(), "-e", LAB }, add_env = state.env, stdin = "null", stdout = "pipe" }
  return child, json.decode(child.stdout:read_line())
end

-- All of a lab has died.
do
  local state <close> = system.state()
  local child, anatomy = start(state)
  local pin <const> = pins_of(anatomy)[1]
  crash.signal(anatomy.pids, "STOP")   -- nobody starts another one again
  crash.signal({ child.pid, table.unpack(anatomy.pids) }, "KILL")
  child:wait()
  tap.eventually(20, function()
    for _, pid in ipairs(anatomy.pids) do
      if process.exists(pid) then return false end
    end
    return true
  end)
  local holder, held = hold(pin)
  tap.eq({ #pins_of(anatomy), held }, { 1, "held" }, "its switch has left a data plane, which is held")
  local cleaned = system.nervsh { "-c", "clean" }
  tap.eq({ cleaned.exit, cleaned.stdout }, { 1, "" }, "clean fails")
  tap.ok(cleaned.stderr:find("clean: " .. state.path .. ": nerv-nve --remove: ", 1, true)
    and cleaned.stderr:find("another switch is running with it\n", 1, true), "it says why", cleaned.stderr)
  tap.ok(file.stat(pin) and file.stat(state.path), "what it needs is there still")
  tap.eq(#link.list { alias_prefix = "nerv:" .. anatomy.instances[1] .. ":" }, 0, "all else is gone")
  holder:kill "KILL"
  holder:wait()
  cleaned = system.nervsh { "-c", "clean" }
  tap.eq({ cleaned.exit, cleaned.stdout }, { 0, "removed " .. state.path .. "\n" }, "then it succeeds")
  crash.all_gone(anatomy, 10, "and nothing is left")
end

-- A testbed that lives is deleted.
do
  local state <close> = system.state()
  local child, anatomy = start(state)
  local node_run <const> = anatomy.run_dirs[2]
  local pin <const> = pins_of(anatomy)[1]
  crash.signal({ crash.service(anatomy.run_dirs[1], "testbed.pm1") }, "STOP")
  crash.signal({ crash.service(node_run, "node pm1.nve") }, "KILL")
  tap.eventually(10, function() return not crash.service(node_run, "node pm1.nve") end)
  local holder, held = hold(pin)
  crash.signal({ crash.service(anatomy.run_dirs[1], "testbed.pm1") }, "CONT")
  tap.eq(held, "held", "a node whose switch is held")
  local deleted <const> = system.nervsh({ "-e", "network.get('blue'):delete() testbed.get():delete()" }, { env = state.env })
  tap.ok(tap.eventually(30, function()
    return (file.read(state.path .. "/agent.log") or ""):find "nerv%-nve %-%-remove: [^\n]*another switch is running with it"
  end), "the agent says so", { deleted, file.read(state.path .. "/agent.log") })
  tap.ok(file.stat(pin), "what it needs is there still")
  holder:kill "KILL"
  holder:wait()
  tap.ok(tap.eventually(60, function() return not file.stat(node_run) end), "it tries again")
  child:kill "KILL"
  child:wait()
  crash.all_gone(anatomy, 20, "and nothing is left")
end
tap.done()
