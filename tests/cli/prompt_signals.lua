-- Ctrl-C, Ctrl-Z, resizing, and what the terminal is left like when the shell is ended.
local tap <const> = require "tap"
local terminal_test <const> = require "support.terminal"

local nervsh <const> = os.getenv("NERVSH") or process.exe()
local ROUNDS <const> = 20 * (tonumber(os.getenv "NERV_ROUNDS") or 1)

local function start(more) return terminal_test.nervsh({}, { env = { NERV_STATE = "/dev/null/state" }, rows = more and more.rows,
  cols = more and more.cols }) end

-- Runs code that prints "on" and then goes on for ever; ends it by Ctrl-C, pressed so many times.
local function interrupt(t, code, text, times)
  t:type("print('o' .. 'n') " .. code)
  t:see("\non\n?$")
  local began
  for i = 1, times or 1 do
    if i > 1 then sleep(0.2) end
    began = runtime.now()
    t:keys("\3")
  end
  local good = pcall(t.prompt, t, 5)
  tap.ok(good and runtime.now() - began < 1, text, t.screen:text())
  if not good then error("the prompt has not come back") end
  t:ask("'clear'")
end

do
  local t <close> = start()
  interrupt(t, "while true do end", "Ctrl-C ends a busy loop")
  interrupt(t, "sleep(60)", "a sleep")
  interrupt(t, "spawn(sleep, 60):wait()", "a wait for a task")
  interrupt(t, "process.run { argv = { 'sleep', '60' } }", "a wait for a program")
  interrupt(t, "local c = coroutine.wrap(function() while true do end end) c()", "a busy coroutine")
  interrupt(t, "local s = {} while true do s[1] = string.rep('x', 10000) end", "a loop of library calls")
  interrupt(t, "while true do pcall(function() while true do end end) end", "the second one a loop that catches it", 2)
  interrupt(t, "while true do pcall(sleep, 60) end", "and a wait that is begun again", 2)
  interrupt(t, "while true do pcall(pcall, sleep, 60) end", "however deep", 2)
  tap.eq(t:ask("6 * 7"), "42", "the prompt goes on")
  t:ask("b = spawn(function() for i = 1, 1000 do sleep(0.01) n = i end end)")
  interrupt(t, "sleep(60)", "with a task in the background")
  tap.eq(t:ask("b:status()"), "waiting", "which goes on")
  t:type("spawn(function() while true do end end)")
  t:see("\ntask [^\n]*\n")
  sleep(0.1)
  t:keys("\3")
  t:see("error in task [^\n]*: [^\n]*interrupted")
  tap.ok(true, "a busy task in the background can be ended, too")
  tap.eq(t:ask("6 * 7"), "42", "the prompt goes on")
  t:type("sleep(0.2) 'typed ahead'")
  t:ask("x = 'ahead'")
  tap.eq(t:ask("x"), "ahead", "what is typed meanwhile is kept")
end

do -- resizing
  local t <close> = start { rows = 10, cols = 80 }
  local long = "'" .. ("x"):rep(100) .. "'"
  t:prompt()
  t:keys(long)
  t:see("x'$")
  t:resize(10, 40)
  t:keys("\1")    -- to the beginning of the line
  t:keys("--[[]] ")
  t:keys("\5\r")
  t:see("\n" .. ("x"):rep(40) .. "\n" .. ("x"):rep(40) .. "\n" .. ("x"):rep(20) .. "\nnerv>$")
  tap.ok(true, "a line of several rows is edited after the terminal has become narrower")
  tap.eq(t:ask("terminal.size()"), "10\n40", "its size is known")
  t:resize(20, 60)
  tap.eq(t:ask("terminal.size()"), "20\n60", "also when it has changed at an empty line")
  t:type("sleep(0.3)")
  t:resize(12, 50)
  t:prompt()
  t:keys("'" .. ("y"):rep(60) .. "'")
  t:see("^.*\nnerv> '" .. ("y"):rep(43) .. "\n" .. ("y"):rep(17) .. "'$")
  tap.ok(true, "or while something ran")
end

-- A shell with job control on a terminal, which starts nervsh.
local function bash(options)
  local t = terminal_test.start({ "bash", "--norc", "--noprofile", table.unpack(options or { "-i" }) },
    { env = { PS1 = "bash> ", NERV_STATE = "/dev/null/state" } })
  t:line("bash>")
  return t
end

