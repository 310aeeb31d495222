-- `ovs = "system"`: networks on an Open vSwitch that the machine runs, in user space and with no offloads: TCP works, what
-- is not ours stays as it is, and nothing of ours is left, whoever dies.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local open_vswitch <const> = require "support.ovs"

local DIR <const> = "/run/openvswitch"
if file.stat(DIR .. "/db.sock") or file.stat "/sys/module/openvswitch" then
  tap.skip("the system's Open vSwitch", "the machine runs one, or has a datapath in the kernel")
  tap.done()
  return
end
file.mkdir(DIR)
do
  local ovs <close> = open_vswitch.start(DIR)
  ovs:bridge "theirs"
  ovs:host("theirs", "ofh1", 1, "10.0.0.1")
  ovs:host("theirs", "ofh2", 2, "10.0.0.2")
  ovs:ofctl("add-flow", "theirs", "actions=normal")
  tap.ok(open_vswitch.ping("ofh1", "10.0.0.2"), "before: somebody's hosts reach each other")
  local function theirs() return ovs:vsctl "show" .. ovs:vsctl("list", "bridge", "theirs") .. ovs:ofctl("dump-flows", "theirs", "--no-stats") end
  local former <const> = theirs():gsub("status +:[^\n]*", "")
  local function untouched(title)
    tap.eq((theirs():gsub("status +:[^\n]*", "")), former, title .. ": what is not ours is as it was")
    tap.eq(ovs:vsctl("--bare", "--columns=_uuid", "list", "qos"), "", title .. ": nothing of ours is left")
    tap.ok(open_vswitch.ping("ofh1", "10.0.0.2"), title .. ": it works")
  end

  local dir <close> = system.directory()
  local config <const> = system.write(dir.path, "nerv.lua", 'return { ovs = "system" }')
  local state <close> = system.state()
  local env <const> = { NERV_PATH = dir.path }
  for name, value in pairs(state.env) do env[name] = value end
  local function lab_with(text)
    return system.nervsh({ "--config", config, system.write(dir.path, "script.lua", text) }, { env = env })
  end
  local MAKE <const> = [[
local net = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24" }
local h = net:endpoint { { name = "a" }, { name = "b", rate = "80mbit" } }
]]
  local result = lab_with(MAKE .. [[
expect(timeout(20, function() repeat until h[1]:ping(h[2], 1) return true end))
local server = h[2]:spawn("iperf3", "-s", "-1")
local limit = runtime.now() + 20
local text repeat text = h[1]:run("iperf3", "-c", h[2].address, "-t", "1") until text or runtime.now() > limit
expect(text, "TCP")
server:wait()
local facts = net:facts()[net.home]
print(facts["blue/switch-data.datapath"], facts["blue/switch-data.offload"], #net:verify())
ethtool.set { link = "eth0", netns = h[1].netns, tx_checksum = true }
print(#net:verify(), ethtool.get { link = "eth0", netns = h[1].netns }.tx_checksum)
net:update { archetype = "ip" }
print(ethtool.get { link = "eth0", netns = h[1].netns }.tx_checksum, h[1]:ping(h[2], 1) ~= nil, #net:verify())
net:delete()
]])
  tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "netdev\tchecksum off\t0\n1\tfalse\ntrue\ttrue\t0\n", "" },
    "endpoints there, TCP, what shows, what is mended, and back to a Linux bridge")
  untouched "a network that was deleted"
  tap.eq(state:left(), {}, "nothing else is left")

  -- flows that an archetype wants: the system's daemon dies, and its successor is told them again
  local guide <const> = file.read "archetypes/README.md"
  system.write(dir.path, "guarded.lua", guide:match "\n```lua\n(return archetype {\n  name = \"guarded\".-)```\n")
  file.chmod(dir.path, 493)
  local made <const>, told <const> = dir.path .. "/made", dir.path .. "/told"
  local guarded <const> = task.spawn(lab_with, ([[
local net = network.create { name = "blue", archetype = "guarded", subnet = "10.1.0.0/24" }
local h = net:endpoint { { name = "a" }, { name = "b" } }
local function reach() return timeout(20, function() repeat until h[1]:ping(h[2], 1) return true end) end
local bridge = net:facts()[net.home]["blue/switch-data.interface"]
local function dump() return process.run { argv = { "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", bridge } }.stdout end
expect(reach())
local former = select(2, dump():gsub("cookie=", ""))
file.write(%q, "")
repeat sleep(0.02) until file.stat(%q)
local limit = runtime.now() + 20
repeat sleep(0.02) until select(2, dump():gsub("cookie=", "")) == former or runtime.now() > limit
print(former, select(2, dump():gsub("cookie=", "")), reach(), #net:verify())
net:delete()
]]):format(made, told))
  tap.ok(tap.eventually(20, function() return file.stat(made) end), "a network with flows")
  ovs.vswitchd:kill "KILL"
  ovs.vswitchd:wait()
  ovs:start_daemon()
  file.write(told, "")
  result = guarded:wait()
  tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "4\t4\ttrue\t0\n", "" }, "the system's daemon is killed: the next one is told the flows")
  ovs:ofctl("add-flow", "theirs", "actions=normal")   -- its owner's business
  untouched "that"

  result = lab_with(MAKE .. [[
cgroup.kill(cgroup.root() .. "/nerv-" .. lab.connection().hello.instance)
process.adopt(lab.connection().hello.pid):kill "KILL"
process.adopt(process.self()):kill "KILL"
]])
  tap.ok(result.signal == 9 and ovs:vsctl "list-br":find "\n.*\n", "a lab is killed with all its processes", result, ovs:vsctl "list-br")
  require("nerv.instance").clean(state.path)
  untouched "after clean"
  tap.ok(not file.stat(DIR .. "/nerv-" .. state.id), "nor a socket")
end
file.remove_tree(DIR)
tap.done()
