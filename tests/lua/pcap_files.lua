-- pcap: files written, read back, read by tcpdump; pcapng; what is cut or no such file; live readers.
local tap <const> = require "tap"

local directory <const> = assert(os.getenv "TMPDIR" or "/tmp") .. "/pcap-" .. digest.random(4)
assert(file.mkdir(directory))
local _ <close> = setmetatable({}, { __close = function() file.remove_tree(directory) end })
local function path(name) return directory .. "/" .. name end
local function fds() return #file.list("/proc/self/fd") end
local function code(_, _, c) return c end
local function tcpdump(...)
  local result = assert(process.run { argv = { "tcpdump", "-n", "-t", "-e", "-r", ... } })
  return result.stdout, result.stderr
end
local before <const> = fds()

local function frame(text)
  return packet.build { { type = "ethernet", src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" },
    { type = "ipv4", src = "10.0.0.1", dst = "10.0.0.2" }, { type = "udp", src_port = 1000, dst_port = 2000 }, text }
end

-- written and read
local w = assert(pcap.create(path "a.pcap"))
tap.eq(tostring(w), "pcap writer of " .. path "a.pcap", "a writer has a name")
local began = os.time()
tap.eq(w:write(frame "one"), true, "bytes alone")
tap.eq(w:write { bytes = frame "two", time = 1700000000.25 }, true, "with a time")
tap.eq(w:write { bytes = frame "three", time_ns = 1700000000123456789, length = 1500 }, true, "with nanoseconds, and a length on the wire")
tap.eq(w:write { bytes = "", time = 0 }, true, "an empty one")
w:close()
tap.raises(function() w:write "x" end, "pcap_files.lua:%d+: the pcap writer of .*a%.pcap is closed", "it is closed")
local reader <const> = assert(pcap.open(path "a.pcap"))
tap.eq(reader:info(), { linktype = 1, name = "EN10MB", snaplen = 262144 }, "what the file says of itself")
local p = reader:next()
tap.ok(p.bytes == frame "one" and p.length == #p.bytes and p.time >= began and p.time < began + 10, "the first, of now", p)
tap.eq(reader:next(), { bytes = frame "two", length = #frame "two", time = 1700000000.25, time_ns = 1700000000250000000 }, "the second")
p = reader:next()
tap.eq({ p.time_ns, p.length, p.bytes == frame "three" }, { 1700000000123456789, 1500, true }, "the third, to the nanosecond")
tap.eq(reader:next().bytes, "", "the empty one")
tap.eq(table.pack(reader:next()), { [1] = nil, n = 1 }, "the end")
tap.eq(table.pack(reader:next()), { [1] = nil, n = 1 }, "and again")
reader:close()
tap.raises(function() reader:next() end, "pcap_files.lua:%d+: the pcap reader of .*a%.pcap is closed", "a closed reader")

local out, err = tcpdump(path "a.pcap")
tap.like(err, "link%-type EN10MB %(Ethernet%), snapshot length 262144", "tcpdump knows the file")
tap.like(out, "^02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 %(0x0800%), length 45: 10.0.0.1.1000 > 10.0.0.2.2000: UDP, length 3\n", "and its packets")

-- options
w = assert(pcap.create(path "b.pcap", { snaplen = 50, linktype = 101, nanoseconds = false }))
w:write { bytes = frame(("x"):rep(100)):sub(15), time_ns = 1700000000123456789 }
w:close()
local small <const> = pcap.open(path "b.pcap")
tap.eq(small:info(), { linktype = 101, name = "RAW", snaplen = 50 }, "a short snaplen, and packets that begin with IP")
p = small:next()
tap.eq({ #p.bytes, p.length, p.time_ns }, { 50, 128, 1700000000123456000 }, "a packet is cut, its time in microseconds")
small:close()
tap.like(tcpdump(path "b.pcap"), "10.0.0.1.1000 > 10.0.0.2.2000: UDP, length 100", "tcpdump reads it")

-- loops and filters
w = assert(pcap.create(path "c.pcap"))
for i = 1, 3000 do w:write { bytes = frame("n" .. i), time = i } end
w:close()
local n, right = 0, true
for one in pcap.open(path "c.pcap") do
  n = n + 1
  right = right and one.time == n and one.bytes == frame("n" .. n)
end
tap.ok(n == 3000 and right, "a loop over 3000", n)
n = 0
for one in assert(pcap.open(path "c.pcap", { filter = "ether[42:4] = 0x6e313030" })) do n = n + one.time_ns // 1000000000 end
tap.eq(n, 100 + 10 * 1000 + 45, "a filter: n100, n1000 to n1009")
local bad <const> = table.pack(pcap.open(path "c.pcap", { filter = "udp prot 1" }))
tap.ok(bad[1] == nil and bad[2]:find "c%.pcap: filter 'udp prot 1': .*syntax error" and bad[3] == "EINVAL", "a filter that is none", bad)
tap.ok(timeout(5, function()   -- two tasks share a reader
  local both = assert(pcap.open(path "c.pcap"))
  local counts = { 0, 0 }
  local function take(i) for _ in both do counts[i] = counts[i] + 1 end end
  local tasks = { task.spawn(take, 1), task.spawn(take, 2) }
  for _, one in ipairs(tasks) do one:wait() end
  return counts[1] + counts[2] == 3000
end), "two tasks take from one reader, and none is lost")
do   -- a cancelled read loses nothing, and a reader may be closed while it reads
  local one <const> = assert(pcap.open(path "c.pcap"))
  local reading = task.spawn(function() return one:next() end)
  task.sleep(0)
  reading:cancel()
  tap.eq(one:next().time, 1.0, "a cancelled read loses nothing")
  one:close()
  local other <const> = assert(pcap.open(path "c.pcap"))
  reading = task.spawn(function() return other:next() end)
  task.sleep(0)
  other:close()
  tap.ok(pcall(reading.wait, reading), "a reader closed while it reads")
end

-- pcapng, of both byte orders, with blocks to skip
local function pcapng(order)
  local function block(kind, body)
    body = body .. ("\0"):rep(-#body % 4)
    return (order .. "I4I4"):pack(kind, #body + 12) .. body .. (order .. "I4"):pack(#body + 12)
  end
  local function packet_block(interface, time, bytes)
    return block(6, (order .. "I4I4I4I4I4"):pack(interface, time >> 32, time & 0xffffffff, #bytes, #bytes + 1) .. bytes)
  end
  return block(0x0a0d0d0a, (order .. "I4I2I2i8"):pack(0x1a2b3c4d, 1, 0, -1))
    .. block(1, (order .. "I2I2I4"):pack(1, 0, 1000) .. (order .. "I2I2I1I3I4"):pack(9, 1, 9, 0, 0))   -- nanoseconds
    .. block(0x0bad, "unknown") .. packet_block(0, 1700000000123456789, frame "ng1") .. block(5, ("\0"):rep(12))
    .. packet_block(0, 1700000001000000000, frame "ng2")
end
for order, name in pairs { ["<"] = "little", [">"] = "big" } do
  file.write(path "d.pcapng", pcapng(order))
  local times = {}
  for one in assert(pcap.open(path "d.pcapng")) do times[#times + 1] = ("%d %d %d"):format(one.time_ns, #one.bytes, one.length) end
  tap.eq(times, { "1700000000123456789 45 46", "1700000001000000000 45 46" }, "pcapng, " .. name .. " endian")
end

-- what is no such file, or cut
local whole <const> = file.read(path "c.pcap")
tap.eq({ code(pcap.open(path "none")), code(pcap.open(directory)), code(pcap.open "/dev/null") }, { "ENOENT", "ESPIPE", "ESPIPE" },
  "nothing there; a directory; a device")
for text, why in pairs { [""] = "truncated dump file", ["hello"] = "unknown file format", [("x"):rep(100)] = "unknown file format",
  [whole:sub(1, 20)] = "truncated dump file" } do
  file.write(path "e", text)
  local result = table.pack(pcap.open(path "e"))
  tap.ok(result[1] == nil and result[2]:find(why, 1, true) and result[3] == "EBADMSG", "no file of packets: " .. why, result)
end
file.write(path "e", whole:sub(1, 24 + 61 + 30))
local cut <const> = pcap.open(path "e")
tap.eq(cut:next().bytes, frame "n1", "the packets before a cut are there")
local result <const> = table.pack(cut:next())
tap.ok(result[1] == nil and result[2]:find "truncated dump file" and result[3] == "EBADMSG", "then it says so", result)
tap.raises(function() for _ in cut do n = n end end, "pcap_files.lua:%d+: .*truncated dump file", "a loop raises it")
cut:close()

-- misuse
tap.raises(function() pcap.create(path "f", { snaplen = 0 }) end, "pcap%.create: snaplen must be 1 to 262144", "no snaplen")
tap.raises(function() pcap.create(path "f", { linktype = 65536 }) end, "pcap%.create: linktype must be 0 to 65535", "no linktype")
tap.raises(function() pcap.create(path "f", { snaplan = 9 }) end, "did you mean 'snaplen'", "an unknown option")
tap.raises(function() pcap.create {} end, "pcap%.create: a path, \"%-\" or a descriptor is expected", "no path")
tap.eq({ code(pcap.create(path "none/f")), code(pcap.create(999)), code(pcap.create(-1)) }, { "ENOENT", "EBADF", "EBADF" }, "where nothing can be written")
w = assert(pcap.create(path "f"))
tap.raises(function() w:write {} end, "pcap.writer:write: a packet is a string", "no bytes")
tap.raises(function() w:write { bytes = "abc", length = 2 } end, "length must be 3", "a length that is too short")
for _, time in ipairs { -1, 1e11, 0 / 0 } do
  tap.raises(function() w:write { bytes = "abc", time = time } end, "time must be 0 to 4294967295", "no time: " .. time)
end
tap.raises(function() w:write { bytes = "abc", time_ns = -5 } end, "time must be 0 to", "no nanoseconds")
tap.raises(function() w:append "abc" end, "whole records are expected", "no records")
tap.raises(function() w:append(("<I4I4I4I4"):pack(0, 0, 4, 4) .. "abc") end, "whole records are expected", "a record that is cut")
tap.ok(w:append("") and w:append(("<I4I4I4I4"):pack(7, 5, 3, 4) .. "abc"), "records are appended")
w:close()
p = pcap.open(path "f"):next()
tap.eq({ p.time_ns, p.bytes, p.length }, { 7000000005, "abc", 4 }, "and read")

-- a live reader sees each packet at once, and its end is told
local child = assert(process.spawn { argv = { "tcpdump", "-n", "-t", "-l", "-r", "-" }, stdin = "pipe", stdout = "pipe", stderr = "null" })
w = assert(pcap.create(child.stdin:fileno()))
for i = 1, 3 do
  w:write(frame(("x"):rep(i)))
  tap.eq(timeout(5, function() return child.stdout:read_line() end), "IP 10.0.0.1.1000 > 10.0.0.2.2000: UDP, length " .. i, "tcpdump shows it at once")
end
w:close()
tap.ok(child.stdin:write "", "a descriptor that was given stays open")
child:kill "KILL"
child:wait()
tap.eq(code(pcap.create(child.stdin:fileno())), "closed", "a pipe that nobody reads")
local result2 <const> = process.run { argv = { process.exe(), "-e",
  [[local w = pcap.create "-" w:write { bytes = ("a"):rep(20), time = 1 } w:close() io.stdout:write "" ]] } }
tap.eq({ #result2.stdout, result2.exit }, { 24 + 16 + 20, 0 }, "standard output")
child.stdin:close()
child.stdout:close()

collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
