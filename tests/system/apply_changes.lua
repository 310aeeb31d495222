-- apply: the way from one configuration to another on two nodes. The dry run lists what is then done, the system is
-- as the file says, a second time changes nothing, and export gives the file back.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local text <const> = require "nerv.configuration.text"

local dir <const> = system.directory()
local path <const> = dir.path .. "/lab.lua"

local function texts(changes)
  local list = {}
  for _, change in ipairs(changes) do
    for _, line in ipairs(system.texts(change.operations)) do list[#list + 1] = change.text .. ": " .. line end
  end
  table.sort(list)
  return list
end

local function count_changes() return #lab.state():list "Change" end

-- Applies; `how` = { changes = how many Changes, plan = false where nodes are still to come }.
local function apply(title, conf, how)
  how = how or {}
  conf.version = 1
  file.write(path, text.write(conf))
  local before = count_changes()
  local planned = configuration.apply(path, { dry_run = true })
  tap.eq(count_changes(), before, title .. ": the dry run changes nothing")
  local done = configuration.apply(path)
  if how.plan ~= false then tap.eq(texts(done), texts(planned), title .. ": it lists what is done") end
  tap.eq(#done, how.changes or #done, title .. ": in so few changes", texts(done))
  for _, net in ipairs(network.list()) do tap.eq(net:verify(), {}, title .. ": the system has network " .. net.name) end
  tap.eq(configuration.apply(path), {}, title .. ": a second time changes nothing")
  local back = text.write(configuration.export())
  if how.back ~= false then tap.eq(back, text.write(conf), title .. ": export gives it back") end
  tap.eq(configuration.apply(configuration.export { pin = true }), {}, title .. ": pinned, the same again")
  return done
end

local bed <const> = { archetype = "testbed", count = 2, rate = "1gbit" }
local function blue(more, endpoints)
  local net = { archetype = "ip", home = "pm1", subnet = "10.1.0.0/24", endpoints = endpoints or
    { h1 = { node = "pm1" }, h2 = { node = "pm2" }, h3 = { node = "pm2", address = "10.1.0.77" } } }
  for key, value in pairs(more or {}) do net[key] = value end
  return net
end
local function both(net, more)
  local conf = { networks = { tb = bed, blue = net } }
  for name, other in pairs(more or {}) do conf.networks[name] = other end
  return conf
end
-- The kernel tells bridges of new ports a second late, when there are many.
local function reach(title, count)
  local rows, why
  tap.eventually(10, function()
    rows, why = commands.pingall()
    return rows
  end)
  tap.ok(rows and #rows == count, title .. ": all reach each other", why)
end

-- from nothing, and on
apply("from nothing", both(blue()), { changes = 2, plan = false })
reach("from nothing", 6)
local former <const> = file.stat(network.get("blue"):get("h2").netns).ino
apply("options", both(blue { mtu = 1400, gateway = true, dns = true }), { changes = 1 })
tap.eq(network.get("blue").mtu, 1400, "options: they are there")
apply("an option less", both(blue { gateway = true }), { changes = 1 })
tap.eq({ network.get("blue").mtu, network.get("blue").dns }, { 1500, false }, "an option less: the defaults are back")
apply("another home", both(blue { home = "pm2", gateway = true }), { changes = 1 })
apply("another archetype", both { archetype = "bridge", home = "pm2", stp = true,
  endpoints = { h1 = { node = "pm1" }, h2 = { node = "pm2" }, h3 = { node = "pm2" } } }, { changes = 1, back = false })
tap.eq(network.get("blue").archetype, "bridge", "another archetype: it is")
apply("and back", both(blue()), { changes = 1 })
tap.eq(file.stat(network.get("blue"):get("h2").netns).ino, former, "and back: an endpoint is still the same")
tap.eq(network.get("blue"):get("h3").address, "10.1.0.77", "and back: with its address")
reach("and back", 6)

-- endpoints
local function endpoints(list) return blue(nil, list) end
apply("an endpoint more and one less", both(endpoints { h1 = { node = "pm1" }, h2 = { node = "pm2" }, h4 = { node = "pm1" } }), { changes = 1 })
apply("an address goes from one to another that is new", both(endpoints {
  h1 = { node = "pm1", address = "10.1.0.50" }, h2 = { node = "pm2" } }), { changes = 1 })
apply("and from one that goes", both(endpoints { h5 = { node = "pm2", address = "10.1.0.50" }, h2 = { node = "pm2" } }), { changes = 1 })
apply("fixed addresses", both(endpoints { a = { node = "pm1", address = "10.1.0.60" }, b = { node = "pm2", address = "10.1.0.61" } }), { changes = 1 })
apply("two endpoints exchange their addresses", both(endpoints { a = { node = "pm1", address = "10.1.0.61" },
  b = { node = "pm2", address = "10.1.0.60" } }), { changes = 1 })
reach("exchanged", 2)
tap.eq(network.get("blue"):get("a").address, "10.1.0.61", "exchanged: by name")
apply("another range, with the fixed addresses in it", both { archetype = "ip", home = "pm1", subnet = "10.2.0.0/24",
  endpoints = { a = { node = "pm1", address = "10.2.0.61" }, b = { node = "pm2", address = "10.2.0.60" }, c = { node = "pm2" } } }, { changes = 1 })
reach("another range", 6)
apply("another node", both(endpoints { a = { node = "pm2" }, b = { node = "pm1" } }), { changes = 1 })
tap.eq({ network.get("blue"):get("a").node, network.get("blue"):get("b").node }, { "pm2", "pm1" }, "another node: both have moved")
reach("another node", 2)
apply("MAC address, MTU, rate", both(endpoints { a = { node = "pm2", mac = "02:00:00:00:00:0a", mtu = 1300, rate = "20mbit" },
  b = { node = "pm1" } }), { changes = 1 })
local nic <const> = link.get { netns = network.get("blue"):get("a").netns, name = "eth0" }
tap.eq({ nic.mac, nic.mtu, network.get("blue"):get("a").rate }, { "02:00:00:00:00:0a", 1300, 20e6 }, "MAC address, MTU, rate: in the kernel")
apply("other kinds of endpoints", both(endpoints { a = { node = "pm2", kind = "tap" }, b = { node = "pm1" } }), { changes = 1 })
tap.eq(network.get("blue"):get("a").kind, "tap", "other kinds: a tap")
apply("and back", both(endpoints { a = { node = "pm2", mac = "02:00:00:00:00:0a" }, b = { node = "pm1" } }), { changes = 1 })
reach("and back", 2)

-- several networks
local red <const> = { archetype = "ip", home = "pm2", subnet = "10.1.0.0/24", endpoints = { r1 = { node = "pm1" }, r2 = { node = "pm2" } } }
apply("a second network", both(blue(), { red = red }), { changes = 2 })
reach("a second network", 8)
apply("one is called otherwise, with the same MAC addresses", both { archetype = "ip", subnet = "10.1.0.0/24", home = "pm1",
  endpoints = { x = { node = "pm1", mac = "02:00:00:00:01:01" } } }, { changes = 2 })
apply("renamed", { networks = { tb = bed, green = { archetype = "ip", subnet = "10.1.0.0/24", home = "pm1",
  endpoints = { x = { node = "pm1", mac = "02:00:00:00:01:01" } } } } }, { changes = 2 })
apply("a MAC address goes over to a network that is there", { networks = { tb = bed,
  anew = { archetype = "bridge", endpoints = { y = { mac = "02:00:00:00:01:02" } } },
  green = { archetype = "bridge", home = "pm1", endpoints = { x = { node = "pm1", mac = "02:00:00:00:01:01" } } } } }, { changes = 2 })
apply("from the later one to the earlier one", { networks = { tb = bed,
  anew = { archetype = "bridge", endpoints = { y = { mac = "02:00:00:00:01:01" } } },
  green = { archetype = "bridge", home = "pm1", endpoints = { x = { node = "pm1", mac = "02:00:00:00:01:03" } } } } }, { changes = 2 })
tap.raises(function() configuration.apply { networks = { tb = bed,
  anew = { archetype = "bridge", endpoints = { y = { mac = "02:00:00:00:01:03" } } },
  green = { archetype = "bridge", home = "pm1", endpoints = { x = { node = "pm1", mac = "02:00:00:00:01:01" } } } } } end,
  "configuration: networks%.anew: MAC address 02:00:00:00:01:03 is taken", "two networks cannot exchange MAC addresses in one step")

-- the testbed itself
apply("nodes more", { networks = { tb = { archetype = "testbed", count = 3, rate = "1gbit" }, blue = blue(nil, { h1 = { node = "pm1" }, h2 = { node = "pm3" } }) } },
  { plan = false })
reach("nodes more", 2)
apply("nodes less", { networks = { tb = { archetype = "testbed", count = 1, rate = "100mbit", egress = "dedicated" },
  blue = blue(nil, { h1 = { node = "pm1" }, h2 = { node = "pm1" } }) } }, { changes = 2 })
tap.eq({ #node.list(), node.get("pm1").egress[1].mode }, { 2, "dedicated" }, "nodes less: their rows are gone, the other leaves otherwise")
apply("no testbed", { networks = { blue = { archetype = "ip", subnet = "10.1.0.0/24", endpoints = { h1 = {}, h2 = {} } } } }, { changes = 2 })
tap.eq(#node.list(), 1, "no testbed: one node")
reach("no testbed", 2)
apply("nothing", { networks = {} }, { changes = 1 })
tap.eq(network.list(), {}, "nothing: it is")
file.remove_tree(dir.path)
tap.done()
