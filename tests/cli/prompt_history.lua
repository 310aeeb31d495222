-- The history of the prompt: its file, that several shells share, and the keys that bring inputs back.
local tap <const> = require "tap"
local terminal_test <const> = require "support.terminal"

local dir <const> = file.temp_dir "history"
local path <const> = dir .. "/below/history"

local function start(env)
  local all = { NERV_STATE = "/dev/null/state", NERV_HISTORY = path }
  for name, value in pairs(env or {}) do all[name] = value end
  return terminal_test.nervsh({}, { env = all })
end

local function kept() return file.read(path) end

do
  local t <close> = start()
  t:ask("1 + 1")
  t:ask("1 + 1")
  t:ask(" 2 + 2")
  t:ask("error 'x'")
  t:prompt()
  t:keys("for i = 1, 2 do\r")
  t:line("   >>")
  t:keys("  print(i)\rend\r")
  t:see("\n2\nnerv>$")
  tap.eq(kept(), "1 + 1\nerror 'x'\nfor i = 1, 2 do\n\t  print(i)\n\tend\n",
    "each input once, several lines as one, none that begins with a blank")
  tap.eq(file.stat(path).mode & 511, 384, "only its owner can read it")
  t:keys("\27[A")
  t:see("nerv> for i = 1, 2 do\n  print%(i%)\nend$")
  t:keys("\r")
  t:see("end\n1\n2\nnerv>$")
  tap.ok(true, "an entry of several lines comes back and runs")
  t:keys("\18err")
  t:see("i%-search%)`err': error 'x'")
  t:keys("\r")
  t:see("error: x\nnerv>$")
  tap.ok(true, "Ctrl-R finds an input")
  t:keys("\18nosuchinput")
  t:see("failed")
  t:keys("\3")
  t:prompt()
  tap.eq(t:ask("5 + 5"), "10", "Ctrl-C leaves the search")
end

do
  local t <close> = start()
  local u <close> = start()
  t:ask("'from t'")
  u:ask("'from u'")
  t:ask("'t again'")
  tap.like(kept(), "'from t'\n'from u'\n't again'\n$", "two shells keep both their inputs")
  t:keys("\27[A\27[A")
  t:see("nerv> 'from t'$")
  tap.ok(true, "and go back through their own")
  t:keys("\3")
  t:prompt()
  local v <close> = start()
  v:prompt()
  v:keys("\27[A\27[A")
  v:see("nerv> 'from u'$")
  tap.ok(true, "a new shell knows those of all")
end

do -- many shells that write at once lose nothing
  local shells = {}
  for i = 1, 6 do shells[i] = start() end
  for _, t in ipairs(shells) do t:prompt() end
  for i, t in ipairs(shells) do
    local keys = {}
    for j = 1, 20 do keys[j] = ("v = 'shell %d input %d'\r"):format(i, j) end
    t:keys(table.concat(keys))
  end
  for i, t in ipairs(shells) do
    t:see(("shell %d input 20'\nnerv>$"):format(i))
    t.child:kill("KILL")
    t.child:wait()
  end
  local found = select(2, kept():gsub("v = 'shell %d input %d+'\n", ""))
  tap.eq(found, 120, "six shells that write at once lose nothing")
end

do -- the limit
  local lines = {}
  for i = 1, 12000 do lines[i] = "old " .. i end
  file.write(path, table.concat(lines, "\n") .. "\n")
  local t <close> = start()
  t:prompt()
  local now = kept()
  tap.eq({ select(2, now:gsub("\n", "")), now:match("^[^\n]*") }, { 10000, "old 2001" }, "ten thousand entries are kept")
  tap.eq(file.stat(path).mode & 511, 384, "for the owner only")
end

do -- no file
  local t <close> = start { NERV_HISTORY = "" }
  tap.eq(t:ask("1 + 1"), "2", "no file is wanted")
  t:keys("\27[A")
  t:see("nerv> 1 %+ 1$")
  tap.ok(true, "the session has its history all the same")
  local u <close> = start { NERV_HISTORY = "/dev/null/history" }
  tap.like(u:ask("1 + 1"), "^the history is not kept: [^\n]*\n2$", "one that cannot be written is told of")
  tap.eq(u:ask("2 + 2"), "4", "once")
  local v <close> = start { NERV_HISTORY = false, XDG_STATE_HOME = dir .. "/xdg" }
  v:ask("'in xdg'")
  tap.like(file.read(dir .. "/xdg/nervsh/history"), "in xdg", "$XDG_STATE_HOME says where it is")
  local w <close> = start { NERV_HISTORY = false, HOME = dir .. "/home" }
  w:ask("'in home'")
  tap.like(file.read(dir .. "/home/.local/state/nervsh/history"), "in home", "else it is in the home directory")
end

file.remove_tree(dir)
tap.done()
