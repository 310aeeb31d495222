-- Addresses, MAC addresses, tags and names: chosen, fixed, at their limits, and all used up.
local tap <const> = require "tap"
local system <const> = require "support.system"

local function addresses_of(net)
  local list = {}
  for i, ep in ipairs(net:endpoints()) do list[i] = ep.name .. "=" .. ep.address end
  return list
end

-- chosen and fixed
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
blue:endpoint { { name = "a" }, { name = "b", address = "10.1.0.2" }, { name = "c" }, { name = "d", address = "10.1.0.4" },
  { name = "e", address = "10.1.0.1" } }
tap.eq(addresses_of(blue), { "a=10.1.0.3", "b=10.1.0.2", "c=10.1.0.5", "d=10.1.0.4", "e=10.1.0.1" },
  "what is chosen goes around what is fixed in the same call")
blue:get("a"):delete()
tap.eq(blue:endpoint { name = "f" }.address, "10.1.0.3", "a free one is taken again")
blue:endpoint { name = "g", address = "10.1.0.254" }
tap.ok(blue:get("f"):ping(blue:get "g"), "the last address works")
tap.eq(blue:get("c").options, nil, "an endpoint has no field that its archetype does not know")
local list = blue:endpoint { { name = "z2" }, { name = "z1" } }
tap.eq({ list[1].name, list[2].name, #list }, { "z2", "z1", 2 }, "a list gives a list, in its order")
tap.eq({ list[1].address, list[2].address }, { "10.1.0.6", "10.1.0.7" }, "with addresses in its order")

-- two networks with the same range
local red <const> = network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/24" }
red:endpoint { { name = "b" }, { name = "c", address = "10.1.0.5" } }
tap.eq(addresses_of(red), { "b=10.1.0.2", "c=10.1.0.5" }, "another network may have the same addresses")
tap.ok(red:get("b").mac ~= blue:get("b").mac, "but not the same MAC address", red:get("b").mac)
tap.ok(red.ports.data.tag ~= blue.ports.data.tag, "nor the same tag")
system.refuses(function() red:endpoint { name = "m", mac = blue:get("b").mac } end, "MAC address .* is taken$",
  "a MAC address is unique in all networks")
system.refuses(function() red:endpoint { name = "m", mac = blue:get("b").mac:upper() } end, "MAC address .* is taken$",
  "in capitals, too")
red:endpoint { name = "m", mac = "02:AB:CD:EF:00:01" }
tap.eq(link.get { netns = red:get("m").netns, name = "eth0" }.mac, "02:ab:cd:ef:00:01", "a fixed MAC address is used")
tap.ok(red:get("m"):ping(red:get "b"), "and works")
red:delete_endpoints { "m" }
tap.ok(red:endpoint { name = "m2", mac = "02:ab:cd:ef:00:01" }, "and is free again with its endpoint")

-- full ranges
local function fill(subnet, size, last, full)
  local net = network.create { name = "full", archetype = "ip", subnet = subnet }
  local specs = {}
  for i = 1, size do specs[i] = { name = "e" .. i } end
  local eps = net:endpoint(specs)
  tap.eq(#eps, size, subnet .. ": all addresses can be had")
  local before = system.inventory()
  system.refuses(function() net:endpoint { name = "one-more" } end, full, subnet .. ": one more is refused")
  system.same_inventory(before, nil, subnet .. ": nothing is left of it")
  eps[size]:delete()
  before = system.inventory()
  system.refuses(function() net:endpoint { { name = "x" }, { name = "y" } } end, full,
    subnet .. ": two for one place are refused")
  system.same_inventory(before, nil, subnet .. ": nothing is left of them")
  tap.eq(net:endpoint { name = "last" }.address, last, subnet .. ": there is a place for one")
  if size > 1 then tap.ok(net:get("last"):ping(net:get "e1"), subnet .. ": the endpoints reach each other") end
  net:delete()
end
fill("10.2.0.0/29", 5, "10.2.0.6", "network full: no free address in 10.2.0.0/29: all 5 are taken$")
fill("10.2.0.8/30", 1, "10.2.0.10", "network full: no free address in 10.2.0.8/30: all 1 are taken$")
fill("10.2.0.0/31", 2, "10.2.0.1", "network full: no free address in 10.2.0.0/31: all 2 are taken$")
local gateway <const> = network.create { name = "gateway", archetype = "ip", subnet = "10.2.0.0/30" }
gateway:endpoint { { name = "a" }, { name = "b", address = "10.2.0.1" } }
tap.ok(gateway:get("a"):ping(gateway:get "b"), "the first address of a range can be had by name")
gateway:delete()
local huge <const> = network.create { name = "huge", archetype = "ip", subnet = "0.0.0.0/0" }
tap.eq(huge:endpoint { name = "a" }.address, "0.0.0.2", "the whole of IPv4 is a range, too")
huge:delete()

-- MAC addresses are the same in another lab.
local names <const> = { "h1", "h2", "a-long-name.with-dots_and-more", "x" }
local function macs_text()
  return [[
local net = network.create { name = "macs", archetype = "ip", subnet = "10.9.0.0/24" }
for _, name in ipairs { "]] .. table.concat(names, '", "') .. [[" } do print(net:endpoint { name = name }.mac) end
]]
end
local one <close> = system.state()
local two <close> = system.state()
local first, second = system.script(macs_text(), { env = one.env }), system.script(macs_text(), { env = two.env })
tap.ok(first.exit == 0 and select(2, first.stdout:gsub("\n", "")) == #names, "MAC addresses of a lab", first)
tap.eq(second.stdout, first.stdout, "are those of another lab")
for mac in first.stdout:gmatch "[^\n]+" do
  tap.like(mac, "^02:%x%x:%x%x:%x%x:%x%x:%x%x$", "a MAC address of our own: " .. mac)
end

-- names
local long <const> = ("n"):rep(62) .. "1"
local named <const> = network.create { name = long, archetype = "ip", subnet = "10.3.0.0/24" }
local specs = {}
for i, name in ipairs { ("e"):rep(62) .. "1", ("e"):rep(62) .. "2", "endpoint-of-one-kind-1", "endpoint-of-one-kind-2", "a.b-c_d",
  "0", "9.9", "eth0", "lo", "UPPER", "upper" } do
  specs[i] = { name = name }
end
local eps <const> = named:endpoint(specs)
tap.eq(#eps, #specs, "endpoints with long names, with equal beginnings, with dots and dashes")
local interfaces = {}
for _, l in ipairs(link.list { alias_prefix = "nerv:" .. lab.connection().hello.instance .. ":" .. long }) do
  interfaces[l.name] = #l.name <= 15
end
local count = 0
for _, short in pairs(interfaces) do count = short and count + 1 or count end
tap.eq(count, #specs + 1, "each has an interface of its own, of at most 15 characters, and there is a bridge")
for i = 2, #eps do
  local good, message = eps[i]:ping(eps[1])
  if not good then tap.ok(false, eps[i].name .. " works", message) end
end
tap.ok(eps[1]:ping(eps[2]), "all of them work")
local cousin <const> = network.create { name = ("n"):rep(62) .. "2", archetype = "ip", subnet = "10.3.0.0/24" }
cousin:endpoint { name = ("e"):rep(62) .. "1" }
tap.eq(named:verify(), {}, "a network with an equal beginning does not disturb it")
cousin:delete()
tap.eq(named:verify(), {}, "nor does its end")
named:delete_endpoints { ("e"):rep(62) .. "1" }
tap.ok(eps[2]:ping(eps[3]), "nor that of an endpoint with an equal beginning")
tap.eq(named:verify(), {}, "all is as it is wanted")
named:delete()
local dashes <const> = network.create { name = "a-b", archetype = "bridge" }
local other <const> = network.create { name = "a", archetype = "bridge" }
other:endpoint { { name = "b.c" }, { name = "b-c" } }
dashes:endpoint { { name = "c" }, { name = "b.c" } }
other:delete()
tap.eq(dashes:verify(), {}, "names that read alike are not confused")
dashes:delete()

-- tags
local short <close> = system.state()
short.env.NERV_TAGS = "200-201"
local result = system.script([[
for i = 1, 2 do print(network.create { name = "n" .. i, archetype = "bridge" }.ports.data.tag) end
local good, message = pcall(network.create, { name = "n3", archetype = "bridge" })
print(good, message)
network.get("n1"):delete()
print(network.create { name = "n3", archetype = "bridge" }.ports.data.tag)
]], { env = short.env })
tap.eq(result.stdout:gsub("%S*script.lua:%d+: ", ""), "200\n201\nfalse\tno free VLAN tag in 200-201\n200\n", "tags come from their range")
local bad <close> = system.state()
for _, range in ipairs { "x", "5-4", "0-10", "10-4095", "1-2-3" } do
  bad.env.NERV_TAGS = range
  system.fails([[network.create { name = "n", archetype = "bridge" }]], 1, "NERV_TAGS must be FIRST%-LAST",
    "a range of tags that is none: " .. range, { env = bad.env })
end

blue:delete()
red:delete()
tap.done()
