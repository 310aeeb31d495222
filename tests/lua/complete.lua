-- Completion without a lab: names, fields, methods, options of the call at hand, values by type, files, commands.
local tap <const> = require "tap"
local complete <const> = require "nerv.prompt.complete"
local candidates <const> = require "nerv.prompt.candidates"

-- The words for the end of a text, joined; the place where they begin.
local function words(text, before)
  local answer = complete.complete(text, before)
  if not answer then return "", nil end
  return table.concat(answer.words, "|"), answer.start
end

local function is(text, want, start, before)
  local got, at = words(text, before)
  tap.eq({ got, at or "" }, { want, start or at or "" }, "completion of " .. text)
end

local function has(text, wanted, unwanted)
  local got = "|" .. words(text) .. "|"
  local good = true
  for _, name in ipairs(wanted) do good = good and got:find("|" .. name .. "|", 1, true) ~= nil end
  for _, name in ipairs(unwanted or {}) do good = good and not got:find("|" .. name .. "|", 1, true) end
  tap.ok(good, "completion of '" .. text .. "'", got)
end

fruit = { apple = 1, apricot = { stone = print }, ["not a name"] = 2, [1] = 3 }
object = setmetatable({ own = 1 }, { __index = { inherited = function() end } })
trap = setmetatable({ visible = 1 }, { __index = function() error "called" end, __pairs = function() error "called" end })
text_value = "x"

-- names
is("frui", "fruit", 1)
is("x = frui", "fruit", 5)
is("print(fruit.ap", "apple|apricot", 13)
is("fruit.apr", "apricot", 7)
is("fruit.apricot.s", "stone(", 15)
is("fruit.", "apple|apricot")
is("fruit . app", "apple", 9)
is("object.", "inherited|own", nil)
is("object:", "inherited(", 8)
is("trap.", "visible", 6)
is("text_value:rep", "rep(", 12)
is("string.form", "format(", 8)
is("nosuch.", "")
is("fruit.nosuch.x", "")
is("f().x", "")
is("netn", "netns.", 1)
is("link.li", "list{ ", 6)
is("for i = 1, 2 do link.ge", "get{ ", 22)
is("spawn(function() link.ge", "get{ ", 23)
is("whi", "while", 1)
is("if x the", "then")
is("5", "")
is("0x1f", "")
is("-- link.ad", "")
is("--[[ link.ad", "")
is("--[[ x ]] link.ad", "add{ ")
is("", words(""))
has("", { "network", "nodes", "fruit", "print", "help" }, { "_G", "end" })
is("=frui", "fruit", 2)
is("a, b = fruit.app", "apple")
is("goto link.ad", "add{ ")
is("archetype.compl", "")   -- for NERV's own modules

-- options of the call at hand
is("link.add{ nam", "name = ", 11)
is("link.add{nam", "name = ", 10)
is("link.add {\n  nam", "name = ", 14)
is("link.add({ nam", "name = ", 12)
is("link.add{ name = \"x\", nam", "")
is("link.get{ ", "name|netns", nil)
is("  nam", "name = ", 3, "link.add{ kind = 'veth',")
is("link.add{ kind = \"veth\", mtu = 2, pe", "peer = ")
is("link.add{ kind = f({ a = 1 }), pe", "peer = ")
is("network.create{ arch", "archetype = ", 17)
is("network.create{ archetype=\"ip\", sub", "subnet|subnet6", 33)
is("network.create{ sub", "", nil)
is("network.create{ archetype = \"bridge\", sub", "", nil)
is("archetype.expand(\"ip\", { sub", "subnet|subnet6")
is("process.run{ argv = { \"ls\" }, std", "stderr|stdin|stdout")
is("show.text({}, { width = 4, ro", "rows = ")
is("sleep(fruit.app", "apple")

