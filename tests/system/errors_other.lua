-- What users get wrong about testbeds, nodes, switches' tables and archetypes' names.
local tap <const> = require "tap"
local system <const> = require "support.system"
local refuses <const> = system.refuses

local tb <const> = testbed.create { nodes = 1 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local before <const> = system.inventory(tb)
local agent <const> = system.agent_pid()
local nodes <const> = #node.list()

-- testbed.create
refuses(function() testbed.create { nods = 2 } end, "testbed.create: unknown option 'nods'; did you mean 'nodes'%?$",
  "testbed: unknown option")
refuses(function() testbed.create { nodes = 0 } end, "testbed.create: nodes ", "testbed: no nodes")
refuses(function() testbed.create { nodes = 1.5 } end, "testbed.create: nodes ", "testbed: one and a half")
refuses(function() testbed.create { nodes = "two" } end, "testbed.create: nodes ", "testbed: a text for a number")
refuses(function() testbed.create { nodes = 100000 } end, "testbed.create: nodes ", "testbed: too many")
refuses(function() testbed.create { prefix = "xx", rate = "fast" } end, 'testbed.create: rate = "fast": bad rate "fast"',
  "testbed: a rate that is none")
refuses(function() testbed.create { prefix = "xx", rate = -1 } end, "testbed.create: rate = %-1: bad rate",
  "testbed: a negative rate")
refuses(function() testbed.create { egress = "open" } end, "testbed.create: egress = \"open\": one of shared, dedicated is expected$", "testbed: unknown egress")
refuses(function() testbed.create { prefix = "a b" } end, "testbed.create: prefix", "testbed: a prefix that is no name")
refuses(function() testbed.create { prefix = 5 } end, "testbed.create: prefix", "testbed: a prefix of a wrong type")
refuses(function() testbed.create { name = "second" } end, "testbed.create: node 'pm1' exists$",
  "testbed: nodes that exist")
refuses(function() testbed.create { name = "blue", prefix = "xx" } end, "testbed.create: network 'blue' exists$",
  "testbed: a network's name")
refuses(function() testbed.create "two" end, "testbed.create: a table of options is expected$", "testbed: no table")
tap.eq(#node.list(), nodes, "no node was announced")

-- node:update and the like
local pm1 <const> = node.get "pm1"
refuses(function() pm1:update { egres = {} } end, "node:update: unknown option 'egres'; did you mean 'egress'%?$",
  "node: unknown option")
refuses(function() pm1:update { egress = "trunk0" } end, "node:update: egress = .*a table is expected$", "node: wrong type")
refuses(function() pm1:update { egress = { trunk0 = "sharde" } } end,
  "node:update: egress trunk0: \"shared\" or \"dedicated\" is expected, not sharde$", "node: unknown mode of an egress port")
refuses(function() pm1:update { egress = { trunk0 = "shared", nosuch0 = "shared" } } end,
  "update node pm1: node pm1: .*nosuch0", "node: an interface that is not there")
tap.eq(pm1.egress, { { interface = "trunk0", mode = "shared", port = 1 } }, "the egress ports are as they were")
refuses(function() pm1:update() end, "node:update: a table of options is expected$", "node: no argument")
refuses(function() node.forget "pm1" end, "node pm1 is active: it cannot be forgotten$", "node: an active one is not forgotten")
refuses(function() node.forget "pm2" end, "there is no node 'pm2'", "node: an unknown one is not forgotten")
refuses(function() pm1:run() end, "a program and its arguments are expected$", "node: no program")

-- tables of a switch
refuses(function() nve.open "pm2" end, "there is no node 'pm2'", "switch: unknown node")
refuses(function() nve.open("pm1", "nvee") end, "node pm1 runs no switch 'nvee'", "switch: unknown name")
local sw <const> = nve.open "pm1"
local tags <const>, uplinks <const> = sw.tables.tags, sw.tables.uplinks
refuses(function() return sw.tables.tag end, "the switch has no table 'tag'; did you mean 'tags'%?$",
  "switch: unknown table, the nearest is named")
refuses(function() return sw.tables.something_else end, "the switch has no table 'something_else'; it has ",
  "switch: unknown table with none near it")
refuses(function() tags:add { key = { 1, 5 }, action = "to_prt", data = { 16 } } end,
  "table tags: unknown action 'to_prt'; did you mean 'to_port'%?$", "switch: unknown action")
refuses(function() uplinks:add { key = { 1 }, action = "to_port", data = { 16 } } end,
  "table uplinks: unknown action 'to_port'; ", "switch: an action of another table")
refuses(function() tags:add { key = { 1, 70000 }, action = "to_port", data = { 16 } } end,
  "table tags: .*70000 does not fit into 12 bits$", "switch: too large a value")
refuses(function() tags:add { key = { 1, -1 }, action = "to_port", data = { 16 } } end,
  "table tags: .*%-1 does not fit into 12 bits$", "switch: a negative value")
refuses(function() tags:add { key = { 1, 4096 }, action = "to_port", data = { 16 } } end,
  "table tags: .*4096 does not fit into 12 bits$", "switch: one past the limit")
refuses(function() tags:add { key = { 1, "x" }, action = "to_port", data = { 16 } } end,
  "table tags: .*x does not fit", "switch: a text that is no value")
refuses(function() tags:add { key = { 1, "0x1234" }, action = "to_port", data = { 16 } } end,
  "table tags: .*0x1234 does not fit into 12 bits$", "switch: too large a value in hexadecimal")
refuses(function() tags:add { key = { 1, 5.5 }, action = "to_port", data = { 16 } } end,
  "table tags: .*5.5 does not fit", "switch: a fraction")
refuses(function() tags:add { key = { 1 }, action = "to_port", data = { 16 } } end,
  "table tags: the key has 2 fields, not 1$", "switch: too few fields in a key")
refuses(function() tags:add { key = { 1, 5 }, action = "to_port" } end,
  "table tags: action to_port takes 1 values, not 0$", "switch: too few values")
refuses(function() tags:add { key = { 1, 5 }, data = { 16 } } end, "switch_table:add: option 'action' is missing", "switch: no action")
refuses(function() tags:add { action = "to_port", data = { 16 } } end, "switch_table:add: option 'key' is missing", "switch: no key")
refuses(function() tags:modify { handle = 1, action = "to_prt", data = { 1 } } end,
  "table tags: unknown action 'to_prt'", "switch: unknown action to change to")
local handle <const> = expect(tags:add { key = { 1, 5 }, action = "to_port", data = { 16 } })
local again = table.pack(tags:add { key = { 1, 5 }, action = "to_port", data = { 17 } })
tap.ok(again[1] == nil and type(again[2]) == "string" and again[3] ~= nil, "switch: an entry twice is refused", again)
tap.ok(tags:delete(handle), "switch: the entry goes")
local unknown = table.pack(tags:delete(handle))
tap.ok(unknown[1] == nil and type(unknown[2]) == "string", "switch: an entry that is gone cannot be deleted", unknown)
local port = table.pack(sw:add_port("nosuch0", 99))
tap.ok(port[1] == nil and tostring(port[2]):find "nosuch0", "switch: an interface that is not there is no port", port)

-- archetype.expand and help
refuses(function() archetype.expand("ipp", {}) end, "archetype.expand: unknown archetype 'ipp'; did you mean 'ip'%?$",
  "expand: unknown archetype")
refuses(function() archetype.expand("ip", { subnet = "x" }) end, 'archetype.expand: subnet = "x": bad CIDR', "expand: bad CIDR")
refuses(function() archetype.expand("ip", { subnet = "10.0.0.0/24" }, { endpoints = { { name = "h", adress = "1" } } }) end,
  "archetype.expand: endpoint: unknown option 'adress'; did you mean 'address'%?$", "expand: unknown option of an endpoint")
refuses(function() archetype.expand("ip", { subnet = "10.0.0.0/24" }, { endpoints = { { name = "h" } } }) end,
  "archetype.expand: .*h.*", "expand: an endpoint that has no address")
refuses(function() help "brigde" end, "help: nothing is known of 'brigde'; did you mean 'bridge'%?$", "help: unknown topic")

sw:close()
system.same_inventory(before, tb, "nothing is left of all that")
tap.eq(system.agent_pid(), agent, "the agent is the same")
tap.eq(blue:verify(), {}, "the network is as it was")
tap.done()
