-- Values as text: what is exact, what fits, what is cut.
local tap <const> = require "tap"
local show <const> = require "nerv.prompt.show"
local literal <const> = require "nerv.prompt.literal"

local function is(value, want, text, options) tap.eq(show.text(value, options), want .. "\n", text) end

-- scalars
is(42, "42", "an integer")
is(math.maxinteger, "9223372036854775807", "the largest integer")
is(math.mininteger, "-9223372036854775808", "the smallest")
is(1.0, "1.0", "a float that is whole")
is(0.1, "0.1", "a float as it was written")
is(1 / 3, "0.3333333333333333", "a float that needs many digits")
is(2 ^ 53, "9007199254740992.0", "a large float")
is(1e300, "1e+300", "a very large one")
is(math.huge, "inf", "infinity")
tap.like(show.text(0 / 0), "^%-?nan\n$", "not a number")
for _, n in ipairs { 0.1, 1 / 3, 1e-300, 123456789.123456789, 2 ^ 63, -0.0, 5e-324 } do
  tap.ok(tonumber(literal.number(n)) == n, "the text gives the same number: " .. literal.number(n))
end
is(nil, "nil", "nil")
is(true, "true", "a boolean")
is("a\nb\n", "a\nb", "a text is shown as it is")
is("", "", "an empty text")
is("a\0b", '"a\\0b"', "bytes that are no text are quoted")
is("\xff", '"\\xff"', "so are those that are no UTF-8")
is("\27[31mred", '"\\27[31mred"', "and what would change the terminal")
is("h\u{e9}", "h\u{e9}", "but letters are letters")
tap.like(show.text(print), "^function", "a function")
is(link.add, "function link.add", "a function of NERV by its name")

-- tables
is({}, "{}", "an empty table")
is({ 1, 2, 3 }, "{ 1, 2, 3 }", "a short list")
is({ a = 1, b = "two", c = { 1, { x = 1.5 } } }, 'a = 1\nb = "two"\nc = { 1, { x = 1.5 } }', "a record")
is({ ["a b"] = 1, ["end"] = 2, [10] = 3, [true] = 4 }, '[10] = 3\n["a b"] = 1\n["end"] = 2\n[true] = 4', "keys that are no names")
is({ 1, 2, x = 3 }, "{ 1, 2, x = 3 }", "a list with a name in it")
is({ { 1, 2 }, { 3, 4 } }, "{ { 1, 2 }, { 3, 4 } }", "lists in a list")
local cycle = { name = "me" }
cycle.self = cycle
is(cycle, 'name = "me"\nself = <cycle>', "a cycle is marked")
local shared = { 1 }
is({ a = shared, b = shared }, "a = { 1 }\nb = { 1 }", "what is there twice is none")
is({ long = { text = ("x"):rep(60), more = ("y"):rep(30) } },
  ('long =\n  more = "%s"\n  text = "%s"'):format(("y"):rep(30), ("x"):rep(60)), "what does not fit on a line goes below")
local deep = { "bottom" }
for _ = 1, 300 do deep = { deep } end
tap.ok(#show.text(deep) > 300, "a deep one")

-- records
local rows <const> = { { name = "h1", mtu = 1500, up = true }, { name = "h22", mtu = 9000, nodes = { "a", "b" } } }
is(rows, "NAME  NODES  MTU   UP\nh1           1500  true\nh22   a,b    9000", "a list of records is a table")
is({ { a = ("x"):rep(30), b = ("y"):rep(30), c = 1 }, { a = 1, b = 2, c = 3 } },
  "A" .. (" "):rep(22) .. "B\n" .. ("x"):rep(20) .. "~  " .. ("y"):rep(20) .. "~\n1" .. (" "):rep(22) .. "2\n... not shown: c",
  "columns that do not fit are named", { width = 44 })
is({ { a = "\u{e9}\u{e9}", b = 1 }, { a = "x", b = 2 } }, "A   B\n\u{e9}\u{e9}  1\nx   2", "letters of several bytes take one column")

-- objects
local object = setmetatable({}, { __tostring = function() return "an object" end })
is(object, "an object", "an object says what it is")
is({ x = object }, "x = an object", "in a table, too")
is(setmetatable({}, { __tostring = function() error "no" end }), "a table", "one that cannot")
is(setmetatable({ 1 }, { __index = error, __len = error, __pairs = error }), "{ 1 }", "metamethods are not called")

-- cut
local function lines(text) return select(2, text:gsub("\n", "")) end
local function timed(value, options)   -- its own time: others are at work, too
  local began = os.clock()
  local text = show.text(value, options)
  return text, os.clock() - began
end
local big = {}
for i = 1, 100000 do big[i] = { id = i, name = "n" .. i } end
local text, seconds = timed(big, { rows = 10 })
tap.like(text, "\n9 +n9\n%.%.%. 99,991 more rows; show.all%(_%) shows all\n$", "a table of 100,000 rows is cut")
tap.ok(seconds < 0.05, "which takes no time", seconds)
for i = 1, 100000 do big[i] = i end
text, seconds = timed(big, { rows = 3, width = 20 })
tap.like(text, "^1, 2, .*%.%.%. 99,9%d%d more values", "a list is")
tap.ok(seconds < 0.2, "in no time", seconds)
local map = {}
for i = 1, 100000 do map["key" .. i] = i end
text, seconds = timed(map, { rows = 3 })
tap.like(text, "%.%.%. 99,997 more fields", "a map is")
tap.ok(seconds < 0.5, "in no time", seconds)
text = show.text(("line\n"):rep(1000), { rows = 5 })
tap.eq({ lines(text), text:match("%.%.%. .-;") }, { 6, "... 995 more lines;" }, "a text is")
text = show.text({ a = big, b = 1 }, { rows = 6 })
tap.eq({ lines(text), text:match("more %a+") }, { 7, "more values" }, "what is inside is")
tap.eq(lines(show.text({ 1, 2, 3 }, { rows = 1 })), 1, "what fits is not")
tap.like(show.text({ long = ("x"):rep(100000) }), "~ %.%.%. 100,000 bytes\n$", "a long string in a table is")
text, seconds = timed(big)
tap.ok(#text > 500000 and seconds < 5, "all of it, when it is asked for", #text, seconds)

-- colours
tap.like(show.text({ a = "x" }, { colour = true }), '^a = \27%[32m"x"\27%[m\n$', "colours when they are wanted")
tap.like(show.text({ { a = 1 }, { a = 2 } }, { colour = true }), "^\27%[1mA\27%[m\n1\n2\n$", "a heading is bold")
tap.ok(not show.colour(), "not without a terminal")

tap.done()
