-- process: exit codes, signals, environment, standard streams, errors of spawn.
local tap <const> = require "tap"

local function fds()
  return #file.list("/proc/self/fd")
end

-- The third result: the code of a failure.
local function code(_, _, c) return c end

local function sh(text, more)
  local options = { argv = { "sh", "-c", text } }
  for k, v in pairs(more or {}) do options[k] = v end
  return assert(process.run(options))
end

process.run { argv = { "true" } }    -- whatever is opened once is open now
local before <const> = fds()

tap.eq(sh("exit 0"), { exit = 0, stdout = "", stderr = "" }, "exit status 0")
tap.eq(sh("exit 7").exit, 7, "exit status 7")
tap.eq(sh("echo out; echo err >&2"), { exit = 0, stdout = "out\n", stderr = "err\n" }, "both outputs")
tap.eq(sh("echo out; echo err >&2", { stderr = "stdout" }), { exit = 0, stdout = "out\nerr\n" },
  "stderr joins stdout")
tap.eq(sh("cat", { input = "fed\0bytes" }).stdout, "fed\0bytes", "input is fed")
tap.eq(sh("exit 3", { input = ("x"):rep(1000000) }).exit, 3, "a program that does not read its input")
tap.eq(sh("kill -9 $$"), { signal = 9, name = "SIGKILL", stdout = "", stderr = "" }, "death by a signal")
tap.eq(sh("echo $FOO-$BAR", { env = { FOO = "a", BAR = 2 } }).stdout, "a-2\n", "env replaces")
tap.eq(sh("env", { env = {}, argv = { "/usr/bin/env" } }).stdout, "", "an empty environment")
tap.eq(sh("echo $FOO:${PATH:+set}:${HOME-unset}", { add_env = { FOO = "x", HOME = false } }).stdout,
  "x:set:unset\n", "add_env adds and removes")
tap.eq(sh("pwd", { cwd = "/usr" }).stdout, "/usr\n", "working directory")
tap.eq(sh("umask", { umask = 63 }).stdout, "0077\n", "umask")
tap.eq(process.run { argv = { "echo", 5 } }.stdout, "5\n", "numbers are arguments, too")

local r, m, c = process.run { argv = { "no-such-program" } }
tap.eq({ r, c }, { nil, "ENOENT" }, "a missing program is an error of spawn")
tap.like(m, "no%-such%-program", "and is named")
tap.eq(code(process.spawn { argv = { "/etc/passwd" } }), "EACCES", "a file that cannot run")
tap.eq(code(process.spawn { argv = { "true" }, cwd = "/no/such" }), "ENOENT", "a missing working directory")
tap.eq(code(process.spawn { argv = { "true" }, netns = "p-no-such" }), "ENOENT", "a missing namespace")
tap.eq(code(process.spawn { argv = { "true" }, netns = "/etc/passwd" }), "EINVAL", "no namespace at all")
tap.eq(code(process.spawn { argv = { "true" }, stdin = { file = "/no/such" } }), "ENOENT", "a missing input file")

tap.raises(function() process.spawn {} end, "argv", "argv must be there")
tap.raises(function() process.spawn { argv = {} } end, "argv", "argv must not be empty")
tap.raises(function() process.spawn { argv = { "true" }, stdinn = "null" } end, "did you mean 'stdin'",
  "options are checked")
tap.raises(function() process.spawn { argv = { "true" }, stdin = "nul" } end, "did you mean 'null'",
  "words are checked")
tap.raises(function() process.spawn { argv = { "true" }, stderr = "/tmp/x" } end, "or one of inherit, null, pipe, stdout",
  "a path is no stream: what is one is told")
tap.raises(function() process.spawn { argv = { "true" }, qqqqq = 1 } end, "unknown option 'qqqqq'; there are argv, env, ",
  "an option with none near it: they are listed")
tap.raises(function() process.spawn { argv = { "a\0b" } } end, "NUL", "NUL in an argument")
tap.raises(function() process.spawn { argv = { "true" }, env = { ["A=B"] = "c" } } end, "variable",
  "names of variables")
local secret <const> = os.tmpname()
local _, refusal <const> = process.spawn { argv = { secret }, user = 12345 }
tap.like(refusal, "^cannot start /tmp/%S+ as user 12345: Permission denied$", "a program that a user may not run: it says who")
os.remove(secret)
tap.raises(function() process.spawn { argv = { "true" }, user = "p-nobody-here" } end, "no user", "unknown user")
tap.raises(function() process.spawn { argv = { "true" }, capabilities = { "net_admi" } } end,
  "did you mean 'net_admin'", "unknown capability")
