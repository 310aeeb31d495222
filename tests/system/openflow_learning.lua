-- The built-in controller, scripts/learning-switch.lua, and a real Open vSwitch: hosts reach each other, TCP too; a
-- host that moves is found again; the controller's death and return.
local tap <const> = require "tap"
local support <const> = require "support.ovs"

local ovs <close> = support.start()
local socket <const> = ovs.dir .. "/controller"
local log <const> = ovs.dir .. "/controller.log"

local function controller()
  return assert(process.spawn { argv = { process.exe(), "scripts/learning-switch.lua", socket },
    stdin = "null", stdout = { file = log, append = true }, stderr = "stdout" })
end

local function text(path)
  local handle <close> = assert(io.open(path))
  return handle:read("a")
end

local running = controller()
ovs:bridge("ofbr0", "unix:" .. socket)
for i = 1, 3 do ovs:host("ofbr0", "ofh" .. i, i, "10.0.0." .. i) end

local function reaches(from, to)
  return tap.eventually(10, function() return support.ping("ofh" .. from, "10.0.0." .. to) end)
end

for from = 1, 3 do
  for to = 1, 3 do
    if from ~= to then tap.ok(reaches(from, to), ("h%d reaches h%d"):format(from, to)) end
  end
end
tap.ok(ovs:ofctl("dump-flows", "ofbr0", "dl_dst=" .. link.get { name = "eth0", netns = "ofh1" }.mac):find("actions=output"),
  "what it has learned is in the switch")

local server <const> = assert(process.spawn { argv = { "iperf3", "-s", "-1" }, netns = "ofh2", stdout = "null",
  stderr = "null" })
tap.ok(tap.eventually(10, function()
  local result <const> = assert(process.run { argv = { "iperf3", "-c", "10.0.0.2", "-t", "1", "-J" }, netns = "ofh1" })
  local received <const> = json.decode(result.stdout)["end"].sum_received   -- its exit status may be 0 without
  return received and received.bits_per_second > 1e7
end), "TCP goes through")
server:kill "KILL"
server:wait()

-- h1's interface becomes another port of the switch.
ovs:vsctl("set", "interface", "ofh1p", "ofport_request=9")
ovs:vsctl("del-port", "ofbr0", "ofh1p", "--", "add-port", "ofbr0", "ofh1p", "--", "set", "interface", "ofh1p", "ofport_request=9")
tap.ok(reaches(2, 1), "a host that has moved to another port is found again")
tap.ok(reaches(1, 3), "and reaches the others")

running:kill "KILL"
running:wait()
ovs:ofctl("del-flows", "ofbr0")
tap.ok(not support.ping("ofh1", "10.0.0.2"), "without controller and flows nothing is forwarded")
running = controller()
tap.ok(reaches(1, 2), "a new controller takes over, on the socket that the dead one left")
tap.ok(running:running(), "the controller is alive")
running:kill "TERM"
running:wait()
tap.eq(text(log), "", "it had nothing to complain about")
tap.done()
