-- A network goes sdn -> etarch -> ovs -> sdn: the bridges of Open vSwitch stay, with their ports and those's numbers, and
-- so do the endpoints. What a controller has told them goes with it.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local open_vswitch <const> = require "support.ovs"
local titles <const> = require "support.titles"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm1" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"
local switches <const> = {}
for _, name in ipairs(tb.names) do switches[name] = open_vswitch.of(node.get(name).run_dir) end
local function reach() return tap.eventually(15, function() return h1:run("ping", "-c1", "-W1", h2.address) ~= nil end) end

-- What must stay: bridges and ports as the kernel and Open vSwitch know them.
local function stock()
  local all = {}
  for name, ovs in pairs(switches) do
    for _, bridge in ipairs(ovs:bridges()) do
      local one = { bridge = bridge, uuid = ovs:vsctl("get", "bridge", bridge, "_uuid"), dpid = ovs:vsctl("get", "bridge", bridge, "datapath_id") }
      for _, port in ipairs(ovs:ports(bridge)) do
        one[port] = { ovs:vsctl("get", "interface", port, "ofport"), link.get { netns = tb:netns(name), name = port }.index,
          ovs:vsctl("get", "port", port, "_uuid") }
      end
      all[name .. " " .. bridge] = one
    end
  end
  return all
end
local function dump(name, what)
  local ovs <const> = switches[name]
  return ovs:ofctl("dump-" .. what, ovs:bridges()[1])
end
local former <const> = stock()
tap.ok(reach(), "sdn: they reach each other")
tap.ok(dump("pm1", "flows"):find "CONTROLLER" and dump("pm2", "flows"):find "CONTROLLER", "sdn: flows of its controller")

net:update { archetype = "etarch" }
tap.eq(stock(), former, "etarch: bridges, ports and their numbers stay")
tap.eq(net:verify(), {}, "etarch: nothing is to be mended")
do
  local alice <close> = expect(entity.register { title = "alice", netns = h1.netns, tries = 20 })
  local bob <close> = expect(entity.register { title = "bob", netns = h2.netns, tries = 20 })
  tap.eq({ alice:create("room", { bandwidth = "2mbit" }), bob:attach "room" }, { true, true }, "etarch: entities in a workspace")
  alice:send("room", "hello\n")
  tap.eq(titles.drain(bob, 1), { "room: hello\n" }, "etarch: and a message")
end
local text = dump("pm1", "flows")
tap.ok(text:find "0x0880" and not text:find("dl_dst=" .. h1.mac), "etarch: nothing is left of the former controller", text)
tap.ok(dump("pm1", "groups"):find "group_id=" and dump("pm1", "meters"):find "meter=", "etarch: the workspace has a group and a meter")

net:update { archetype = "ovs" }
tap.eq(stock(), former, "ovs: bridges, ports and their numbers stay")
for _, name in ipairs(tb.names) do
  text = dump(name, "flows")
  local _, count = text:gsub("cookie=", "")
  tap.ok(count == 1 and text:find "priority=0 actions=NORMAL", name .. ": it switches by itself", text)
  tap.ok(not dump(name, "groups"):find "group_id=" and not dump(name, "meters"):find "meter=", name .. ": and no group or meter is left")
end
tap.eq(net:verify(), {}, "ovs: nothing is to be mended")

net:update { archetype = "sdn" }
tap.eq(stock(), former, "sdn again: bridges, ports and their numbers stay")
tap.ok(reach(), "sdn again: they reach each other")
tap.eq(net:verify(), {}, "sdn again: nothing is to be mended")

-- Another controller in the place of this one starts with an empty switch.
for name, ovs in pairs(switches) do
  ovs:ofctl("add-flow", ovs:bridges()[1], "priority=9,dl_type=0x88b5,actions=drop")
  tap.ok(dump(name, "flows"):find "0x88b5", name .. ": something that a controller has said")
end
net:update { controller = "ovs-testcontroller" }
for _, name in ipairs(tb.names) do tap.ok(not dump(name, "flows"):find "0x88b5", name .. ": another controller does not find it") end
tap.eq(stock(), former, "bridges, ports and their numbers stay")
tap.ok(reach(), "they reach each other")

net:delete()
system.same_inventory(empty, tb, "in the end nothing is left")
tb:delete()
tap.done()