tap.raises(function() process.spawn { argv = { "true" }, mount_sys = true } end, "netns", "mount_sys needs netns")

-- handles
do
  local p = assert(process.spawn { argv = { "cat" }, stdin = "pipe", stdout = "pipe" })
  tap.ok(math.type(p.pid) == "integer" and process.exists(p.pid), "a handle knows its pid")
  tap.eq(p.stderr, nil, "no stream for what is inherited")
  tap.ok(p.stdin:write("line\n"), "write to stdin")
  tap.eq(p.stdout:read_line(), "line", "read from stdout")
  tap.ok(p:running(), "it runs")
  tap.eq(code(p:wait(0.01)), "timeout", "wait with a time limit")
  tap.eq(code(p:wait(0)), "timeout", "wait without waiting")
  p.stdin:close()
  tap.eq(p:wait(), { exit = 0 }, "it ends at the end of its input")
  tap.eq(p:wait(0), { exit = 0 }, "the status stays")
  tap.eq(code(p.stdout:read()), "closed", "its stdout has ended")
  tap.eq(code(p:kill()), "ESRCH", "no signal to the dead")
  tap.ok(not p:running(), "it does not run")
  p.stdout:close()
end
do
  local p = assert(process.spawn { argv = { "sleep", "60" } })
  local waiters = {}
  for i = 1, 3 do waiters[i] = task.spawn(function() return p:wait() end) end
  task.sleep(0.01)
  waiters[1]:cancel()
  tap.ok(p:kill("HUP"), "kill by name")
  tap.eq(waiters[2]:wait(), { signal = 1, name = "SIGHUP" }, "several tasks wait")
  tap.eq(waiters[3]:wait(), { signal = 1, name = "SIGHUP" }, "and all are told")
  tap.raises(function() waiters[1]:wait() end, "canceled", "a wait can be cancelled")
  p = assert(process.spawn { argv = { "sleep", "60" } })
  tap.ok(p:kill(9), "kill by number")
  tap.eq(p:wait().name, "SIGKILL", "signal 9")
  tap.raises(function() p:kill("TREM") end, "did you mean 'TERM'", "unknown signal")
  p = assert(process.spawn { argv = { "sleep", "60" } })
  tap.ok(p:kill(), "TERM by default")
  tap.eq(p:wait().name, "SIGTERM", "it was TERM")
end

-- adopted processes
do
  local p = assert(process.spawn { argv = { "sleep", "60" } })
  local same = assert(process.adopt(p.pid))
  same:kill("KILL")
  tap.eq(same:wait(), { signal = 9, name = "SIGKILL" }, "an own child that is adopted keeps its status")
  local out = process.run { argv = { "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!" } }
  local orphan = assert(process.adopt(math.tointeger(out.stdout)))
  tap.eq(code(orphan:wait(0.01)), "timeout", "an adopted process lives")
  tap.ok(orphan:kill("KILL"), "it can be killed")
  tap.eq(orphan:wait(5), { gone = true }, "its death is seen, its status unknown")
  tap.eq(code(process.adopt(orphan.pid)), "ESRCH", "a dead one cannot be adopted")
  tap.raises(function() process.adopt(0) end, "1 or more", "process ids are positive")
end

-- dropping a handle leaves the process alone, and it is reaped all the same
do
  local pid = process.spawn { argv = { "sleep", "60" } }.pid
  collectgarbage() collectgarbage()
  tap.ok(process.exists(pid), "a dropped handle leaves its process")
  local again = process.adopt(pid)
  again:kill("KILL")
  again:wait()
  tap.ok(not process.exists(pid), "it was reaped")
  local short = process.spawn { argv = { "true" } }.pid
  collectgarbage()
  tap.ok(tap.eventually(5, function() return not process.exists(short) end), "nobody waits, no zombie stays")
end

-- a file as output
do
  local dir = file.temp_dir("nerv-p-")
  local path = dir .. "/log"
  sh("echo one", { stdout = { file = path } })
  sh("echo two", { stdout = { file = path, append = true } })
  tap.eq(file.read(path), "one\ntwo\n", "output to a file, appended")
  sh("echo three", { stdout = { file = path } })
  tap.eq(file.read(path), "three\n", "output to a file, anew")
  tap.eq(sh("cat", { stdin = { file = path } }).stdout, "three\n", "input from a file")
  file.remove_tree(dir)
