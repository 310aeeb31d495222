--- Arithmetic on addresses and address ranges. IPv4 only so far.
local M = {}

local function fail(fmt, ...) return nil, fmt:format(...), "EINVAL" end

--- The number of an IPv4 address.
-- @return integer, or nil, message, "EINVAL"
function M.number(text)
  local a, b, c, d = tostring(text):match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if not a then return fail("bad address \"%s\": four numbers with dots are expected", text) end
  local n = 0
  for _, part in ipairs { a, b, c, d } do
    if #part > 3 or tonumber(part) > 255 or (#part > 1 and part:sub(1, 1) == "0") then
      return fail("bad address \"%s\": %s is not a number from 0 to 255", text, part)
    end
    n = n << 8 | math.tointeger(tonumber(part))
  end
  return n
end

--- The dotted text of a number.
function M.text(n)
  return ("%d.%d.%d.%d"):format(n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255)
end

--- Reads a range such as "10.1.0.0/24".
-- @return table { first, last (numbers of network and broadcast address), prefix, text },
-- or nil, message, "EINVAL"
function M.parse(text)
  local address, prefix = tostring(text):match("^([^/]+)/(%d+)$")
  if not address then
    return fail("bad CIDR \"%s\": an address, a slash and a prefix length are expected", text)
  end
  local n, message = M.number(address)
  if not n then return fail("bad CIDR \"%s\": %s", text, message) end
  prefix = math.tointeger(tonumber(prefix))
  if not prefix or prefix > 32 then
    return fail("bad CIDR \"%s\": the prefix length of IPv4 is at most 32", text)
  end
  local size = 1 << (32 - prefix)
  if n % size ~= 0 then
    return fail("bad CIDR \"%s\": host bits are set; the range is %s/%d", text,
      M.text(n - n % size), prefix)
  end
  return { first = n, last = n + size - 1, prefix = prefix, text = text }
end

--- Whether an address (text) lies in a range (text).
function M.contains(range, address)
  local r, n = M.parse(range), M.number(address)
  return r ~= nil and n ~= nil and n >= r.first and n <= r.last
end

--- The prefix length of a range.
function M.prefix(range) return assert(M.parse(range)).prefix end

--- First and last number that an endpoint may have: without the network and broadcast
-- addresses and without the first host address, which is kept for a gateway.
function M.hosts(range)
  local r = assert(M.parse(range))
  if r.prefix >= 31 then return r.first, r.last end
  return r.first + 2, r.last - 1
end

return M
