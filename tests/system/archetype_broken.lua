-- Archetypes that raise, loop for ever, wait, contradict themselves or reach for what is not
-- theirs: refused with one line, before anything is touched; in the daemon too.
local tap <const> = require "tap"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  local result = process.spawn { argv = { process.exe(), arg[0], dir.path }, add_env = { NERV_PATH = dir.path } }:wait()
  file.remove_tree(dir.path)
  os.exit(result.exit or 1)
end
local dir <const> = arg[1]

local function save(name, text) return system.write(dir, name .. ".lua", text) end

-- An archetype whose functions have the given bodies.
local function define(name, on_network, on_endpoint, more)
  return save(name, ([[
return archetype {
  name = "%s", summary = "for a test", %s
  on_network = function(need, net) %s end,
  on_endpoint = function(need, net, ep) %s end,
}
]]):format(name, more or "", on_network or "", on_endpoint or ""))
end

local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
blue:endpoint { { name = "h1" }, { name = "h2" } }
local before <const> = system.inventory()
local agent <const> = system.agent_pid()

-- Refused by the shell, before anything is written.
local function refused(name, pattern, text)
  system.refuses(function() return expect(network.create { name = "red", archetype = name }):delete() end, pattern, text)
  system.same_inventory(before, nil, text .. ": nothing is left")
end

-- Refused by the agent, when it evaluates.
local function undone(name, pattern, text)
  system.refuses(function() return expect(network.create { name = "red", archetype = name }):delete() end,
    "create network red: node .*: " .. pattern, text)
  system.same_inventory(before, nil, text .. ": nothing is left")
  system.refuses(function() network.plan { name = "red", archetype = name } end, ".*" .. pattern, text .. ": so is the plan")
  local good, message = pcall(archetype.expand, name, {})
  tap.ok(not good and tostring(message):find(pattern), text .. ": so is expand", message)
end

-- The file itself.
save("syntax", "return archetype { name = ")
refused("syntax", "network.create: archetypes/syntax.lua:1: .*near <eof>$", "a syntax error")
save("nothing", "local x = 1")
refused("nothing", "network.create: archetypes/nothing.lua does not return archetype", "a file that returns nothing")
save("table", "return { name = 'table', on_network = function() end }")
refused("table", "network.create: archetypes/table.lua ", "a table that archetype{} never saw")
save("empty", "")
refused("empty", "network.create: archetypes/empty.lua does not return archetype", "an empty file")
save("binary", string.dump(function() end))
refused("binary", "network.create: .*binary", "a file of byte code")
save("other", "return archetype { name = 'another', summary = 's', on_network = function() end, on_endpoint = function() end }")
refused("other", "network.create: archetypes/other.lua defines an archetype named 'another'$", "a name that is not the file's")
save("raises", "error('no way')")
refused("raises", "network.create: archetypes/raises.lua:1: no way$", "a file that raises")
save("tableerror", "error({})")
refused("tableerror", "network.create: .*", "a file that raises a table")
save("loops", "while true do end")
local began = runtime.now()
refused("loops", "network.create: .*", "a file that loops for ever")
tap.ok(runtime.now() - began < 5, "its time is limited", runtime.now() - began)
for _, what in ipairs { "io.open('/etc/passwd')", "os.exit(1)", "require 'nerv.link'", "package.path", "debug.getinfo(1)",
  "load('x')", "dofile('x')", "link.list()", "_G.x", "pcall(error)", "coroutine.yield()", "getmetatable('').__index.x",
  "setmetatable({}, {})", "collectgarbage()", "print(1)", "rawset({}, 1, 1)" } do
  save("reach", what)
  refused("reach", "network.create: archetypes/reach.lua:1: ", "a file may not use " .. what)
end
save("global", "x = 1\nreturn archetype { name = 'global', summary = tostring(x), on_network = function() end, on_endpoint = function() end }")
expect(network.create { name = "red", archetype = "global" }):delete()
tap.eq(rawget(_G, "x"), nil, "its globals are its own")
save("poison", "string.format = nil; table.concat = nil; math.max = nil; cidr.parse = nil\n" ..
  "return archetype { name = 'poison', summary = 's', on_network = function() end, on_endpoint = function() end }")
