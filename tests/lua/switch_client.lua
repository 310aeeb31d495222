-- switch_client: a real nerv-nve in a namespace of its own; tables, counters, ports, errors, many entries, a switch
-- that hangs or dies, cancelled calls.
local tap <const> = require "tap"
local switch_client <const> = require "nerv.switch_client"
local paths <const> = require "nerv.paths"
local tools <const> = require "nerv.tools"

local ns <const> = "C-" .. digest.random(4)
local rounds <const> = tonumber(os.getenv("NERV_ROUNDS") or 1)
local MANY <const> = 100000

local function code(_, _, c) return c end
local function fds() return #file.list("/proc/self/fd") end

-- The switch's program, with room for many entries.
local function write_description(path)
  local text = assert(file.read(paths.p4() .. "/nve_vlan.json"))
  text = text:gsub('"max_size": 16384', '"max_size": 262144')
  assert(file.write(path, text))
end

local dir, child, connection

local function start(...)
  local argv = { paths.libexec() .. "/nerv-nve", "--log-level", "error", "--thrift-socket", dir .. "/sw.sock", ... }
  argv[#argv + 1] = dir .. "/sw.json"
  child = assert(process.spawn { argv = argv, netns = ns })
  local message
  connection = tap.eventually(20, function()
    local c
    c, message = switch_client.connect { path = dir .. "/sw.sock" }
    return c
  end)
  assert(connection, message)
  return connection
end

local function stop(signal)
  if connection then connection:close() end
  if child then
    child:kill("CONT")
    child:kill(signal or "TERM")
    child:wait(10)
  end
  connection, child = nil, nil
end

local function u16(n) return (">I2"):pack(n) end

-- n entries of table tags, each with a key of its own.
local function tags(n, first)
  local entries = {}
  for i = (first or 0), (first or 0) + n - 1 do
    entries[#entries + 1] = { key = { u16(i // 4096), u16(i % 4096) }, action = "to_port", data = { u16(i % 500) } }
  end
  return entries
end

local function test_describe()
  local tables = connection:tables()
  tap.eq({ tables[1].name, tables[2].name, tables[3].name }, { "ingress_ports", "tags", "uplinks" }, "the tables")
  tap.eq(tables[2], { name = "tags", max_size = 262144, counters = true,
    key = { { name = "standard_metadata.ingress_port", bits = 9, match = "exact" },
      { name = "vlan.vid", bits = 12, match = "exact" } },
    actions = { { name = "to_port", params = { { name = "port", bits = 9 } } }, { name = "NoAction", params = {} } } },
    "what a table is")
  tap.eq(connection:info(), { device_id = 7, thrift_port = 0 }, "info")
  tap.like(tostring(connection), "^switch client of .*sw%.sock %(open%)$", "tostring")
end

local function test_entries()
  local h = connection:add("tags", tags(3))
  tap.ok(h and #h == 3 and h[1] ~= h[2], "three entries have handles", h)
  local rows = connection:entries("tags")
  table.sort(rows, function(a, b) return a.handle < b.handle end)
  tap.eq(rows[3], { key = { "\0\0", "\0\2" }, action = "to_port", data = { "\0\2" }, handle = h[3] },
    "an entry reads as it was written")
  tap.eq({ connection:modify("tags", h[3], "to_port", { "\1" }) }, { true }, "modify")
  tap.eq({ connection:delete("tags", h[2]) }, { true }, "delete")
  rows = connection:entries("tags")
  table.sort(rows, function(a, b) return a.handle < b.handle end)
  tap.eq({ #rows, rows[2].handle, rows[2].data }, { 2, h[3], { "\0\1" } }, "both are seen")
  tap.eq({ connection:modify("tags", h[3], "NoAction") }, { true }, "an action with no parameters")
  tap.eq(connection:add("tags", {}), {}, "no entries are no work")
  tap.eq(connection:entry_counter("tags", h[1]), { packets = 0, bytes = 0 }, "an entry's counter")
  tap.eq({ connection:clear("tags") }, { true }, "clear")
  tap.eq(connection:entries("tags"), {}, "all are gone")
  tap.eq(connection:default("tags"), { action = "NoAction", data = {} }, "the default")
  tap.eq({ connection:set_default("tags", "to_port", { "\0\5" }) }, { true }, "set_default")
  tap.eq(connection:default("tags"), { action = "to_port", data = { "\0\5" } }, "it reads as it was written")
  tap.ok(connection:set_default("tags", "NoAction"), "and back")
end

local function test_refusals()
  local value, message, c, index = connection:add("tagz", tags(1))
  tap.eq({ value, c, index }, { nil, "INVALID_TABLE_NAME", 1 }, "a table that is not there")
  tap.like(message, "'tagz'.*'tags'", "and the nearest")
  tap.eq(code(connection:entries("tagz")), "INVALID_TABLE_NAME", "the same for reading")
  local h = connection:add("tags", tags(1, 5))
  value, message, c, index = connection:add("tags", tags(20000))
  tap.eq({ value, c, index }, { nil, "DUPLICATE_ENTRY", 6 }, "a key that is there")
  tap.like(message, "^table 'tags' ", "the text is the switch's")
  tap.eq(#connection:entries("tags"), 1, "all or none: none")
  local entries = tags(9000, 100)
  entries[8999] = entries[2]
  tap.eq(select(4, connection:add("tags", entries)), 8999, "twice the same in one call")
  tap.eq(#connection:entries("tags"), 1, "none again")
  entries[8999] = { key = { "\0\0", "\0\0\0" }, action = "to_port", data = { "\0" } }
  tap.eq({ select(3, connection:add("tags", entries)) }, { "BAD_MATCH_KEY", 8999 }, "a key of a wrong length")
  entries[8999] = { key = { "\0\0" }, action = "to_port", data = { "\0" } }
  tap.eq({ select(3, connection:add("tags", entries)) }, { "BAD_MATCH_KEY", 8999 }, "a key with too few fields")
  local others <const> = { { value = "\0\0", prefix = 3 }, { value = "\0\0", mask = "\0\1" },
    { first = "\0", last = "\1" }, true }
  for _, key in ipairs(others) do
    entries[8999] = { key = { "\0\0", key }, action = "to_port", data = { "\0" }, priority = 3 }
    tap.eq({ select(3, connection:add("tags", entries)) }, { "BAD_MATCH_KEY", 8999 }, "a key of another kind of match")
  end
  entries[8999] = { key = { "\0\0", "\0\1" }, action = "to_port", data = { "\2\0" } }
  tap.eq({ select(3, connection:add("tags", entries)) }, { "BAD_ACTION_DATA", 8999 }, "a parameter that is too large")
  entries[8999] = { key = { "\0\0", "\0\1" }, action = "to_prt" }
  tap.eq({ select(3, connection:add("tags", entries)) }, { "INVALID_ACTION_NAME", 8999 }, "an unknown action")
  tap.eq(#connection:entries("tags"), 1, "none of them left anything")
  tap.ok(connection:delete("tags", h[1]), "delete the one")
  tap.eq(code(connection:delete("tags", h[1])), "INVALID_HANDLE", "not twice")
  tap.eq(code(connection:modify("tags", 77, "NoAction")), "INVALID_HANDLE", "modify of none")
  tap.eq(code(connection:entry_counter("tags", 77)), "INVALID_HANDLE", "counter of none")
  tap.eq(code(connection:set_default("tags", "shared")), "INVALID_ACTION_NAME", "an action of another table")
  tap.eq(code(connection:set_default("tags", "to_port")), "BAD_ACTION_DATA", "a parameter lacks")
  tap.eq(code(connection:clear("none")), "INVALID_TABLE_NAME", "clear of none")
  tap.eq(code(connection:default("none")), "INVALID_TABLE_NAME", "default of none")
  tap.eq(code(connection:counter("verdict", 0)), "INVALID_COUNTER_NAME", "an unknown counter")
  tap.eq(code(connection:counter("verdicts", 8)), "INVALID_INDEX", "an index too far")
  tap.eq(code(connection:remove_port(40)), "ERROR", "a port that is not there")
  tap.eq(code(connection:add_port("c-none", 40)), "ERROR", "an interface that is not there")
  tap.eq(connection:info().device_id, 7, "the connection has stood it all")
end

local function test_ports()
  local function sorted()
    local ports = connection:ports()
    table.sort(ports, function(a, b) return a.number < b.number end)
    return ports
  end
  tap.eq(sorted(), { { number = 1, interface = "c-in", up = true } }, "the port of the command line")
  tap.eq({ connection:add_port("c-out", 2) }, { true }, "add_port")
  tap.eq(sorted(), { { number = 1, interface = "c-in", up = true }, { number = 2, interface = "c-out", up = true } },
    "both are listed")
  tap.eq(code(connection:add_port("c-out", 3)), "ERROR", "an interface is one port only")

  local h = assert(connection:add("ingress_ports",
    { { key = { u16(1) }, action = "to_tag", data = { u16(100), u16(2) } } }))
  local frame = "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5" .. ("x"):rep(50)
  do
    local sender = assert(packet.open { link = "c-in-peer", netns = ns })
    for _ = 1, 10 do assert(sender:send(frame)) end
    sender:close()
  end
  local count = tap.eventually(5, function()
    local c = connection:entry_counter("ingress_ports", h[1])
    return c.packets >= 10 and c
  end)
  tap.eq(count, { packets = 10, bytes = 640 }, "frames count")
  local sum = 0
  for i = 0, 7 do sum = sum + connection:counter("verdicts", i).packets end
  tap.ok(sum >= 10, "a counter array counts, too", sum)
  tap.eq({ connection:remove_port(2) }, { true }, "remove_port")
  tap.eq(#sorted(), 1, "one is left")
  tap.ok(connection:clear("ingress_ports"), "clear")
end

local function test_many()
  local entries = tags(MANY)
  for _ = 1, rounds do
    local before = runtime.now()
    local h = connection:add("tags", entries)
    local added = runtime.now()
    tap.ok(h and #h == MANY, "100,000 entries in one call")
    tap.note(("add: %.0f entries/s"):format(MANY / (added - before)))
    local rows = connection:entries("tags")
    tap.note(("entries: %.0f entries/s"):format(MANY / (runtime.now() - added)))
    tap.eq(#rows, MANY, "and in one answer")
    tap.eq(code(connection:add("tags", { entries[1] })), "DUPLICATE_ENTRY", "they are there")
    tap.ok(connection:clear("tags"), "clear")
    entries[MANY + 1] = entries[1]
    before = runtime.now()
    local _, _, c, index = connection:add("tags", entries)
    tap.eq({ c, index }, { "DUPLICATE_ENTRY", MANY + 1 }, "the last is refused")
    tap.note(("add and undo: %.0f entries/s"):format(MANY / (runtime.now() - before)))
    tap.eq(#connection:entries("tags"), 0, "none is left")
    entries[MANY + 1] = nil
  end
end

local function test_tasks()
  local tasks, good = {}, 0
  for i = 1, 40 do
    tasks[i] = task.spawn(function() return connection:add("tags", tags(10, i * 10)) end)
  end
  for i = 1, 40 do good = good + #tasks[i]:wait() end
  tap.eq(good, 400, "40 tasks share one handle")
  tap.eq(#connection:entries("tags"), 400, "all is done")
  tap.ok(connection:clear("tags"), "clear")
end

local function test_cancel()
  local entries = tags(MANY)
  for _, seconds in ipairs { 0.001, 0.1, 0.3 } do
    local result = { tools.timeout(seconds, function() return connection:add("tags", entries) end) }
    tap.eq(result[3], "timeout", ("add is cancelled after %g s"):format(seconds))
    tap.eq(connection:entries("tags"), {}, "and leaves no entry")
  end
  -- The first of three is cancelled while it runs, the second while it waits for its turn.
  local first = task.spawn(function() return connection:add("tags", entries) end)
  local second = task.spawn(function() return connection:clear("uplinks") end)
  local third = task.spawn(function() return connection:info().device_id end)
  task.sleep(0.02)
  tap.like(tostring(connection), "%(busy%)$", "a handle that works is busy")
  second:cancel()
  first:cancel()
  tap.eq(third:wait(), 7, "the third has its turn")
  tap.eq(connection:entries("tags"), {}, "the first left nothing")
  -- A turn that comes at the moment of cancellation goes on to the next.
  for i = 1, 200 do
    local a = task.spawn(function() return connection:info() end)
    local b = task.spawn(function() return connection:info() end)
    if i % 2 == 0 then a:join(1) else task.sleep(0) end
    b:cancel()
  end
  tap.eq(connection:info().device_id, 7, "no turn gets lost")
end

local function test_hang()
  local slow = assert(switch_client.connect { path = dir .. "/sw.sock", timeout = 1 })
  child:kill("STOP")
  local waiting = {}
  for i = 1, 8 do waiting[i] = task.spawn(function() return slow:info() end) end
  task.sleep(0)
  local before = runtime.now()
  tap.ok(link.list{}, "other calls have their worker threads")
  tap.ok(not waiting[1]:join(0), "at once")
  local result = { waiting[1]:wait() }
  tap.eq(result[3], "timeout", "a switch that hangs is a timeout")
  tap.like(result[2], "^.*sw%.sock: .*timed out", "and is named")
  for i = 2, 8 do tap.eq(code(waiting[i]:wait()), "timeout", "and stays one") end
  tap.ok(runtime.now() - before < 4, "without another wait")
  local other = assert(tools.timeout(5, function()
    local t = task.spawn(function() return connection:ports() end)
    task.sleep(0.05)
    t:cancel()
    t:join()
    return true
  end))
  tap.ok(other, "a call to it can be cancelled")
  child:kill("CONT")
  tap.eq(connection:info().device_id, 7, "the handle works when the switch does")
  slow:close()
end

local function test_close()
  local c = assert(switch_client.connect { path = dir .. "/sw.sock" })
  child:kill("STOP")
  local runs = task.spawn(function() return c:add("uplinks", { { key = { u16(9) }, action = "shared" } }) end)
  local waits = task.spawn(function() return c:info() end)
  task.sleep(0)
  c:close()
  c:close()
  tap.like(tostring(c), "%(closed%)$", "closed")
  tap.eq(code(waits:wait()), "closed", "the call that waits does not begin")
  child:kill("CONT")
  tap.ok(runs:wait(), "the one that runs ends well")
  tap.raises(function() c:info() end, "is closed", "a closed handle raises")
  tap.raises(function() c:tables() end, "is closed", "in all methods")
  tap.ok(connection:clear("uplinks"), "clear")
  do
    local short <close> = assert(switch_client.connect { path = dir .. "/sw.sock" })
    c = short
  end
  tap.like(tostring(c), "%(closed%)$", "<close> closes")
end

local function test_leaks()
  collectgarbage()
  local before = fds()
  for _ = 1, 20 do
    assert(switch_client.connect { path = dir .. "/sw.sock" })
    task.spawn(function() return switch_client.connect { path = dir .. "/sw.sock" } end):cancel()
    local t = task.spawn(function() return switch_client.connect { path = dir .. "/sw.sock" } end)
    task.sleep(0)
    t:cancel()
  end
  tap.ok(tap.eventually(5, function()
    collectgarbage()
    return fds() == before
  end), "handles that are dropped disconnect")
end

local function test_kill()
  local entries = tags(MANY)
  local t = task.spawn(function() return connection:add("tags", entries) end)
  local waits = task.spawn(function() return connection:entries("tags") end)
  task.sleep(0.2)
  child:kill("KILL")
  local before = runtime.now()
  local value, message, c, index = t:wait()
  tap.eq({ value, c, index }, { nil, "closed" }, "a switch that dies in the middle of a call")
  tap.like(message, "^.*sw%.sock: .*entries were confirmed before", "says how far it came")
  tap.eq(code(waits:wait()), "closed", "also for who waited")
  tap.eq(code(connection:entries("tags")), "closed", "and afterwards")
  tap.ok(runtime.now() - before < 2, "at once")
  tap.eq(connection:tables()[1].name, "ingress_ports", "the description is still there")
  stop()
end

local function test_connect()
  tap.eq(code(switch_client.connect { path = dir .. "/none.sock" }), "ENOENT", "no socket")
  tap.like(select(2, switch_client.connect { path = dir .. "/none.sock" }), "none%.sock: No such file", "named once")
  tap.eq(code(switch_client.connect { path = dir .. "/sw.json" }), "ECONNREFUSED", "a file that is no socket")
  tap.eq(code(switch_client.connect { path = dir .. "/" .. ("x"):rep(200) }), "ENAMETOOLONG", "a path that is too long")
  tap.eq(code(switch_client.connect { path = "c-none.sock" }), "ENOENT", "a path with no slash")
  tap.eq(code(switch_client.connect { host = "127.0.0.1", port = 1 }), "ECONNREFUSED", "nobody listens")
  tap.eq(code(switch_client.connect { host = "::1", port = 1 }), "ECONNREFUSED", "nor on IPv6")
  local path = dir .. "/other.sock"
  local listener = assert(stream.listen { path = path })
  tap.eq(code(switch_client.connect { path = path, timeout = 0.2 }), "timeout", "a server that says nothing")
  local server = task.spawn(function()
    for _, answer in ipairs { "", "HTTP/1.1 400 Bad Request\r\n\r\n" } do
      local peer <close> = listener:accept()
      peer:read()
      if answer ~= "" then peer:write(answer) peer:read() end
    end
  end)
  listener:accept():close()
  tap.eq(code(switch_client.connect { path = path, timeout = 2 }), "closed", "a server that hangs up")
  local value, message, c = switch_client.connect { path = path, timeout = 2 }
  tap.eq(value, nil, "a server that speaks another protocol")
  tap.note(tostring(message), tostring(c))
  listener:close()
  server:cancel()
  local wrong <const> = { {}, { host = "a" }, { port = 1 }, { path = "/a", host = "b", port = 1 },
    { path = "/a", port = 1 } }
  for _, options in ipairs(wrong) do
    tap.raises(function() switch_client.connect(options) end, "either path, or host and port", "where is the switch?")
  end
  tap.raises(function() switch_client.connect { path = "" } end, "path is empty", "an empty path")
  tap.raises(function() switch_client.connect { host = "a/b", port = 1 } end, "host must be", "a host is no path")
  tap.raises(function() switch_client.connect { host = "a", port = 65536 } end, "1 to 65535", "a port that is none")
  tap.raises(function() switch_client.connect { path = "/a", timeout = 0 } end, "timeout must be", "no time at all")
  tap.raises(function() switch_client.connect { pth = "/a" } end, "did you mean 'path'", "unknown option")
end

local function test_misuse()
  local function bad(pattern, entry, text)
    tap.raises(function() connection:add("tags", { tags(1)[1], entry }) end,
      "switch_client:add: entry 2: " .. pattern, text)
  end
  bad("it must be", 5, "an entry is a table")
  bad("option 'key' is missing", { action = "to_port" }, "with a key")
  bad("option 'action' is missing", { key = { "a" } }, "and an action")
  bad("unknown option 'keys'; did you mean 'key'", { keys = {} }, "and nothing else")
  bad("unknown option", { 1 }, "by name")
  bad("key must be a list", { key = "a", action = "b" }, "a key is a list")
  bad("key 1 must be a string", { key = { 5 }, action = "b" }, "of bytes")
  bad("key 1 must be bytes, { value", { key = { {} }, action = "b" }, "or of parts")
  bad("key 1: prefix must be", { key = { { value = "a", prefix = -1 } }, action = "b" }, "a prefix is a number")
  bad("key 1 has 300 bytes", { key = { ("x"):rep(300) }, action = "b" }, "not too long")
  bad("key has 256 items", { key = table.pack(("a"):rep(256):byte(1, -1)), action = "b" }, "not too many")
  bad("data 2 must be a string", { key = { "a" }, action = "b", data = { "x", {} } }, "data are bytes")
  bad("action must be a name", { key = { "a" }, action = 5 }, "an action is a name")
  bad("action holds a NUL", { key = { "a" }, action = "a\0b" }, "with no NUL")
  bad("priority must be", { key = { "a" }, action = "b", priority = 1.5 }, "a priority is an integer")
  tap.raises(function() connection:delete("tags", -1) end, "handle must be from 0", "a handle is not negative")
  tap.raises(function() connection:counter("verdicts", 1 << 40) end, "index must be from 0", "an index is not huge")
  tap.raises(function() connection:add_port(("x"):rep(16), 1) end, "1 to 15", "an interface's name is short")
  tap.raises(function() connection:modify("tags", 1, "to_port", { 5 }) end, "data 1 must be", "data are bytes, too")
  tap.raises(function() connection:add("tags") end, "entries", "entries are required")
  tap.raises(function() connection:entries("a\0b") end, "NUL", "no NUL in names")
  tap.raises(function() connection.info() end, "colon", "methods want a colon")
  tap.raises(function() coroutine.wrap(function() connection:info() end)() end, "not inside a task",
    "in a plain coroutine")
  tap.eq(connection:info().device_id, 7, "nothing is stuck")
end

local function test_tcp()
  local path <const> = dir .. "/here.sock"
  local here = assert(process.spawn { argv = { paths.libexec() .. "/nerv-nve", "--log-level", "error",
    "--thrift-socket", path, "--thrift-port", "0", dir .. "/sw.json" } })
  local c = tap.eventually(20, function() return switch_client.connect { path = path } end)
  local port = c:info().thrift_port
  local tcp <close> = assert(switch_client.connect { host = "127.0.0.1", port = port })
  tap.eq(tcp:info().thrift_port, port, "over TCP, by address")
  tap.eq(#assert(tcp:add("tags", tags(1000))), 1000, "entries over TCP")
  tap.like(tostring(tcp), "127%.0%.0%.1:" .. port, "its name")
  local named <close> = assert(switch_client.connect { host = "localhost", port = port })
  tap.eq(#named:entries("tags"), 1000, "over TCP, by name")
  c:close()
  here:kill()
  tap.eq(here:wait(10), { exit = 0 }, "it ends")
  tap.eq(code(tcp:info()), "closed", "a switch that was stopped")
end

local function test()
  dir = assert(file.temp_dir("nerv-c-"))
  write_description(dir .. "/sw.json")
  assert(file.mkdir(dir .. "/bpf"))
  assert(file.mount { target = dir .. "/bpf", type = "bpf" })
  assert(netns.add { path = ns, lo_up = true })
  -- The kernel's own neighbour discovery would be counted with what is sent here.
  for _, whom in ipairs { "all", "default" } do
    assert(sysctl.set { netns = ns, name = ("net.ipv6.conf.%s.disable_ipv6"):format(whom), value = 1 })
  end
  for _, name in ipairs { "c-in", "c-out" } do
    assert(link.add { kind = "veth", name = name, netns = ns, up = true, peer = { name = name .. "-peer" } })
    assert(link.set { name = name .. "-peer", netns = ns, up = true })
  end
  start("--pin", dir .. "/bpf/sw", "--device-id", "7", "-i", "1@c-in")
  test_describe()
  test_ports()
  test_entries()
  test_refusals()
  test_misuse()
  test_tasks()
  test_many()
  test_cancel()
  test_hang()
  test_close()
  test_leaks()
  test_kill()
  test_connect()
  test_tcp()
end

local good, problem = pcall(test)
stop("KILL")
if dir then
  process.run { argv = { paths.libexec() .. "/nerv-nve", "--remove", "--pin", dir .. "/bpf/sw" } }
  file.umount(dir .. "/bpf")
  file.remove_tree(dir)
end
if netns.exists(ns) then netns.delete { path = ns } end
if not good then error(problem, 0) end
tap.done()
