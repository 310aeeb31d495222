-- Addresses and ranges: what is read, what is refused and why, and the arithmetic at its limits.
local tap <const> = require "tap"

local function refused(f, text, pattern)
  local value, message, code = f(text)
  tap.ok(value == nil and code == "EINVAL" and tostring(message):find(pattern), ("%s is refused"):format(tap.show(text):gsub("\n", "n")),
    value, message, code)
end

-- addresses
for text, number in pairs { ["0.0.0.0"] = 0, ["0.0.0.1"] = 1, ["10.1.0.2"] = 0x0a010002, ["127.0.0.1"] = 0x7f000001,
  ["255.255.255.255"] = 0xffffffff, ["1.2.3.4"] = 0x01020304 } do
  tap.eq(cidr.number(text), number, "number of " .. text)
  tap.eq({ cidr.address(text) }, { text, 4 }, text .. " is an address")
end
for text, want in pairs { ["::"] = "::", ["::1"] = "::1", ["FD00:0:0:0::A"] = "fd00::a", ["fe80::1:0:0:1"] = "fe80::1:0:0:1",
  ["2001:db8:0:0:1:0:0:1"] = "2001:db8::1:0:0:1", ["::ffff:1.2.3.4"] = "::ffff:1.2.3.4" } do
  tap.eq({ cidr.address(text) }, { want, 6 }, text .. " is an address")
end
for _, text in ipairs { "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.1000", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "a.b.c.d", "",
  "1..2.3", "0x1.2.3.4", "1.2.3.99999999999999999999", "1.2.3.4\n", ":", ":::", "1::2::3", "fd00::g", "fd00:", "1:2:3:4:5:6:7:8:9",
  "fe80::1%eth0", "10.0.0.0/8" } do
  refused(cidr.address, text, 'bad address "' .. text:gsub("%p", "%%%0") .. '": an IPv4 or IPv6 address is expected')
end
for _, value in ipairs { 5, 1.5, true, {}, "1.2.3.4\0" } do refused(cidr.address, value, "bad address") end
refused(cidr.number, "::1", 'bad address "::1": an IPv4 address is expected')

-- ranges
local function parsed(text, first, last, prefix)
  local range, message = cidr.parse(text)
  tap.eq(range and { cidr.host(text, 0), cidr.host(text, range.size - 1), range.prefix, range.text }, { first, last, prefix, text }, text)
  tap.eq(message, nil, text .. " has nothing wrong")
