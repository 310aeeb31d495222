-- What an agent that died at the wrong moment left is removed by the next one: links that have no mark yet,
-- addresses, routes and neighbours that nobody wants any more. What others made there stays.
local tap <const> = require "tap"
local crash <const> = require "support.crash"

-- What marks NERV's addresses, routes and neighbours.
local OURS <const> = 0x6e

local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", gateway = true }
local a <const>, b <const> = table.unpack(blue:endpoint { { name = "a" }, { name = "b" } })
blue:endpoint { name = "t", kind = "tap", rate = "8mbit" }
local processes <const> = { lab = crash.processes().lab }

local function bridge()
  for _, l in ipairs(link.list()) do
    if l.kind == "bridge" and (l.alias or ""):find ":blue$" then return l end
  end
end

local function shaper()
  for _, l in ipairs(link.list()) do
    if l.kind == "ifb" and l.name:find "^%w+%-" then return l end
  end
end

local function names(list, field)
  local found = {}
  for i, one in ipairs(list) do found[i] = one[field] end
  return table.concat(found, " ")
end

-- As the agent makes them: name and MAC address tell the instance, the alias comes after.
local mac <const> = bridge().mac:sub(1, 9)
assert(link.add { kind = "bridge", name = "lan-0000001", mac = mac .. "00:00:01" })
assert(link.add { kind = "veth", name = "lan-0000002", mac = mac .. "00:00:02",
  peer = { name = "lan-0000003", mac = mac .. "00:00:03" } })
assert(link.add { kind = "bridge", name = "lan-0000004", mac = "06:00:00:00:00:01" })
assert(link.add { kind = "bridge", name = "others", mac = mac .. "00:00:05" })
assert(link.set { name = bridge().name, alias = "" })
assert(link.set { name = shaper().name, alias = "" })
for _, proto in ipairs { OURS, 0x70 } do
  local n = proto & 0xf
  assert(address.add { netns = a.netns, link = "eth0", address = ("10.9.%d.1/24"):format(n), proto = proto })
  assert(route.add { netns = a.netns, to = ("10.8.%d.0/24"):format(n), link = "eth0", protocol = proto })
  assert(neighbour.add { netns = a.netns, link = "eth0", address = ("10.1.0.%d"):format(100 + n),
    mac = "02:00:00:00:00:09", protocol = proto })
end
-- A port that somebody put into another bridge.
local port
for _, l in ipairs(link.list()) do
  if (l.alias or ""):find ":blue:b$" then port = l.name end
end
assert(link.set { name = port, master = "others" })

local former <const> = { lab = processes.lab() }
crash.signal({ former.lab }, "KILL")
tap.ok(crash.restarted(processes, former), "another agent")
for _, name in ipairs { "lan-0000001", "lan-0000002", "lan-0000003" } do
  tap.ok(not link.get { name = name }, name .. ", half made, is gone")
end
for _, name in ipairs { "lan-0000004", "others" } do tap.ok(link.get { name = name }, name .. " is not ours and stays") end
tap.ok(bridge(), "the bridge that lost its mark is made anew")
tap.ok((shaper().alias or ""):find ":blue:t$", "so is an endpoint's shaper", shaper())
tap.eq(link.get({ name = port }).master, bridge().name, "the port is in its bridge")
tap.eq(names(address.list { netns = a.netns, link = "eth0" }, "address"), a.address .. "/24 10.9.0.1/24",
  "only the address that nobody wants is gone")
tap.eq(names(route.list { netns = a.netns, protocol = OURS }, "to"), "default", "so is the route")
tap.ok(#route.list { netns = a.netns, protocol = 0x70 } == 1, "that of somebody else stays")
tap.eq(names(neighbour.list { netns = a.netns, state = "permanent" }, "address"), "10.1.0.100", "so it is with neighbours")
tap.ok(a:ping(b), "the network works")
tap.eq(blue:verify(), {}, "nothing is left to mend")

local anatomy <const> = crash.anatomy()
blue:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
for _, name in ipairs { "lan-0000004", "others" } do assert(link.delete { name = name }) end
tap.done()
