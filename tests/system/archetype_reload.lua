-- archetype.reload and archetype.watch: networks that run get the text that is in the file now, one by one, or keep
-- theirs.
local tap <const> = require "tap"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  local result = process.spawn { argv = { process.exe(), arg[0], dir.path }, stderr = { file = dir.path .. "/log" },
    add_env = { NERV_PATH = dir.path .. ":/nonexistent" } }:wait()
  if result.exit ~= 0 then io.stderr:write(file.read(dir.path .. "/log")) end
  file.remove_tree(dir.path)
  os.exit(result.exit or 1)
end
local dir <const> = arg[1]

local function ring(mtu, more)
  return ([[
return archetype {
  name = "ring", summary = "for a test", %s
  on_network = function(need, net)
    %s
    return { bridge = need.link { kind = "bridge", name = "b", mtu = %d, up = true } }
  end,
  on_endpoint = function(need, net) need.netns {} end,
}
]]):format(more and "network = { bad = { type = 'boolean', default = false, doc = 'whether it fails' } }," or "", more or "", mtu)
end

local function save(text) return system.write(dir, "ring.lua", text) end

system.write(dir, "double.lua", [[
return archetype {
  name = "double", summary = "two rings", uses = { "ring" },
  on_network = function(need, net)
    need.network { archetype = "ring", name = "one" }
    return { two = need.network { archetype = "ring", name = "two" } }
  end,
  on_endpoint = function(need, net, ep) net.made.two:endpoint {} end,
}
]])
system.write(dir, "triple.lua", [[
return archetype {
  name = "triple", summary = "three rings", uses = { "double", "ring" },
  on_network = function(need, net)
    need.network { archetype = "ring", name = "three" }
    return { d = need.network { archetype = "double", name = "d" } }
  end,
  on_endpoint = function(need, net, ep) net.made.d:endpoint {} end,
}
]])

system.refuses(function() archetype.reload "nosuch" end, "archetype.reload: unknown archetype 'nosuch'", "an unknown archetype")
system.refuses(function() archetype.reload("bridge", { dryrun = true }) end,
  "archetype.reload: unknown option 'dryrun'; did you mean 'dry_run'", "an unknown option")
save(ring(1500, "if net.bad and net.node then error('refused') end"))
local bed <const> = testbed.create { nodes = 2 }
local nets = {}
for name, kind in pairs { a = "ring", b = "ring", c = "double", d = "triple", e = "bridge" } do
  nets[name] = network.create { name = name, archetype = kind, home = name == "b" and "pm2" or "pm1" }
end
nets.a:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
nets.c:endpoint { name = "h1", node = "pm2" }
local function digests()
  local result = {}
  for _, row in pairs(lab.state().rows.Network) do result[row.name] = row.digest end
  return result
