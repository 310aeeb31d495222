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

-- errors
tap.eq(code(packet.open { link = "p-none", netns = ns }), "ENODEV", "no such link")
tap.eq(code(packet.open { link = "p-a" }), "ENODEV", "not in this namespace")
tap.eq(code(packet.open { link = "p-a", netns = "P-none" }), "ENOENT", "no such namespace")
tap.raises(function() packet.open { link = ("x"):rep(16) } end, "interface", "a name that is too long")
tap.raises(function() packet.open { link = "p-a", protocol = 70000 } end, "65535", "a protocol that is none")
tap.raises(function() a:send("short") end, "14", "a frame that is none")
tap.eq(code(a:send(frame(0x88b5, "x") .. ("y"):rep(2000))), "EMSGSIZE", "a frame above the MTU")
ip("link", "set", "p-a", "down")
tap.eq(code(a:send(sent)), "ENETDOWN", "a link that is down")
ip("link", "del", "p-a")
tap.ok(not a:recv(0.1), "a link that is gone")
a:close()

collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
