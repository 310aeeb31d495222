-- Addresses and routes, IPv4 and IPv6, and the texts about wrong ones.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local batch <const> = require "nerv.batch"
local route <const> = require "nerv.route"
local sh <const> = kernel.shell
local find <const> = kernel.find

local N <const> = "nlta"

local function clean() kernel.forget(N) end

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
  tap.ok(address.delete{ link = "a0", netns = N, address = "10.2.0.1/32", missing_ok = true }, "which may be no failure")
  tap.ok(address.delete{ link = "none", netns = N, address = "10.2.0.1/32", missing_ok = true }, "nor with its interface")
  tap.eq({ address.add{ link = "none", netns = N, address = "10.2.0.1/32" } },
    { nil, "address.add 10.2.0.1/32 on none: interface none: No such device", "ENODEV" }, "a link that is missing")
  tap.eq(select(3, address.list{ link = "none", netns = N }), "ENODEV", "a list of a link that is missing")
end

local function test_settle()
  local answered = 0
  assert(link.set { name = "a0", netns = N, up = true })
  for i = 1, 300 do
    local ip = ("fd00:5::%x"):format(i)
    assert(batch.run {
      { "address.add", { link = "a0", netns = N, address = ip .. "/128" } },
      { "address.settle", { link = "a0", netns = N, address = ip .. "/128" } } })
    if route.get { netns = N, to = ip }.type == "local" then answered = answered + 1 end
    assert(address.delete { link = "a0", netns = N, address = ip .. "/128" })
  end
  tap.eq(answered, 300, "settle: the kernel answers for IPv6 addresses when it returns")
  tap.ok(address.settle { link = "a0", netns = N, address = "10.1.0.2/24" }, "for those of IPv4 it does at once")
  tap.eq({ address.settle { link = "a0", netns = N, address = "fd00:5::1/128" } },
    { nil, "address.settle fd00:5::1/128 on a0: Cannot assign requested address", "EADDRNOTAVAIL" }, "what is not there")
  tap.ok(address.settle { link = "a0", netns = N, address = "fd00:5::1/128", missing_ok = true }, "which may be no failure")
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
  local function wrong(options, pattern, about)
    options.link, options.address = "a0", options.address or "10.0.0.1/8"
    tap.raises(function() address.add(options) end, pattern, about)
  end
  wrong({ peer = "fd00::1" }, "address and peer must be of one family", "a peer of another family")
  wrong({ peer = "10.0.0.1/8" }, "peer: .* an address alone is wanted", "a peer with a length")
  wrong({ broadcast = "fd00::1" }, "broadcast must be an IPv4 address", "a broadcast address of IPv6")
  wrong({ address = "fd00::1/64", broadcast = "10.0.0.1" }, "broadcast belongs to an address of IPv4", "of IPv6")
  wrong({ address = "fd00::1/64", scope = "link" }, "scope belongs to an address of IPv4", "scope of IPv6")
  wrong({ dad = true }, "dad belongs to an address of IPv6", "dad of IPv4")
  wrong({ scope = "world" }, 'scope must be one of global, site, link, host, not "world"', "an unknown scope")
  wrong({ valid = 0 }, "valid must be from 1", "no life")
  wrong({ valid = 5, preferred = 6 }, "preferred %(6%) is longer than valid %(5%)", "preferred for too long")
  tap.raises(function() address.list{ family = 5 } end, "family must be 4 or 6, not 5", "family 5")
end

