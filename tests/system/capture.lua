-- Captures of endpoints, networks and interfaces, here and on another node: methods and command.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"
local directory <const> = system.directory()
local function path(name) return directory.path .. "/" .. name end
expect(h1:ping(h2))   -- who is where is known from here on

-- Captures that agents hold, as the kernel lists them.
local function open_sockets()
  local count = 0
  for _, where in ipairs { tb:netns "pm1", tb:netns "pm2", h1.netns, h2.netns } do
    local text = assert(process.run { argv = { "cat", "/proc/net/packet" }, netns = where }).stdout
    count = count + select(2, text:gsub("\n", "")) - 1
  end
  return count
end
local sockets_before <const> = open_sockets()

local function icmp_types(packets)
  local list = {}
  for i, p in ipairs(packets) do
    local parsed = packet.parse(p.bytes)
    list[i] = parsed.icmp and parsed.icmp.icmp_type or parsed[#parsed].type
  end
  return table.concat(list, " ")
end

-- begun, and ended when the traffic is over
for where, e in pairs { ["an endpoint of the home node"] = h1, ["an endpoint of another node"] = h2 } do
  local capture = assert(e:capture { filter = "icmp" })
  tap.eq({ tostring(capture), capture.interface, capture.linktype }, { "capture of " .. e.id, "eth0", 1 }, where .. ": what it is")
  expect(h1:ping(h2, 2))
  local result = capture:stop()
  tap.eq({ result.count, result.dropped, result.bytes, icmp_types(result.packets) }, { 4, 0, 4 * 98, "8 0 8 0" }, where .. ": all that has come is in it")
  local p = result.packets[1]
  tap.ok(p.length == 98 and #p.bytes == 98 and math.abs(p.time - os.time()) < 30 and math.type(p.time_ns) == "integer", where .. ": a packet", p)
  tap.eq(capture:stop().count, 4, where .. ": it may be ended twice")
  tap.eq(table.pack(capture:next()), { n = 1 }, where .. ": nothing is left to take")
end

-- ends by themselves
local capture = assert(h2:capture { filter = "icmp", count = 3 })
expect(h1:ping(h2, 3))
tap.eq(icmp_types(capture:wait().packets), "8 0 8", "it ends after a number of packets")
local began = runtime.now()
tap.eq(assert(h1:capture { seconds = 0.3, filter = "ether proto 0x88b5" }):wait(), { count = 0, bytes = 0, dropped = 0, packets = {} },
  "after a time, with nothing in it")
tap.ok(runtime.now() - began >= 0.3 and runtime.now() - began < 3, "which is kept", runtime.now() - began)
do   -- a loop, while the traffic goes on
  local running <close> = assert(h2:capture { filter = "icmp" })
  local pinging = task.spawn(function() return h1:ping(h2, 5) end)
  local n = 0
  for p in running do
    n = n + (packet.parse(p.bytes).ipv4.src == h1.address and 1 or 0)
    if n == 3 then break end
  end
  tap.eq(n, 3, "a loop takes packets as they come")
  pinging:wait()
end
tap.ok(tap.eventually(3, function() return open_sockets() == sockets_before end), "and leaves nothing when its scope ends", open_sockets())

-- options
capture = assert(h1:capture { filter = "icmp", snaplen = 34, count = 1 })
expect(h1:ping(h2))
local p = capture:wait().packets[1]
tap.eq({ #p.bytes, p.length, packet.parse(p.bytes).ipv4.dst }, { 34, 98, h2.address }, "a short snaplen")
capture = assert(net:capture { filter = "icmp" })
local there = assert(net:capture { filter = "icmp", node = "pm2" })
local trunk = assert(node.get("pm1"):capture { interface = "trunk0", filter = "vlan and icmp" })
expect(h1:ping(h2))
tap.eq(icmp_types(capture:stop().packets), "8 0", "a network: what passes its bridge at home")
tap.eq(icmp_types(there:stop().packets), "8 0", "and on another node")
local tagged = trunk:stop().packets
tap.eq({ #tagged, packet.parse(tagged[1].bytes).vlan.id, icmp_types(tagged) }, { 2, net.ports.data.tag, "8 0" }, "the trunk: with the network's tag")

-- files
local file_capture = assert(h2:capture { file = path "a.pcap", filter = "icmp" })
expect(h1:ping(h2, 2))
local result = file_capture:stop()
tap.eq(result, { count = 4, bytes = 392, dropped = 0 }, "to a file")
local shown = assert(process.run { argv = { "tcpdump", "-n", "-t", "-r", path "a.pcap" } })
tap.eq(select(2, shown.stdout:gsub("IP 10%.1%.0%.%d > 10%.1%.0%.%d: ICMP echo re[^\n]*length 64\n", "")), 4, "which tcpdump reads")
tap.raises(function() file_capture:next() end, "capture:next: this capture goes to a file", "its packets are in the file")

-- many packets, and a reader that does not take them
local flood <const> = ("import socket,sys\ns=socket.socket(socket.AF_PACKET,socket.SOCK_RAW)\ns.bind(('eth0',0))\n"
  .. "f=bytes.fromhex('ffffffffffff%s88b5')+bytes(1400)\nfor i in range(int(sys.argv[1])): s.send(f)\n"):format((h1.mac:gsub(":", "")))
local function send(count) assert(h1:run("/usr/bin/python3", "-c", flood, count)) end
capture = assert(h1:capture { file = path "b.pcap", filter = "ether proto 0x88b5" })
send(5000)
result = capture:stop()
tap.eq({ result.count + result.dropped, result.bytes }, { 5000, result.count * 1414 }, "5000 packets: each is in it or counted as dropped")
tap.ok(result.count > 2000, "most are in it", result)
local count = 0
for _ in assert(pcap.open(path "b.pcap")) do count = count + 1 end
tap.eq(count, result.count, "in the file, too")
local function agent_rss()
  local pid = require("nerv.protocol").call(assert(lab.socket "pm1"), { call = "hello" }).pid
  return tonumber(file.read(("/proc/%d/status"):format(pid)):match "VmRSS:%s+(%d+)")
end
capture = assert(h1:capture { filter = "ether proto 0x88b5" })
local rss <const> = agent_rss()
send(30000)
tap.ok(agent_rss() - rss < 8192, "a reader that does not read takes no memory of the agent", agent_rss() - rss)
result = capture:stop()
tap.ok(result.dropped > 10000 and result.count + result.dropped == 30000, "what found no room is counted", result.count, result.dropped)
result = nil   -- luacheck: ignore (its packets are large)

-- what goes away meanwhile
local killed = assert(process.spawn { argv = { process.exe(), "-c", "capture h2 " .. path "c.pcap" }, stderr = "null" })
tap.ok(tap.eventually(5, function() return open_sockets() > sockets_before end), "a shell captures")
killed:kill "KILL"
killed:wait()
tap.ok(tap.eventually(3, function() return open_sockets() == sockets_before end), "a shell that is killed ends its capture", open_sockets())
net:endpoint { name = "h3", node = "pm2" }
capture = assert(net:get("h3"):capture())
net:get("h3"):delete()
local gone = table.pack(timeout(5, function() return capture:wait() end))
tap.ok(gone[1] == nil and tostring(gone[2]):find "^capture of blue:h3: eth0: Network is down" and gone[3] == "ENETDOWN",
  "an endpoint that is deleted ends its capture", gone)
local cancelled = task.spawn(function() return assert(h1:capture { file = path "d.pcap" }):wait() end)
tap.ok(tap.eventually(5, function() return open_sockets() > sockets_before end), "a task captures")
cancelled:cancel()
cancelled:join()
collectgarbage() collectgarbage()
tap.ok(tap.eventually(5, function() return open_sockets() == sockets_before end), "a task that is cancelled ends its capture", open_sockets())

-- errors
local function no(given, pattern, code, text, e)
  local got = table.pack((e or h2):capture(given))
  tap.ok(got[1] == nil and tostring(got[2]):find(pattern) ~= nil and got[3] == code, text, got)
end
no({ filter = "udp prot 1" }, "^capture of blue:h2: packet socket on eth0 in .*: filter 'udp prot 1': .*syntax error", "EINVAL", "a filter that is none")
no({ interface = "eth7" }, "^capture of blue:h2: blue:h2 has no interface eth7 here", "ENODEV", "an endpoint's interface that is not there")
no({ interface = "eth7" }, "^capture of pm1: packet socket on eth7: No such device", "ENODEV", "nor on a node", node.get "pm1")
no({ file = "/none/x.pcap" }, "^/none/x%.pcap: No such file or directory", "ENOENT", "a file that cannot be made")
tap.ok(tap.eventually(3, function() return open_sockets() == sockets_before end), "leaves no capture", open_sockets())
system.refuses(function() h1:capture { fitler = "icmp" } end, "endpoint:capture: unknown option 'fitler'; did you mean 'filter'%?", "an unknown option")
system.refuses(function() h1:capture { count = 0 } end, "endpoint:capture: count must be 1 or more", "no packets")
system.refuses(function() h1:capture { snaplen = 300000 } end, "endpoint:capture: snaplen must be 1 to 262144", "too much of a packet")
system.refuses(function() h1:capture { seconds = -1 } end, "endpoint:capture: seconds = %-1: seconds, 0 or more, are expected", "no time")
system.refuses(function() node.get("pm1"):capture {} end, "node:capture: interface is missing", "a node needs an interface")

-- calls that no shell of ours makes
local function raw(request)
  request.call = "capture"
  return { require("nerv.protocol").call(assert(lab.socket "pm1"), request) }
end
for text, request in pairs {
  ["an interface that is a number"] = { interface = 5 }, ["a filter that is a table"] = { interface = "lo", filter = {} },
  ["no interface"] = {}, ["a count that is a text"] = { interface = "lo", count = "x" },
  ["a time that is a table"] = { interface = "lo", seconds = {} },
  ["a length below 1"] = { interface = "lo", snaplen = -1 },
  ["what is not known"] = { interface = "lo", more = true }, ["an owner that is a list"] = { owner = { "blue:h1" } },
  ["an owner elsewhere"] = { owner = "blue:h2" } } do
  local got = raw(request)
  tap.ok(got[1] == nil and type(got[2]) == "string" and (got[3] == "EINVAL" or got[3] == "ENODEV"), text .. " is refused: " .. tostring(got[2]))
end
tap.ok(tap.eventually(3, function() return open_sockets() == sockets_before end) and h1:ping(h2), "and the agent goes on")

-- the command
local function command(line) return system.nervsh { "-c", line } end
local pinging <const> = task.spawn(function()
  while true do
    h1:ping(h2)
    sleep(0.05)
  end
end)
result = command "capture h1 -c 2 -f 'icmp and src 10.1.0.2'"
local ping_line <const> = "^%d%d:%d%d:%d%d%.%d+ [%x:]+ > [%x:]+ ipv4 10.1.0.2 > 10.1.0.3 icmp type 8 code 0 seq 1 length 98\n"
tap.ok(result.exit == 0 and result.stdout:find(ping_line .. "[^\n]+ icmp type 8 [^\n]+\n$")
  and result.stderr == "2 packets captured, 0 dropped\n", "capture h1: a line for each packet", result)
result = command(("capture blue:h2 %s -t 0.4 -f icmp"):format(path "e.pcap"))
tap.ok(result.exit == 0 and result.stdout == "" and result.stderr:find "^%d+ packets captured, 0 dropped\n$", "to a file", result)
result = command "capture pm2:trunk0 -c 1 --filter='vlan and icmp'"
tap.ok(result.exit == 0 and result.stdout:find((" vlan %d ipv4 10.1.0."):format(net.ports.data.tag)), "an interface of a node", result)
result = command "capture blue -s 14 -c 1 -f icmp"
tap.ok(result.exit == 0 and result.stdout:find "ethertype 0x0800 length 98 %(ipv4: cut: 0 bytes of its header are there, not 20%)\n$",
  "a network, and packets that are cut", result)
local live <const> = assert(process.run { argv = { "sh", "-c", process.exe() .. " -c 'capture h1 - -f icmp' | tcpdump -n -t -l -c 2 -r -" } })
tap.ok(live.exit == 0 and select(2, live.stdout:gsub("ICMP echo re", "")) == 2, "live into tcpdump, which ends it", live)
for line, message in pairs { ["capture none"] = "capture: 'none' is no endpoint, no network and no NODE:INTERFACE",
  capture = "capture: argument 'place' is missing .*",
  ["capture h1 -x"] = "capture: unknown option '%-x'.*", ["capture h1 -c 0"] = "endpoint:capture: count must be 1 or more",
  ["capture h1 /none/x"] = "capture: /none/x: No such file or directory", ["capture h1 - -f 'foo bar'"] = "capture: capture of blue:h1: .*syntax error" } do
  result = command(line)
  tap.ok(result.exit == 1 and result.stdout == "" and result.stderr:find("^nervsh: " .. message .. "\n$"), line, result)
end
pinging:cancel()
pinging:join()

file.remove_tree(directory.path)
net:delete()
tb:delete()
tap.done()
