-- The prompt with a lab: what can be completed of it, what becomes of it, and that nothing is left of a shell that died.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local terminal_test <const> = require "support.terminal"

local ROUNDS <const> = 20 * (tonumber(os.getenv "NERV_ROUNDS") or 1)

local function start(state, arguments)
  return terminal_test.nervsh(arguments, { env = state.env, rows = 40, cols = 100 })
end

local function no_left(state, text)
  tap.eventually(20, function() return #state:left() == 0 end)
  tap.eq(state:left(), {}, text)
end

-- Completes at the prompt: the line as it is then.
local function tab(t, text, wanted)
  t:prompt()
  t:keys(text .. "\t")
  local good = pcall(t.line, t, "nerv> " .. wanted, 5)
  tap.ok(good, ("TAB after '%s'"):format(text), t.screen:line())
  t:keys("\21\21")   -- kills the line
  t:line("nerv>")
end

do
  local state <close> = system.state()
  local t <close> = start(state)
  tab(t, "ep bl", "ep bl")
  tap.ok(not file.stat(state.path .. "/agent.log"), "completion starts no lab")
  t:ask('blue = network.create { name = "blue", archetype = "bridge" }')
  t:ask('h1 = blue:endpoint { name = "h1" }')
  t:ask('blue:endpoint { { name = "host2" }, { name = "host3" } }')
  tab(t, "ep bl", "ep blue")
  tab(t, 'network.get "b', 'network.get "blue"')
  tab(t, "blue:endp", "blue:endpoint")
  tab(t, "blue:get('host", "blue:get('host")
  tab(t, "host2 pin", "host2 pin")
  tab(t, "host2 cat /etc/hostn", "host2 cat /etc/hostname")
  tab(t, "host", "host")
  tab(t, "hos", "host")
  tab(t, "nve.open('", ("nve.open('%s'"):format(process.run { argv = { "hostname" } }.stdout:gsub("%s", "")))
  tab(t, "print(h1.int", "print(h1.interface")
  tab(t, "update blue mt", "update blue mtu=")
  t:prompt()
  t:keys("host\t")
  t:see("\nhost2 +endpoint\nhost3 +endpoint\nnerv> host$")
  tap.ok(true, "endpoints are listed")
  t:keys("\21")
  tap.like(t:ask("blue"), "^network blue %(bridge%)\n  name = \"blue\"\n  archetype = \"bridge\"\n", "a network is shown with its fields")
  tap.like(t:ask("blue:endpoints()"), "^ID +.*\nblue:h1 .*\nblue:host2 .*\nblue:host3 ", "endpoints as a table")
  tap.like(t:ask("h1:ping('10.99.99.99')"), "^failed: ", "what does not succeed is told so")
  t:ask("create green bridge")
  tap.eq(t:ask("green"), 'nil\nnetwork.get "green" is the network', "its bare name")
  tap.like(t:ask("green:endpoints()"), '; network.get "green" is the network$', "a network that has no variable")
  t:ask("add green host2")
  tap.like(t:ask("host2 true"), "endpoint 'host2' is in networks blue and green: name it NETWORK:host2$",
    "a name that several endpoints have is refused, and the prompt goes on")
  t:ask("network.get('green'):delete()")

  local u <close> = start(state)
  u:prompt()
  tap.ok(tap.eventually(10, function()
    u:keys("network.get 'b\t")
    local found = pcall(u.line, u, "nerv> network.get 'blue'", 0.3)
    u:keys("\21")
    return found
  end), "a second shell knows the names from the beginning")
  u:prompt()
  u:keys("\4")
  u:see("the lab goes on, 1 other shell uses it: 1 network, 3 endpoints")
  tap.eq(u:wait_end().exit, 0, "Ctrl-D says that the lab goes on")
  t:prompt()
  t:keys("\4")
  t:see("the lab has ended: 1 network, 3 endpoints removed")
  tap.eq(t:wait_end().exit, 0, "or that it has ended")
  no_left(state, "and nothing of it is left")
end

do -- kept
  local state <close> = system.state()
  local t <close> = start(state, { "--keep" })
  t:ask('network.create { name = "blue", archetype = "bridge" }')
  t:type("exit")
  t:see("the agent is kept, with 1 network, 0 endpoints")
  tap.eq(t:wait_end().exit, 0, "with --keep it is kept")
  local pid = system.nervsh({ "-e", "print(lab.connection().hello.pid)" }, { env = state.env }).stdout:match("%d+")
  process.run { argv = { "kill", pid } }
  tap.eventually(20, function() return not process.exists(math.tointeger(tonumber(pid))) end)
end

do -- Ctrl-C while a change is under way
  local state <close> = system.state()
  local t <close> = start(state)
  t:ask('blue = network.create { name = "blue", archetype = "bridge" }')
  t:type('l = {} for i = 1, 300 do l[i] = { name = "h" .. i } end blue:endpoint(l)')
  sleep(0.2)
  t:keys("\3")
  t:prompt()
  tap.like(t:ask("#blue:endpoints()"), "^%d+$", "the prompt goes on")
  t:keys("\4")
  t:see("the lab has ended: 1 network, %d+ endpoints removed", 60)
  t:wait_end(60)
  no_left(state, "an interrupted change leaves nothing either")
end

-- A shell that is killed while it starts the agent may leave the file for the agent's log, and no agent.
local function nothing_left(state)
  local left = state:left()
  return #left == 0 or #left == 1 and left[1] == "state agent.log" and file.read(state.path .. "/agent.log") == ""
end

do -- killed at any instant
  local bad = {}
  for i = 1, ROUNDS do
    local state <close> = system.state()
    local t <close> = terminal_test.start({ "sh", "-c", (os.getenv("NERVSH") or process.exe()) .. "; echo ended; exec sleep 60" },
      { env = state.env })
    t:prompt()
    local shell = file.read(("/proc/%d/task/%d/children"):format(t.child.pid, t.child.pid)):match("%d+")
    t:keys('blue = network.create { name = "blue", archetype = "bridge" } blue:endpoint { { name = "a" }, { name = "b" } }\r')
    sleep(i * 37 % 100 / 100)
    assert(process.run { argv = { "kill", "-KILL", shell } })
    t:see("ended")
    local cooked = tap.eventually(5, function() return t:mode() == "cooked" end)
    local gone = tap.eventually(30, function() return nothing_left(state) end)
    if not cooked or not gone then bad[#bad + 1] = { round = i, cooked = cooked, left = state:left() } end
  end
  tap.eq(bad, {}, ("SIGKILL at any instant, %d times: the terminal is usable, nothing is left"):format(ROUNDS))
end

tap.done()