-- values by type
has("network.create{ archetype = ", { '"bridge"', '"ip"' })
is("network.create{ archetype = \"br", 'bridge"', 30)
is("network.create{ archetype = 'br", "bridge'", 30)
is("network.create{ archetype = \"ip\", dhcp = ", "false|true")
is("network.create{ archetype = \"ip\", dhcp = fa", "false")
has("archetype.expand(\"", { "bridge", "ip" })
is("archetype.expand \"br", "bridge\"", 19)
is("archetype.load(\"br", "bridge\"")
is("help \"link.ad", "link.add\"", 7)
is("help(\"link.ad", "link.add\"", 7)
is("show.text({}, { col", "colour = ")

-- methods of what a call returns
is("network.get(\"blue\"):up", "update{ ", 21)
is("network.create{ name = \"x\" }:dele", "delete|delete_endpoints")
is("network.get \"blue\":upd", "update{ ")
is("node.here():ex", "exec(")
is("network.get(\"blue\").upd", ":update{ ", 20)

-- files
local dir = file.temp_dir "complete"
file.write(dir .. "/one.lua", "")
file.write(dir .. "/two words", "")
file.write(dir .. "/.hidden", "")
file.mkdir(dir .. "/sub")
is(("x = \"%s/o"):format(dir), dir .. "/one.lua\"", 6)
is(("dofile('%s/su"):format(dir), dir .. "/sub/")
is(("dofile [[%s/on"):format(dir), dir .. "/one.lua]]")
is(("x = \"%s/"):format(dir), ("%s/one.lua|%s/sub/|%s/two words"):format(dir, dir, dir))
is(("x = \"%s/."):format(dir), dir .. "/.hidden\"")
is("x = \"/nosuch/", "")

-- commands
is("nod", "node|nodes")
has("no", { "nodes" })
is("nodes -", "--format ", 7)
is("nodes --form", "--format ")
is("nodes -f js", "json ", 10)
is("nodes --format ", "csv|json|table")
is("net list -f j", "json ")
is("help lin", words("help lin"))
has("help li", { "link", "links", "link.add" })
is("!nodes -f js", "json ")
is(("source %s/o"):format(dir), dir .. "/one.lua ", 8)
is(("source %s/t"):format(dir), dir .. "/two\\ words ")
is(("sh cat '%s/t"):format(dir), dir .. "/two words' ", 9)
is(("source %s/s"):format(dir), dir .. "/sub/")
has("sh l", { "ls" })
is(("sh ls %s/on"):format(dir), dir .. "/one.lua ")
is("time link.ad", "add{ ", 11)
is("time nodes -f j", "json ")
is("create green br", "bridge ")
has("create green ip ", { "subnet=", "home=" })
is("create green ip dhcp=", "dhcp=false|dhcp=true")
has("plan ", { "create", "delete" })
is("net = fruit.app", "apple", 13)
is("commands.nod", "nodes(", 10)

tap.ok(not lab.active(), "asking has started no lab")

-- lists
local answer = complete.complete("link.")
local few = candidates.list(answer, 40, 60)
tap.like(few, "^add +makes a link", "few words are listed with what they are")
for line in few:gmatch("[^\n]+") do
  if #line >= 60 then tap.ok(false, "a line is too long: " .. line) end
end
many = {}
for i = 1, 5000 do many[("key%04d"):format(i)] = i end
local began = os.clock()
answer = complete.complete("many.key")
tap.ok(os.clock() - began < 1, "five thousand keys are quick")
tap.eq(#answer.words, 5000, "all of them are there")
local list = candidates.list(answer, 24, 80)
tap.eq(select(2, list:gsub("\n", "\n")), 22, "a long list is cut where the terminal ends")
tap.like(list, "%.%.%. and %d+ more\n$", "and says how much is left")

-- no text makes it fail
for _, bad in ipairs { "(", "}", "f{{{", "f(\"", "a.b.c:d{e=", "[[", "\\", "'", "=", "!", "!'", ":", ".", "..", "f{,,}", "end end",
  "x = = ", "link.add{[", "\xff", "a\0b", "help '", "sh '\"", "time time time ", "- --", "f(...)." } do
  tap.ok(pcall(complete.complete, bad), "half a text: " .. ("%q"):format(bad))
end

file.remove_tree(dir)
tap.done()