end

-- what the child gets
tap.eq(sh("ls /proc/self/fd | tr '\\n' ' '").stdout, "0 1 2 3 ", "no descriptor of ours (3 is ls's own)")
local masks <const> = sh("grep -E 'Sig(Blk|Ign)' /proc/self/status").stdout
local ignored <const> = tonumber(masks:match("SigIgn:%s*(%x+)"), 16) & ~(3 << 31)   -- 32 and 33 are the C library's own
tap.ok(masks:match("SigBlk:%s*0+\n") and ignored == 0, "no signal is blocked or ignored", masks)
tap.eq(sh("ps -o sid= -p $$ | tr -d ' '", { session = true }).stdout ~= sh("ps -o sid= -p $$ | tr -d ' '").stdout,
  true, "a session of its own")

-- cancel of run kills the program
do
  local dir = file.temp_dir("nerv-p-")
  local t = task.spawn(function()
    process.run { argv = { "sh", "-c", "echo $$ >pid.new; mv pid.new pid; exec sleep 60" }, cwd = dir }
  end)
  local pid = math.tointeger(tap.eventually(5, function() return file.read(dir .. "/pid") end))
  t:cancel()
  tap.ok(tap.eventually(5, function() return not process.exists(pid) end), "cancelling run kills its program")
  file.remove_tree(dir)
end
tap.eq(code(process.run { argv = { "cat", "/dev/zero" }, limit = 100000 }), "EMSGSIZE", "output beyond the limit")
do
  local began = runtime.now()
  local pid = math.tointeger(sh("sleep 20 & echo $!").stdout)
  tap.ok(pid and runtime.now() - began < 10, "run ends with its program, whoever holds the pipe")
  local left = assert(process.adopt(pid))
  left:kill("KILL") left:wait()
end

-- signals of this program
do
  local signals = process.signals { "USR1", "HUP" }
  process.run { argv = { "kill", "-USR1", process.self() } }
  tap.eq(signals:next(), "USR1", "a signal that came before")
  local t = task.spawn(function() return signals:next() end)
  task.sleep(0)
  process.run { argv = { "kill", "-HUP", process.self() } }
  tap.eq(t:wait(), "HUP", "a signal that is waited for")
  t = task.spawn(function() return signals:next() end)
  task.sleep(0)
  tap.raises(function() signals:next() end, "another task", "one task waits")
  t:cancel()
  task.sleep(0)
  signals:close()
  tap.raises(function() process.signals { "KILL" } end, "cannot be caught", "KILL cannot be caught")
  tap.raises(function() process.signals { "USR3" } end, "did you mean", "unknown signal")
end

tap.eq(process.run { argv = { "sh", "-c", "echo $PPID" } }.stdout, process.self() .. "\n", "self")
tap.ok(process.exists(1) and not process.exists(0), "exists")
tap.like(process.exe(), "nervsh$", "exe")
tap.eq(process.getenv("NERV_P_NOT_SET"), nil, "getenv")
tap.ok(process.getenv("PATH"), "getenv PATH")
tap.eq(tostring(process.uid()) .. "\n", process.run { argv = { "id", "-u" } }.stdout, "uid")

do
  local child = process.spawn { stdin = "pipe", stdout = "pipe", argv = { "python3", "-c", [[
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); t = socket.socket(); b = t.getsockopt(1, 8)
print("ready", flush=True)
sys.stdin.readline()
print(s.getsockopt(1, 8), s.getsockopt(1, 7), t.getsockopt(1, 8) == b)]] } }
  child.stdout:read_line()
  tap.eq(process.packet_buffers(child.pid, 4 << 20), 1, "packet sockets of another process")
  child.stdin:write "\n"
  tap.eq(child.stdout:read_line(), "8388608 8388608 True", "have larger buffers, others do not")   -- the kernel doubles
  child:wait()
  child.stdin:close()
  child.stdout:close()
  tap.eq(code(process.packet_buffers(child.pid, 1 << 20)), "ESRCH", "a process that is gone")
  tap.raises(function() process.packet_buffers(1, 0) end, "bytes are expected", "no bytes")
end

collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