local function test_more_address()
  tap.ok(address.add{ link = "a0", netns = N, address = "10.4.0.1/24", broadcast = "10.4.0.255", scope = "link",
    valid = 1000, preferred = 500, prefix_route = false, proto = 7 }, "IPv4 with everything")
  local e = find(address.list{ netns = N, link = "a0" }, "address", "10.4.0.1/24")
  tap.eq({ e.broadcast, e.scope, e.permanent, e.prefix_route, e.proto, e.peer, e.deprecated },
    { "10.4.0.255", "link", false, false, 7, nil, false }, "read back")
  tap.ok(e.valid > 990 and e.valid <= 1000 and e.preferred > 490 and e.preferred <= 500, "its lifetimes")
  tap.like(sh("ip -n " .. N .. " address show dev a0"),
    "10%.4%.0%.1/24 brd 10%.4%.0%.255 scope link dynamic noprefixroute a0%s+valid_lft %d+sec preferred_lft %d+sec",
    "ip says so")
  tap.eq(find(route.list{ netns = N }, "to", "10.4.0.0/24"), nil, "no route was made")
  tap.ok(address.replace{ link = "a0", netns = N, address = "10.4.0.1/24", preferred = 0, valid = 2000 }, "replace")
  e = find(address.list{ netns = N, link = "a0" }, "address", "10.4.0.1/24")
  tap.eq({ e.deprecated, e.preferred, e.valid > 1990 }, { true, 0, true }, "changed")
  tap.ok(address.delete{ link = "a0", netns = N, address = "10.4.0.1/24" }, "delete")

  tap.ok(address.add{ link = "a0", netns = N, address = "10.5.0.1/32", peer = "10.5.0.2" }, "a peer")
  tap.like(sh("ip -n " .. N .. " address show dev a0"), "inet 10%.5%.0%.1 peer 10%.5%.0%.2/32 scope global a0", "ip says so")
  e = find(address.list{ netns = N, family = 4 }, "peer", "10.5.0.2")
  tap.eq(e and e.address, "10.5.0.1/32", "read back")
  tap.eq(select(3, address.delete{ link = "a0", netns = N, address = "10.5.0.1/32" }), "EADDRNOTAVAIL",
    "without its peer it is another address")
  tap.ok(address.delete{ link = "a0", netns = N, address = "10.5.0.1/32", peer = "10.5.0.2" }, "delete")
  tap.ok(address.add{ link = "a0", netns = N, address = "fd05::1/128", peer = "fd05::2" }, "a peer of IPv6")
  tap.eq(find(address.list{ netns = N, family = 6 }, "peer", "fd05::2").address, "fd05::1/128", "read back")
  tap.ok(address.delete{ link = "a0", netns = N, address = "fd05::1/128", peer = "fd05::2" }, "delete")

  tap.ok(address.add{ link = "a1", netns = N, address = "fd06::1/64", dad = true }, "IPv6 with a look for duplicates")
  tap.ok(address.add{ link = "lo", netns = N, address = "127.0.0.9/8" }, "an address of the loopback network")
  tap.eq(find(address.list{ netns = N }, "address", "127.0.0.9/8").scope, "host", "is known here alone")
  tap.eq(find(address.list{ netns = N }, "address", "fd06::1/64").scope, "global", "the other everywhere")
  tap.ok(tap.eventually(5, function()
    return not find(address.list{ netns = N }, "address", "fd06::1/64").tentative
  end), "nobody else has it")
  for _, a in ipairs(address.list{ netns = N, family = 4 }) do
    if a.family ~= 4 then tap.ok(false, "only IPv4", a) end
  end
  tap.ok(address.add{ link = "a1", netns = N, address = "10.6.0.1/24", valid = 1 }, "an address for a second")
  tap.ok(tap.eventually(5, function() return not find(address.list{ netns = N }, "address", "10.6.0.1/24") end), "goes")
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
  tap.eq(batch.run { { "route.delete", { to = "10.9.0.0/16", netns = N, missing_ok = true } },
    { "route.delete", { to = "10.9.0.0/16", netns = "nowhere", missing_ok = true } } }, 2, "which may be no failure")
  tap.eq(find(route.list{ netns = N }, "to", "default"), nil, "no default is left")
  tap.eq(select(3, route.add{ to = "default", link = "none", netns = N }), "ENODEV", "a link that is missing")
end

