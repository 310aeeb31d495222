-- The prompt on a pseudo-terminal: what is typed, pasted, shown and told.
local tap <const> = require "tap"
local terminal_test <const> = require "support.terminal"

-- No agent can be started with this state directory, and nothing here needs one.
local ENV <const> = { NERV_STATE = "/dev/null/state" }

local function start(arguments, more)
  more = more or {}
  more.env = more.env or {}
  more.env.NERV_STATE = ENV.NERV_STATE
  return terminal_test.nervsh(arguments, more)
end

-- Bracketed paste, as terminals send it.
local function paste(text) return "\27[200~" .. text .. "\27[201~" end

do -- expressions, statements, commands
  local t <close> = start()
  t:prompt()
  tap.ok(t.screen:text():find('"help" explains'), "a new user is told how to begin")
  tap.eq(t:ask("1 + 1"), "2", "an expression is shown")
  tap.eq(t:ask("x = 20"), "", "a statement is run")
  tap.eq(t:ask("=x * 2"), "40", "a line that begins with =")
  tap.eq(t:ask("_ + 1"), "41", "_ is the last value")
  tap.eq(t:ask("x, 'text', nil"), "20\ntext", "several values")
  tap.eq(t:ask("nil"), "nil", "nil is a value")
  tap.eq(t:ask("_"), "20", "which _ does not keep")
  tap.eq(t:ask("print('printed')"), "printed", "no value, nothing shown")
  tap.eq(t:ask("local y <const>, z = 5, 6"), "", "a local at the prompt")
  tap.eq(t:ask("y + z"), "11", "lasts")
  tap.eq(t:ask("local function f() return 'of f' end"), "", "so does a local function")
  tap.eq(t:ask("f()"), "of f", "with its value")
  tap.like(t:ask("help"), "Commands:", "a command")
  tap.like(t:ask("!help"), "Commands:", "a command by !")
  tap.eq(t:ask("help = 5"), "", "and a word that is one, but not here")
  t:keys("\r")
  t:see("\nnerv>\nnerv>$")
  tap.ok(true, "an empty line")
  tap.eq(t:ask("io.write('no line feed')"), "no line feed", "the prompt begins a line of its own")
  tap.eq(t:ask("nil, 'it: cannot be', 'ENOENT'"), "failed: it: cannot be (ENOENT)", "what the world refused")
  t:keys("\4")
  tap.eq(t:wait_end().exit, 0, "Ctrl-D leaves")
end

do -- several lines
  local t <close> = start()
  t:type("for i = 1, 2 do")
  t:line("   >>")
  tap.ok(true, "the prompt says that more is expected")
  t:keys("print('line ' .. i)\rend\r")
  t:see("\nline 2\nnerv>$")
  tap.ok(true, "a block over several lines")
  t:type("if true then")
  t:line("   >>")
  t:keys("\3")
  t:see("%^C\nnerv>$")
  tap.eq(t:ask("'dropped'"), "dropped", "Ctrl-C drops what is unfinished")
  t:type("x = {")
  t:line("   >>")
  t:keys("\4")
  t:prompt()
  tap.eq(t:ask("x"), "nil", "so does Ctrl-D")
  t:keys("half a line")
  t:see("half a line$")
  t:keys("\3")
  t:see("half a line%^C\nnerv>$")
  tap.ok(true, "Ctrl-C at the prompt clears the line")
end

do -- pasted
  local t <close> = start()
  t:prompt()
  t:keys(paste "a = 1\na + 1\nlocal b = a\n\nfor i = 1, 2 do\n  a = a + b\nend\na\n")
  t:see("\na\n$")
  tap.ok(not t.screen:text():find("\n2\n"), "what is pasted waits for Enter")
  t:keys("\r")
  t:prompt()
  tap.like(t.screen:text(), "\na\n2\n3\nnerv>$", "it runs statement by statement, in order")
  t:keys(paste "v = ('x')\n  :rep(3)\n  .. 'y'\nv" .. "\r")
  t:see("\nxxxy\nnerv>$")
  tap.ok(true, "a statement goes on in the next line")
  t:keys(paste "n = 1\nerror('here')\nn = 2" .. "\r")
  t:see("error: here\n  input %d+:  error%('here'%)\n1 line after it was not run\nnerv>$")
  tap.eq(t:ask("n"), "1", "a failure ends what was pasted")
  t:keys(paste "for i = 1, 2 do\n  m = i" .. "\r")
  t:line("   >>")
  t:keys("end\r")
  tap.eq(t:ask("m"), "2", "a pasted block can be finished by hand")
  t:keys("\27[A\27[A")
  t:see("m = i\nend$")
  tap.ok(true, "and comes back from the history as one")
  t:keys("\3")
  t:prompt()
  t:keys(paste "    nerv> r = 'of a manual'\n    nerv> r" .. "\r")
  t:see("\nof a manual\nnerv>$")
  tap.ok(true, "prompts that were copied are left out")
  local lines = {}
  for i = 1, 200 do lines[i] = ("s%d = %d"):format(i, i) end
  t:prompt()
  t:keys(paste(table.concat(lines, "\n")))
  t:see("s200 = 200$")
  t:keys("\r")
  tap.eq(t:ask("s1 + s200"), "201", "two hundred lines")
