-- The engine, with kinds that only note what is asked of them: differences, their order, what is
-- shared, what is claimed, and what fails half-way.
local tap <const> = require "tap"
local engine <const> = require "nerv.engine"
local planning <const> = require "nerv.engine.planning"
local kinds <const> = require "nerv.kinds"
local needs <const> = require "nerv.needs"

local log, world, failing = {}, {}, nil

local function note(verb)
  return function(list)
    for i, action in ipairs(list) do
      local p = action.need.p
      if p.name == failing then return nil, "it is broken", "EIO", i end
      log[#log + 1] = verb .. " " .. p.name
      world[p.name] = verb ~= "remove" and p or nil
    end
    return true
  end
end

-- A kind of class "call" whose instances are noted in `world`.
local function define(name, more)
  local kind = { name = name, class = "call", rank = 10, properties = { name = { doc = "name", required = true }, size = { doc = "size" },
      kind = { doc = "what it is" }, on = { doc = "what it is on" }, place = { doc = "what nobody else may have" } },
    key = function(p) return p.name end, fixed = { "kind" }, create = note "create", change = note "change", remove = note "remove",
    read = function(p) return world[p.name] end }
  for key, value in pairs(more or {}) do kind[key] = value end
  return kinds.define(kind)
end
define("test_thing", { facts = { "index" }, fact = function(p) return world[p.name] and #p.name end,
  claims = function(p) return p.place and { "place " .. p.place } or {} end })
define("test_top", { rank = 20 })
define("test_shared", { shared = true })
define("test_part", { rank = 15, container = function(p) return p.on end })

local e = engine.new { name = "here" }

local function set_of(owner, f) return assert(needs.of(owner, f)) end

local function texts(plan)
  local all = {}
  for _, phase in ipairs(planning.PHASES) do
    for _, op in ipairs(planning.describe(plan[phase])) do all[#all + 1] = ("%s: %s %s"):format(phase, op.verb, op.key) end
  end
  return all
end

-- Plans and applies; returns the plan's texts and what the kinds did.
local function apply(owner, f)
  local plan = assert(e:plan(owner, f and set_of(owner, f) or {}))
  log = {}
  for _, phase in ipairs(planning.PHASES) do assert(e:apply(plan[phase])) end
  return texts(plan), log
end

local function fresh() e, world = engine.new { name = "here" }, {} end

-- create, change, replace, remove
local function two(need)
  need.test_thing { name = "a", size = 1 }
  need.test_top { name = "b" }
end
local plan, done = apply("o", two)
tap.eq({ plan, done }, { { "make: create test_thing a", "make: create test_top b" }, { "create a", "create b" } },
  "what is not there is made, in order")
plan, done = apply("o", two)
tap.eq({ plan, done }, { {}, {} }, "a second time there is nothing to do")
plan = apply("o", function(need)
  need.test_thing { name = "a", size = 2 }
  need.test_top { name = "b" }
end)
tap.eq(plan, { "switch: change test_thing a" }, "a property that may change is changed in place")
plan, done = apply("o", function(need)
  need.test_thing { name = "a", size = 2, kind = "other" }
  need.test_top { name = "b" }
end)
tap.eq({ plan, done }, { { "switch: remove test_thing a", "switch: create test_thing a" }, { "remove a", "create a" } },
  "one that is fixed makes it new")
plan = apply("o", function(need) need.test_thing { name = "c" } end)
tap.eq(plan, { "make: create test_thing c", "sweep: remove test_top b", "sweep: remove test_thing a" },
  "what is new comes first; what goes, goes last and by rank")
plan = apply("o", nil)
tap.eq({ plan, world }, { { "sweep: remove test_thing c" }, {} }, "an empty set removes all")

-- order of removal: later first
apply("o", function(need) for i = 1, 3 do need.test_thing { name = "t" .. i } end end)
plan = apply("o", nil)
tap.eq(plan, { "sweep: remove test_thing t3", "sweep: remove test_thing t2", "sweep: remove test_thing t1" }, "the last made goes first")

-- parts go with what they are on
fresh()
apply("o", function(need) need.test_part { name = "p", on = need.test_thing { name = "a" } } end)
plan, done = apply("o", nil)
tap.eq({ plan, done }, { { "sweep: remove test_thing a" }, { "remove a" } }, "a part goes with what it is on")
fresh()
apply("o", function(need) need.test_part { name = "p", on = need.test_thing { name = "a" } } end)
plan = apply("o", function(need) need.test_thing { name = "a" } end)
tap.eq(plan, { "sweep: remove test_part p" }, "alone it is removed by itself")


-- what its removal would have taken along is there still when that failed
fresh()
local function part_on_a(need) need.test_part { name = "p", on = need.test_thing { name = "a" } } end
apply("o", part_on_a)
failing = "a"
local removal = assert(e:plan("o", set_of("o", function() end)))
tap.ok(not e:apply(removal.sweep), "what a part is on cannot be removed")
failing = nil
tap.ok(e:clear_doubts(), "the engine looks again")
plan, done = apply("o", part_on_a)
tap.eq({ plan, done }, { {}, {} }, "the part is not made a second time")

-- a part is made anew with what it is on, in the same phase; a new one comes after that, a former one is gone with it
fresh()
apply("o", function(need)
  local a = need.test_thing { name = "a" }
  need.test_part { name = "under", on = need.test_part { name = "p", on = a } }
  need.test_part { name = "former", on = a }
  need.test_part { name = "elsewhere", on = need.test_thing { name = "b" } }
end)
local function on_another(need)
  local a = need.test_thing { name = "a", kind = "other" }
  need.test_part { name = "under", on = need.test_part { name = "p", on = a } }
  need.test_part { name = "new", on = a }
  need.test_part { name = "elsewhere", on = need.test_thing { name = "b" } }
end
failing = "p"
removal = assert(e:plan("o", set_of("o", on_another)))
tap.ok(not e:apply(removal.switch), "a part cannot be made")
failing, world.p, world.under, world.former = nil, nil, nil, nil
assert(e:clear_doubts())
plan = apply("o", on_another)
tap.eq(plan, { "make: create test_part p", "make: create test_part under", "make: create test_part new" }, "it is known which are there")
plan = apply("o", function(need)
  local a = need.test_thing { name = "a" }
  need.test_part { name = "under", on = need.test_part { name = "p", on = a } }
  need.test_part { name = "newest", on = a }
  need.test_part { name = "elsewhere", on = need.test_thing { name = "b" } }
end)
tap.eq(plan, { "switch: remove test_thing a", "switch: create test_thing a", "switch: create test_part p", "switch: create test_part under",
  "switch: create test_part newest" }, "parts are made anew with what they are on")

-- claims
fresh()
apply("o", function(need) need.test_thing { name = "old", place = 1 } end)
plan, done = apply("o", function(need) need.test_thing { name = "new", place = 1 } end)
tap.eq({ plan, done }, { { "switch: remove test_thing old", "switch: create test_thing new" }, { "remove old", "create new" } },
  "a claim is taken over: the old one goes first")
tap.eq({ e:plan("other", set_of("other", function(need) need.test_thing { name = "mine", place = 1 } end)) },
  { nil, "test_thing mine: place 1 is taken by o" }, "not from another owner")
tap.eq({ e:plan("other", set_of("other", function(need) need.test_thing { name = "new" } end)) },
  { nil, "test_thing new belongs to o" }, "nor a need itself")
apply("o", nil)
plan = apply("other", function(need) need.test_thing { name = "mine", place = 1 } end)
tap.eq(plan, { "make: create test_thing mine" }, "it is free when the owner has gone")

-- shared
fresh()
local function share(need) need.test_shared { name = "s", size = 1 } end
tap.eq(apply("one", share), { "make: create test_shared s" }, "the first owner makes what is shared")
tap.eq({ e:plan("two", set_of("two", function(need) need.test_shared { name = "s", size = 2 } end)) },
  { nil, "test_shared s is shared with one, with other properties" }, "a second one may not want it otherwise")
tap.eq(apply("two", share), {}, "the second one finds it")
tap.eq({ e:plan("two", set_of("two", function(need) need.test_shared { name = "s", size = 2 } end)) },
  { nil, "test_shared s is shared with one, with other properties" }, "and may not have it otherwise")
tap.eq(apply("one", nil), {}, "it stays when the first owner goes")
tap.ok(world.s, "it is there")
tap.eq(apply("two", nil), { "sweep: remove test_shared s" }, "and goes with the last")
apply("one", share)
e:verify("two", set_of("two", share))   -- as an agent does that takes over what others have left
tap.eq({ apply("one", nil), (apply("two", nil)) }, { {}, { "sweep: remove test_shared s" } }, "who finds it when he takes over owns it, too")
apply("one", share)
apply("two", share)
e:verify("one", set_of("one", share))
tap.eq(apply("one", nil), {}, "who reads back what is shared does not take it from the others")
tap.eq(apply("two", nil), { "sweep: remove test_shared s" }, "who still have it")

-- placeholders
fresh()
local seen
define("test_reader", { create = function(list)
  for _, action in ipairs(list) do
    seen = action.need.p.size
    world[action.need.p.name] = action.need.p
  end
  return true
end })
apply("o", function(need) need.test_reader { name = "r", size = need.test_thing { name = "four" }.index } end)
tap.eq(seen, 4, "a need gets what another one's making tells")
tap.eq(apply("o", function(need) need.test_reader { name = "r", size = need.test_thing { name = "four" }.index } end), {},
  "and is equal to itself")
local same = set_of("o", function(need) need.test_reader { name = "r", size = need.test_thing { name = "four" }.index } end)
e:verify("o", same, {})
tap.eq(texts(e:plan("o", same)), {}, "also when it has been read back")
world.r.size = 5
e:verify("o", same, {})
tap.eq(texts(e:plan("o", same)), { "make: change test_reader r" }, "unless somebody changed it")
apply("o", nil)

-- verify
fresh()
apply("o", two)
world.a = nil
e:verify("o", set_of("o", two), {})
tap.eq(texts(e:plan("o", set_of("o", two))), { "make: create test_thing a" }, "what somebody removed is made again")
apply("o", two)
world.b = { name = "b", kind = "stranger" }
e:verify("o", set_of("o", two), {})
tap.eq(texts(e:plan("o", set_of("o", two))), { "make: remove test_top b", "make: create test_top b" }, "what somebody changed is made new")
fresh()
world.a = { name = "a", size = 1 }
e:verify("o", set_of("o", two), {})
tap.eq(texts(e:plan("o", set_of("o", two))), { "make: create test_top b" }, "an engine that begins adopts what is there")

-- failures
fresh()
local function many(need) for i = 1, 5 do need.test_thing { name = "n" .. i } end end
failing = "n3"
plan = assert(e:plan("o", set_of("o", many)))
local good, message, code, action = e:apply(plan.make)
tap.eq({ good, message, code, action and action.need.key }, { nil, "create test_thing n3: it is broken", "EIO", "test_thing n3" },
  "a failure names what failed")
tap.eq({ world.n1 ~= nil, world.n2 ~= nil, world.n3, world.n4 }, { true, true }, "what came before is made, what comes after is not")
failing = nil
tap.eq(apply("o", many), { "make: create test_thing n3", "make: create test_thing n4", "make: create test_thing n5" },
  "the next time goes on where it was")
plan = apply("o", nil)
tap.eq(#plan, 5, "all of it is known and goes")

-- several owners at once
fresh()
apply("one", function(need) need.test_thing { name = "x" } need.test_top { name = "y" } end)
apply("two", function(need) need.test_thing { name = "z" } end)
local merged = planning.merge { assert(e:plan("one", {})), assert(e:plan("two", {})) }
tap.eq(texts(merged), { "sweep: remove test_top y", "sweep: remove test_thing x", "sweep: remove test_thing z" },
  "removals of several owners go by rank")

-- what several owners want at once
do
  fresh()
  local function of(owner, f) return assert(e:plan(owner, set_of(owner, f))) end
  local one = of("one", function(need) need.test_thing { name = "x", place = 7 } end)
  tap.eq({ planning.conflict { one, of("two", function(need) need.test_thing { name = "y" } end) } }, {}, "two things of two owners")
  tap.eq(planning.conflict { one, of("two", function(need) need.test_thing { name = "x" } end) },
    "test_thing x: test_thing x is wanted by one and by two", "one thing of two owners")
  tap.eq(planning.conflict { one, of("two", function(need) need.test_thing { name = "y", place = 7 } end) },
    "test_thing y: place 7 is wanted by one and by two", "one claim of two owners")
end

-- what fails behind something that goes by itself
fresh()
apply("o", function(need)
  local top = need.test_top { name = "top" }
  need.test_part { name = "apart" }
  need.test_part { name = "part", on = top }
end)
failing = "apart"
do
  local plan_of_end = assert(e:plan("o", {}))
  tap.eq({ (select(2, e:apply_all(plan_of_end))) }, { "remove test_part apart: it is broken" }, "the one that failed is named")
  tap.ok(not e.have["test_part part"] and e.have["test_part apart"], "what went with its container is gone, what failed is not")
end
failing = nil

-- what needs.of refuses
for text, f in pairs {
  ["two needs contradict each other: test_thing a is wanted twice"] = function(need)
    need.test_thing { name = "a" }
    need.test_thing { name = "a", size = 1 }
  end,
  ["test_thing a is wanted twice, with different properties: size"] = function(need)
    need.test_thing { name = "a", size = 2 }
    need.test_thing { name = "a", size = 1 }
  end,
  ["need.test_thing: unknown property 'colour'; there are "] = function(need) need.test_thing { name = "a", colour = 1 } end,
  ["need.link: property 'up': true or false is expected"] = function(need)
    need.link { kind = "bridge", name = "b", up = "yes" }
  end,
  ["need.link: property 'mtu': an integer from 68 to 65535 is expected"] = function(need)
    need.link { kind = "bridge", name = "b", mtu = "1500" }
  end,
  ["need.link: property 'peer': unknown property 'masetr'; did you mean 'master'?"] = function(need)
    need.link { kind = "veth", name = "v", peer = { masetr = "b" } }
  end,
  ["need.link: property 'peer': a table of properties is expected"] = function(need)
    need.link { kind = "veth", name = "v", peer = need.link { kind = "bridge", name = "b" } }
  end,
  ["need.address: property 'address': "] = function(need)
    need.address { link = need.link { kind = "bridge", name = "b" }, address = "10.0.0.1" }
  end,
  ["need.address: property 'link': a need of kind link or interface is expected, not 'b'"] = function(need)
    need.address { link = "b", address = "10.0.0.1/24" }
  end,
  ["need.link: property 'netns': a need of kind netns or foreign_netns is expected, not link b"] = function(need)
    need.link { kind = "veth", name = "v", netns = need.link { kind = "bridge", name = "b" }, peer = {} }
  end,
  ["need.service: property 'argv': word 2: a string is expected, not a number"] = function(need)
    need.service { name = "s", argv = { "sleep", 5 } }
  end,
  ["two needs contradict each other: place 1 is claimed by test_thing a and by test_thing b"] = function(need)
    need.test_thing { name = "a", place = 1 }
    need.test_thing { name = "b", place = 1 }
  end,
  ["there is no need of kind 'test_thign'; did you mean 'test_thing'?"] = function(need) need.test_thign {} end,
  ["need.test_thing: unknown property 'szie'; did you mean 'size'?"] = function(need) need.test_thing { name = "a", szie = 1 } end,
  ["need.test_thing: property 'name' is missing (name)"] = function(need) need.test_thing {} end,
  ["it ran for longer than it may"] = function() while true do end end,
} do
  local set, why = needs.of("o", f)
  tap.ok(set == nil and why:find(text, 1, true), text, why)
end
tap.eq(#set_of("o", function(need)
  need.test_thing { name = "a", size = 1 }
  need.test_thing { name = "a", size = 1 }
end), 1, "the same thing wanted twice is one")
tap.eq(set_of("o", function(need)
  need.qdisc { link = need.link { kind = "bridge", name = "b" }, rate = "10mbit" }
end)[2].p.rate, 1e7, "a rate may be written as in options")
tap.raises(function() kinds.define { name = "x" } end, "kinds.define: kind 'x': field 'class' is missing", "a kind that lacks something")
tap.raises(function()
  kinds.define { name = "x", class = "call", rank = 1, key = print, create = print, remove = print, read = print,
    properties = { up = { doc = "up", type = "bool" } } }
end, "kinds.define: kind 'x': property 'up': unknown type 'bool'; the types are ", "a property of no known type")
tap.done()
