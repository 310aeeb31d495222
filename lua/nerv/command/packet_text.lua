--- One line that a person can read of a packet, for `capture` without a file.
local packet <const> = require "nerv.packet"

local M = {}

local ARP <const> = { "who has %s? tell %s", "%s is at %s" }

-- What is worth saying of a layer; of those that are not here, addresses or ports, or the name alone.
local texts <const> = {
  vlan = function(l) return "vlan " .. l.id end,
  arp = function(l)
    local form = ARP[l.operation]
    if not form or not l.sender_ip then return "arp operation " .. l.operation end
    if l.operation == 1 then return "arp " .. form:format(l.target_ip, l.sender_ip) end
    return "arp " .. form:format(l.sender_ip, l.sender_mac)
  end,
  icmp = function(l)
    return ("icmp type %d code %d%s"):format(l.icmp_type, l.code, l.seq and " seq " .. l.seq or "")
  end,
  tcp = function(l)
    local flags = {}
    for flag in pairs(l.flags) do flags[#flags + 1] = flag end
    table.sort(flags)
    return ("tcp %d > %d%s seq %d"):format(l.src_port, l.dst_port, #flags > 0 and " " .. table.concat(flags, ",") or "",
      l.seq)
  end,
}
texts.icmpv6 = function(l) return (texts.icmp(l):gsub("^icmp", "icmpv6")) end

local function layer_text(l)
  if texts[l.type] then return texts[l.type](l) end
  local name = l.type == "ethernet" and "" or l.type .. " "
  if l.src then return ("%s%s > %s"):format(name, l.src, l.dst) end
  if l.src_port then return ("%s%d > %d"):format(name, l.src_port, l.dst_port) end
  return l.type
end

-- The layer that packets of a linktype begin with.
local function first_of(bytes, linktype)
  if linktype == 1 then return "ethernet" end
  return (bytes:byte() or 0) >> 4 == 6 and "ipv6" or "ipv4"
end

--- @tparam table p a packet { bytes =, length =, time = } as captures and pcap readers give
-- @tparam integer linktype what it begins with: 1 Ethernet, 101 IP
function M.line(p, linktype)
  local parsed <const> = packet.parse(p.bytes, first_of(p.bytes, linktype))
  local parts = { ("%s.%06d"):format(os.date("%H:%M:%S", p.time // 1 | 0), p.time_ns // 1000 % 1000000) }
  for _, l in ipairs(parsed) do parts[#parts + 1] = layer_text(l) end
  local last = parsed[#parsed]
  if last and last.ethertype then parts[#parts + 1] = ("ethertype 0x%04x"):format(last.ethertype) end
  parts[#parts + 1] = ("length %d"):format(p.length)
  for _, l in ipairs(parsed) do
    if l.checksum_good == false then parts[#parts + 1] = "(" .. l.type .. ": bad checksum)" end
  end
  for _, note in ipairs(parsed.notes or {}) do parts[#parts + 1] = "(" .. note .. ")" end
  return table.concat(parts, " ")
end

return M
