-- Needs of kind flow, group, meter and controller as archetype.expand checks them: without privileges, and before anything is touched.
local tap <const> = require "tap"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <const> = file.temp_dir "flow-"
  expect(file.write(dir .. "/tried.lua", [==[
return archetype { name = "tried", summary = "for a test", uses = { "ovs" }, ports = { "data" },
  network = { try = { type = "any", required = true, doc = "list of { kind, properties }; words stand for needs" } },
  on_network = function(need, net)
    local lan = need.network { archetype = "ovs", name = "lan", port = "data", fail_mode = "secure" }
    return { lan = lan, bridge = lan.made.bridge, crossing = lan.made.crossing }
  end,
  on_endpoint = function(need, net, ep)
    local nic = net.made.lan:endpoint {}
    local words = { BRIDGE = net.made.bridge, PORT = nic.port, CROSSING = net.made.crossing, LINK = nic.link, INDEX = nic.link.ifindex }
    words.OTHER = need.ovs_bridge { name = "other" }
    words.ELSEWHERE = need.group { bridge = words.OTHER, group = 1 }
    local function filled(value)
      if type(value) ~= "table" then return words[value] or value end
      local copy = {}
      for k, v in pairs(value) do copy[k] = filled(v) end
      return copy
    end
    for i, one in ipairs(net.try) do
      local p = filled(one[2])
      p.bridge = p.bridge or net.made.bridge
      words[tostring(i)] = need[one[1]](p)
    end
    return nic
  end }
]==]))
  file.chmod(dir, 493)
  local result = process.spawn { argv = { process.exe(), arg[0] }, add_env = { NERV_PATH = dir } }:wait()
  file.remove_tree(dir)
  os.exit(result.exit or 1)
end

