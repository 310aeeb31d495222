-- A thousand endpoints in one call, on two nodes, and their end: one change each, no time lost.
local tap <const> = require "tap"
local system <const> = require "support.system"

local COUNT <const> = 1000
local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.0.0.0/16", home = "pm1" }
local specs = {}
for i = 1, COUNT do specs[i] = { name = "e" .. i, node = i % 2 == 0 and "pm1" or "pm2" } end

local planned <const> = system.texts(blue:plan("endpoint", specs))
local began = runtime.now()
local eps <const> = blue:endpoint(specs)
tap.note(("%d endpoints in %.2f s"):format(COUNT, runtime.now() - began))
tap.eq(#eps, COUNT, "a thousand endpoints in one call")
tap.eq(system.texts(blue:operations()), planned, "as planned")
tap.eq(blue:verify(), {}, "the system is as it is wanted")

local addresses, macs, wrong = {}, {}, {}
for i, ep in ipairs(eps) do
  if addresses[ep.address] or macs[ep.mac] or ep.address ~= cidr.host("10.0.0.0/16", 1 + i) then
    wrong[#wrong + 1] = ep.name .. " " .. ep.address
  end
  addresses[ep.address], macs[ep.mac] = true, true
end
tap.eq(wrong, {}, "each has the next address, and a MAC address of its own")
for _, i in ipairs { 1, 2, 499, 500, 999, 1000 } do
  tap.ok(eps[i]:ping(eps[COUNT + 1 - i]), ("endpoint %d reaches endpoint %d"):format(i, COUNT + 1 - i))
end

local some = {}
for i = 1, COUNT // 2 do some[i] = "e" .. i end
began = runtime.now()
blue:delete_endpoints(some)
tap.note(("%d endpoints deleted in %.2f s"):format(#some, runtime.now() - began))
tap.eq(#blue:endpoints(), COUNT - #some, "half of them go in one call")
tap.ok(eps[999]:ping(eps[1000]), "the others go on")
tap.eq(blue:verify(), {}, "the system is as it is wanted")

began = runtime.now()
blue:delete()
tap.note(("a network of %d endpoints deleted in %.2f s"):format(COUNT - #some, runtime.now() - began))
system.same_inventory(empty, tb, "nothing is left")

-- More than a bridge has ports.
local full <const> = network.create { name = "full", archetype = "bridge", home = "pm1" }
local with_full <const> = system.inventory(tb)
specs = {}
for i = 1, 1024 do specs[i] = { name = "e" .. i, node = "pm1" } end
system.refuses(function() full:endpoint(specs) end,
  "create 1024 endpoints of network full: node pm1: .*1023", "a bridge has 1023 ports at most")
system.same_inventory(with_full, tb, "nothing is left of it")
tap.ok(full:endpoint { name = "e", node = "pm1" }, "the network still works")
full:delete()
system.same_inventory(empty, tb, "nothing is left")
tb:delete()
tap.done()