end
-- MTUs of the bridges of a network on a node.
local function mtus(name, where)
  local found = {}
  for _, l in ipairs(link.list { netns = bed:netns(where) }) do
    local owner = (l.alias or ""):match("^nerv:%x+:([^:]+)$")
    if owner and owner:match("^[^/]+") == name then found[#found + 1] = l.mtu end
  end
  return found
end

tap.eq(archetype.reload "ring", {}, "a file that did not change")
save(ring(1400))
local first <const> = digests()
tap.eq(mtus("a", "pm1"), { 1500 }, "saving a file changes nothing that runs")
local planned <const> = archetype.reload("ring", { dry_run = true })
tap.eq(digests(), first, "nor does a dry run")
local changes = {}
for _, op in ipairs(planned) do
  changes[#changes + 1] = ("%s %s %s %s"):format(op.network, op.node, op.verb, op.key)
end
table.sort(changes)
tap.eq(changes, { "a pm1 change link a/b", "a pm2 change link a/b", "b pm2 change link b/b", "c pm1 change link c/one/b",
  "c pm1 change link c/two/b", "c pm2 change link c/one/b", "c pm2 change link c/two/b", "d pm1 change link d/d/one/b",
  "d pm1 change link d/d/two/b", "d pm1 change link d/three/b" },
  "it says what would be done, on every node, in the networks that are composed of it, too")
local before_change = 0
for _ in pairs(lab.state().rows.Change) do before_change = before_change + 1 end
tap.eq(#archetype.reload "ring", #planned, "reload does the same")
local count = 0
for _ in pairs(lab.state().rows.Change) do count = count + 1 end
tap.eq(count - before_change, 4, "in one change for each network")
tap.eq({ mtus("a", "pm1"), mtus("a", "pm2"), mtus("b", "pm2"), mtus("c", "pm2"), mtus("d", "pm1") },
  { { 1400 }, { 1400 }, { 1400 }, { 1400, 1400 }, { 1400, 1400, 1400 } }, "the system has it")
tap.eq(archetype.reload "ring", {}, "once")
local second <const> = digests()
tap.eq(second.e, first.e, "a network that does not use it keeps its text")
tap.ok(second.a == second.b and second.a ~= first.a and second.d ~= first.d, "the others have new ones")
for name, net in pairs(nets) do tap.eq(net:verify(), {}, "network " .. name .. " is as it is wanted") end
local third <const> = network.create { name = "f", archetype = "triple" }
tap.eq(digests().f, digests().d, "a network made now has the same text")
third:delete()

-- A text with a port that the networks have not yet.
local with_port <const> = ring(1400, "if not net.ports.data then error('no port') end"):gsub("summary", 'ports = { "data" }, summary', 1)
save(with_port)
nets.d:delete()   -- composed: its ports are its own archetype's
nets.c:delete()
archetype.reload "ring"
local ports <const> = { nets.a.ports.data, nets.b.ports.data, nets.e.ports.data }
tap.ok(#ports == 3 and ports[1].tag ~= ports[2].tag and ports[1].tag ~= ports[3].tag and ports[1].number ~= ports[2].number,
  "a new port gets a tag and a number", ports)
tap.eq({ nets.a:verify(), archetype.reload "ring" }, { {}, {} }, "once")
local tag <const> = nets.a.ports.data.tag
save(ring(1400))
archetype.reload "ring"
save(with_port)
archetype.reload "ring"
tap.eq(nets.a.ports.data.tag, tag, "a port that comes back is the same")
save(ring(1400))
archetype.reload "ring"
nets.c = network.create { name = "c", archetype = "double", home = "pm1" }
nets.c:endpoint { name = "h1", node = "pm2" }
nets.d = network.create { name = "d", archetype = "triple", home = "pm1" }

-- The text of a composed archetype is its own affair.
local double <const> = file.read(dir .. "/double.lua")
system.write(dir, "double.lua", "not Lua at all")
save(ring(1450))
archetype.reload "ring"
tap.eq(mtus("c", "pm1"), { 1450, 1450 }, "a component is reloaded though the file of the whole is broken")
system.write(dir, "double.lua", double)

-- One fails.
nets.b:delete()
save(ring(1450, "if net.bad then error('refused') end"))
archetype.reload "ring"
nets.b = network.create { name = "b", archetype = "ring", home = "pm2" }
local kept <const> = digests()
save(ring(1300, "if net.name == 'b' then error('not for b') end"))
local bad_good, message = pcall(archetype.reload, "ring")
tap.ok(not bad_good and tostring(message):find("archetype.reload ring: network b: node pm2: [^\n]*archetypes/ring.lua:%d+: not for b$"),
  "one that fails: the network, the node and the reason", message)
local now = digests()
tap.eq(now.b, kept.b, "it stays on the old text")
tap.ok(now.a ~= kept.a and now.c ~= kept.c, "the others have the new one")
tap.eq({ mtus("a", "pm1"), mtus("b", "pm2") }, { { 1300 }, { 1450 } }, "so has the system")
save(ring(1350, "if net.node == 'pm2' then error('not on pm2') end"))
local _, several = pcall(archetype.reload, "ring")
tap.ok(tostring(several):find("network a: node pm2: .*not on pm2; network b: node pm2: .*not on pm2; network c: node pm2: .*not on pm2$"),
  "several that fail are all named", several)
tap.eq(mtus("a", "pm1"), { 1300 }, "a network that one of its nodes refuses is as it was on all")
save("return archetype {")
system.refuses(function() archetype.reload "ring" end, "archetype.reload: archetypes/ring.lua:%d+: ", "a file that is broken")
system.refuses(function() archetype.reload("ring", { dry_run = true }) end, "archetype.reload: ", "in a dry run, too")

-- On save.
local function log() return file.read(dir .. "/log") end
local function shows(pattern) return tap.eventually(10, function() return log():find(pattern) end) end
tap.ok(archetype.watch(true), "archetypes are watched")
tap.ok(archetype.watch(true), "once more is the same")
save(ring(1250))
tap.ok(tap.eventually(10, function() return mtus("a", "pm2")[1] == 1250 and mtus("d", "pm1")[3] == 1250 end), "a save is enough")
tap.ok(shows "nervsh: archetype ring: updated a, b, c, d\n", "it says so", log())
system.write(dir, "ring.new", ring(1260))
assert(file.rename(dir .. "/ring.new", dir .. "/ring.lua"))
tap.ok(tap.eventually(10, function() return mtus("b", "pm2")[1] == 1260 end), "so is an editor's rename")
save("return archetype {")
tap.ok(shows "nervsh: archetype.reload: archetypes/ring.lua:%d+: ", "what is wrong is logged", log())
save(ring(1270, "if net.path:find '^c' then error('not for c') end"))
tap.ok(shows "nervsh: archetype ring: network c: node pm%d: .*not for c\n", "so is a network that stays", log())
tap.eq(mtus("a", "pm1"), { 1270 }, "the others are updated")
system.write(dir, "other.lua", "no archetype of a network")
save(ring(1280))
tap.ok(tap.eventually(10, function() return mtus("c", "pm1")[1] == 1280 end), "and it goes on")
tap.ok(not log():find("other", 1, true), "files that no network uses are nobody's business", log())
tap.eq(archetype.watch(false), false, "until it is ended")
tap.eq(archetype.watch(false), false, "twice is the same")
save(ring(1290))
tap.eq(#archetype.reload("ring", { dry_run = true }) > 0, true, "a file that was saved since then")
tap.eq(mtus("a", "pm1"), { 1280 }, "changes nothing")
archetype.watch()
local said <const> = #log()
save(ring(1290))
tap.ok(tap.eventually(10, function() return log():find("updated a, b, c, d\n", said + 1, true) end), "it can begin again", log())
tap.eq(mtus("a", "pm1"), { 1290 }, "with what was saved")

for name, net in pairs(nets) do
  tap.eq(net:verify(), {}, "network " .. name .. " is as it is wanted at the end")
  net:delete()
end
bed:delete()
tap.done()