expect(network.create { name = "red", archetype = "poison" }):delete()
tap.ok(string.format and table.concat and math.max and cidr.parse, "what it breaks is its own")
save("meta", "('').rep = nil")
refused("meta", "network.create: .*", "a file that changes the text's own methods")
tap.eq(("a"):rep(3), "aaa", "they are as they were")

-- Fields and options.
define("fields", nil, nil, "on_netwrk = 1,")
refused("fields", "network.create: archetypes/fields.lua: archetype: unknown field 'on_netwrk'; did you mean 'on_network'%?$",
  "an unknown field")
define("fields", nil, nil, "network = 5,")
refused("fields", "network.create: archetypes/fields.lua: archetype: network must be a table$", "a field of a wrong type")
save("fields", "return archetype { name = 'fields', summary = 's', on_network = function() end }")
refused("fields", "network.create: .*archetype: field 'on_endpoint' is missing$", "a missing field")
define("options", nil, nil, "network = { home = { type = 'name', doc = 'd' } },")
refused("options", "network.create: .*network option 'home': the name is NERV's own$", "an option with a name of NERV's own")
define("options", nil, nil, "endpoint = { node = { type = 'name', doc = 'd' } },")
refused("options", "network.create: .*endpoint option 'node': the name is NERV's own$", "an endpoint's option, too")
define("options", nil, nil, "network = { x = { type = 'text', doc = 'd' } },")
refused("options", "network.create: .*network option x: unknown type 'text'; the types are address, ", "an option of unknown type")
define("options", nil, nil, "network = { x = { type = 'string' } },")
refused("options", "network.create: .*network option x has no doc$", "an option that is not explained")
define("options", nil, nil, "network = { x = 5 },")
refused("options", "network.create: .*network option x: a table is expected$", "an option that is no table")
define("options", nil, nil, "network = { x = { type = 'mtu', default = 'big', doc = 'd' } },")
refused("options", "network.create: .*network option x: default", "a default of a wrong type")

-- Composition.
define("composed", nil, nil, "uses = { 'brigde' },")
refused("composed", "network.create: archetype 'composed': unknown archetype 'brigde'; did you mean 'bridge'%?$",
  "`uses` of an unknown archetype")
define("composed", nil, nil, "uses = { 'syntax' },")
refused("composed", "network.create: archetype 'composed': archetypes/syntax.lua:1: ", "`uses` of a broken archetype")
define("composed", nil, nil, "uses = { 'composed' },")
refused("composed", "network.create: archetype 'composed': archetype 'composed' is composed of itself$", "an archetype in itself")
define("first", nil, nil, "uses = { 'second' },")
define("second", nil, nil, "uses = { 'first' },")
refused("first", "network.create: archetype 'first': archetype 'second': archetype 'first' is composed of itself$",
  "two archetypes in each other")
define("composed", "need.network { archetype = 'bridge', name = 'lan' }")
undone("composed", "archetype composed, network %S+: archetypes/composed.lua:3: .*does not name 'bridge' in its `uses`$",
  "a component that `uses` does not name")
define("composed", "need.network { archetype = 'bridge', name = 'lan', mtuu = 5 }", nil, "uses = { 'bridge' },")
undone("composed", "archetypes/composed.lua:3: .*unknown option 'mtuu'; did you mean 'mtu'%?$", "an unknown option of a component")
define("composed", "need.network { archetype = 'bridge', name = 'lan', port = 'data' }", nil, "uses = { 'bridge' },")
undone("composed", "the network has no port 'data'; its archetype names none in `ports`$", "a port that the network has not")
define("composed", "need.network { archetype = 'bridge' }", nil, "uses = { 'bridge' },")
undone("composed", "need.network: archetype and name are needed$", "a component with no name")

