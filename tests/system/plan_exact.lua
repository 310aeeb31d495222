-- What a plan lists is what the call then does, for both archetypes, on one node and on two; and
-- when it is done, nothing is left to do.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }

-- Plans, calls, compares; `before` is false where nothing may change either.
local function same(title, plan, call)
  local inventory = system.inventory(tb)
  local planned = system.texts(plan())
  tap.eq(system.inventory(tb), inventory, title .. ": the plan touches nothing")
  tap.eq(system.texts(plan()), planned, title .. ": a second plan is the same")
  local net = call()
  local performed = system.texts(net:operations())
  tap.eq(performed, planned, title .. ": the plan lists what is done")
  return net, #performed
end

local function calm(net, title)
  tap.eq(net:verify(), {}, title .. ": then the system is as it is wanted")
  tap.eq(net:plan("update", {}), {}, title .. ": a second time there is nothing to do")
end

local function many(count, node)
  local specs = {}
  for i = 1, count do specs[i] = { name = ("m%d"):format(i), node = node or (i % 2 == 0 and "pm1" or "pm2") } end
  return specs
end

local function names_of(specs)
  local names = {}
  for i, spec in ipairs(specs) do names[i] = spec.name end
  return names
end

local function life(options, updates)
  local kind = options.archetype
  local function title(text) return kind .. ", " .. text end
  local net, count = same(title "create", function() return network.plan(options) end,
    function() return network.create(options) end)
  tap.ok(count > 0, title "create: something is made", count)
  calm(net, title "create")

  local one = { name = "h1", node = "pm1" }
  net, count = same(title "an endpoint at home", function() return net:plan("endpoint", one) end,
    function() net:endpoint(one) return net end)
  tap.ok(count >= 2, title "an endpoint: something is made", count)
  calm(net, title "an endpoint at home")

  local far = { name = "h2", node = "pm2" }
  net = same(title "the first endpoint on another node", function() return net:plan("endpoint", far) end,
    function() net:endpoint(far) return net end)
  calm(net, title "the first endpoint on another node")

  local specs = many(50)
  net, count = same(title "50 endpoints on two nodes", function() return net:plan("endpoint", specs) end,
    function() net:endpoint(specs) return net end)
  tap.ok(count >= 100, title "50 endpoints: something is made for each", count)
  calm(net, title "50 endpoints on two nodes")

  for text, update in pairs(updates) do
    net, count = same(title(text), function() return net:plan("update", update) end, function() return net:update(update) end)
    tap.ok(count > 0 or update.home, title(text .. ": something is changed"), count)
    calm(net, title(text))
  end

  net = same(title "an update to what is there", function() return net:plan("update", { mtu = net.mtu }) end,
    function() return net:update { mtu = net.mtu } end)
  tap.eq(net:operations(), {}, title "an update to what is there: nothing is done")

  local some = { table.unpack(names_of(specs), 1, 20) }
  net, count = same(title "20 endpoints less", function() return net:plan("delete_endpoints", some) end,
    function() net:delete_endpoints(some) return net end)
  tap.ok(count >= 20, title "20 endpoints less: something goes for each", count)
  calm(net, title "20 endpoints less")

  net, count = same(title "delete", function() return net:plan "delete" end, function() net:delete() return net end)
  tap.ok(count >= 60, title "delete: something goes for each endpoint", count)
end

local empty <const> = system.inventory(tb)
life({ name = "red", archetype = "bridge", home = "pm1" }, { ["another MTU"] = { mtu = 1300 }, ["spanning tree"] = { stp = true } })
system.same_inventory(empty, tb, "bridge: nothing is left")
life({ name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" },
  { ["another MTU"] = { mtu = 1300 }, ["another home"] = { home = "pm2" }, ["another range"] = { subnet = "10.2.0.0/24" } })
system.same_inventory(empty, tb, "ip: nothing is left")

-- the exchange of archetypes
local net <const> = network.create { name = "mix", archetype = "ip", subnet = "10.3.0.0/24", home = "pm1" }
net:endpoint(many(6))
for _, update in ipairs { { archetype = "bridge" }, { archetype = "ip" }, { archetype = "ip" } } do
  same("to " .. update.archetype, function() return net:plan("update", update) end, function() return net:update(update) end)
  calm(net, "to " .. update.archetype)
end
tap.eq(net:operations(), {}, "to the archetype that it is: nothing is done")
net:delete()
system.same_inventory(empty, tb, "nothing is left")

-- a network on one node that has no trunk
local here <const> = network.create { name = "here", archetype = "ip", subnet = "10.4.0.0/24" }
same("on a node without a switch", function() return here:plan("endpoint", many(5, lab.here())) end,
  function() here:endpoint(many(5, lab.here())) return here end)
calm(here, "on a node without a switch")
same("its end", function() return here:plan "delete" end, function() here:delete() return here end)
tb:delete()
tap.done()
