-- stream: frames, whole, cut, oversized and garbage.
local tap <const> = require "tap"

local function code(_, _, c) return c end

local a, b = stream.pair()
tap.ok(a:write_frame(7, "payload"), "write a frame")
tap.eq({ b:read_frame() }, { 7, "payload" }, "read it")
a:write_frame(0)
a:write_frame(255, "")
a:write_frame(1, "\0\0\0\1x")
tap.eq({ b:read_frame() }, { 0, "" }, "type 0, empty")
tap.eq({ b:read_frame() }, { 255, "" }, "type 255, empty")
tap.eq({ b:read_frame() }, { 1, "\0\0\0\1x" }, "a payload that looks like a frame")
tap.raises(function() a:write_frame(256, "") end, "0 to 255", "no type 256")

-- byte by byte, with reads cancelled in between
local bytes = string.pack(">s4", "\9slowly")
for i = 1, #bytes - 1 do
  a:write(bytes:sub(i, i))
  local t = task.spawn(function() return b:read_frame() end)
  task.sleep(0)
  t:cancel()
end
a:write(bytes:sub(-1))
tap.eq({ b:read_frame() }, { 9, "slowly" }, "a frame in pieces, its reader cancelled each time")

-- large ones
local big = digest.random(256):rep(32768):sub(1, 16 * 1024 * 1024 - 1)
local w = task.spawn(function() return a:write_frame(3, big) end)
local kind, got = b:read_frame()
tap.ok(kind == 3 and got == big and w:wait(), "the largest frame")
tap.eq(code(a:write_frame(3, big .. "x")), "EMSGSIZE", "one byte more is refused")
w = task.spawn(function() for i = 1, 20000 do a:write_frame(i % 256, tostring(i)) end end)
local good = true
for i = 1, 20000 do
  local k, v = b:read_frame()
  good = good and k == i % 256 and v == tostring(i)
end
tap.ok(good and w:wait() == nil, "20000 small frames in order")

-- a writer that is cancelled does not tear its frame
w = task.spawn(function() return a:write_frame(4, big) end)
task.sleep(0)
w:cancel()
local after = task.spawn(function() task.sleep(0) return a:write_frame(5, "after") end)
kind, got = b:read_frame()
tap.ok(kind == 4 and got == big, "a frame whose writer was cancelled")
tap.eq({ b:read_frame() }, { 5, "after" }, "and the next")
after:wait()

-- garbage
local function garbage(text, what)
  local x, y = stream.pair()
  x:write(text)
  x:shutdown()
  tap.eq(code(y:read_frame()), "EPROTO", what)
  tap.eq(code(y:read_frame()), "EPROTO", what .. ", again")
  x:close() y:close()
end
garbage("GET / HTTP/1.0\r\n\r\n", "another protocol")
garbage("\0\0\0\0\0", "a frame without a type")
garbage("\1\0\0\1\0", "a frame of more than 16 MiB")
garbage("\255\255\255\255\255", "all ones")
garbage("\0\0", "an end within the length")
garbage("\0\0\0\5\1ab", "an end within the payload")
a:close()
tap.eq(code(b:read_frame()), "closed", "an end between frames")
b:close()
tap.done()
