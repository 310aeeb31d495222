--- Frames that tell others on a network where somebody is now.
local address <const> = require "nerv.address"
local cidr <const> = require "nerv.cidr"
local packet <const> = require "nerv.packet"

local M = {}

-- IPv6: all nodes of a link, and their group address of Ethernet.
local ALL_NODES <const>, ALL_NODES_MAC <const> = "ff02::1", "33:33:00:00:00:01"
local BROADCAST <const>, NOBODY <const> = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"
-- ARP: request; RFC 903: request reverse. ICMPv6: neighbour advertisement, with which others override what they know.
local REQUEST <const>, REVERSE <const>, ADVERTISEMENT <const>, OVERRIDE <const> = 1, 3, 136, 1 << 29
local PADDING <const> = ("\0"):rep(18)

local function bytes_of(mac)
  return (mac:gsub(":", ""):gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- A reverse ARP request, which asks nobody anything: what hypervisors send when a guest has moved.
function M.place_frame(mac)
  return packet.build { { type = "ethernet", dst = BROADCAST, src = mac, ethertype = 0x8035 },
    bytes_of "00:01:08:00:06:04" .. (">I2"):pack(REVERSE) .. bytes_of(mac) .. "\0\0\0\0" .. bytes_of(mac) .. "\0\0\0\0",
    PADDING }
end

-- A request for the sender's own address, as RFC 5227 announces one; an advertisement that nobody has asked for.
local function address_frame(mac, ip, family)
  if family == 4 then
    return packet.build { { type = "ethernet", dst = BROADCAST, src = mac }, { type = "arp", operation = REQUEST,
      sender_mac = mac, sender_ip = ip, target_mac = NOBODY, target_ip = ip }, PADDING }
  end
  return packet.build { { type = "ethernet", dst = ALL_NODES_MAC, src = mac },
    { type = "ipv6", src = ip, dst = ALL_NODES, hop_limit = 255 },
    { type = "icmpv6", icmp_type = ADVERTISEMENT, rest = OVERRIDE, target = ip }, "\2\1" .. bytes_of(mac) }
end

--- Tells where a MAC address is, and that the addresses of its interface are reached by it.
-- @tparam table place { netns =, name = } of the interface
function M.interface(place, mac)
  local socket <close> = packet.open { netns = place.netns, link = place.name, protocol = 1 }
  if not socket then return end   -- it went at once
  socket:send(M.place_frame(mac))
  for _, one in ipairs(address.list { netns = place.netns, link = place.name } or {}) do
    local ip, family = cidr.interface(one.address)
    if one.scope ~= "link" then socket:send(address_frame(mac, ip, family)) end
  end
end

return M
