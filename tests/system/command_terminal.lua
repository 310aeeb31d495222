-- shell, watch, sh, history at a terminal, and without one.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local terminal_test <const> = require "support.terminal"

local tb <const> = testbed.create { nodes = 1 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2" } }
local dir <const> = system.directory()
local here <const> = { env = { SHELL = "/bin/bash", HOME = dir.path } }

-- a shell in an endpoint of another node
do
  local t <close> = terminal_test.nervsh({ "-c", "shell h1" }, here)
  t:see "h1.*#$"
  tap.ok(true, "the prompt says where it is", t.screen:text())
  tap.eq(t:mode(), "raw", "the terminal is the program's")
  t:keys "echo $NERV_ENDPOINT $NERV_NODE $TERM; tty; ip -br a show eth0; stty size\r"
  t:see "blue:h1 pm1 xterm\n/dev/pts/%d+\neth0.* 10%.1%.0%.2/24.*\n24 80\n"
  tap.ok(true, "in the endpoint, on a terminal of its own, as large as ours")
  t:resize(40, 100)
  t:keys "clear; stty size; sleep 60\r"
  t:see "40 100\n"
  tap.ok(true, "which grows with ours")
  tap.ok(tap.eventually(5, function() return blue:get("h1"):run("pgrep", "-f", "^sleep 60") end), "a program runs")
  t:keys "\3"
  tap.ok(tap.eventually(5, function() return blue:get("h1"):run("sh", "-c", "! pgrep -f '^sleep 60'") end), "Ctrl-C ends it")
  t:keys "exit 3\r"
  tap.eq(t:wait_end(), { exit = 3 }, "and the shell's status is the command's")
end
do
  local t <close> = terminal_test.nervsh({}, here)
  t:ask "x = 5"
  t:type "shell blue:h2 cat"
  t:see "shell blue:h2 cat\n"
  tap.eventually(5, function() return t:mode() == "raw" and blue:get("h2"):run("pgrep", "-x", "cat") end)
  t:keys "to cat\r"
  t:see "to cat\nto cat\n"
  t:keys "\4"
  tap.eq(t:ask "x", "5", "another program; then the prompt is back")
  t:type "shell h2 sh -c 'kill -KILL $$'"
  t:see "nervsh: shell: sh: was ended by SIGKILL\n"
  tap.ok(true, "a program that is killed")
  t:type "shell h2 no-such-program"
  t:see "shell: .*no%-such%-program"
  tap.eq(t:ask "x", "5", "a program that is not there")
end
do   -- the shell dies: the terminal and the endpoint have it back
  local t <close> = terminal_test.nervsh({ "-c", "shell h1 sleep 50" }, here)
  tap.eventually(5, function() return t:mode() == "raw" and blue:get("h1"):run("pgrep", "-f", "^sleep 50") end)
  local path <const> = t:path()
  t.child:kill "KILL"
  t:wait_end()
  tap.ok(tap.eventually(5, function() return blue:get("h1"):run("sh", "-c", "! pgrep -f '^sleep 50'") end), "a shell that is killed leaves no program")
  tap.ok(tap.eventually(5, function()
    return process.run { argv = { "stty", "-a", "-F", path } }.stdout:find "[ \n]icanon"
  end), "and a terminal that can be used")
end
local piped = system.nervsh({ "-c", "shell h2" }, { input = "ip -br a show eth0; exit 4\n", env = { SHELL = "/bin/sh" } })
tap.ok(piped.exit == 4 and piped.stdout:find "10%.1%.0%.3/24" and piped.stderr == "nervsh: shell: /bin/sh: exit status 4\n",
  "without a terminal it reads our input", piped)
for line, message in pairs {
  ["shell"] = "shell: argument 'endpoint' is missing", ["shell h9"] = "shell: there is no endpoint 'h9'; did you mean 'h[12]'%?",
  ["shell blue"] = "shell: there is no endpoint 'blue'",
} do
  local r = system.nervsh { "-c", line }
  tap.ok(r.exit == 1 and r.stderr:find("^nervsh: " .. message), line, r)
end

-- watch
do
  local t <close> = terminal_test.nervsh({ "-c", "watch -n 60 ep blue" }, { rows = 8, cols = 50 })
  t:see "blue:h2"
  tap.like(t.screen:text(), "^every 60 s: ep blue +%d%d:%d%d:%d%d\n\nNAME +NODE +MAC[^\n]*\nblue:h1[^\n]*\nblue:h2[^\n]*\n$", "watch: a screen")
  for one in t.screen:text():gmatch "[^\n]+" do tap.ok(#one <= 50, "as wide as the terminal", one) end
  blue:endpoint { { name = "h3" }, { name = "h4" }, { name = "h5" }, { name = "h6" } }
  t:see "blue:h4"
  tap.ok(not t.screen:text():find "blue:h5", "drawn anew at once when something changes, no more of it than fits", t.screen:text(true))
  blue:delete_endpoints { "h3", "h4", "h5", "h6" }
  t:wait(function() return not t.screen:text():find "blue:h3" end, "its end")
  tap.eq(t.screen.gone, {}, "and nothing has scrolled")
  t:keys "\3"
  tap.eq(t:wait_end(), { exit = 130 }, "until Ctrl-C")
end
do
  local t <close> = terminal_test.nervsh({}, { rows = 10, cols = 60 })
  t:type "watch -n 0.1 h2 date +%N"
  local former
  for _ = 1, 3 do
    t:wait(function() return (t.screen:text():match "\n(%d+)\n" or former) ~= former end, "another time")
    former = t.screen:text():match "\n(%d+)\n"
  end
  tap.ok(true, "a program is run again and again")
  t:keys "\3"
  t:prompt()
  t:type "watch -n 0.1 n = (n or 0) + 1; print('n is ' .. n)"
  t:see "n is [5-9]"
  tap.ok(true, "so is Lua")
  t:keys "\3"
  t:prompt()
  t:type "watch -n 0.1 nix('x')"
  t:see "nix"
  t:keys "\3"
  tap.ok(t:prompt(), "what fails is tried again")
end
local function watched(line)
  local r = system.nervsh { "-c", line }
  return { r.exit, r.stdout, r.stderr }
end
tap.eq(watched "watch -c 2 -n 0.1 h2 echo x", { 0, "x\nx\n", "" }, "without a terminal: no screen; a number of times")
tap.eq(watched "watch -c 2 -n 0.1 h2 sh -c 'exit 3'", { 3, "", "nervsh: sh: exit status 3\nnervsh: sh: exit status 3\n" }, "the last status")
tap.eq(watched "watch", { 1, "", "nervsh: watch: argument 'line' is missing (a line as typed at the prompt)\n" }, "watch what?")
tap.eq(watched "watch -n x net", { 1, "", "nervsh: watch: interval 'x': seconds, 0 or more, are expected\n" }, "a bad interval")

-- sh and Ctrl-C, history
do
  local t <close> = terminal_test.nervsh({}, here)
  t:type "sh sleep 60; echo never"
  tap.eventually(5, function() return process.run { argv = { "pgrep", "-f", "^sleep 60" } }.exit == 0 end)
  t:keys "\3"
  t:see "sh: was ended by SIGINT\n"
  tap.ok(true, "Ctrl-C belongs to the program that sh runs")
  t:type "sh cat"
  t:see "sh cat\n"
  t:keys "typed\r\4"
  t:see "typed\ntyped\nnerv>"
  tap.ok(true, "which has the terminal")
  t:ask "h = network.get('blue'):get 'h2'"
  t:ask "h echo x"
  t:ask "error 'no'"
  tap.eq(t:ask "history", "   1! sh sleep 60; echo never\n   2  sh cat\n   3  h = network.get('blue'):get 'h2'\n   4  h echo x\n   5! error 'no'", "history")
  local path <const> = dir.path .. "/session"
  tap.eq(t:ask("history save " .. path), "", "saved")
  tap.like(file.read(path), "^#[^\n]*\nsh cat\nh = network.get%('blue'%):get 'h2'\nh echo x\n$", "what went well")
  tap.like(t:ask "history save", "history: save to which file%?", "saved where?")
  tap.like(t:ask "history save /no/such/x", "/no/such/x: No such file", "a file that cannot be")
  tap.like(t:ask("history list " .. path), "list takes no file", "list and a file")
  file.write(path, (file.read(path):gsub("sh cat\n", "")))
  local r = system.nervsh { "source", path }
  tap.eq({ r.exit, r.stdout, r.stderr }, { 0, "x\n", "" }, "and can be run")
end
tap.eq(system.nervsh({ "-c", "history -f json" }).stdout, "[]\n", "no prompt, no history")

blue:delete()
tb:delete()
tap.done()