local function test_more_route()
  for _, type in ipairs{ "blackhole", "unreachable", "prohibit", "throw" } do
    tap.ok(route.add{ to = "10.20.0.0/16", type = type, netns = N, table = 77 }, "type " .. type)
    tap.like(sh("ip -n " .. N .. " route show table 77"), type .. " 10%.20%.0%.0/16 proto static", "ip says so")
    tap.eq(route.list{ netns = N, table = 77 }[1].type, type, "read back")
    tap.ok(route.delete{ to = "10.20.0.0/16", type = type, netns = N, table = 77 }, "delete")
    tap.ok(route.add{ to = "fd20::/64", type = type, netns = N, table = 77 }, "the same of IPv6")
    tap.eq(route.list{ netns = N, table = 77, family = 6 }[1].type, type, "read back")
    tap.ok(route.delete{ to = "fd20::/64", netns = N, table = 77 }, "delete")
  end
  tap.ok(route.add{ to = "10.25.0.0/16", netns = N, type = "local", link = "lo", table = 77 }, "type local")
  tap.like(sh("ip -n " .. N .. " route show table 77"), "local 10%.25%.0%.0/16 dev lo proto static scope host", "ip says so")
end

local function test_nexthops()
  tap.ok(route.add{ to = "10.21.0.0/16", netns = N, metric = 9, nexthops = { { via = "10.1.0.3", weight = 2 },
    { via = "10.1.0.4", link = "a0" }, { via = "99.9.9.9", link = "a0", onlink = true, weight = 256 } } }, "three ways")
  tap.like(sh("ip -n " .. N .. " route show 10.21.0.0/16"), "nexthop via 10%.1%.0%.3 dev a0 weight 2%s+nexthop via " ..
    "10%.1%.0%.4 dev a0 weight 1%s+nexthop via 99%.9%.9%.9 dev a0 weight 256 onlink", "ip says so")
  local e = find(route.list{ netns = N, link = "a0" }, "to", "10.21.0.0/16")
  tap.eq(e and e.nexthops, { { via = "10.1.0.3", link = "a0", weight = 2 }, { via = "10.1.0.4", link = "a0", weight = 1 },
    { via = "99.9.9.9", link = "a0", weight = 256, onlink = true } }, "read back")
  tap.ok(route.replace{ to = "10.21.0.0/16", netns = N, metric = 9, via = "10.1.0.5", mtu = 1300, protocol = 88 }, "replace")
  local list = route.list{ netns = N, protocol = 88 }
  tap.eq({ #list, list[1].via, list[1].mtu, list[1].nexthops, list[1].scope, list[1].type },
    { 1, "10.1.0.5", 1300, nil, "global", "unicast" }, "one way, with an MTU")
  tap.like(sh("ip -n " .. N .. " route show 10.21.0.0/16"), "via 10%.1%.0%.5 dev a0 proto 88 metric 9 mtu 1300", "ip says so")
  tap.ok(route.delete{ to = "10.21.0.0/16", netns = N }, "delete")
  tap.ok(route.add{ to = "fd21::/64", netns = N, nexthops = { { via = "fd00::3" }, { via = "fd00::4", weight = 3 } } },
    "two ways of IPv6")
  e = find(route.list{ netns = N, family = 6 }, "to", "fd21::/64")
  tap.eq(e and e.nexthops, { { via = "fd00::3", link = "a0", weight = 1 }, { via = "fd00::4", link = "a0", weight = 3 } },
    "read back")
  tap.ok(route.delete{ to = "fd21::/64", netns = N }, "delete")
  tap.ok(route.add{ to = "10.22.0.0/16", via = "99.9.9.9", link = "a0", onlink = true, netns = N }, "onlink")
  tap.eq(find(route.list{ netns = N }, "to", "10.22.0.0/16").onlink, true, "read back")
  tap.eq(select(3, route.add{ to = "10.23.0.0/16", netns = N, nexthops = { { via = "10.1.0.3", link = "none" } } }),
    "ENODEV", "a way by a link that is missing")
end

local function test_get()
  local way = route.get{ to = "10.22.3.4", netns = N }
  tap.eq({ way.to, way.via, way.link, way.family, way.table }, { "10.22.3.4/32", "99.9.9.9", "a0", 4, 254 }, "which way")
  tap.like(sh("ip -n " .. N .. " route get 10.22.3.4"), "10%.22%.3%.4 via 99%.9%.9%.9 dev a0", "ip says so")
  tap.eq(route.get{ to = "fd00::7", netns = N }.link, "a0", "of IPv6")
  tap.eq(route.get{ to = "10.1.0.9", source = "10.1.0.2", netns = N }.link, "a0", "from an address")
  tap.ok(route.add{ to = "10.24.0.0/16", type = "unreachable", netns = N }, "a dead end")
  tap.eq({ route.get{ to = "10.24.0.1", netns = N } }, { nil, "route.get 10.24.0.1: No route to host", "EHOSTUNREACH" },
    "says so")
  tap.eq(select(3, route.get{ to = "10.22.0.1", link = "none", netns = N }), "ENODEV", "by a link that is missing")
  tap.raises(function() route.get{ to = "10.0.0.0/8" } end, "an address alone is wanted", "a network")
  tap.raises(function() route.get{ to = "10.0.0.1", source = "fd00::1" } end, "of one family", "two families")
end

local function test_bad_route()
  local function refuses(options, pattern, text)
    tap.raises(function() route.add(options) end, pattern, text)
  end
  refuses({ to = "10.1.0.5/24", link = "a0" },
    'bits are set after the prefix; the network is "10%.1%.0%.0/24"', "host bits")
  refuses({ to = "10.0.0.0/8" }, "a route needs via, link, or both; or a type", "no way")
  refuses({ to = "10.0.0.0/8", via = "fd00::1" }, "of one family", "two families")
  refuses({ to = "10.0.0.0/8", via = "10.1.0.1/24" }, "an address alone is wanted", "via with a prefix")
  refuses({ to = "elsewhere", link = "a0" }, "to: bad address \"elsewhere\"", "no address")
  refuses({ to = "default", link = "a0", table = 0 }, "table must be from 1", "table 0")
  refuses({ via = "10.0.0.1" }, "option 'to' is missing", "no destination")
  refuses({ to = "10.0.0.0/8", type = "blackhole", link = "a0" }, "a route of type blackhole leads nowhere", "a way out")
  refuses({ to = "10.0.0.0/8", type = "multicast" }, "type must be one of unicast, local, blackhole", "an unknown type")
  refuses({ to = "10.0.0.0/8", nexthops = {} }, "nexthops must be a list of 1 to 64 tables", "no ways")
  refuses({ to = "10.0.0.0/8", nexthops = { { via = "10.0.0.1" } }, link = "a0" }, "nexthops excludes via and link", "both")
  refuses({ to = "10.0.0.0/8", nexthops = { "10.0.0.1" } }, "nexthops item 1: a table", "no table")
  refuses({ to = "10.0.0.0/8", nexthops = { { via = "10.0.0.1" }, {} } }, "nexthops item 2: via, link or both", "an empty one")
  refuses({ to = "10.0.0.0/8", nexthops = { { vai = "10.0.0.1" } } }, "did you mean 'via'", "an unknown option")
  refuses({ to = "10.0.0.0/8", nexthops = { { via = "10.0.0.1", weight = 257 } } }, "weight must be from 1 to 256", "weight")
  refuses({ to = "10.0.0.0/8", nexthops = { { via = "fd00::1" } } }, "of one family", "a way of another family")
  refuses({ to = "10.0.0.0/8", via = "10.0.0.1", onlink = true }, "onlink needs via and link", "onlink alone")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N, lo_up = true })
  assert(link.add{ kind = "veth", name = "a0", netns = N, up = true, peer = { name = "a1", up = true } })
  test_address()
  test_settle()
  test_bad_address()
  test_more_address()
  test_route()
  test_more_route()
  test_nexthops()
  test_get()
  test_bad_route()
end)
clean()
if not good then error(problem, 0) end
tap.eq(sh("ip netns list | grep " .. N), "", "nothing is left")
tap.done()
