-- Output at the prompt: what tasks print while a person types, long values, the pager, colours.
local tap <const> = require "tap"
local terminal_test <const> = require "support.terminal"

local function start(more)
  more = more or {}
  more.env = more.env or {}
  more.env.NERV_STATE = "/dev/null/state"
  return terminal_test.nervsh({}, more)
end

-- A task that runs code when the file comes into being: the line can be typed before.
local go <const> = os.tmpname()
local function later(t, code)
  os.remove(go)
  t:ask(("x = spawn(function() while not file.stat(%q) do sleep(0.01) end %s end)"):format(go, code))
end
local function now() file.write(go, "") end

do
  local t <close> = start { rows = 16, cols = 60 }
  later(t, "print 'one' print('two\\nthree')")
  t:keys("'half a li")
  t:see("li$")
  now()
  t:see("\none\ntwo\nthree\nnerv> 'half a li$")
  tap.ok(true, "what a task prints stands above the line, which is whole")
  t:keys("ne'\r")
  t:see("\nhalf a line\nnerv>$")
  tap.ok(true, "and goes on where it was")

  later(t, "print 'above'")
  t:keys("'abc' .. 'def'")
  t:see("'def'$")
  t:keys("\27[D\27[D\27[D\27[D\27[D")
  now()
  t:see("\nabove\nnerv> 'abc' .. 'def'$")
  t:keys("'x' .. ")
  t:see("\nnerv> 'abc' .. 'x' .. 'def'$")
  tap.ok(true, "the cursor is where it was")
  t:keys("\3")

  later(t, "for i = 1, 5 do print('line ' .. i) end")
  local long = ("z"):rep(150)
  t:keys("'" .. long .. "'")
  t:see("z'$")
  now()
  t:see("\nline 5\nnerv> 'z+\nz+\nz+'$")
  tap.ok(not t.screen:text():find("z\nline 1") and t.screen:text():find("\nline 1\nline 2\nline 3\n"),
    "a line of three rows is hidden whole", t.screen:text())
  t:keys("\r")
  t:see("\n" .. ("z"):rep(60) .. "\n" .. ("z"):rep(60) .. "\n" .. ("z"):rep(30) .. "\nnerv>$")
  tap.ok(true, "and runs")

  later(t, "for i = 1, 3 do print('long ' .. i) end")
  t:keys("'" .. long .. "'")
  t:see("z'$")
  t:keys("\1")   -- the cursor is in the first of the rows
  now()
  t:see("\nlong 1\nlong 2\nlong 3\nnerv> 'z+\nz+\nz+'$")
  tap.ok(not t.screen:text():match("nerv> x = .*$"):find("z\nlong 1"), "also with the cursor in its first row", t.screen:text())
  t:keys("\3")

  later(t, "print 'in the search'")
  t:keys("\18half")
  t:see("i%-search%)`half': 'half a line'")
  now()
  t:see("\nin the search\n%(reverse%-i%-search%)`half': 'half a line'")
  tap.ok(true, "a search goes on below")
  t:keys("\3")

  later(t, "io.write('part ') io.write('of a line')  io.flush() sleep(0.05) io.write(' more\\n')")
  t:keys("'typed'")
  t:see("'typed'$")
  now()
  t:see("part of a line\n more\nnerv> 'typed'$")
  tap.ok(true, "a part of a line is none of the prompt's")
  t:keys("\3")

  later(t, "io.stderr:write('to stderr\\n') runtime.log('a log') warn('@on') warn('a warning') error('a fault')")
  t:keys("'typed'")
  t:see("'typed'$")
  now()
  t:see("to stderr\na log\n@?o?n?\n?a warning\nerror in task [^\n]*: prompt:%d+:1: a fault\nnerv> 'typed'$")
  tap.ok(true, "so it is with stderr, logs, warnings and the errors of tasks")
  t:keys("\3")

  later(t, "for i = 1, 300 do print('flood ' .. i) if i % 10 == 0 then sleep(0.001) end end")
  t:prompt()
  now()
  for c in ("'typed in a flood'"):gmatch(".") do
    t:keys(c)
    sleep(0.005)
  end
  t:see("\nflood 300\nnerv> 'typed in a flood'$")
  local expected, clean = 0, true
  for line in t.screen:text(true):gmatch("[^\n]+") do
    local n = math.tointeger(tonumber(line:match("^flood (%d+)$")))
    if n then
      clean = clean and n == expected + 1
      expected = n
    elseif line:find("flood %d") and not line:find("print") then
      clean = false
    end
  end
  tap.ok(clean and expected == 300, "three hundred lines while somebody types: none is torn")
  t:keys("\r")
  t:see("\ntyped in a flood\nnerv>$")
  tap.ok(true, "nor is what is typed")

  later(t, "print 'below'")
  t:keys("registr\t")
  t:line("nerv> registry.")
  t:keys("\t")
  t:see("\nnearest +returns[^\n]*\nnerv> registry.$")
  now()
  t:see("below\nnerv> registry.$")
  tap.ok(true, "after a list of completions, too")
  t:keys("\3")
