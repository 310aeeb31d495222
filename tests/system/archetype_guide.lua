-- The guide for archetype authors, archetypes/README.md: its archetype and its kind of need are taken out of the text
-- and run on two nodes; so is its piece of Lua, by a user who may do nothing.
local tap <const> = require "tap"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  local result = process.spawn { argv = { process.exe(), arg[0], dir.path }, add_env = { NERV_PATH = dir.path } }:wait()
  file.remove_tree(dir.path)
  os.exit(result.exit or 1)
end
local dir <const> = arg[1]

local guide <const> = file.read "archetypes/README.md"
local blocks <const> = {}
for block in guide:gmatch "\n```lua\n(.-)\n```\n" do blocks[#blocks + 1] = block .. "\n" end
tap.eq(#blocks, 4, "the guide has an archetype, a piece of Lua, a kind of need and an archetype with flows")
local chain <const>, try <const>, note <const> = table.unpack(blocks)
local _, lines = chain:gsub("\n", "\n")
tap.ok(lines <= 45, "the archetype has about 40 lines", lines)
system.write(dir, "chain.lua", chain)
assert(file.mkdir(dir .. "/kinds"))
system.write(dir, "kinds/note.lua", note)
file.chmod(dir, 493)

-- without root
local result = system.nervsh({ "-" }, { user = "nobody", input = try, env = { NERV_STATE = "/nonexistent" } })
tap.ok(result.exit == 0 and result.stderr == "", "archetype.expand as in the guide, by nobody", result)
tap.like(result.stdout, "net:a\tlink net:a/eth0\ttrue\n", "it says what is wanted")

-- on two nodes, as the guide says
local bed <const> = testbed.create { nodes = 2 }
local before <const> = system.inventory(bed)
local net <const> = network.create { name = "net", archetype = "chain", subnet = "10.1.0.0/24", home = "pm1", rate = "100mbit" }
local a <const>, b <const> = table.unpack(net:endpoint { { name = "a", node = "pm1", at = 3 }, { name = "b", node = "pm2" } })
tap.ok(tap.eventually(10, function() return a:ping(b) end), "endpoints on two nodes reach each other")
tap.eq(net:verify(), {}, "the system is as it is wanted")

local function bridges(name)
  local said = assert(process.run { argv = { "nsenter", "--net=" .. bed:netns(name), "ip", "-j", "link", "show", "type", "bridge" } })
  return #json.decode(said.stdout)
end
tap.eq({ bridges "pm1", bridges "pm2" }, { 4, 4 }, "the bridge and three switches on each node")
local eth0 <const> = link.get { netns = a.netns, name = "eth0" }
local planned = net:plan("update", { length = 5 })
net:update { length = 5 }
tap.eq(bridges "pm1", 6, "two switches more while it runs")
tap.eq(#net:operations(), #planned, "as the plan said")
tap.eq(link.get { netns = a.netns, name = "eth0" }.index, eth0.index, "an endpoint stays where it is")
system.refuses(function() net:update { length = 2 } end, "update network net: node pm1: .*: no switch 3: the chain has 2$",
  "a chain too short for its endpoints")
tap.eq(bridges "pm1", 6, "is not made")
tap.ok(a:ping(b), "it works all the same")

-- its kind of need
local function notes(name) return file.list(node.get(name).run_dir .. "/notes") or {} end
local function note_of(name) return file.read(node.get(name).run_dir .. "/notes/chain of net") end
local wanted <const> = guide:match "\n`(need%.note [^`]*)` then wants one"
system.write(dir, "chain.lua", (chain:gsub("    return { switches", "    " .. wanted:gsub("%%", "%%%%") .. "\n    return { switches")))
planned = archetype.reload("chain", { dry_run = true })
tap.eq(system.texts(planned), { "pm1: create note chain of net of net", "pm2: create note chain of net of net" },
  "the kind of need of the guide, in a dry run")
tap.eq(note_of "pm1", nil, "which does nothing")
archetype.reload "chain"
tap.eq({ note_of "pm1", note_of "pm2" }, { "5 switches", "5 switches" }, "it is made by the agents of both nodes")
net:update { length = 4 }
tap.eq({ note_of "pm1", note_of "pm2" }, { "4 switches", "4 switches" }, "and changed")
file.write(node.get("pm2").run_dir .. "/notes/chain of net", "wrong")
tap.eq(system.texts(net:verify()), { "pm2: change note chain of net of net" }, "verify finds and mends what somebody else did")
tap.eq(note_of "pm2", "4 switches", "it is right again")

net:delete()
system.same_inventory(before, bed, "nothing is left")
tap.eq({ #notes "pm1", #notes "pm2" }, { 0, 0 }, "no note either")

-- a faulty kind
system.write(dir, "kinds/broken.lua", "return {")
system.refuses(function() network.create { name = "bad", archetype = "bridge", port = 1 } end, "network.create: unknown option 'port'",
  "a faulty kind disturbs nobody who does not want it")
system.write(dir, "wants.lua", [[return archetype { name = "wants", summary = "for a test",
  on_network = function(need) need.broken {} end, on_endpoint = function() end }]])
system.refuses(function() network.create { name = "bad", archetype = "wants" } end, ".*kinds/broken.lua:1: ", "who wants it is told")
system.write(dir, "kinds/broken.lua", "return { name = 'other' }")
system.refuses(function() network.create { name = "bad", archetype = "wants" } end,
  ".*kinds/broken.lua does not return a kind named 'broken'$", "so is who finds another kind in its file")
for class, said in pairs { kernel = "kind mute_kernel returned nothing: a list of operations is expected$",
  call = "kind mute_call returned nothing: true, or nil and a message, is expected$" } do
  local kind <const> = "mute_" .. class
  system.write(dir, ("kinds/%s.lua"):format(kind), ([[return { name = "%s", class = "%s", rank = 60, properties = {},
    key = function() return "x" end, create = function() end, remove = function() return %s end,
    read = function() end }]]):format(kind, class, class == "call" or "{}"))
  system.write(dir, kind .. ".lua", ([[return archetype { name = "%s", summary = "for a test",
    on_network = function(need) need.%s {} end, on_endpoint = function() end }]]):format(kind, kind))
  system.refuses(function() network.create { name = "bad", archetype = kind } end,
    ("create network bad: node .*: create %s x: create%%(%%) of "):format(kind) .. said, "a kind whose create returns nothing")
end
file.chmod(dir .. "/kinds/broken.lua", 438)
system.refuses(function() network.create { name = "bad", archetype = "wants" } end, ".*broken.lua can be written by others",
  "a kind that others can write is not loaded")
bed:delete()
tap.done()
