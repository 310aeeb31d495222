-- stream: pairs, listeners, connections; reads that wait, are cancelled and lose nothing.
local tap <const> = require "tap"

local function fds()
  return #file.list("/proc/self/fd")
end
local function code(_, _, c) return c end

local dir <const> = file.temp_dir("nerv-p-")
local before <const> = fds()

-- reading and writing
do
  local a, b = stream.pair()
  tap.ok(a:write("hello"), "write")
  tap.eq(b:read(3), "hel", "read at most 3")
  tap.eq(b:read(), "lo", "read the rest")
  a:write("one\ntwo\n\nlast")
  tap.eq(b:read_line(), "one", "a line")
  tap.eq(b:read_line(), "two", "another")
  tap.eq(b:read_line(), "", "an empty one")
  a:shutdown()
  tap.eq(b:read_line(), "last", "the last one lacks its line feed")
  tap.eq(code(b:read_line()), "closed", "no more lines")
  tap.eq(code(b:read()), "closed", "no more bytes")
  tap.ok(b:write("back"), "the other way is open")
  tap.eq(a:read_exactly(4), "back", "exactly 4")
  b:write("abc")
  b:close()
  tap.eq(code(a:read_exactly(4)), "closed", "the end comes before 4 bytes")
  tap.eq(a:read(), "abc", "which stay")
  tap.eq(a:read_exactly(0), "", "exactly none")
  tap.eq(code(a:write("x")), "closed", "nobody reads")
  a:close() a:close()
  tap.raises(function() a:read() end, "closed", "a closed stream raises")
  tap.raises(function() a:write("x") end, "closed", "for writing, too")
  tap.like(tostring(a), "closed", "and says so")
end

-- cancelled reads lose nothing; one reader at a time
do
  local a, b = stream.pair()
  local t = task.spawn(function() return b:read_exactly(6) end)
  a:write("abc")
  task.sleep(0.01)
  tap.raises(function() b:read() end, "another task is reading", "one reader at a time")
  t:cancel()
  tap.raises(function() t:wait() end, "canceled", "a read is cancelled")
  a:write("def")
  tap.eq(b:read_exactly(6), "abcdef", "the next one gets all bytes")
  t = task.spawn(function() return b:read_line() end)
  a:write("half")
  task.sleep(0.01)
  t:cancel()
  a:write(" line\nx")
  tap.eq(b:read(4), "half", "after a cancelled read_line")
  tap.eq(b:read_line(), " line", "lines are found")
  tap.eq(b:read(), "x", "and the rest")
  t = task.spawn(function() return b:read() end)
  task.sleep(0)
  a:write("gap")
  task.spawn(function() t:cancel() end)   -- cancelled when the bytes have come already
  pcall(t.wait, t)
  if t:status() == "failed" then tap.eq(b:read(), "gap", "cancelled between event and resumption")
  else tap.ok(true, "the read was faster than its cancellation") end
  -- closing wakes
  t = task.spawn(function() return b:read() end)
  task.sleep(0)
  b:close()
  tap.eq(code(t:wait()), "closed", "close wakes the reader")
  a:close()
end