do -- Ctrl-Z
  local t <close> = bash()
  t:keys(nervsh .. "\r")
  t:prompt()
  t:keys("'half")
  t:line("nerv> 'half")
  t:keys("\26")
  t:see("Stopped[^\n]*\n+bash>$")
  tap.ok(true, "Ctrl-Z stops the shell")
  t:keys("echo in bash\r")
  t:see("\nin bash\nbash>$")
  t:keys("fg\r")
  t:line("nerv> 'half")
  t:keys(" done'\r")
  t:see("\nhalf done\nnerv>$")
  tap.ok(true, "fg brings it back with what was typed")
  t:keys("sleep(0.5) 'slept'\r\26")
  t:see("Stopped[^\n]*\n+bash>$")
  t:keys("fg\r")
  t:prompt()
  tap.eq(t:ask("'still'"), "still", "also while something runs")
  t:keys("\4")
  t:line("bash>")
  t:keys("stty -a | grep -o ' -\\?icanon\\| -\\?echo ' | tr -d '\\n'\r")
  t:see("\n icanon echo bash>$")
  tap.ok(true, "the terminal is as it was")
end

do -- nobody is there to continue it
  local t <close> = start()
  t:prompt()
  t:keys("'ab")
  t:line("nerv> 'ab")
  t:keys("\26")
  sleep(0.1)
  t:keys("c'\r")
  t:see("\nabc\nnerv>$")
  tap.ok(true, "Ctrl-Z has no effect where nobody could continue the shell")
end

-- The parent sets nothing by itself, as a script does.
local function ends_by(signal, when)
  local t <close> = terminal_test.start({ "sh", "-c", nervsh .. "; echo ended; exec sleep 60" },
    { env = { NERV_STATE = "/dev/null/state" } })
  t:prompt()
  local child = file.read(("/proc/%d/task/%d/children"):format(t.child.pid, t.child.pid)):match("%d+")
  local raw = t:mode()
  if when then when(t) end
  assert(process.run { argv = { "kill", "-" .. signal, child } })
  t:see("ended")
  local cooked = tap.eventually(5, function() return t:mode() == "cooked" end)
  return raw == "raw" and cooked, raw, t
end

for _, signal in ipairs { "TERM", "HUP", "KILL", "QUIT", "USR1" } do
  local good, raw, t = ends_by(signal)
  tap.ok(good, "the terminal's settings are put back after SIG" .. signal, raw, t.screen:text())
  tap.ok(not t.screen.modes["2004"], "and bracketed paste is off")
end

do
  local good = ends_by("KILL", function(t) t:keys("local half = { 'a li") t:see("a li$") end)
  tap.ok(good, "with half a line typed")
  good = ends_by("KILL", function(t) t:keys("\18abc") t:see("failed") end)
  tap.ok(good, "in a search")
  good = ends_by("KILL", function(t) t:keys("terminal.raw() sleep(60)\r") t:see("sleep%(60%)\n") sleep(0.1) end)
  tap.ok(good, "while each key goes through")
end

do -- at any instant
  local bad = 0
  for i = 1, ROUNDS do
    local good = ends_by("KILL", function(t)
      for _ = 1, i % 4 do t:keys("1\r") end
      sleep((i * 7 % 20) / 1000)
    end)
    if not good then bad = bad + 1 end
  end
  tap.eq(bad, 0, ("SIGKILL at any instant, %d times"):format(ROUNDS))
end

do -- a shell with job control that leaves the terminal as it is
  local t <close> = terminal_test.start({ "dash", "-i" }, { env = { PS1 = "dash> ", NERV_STATE = "/dev/null/state" } })
  t:line("dash>")
  t:keys(nervsh .. "\r")
  t:prompt()
  process.run { argv = { "sh", "-c", ("kill -KILL $(cat /proc/%d/task/%d/children)"):format(t.child.pid, t.child.pid) } }
  t:see("dash>")
  tap.ok(tap.eventually(5, function() return t:mode() == "cooked" end), "it is usable there, too")
end

do -- a shell that edits lines itself has taken the terminal back already
  local t <close> = bash()
  local good = 0
  for i = 1, 5 do
    t:keys(nervsh .. "\r")
    t:prompt()
    process.run { argv = { "sh", "-c", ("kill -KILL $(cat /proc/%d/task/%d/children)"):format(t.child.pid, t.child.pid) } }
    t:wait(function() return t.screen:line() == "bash>" end, "bash's prompt")
    sleep(0.3)
    if t:mode() == "raw" then good = good + 1 end    -- as readline in bash wants it
    t:keys(("echo number%s %d\r"):format("", i))
    t:see(("\nnumber %d\nbash>$"):format(i))
  end
  tap.eq(good, 5, "the guardian leaves a terminal alone that another shell has taken")
end

tap.done()
