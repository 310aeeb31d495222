-- process: much data through pipes and terminals, streams that move to a child.
local tap <const> = require "tap"

local function fds()
  return #file.list("/proc/self/fd")
end
local function code(_, _, c) return c end

process.run { argv = { "true" } }
local before <const> = fds()
local SIZE <const> = 10 * 1024 * 1024
local block <const> = digest.random(256):rep(SIZE // 512)

-- 10 MB both ways at once
do
  local p = assert(process.spawn { argv = { "cat" }, stdin = "pipe", stdout = "pipe" })
  local writer = task.spawn(function()
    local good, message = p.stdin:write(block)
    p.stdin:close()
    return good, message
  end)
  local got = p.stdout:read_exactly(SIZE)
  tap.ok(writer:wait(), "10 MB were written")
  tap.ok(got == block, "and came back")
  tap.eq(code(p.stdout:read()), "closed", "nothing more came")
  tap.eq(p:wait(), { exit = 0 }, "cat ended")
  p.stdout:close()
end
do
  local r = assert(process.run { argv = { "tee", "/dev/stderr" }, input = block })
  tap.ok(r.stdout == block and r.stderr == block, "run: 10 MB in, 10 MB on both outputs")
end

-- many at once
do
  local tasks = {}
  for i = 1, 40 do
    tasks[i] = task.spawn(function() return process.run { argv = { "sh", "-c", "echo " .. i .. "; exit " .. i } } end)
  end
  local good = true
  for i = 1, 40 do
    local r = tasks[i]:wait()
    good = good and r.exit == i and r.stdout == i .. "\n"
  end
  tap.ok(good, "40 programs at once, each with its own output and status")
end

-- a pipeline: the stream moves
do
  local a = assert(process.spawn { argv = { "echo", "through a pipe" }, stdout = "pipe" })
  local b = assert(process.spawn { argv = { "tr", "a-z", "A-Z" }, stdin = a.stdout, stdout = "pipe" })
  tap.raises(function() a.stdout:read() end, "closed", "the moved stream is the child's now")
  tap.eq(b.stdout:read_line(), "THROUGH A PIPE", "a pipeline of two")
  tap.eq(b:wait(), { exit = 0 }, "the reader saw the end")
  a:wait()
  b.stdout:close()
end
do
  local ours, theirs = stream.pair()
  local p = assert(process.spawn { argv = { "cat" }, stdin = theirs, stdout = theirs })
  ours:write("over a socket\n")
  tap.eq(ours:read_line(), "over a socket", "one socket is stdin and stdout")
  ours:shutdown()
  tap.eq(p:wait(), { exit = 0 }, "shutdown is the end of its input")
  tap.eq(code(ours:read()), "closed", "and its end is ours")
  ours:close()
end
do
  local ours, theirs = stream.pair()
  tap.eq(code(process.spawn { argv = { "no-such-program" }, stdin = theirs }), "ENOENT", "a failed spawn")
  ours:write("still here\n")
  tap.eq(theirs:read_line(), "still here", "gives the stream back")
  local t = task.spawn(function() return theirs:read() end)
  task.sleep(0)
  tap.raises(function() process.spawn { argv = { "true" }, stdin = theirs } end, "a task waits",
    "a stream in use does not move")
  t:cancel()
  task.sleep(0)
  ours:write("two\nlines\n")
  theirs:read_line()
  tap.raises(function() process.spawn { argv = { "true" }, stdin = theirs } end, "holds bytes",
    "nor one with bytes in it")
  ours:close() theirs:close()
  tap.raises(function() process.spawn { argv = { "true" }, stdin = theirs } end, "closed", "nor a closed one")
end

-- a child that closes its stdin
do
  local p = assert(process.spawn { argv = { "sh", "-c", "exec <&-; exec sleep 60" }, stdin = "pipe" })
  tap.eq(tap.eventually(5, function() return code(p.stdin:write(("x"):rep(65536))) end), "closed",
    "writing to a closed pipe is an error, no signal")
  tap.eq(code(p.stdin:write("more")), "closed", "and stays one")
  p:kill("KILL")
  p:wait()
  p.stdin:close()
end

-- terminals
do
  local p = assert(process.spawn { argv = { "sh", "-c", "tty; stty size; read x; echo got $x; stty size" },
    pty = { rows = 33, cols = 101 }, add_env = { TERM = "dumb" } })
  tap.like(p.pty:read_line(), "^/dev/pts/%d+\r$", "a terminal of its own")
  tap.eq(p.pty:read_line(), "33 101\r", "of the wanted size")
  tap.ok(p:resize(44, 55), "resize")
  p.pty:write("word\n")
  tap.eq(p.pty:read_line(), "word\r", "it echoes")
  tap.eq(p.pty:read_line(), "got word\r", "and reads")
  tap.eq(p.pty:read_line(), "44 55\r", "the new size")
  tap.eq(code(p.pty:read()), "closed", "its end")
  tap.eq(p:wait(), { exit = 0 }, "exit status of a program on a terminal")
  p.pty:close()
  p = assert(process.spawn { argv = { "cat" }, pty = true })
  p.pty:write("ready\n")
  p.pty:read_line() p.pty:read_line()   -- the echo, then cat's own
  p.pty:write("\3")
  tap.eq(p:wait(5).name, "SIGINT", "Ctrl-C reaches the program")
  p.pty:close()
  p = assert(process.spawn { argv = { "sleep", "60" }, pty = true })
  p.pty:close()
  tap.eq(p:wait(5).name, "SIGHUP", "closing the terminal hangs up")
  tap.raises(function() process.spawn { argv = { "true" }, pty = true, stdin = "null" } end, "pty",
    "pty excludes stdin")
  tap.raises(function() process.spawn { argv = { "true" }, pty = { row = 3 } } end, "row", "pty checks its fields")
  tap.raises(function() process.spawn { argv = { "true" }, pty = { rows = 0 } } end, "rows", "and their values")
  local q = assert(process.spawn { argv = { "true" } })
  tap.raises(function() q:resize(1, 2) end, "no terminal", "resize needs a terminal")
  q:wait()
end

-- spawn that is cancelled
do
  local tasks = {}
  for i = 1, 20 do
    tasks[i] = task.spawn(function() return process.spawn { argv = { "sleep", "60" } } end)
  end
  task.sleep(0)
  local alive = 0
  for _, t in ipairs(tasks) do
    t:cancel()
    local good, p = pcall(t.wait, t)
    if good then
      alive = alive + 1
      p:kill("KILL")
      p:wait()
    end
  end
  tap.note(alive .. " of 20 had started already")
  local children = "/proc/self/task/" .. process.self() .. "/children"
  tap.ok(tap.eventually(5, function() return file.read(children) == "" end), "a cancelled spawn leaves no process")
end

tap.raises(function() coroutine.wrap(function() process.spawn { argv = { "sleep", "60" } } end)() end,
  "not inside a task", "a coroutine of the user's own cannot wait")
tap.ok(tap.eventually(5, function()
  return file.read("/proc/self/task/" .. process.self() .. "/children") == ""
end), "and leaves no process")

collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