-- large writes; a cancelled write is not torn
do
  local a, b = stream.pair()
  local big = digest.random(256):rep(8192)   -- 4 MiB
  local t = task.spawn(function() return a:write(big) end)
  task.sleep(0)
  tap.raises(function() a:write("x") end, "another task is writing", "one writer at a time")
  t:cancel()
  local after = task.spawn(function() task.sleep(0) return a:write("tail") end)
  tap.ok(b:read_exactly(#big) == big, "a cancelled write arrives whole")
  tap.eq(b:read_exactly(4), "tail", "then the next one")
  tap.ok(after:wait(), "which succeeds")
  t = task.spawn(function() return a:write(big) end)
  task.sleep(0)
  a:close()
  tap.eq(code(t:wait()), "closed", "close wakes the writer")
  b:close()
  a, b = stream.pair()
  t = task.spawn(function() return a:write(big) end)
  task.sleep(0)
  b:close()
  tap.eq(code(t:wait()), "closed", "the reader goes away")
  a:close()
  a, b = stream.pair()
  t = task.spawn(function() a:write(big) end)
  task.sleep(0)
  t:cancel()
  task.sleep(0)
  local s = task.spawn(function() return a:shutdown() end)
  tap.ok(b:read_exactly(#big) == big and code(b:read()) == "closed" and s:wait(), "shutdown waits for what is unsent")
  a:close() b:close()
end

-- a busy stream does not starve the others
do
  local a, b = stream.pair()
  local block, ticks, stop = ("x"):rep(65536), 0, false
  local w = task.spawn(function() for _ = 1, 800 do a:write(block) end a:close() end)
  local ticker = task.spawn(function() while not stop do ticks = ticks + 1 task.sleep(0) end end)
  while b:read() do end
  stop = true
  w:wait() ticker:wait()
  b:close()
  tap.ok(ticks > 20, "other tasks run while 50 MB flow", ticks)
end

-- Unix sockets
do
  local path = dir .. "/sock"
  local l = assert(stream.listen { path = path, mode = 384 })
  tap.eq(file.stat(path).mode, 384, "the mode of the path")
  local c = assert(stream.connect { path = path })
  local s = assert(l:accept())
  c:write("ping") tap.eq(s:read(), "ping", "client to server")
  s:write("pong") tap.eq(c:read(), "pong", "server to client")
  tap.eq(c:peer(), { pid = process.self(), uid = process.uid(), gid = 0 }, "the peer's credentials")
  tap.eq(s:peer().pid, process.self(), "on both ends")
  c:close()
  tap.eq(code(s:read()), "closed", "the client has gone")
  s:close()
  local t = task.spawn(function() return l:accept() end)
  task.sleep(0)
  tap.raises(function() l:accept() end, "another task", "one task accepts")
  t:cancel()
  c = assert(stream.connect { path = path })
  s = assert(l:accept())
  tap.ok(s, "accept after a cancelled one")
  tap.eq(code(stream.listen { path = path }), "EADDRINUSE", "a path in use")
  c:close() s:close()
  assert(l:accept()):close()   -- the attempt has asked whether anyone listens
  t = task.spawn(function() return l:accept() end)
  task.sleep(0)
  l:close()
  tap.eq(code(t:wait()), "closed", "close wakes who accepts")
  tap.eq(file.stat(path), nil, "the path is gone")
  tap.eq(code(stream.connect { path = path }), "ENOENT", "no such path")
  -- a socket that a killed process has left
  local p = process.spawn { argv = { process.exe(), "-e", ([[
    l = stream.listen { path = %q } print("ready") io.stdout:flush() task.sleep(60)]]):format(path) }, stdout = "pipe" }
  p.stdout:read_line()
  p:kill("KILL") p:wait() p.stdout:close()
  tap.eq(code(stream.connect { path = path }), "ECONNREFUSED", "a stale socket refuses")
  l = assert(stream.listen { path = path })
  tap.ok(l, "and is replaced")
  l:close()
  file.write(path, "a file")
  tap.eq(code(stream.listen { path = path }), "EADDRINUSE", "a file that is no socket stays")
  tap.eq(file.read(path), "a file", "untouched")
  -- long paths
  local long = dir .. "/" .. ("d"):rep(120)
  file.mkdir(long)
  l = assert(stream.listen { path = long .. "/s" })
  c = assert(stream.connect { path = long .. "/s" })
  s = assert(l:accept())
  c:write("deep")
  tap.eq(s:read(), "deep", "a path longer than a socket address")
  tap.eq(file.stat(long .. "/s").type, "socket", "lies where it should")
  c:close() s:close() l:close()
  tap.eq(file.stat(long .. "/s"), nil, "and is removed")
  -- backlog full: the client waits, with a limit
  l = assert(stream.listen { path = dir .. "/full", backlog = 0 })
  local clients = {}
  local function connect() return stream.connect { path = dir .. "/full", timeout = 0.1 } end
  for i = 1, 10 do
    local one, _, why = connect()
    if not one then tap.eq(why, "timeout", "a listener that does not accept") break end
    clients[i] = one
  end
  for _, one in ipairs(clients) do one:close() end
  l:close()
end

-- TCP
do
  local l = assert(stream.listen { host = "127.0.0.1", port = 0 })
  local c = assert(stream.connect { host = "127.0.0.1", port = l:port() })
  local s = assert(l:accept())
  c:write("over tcp\n")
  tap.eq(s:read_line(), "over tcp", "TCP")
  tap.eq(code(s:peer()), "EOPNOTSUPP", "TCP has no credentials")
  tap.like(tostring(s), "127.0.0.1:%d+", "a stream is named for its peer")
  local port = l:port()
  s:close() c:close() l:close()
  tap.eq(code(stream.connect { host = "127.0.0.1", port = port }), "ECONNREFUSED", "nobody listens")
  tap.raises(function() stream.connect { host = "localhost", port = 1 } end, "numeric", "names are not looked up")
  tap.raises(function() stream.connect { host = "::1", port = 70000 } end, "65535", "ports are checked")
  tap.raises(function() stream.connect { host = "::1" } end, "port", "a port is needed")
  tap.raises(function() stream.connect { path = "x", port = 1 } end, "either", "a path or a port")
end

-- borrowed descriptors
do
  local p = assert(process.spawn { argv = { process.exe(), "-e", [[
    local i, o = stream.fd(0), stream.fd(1)
    o:write("echo " .. i:read_line() .. "\n")
    i:close() o:close()
    print("still open")]] }, stdin = "pipe", stdout = "pipe" })
  p.stdin:write("this\n")
  tap.eq(p.stdout:read_line(), "echo this", "stdin and stdout as streams")
  tap.eq(p.stdout:read_line(), "still open", "closing leaves them open")
  p:wait()
  p.stdin:close() p.stdout:close()
  tap.eq(code(stream.fd(999)), "EBADF", "no such descriptor")
end

file.remove_tree(dir)
collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