end
parsed("10.1.0.0/24", "10.1.0.0", "10.1.0.255", 24)
parsed("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 0)
parsed("255.255.255.255/32", "255.255.255.255", "255.255.255.255", 32)
parsed("128.0.0.0/1", "128.0.0.0", "255.255.255.255", 1)
parsed("10.1.0.4/30", "10.1.0.4", "10.1.0.7", 30)
parsed("10.1.0.6/31", "10.1.0.6", "10.1.0.7", 31)
parsed("fd00::/120", "fd00::", "fd00::ff", 120)
parsed("fd00:1:2:3::/64", "fd00:1:2:3::", "fd00:1:2:3:3fff:ffff:ffff:ffff", 64)   -- counted to 2^62
parsed("::/0", "::", "::3fff:ffff:ffff:ffff", 0)
parsed("fd00::fffe/127", "fd00::fffe", "fd00::ffff", 127)
parsed("::1/128", "::1", "::1", 128)
for text, why in pairs { ["10.1.0.0"] = "an address, a slash and a prefix length", ["10.1.0.0/"] = "an address, a slash",
  ["/24"] = "an address, a slash", ["10.1.0.0/33"] = "at most 32", ["10.1.0.0/99999999999999999999"] = "at most 32",
  ["10.1.0.0/-1"] = "an address, a slash", ["10.1.0.0/24/24"] = "an address, a slash", ["10.1.0.0/x"] = "an address, a slash",
  ["10.1.0.1/24"] = "host bits are set; the range is 10.1.0.0/24", ["10.1.0.128/24"] = "the range is 10.1.0.0/24",
  ["10.1.0.0/8"] = "the range is 10.0.0.0/8", ["10.1.0.1/0"] = "the range is 0.0.0.0/0", ["10.1.0.300/24"] = "IPv4 or IPv6",
  ["fd00::/129"] = "of IPv6 is at most 128", ["fd00::1/64"] = "host bits are set; the range is fd00::/64",
  ["fd00::ff/121"] = "the range is fd00::80/121", [""] = "an address, a slash", ["10.1.0.0/24 "] = "an address, a slash" } do
  refused(cidr.parse, text, 'bad CIDR "' .. text:gsub("%p", "%%%0") .. '": .*' .. why)
end
for _, value in ipairs { 24, true, {} } do refused(cidr.parse, value, "bad CIDR") end
tap.eq({ cidr.parse(nil) }, { nil, 'bad CIDR "nil": an address, a slash and a prefix length are expected', "EINVAL" }, "nothing is no range")

tap.eq(cidr.prefix "10.0.0.0/8", 8, "a prefix length")
for case, want in pairs { ["10.1.0.0/24 10.1.0.0"] = true, ["10.1.0.0/24 10.1.0.255"] = true, ["10.1.0.0/24 10.1.1.0"] = false,
  ["10.1.0.0/24 10.0.255.255"] = false, ["0.0.0.0/0 255.255.255.255"] = true, ["10.1.0.5/32 10.1.0.5"] = true,
  ["10.1.0.5/32 10.1.0.6"] = false, ["10.1.0.0/24 x"] = false, ["x 10.1.0.0"] = false,
  ["fd00::/64 fd00::ffff:ffff:ffff:ffff"] = true, ["fd00::/64 fd00:0:0:1::"] = false, ["::/0 10.1.0.0"] = false,
  ["0.0.0.0/0 ::"] = false, ["fd00::80/121 fd00::ff"] = true, ["fd00::80/121 fd00::7f"] = false } do
  local range, address = case:match "(%S+) (%S+)"
  tap.eq(cidr.contains(range, address), want, ("%s contains %s: %s"):format(range, address, want))
end
for range, want in pairs { ["10.1.0.0/24"] = "10.1.0.2 10.1.0.254", ["10.1.0.0/29"] = "10.1.0.2 10.1.0.6",
  ["10.1.0.0/30"] = "10.1.0.2 10.1.0.2",
  ["10.1.0.0/31"] = "10.1.0.0 10.1.0.1", ["10.1.0.7/32"] = "10.1.0.7 10.1.0.7", ["0.0.0.0/0"] = "0.0.0.2 255.255.255.254",
  ["fd00::/64"] = "fd00::2 fd00::3fff:ffff:ffff:ffff",
  ["fd00::/126"] = "fd00::2 fd00::3", ["fd00::/127"] = "fd00:: fd00::1", ["::1/128"] = "::1 ::1" } do
  local first, last = cidr.hosts(range)
  tap.eq(cidr.host(range, first) .. " " .. cidr.host(range, last), want, "what endpoints may have in " .. range)
end
for range, want in pairs { ["10.1.0.0/24"] = "10.1.0.1", ["fd00::/64"] = "fd00::1", ["10.1.0.4/31"] = "10.1.0.4", ["::1/128"] = "::1" } do
  tap.eq(cidr.gateway(range), want, "the gateway of " .. range)
end
for case, want in pairs { ["fd00::/64 fd00::"] = "is the routers' anycast address of fd00::/64", ["fd00::/64 fd00::1"] = false,
  ["fd00::/64 fd01::1"] = "is not in fd00::/64", ["10.0.0.0/30 10.0.0.3"] = "is the broadcast address of 10.0.0.0/30",
  ["fd00::/64 fd00::ffff:ffff:ffff:ffff"] = false, ["10.0.0.0/31 10.0.0.0"] = false } do
  local range, address = case:match "(%S+) (%S+)"
  tap.eq(cidr.unusable(range, address) or false, want, case)
end
tap.done()