-- What the functions want.
define("wants", "error('not today')")
undone("wants", "archetype wants, network %S+: archetypes/wants.lua:3: not today$", "on_network raises")
define("wants", "error({ 1 })")
undone("wants", "archetype wants, network %S+: ", "on_network raises a table")
define("wants", "local x = nil; return x.y")
undone("wants", "archetypes/wants.lua:3: attempt to index a nil value", "on_network has a mistake")
define("wants", "local function f() return f() + 1 end return f()")
undone("wants", "stack overflow", "on_network recurses for ever")
define("wants", "need.lnik { kind = 'bridge', name = 'b' }")
undone("wants", "archetypes/wants.lua:3: there is no need of kind 'lnik'; did you mean 'link'%?$", "an unknown kind")
define("wants", "need.link { kind = 'bridge', name = 'b', mtuu = 1 }")
undone("wants", "archetypes/wants.lua:3: need.link: unknown property 'mtuu'; did you mean 'mtu'%?$", "an unknown property")
define("wants", "need.link { name = 'b' }")
undone("wants", "archetypes/wants.lua:3: need.link: property 'kind' is missing", "a missing property")
define("wants", "need.link()")
undone("wants", "archetypes/wants.lua:3: .*", "a need of nothing")
define("wants", "need.link 'b'")
undone("wants", "archetypes/wants.lua:3: .*", "a need that is no table")
define("wants", "need.x = 1")
undone("wants", "need cannot be changed$", "`need` is not changed")
define("wants", "net.facts.x = 1")
undone("wants", "net.facts cannot be changed$", "`net.facts` is not changed")
define("wants", "need.link { kind = 'bridge', name = 'b' } need.link { kind = 'bridge', name = 'b', mtu = 1400 }")
undone("wants", "archetypes/wants.lua:3: two needs contradict each other: link %S+/b is wanted twice, with different properties: mtu$",
  "one thing wanted twice, with other properties")
define("wants", "need.switch_port { switch = 'nve', number = 16, interface = 'a' } " ..
  "need.switch_port { switch = 'nve', number = 16, interface = 'b' }")
undone("wants", "two needs contradict each other: ", "one port wanted for two interfaces")
define("wants", "local b = need.link { kind = 'bridge', name = 'b' } return b.ifindex + 1")
undone("wants", "archetypes/wants.lua:3: link b.ifindex is known only to the system: hand it to another need, or read net.facts$",
  "computing with what only the system knows")
for _, use in ipairs { "1 - i", "-i", "i .. 'x'", "#i", "i < 1", "i <= i", "i()", "tostring(i)", "i | 1", "('%d'):format(i)",
  "math.max(i, 1)", "i.x" } do
  define("wants", "local b = need.link { kind = 'bridge', name = 'b' } local i = b.ifindex local x = " .. use)
  undone("wants", "archetypes/wants.lua:3: ", "computing with it by " .. use)
end
define("wants", "local b = need.link { kind = 'bridge', name = 'b' } return b.colour")
undone("wants", "archetypes/wants.lua:3: a link has no field 'colour'$", "a field that no need has")

-- What never ends, or waits.
for text, body in pairs { ["loops for ever"] = "while true do end", ["repeats a text for ever"] = "while true do ('x'):rep(1000) end",
  ["matches too deeply"] = "('a'):rep(300):find(('a*'):rep(300) .. 'b')",
  ["takes memory for ever"] = "local s = 'x' while true do s = s .. s end",
  ["fills tables for ever"] = "local t = {} while true do t = { t, ('x'):rep(1e6 + #t) } end",
  ["sorts for ever"] = "local t = {} for i = 1, 100 do t[i] = i end while true do table.sort(t) end" } do
  define("wants", body)
  began = runtime.now()
  undone("wants", "archetype wants, network %S+: ", "on_network " .. text)
  tap.ok(runtime.now() - began < 10, "its time is limited", runtime.now() - began)
