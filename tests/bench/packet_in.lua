-- packet_in_per_s: packet_ins that the built-in controller answers, learning, a flow and the frame each, for 16 switches
-- that packet_in_load.lua plays on a Unix socket; and beside it frames that a real Open vSwitch brings by the
-- controller from one port to another.
local here <const> = arg[0]:match("^(.*)/[^/]*$")
package.path = here .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local open_vswitch <const> = require "open_vswitch"

local SWITCHES <const> = 16
local SECONDS <const> = measure.rounds(3, 0.5)
local dir <const> = expect(file.temp_dir "nerv-openflow.")
local socket <const> = dir .. "/controller"
local function played()
  return tonumber(measure.run { argv = { process.exe(), here .. "/packet_in_load.lua", socket, tostring(SWITCHES),
    tostring(SECONDS) } })
end

-- A bridge with two ports; frames to everybody go from the first to the second, none by a flow.
local function two_ports()
  local switch <const> = open_vswitch.start(dir)
  for _, name in ipairs { "of1", "of2" } do
    expect(link.add { kind = "veth", name = name, up = true, peer = { name = name .. "h", up = true } })
  end
  switch:vsctl("add-br", "ofbr0", "--", "set", "bridge", "ofbr0", "datapath_type=netdev", "protocols=OpenFlow13",
    "fail_mode=secure", "--", "set-controller", "ofbr0", "unix:" .. socket, "--", "add-port", "ofbr0", "of1", "--",
    "add-port", "ofbr0", "of2")
  return switch
end

local function arrived() return link.get { name = "of2h" }.stats.rx_packets end

local function through_open_vswitch()
  local frame <const> = ("\255"):rep(6) .. "\2\0\0\0\0\1" .. "\8\x80" .. ("\0"):rep(50)
  local from <close> = expect(packet.open { link = "of1h", protocol = 0 })
  local before, began = arrived(), runtime.now()
  while runtime.now() < began + SECONDS do
    for _ = 1, 32 do from:send(frame) end
    sleep(0)
  end
  return (arrived() - before) / (runtime.now() - began)
end

local controller <const> = expect(process.spawn { argv = { process.exe(), here .. "/../../scripts/learning-switch.lua",
  socket }, pdeathsig = "TERM", stdout = "null", stderr = "null" })
measure.wait_until("the controller", function() return file.stat(socket) end)
local samples <const>, real <const> = {}, {}
for i = 1, measure.rounds(5, 1) do
  samples[i] = played()
  measure.progress("packet_ins of switches that are played, round %d: %.0f a second", i, samples[i])
end
local switch <const> = two_ports()
measure.wait_until("Open vSwitch to forward", function()
  through_open_vswitch()
  return arrived() > 100
end)
for i = 1, measure.rounds(5, 1) do
  real[i] = through_open_vswitch()
  measure.progress("frames of an Open vSwitch by the controller, round %d: %.0f a second", i, real[i])
end
switch:stop()
controller:kill()
controller:wait(10)
link.delete { name = "of1" }
link.delete { name = "of2" }
file.remove_tree(dir)
measure.hand_over { packet_in_per_s = measure.result(samples,
  ("%.0f through a real Open vSwitch"):format(measure.median(real))) }
