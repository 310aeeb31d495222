-- packet.build and packet.parse: against known bytes, against each other, with bad input.
local tap <const> = require "tap"

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function unhex(text) return (text:gsub("%s", ""):gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end)) end

local function ethernet(more)
  local layer = { type = "ethernet", src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
  for k, v in pairs(more or {}) do layer[k] = v end
  return layer
end
local function ipv4(more)
  local layer = { type = "ipv4", src = "10.0.0.1", dst = "10.0.0.2" }
  for k, v in pairs(more or {}) do layer[k] = v end
  return layer
end
local function ipv6(more)
  local layer = { type = "ipv6", src = "fd00::1", dst = "fd00::2" }
  for k, v in pairs(more or {}) do layer[k] = v end
  return layer
end
local function udp(more)
  local layer = { type = "udp", src_port = 4000, dst_port = 53 }
  for k, v in pairs(more or {}) do layer[k] = v end
  return layer
end

-- known bytes: the example of RFC 1071, and an ARP request as arping sends it
local arp <const> = packet.build { ethernet { dst = "ff:ff:ff:ff:ff:ff" },
  { type = "arp", sender_mac = "02:00:00:00:00:01", sender_ip = "10.0.0.1", target_ip = "10.0.0.2" } }
tap.eq(hex(arp), "ffffffffffff" .. "020000000001" .. "0806" .. "0001080006040001" .. "020000000001" .. "0a000001" ..
  "000000000000" .. "0a000002", "an ARP request")
local wire <const> = unhex "02000000000202000000000188a8 60078100 00080800 450000230000400009115dc80a0000010a000002" ..
  unhex "0fa00035000f1ec9" .. "payload"
local p = packet.parse(wire)
tap.eq(#p, 5, "Ethernet, two tags, IPv4, UDP")
tap.eq({ p[2].id, p[2].priority, p[2].dei, p[3].id, p[3].priority }, { 7, 3, false, 8, 0 }, "the tags, outer one first")
tap.eq(p[4], { type = "ipv4", version = 4, header_length = 20, dscp = 0, ecn = 0, total_length = 35, id = 0,
  flags = { df = true }, fragment_offset = 0, ttl = 9, protocol = 17, checksum = 0x5dc8, checksum_good = true,
  src = "10.0.0.1", dst = "10.0.0.2" }, "IPv4")
tap.eq(p.udp, { type = "udp", src_port = 4000, dst_port = 53, length = 15, checksum = 0x1ec9, checksum_good = true }, "UDP by its name")
tap.ok(p.vlan == p[2] and p.tcp == nil and p[9] == nil, "the first of a type by its name; nil when there is none")
tap.eq({ p.payload, p.trailer, p.notes }, { "payload" }, "payload, and nothing else")
tap.eq(packet.build { ethernet(), { type = "vlan", id = 7, priority = 3 }, { type = "vlan", id = 8 },
  ipv4 { ttl = 9, flags = { df = true } }, udp(), "payload" }, wire, "built from what is not computed, it is the same")
tap.eq(packet.build { ethernet(), { type = "vlan", id = 1 }, { type = "vlan", id = 2, ethertype = 0x88b5 } }:sub(13, 14), "\x88\xa8",
  "the outer one of two tags is a service tag")
tap.eq(packet.build { ethernet { ethertype = 0x8100 }, { type = "vlan", id = 1 }, { type = "vlan", id = 2, ethertype = 0x88b5 } }:sub(13, 14),
  "\x81\0", "unless told otherwise")
tap.eq(packet.parse(packet.build { ethernet { ethertype = 0x9100 }, { type = "vlan", id = 1, ethertype = 1536 } }).vlan.id, 1, "an old service tag")

-- what is computed may be given, wrong as it may be
p = packet.parse(packet.build { ethernet(), ipv4 { checksum = 1 }, udp { checksum = 2 }, "x" })
tap.eq({ p.ipv4.checksum, p.ipv4.checksum_good, p.udp.checksum, p.udp.checksum_good }, { 1, false, 2, false }, "checksums that are bad")
p = packet.parse(packet.build { ethernet(), ipv4(), udp { checksum = 0 }, "x" })
tap.ok(p.udp.checksum == 0 and p.udp.checksum_good == nil, "UDP without a checksum: neither good nor bad")
local zero
for i = 0, 65535 do   -- among these payloads is the one whose sum is 0
  zero = packet.parse(packet.build { ethernet(), ipv4(), udp(), string.pack(">I2", i) }).udp
  if zero.checksum == 0xffff then break end
end
tap.eq({ zero.checksum, zero.checksum_good }, { 0xffff, true }, "a computed UDP checksum of 0 is sent as 65535")

-- malformed and cut
local good <const> = packet.build { ethernet(), ipv4(), udp(), "payload" }
local function notes(bytes, first) return packet.parse(bytes, first).notes end
tap.eq(notes(""), { "ethernet: cut: 0 bytes of its header are there, not 14" }, "no bytes")
tap.eq(notes(good:sub(1, 20)), { "ipv4: cut: 6 bytes of its header are there, not 20" }, "a header that is cut")
p = packet.parse(good:sub(1, -4))
tap.eq(p.notes, { "ipv4: cut: 32 of its 35 bytes are there", "udp: cut: 12 of its 15 bytes are there" }, "a payload that is cut")
tap.ok(p.ipv4.checksum_good and p.udp.checksum_good == nil and p.payload == "payl", "a checksum over what is not there is not judged")
local function changed(at, byte) return good:sub(1, at - 1) .. string.char(byte) .. good:sub(at + 1) end
tap.eq(notes(changed(15, 0x65)), { "ipv4: malformed: its version is not 4" }, "a wrong version")
tap.eq(notes(changed(15, 0x44)), { "ipv4: malformed: a header has 20 bytes at least, not 16" }, "a header that is too short")
tap.eq(notes(changed(15, 0x4f)), { "ipv4: cut: 35 bytes of its header are there, not 60" }, "one that is too long")
tap.eq(notes(changed(18, 10)), { "ipv4: malformed: its length of 10 bytes is less than its header" }, "a length that is too short")
tap.eq(notes(changed(40, 1)), { "udp: malformed: its length of 1 bytes is less than its header" }, "of UDP, too")
p = packet.parse(good .. "\0\0\0\0")
tap.eq({ p.payload, p.trailer, p.notes }, { "payload", "\0\0\0\0" }, "padding is a trailer")
local layers = { ethernet() }
for _ = 1, 40 do layers[#layers + 1] = { type = "vlan", id = 1 } end
layers[#layers].ethertype = 0x88b5
p = packet.parse(packet.build(layers))
tap.eq({ #p, p.notes[1] }, { 32, "vlan: behind 32 other headers it is not looked at" }, "a tower of tags")
tap.eq(packet.parse(good:sub(15), "ipv4").udp.dst_port, 53, "it may begin with another layer")
p = packet.parse(packet.build { ethernet { ethertype = 5 }, "hello", trailer = ("\0"):rep(41) })
tap.eq({ p.payload, #p.trailer, p.notes }, { "hello", 41 }, "a length in place of an ethertype")

-- fragments
p = packet.parse(packet.build { ethernet(), ipv4 { flags = { mf = true }, id = 9 }, udp { checksum = 7, length = 1000 }, "part" })
tap.ok(p.udp.checksum_good == nil and p.ipv4.flags.mf, "the first fragment has its header, and no checksum to judge")
p = packet.parse(packet.build { ethernet(), ipv4 { fragment_offset = 1480, id = 9, protocol = 17 }, "part of something" })
tap.ok(#p == 2 and p.payload == "part of something" and p.ipv4.fragment_offset == 1480, "a later one has none")
p = packet.parse(packet.build { ethernet(), ipv6(), { type = "ipv6_fragment", fragment_offset = 8, more = true, id = 77, next_header = 17 }, "part" })
tap.eq({ #p, p.ipv6_fragment.fragment_offset, p.ipv6_fragment.more, p.ipv6_fragment.id, p.payload }, { 3, 8, true, 77, "part" }, "of IPv6, too")

-- IPv6 with its extension headers
p = packet.parse(packet.build { ethernet(), ipv6 { flow_label = 0xabcde, dscp = 46, ecn = 1 },
  { type = "ipv6_hop_by_hop", options = "\5\2\0\0\1\0" }, { type = "ipv6_routing", routing_type = 4, data = ("x"):rep(20) },
  { type = "ipv6_destination", options = "\1\12" .. ("\0"):rep(12) }, { type = "ipv6_authentication", spi = 1, data = ("m"):rep(12) },
  { type = "tcp", src_port = 1, dst_port = 2, flags = { syn = true, ece = true }, options = "\2\4\5\xb4" }, "data" })
tap.eq(#p, 7, "a chain of extension headers")
tap.eq({ p.ipv6.flow_label, p.ipv6.dscp, p.ipv6.ecn, p.ipv6.next_header, p[3].next_header, p[4].next_header, p[5].next_header, p[6].next_header },
  { 0xabcde, 46, 1, 0, 43, 60, 51, 6 }, "each names the next")
tap.eq({ p[3].header_length, p[4].header_length, p[5].header_length, p[6].header_length }, { 8, 24, 16, 24 }, "and its own length")
tap.eq({ p.tcp.checksum_good, p.tcp.flags, p.tcp.options, p.tcp.header_length, p.tcp.window, p.tcp.urgent },
  { true, { syn = true, ece = true }, "\2\4\5\xb4", 24, 65535 }, "TCP behind them")
p = packet.parse(packet.build { ethernet(), ipv6(),
  { type = "ipv6_routing", routing_type = 4, segments_left = 1, data = ("x"):rep(20) }, udp { checksum = 4 } })
tap.ok(p.udp.checksum_good == nil, "a checksum over an address that is not in the header is not judged")
tap.eq(packet.parse(packet.build { ethernet(), ipv6() }).ipv6.next_header, 59, "nothing follows")

-- ICMP
p = packet.parse(packet.build { ethernet(), ipv4(), { type = "icmp", icmp_type = 8, id = 3, seq = 4 }, "ping" })
tap.eq({ p.icmp.id, p.icmp.seq, p.icmp.rest, p.icmp.checksum_good, p.payload }, { 3, 4, nil, true, "ping" }, "an echo request")
p = packet.parse(packet.build { ethernet(), ipv4(), { type = "icmp", icmp_type = 3, code = 4, rest = 1400 } })
tap.eq({ p.icmp.id, p.icmp.rest, p.icmp.code, p.icmp.checksum_good }, { nil, 1400, 4, true }, "an MTU that is too small")
p = packet.parse(packet.build { ethernet(), ipv6 { hop_limit = 255 }, { type = "icmpv6", icmp_type = 135, target = "fd00::2" }, "\1\1\2\0\0\0\0\1" })
tap.eq({ p.icmpv6.target, p.icmpv6.rest, p.icmpv6.checksum_good, #p.payload }, { "fd00::2", 0, true, 8 }, "a neighbour solicitation")
p = packet.parse(packet.build { ethernet(), ipv4(), ipv6(), ipv4(), udp(), "deep" })
tap.eq({ #p, p[5].checksum_good, p[3].next_header, p[2].protocol, p.payload }, { 5, true, 4, 41, "deep" }, "IP in IP in IP")

-- misuse
local function refused(list, pattern, text) tap.raises(function() packet.build(list) end, "packet_codec.lua:%d+: packet%.build: " .. pattern, text) end
local mac <const> = "02:00:00:00:00:01"
refused({ { type = "ethernt" } }, "unknown protocol 'ethernt'; did you mean 'ethernet'%?", "a protocol that there is not")
refused({ ethernet(), { src = mac } }, "layer 2 has no type", "a layer without a type")
refused({ ethernet { scr = mac } }, "layer 1 %(ethernet%): unknown field 'scr'; did you mean 'src'%?", "an unknown field")
refused({ { type = "ethernet", src = mac } }, "layer 1 %(ethernet%): dst is missing %(MAC address of the receiver%)", "a field that is missing")
for _, bad in ipairs { 1, "", "02:00:00:00:00", "02:00:00:00:00:0g", "02:00:00:00:00:01:", "2:0:0:0:0:1", "02-00-00-00-00-01" } do
  refused({ ethernet { dst = bad } }, "layer 1 %(ethernet%): dst must be a MAC address such as 02:00:00:00:00:01, not " .. tostring(bad):gsub("%p", "%%%0") .. "$",
    "no MAC address: " .. bad)
end
refused({ ethernet(), ipv4 { src = "10.0.0" } }, "layer 2 %(ipv4%): src must be an IPv4 address such as 10.0.0.1, not 10.0.0$", "no IPv4 address")
refused({ ethernet(), ipv6 { src = "10.0.0.1" } }, "layer 2 %(ipv6%): src must be an IPv6 address such as fd00::1, not 10.0.0.1$", "no IPv6 address")
refused({ ethernet(), "x" }, "layer 1 %(ethernet%): ethertype must be given: it cannot be told from what follows", "nothing tells the ethertype")
refused({ ethernet(), udp(), checksum = 1 }, "a list of layers, payload and trailer are expected, not 'checksum'", "a stray field")
refused({ ethernet(), udp { checksum = 1 } }, "layer 1 %(ethernet%): ethertype must be given: it has no number for a following udp", "UDP on Ethernet")
refused({ ethernet(), udp() }, "layer 2 %(udp%): checksum must be given: there is no whole IP packet around it", "a checksum without IP")
refused({ ethernet(), ipv4 { flags = { mf = true } }, { type = "icmp", icmp_type = 8 } }, "layer 3 %(icmp%): checksum must be given", "a checksum in a fragment")
for _, bad in ipairs { -1, 65536, 1.5, "80", true } do
  refused({ udp { dst_port = bad } }, "layer 1 %(udp%): dst_port must be an integer from 0 to 65535, not " .. tostring(bad):gsub("%p", "%%%0") .. "$",
  "no port: " .. tostring(bad))
end
refused({ ipv4 { fragment_offset = 9 } }, "layer 1 %(ipv4%): fragment_offset must be a multiple of 8 from 0 to 65528, not 9$", "no multiple of 8")
refused({ ipv4 { options = "abc" } }, "layer 1 %(ipv4%): options: raw options; a multiple of 4 bytes; not 3 bytes$", "options of a wrong length")
refused({ ipv4 { options = ("a"):rep(44), protocol = 1 } }, "layer 1 %(ipv4%): header_length: 64 bytes are too many, it holds 60 at most$", "too many options")
refused({ ipv4 { options = {} } }, "layer 1 %(ipv4%): options must be a string", "options that are none")
refused({ ipv4 { flags = { dm = true } } }, "layer 1 %(ipv4%): flags: .*not 'dm'", "an unknown flag")
refused({ ipv4 { flags = "df" } }, "layer 1 %(ipv4%): flags must be a table", "flags that are none")
refused({ ipv4 { protocol = 6 }, ("x"):rep(65516) }, "layer 1 %(ipv4%): total_length: 65536 bytes are too many, it holds 65535 at most",
  "a packet that is too long")
refused({ { type = "vlan", id = 4096 } }, "layer 1 %(vlan%): id must be an integer from 0 to 4095, not 4096", "a VLAN that there is not")
refused({ { type = "vlan", id = 1, dei = 1 } }, "layer 1 %(vlan%): dei must be true or false, not 1", "no boolean")
refused({ { type = "icmp", icmp_type = 3, id = 4 } }, "layer 1 %(icmp%): it has no id here", "a field that this type has not")
refused({ { type = "ipv6_hop_by_hop" } }, "layer 1 %(ipv6_hop_by_hop%): options", "an extension header without anything")
refused({ 5 }, "layer 1 must be a table or a string, not 5", "a layer that is none")
refused({ payload = 5 }, "payload must be a string, not 5", "a payload that is none")
layers = {}
for i = 1, 64 do layers[i] = "x" end
refused(layers, "63 layers at most", "too many layers")
tap.raises(function() packet.parse("", "ipv5") end, "packet%.parse: unknown protocol 'ipv5'; did you mean 'ipv4'%?", "an unknown first layer")
tap.raises(function() packet.parse(nil) end, "packet%.parse: argument 'bytes' is missing", "no bytes")
tap.eq(packet.build {}, "", "no layers, no bytes")

-- parse(build(x)) = x, and scapy finds the same lengths and checksums, for packets of all shapes
local seed <const> = os.time()
tap.note("seed " .. seed)
math.randomseed(seed)
local function number(bits) return math.random(0, (1 << bits) - 1) end
local function bytes_of(n)
  local out = {}
  for i = 1, n do out[i] = string.char(number(8)) end
  return table.concat(out)
end
local function random_mac()
  local out = {}
  for i = 1, 6 do out[i] = ("%02x"):format(number(8)) end
  return table.concat(out, ":")
end
local function random_ipv4() return ("%d.%d.%d.%d"):format(number(8), number(8), number(8), number(8)) end
local function random_ipv6() return ("fd00::%x:%x"):format(math.random(1, 65535), math.random(1, 65535)) end
local function flags(...)
  local set = {}
  for _, name in ipairs { ... } do set[name] = math.random(2) == 1 or nil end
  return set
end

local makers <const> = {
  function(ip) return { type = "udp", src_port = number(16), dst_port = number(16) }, ip end,
  function() return { type = "tcp", src_port = number(16), dst_port = number(16), seq = number(32), ack = number(32), window = number(16),
    flags = flags("ns", "cwr", "ece", "urg", "ack", "psh", "rst", "syn", "fin"), options = math.random(2) == 1 and ("\1"):rep(4 * math.random(10)) or nil } end,
  function(ip)
    if ip.type == "ipv4" then return { type = "icmp", icmp_type = 8 * number(1), id = number(16), seq = number(16) } end
    return { type = "icmpv6", icmp_type = 128 + number(1), id = number(16), seq = number(16) }
  end,
}
local function random_layers()
  local list = { { type = "ethernet", src = random_mac(), dst = random_mac() } }
  for _ = 1, math.random(0, 2) do
    list[#list + 1] = { type = "vlan", id = number(12), priority = number(3), dei = math.random(2) == 1 }
  end
  local ip = math.random(2) == 1
    and { type = "ipv4", src = random_ipv4(), dst = random_ipv4(), ttl = number(8), dscp = number(6), ecn = number(2), id = number(16),
      flags = flags "df", fragment_offset = 0, options = math.random(2) == 1 and ("\1"):rep(4 * math.random(10)) or nil }
    or { type = "ipv6", src = random_ipv6(), dst = random_ipv6(), hop_limit = number(8), dscp = number(6), ecn = number(2), flow_label = number(20) }
  list[#list + 1] = ip
  if ip.type == "ipv6" then
    for _ = 1, math.random(0, 2) do
      list[#list + 1] = { type = math.random(2) == 1 and "ipv6_hop_by_hop" or "ipv6_destination", options = "\1\4\0\0\0\0" }
    end
  end
  list[#list + 1] = makers[math.random(#makers)](ip)
  list.payload = bytes_of(math.random(0, 40))
  return list
end

local function contains(all, part)
  for key, value in pairs(part) do
    local other = all[key]
    if type(value) == "table" and type(other) == "table" then
      if not contains(other, value) then return false end
    elseif other ~= value then
      return false
    end
  end
  return true
end
local wires, wrong = {}, nil
for _ = 1, 500 do
  local list = random_layers()
  local made = packet.build(list)
  local parsed = packet.parse(made)
  wires[#wires + 1] = made
  local same = #parsed == #list and contains(parsed, list) and not parsed.notes and not parsed.trailer and packet.build(parsed) == made
  for _, layer in ipairs(parsed) do same = same and layer.checksum_good ~= false end
  if not same then wrong = wrong or hex(made) end
end
tap.ok(not wrong, "what was built is parsed, 500 times", wrong)
wrong = nil
local starts <const> = { "\8\0\x45", "\x86\xdd\x60", "\x81\0\0\1\8\6", "\8\6\0\1\8\0\6\4", "" }
for _ = 1, 3000 do   -- whatever it is, nothing is lost
  local made = bytes_of(12) .. starts[math.random(#starts)] .. bytes_of(math.random(0, 80))
  if packet.build(packet.parse(made)) ~= made then wrong = wrong or hex(made) end
end
tap.ok(not wrong, "build(parse(bytes)) = bytes for any bytes, 3000 times", wrong)

-- an independent judge
local lines <const> = {
  "build " .. hex(arp)
    .. " Ether(src='02:00:00:00:00:01',dst='ff:ff:ff:ff:ff:ff')/ARP(hwsrc='02:00:00:00:00:01',psrc='10.0.0.1',pdst='10.0.0.2',hwdst='00:00:00:00:00:00')",
  "build " .. hex(wire) .. " Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02',type=0x88a8)/Dot1Q(vlan=7,prio=3,type=0x8100)/Dot1Q(vlan=8)"
    .. "/IP(src='10.0.0.1',dst='10.0.0.2',ttl=9,flags='DF',id=0)/UDP(sport=4000,dport=53)/Raw('payload')",
  "build " .. hex(packet.build { ethernet(), ipv4(), { type = "tcp", src_port = 1, dst_port = 2, seq = 3, ack = 4, window = 5, flags = { syn = true, ack = true },
    options = "\2\4\5\xb4" } }) .. " Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02')/IP(src='10.0.0.1',dst='10.0.0.2',id=0)"
    .. "/TCP(sport=1,dport=2,seq=3,ack=4,window=5,flags='SA',options=[('MSS',1460)])",
  "build " .. hex(packet.build { ethernet(), ipv6 { hop_limit = 255 }, { type = "icmpv6", icmp_type = 135, target = "fd00::2" }, "\1\1\2\0\0\0\0\1" })
    .. " Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02')/IPv6(src='fd00::1',dst='fd00::2',hlim=255)/ICMPv6ND_NS(tgt='fd00::2')"
    .. "/ICMPv6NDOptSrcLLAddr(lladdr='02:00:00:00:00:01')",
  "build " .. hex(packet.build { ethernet(), ipv6(), { type = "ipv6_fragment", fragment_offset = 1480, more = true, id = 77, next_header = 17 }, "part" })
    .. " Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02')/IPv6(src='fd00::1',dst='fd00::2')/IPv6ExtHdrFragment(offset=185,m=1,id=77,nh=17)/Raw('part')",
  "build " .. hex(packet.build { ethernet(), ipv4(), { type = "icmp", icmp_type = 3, code = 4, rest = 1400 }, "quoted" })
    .. " Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02')/IP(src='10.0.0.1',dst='10.0.0.2',id=0)/ICMP(type=3,code=4,nexthopmtu=1400)/Raw('quoted')",
}
for i = 1, 200 do lines[#lines + 1] = "rebuild " .. hex(wires[i]) end
local script <const> = arg[0]:gsub("[^/]*$", "") .. "support/scapy_check.py"
local judged <const> = assert(process.run { argv = { "/usr/bin/python3", script }, input = table.concat(lines, "\n") .. "\n" })
local verdicts <const> = {}
for verdict in judged.stdout:gmatch("[^\n]+") do verdicts[#verdicts + 1] = verdict end
tap.eq(#verdicts, #lines, "scapy judges all: " .. judged.stderr)
for i, verdict in ipairs(verdicts) do
  if i <= 6 then tap.eq(verdict, "good", "scapy builds the same: " .. lines[i]:match(" (Ether.*)")) end
  if i > 6 and verdict ~= "good" and not wrong then wrong = lines[i] .. "\n" .. verdict end
end
tap.ok(not wrong, "scapy finds the same lengths and checksums, 200 times", wrong)

-- what there is describes itself
local known <const> = packet.protocols()
tap.eq({ known.tcp.text, known.tcp.fields[1].name, known.tcp.fields[1].type, known.tcp.fields[1].required },
  { "Transmission Control Protocol", "src_port", "integer", true }, "a description of each protocol")
for name, protocol in pairs(known) do
  local seen = {}
  for _, field in ipairs(protocol.fields) do
    tap.ok(field.text ~= "" and not seen[field.name] and field.name ~= "type", ("%s.%s: %s"):format(name, field.name, field.text))
    seen[field.name] = true
  end
end
tap.done()
