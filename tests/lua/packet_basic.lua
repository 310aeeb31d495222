-- packet: frames out, in, with VLAN tags, in namespaces. Needs root.
local tap <const> = require "tap"

local function code(_, _, c) return c end
local function fds()
  return #file.list("/proc/self/fd")
end

if process.uid() ~= 0 then
  tap.skip("packet sockets", "not root")
  tap.done()
  return
end

local ns <const> = "P-" .. digest.random(4)
local function ip(...)
  local r = process.run { argv = { "ip", "-n", ns, ... } }
  assert(r.exit == 0, r.stderr)
end
assert(process.run { argv = { "ip", "netns", "add", ns } }.exit == 0)
local _ <close> = setmetatable({}, { __close = function() os.execute("ip netns del " .. ns) end })
ip("link", "add", "p-a", "type", "veth", "peer", "name", "p-b")
for _, link in ipairs { "p-a", "p-b" } do
  process.run { argv = { "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/" .. link .. "/disable_ipv6" }, netns = ns }
  ip("link", "set", link, "up")
end
local before <const> = fds()

local MAC_A <const>, MAC_B <const> = "\2\0\0\0\0\1", "\2\0\0\0\0\2"
local function frame(kind, payload) return MAC_B .. MAC_A .. string.pack(">I2", kind) .. payload:rep(60):sub(1, 60) end

local a = assert(packet.open { link = "p-a", netns = ns })
local b = assert(packet.open { link = "p-b", netns = ns, promiscuous = true })
tap.eq(code(b:recv(0.01)), "timeout", "nothing has come")
local watcher = assert(packet.open { link = "p-a", netns = ns })
local sent = frame(0x88b5, "hello")
tap.ok(a:send(sent), "send")
local got, info = b:recv(1)
tap.eq(got, sent, "the same frame arrives")
tap.eq({ info.outgoing, info.vlan }, { false, nil }, "incoming, untagged")
tap.ok(math.abs(info.time - os.time()) < 5, "with its time")
got, info = watcher:recv(1)
tap.eq({ got == sent, info.outgoing }, { true, true }, "another socket sees it go out")
watcher:close()

-- VLAN tags
local tagged = MAC_B .. MAC_A .. "\x81\0" .. string.pack(">I2", 0x6000 | 101) .. "\x88\xb5" .. ("x"):rep(60)
a:send(tagged)
got, info = b:recv(1)
tap.eq(got == tagged, true, "a tagged frame arrives with its tag")
tap.eq(info.vlan, 0x6000 | 101, "priority and id")
local double = MAC_B .. MAC_A .. "\x88\xa8\0\7\x81\0\0\9\x88\xb5" .. ("y"):rep(60)
a:send(double)
got, info = b:recv(1)
tap.ok(got == double, "two tags stay in order")
tap.eq(info.vlan, 7, "the outer one is told")

-- waiting
local t = task.spawn(function() return b:recv() end)
task.sleep(0)
tap.raises(function() b:recv() end, "another task", "one task receives")
a:send(frame(0x88b5, "woken"))
tap.like(t:wait(), "woken", "a frame wakes")
t = task.spawn(function() return b:recv(5) end)
task.sleep(0)
t:cancel()
a:send(frame(0x88b5, "kept"))
tap.like(b:recv(1), "kept", "a cancelled recv loses nothing")
t = task.spawn(function() return b:recv() end)
task.sleep(0)
b:close()
tap.eq(code(t:wait()), "closed", "close wakes")
tap.raises(function() b:recv() end, "closed", "a closed one raises")

-- one ethertype only; and many frames
b = assert(packet.open { link = "p-b", netns = "/run/netns/" .. ns, protocol = 0x88b6 })
a:send(frame(0x88b5, "other"))
a:send(frame(0x88b6, "mine"))
tap.like(b:recv(1), "mine", "only the wanted ethertype")
for i = 1, 2000 do a:send(frame(0x88b6, ("%05d"):format(i))) end
local good = true
for i = 1, 2000 do good = good and (b:recv(1) or ""):sub(15, 19) == ("%05d"):format(i) end
tap.ok(good, "2000 frames in order")
b:close()

