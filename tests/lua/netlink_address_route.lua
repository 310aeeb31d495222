-- Addresses and routes, IPv4 and IPv6, and the texts about wrong ones.
local tap <const> = require "tap"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local route <const> = require "nerv.route"

local N <const> = "nlta"

local function sh(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  return pipe:read("a")
end

local function clean()
  if netns.exists(N) then netns.delete{ path = N } end
end

--- The entry of a list whose `key` is `value`.
local function find(list, key, value)
  for _, e in ipairs(list) do if e[key] == value then return e end end
end

local function test_address()
  tap.eq({ address.add{ link = "a0", netns = N, address = "10.1.0.2/24", proto = 99 } }, { true }, "IPv4")
  tap.eq({ address.add{ link = "a0", netns = N, address = "fd00::2/64", proto = 99 } }, { true }, "IPv6")
  tap.like(sh("ip -n " .. N .. " -o address show dev a0"), "inet 10%.1%.0%.2/24 ", "ip: IPv4")
  tap.like(sh("ip -n " .. N .. " -o address show dev a0"), "fd00::2/64 scope global nodad", "ip: IPv6 without DAD")
  local list = address.list{ netns = N, link = "a0" }
  local four, six = find(list, "address", "10.1.0.2/24"), find(list, "address", "fd00::2/64")
  tap.eq({ four.family, four.link, four.proto, four.permanent }, { 4, "a0", 99, true }, "IPv4 read back")
  tap.eq({ six.family, six.link, six.proto, six.tentative }, { 6, "a0", 99, false }, "IPv6 read back")
  tap.eq(four.index, link.get{ name = "a0", netns = N }.index, "the link's index")
  tap.ok(find(address.list{ netns = N }, "link", "lo"), "all links")
  tap.eq(find(address.list{ netns = N, link = "a1" }, "address", "10.1.0.2/24"), nil, "of one link only")
  tap.eq({ address.add{ link = "a0", netns = N, address = "10.1.0.2/24" } },
    { nil, select(2, address.add{ link = "a0", netns = N, address = "10.1.0.2/24" }), "EEXIST" }, "twice")
  tap.like(select(2, address.add{ link = "a0", netns = N, address = "10.1.0.2/24" }),
    "^address%.add 10%.1%.0%.2/24 on a0: File exists", "and its text")
  tap.ok(address.add{ link = "a0", netns = N, address = "10.2.0.1/32" }, "a single address")
  tap.ok(address.delete{ link = "a0", netns = N, address = "10.2.0.1/32" }, "delete")
  tap.eq(find(address.list{ netns = N }, "address", "10.2.0.1/32"), nil, "it is gone")
  tap.eq(select(3, address.delete{ link = "a0", netns = N, address = "10.2.0.1/32" }), "EADDRNOTAVAIL", "gone is gone")
  tap.eq({ address.add{ link = "none", netns = N, address = "10.2.0.1/32" } },
    { nil, "address.add 10.2.0.1/32 on none: interface none: No such device", "ENODEV" }, "a link that is missing")
  tap.eq(select(3, address.list{ link = "none", netns = N }), "ENODEV", "a list of a link that is missing")
end

local function test_bad_address()
  local function refuses(text, pattern)
    tap.raises(function() address.add{ link = "a0", netns = N, address = text } end, pattern, "refused: " .. text)
  end
  refuses("10.1.0.0/33", 'address%.add: bad CIDR "10%.1%.0%.0/33": the prefix length of IPv4 is at most 32')
  refuses("fd00::/129", 'bad CIDR "fd00::/129": the prefix length of IPv6 is at most 128')
  refuses("10.1.0/24", '"10%.1%.0" is neither an IPv4 nor an IPv6 address')
  refuses("10.1.0.2", 'the prefix length is missing; for one address alone it is "10%.1%.0%.2/32"')
  refuses("10.1.0.2/", '"" is no prefix length')
  refuses("10.1.0.2/-1", '"%-1" is no prefix length')
  refuses("10.1.0.2/2x", '"2x" is no prefix length')
  refuses("", "neither an IPv4 nor an IPv6 address")
  refuses(("1"):rep(300), "neither an IPv4 nor an IPv6 address")
  refuses("/24", "neither an IPv4 nor an IPv6 address")
  tap.raises(function() address.add{ link = "a0", address = "10.0.0.1/8", proto = 256 } end,
    "proto must be from 1 to 255", "proto")
end

local function test_route()
  tap.eq({ route.add{ to = "default", via = "10.1.0.1", netns = N, protocol = 77, metric = 5 } }, { true }, "default")
  tap.ok(route.add{ to = "10.9.0.0/16", link = "a0", netns = N, source = "10.1.0.2" }, "to a link")
  tap.ok(route.add{ to = "10.8.0.0/16", via = "10.1.0.7", link = "a0", netns = N, table = 1000 }, "in another table")
  tap.ok(route.add{ to = "default", via = "fd00::1", netns = N, metric = 7 }, "IPv6 default")
  tap.ok(route.add{ to = "fd01::/64", via = "fd00::9", link = "a0", netns = N }, "IPv6")
  local text = sh("ip -n " .. N .. " route")
  tap.like(text, "default via 10%.1%.0%.1 dev a0 proto 77 metric 5", "ip: default")
  tap.like(text, "10%.9%.0%.0/16 dev a0 proto static scope link src 10%.1%.0%.2", "ip: to a link")
  tap.like(sh("ip -n " .. N .. " route show table 1000"), "10%.8%.0%.0/16 via 10%.1%.0%.7 dev a0", "ip: table 1000")
  tap.like(sh("ip -n " .. N .. " -6 route"), "default via fd00::1 dev a0 proto static metric 7", "ip: IPv6")
  local list = route.list{ netns = N }
  local default, near = find(list, "protocol", 77), find(list, "to", "10.9.0.0/16")
  tap.eq({ default.to, default.via, default.link, default.metric, default.table, default.family },
    { "default", "10.1.0.1", "a0", 5, 254, 4 }, "default read back")
  tap.eq({ near.link, near.source, near.via, near.protocol }, { "a0", "10.1.0.2", nil, 4 }, "read back")
  tap.eq(find(list, "to", "10.8.0.0/16"), nil, "the other table is not in main")
  tap.ok(find(route.list{ netns = N, table = 1000 }, "to", "10.8.0.0/16"), "it is in its own")
  tap.ok(#route.list{ netns = N, table = 0 } > #list, "0 means all tables")
  tap.ok(find(list, "to", "fd01::/64"), "IPv6 read back")
  sh("ip -n " .. N .. " route add 10.7.0.0/16 nexthop via 10.1.0.3 dev a0 weight 2 nexthop via 10.1.0.4 dev a0")
  local many = find(route.list{ netns = N }, "to", "10.7.0.0/16")
  tap.eq(many.nexthops, { { link = "a0", via = "10.1.0.3", weight = 2 },
    { link = "a0", via = "10.1.0.4", weight = 1 } }, "a route of several next hops")
  tap.eq(select(3, route.add{ to = "10.9.0.0/16", link = "a0", netns = N }), "EEXIST", "twice")
  local value, message, code = route.add{ to = "10.6.0.0/16", via = "99.1.1.1", netns = N }
  tap.eq({ value, code }, { nil, "ENETUNREACH" }, "a router that cannot be reached")
  tap.like(message, "^route%.add 10%.6%.0%.0/16: Network is unreachable %(", "in the kernel's words")
  tap.ok(route.delete{ to = "default", netns = N, metric = 5 }, "delete default")
  tap.ok(route.delete{ to = "10.9.0.0/16", netns = N }, "delete")
  tap.ok(route.delete{ to = "10.8.0.0/16", netns = N, table = 1000 }, "delete in a table")
  tap.ok(route.delete{ to = "::/0", netns = N }, "delete the IPv6 default")
  tap.eq(select(3, route.delete{ to = "10.9.0.0/16", netns = N }), "ESRCH", "gone is gone")
  tap.eq(find(route.list{ netns = N }, "to", "default"), nil, "no default is left")
  tap.eq(select(3, route.add{ to = "default", link = "none", netns = N }), "ENODEV", "a link that is missing")
end

local function test_bad_route()
  local function refuses(options, pattern, text)
    tap.raises(function() route.add(options) end, pattern, text)
  end
  refuses({ to = "10.1.0.5/24", link = "a0" },
    'bits are set after the prefix; the network is "10%.1%.0%.0/24"', "host bits")
  refuses({ to = "10.0.0.0/8" }, "a route needs via, link, or both", "no way")
  refuses({ to = "10.0.0.0/8", via = "fd00::1" }, "of one family", "two families")
  refuses({ to = "10.0.0.0/8", via = "10.1.0.1/24" }, "an address alone is wanted", "via with a prefix")
  refuses({ to = "elsewhere", link = "a0" }, "to: bad address \"elsewhere\"", "no address")
  refuses({ to = "default", link = "a0", table = 0 }, "table must be from 1", "table 0")
  refuses({ via = "10.0.0.1" }, "option 'to' is missing", "no destination")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N, lo_up = true })
  assert(link.add{ kind = "veth", name = "a0", netns = N, up = true, peer = { name = "a1", up = true } })
  test_address()
  test_bad_address()
  test_route()
  test_bad_route()
end)
clean()
if not good then error(problem, 0) end
tap.eq(sh("ip netns list | grep " .. N), "", "nothing is left")
tap.done()
