-- Delay and loss of endpoints, where the kernel has netem: alone and with a rate, both ways, for all kinds of
-- attachment; changed in place; what somebody changed is set right. Elsewhere they are refused before anything
-- is written.
local tap <const> = require "tap"
local system <const> = require "support.system"
local kernel <const> = require "support.kernel"

local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local here <const>, full <const> = lab.here(), system.inventory()

if not qdisc.supports "netem" then
  for _, options in ipairs { { delay = "10ms" }, { loss = "1%" }, { rate = "1mbit", delay = 0.1 }, { kind = "tap", delay = 1 } } do
    options.name = "h1"
    system.refuses(function() net:endpoint(options) end, "endpoint blue:h1: node " .. here:gsub("%p", "%%%0") ..
      ": delay and loss: this kernel has no netem %(module sch_netem%)$", "refused, with node and module")
  end
  tap.ok(net:endpoint { name = "h0", delay = 0, loss = 0 }, "none of it needs none of it")
  net:delete_endpoints { "h0" }
  system.same_inventory(full, nil, "nothing is left")
  tap.skip("delay and loss", "this kernel has no netem (module sch_netem)")
  net:delete()
  tap.done()
  return
end

local h1 <const>, h2 <const> = table.unpack(net:endpoint { { name = "h1" }, { name = "h2", delay = "20ms" } })
local function disciplines(where, name)
  local list = {}
  for _, one in ipairs(kernel.qdiscs(where, name)) do
    if one.handle ~= "0:" then list[#list + 1] = one.kind end
  end
  table.sort(list)
  return list
end
local function at(text, low, high, kinds)
  local answer = expect(h1:ping(h2, { count = 5, interval = "20ms" }))
  tap.ok(answer.min_ms >= low and answer.min_ms < high, text .. ": the round trip", answer)
  tap.eq(disciplines(h2.netns, "eth0"), kinds, text .. ": the disciplines")
  tap.eq(net:verify(), {}, text .. ": nothing is to be mended")
end

at("created", 40, 70, { "netem" })
h2:update { delay = "5ms" }
at("less", 10, 30, { "netem" })
h2:update { rate = "10mbit" }
at("with a rate", 10, 30, { "netem", "tbf" })
h2:update { delay = false }
at("the rate alone", 0, 10, { "bfifo", "tbf" })
h2:update { delay = 0.01 }
at("both again", 20, 50, { "netem", "tbf" })
h2:update { rate = false }
at("the delay alone", 20, 50, { "netem" })
h2:update { rate = "20mbit", delay = "1ms" }
at("both at once", 2, 15, { "netem", "tbf" })
h2:update { rate = false, delay = false }
at("nothing", 0, 2, {})

h2:update { loss = "40%" }
local answer <const> = expect(h1:ping(h2, { count = 100, interval = "5ms", timeout = 0.2 }))
tap.ok(answer.loss > 0.4 and answer.loss < 0.85, "loss, each way", answer)
h2:update { loss = false, rate = "5mbit", delay = "3ms" }

local index <const> = kernel.link(h2.netns, "eth0").ifindex
local function mended(title, verb, meddle)
  expect(meddle())
  tap.eq(system.texts(net:verify()), { here .. ": " .. verb .. " qdisc link blue:h2/eth0 main of blue:h2" }, title .. ": is mended")
  at(title, 6, 25, { "netem", "tbf" })
end
mended("all taken away", "create", function() return qdisc.delete { netns = h2.netns, link = "eth0", parent = "root" } end)
mended("the delay taken away", "change", function() return qdisc.delete { netns = h2.netns, link = "eth0", parent = "1:1" } end)
mended("another delay", "change", function()
  return qdisc.set { netns = h2.netns, link = "eth0", kind = "netem", parent = "1:1", handle = "10:", delay = 0.5 }
end)
mended("another discipline", "create", function()
  return qdisc.delete { netns = h2.netns, link = "eth0", parent = "root" }
    and qdisc.add { netns = h2.netns, link = "eth0", kind = "tbf", rate = 1e6 }
end)
tap.eq(kernel.link(h2.netns, "eth0").ifindex, index, "the interface is the same one all the time")

net:endpoint { name = "vm", kind = "tap", delay = "15ms", rate = "5mbit" }
local vm <const> = net:get "vm"
local shaper <const> = kernel.ours(nil, node.here().instance, "blue:vm", "ifb").ifname
tap.eq({ disciplines(nil, vm.interface), disciplines(nil, shaper) }, { { "ingress", "netem", "tbf" }, { "netem", "tbf" } }, "a tap, both ways")
vm:update { delay = false, rate = false }
tap.eq({ disciplines(nil, vm.interface), net:verify() }, { {}, {} }, "and without")

net:delete()
tap.done()