end
define("wants", "sleep(1)")
undone("wants", "archetypes/wants.lua:3: .*'sleep'", "on_network cannot wait")
define("wants", "coroutine.yield()")
undone("wants", "archetypes/wants.lua:3: .*'coroutine'", "on_network cannot yield")

-- on_endpoint: the network is there, the endpoint is refused.
define("half", "return { b = need.link { kind = 'bridge', name = 'b', up = true } }",
  "need.netns {} if ep.bad == 'raise' then error('bad end') elseif ep.bad == 'loop' then while true do end " ..
  "elseif ep.bad == 'twice' then need.netns { loopback = true } end",
  "endpoint = { bad = { type = 'string', doc = 'how it goes wrong' } },")
local half <const> = network.create { name = "half", archetype = "half" }
local with_half <const> = system.inventory()
system.refuses(function() half:endpoint { name = "e", bad = "raise" } end,
  "create 1 endpoint of network half: node .*: archetype half, endpoint half:e: archetypes/half.lua:4: bad end$",
  "on_endpoint raises")
system.refuses(function() half:endpoint { { name = "d" }, { name = "e", bad = "raise" } } end,
  "create 2 endpoints of network half: node .*: .*bad end$", "on_endpoint raises for one of two")
system.refuses(function() half:endpoint { name = "e", bad = "twice" } end,
  "create 1 endpoint of network half: node .*: .*two needs contradict each other: netns half:e is wanted twice",
  "on_endpoint contradicts itself")
system.refuses(function() half:endpoint { name = "e", bad = "loop" } end,
  "create 1 endpoint of network half: node .*: archetype half, endpoint half:e: ", "on_endpoint loops for ever")
system.same_inventory(with_half, nil, "no endpoint is left")
tap.ok(half:endpoint { name = "e" }, "a good endpoint is made")

-- A network that runs is not changed into a broken one, and a broken file cannot keep it.
local text <const> = file.read(dir .. "/half.lua")
local with_endpoint <const> = system.inventory()
define("wants", "error('not today')")
system.refuses(function() half:update { archetype = "wants" } end, "update network half: node .*: .*not today$",
  "an update to an archetype that raises")
system.same_inventory(with_endpoint, nil, "leaves all as it was")
tap.eq(half.archetype, "half", "so the archetype")
tap.eq(half:verify(), {}, "and the system")
save("half", "while true do end")
system.refuses(function() network.create { name = "red", archetype = "half" } end, "network.create: ", "a file that was broken later")
tap.ok(half:endpoint { name = "f" }, "the network goes on with the text it was made with")
file.remove(dir .. "/half.lua")
tap.ok(half:endpoint { name = "g" }, "even when the file is gone")
half:delete()
system.same_inventory(before, nil, "and it can be deleted")

-- Whose file it is.
local path = save("half", text)
for _, mode in ipairs { 438, 436, 434 } do
  file.chmod(path, mode)
  refused("half", ("network.create: %s can be written by others: chmod go%%-w it$"):format(path:gsub("%p", "%%%0")),
    ("a file of mode %o"):format(mode))
end
file.chmod(path, 420)
expect(process.run { argv = { "chown", "nobody", path } })
refused("half", "network.create: .*/half.lua belongs to user 65534: it must belong to root or to you$", "a file of another user")
local function as_sudo_of(uid)
  return system.nervsh({ "-e", "print(expect(archetype.load('half')).name)" }, { env = { SUDO_UID = uid } })
end
tap.eq(as_sudo_of("65534").stdout, "half\n", "unless the user is who called sudo")
tap.like(as_sudo_of("65533").stderr, "belongs to user 65534", "and nobody else")
expect(process.run { argv = { "chown", "root", path } })
expect(network.create { name = "red", archetype = "half" }):delete()
tap.ok(true, "a file of ours is taken")

tap.eq(system.agent_pid(), agent, "the agent is the same")
tap.eq(blue:verify(), {}, "the other network is as it was")
tap.ok(blue:get("h1"):ping(blue:get "h2"), "and works")
tap.done()
