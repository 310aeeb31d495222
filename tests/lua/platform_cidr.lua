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
  tap.eq(cidr.text(number), text, "and back")
end
for text, why in pairs { ["1.2.3"] = "four numbers with dots", ["1.2.3.4.5"] = "four numbers",
  ["1.2.3.256"] = "256 is not a number from 0 to 255",
  ["1.2.3.1000"] = "1000 is not", ["01.2.3.4"] = "01 is not", ["1.2.3.-4"] = "four numbers", ["1.2.3.4 "] = "four numbers",
  [" 1.2.3.4"] = "four numbers", ["a.b.c.d"] = "four numbers", [""] = "four numbers", ["1..2.3"] = "four numbers",
    ["0x1.2.3.4"] = "four numbers",
  ["1.2.3.99999999999999999999"] = "is not a number", ["::1"] = "four numbers", ["1.2.3.4\n"] = "four numbers" } do
  refused(cidr.number, text, 'bad address "' .. text:gsub("%p", "%%%0") .. '": .*' .. why)
end
for _, value in ipairs { 5, 1.5, true, {} } do refused(cidr.number, value, "bad address") end

-- ranges
local function parsed(text, first, last, prefix)
  local range, message = cidr.parse(text)
  tap.eq(range and { range.first, range.last, range.prefix, range.text }, { cidr.number(first), cidr.number(last), prefix, text }, text)
  tap.eq(message, nil, text .. " has nothing wrong")
end
parsed("10.1.0.0/24", "10.1.0.0", "10.1.0.255", 24)
parsed("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 0)
parsed("255.255.255.255/32", "255.255.255.255", "255.255.255.255", 32)
parsed("128.0.0.0/1", "128.0.0.0", "255.255.255.255", 1)
parsed("10.1.0.4/30", "10.1.0.4", "10.1.0.7", 30)
parsed("10.1.0.6/31", "10.1.0.6", "10.1.0.7", 31)
for text, why in pairs { ["10.1.0.0"] = "an address, a slash and a prefix length", ["10.1.0.0/"] = "an address, a slash",
  ["/24"] = "an address, a slash", ["10.1.0.0/33"] = "at most 32", ["10.1.0.0/99999999999999999999"] = "at most 32",
  ["10.1.0.0/-1"] = "an address, a slash", ["10.1.0.0/24/24"] = "an address, a slash", ["10.1.0.0/x"] = "an address, a slash",
  ["10.1.0.1/24"] = "host bits are set; the range is 10.1.0.0/24", ["10.1.0.128/24"] = "the range is 10.1.0.0/24",
  ["10.1.0.0/8"] = "the range is 10.0.0.0/8", ["10.1.0.1/0"] = "the range is 0.0.0.0/0", ["10.1.0.300/24"] = "300 is not",
  ["fd00::/64"] = "four numbers", [""] = "an address, a slash", ["10.1.0.0/24 "] = "an address, a slash" } do
  refused(cidr.parse, text, 'bad CIDR "' .. text:gsub("%p", "%%%0") .. '": .*' .. why)
end
for _, value in ipairs { 24, true, {} } do refused(cidr.parse, value, "bad CIDR") end
tap.eq({ cidr.parse(nil) }, { nil, 'bad CIDR "nil": an address, a slash and a prefix length are expected', "EINVAL" }, "nothing is no range")

tap.eq(cidr.prefix "10.0.0.0/8", 8, "a prefix length")
for case, want in pairs { ["10.1.0.0/24 10.1.0.0"] = true, ["10.1.0.0/24 10.1.0.255"] = true, ["10.1.0.0/24 10.1.1.0"] = false,
  ["10.1.0.0/24 10.0.255.255"] = false, ["0.0.0.0/0 255.255.255.255"] = true, ["10.1.0.5/32 10.1.0.5"] = true,
  ["10.1.0.5/32 10.1.0.6"] = false, ["10.1.0.0/24 x"] = false, ["x 10.1.0.0"] = false } do
  local range, address = case:match "(%S+) (%S+)"
  tap.eq(cidr.contains(range, address), want, ("%s contains %s: %s"):format(range, address, want))
end
for range, want in pairs { ["10.1.0.0/24"] = "10.1.0.2 10.1.0.254", ["10.1.0.0/29"] = "10.1.0.2 10.1.0.6",
  ["10.1.0.0/30"] = "10.1.0.2 10.1.0.2",
  ["10.1.0.0/31"] = "10.1.0.0 10.1.0.1", ["10.1.0.7/32"] = "10.1.0.7 10.1.0.7", ["0.0.0.0/0"] = "0.0.0.2 255.255.255.254" } do
  local first, last = cidr.hosts(range)
  tap.eq(cidr.text(first) .. " " .. cidr.text(last), want, "what endpoints may have in " .. range)
end
tap.done()
