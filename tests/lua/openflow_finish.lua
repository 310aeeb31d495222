-- Frames for a controller whose senders left the checksum of TCP or UDP to the device, as Open vSwitch hands them over.
local tap <const> = require "tap"

local function ipv4(more)
  local layer <const> = { type = "ipv4", src = "10.0.0.1", dst = "10.0.0.2" }
  for k, v in pairs(more or {}) do layer[k] = v end
  return layer
end
local ETHERNET <const> = { type = "ethernet", src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
local VLAN <const> = { type = "vlan", id = 5 }
local IPV6 <const> = { type = "ipv6", src = "fd00::1", dst = "fd00::2" }
local TCP <const> = { type = "tcp", src_port = 4000, dst_port = 80, flags = { syn = true } }
local UDP <const> = { type = "udp", src_port = 4000, dst_port = 53 }

-- Where the checksum is, from the end of a frame without a trailer.
local function sum_at(frame, layer, payload)
  return layer.type == "tcp" and #frame - #payload - 20 + 17 or #frame - #payload - 8 + 7
end

local function with_sum(frame, at, sum) return frame:sub(1, at - 1) .. (">I2"):pack(sum) .. frame:sub(at + 2) end

local function folded(sum)
  while sum > 0xffff do sum = (sum & 0xffff) + (sum >> 16) end
  return sum
end

-- The sum of the pseudo header, computed by another hand: addresses, protocol, length.
local function pseudo(frame, network, layer, payload)
  local length <const> = (layer.type == "tcp" and 20 or 8) + #payload
  local ip <const> = #frame - length - (network.type == "ipv6" and 32 or 8)
  local sum = length + (layer.type == "tcp" and 6 or 17)
  for i = ip + 1, #frame - length, 2 do sum = sum + (">I2"):unpack(frame, i) end
  return folded(sum)
end

local function packet_in(frame) return openflow_codec.encode("packet_in", { match = { in_port = 3 }, data = frame }, 9) end
-- OpenFlow 1.0, which our codec does not speak: no buffer, whole, port 3, no match.
local function packet_in_10(frame) return (">BBI2I4I4I2I2BB"):pack(1, 10, 18 + #frame, 9, 0xffffffff, #frame, 3, 0, 0) .. frame end

local function finished(bytes) return table.pack(openflow_codec.finish_frames(bytes)) end

for _, network in ipairs { ipv4(), IPV6 } do
  for _, layer in ipairs { TCP, UDP } do
    for _, payload in ipairs { "", "odd", ("x"):rep(1000) } do
      for _, tags in ipairs { {}, { VLAN }, { VLAN, VLAN } } do
        local layers <const> = { ETHERNET, table.unpack(tags) }
        table.move({ network, layer, payload }, 1, 3, #layers + 1, layers)
        local good <const> = packet.build(layers)
        local at <const> = sum_at(good, layer, payload)
        local left <const> = with_sum(good, at, pseudo(good, network, layer, payload))
        local name <const> = ("%s over %s, %d bytes, %d tags: "):format(layer.type, network.type, #payload, #tags)
        tap.ok(left ~= good, name .. "its sender left the checksum")
        tap.eq(finished(packet_in(left)), { packet_in(good), "", n = 2 }, name .. "it is computed")
        tap.eq(finished(packet_in_10(left)), { packet_in_10(good), "", n = 2 }, name .. "in OpenFlow 1.0, too")
        tap.eq(finished(packet_in(good)), { packet_in(good), "", n = 2 }, name .. "a good one stays")
      end
    end
  end
end

-- Bytes that come in pieces.
local good <const> = packet.build { ETHERNET, ipv4(), TCP, "hello" }
local left <const> = with_sum(good, sum_at(good, TCP, "hello"), pseudo(good, ipv4(), TCP, "hello"))
local hello <const> = openflow_codec.encode("hello", { versions = { 4 } })
local wanted <const> = hello .. packet_in(good) .. packet_in_10(good) .. hello
local sent <const> = hello .. packet_in(left) .. packet_in_10(left) .. hello
local same = true
for size = 1, #sent do
  local got, rest = "", ""
  for at = 1, #sent, size do
    local whole
    whole, rest = openflow_codec.finish_frames(rest .. sent:sub(at, at + size - 1))
    got = got .. whole
  end
  same = same and got == wanted and rest == ""
end
tap.ok(same, "in pieces of any size the messages are the same")

-- What is not touched.
local at <const> = sum_at(good, TCP, "hello")
local function stays(bytes, text) tap.eq(finished(bytes), { bytes, "", n = 2 }, text) end
stays(packet_in(with_sum(good, at, 0x1234)), "a wrong checksum stays wrong")
tap.eq(finished(packet_in(left .. "\0\0\0")), { packet_in(good .. "\0\0\0"), "", n = 2 }, "a trailer is not counted")
stays(packet_in(left:sub(1, -2)), "of a frame that is cut nothing is known")
local part <const> = packet.build { ETHERNET, ipv4 { flags = { mf = true } },
  { type = "tcp", src_port = 4000, dst_port = 80, flags = { syn = true }, checksum = 0 }, "hello" }
local fragment <const> = with_sum(part, at, pseudo(part, ipv4(), TCP, "hello"))
stays(packet_in(fragment), "nor of a fragment")
local none <const> = packet.build { ETHERNET, ipv4(), { type = "udp", src_port = 1, dst_port = 2, checksum = 0 }, "x" }
stays(packet_in(none), "UDP without a checksum has none afterwards")
stays(openflow_codec.encode("packet_out", { in_port = 1, data = left, actions = { { output = 2 } } }), "another message")
for _, data in ipairs { "", "short", left:sub(1, 20) } do stays(packet_in(data), "a frame of " .. #data .. " bytes") end
stays("\4\0\0\7 this is no OpenFlow: no message is so short", "what is no OpenFlow")
tap.eq(finished("GET / HTTP/1.0"), { "", "GET / HTTP/1.0", n = 2 }, "what begins with a long message waits for its end")
tap.done()