end

do -- a terminal that cannot erase
  local t <close> = start { cols = 200, env = { TERM = "dumb" } }
  later(t, "print 'one'")
  t:keys("'half'")
  t:see("half'$")
  now()
  t:see("'half'\none\nnerv> 'half'$")
  tap.ok(true, "on a dumb terminal the line is shown again below")
  t:keys("\r")
  t:see("\nhalf\nnerv>$")
end

do -- long values
  local t <close> = start { rows = 20, cols = 70 }
  t:ask("big = {} for i = 1, 100000 do big[i] = { id = i, name = 'n' .. i } end")
  local began = runtime.now()
  local text = t:ask("big")
  local took = runtime.now() - began
  tap.like(text, "^ID  NAME\n1   n1\n.*\n15  n15\n%.%.%. 99,985 more rows; show.all%(_%) shows all$",
    "a table of 100,000 rows is cut where the terminal ends")
  tap.ok(took < 1, "at once", took)
  tap.like(t:ask("'x\\n' .. ('line\\n'):rep(100)"), "^x\nline\n.*%.%.%. 85 more lines", "a long text is cut, too")
  tap.like(t:ask("big[100000]"), "id = 100000\nname = \"n100000\"", "all of it is there")
  t:ask("big")
  t:resize(40, 70)
  tap.like(t:ask("_"), "\n35  n35\n%.%.%. 99,965 more rows", "as much as the terminal has room for, now")
  t:type("show.all(_)")
  t:see("\n38 +n38\n:$")
  tap.ok(true, "show.all leaves it to less")
  t:keys("G")
  t:see("\n100000 +n100000\n%(END%)$")
  tap.ok(true, "which has all of it")
  t:keys("\3")
  tap.eventually(10, function()    -- less may drop what comes at once
    t:keys("q")
    return pcall(t.prompt, t, 0.5)
  end)
  t:keys("\21")
  tap.eq(t:ask("'back'"), "back", "and the terminal comes back, after a Ctrl-C there, too")
  t:type("show.all(big)")
  t:see("\n38 +n38\n:$")
  t:keys("q")
  t:prompt()
  tap.eq(t:ask("'again'"), "again", "also when it is left before it has read all")
  tap.eq(t:ask("show.all { 1, 2 }"), "{ 1, 2 }", "what is short needs no keys")
end

do
  local t <close> = start { env = { PAGER = "cat -n" } }
  tap.eq(t:ask("show.all 'a\\nb'"), "     1  a\n     2  b", "$PAGER is used")
  local u <close> = start { env = { PAGER = "nosuchpager" } }
  tap.like(u:ask("show.all 'a'"), "nosuchpager", "one that is not there is told of")
  tap.eq(u:ask("'still'"), "still", "and the prompt goes on")
end

do -- colours
  local t <close> = start { env = { NO_COLOR = false } }
  t:ask("{ a = 'red' }")
  tap.ok(t:sent():find('a = \27[32m"red"\27[m', 1, true), "colours on a terminal")
  t:ask("error 'x'")
  tap.ok(t:sent():find("\27[31merror: \27[mx", 1, true), "for errors, too")
  local u <close> = start { env = { NO_COLOR = "1" } }
  u:ask("{ a = 'red' }")
  tap.ok(not u:sent():find("\27[32m", 1, true), "NO_COLOR is honoured")
  local v <close> = start { env = { NO_COLOR = false, TERM = "dumb" } }
  v:ask("{ a = 'red' }")
  tap.ok(not v:sent():find("\27", 1, true), "a dumb terminal gets none, nor anything else")
end

os.remove(go)
tap.done()