-- loops
b = assert(packet.open { link = "p-b", netns = ns, protocol = 0x88b5 })
for i = 1, 3 do a:send(frame(0x88b5, "loop" .. i)) end
local heard = {}
for bytes, about in b:frames(0.05) do heard[#heard + 1] = bytes:sub(15, 19) .. tostring(about.outgoing) end
tap.eq(heard, { "loop1false", "loop2false", "loop3false" }, "a loop over frames, until none comes any more")
t = task.spawn(function()
  local n = 0
  for _ in b:frames() do n = n + 1 end
  return n
end)
a:send(frame(0x88b5, "one"))
tap.ok(tap.eventually(2, function() return b:statistics().received == 4 end), "all are counted", b:statistics())
task.sleep(0.02)
b:close()
tap.eq(t:wait(), 1, "it ends when the socket is closed")
tap.raises(function() b:frames() end, "closed", "and does not begin on a closed one")
do   -- who receives all the time lets the others run
  local flood <const> = assert(packet.open { link = "p-a", netns = ns })
  b = assert(packet.open { link = "p-b", netns = ns })
  for _ = 1, 3000 do flood:send(frame(0x88b5, "flood")) end
  local turns = 0
  local other <const> = task.spawn(function() while true do turns = turns + 1 task.sleep(0) end end)
  for _ = 1, 3000 do assert(b:recv(1)) end
  other:cancel()
  tap.ok(turns >= 5, "3000 frames leave turns to other tasks", turns)
  flood:close()
  b:close()
end

-- what is told of a frame
b = assert(packet.open { link = "p-b", netns = ns })
a:send(sent)
info = select(2, b:recv(1))
tap.eq({ info.length, info.checksum_pending, math.type(info.time_ns), info.time_ns // 1000000000 == math.floor(info.time) }, { #sent, false, "integer", true },
  "length, checksum, time in nanoseconds")
tap.eq(b:linktype(), 1, "Ethernet")
b:close()

-- filters
local function udp_frame(tag, port)
  return packet.build { { type = "ethernet", src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }, tag or "",
    { type = "ipv4", src = "10.0.0.1", dst = "10.0.0.2" }, { type = "udp", src_port = 1, dst_port = port }, ("x"):rep(30) }
end
local function filtered(filter)
  local f <close> = assert(packet.open { link = "p-b", netns = ns, filter = filter })
  a:send(frame(0x88b5, "noise"))
  a:send(udp_frame(nil, 53))
  a:send(udp_frame(nil, 54))
  a:send(udp_frame({ type = "vlan", id = 101 }, 53))
  local ports = {}
  for bytes in f:frames(0.05) do
    local p = packet.parse(bytes)
    ports[#ports + 1] = ("%s/%s"):format(p.vlan and p.vlan.id or "", p.udp and p.udp.dst_port or p.payload:sub(1, 5))
  end
  return table.concat(ports, " ")
end
tap.eq(filtered(nil), "/noise /53 /54 101/53", "no filter")
tap.eq(filtered "udp port 54", "/54", "a filter by port")
tap.eq(filtered "ether proto 0x88b5", "/noise", "by ethertype")
tap.eq(filtered "vlan 101", "101/53", "by a tag, which the kernel keeps beside the frame")
tap.eq(filtered "vlan 101 and udp port 54", "", "by what lies behind a tag")
tap.eq(filtered "not ip", "/noise", "by what it is not")
tap.eq(filtered "", "/noise /53 /54 101/53", "an empty one takes all")
local bad <const> = table.pack(packet.open { link = "p-b", netns = ns, filter = "udp prot 53" })
tap.ok(bad[1] == nil and bad[2]:find("packet socket on p%-b in .*: filter 'udp prot 53': .*syntax error") and bad[3] == "EINVAL", "a filter that is none", bad)

-- drops: a socket that nobody reads
b = assert(packet.open { link = "p-b", netns = ns })
do
  local big <const> = frame(0x88b5, "big") .. ("z"):rep(1400)
  for _ = 1, 12000 do a:send(big) end
  local statistics = b:statistics()
  tap.ok(statistics.dropped > 0 and statistics.received >= 12000, "what found no room is counted", statistics)
  tap.ok(b:statistics().dropped >= statistics.dropped, "and stays so")
end
b:close()

-- pcap records
b = assert(packet.open { link = "p-b", netns = ns, protocol = 0x88b5 })
tap.eq(code(b:records(0.01)), "timeout", "no records yet")
for i = 1, 5 do a:send(frame(0x88b5, "r" .. i)) end
local records, count = b:records(1, 3, 20)
tap.eq({ count, #records }, { 3, 3 * (16 + 20) }, "three records of 20 bytes")
local seconds, nanoseconds, kept, whole = ("<I4I4I4I4"):unpack(records)
tap.eq({ kept, whole, records:sub(31, 36), nanoseconds < 1000000000, math.abs(seconds - os.time()) < 5 }, { 20, 74, "r1r1r1", true, true }, "as pcap files have them")
records, count = b:records(1)
tap.eq({ count, #records }, { 2, 2 * (16 + 74) }, "the rest")
tap.raises(function() b:records(1, 0) end, "count must be 1", "no count")
tap.raises(function() b:records(1, 1, 0) end, "snaplen must be 1", "no length")
b:close()

-- errors
tap.eq(code(packet.open { link = "p-none", netns = ns, filter = "ip" }), "ENODEV", "a filter on no link")
tap.eq(code(packet.open { link = "p-none", netns = ns }), "ENODEV", "no such link")
tap.eq(code(packet.open { link = "p-a" }), "ENODEV", "not in this namespace")
tap.eq(code(packet.open { link = "p-a", netns = "P-none" }), "ENOENT", "no such namespace")
tap.raises(function() packet.open { link = ("x"):rep(16) } end, "interface", "a name that is too long")
tap.raises(function() packet.open { link = "p-a", protocol = 70000 } end, "65535", "a protocol that is none")
tap.raises(function() a:send("short") end, "14", "a frame that is none")
tap.eq(code(a:send(frame(0x88b5, "x") .. ("y"):rep(2000))), "EMSGSIZE", "a frame above the MTU")
ip("link", "set", "p-a", "down")
tap.eq(code(packet.open { link = "p-a", netns = ns, filter = "ip" }), "ENETDOWN", "a filter on a link that is down")
tap.ok((packet.open { link = "p-a", netns = ns }):linktype() == 1, "without a filter it may be down")
tap.eq(code(a:send(sent)), "ENETDOWN", "a link that is down")
ip("link", "del", "p-a")
tap.ok(not a:recv(0.1), "a link that is gone")
a:close()

collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
