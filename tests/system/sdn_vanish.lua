-- Things of a software-defined network that somebody removes by hand: interfaces, namespaces, ports and bridges of Open
-- vSwitch, rows of controllers. Others go on; verify names what is gone, and makes it anew; bridges come back by
-- themselves.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"
local open_vswitch <const> = require "support.ovs"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1", probe = 1 }
net:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" }, { name = "c", node = "pm1" }, { name = "d", node = "pm2" } }
local other <const> = network.create { name = "red", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm2" }
other:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" } }
local a <const>, b <const>, c <const>, d <const> = net:get "a", net:get "b", net:get "c", net:get "d"

local function log_of(name) return lab.connection().hello.run_dir .. "/log/testbed." .. name .. ".log" end
local function answers(from, to) return from:run("ping", "-c1", "-W1", to.address) ~= nil end
local function all_reach() return answers(a, b) and answers(c, a) and answers(d, c) and answers(b, d) end
tap.ok(tap.eventually(10, all_reach), "before: the endpoints reach each other")
local full <const> = system.inventory(tb)
local function state_of(ep)
  local l <const> = link.get { name = "eth0", netns = ep.netns }
  local list = {}
  for _, one in ipairs(address.list { netns = ep.netns, link = "eth0" }) do list[#list + 1] = one.address end
  table.sort(list)
  return { l.mac, l.mtu, l.up, list }
end
local wanted <const> = state_of(a)

-- @tparam function strike removes something
-- @tparam table names what verify has to mend, as patterns, in any order; more is not to be mended
-- @tparam boolean alone whether the other endpoints of the network go on
local function vanishes(title, strike, names, alone)
  local flows <const> = { (crash.flow(other:get "a", other:get "b")), alone and crash.flow(d, c) or nil }
  strike()
  local gone <const> = not alone or tap.eventually(10, function() return not answers(a, b) end)   -- a namespace takes a moment
  local mended <const> = {}
  for i, o in ipairs(net:verify()) do mended[i] = o.verb .. " " .. o.key end
  tap.ok(gone, title .. ": which shows")
  local open, left = {}, {}
  for _, text in ipairs(mended) do open[text] = true end
  for _, pattern in ipairs(names) do
    local found
    for text in pairs(open) do found = found or text:find(pattern) and text end
    if found then open[found] = nil else left[#left + 1] = pattern end
  end
  tap.ok(#left == 0 and next(open) == nil, title .. ": verify says what it makes anew, and only that", mended, left)
  tap.ok(tap.eventually(20, all_reach), title .. ": the endpoints reach each other")
  tap.eq({ state_of(a), net:verify() }, { wanted, {} }, title .. ": with what they had; nothing is left to do")
  for _, flow in ipairs(flows) do
    local sent <const>, lost <const> = flow:stop()
    tap.ok(lost == 0, title .. ": others lose nothing", sent, lost)
  end
  system.same_inventory(full, tb, title .. ": nothing more and nothing less is there")
end

-- A bridge that somebody takes away comes back by itself.
local function comes_back(title, ovs, bridge)
  local flow <const> = crash.flow(other:get "a", other:get "b")
  local uuid <const> = ovs:vsctl("get", "bridge", bridge, "_uuid")
  ovs:vsctl("del-br", bridge)
  tap.ok(tap.eventually(30, function()
    return table.concat(ovs:bridges(), " "):find(bridge, 1, true) and ovs:vsctl("get", "bridge", bridge, "_uuid") ~= uuid
  end), title .. ": it is made again", ovs:bridges())
  tap.ok(tap.eventually(20, all_reach), title .. ": the endpoints reach each other")
  tap.eq({ state_of(a), net:verify() }, { wanted, {} }, title .. ": with what they had; nothing is left to do")
  local sent <const>, lost <const> = flow:stop()
  tap.ok(lost == 0, title .. ": others lose nothing", sent, lost)
  system.same_inventory(full, tb, title .. ": nothing more and nothing less is there")
end

for _, name in ipairs(tb.names) do
  local ovs <const>, where <const> = open_vswitch.of(node.get(name).run_dir), tb:netns(name)
  local ep <const> = name == "pm1" and a or b
  local instance <const> = node.get(name).instance
  local bridge <const> = net:facts()[name]["blue/switch-data.interface"]
  local function port() return kernel.ours(where, instance, "blue:" .. ep.name, "veth").ifname end
  local link_key <const> = ("link blue:%s/eth0"):format(ep.name)
  local began <const> = #file.read(log_of(name))

  vanishes(name .. ", an interface", function() expect(link.delete { name = port(), netns = where }) end,
    { "^create " .. link_key .. "$", "^create ovs_port " .. link_key, "^create address " }, true)
  vanishes(name .. ", a namespace", function() expect(netns.delete { path = ep.netns }) end,
    { "^create netns", "^create " .. link_key .. "$", "^create ovs_port " .. link_key, "^create address " }, true)
  vanishes(name .. ", a port of Open vSwitch", function() ovs:vsctl("del-port", bridge, port()) end, { "^create ovs_port " .. link_key .. " peer$" }, true)
  vanishes(name .. ", a controller's row", function() ovs:vsctl("del-controller", bridge) end, { "^c%l+ controller blue/switch%-data$" })
  comes_back(name .. ", a bridge of Open vSwitch", ovs, bridge)
  tap.ok(file.read(log_of(name)):find("ovs_bridge blue/switch-data: somebody has taken the bridge away: it is made again\n", began, true),
    name .. ": its log says so")
  local log <const> = file.read(log_of(name)):sub(began + 1)
  tap.ok(not log:find "traceback" and not log:find "%.lua:%d", name .. ": its log has no complaint about the program", log)
end
net:delete()
other:delete()
system.same_inventory(empty, tb, "in the end nothing is left")
for _, name in ipairs(tb.names) do
  local _, count <const> = file.read(log_of(name)):gsub("somebody has taken the bridge away", "")
  tap.eq(count, 1, name .. ": what NERV itself takes away nobody puts back")
end
tb:delete()
tap.done()
