--- Arithmetic on IPv4 and IPv6 addresses and address ranges.
--
-- The addresses of a range are counted from 0; a range of IPv6 that holds more than 2^62 is
-- taken for one of 2^62.
local api <const> = require "nerv.api"
local inet <const> = require "nerv.inet"

local M = {}

local function fail(fmt, ...) return nil, fmt:format(...), "EINVAL" end

-- Bytes of an address given as text.
local function bytes_of(text)
  local bytes = type(text) == "string" and not text:find("\0", 1, true) and inet.bytes(text)
  if bytes then return bytes end
  return fail("bad address \"%s\": an IPv4 or IPv6 address is expected", tostring(text))
end

function M.address(text)
  local bytes, message, code = bytes_of(text)
  if not bytes then return nil, message, code end
  return inet.text(bytes), #bytes == 4 and 4 or 6
end

function M.number(text)
  local bytes, message, code = bytes_of(text)
  if not bytes then return nil, message, code end
  if #bytes ~= 4 then return fail("bad address \"%s\": an IPv4 address is expected", text) end
  return (">I4"):unpack(bytes)
end

function M.interface(text)
  local address, prefix = tostring(text):match("^([^/]+)/(%d+)$")
  local bytes = address and bytes_of(address)
  prefix = math.tointeger(tonumber(prefix))
  if not bytes or not prefix or prefix > 8 * #bytes then
    return fail("bad address \"%s\": an address, a slash and a prefix length are expected", tostring(text))
  end
  return inet.text(bytes), #bytes == 4 and 4 or 6, prefix
end

