-- The end of logs: lines, pieces, and how long it takes to find them in what has no end of a line.
local tap <const> = require "tap"
local tail <const> = require "nerv.tail"
local system <const> = require "support.system"

tap.eq({ tail.lines("a\nb\nc\n", 2), tail.lines("a\nb\nc", 2), tail.lines("a\n", 3), tail.lines("", 1), tail.lines("\n\n", 1) },
  { "b\nc\n", "b\nc", "a\n", "", "\n" }, "the last lines")
local endless <const> = ("x"):rep(1 << 20)
tap.eq({ #tail.lines(endless, 5), tail.lines(endless .. "\nend", 1) }, { 1 << 20, "end" }, "a line without an end, in no time")

local dir <const> = system.directory()
local _ <close> = dir
local function path(text) return system.write(dir.path, "log", text) end
tap.eq(tail.last_line(path "one\ntwo\n\n\n"), "two", "the last line that says something")
tap.eq({ tail.last_line(path ""), tail.last_line(path "\n"), tail.last_line(dir.path .. "/none") }, {}, "none")
tap.eq(tail.last_line(path(endless .. "\nend\n")), "end", "after a long one")
local two <const> = path "one\ntwo\n"
tap.eq({ tail.last_line(two, 0), tail.last_line(two, 4), tail.last_line(two, 8) or "none", tail.last_line(two, 9) },
  { "two", "two", "none", "two" }, "from somewhere on; a file that is shorter has begun anew")
tap.eq(#tail.last_line(path(endless)), 65536, "of one that is too long its end")
tap.eq(#tail.last_line(path("x" .. ("\n"):rep(60000))), 1, "before many empty ones")
tap.eq({ tail.of_file(path "a\nb\nc\n", 4), tail.size(path "abc"), tail.piece(path "abc", 1), tail.piece(path "abc", 9) },
  { "a\nb\n", 3, "bc", "" }, "parts of a file")
local long <const> = path(("y"):rep(100) .. "\n" .. ("z"):rep(65500) .. "\n")
tap.eq(tail.of_file(long, tail.size(long)), ("z"):rep(65500) .. "\n", "from a whole line on")
tap.done()