local PLACE <const> = { edge = { port = 1, interface = "eth1" }, endpoints = { { name = "a" } } }
local function expand(try) return archetype.expand("tried", { try = try }, PLACE) end
local function keys(try)
  local list <const> = {}
  for _, need in ipairs(expand(try)) do
    local is_ours <const> = need.key:find "^flow" or need.key:find "^group" or need.key:find "^meter"
    if is_ours and not need.key:find "other" then list[#list + 1] = need.key end
  end
  return list
end

-- what they are
tap.eq(keys { { "flow", { match = { in_port = "PORT", eth_type = 0x0806 }, actions = { { output = "CROSSING" } } } } },
  { "flow tried/switch-data 0/32768 eth_type=2054,in_port=tried:a/eth0 peer" }, "a flow is known by table, priority and match, a port by its name")
tap.eq(keys { { "meter", { meter = 3, bands = { { drop = 100 } } } }, { "group", { group = 4, buckets = { { actions = { { output = "PORT" } } } } } },
  { "flow", { table = 2, priority = 7, match = { eth_type = "0x0800", ipv4_dst = "10.0.0.0/8" }, meter = "1", actions = { { group = "2" } } } } },
  { "meter tried/switch-data 3", "group tried/switch-data 4", "flow tried/switch-data 2/7 eth_type=2048,ipv4_dst=10.0.0.0/8" },
  "a group and a meter by their numbers")
tap.eq({ keys { { "flow", { match = { eth_type = "0x0806" } } } }, keys { { "flow", {} } } },
  { { "flow tried/switch-data 0/32768 eth_type=2054" }, { "flow tried/switch-data 0/32768 any" } }, "however a match is written")
local flow
for _, need in ipairs(expand { { "flow", { match = { in_port = "PORT" }, actions = { { output = "normal" } } } } }) do
  if need.kind == "flow" then flow = need.properties end
end
tap.eq({ flow.match.in_port.kind, flow.bridge.kind, flow.id }, { "ovs_port", "ovs_bridge", "tried:a" }, "its properties hold needs")

-- what cannot be
local function refused(try, pattern, title)
  tap.raises(function() expand(try) end, "archetype tried, endpoint tried:a: archetypes/tried.lua:%d+: " .. pattern, title)
end
local function flow_refused(p, pattern, title) refused({ { "flow", p } }, "need.flow: " .. pattern, title) end
flow_refused({ match = { ipv4_scr = "10.0.0.1" } }, "match: unknown field 'ipv4_scr'; did you mean 'ipv4_src'%?$", "an unknown field")
flow_refused({ match = { ipv4_src = "10.0.0.1" } }, "match.ipv4_src: needs eth_type = 0x0800 beside it$", "a field without what it needs")
flow_refused({ match = { eth_type = 0x12345 } }, "match.eth_type: an integer of 16 bits is expected, not '74565'$", "a field out of range")
flow_refused({ match = { eth_dst = "somebody" } }, "match.eth_dst: .*expected, not 'somebody'", "a field of another type")
flow_refused({ actions = { { outptu = 1 } } }, "actions%[1%]: unknown 'outptu'; did you mean 'output'%?$", "an unknown action")
flow_refused({ actions = { { output = "contoller" } } }, "actions%[1%].output: .*did you mean 'controller'%?$", "an unknown port")
flow_refused({ actions = { { set_field = { eth_scr = "02:00:00:00:00:01" } } } }, ".*did you mean 'eth_src'%?$", "an unknown field that is to be set")
flow_refused({ prioritty = 5 }, "unknown property 'prioritty'; did you mean 'priority'%?$", "an unknown property")
flow_refused({ priority = 65536 }, "priority: an integer of 16 bits is expected, not '65536'$", "a priority out of range")
flow_refused({ table = "all" }, "table: a number is expected$", "no single table")
flow_refused({ bridge = 5 }, "property 'bridge': an ovs_bridge is expected$", "no bridge")
flow_refused({ bridge = "LINK" }, "property 'bridge': an ovs_bridge is expected$", "another thing as bridge")
flow_refused({ match = { in_port = "LINK" } }, "a link is no port of the bridge: hand on an ovs_port, which need.attachment returns as `port`$",
  "a link as port")
flow_refused({ actions = { { output = "INDEX" } } }, "link .*.ifindex is known only to the system$", "what is not known yet")
flow_refused({ bridge = "OTHER", match = { in_port = "PORT" } }, "ovs_port link tried:a/eth0 peer is on another bridge, ovs_bridge tried/switch%-data$",
  "a port of another bridge")
flow_refused({ actions = { { group = "ELSEWHERE" } } }, "group tried:a/other 1 is on another bridge, ovs_bridge tried:a/other$", "a group of another bridge")
refused({ { "group", { group = 1, type = "fast_failover" } } }, "need.group: type: .*\"all\", \"select\", \"indirect\", \"ff\" is expected", "an unknown type of group")
refused({ { "group", {} } }, "need.group: property 'group' is missing %(its number%)$", "a group without number")
refused({ { "group", { group = "all" } } }, "need.group: group: a number is expected$", "all groups")
refused({ { "group", { group = 1, buckets = { { actoins = {} } } } } }, "need.group: buckets%[1%]: unknown option 'actoins'; did you mean 'actions'%?$",
  "an unknown item of a bucket")
refused({ { "meter", { meter = 1, bands = { { dorp = 5 } } } } }, "need.meter: bands%[1%]: unknown 'dorp'; did you mean 'drop'%?$", "an unknown band")
refused({ { "meter", { meter = 1, flags = { kbsp = true } } } }, "need.meter: flags: unknown flag 'kbsp'.*did you mean 'kbps'%?$", "an unknown flag")
refused({ { "meter", { meter = "slowpath" } } }, "need.meter: meter: a number is expected$", "a meter that is no number")
refused({ { "flow", { match = {}, actions = { { output = 1 } } } }, { "flow", { match = {}, actions = { { output = 2 } } } } },
  "two needs contradict each other: flow tried/switch%-data 0/32768 any is wanted twice, with different properties: actions$", "two flows in one place")

-- where controllers are
local PLACES <const> = '"tcp:ADDRESS:PORT", "ssl:ADDRESS:PORT" or "unix:${ovs}/NAME" is expected'
local function nowhere(target, problem, name, given)
  local good, message = pcall(archetype.expand, name or "ovs", given or { controllers = { target } }, PLACE)
  tap.ok(not good and message:find(("need.controller: target %q: %s"):format(target, problem), 1, true), "no controller's place: " .. target, message)
end
for _, target in ipairs { "foo", "udp:192.0.2.7:6653", "ptcp:6653", "unix:/run/x", "tcp:" } do nowhere(target, PLACES) end
for _, where in ipairs { "192.0.2.7", "nohost:6653", "192.0.2.7:65536", "2001:db8::7:6653" } do
  nowhere("tcp:" .. where, ("bad address %q: \"ADDRESS:PORT\" is expected, an IPv6 address in brackets"):format(where))
end
nowhere("ssl:192.0.2.700:6653", "bad address \"192.0.2.700\"")
nowhere("tcp:192.0.2.7:0", "a port is a number from 1 to 65535")
nowhere("tcp:nohost:6653", "bad address", "sdn", { controller = "tcp:nohost:6653" })
for _, target in ipairs { "tcp:192.0.2.7:6653", "ssl:[2001:db8::7]:1", "unix:${ovs}/mine" } do
  tap.ok(archetype.expand("ovs", { controllers = { target } }, PLACE), "a controller's place: " .. target)
end

-- what help says
for name, words in pairs { flow = { "in_port", "goto_table", "(required)" }, group = { "buckets", "all, select, indirect or ff" },
    meter = { "bands", "one of kbps and pktps" } } do
  local text <const> = process.run { argv = { process.exe(), "-e", ("help %q"):format(name) } }.stdout
  for _, word in ipairs(words) do tap.ok(text:find(word, 1, true), ("help %q: %s"):format(name, word), text) end
end
tap.done()