-- The bytes with all bits behind the first `prefix` set to 0.
local function masked(bytes, prefix)
  local whole, rest = prefix // 8, prefix % 8
  local kept = bytes:sub(1, whole)
  if rest > 0 then kept = kept .. string.char(bytes:byte(whole + 1) & (0xff00 >> rest) & 0xff) end
  return kept .. ("\0"):rep(#bytes - #kept)
end

-- The bytes as a number counted up by `n`.
local function plus(bytes, n)
  local out = {}
  for i = #bytes, 1, -1 do
    local sum = bytes:byte(i) + (n & 0xff)
    out[i] = string.char(sum & 0xff)
    n = (n >> 8) + (sum >> 8)
  end
  return table.concat(out)
end

local function read(text)
  local address, prefix = tostring(text):match("^([^/]+)/(%d+)$")
  if not address then
    return fail("bad CIDR \"%s\": an address, a slash and a prefix length are expected", tostring(text))
  end
  local bytes, message = bytes_of(address)
  if not bytes then return fail("bad CIDR \"%s\": %s", text, message) end
  local family <const>, bits <const> = #bytes == 4 and 4 or 6, 8 * #bytes
  prefix = math.tointeger(tonumber(prefix))
  if not prefix or prefix > bits then
    return fail("bad CIDR \"%s\": the prefix length of IPv%d is at most %d", text, family, bits)
  end
  local base = masked(bytes, prefix)
  if base ~= bytes then
    return fail("bad CIDR \"%s\": host bits are set; the range is %s/%d", text, inet.text(base), prefix)
  end
  return { family = family, prefix = prefix, base = base, size = 1 << math.min(62, bits - prefix), text = text }
end

-- A network's range is asked for with each of its endpoints.
local REMEMBERED <const> = 64
local remembered, count = {}, 0

local function parse(text)
  local range = remembered[text]
  if range then return range end
  local message, code
  range, message, code = read(text)
  if not range then return nil, message, code end
  if count == REMEMBERED then remembered, count = {}, 0 end
  remembered[text], count = range, count + 1
  return range
end

function M.parse(text)
  local range, message, code = parse(text)
  if not range then return nil, message, code end
  local copy = {}
  for key, value in pairs(range) do copy[key] = value end
  return copy
end

function M.hosts_of(range)
  local base = assert(parse(range)).base
  if #base == 4 then
    local first = (">I4"):unpack(base)
    return function(n) return inet.text((">I4"):pack(first + n)) end
  end
  return function(n) return inet.text(plus(base, n)) end
end

function M.host(range, n) return M.hosts_of(range)(n) end

function M.contains(range, address)
  local r, bytes = parse(range), bytes_of(address)
  return r ~= nil and bytes ~= nil and #bytes == #r.base and masked(bytes, r.prefix) == r.base
end

function M.prefix(range) return assert(parse(range)).prefix end

-- How many addresses at the two ends of a range belong to no host: the network's and the broadcast
-- address of IPv4; the routers' anycast address of IPv6 (RFC 4291, 2.6.1).
local function ends(r)
  if r.size <= 2 then return 0, 0 end
  return 1, r.family == 4 and 1 or 0
end

function M.gateway(range) return M.host(range, (ends(assert(parse(range))))) end

function M.hosts(range)
  local r = assert(parse(range))
  local low, high = ends(r)
  return low == 0 and 0 or low + 1, r.size - 1 - high
end

function M.unusable(range, address)
  local r = assert(parse(range))
  if not M.contains(range, address) then return ("is not in %s"):format(range) end
  local low, high = ends(r)
  local bytes = bytes_of(address)
  if low > 0 and bytes == r.base then
    return ("is the %s address of %s"):format(r.family == 4 and "network" or "routers' anycast", range)
  elseif high > 0 and bytes == plus(r.base, r.size - 1) then
    return ("is the broadcast address of %s"):format(range)
  end
end

local TEXT <const> = { name = "text", type = "any", text = "an address as text" }
local RANGE <const> = { name = "range", type = "string", required = true, text = 'as "10.1.0.0/24" or "fd00::/64"' }
local ADDRESS <const> = { name = "address", type = "string", required = true, text = "an address" }

return api.module("cidr", "arithmetic on IPv4 and IPv6 addresses and ranges", M, {
  address = { text = "reads an address; returns it as all write it and its family, 4 or 6; or nil, message, code",
    args = { TEXT }, example = 'print(cidr.address("FD00:0::1"))' },
  interface = { text = "reads an interface's address; returns the address, its family and its prefix length; or nil, "
    .. "message, code", args = { TEXT }, example = 'local address, family, prefix = cidr.interface "10.1.0.7/24"' },
  number = { text = "returns the number of an IPv4 address; or nil, message, code", args = { TEXT },
    example = 'assert(cidr.number("10.0.0.1") == 0x0a000001)' },
  parse = { text = "reads a range; returns {family=, prefix=, base= bytes of its first address, size= how many,"
    .. " text=}; "
    .. "or nil, message, code", args = { { name = "text", type = "any", text = "a range as text" } },
    example = 'assert(cidr.parse("10.1.0.0/24").size == 256)' },
  host = { text = "returns the address of a number in a range", args = { RANGE,
    { name = "number", type = "integer", required = true, text = "0 is the range's first address" } },
    example = 'assert(cidr.host("10.1.0.0/24", 7) == "10.1.0.7")' },
  hosts_of = { text = "returns a function from numbers to the addresses of a range; 0 is the first", args = { RANGE },
    example = 'local host = cidr.hosts_of "fd00::/64"  assert(host(16) == "fd00::10")' },
  hosts = { text = "returns the first and last number in a range of what is chosen for endpoints", args = { RANGE },
    example = 'local first, last = cidr.hosts "10.1.0.0/24"  assert(first == 2 and last == 254)' },
  gateway = { text = "returns the address that is kept for the gateway: the first of a host", args = { RANGE },
    example = 'assert(cidr.gateway "10.1.0.0/24" == "10.1.0.1")' },
  contains = { text = "returns whether an address lies in a range", args = { RANGE, ADDRESS },
    example = 'assert(cidr.contains("10.1.0.0/24", "10.1.0.9"))' },
  prefix = { text = "returns the prefix length of a range", args = { RANGE },
    example = 'assert(cidr.prefix "10.1.0.0/24" == 24)' },
  unusable = { text = "returns why a host cannot have an address of a range; nil when it can",
    args = { RANGE, ADDRESS },
    example = 'print(cidr.unusable("10.1.0.0/24", "10.1.0.255"))' },
})