end

do -- without bracketed paste, lines come while others run
  local t <close> = start({}, { env = { TERM = "dumb" } })
  t:prompt()
  t:keys("p = 1\rp = p + 1\rsleep(0.1)\rp = p * 10\rp\r")
  t:see("\n20\nnerv>$")
  tap.ok(true, "lines typed ahead run in order")
end

do -- errors
  local t <close> = start()
  tap.eq(t:ask("error('at the prompt')"), "error: at the prompt", "the message is enough for the line above")
  tap.eq(t:ask("local = 3"), "error: <name> expected near '='", "a syntax error")
  tap.eq(t:ask("function inner(x) return x.y.z end"), "", "a function")
  tap.eq(t:ask("function outer() local v = inner({}) return v end"), "", "and one that calls it")
  tap.eq(t:ask("outer()"), "error: attempt to index a nil value (field 'y')\n"
    .. "  input 3, in inner:  function inner(x) return x.y.z end\n"
    .. "  input 4:  function outer() local v = inner({}) return v end\n  input 5:  outer()",
    "the lines that led to it, innermost first")
  tap.eq(t:ask("link.get { nam = 'lo' }"), "error: link.get: unknown option 'nam'; did you mean 'name'?",
    "misuse of a function of NERV shows none of NERV's lines")
  tap.like(t:ask("function deep(n) return 1 + deep(n + 1) end deep(1)"), "stack overflow.*%.%.%. and many more\n  input %d+, in deep:",
    "a deep recursion is told in short")
  local path = os.tmpname()
  file.write(path, "local function inside()\n  error 'in a file'\nend\nfunction of_file() inside() return 1 end\n")
  t:ask(("dofile(%q)"):format(path))
  tap.like(t:ask("of_file()"), "^error: in a file\n  [^\n]+:2, in inside:  error 'in a file'\n  [^\n]+:4[^\n]*\n  input",
    "lines of a file")
  os.remove(path)
  tap.like(t:ask("nodse -f json"), "^error: syntax error near .*no command or endpoint 'nodse'; did%s*y%s*ou mean 'nodes'",
    "a command that is misspelt")
  tap.eq(t:ask("error { code = 7 }"), "error: { code = 7 }", "an error that is a table")
end

do -- ways in and out
  local t <close> = start { "-e", "y = 'code'", "-i" }
  tap.eq(t:ask("'after ' .. y"), "after code", "-i prompts after -e")
  t:type("os.exit(3)")
  tap.eq(t:wait_end().exit, 3, "os.exit at the prompt")
  local path = os.tmpname()
  file.write(path, "y = 'script'")
  local u <close> = start { "-i", path }
  tap.eq(u:ask("'after ' .. y"), "after script", "-i prompts after a script")
  u:type("exit 4")
  tap.eq(u:wait_end().exit, 4, "the command exit")
  os.remove(path)
end

do -- editing
  local inputrc = os.tmpname()
  file.write(inputrc, 'set show-all-if-ambiguous off\n"\\C-o": "20 + 2"\n')
  local t <close> = start({}, { env = { INPUTRC = inputrc, LC_ALL = "C.UTF-8" } })
  t:prompt()
  t:keys("\15\r")
  t:see("20 %+ 2\n22\nnerv>$")
  tap.ok(true, "~/.inputrc is honoured")
  t:keys("registry.\t")
  t:line("nerv> registry.")
  t:keys("\t")
  t:see("nearest +returns")
  tap.eq(select(2, t.screen:text():gsub("\nnearest ", "")), 1, "it overrides our preferences")
  t:keys("\21")
  t:line("nerv>")
  t:keys("'a\u{e9}\u{e9}\127b\u{20ac}'")
  t:line("nerv> 'a\u{e9}b\u{20ac}'")
  t:keys("\r")
  t:see("\na\u{e9}b\u{20ac}\nnerv>$")
  tap.ok(true, "letters of several bytes are edited as letters")
  os.remove(inputrc)
end

do -- the user's own file
  local home = os.tmpname()
  os.remove(home)
  file.mkdir(home .. "/nervsh", { parents = true })
  file.write(home .. "/nervsh/init.lua", "mine = 'set'")
  local t <close> = start({}, { env = { XDG_CONFIG_HOME = home } })
  tap.eq(t:ask("mine"), "set", "init.lua is run before the prompt")
  local u <close> = start({ "--no-init" }, { env = { XDG_CONFIG_HOME = home } })
  tap.eq(u:ask("mine"), "nil", "but not with --no-init")
  file.write(home .. "/nervsh/init.lua", "local x = nil + 1")
  local v <close> = start({}, { env = { XDG_CONFIG_HOME = home } })
  v:prompt()
  tap.like(v.screen:text(), "error: attempt to perform arithmetic.*init.lua:1", "its errors are told, and the prompt comes")
  file.remove_tree(home)
end

tap.done()
