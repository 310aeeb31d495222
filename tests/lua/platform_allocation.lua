-- What must be unique: tags, ports, addresses, MAC addresses, link groups.
local tap <const> = require "tap"
local allocation <const> = require "nerv.allocation"

-- A state that knows these allocations: "scope=value".
local function picker(...)
  local taken = {}
  for _, text in ipairs { ... } do taken[text] = true end
  return allocation.new { is_allocated = function(_, scope, value) return taken[scope .. "=" .. value] ~= nil end }
end

-- addresses
local p = picker("address blue=10.1.0.3", "address red=10.1.0.2", "address blue=10.1.0.4")
local value, row = p:address("blue", "10.1.0.0/29")
tap.eq({ value, row }, { "10.1.0.2", "allocation1" }, "the first free one")
tap.eq(p:address("blue", "10.1.0.0/29"), "10.1.0.5", "the next one skips what is taken")
tap.eq(p:address("blue", "10.1.0.0/29"), "10.1.0.6", "and the last one")
tap.eq({ p:address("blue", "10.1.0.0/29") }, { nil, "network blue: no free address in 10.1.0.0/29: all 5 are taken" }, "then the range is full")
tap.eq(p:address("red", "10.1.0.0/29"), "10.1.0.3", "another network has its own")
tap.eq(#p.operations, 4, "each is a row of the transaction")
tap.eq(p.operations[1], { op = "insert", table = "Allocation", uuid_name = "allocation1", row = { scope = "address blue",
  value = "10.1.0.2" } }, "which names scope and value")
tap.eq(picker():address("x", "10.0.0.8/30"), "10.0.0.10", "a range of four has one")
tap.eq({ picker("address x=10.0.0.10"):address("x", "10.0.0.8/30") }, { nil, "network x: no free address in 10.0.0.8/30: all 1 are taken" },
  "and then none")
p = picker()
tap.eq({ (p:address("x", "10.0.0.8/31")), (p:address("x", "10.0.0.8/31")) }, { "10.0.0.8", "10.0.0.9" }, "a range of two has two")
p = picker()
tap.eq({ (p:address("x", "10.0.0.8/32")), (select(2, p:address("x", "10.0.0.8/32"))) },
  { "10.0.0.8", "network x: no free address in 10.0.0.8/32: all 1 are taken" }, "a range of one has one")

-- fixed addresses
p = picker("address blue=10.1.0.3")
tap.eq(p:fixed_address("blue", "10.1.0.0/24", "10.1.0.1"), "10.1.0.1", "a fixed one, where none would be chosen")
tap.eq(p:fixed_address("blue", "10.1.0.0/24", "10.1.0.2"), "10.1.0.2", "one that would be chosen")
tap.eq(p:address("blue", "10.1.0.0/24"), "10.1.0.4", "is not chosen then")
for address, why in pairs { ["10.1.0.3"] = "network blue: address 10.1.0.3 is taken",
  ["10.1.0.2"] = "network blue: address 10.1.0.2 is taken",
  ["10.1.1.1"] = "network blue: address 10.1.1.1 is not in 10.1.0.0/24",
    ["10.1.0.0"] = "network blue: address 10.1.0.0 is the network address of 10.1.0.0/24",
  ["10.1.0.255"] = "network blue: address 10.1.0.255 is the broadcast address of 10.1.0.0/24" } do
  tap.eq({ p:fixed_address("blue", "10.1.0.0/24", address) }, { nil, why }, why)
end
p = picker("address blue=fd00::2")
tap.eq({ (p:address("blue", "10.1.0.0/24")), (p:address("blue", "fd00::/64")), (p:address("blue", "10.1.0.0/24")) },
  { "10.1.0.2", "fd00::3", "10.1.0.3" }, "two ranges of a network")
tap.eq(p:fixed_address("blue", "fd00::/64", "FD00:0:0::10"), "fd00::10", "kept as everybody writes it")
tap.eq({ p:fixed_address("blue", "fd00::/64", "fd00::0:10") }, { nil, "network blue: address fd00::10 is taken" }, "however it is written")
tap.eq(p:fixed_address("red", "10.1.0.0/31", "10.1.0.0"), "10.1.0.0", "a range of two has no network address")
for case, want in pairs { ["10.1.0.0/24 10.1.0.1"] = true, ["10.1.0.0/24 10.1.0.0"] = false, ["10.1.0.0/24 10.1.0.255"] = false,
  ["10.1.0.0/24 10.2.0.1"] = false, ["10.1.0.0/31 10.1.0.0"] = true, ["10.1.0.0/32 10.1.0.0"] = true } do
  local range, address = case:match "(%S+) (%S+)"
  tap.eq(allocation.suits(range, address), want, case .. ": " .. tostring(want))
end

-- MAC addresses
local mac = picker():mac("blue", "h1")
tap.like(mac, "^02:%x%x:%x%x:%x%x:%x%x:%x%x$", "of our own, and of one")
tap.eq(picker():mac("blue", "h1"), mac, "the same for the same names")
tap.ok(picker():mac("blue", "h2") ~= mac and picker():mac("red", "h1") ~= mac and picker():mac("blueh", "1") ~= mac, "others for others")
local second = picker("mac=" .. mac):mac("blue", "h1")
tap.ok(second and second ~= mac, "another one where it is taken", second)
tap.eq(picker("mac=" .. mac):mac("blue", "h1"), second, "always the same other one")
p = picker()
local seen, count = {}, 0
for i = 1, 5000 do seen[p:mac("n", "e" .. i)] = true end
for _ in pairs(seen) do count = count + 1 end
tap.eq(count, 5000, "five thousand are all different")
tap.eq(p:fixed_mac "02:AA:00:00:00:01", "02:aa:00:00:00:01", "a fixed one, in small letters")
tap.eq({ p:fixed_mac "02:aa:00:00:00:01" }, { nil, "MAC address 02:aa:00:00:00:01 is taken" }, "once")

-- tags, ports, groups
p = picker("tag=100", "port=16")
tap.eq({ (p:tag()), (p:tag()) }, { 101, 102 }, "tags")
tap.eq({ (p:port_number()), (p:port_number()) }, { 17, 18 }, "port numbers")
p = picker()
local last
for _ = 1, 495 do last = p:port_number() end
tap.eq({ last, (select(2, p:port_number())) }, { 510, "no free port number in 16-510" }, "port numbers end")
p = picker()
for _ = 1, 3900 do last = p:tag() end
tap.eq({ last, (select(2, p:tag())) }, { 3999, "no free VLAN tag in 100-3999" }, "tags end")
local groups = {}
for _ = 1, 100 do
  local group = p:link_group()
  tap.ok(group > 0x40000000 and group <= 0x7fffffff and not groups[group], "a link group of our own", group)
  groups[group] = true
end
tap.done()
