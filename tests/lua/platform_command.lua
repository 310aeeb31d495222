-- Command lines without a lab: words and quotes, options, types, records in three formats, the same from Lua.
local tap <const> = require "tap"
local command <const> = require "nerv.command"
local records <const> = require "nerv.command.records"
local words <const> = require "nerv.command.words"

for line, want in pairs {
  [""] = {}, ["  a  b "] = { "a", "b" }, ["sh -c 'exit 7'"] = { "sh", "-c", "exit 7" }, [ [[a"b c"d]] ] = { "ab cd" },
  [ [["\"\\\$x\n"]] ] = { [["\$x\n]] }, [ [[a\ b \' '\n']] ] = { "a b", "'", "\\n" }, ["'' \"\""] = { "", "" },
} do
  tap.eq((words.split(line)), want, "words of " .. line)
end
for line, want in pairs { ["a 'b"] = "a quote ' is not closed", ['a "b\\"'] = 'a quote " is not closed', ["a \\"] = "nothing follows a backslash" } do
  tap.eq({ table.unpack(table.pack(words.split(line)), 1, 2) }, { nil, want }, "refused: " .. line)
end
tap.eq({ select(2, words.split "  a 'b c' d") }, { { 3, 5, 11 } }, "places of words")
for _, word in ipairs { "", "a b", "it's", "a\nb", "$x", "plain-1.2/x" } do
  tap.eq((words.split("x " .. words.quote(word)))[2], word, "quoted and read back: " .. word:gsub("\n", "n"))
end

local seen
command.define { name = "probe", text = "for this test",
  args = { { name = "count", type = "integer", required = true, text = "how many" },
    { name = "colour", type = "choice", choices = { "red", "green" }, text = "which" }, { name = "others", type = "rest", text = "words" } },
  options = { quick = { type = "boolean", short = "q", doc = "at once" }, wait = { type = "seconds", default = 2, doc = "s" } },
  columns = { "name", "list" },
  run = function(a)
    seen = a
    return { { name = "x", list = { 1, 2 } } }, a.count == 0 and "none was wanted" or nil
  end }

local function run(line) return command.run_line(line) end

for line, want in pairs {
  ["probe 3"] = { count = 3, others = {}, wait = 2, format = "table" },
  ["probe -q --wait 0.5 -3 red"] = { count = -3, colour = "red", quick = true, others = {}, wait = 0.5, format = "table" },
  ["probe --wait=1 -f json 3 green a -q --x"] = { count = 3, colour = "green", others = { "a", "-q", "--x" }, wait = 1, format = "json" },
  ["probe 1 red -- -f"] = { count = 1, colour = "red", others = { "-f" }, wait = 2, format = "table" },
} do
  local status = run(line)
  tap.eq({ status, seen }, { 0, want }, line)
end
for line, want in pairs {
  ["probe"] = "probe: argument 'count' is missing %(how many%)", ["probe x"] = "probe: count 'x': an integer is expected",
  ["probe 1 rde"] = "probe: colour 'rde': one of red, green is expected; did you mean 'red'%?",
  ["probe --wiat 3"] = "probe: unknown option '%-%-wiat'; did you mean '%-%-wait'%?",
  ["probe --wait"] = "probe: option '%-%-wait' needs a value", ["probe --wait -1 1"] = "probe: wait '%-1': seconds, 0 or more",
  ["probe 1 -f xml"] = "probe: format 'xml': one of table, json, csv is expected", ["probe 0"] = "probe: none was wanted",
  ["nodes extra"] = "nodes: too many arguments: 'extra'", ["prob 1"] = "unknown command or endpoint 'prob'; did you mean 'probe'%?",
} do
  local good, message = pcall(command.run_line, line)
  tap.ok(not good and tostring(message):find(want), line, message)
end

tap.eq(commands.probe(3, "red", "a", "b"), { { name = "x", list = { 1, 2 } } }, "from Lua a command returns its records")
tap.eq({ commands.probe(0) }, { nil, "none was wanted", "failed", { { name = "x", list = { 1, 2 } } } }, "and says what went wrong")
tap.raises(function() commands.probe() end, "probe: argument 'count' is missing", "an argument is missing")
tap.raises(function() commands.prob() end, "there is no command 'prob'; did you mean 'probe'", "no such command")

-- a line: all that follows, as it was typed
local ran
command.define { name = "lines", text = "for this test", args = { { name = "word", type = "string", text = "one word" },
    { name = "line", type = "line", text = "the rest" } }, options = { dry_run = { type = "boolean", short = "n", doc = "not really" } },
  run = function(a)
    ran = a
    return nil, a.word == "bad" and "it was bad" or nil, tonumber(a.line)
  end }
for line, want in pairs {
  ["lines a  b 'c  d' | \"e "] = { word = "a", line = "b 'c  d' | \"e" }, ["lines --dry-run x y -n"] = { dry_run = true, word = "x", line = "y -n" },
  ["lines -n x"] = { dry_run = true, word = "x" }, ["lines x print('don\\'t') -- don't"] = { word = "x", line = "print('don\\'t') -- don't" },
} do
  tap.eq({ run(line), ran }, { 0, want }, line)
end
command.run_words("lines", { "a", "b c", "d" })
tap.eq(ran.line, "'b c' d", "words of the program's own arguments are quoted")
command.run_words("lines", { "a", "b c" })
tap.eq(ran.line, "b c", "but one that is a line already")
tap.eq({ run "lines x 7", pcall(run, "lines x 0") }, { 7, true, 0 }, "a status of the command's own")
tap.eq(run "lines bad 3", 3, "with a text, which is told and raises nothing")
tap.raises(function() run "lines bad x" end, "lines: it was bad", "without one it raises")
tap.eq({ commands.lines("bad", "3") }, { nil, "it was bad", "EXIT", { exit = 3 } }, "from Lua")
tap.eq({ commands.lines("x", "7", { dry_run = true }) }, { nil, "exit status 7", "EXIT", { exit = 7 } }, "from Lua, nothing told")
tap.raises(function() run "lines --dry_run x" end, "unknown option '%-%-dry_run'; did you mean '%-%-dry%-run'%?", "options have no _")

-- what is shown
local printed = {}
command.define { name = "shown", text = "for this test", columns = function(a) return a.which == "a" and { "a" } or { "b", "a" } end,
  args = { { name = "which", type = "network", choices = { "a", "b" }, text = "which" } }, options = { rate = { type = "rate", doc = "bits per second" } },
  render = function(rows, a)
    printed = { rows, a.which, a.rate }
    return ""
  end,
  run = function() return { { a = 1, b = {} } } end }
run "shown a --rate 2mbit"
tap.eq(printed, { { { a = 1, b = {} } }, "a", 2e6 }, "a text of the command's own; words that are no network; a rate is a number")

local columns <const> = { "name", "nodes" }
local rows <const> = { { name = "a,\"b", nodes = { "x", "y" } }, { name = "c" } }
tap.eq(records.text(columns, rows), "NAME  NODES\na,\"b  x,y\nc\n", "a table")
tap.eq(records.text(columns, rows, "csv"), "name,nodes\n\"a,\"\"b\",\"x,y\"\nc,\n", "CSV as RFC 4180")
tap.eq(json.decode(records.text(columns, rows, "json")), rows, "JSON")
tap.eq(records.text(columns, {}, "json"), "[]\n", "no records")
tap.eq(records.text(columns, { { name = "d", nodes = {} } }, "json"), '[\n  {"name": "d", "nodes": []}\n]\n', "an empty list")
tap.done()
