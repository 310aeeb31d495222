-- Links: veth pairs across namespaces, bridges, changes, groups, and what is refused.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local batch <const> = require "nerv.batch"
local link <const> = require "nerv.link"
local monitor <const> = require "nerv.monitor"
local sh <const> = kernel.shell

local A <const>, B <const> = "nltl-a", "nltl-b"

local ip <const> = kernel.link

local function clean()
  for _, name in ipairs{ A, B } do
    if netns.exists(name) then netns.delete{ path = name } end
  end
end

local function test_bridge()
  tap.eq({ link.add{ kind = "bridge", name = "br0", netns = A, up = true, stp = false, forward_delay = 4,
    ageing = 100, mcast_snooping = false, alias = "nlt:br", mac = "02:00:00:00:00:0a", mtu = 1400 } },
    { true }, "a bridge")
  local seen = ip(A, "br0")
  tap.eq(seen.linkinfo.info_kind, "bridge", "ip: kind")
  tap.eq(seen.linkinfo.info_data.forward_delay, 400, "ip: forward delay in 1/100 s")
  tap.eq(seen.linkinfo.info_data.ageing_time, 10000, "ip: ageing in 1/100 s")
  tap.eq(seen.linkinfo.info_data.mcast_snooping, 0, "ip: snooping")
  tap.eq(seen.ifalias, "nlt:br", "ip: alias")
  local got = link.get{ name = "br0", netns = A }
  tap.eq({ got.kind, got.stp, got.forward_delay, got.ageing, got.mcast_snooping, got.mac, got.mtu, got.up },
    { "bridge", false, 4.0, 100.0, false, "02:00:00:00:00:0a", 1400, true }, "read back")
  tap.ok(link.set{ name = "br0", netns = A, ageing = 50, stp = true, forward_delay = 2 }, "change its options")
  got = link.get{ name = "br0", netns = A }
  tap.eq({ got.ageing, got.stp, got.forward_delay, got.alias }, { 50.0, true, 2.0, "nlt:br" }, "they changed")
  tap.ok(link.set{ name = "br0", netns = A, stp = false }, "stp off again")
end

local function test_veth()
  tap.eq({ link.add{ kind = "veth", name = "v0", netns = A, mac = "02:00:00:00:00:01", mtu = 1300, master = "br0",
    group = 0x40000001, alias = "nlt:v0", up = true, index = 77,
    peer = { name = "eth0", netns = B, mac = "02:00:00:00:00:02", mtu = 1280, group = 9, alias = "nlt:peer",
      up = true } } }, { true }, "a veth with its peer in another namespace")
  local seen, peer = ip(A, "v0"), ip(B, "eth0")
  tap.eq({ seen.ifindex, seen.address, seen.mtu, seen.master, seen.ifalias, seen.operstate },
    { 77, "02:00:00:00:00:01", 1300, "br0", "nlt:v0", "UP" }, "ip: the link")
  tap.eq({ peer.address, peer.mtu, peer.ifalias, peer.operstate, peer.group },
    { "02:00:00:00:00:02", 1280, "nlt:peer", "UP", "9" }, "ip: the peer")
  local got, far = link.get{ name = "v0", netns = A }, link.get{ name = "eth0", netns = B }
  tap.eq({ got.name, got.index, got.kind, got.mac, got.mtu, got.up, got.running, got.carrier, got.master,
    got.master_index, got.group, got.alias, got.peer_index },
    { "v0", 77, "veth", "02:00:00:00:00:01", 1300, true, true, true, "br0", seen.ifindex and
      link.get{ name = "br0", netns = A }.index, 0x40000001, "nlt:v0", far.index }, "link.get")
  tap.ok(math.type(got.peer_netnsid) == "integer", "the peer is in another namespace")
  tap.ok(math.type(got.stats.rx_packets) == "integer" and got.stats.tx_dropped, "statistics")
  tap.eq(far.peer_index, 77, "the peer names the link")

  tap.ok(link.add{ kind = "bridge", name = "brb", netns = B }, "a bridge for the peer's side")
  tap.ok(link.add{ kind = "veth", name = "v1", netns = A, peer = { name = "p1", netns = B, master = "brb" } },
    "a peer joins a bridge of its own namespace")
  tap.eq(link.get{ name = "p1", netns = B }.master, "brb", "it did")
  tap.ok(link.add{ kind = "veth", name = "v2", netns = A, peer = { name = "p2", up = true } },
    "a peer in the same namespace")
  tap.eq(link.get{ name = "v2", netns = A }.peer_netnsid, nil, "is in the same namespace")

  local value, message, code = link.add{ kind = "veth", name = "v0", netns = A, peer = { name = "p9" } }
  tap.eq({ value, message, code }, { nil, "link.add v0: File exists", "EEXIST" }, "a name that is taken")
  tap.eq(link.get{ name = "p9", netns = A }, nil, "no half pair is left")
  value, message, code = link.add{ kind = "veth", name = "v3", netns = A, peer = { name = "p3", master = "nobridge" } }
  tap.eq({ value, message, code }, { nil, "link.add v3: master nobridge: No such device", "ENODEV" },
    "a peer's master that is missing")
  tap.eq(link.get{ name = "v3", netns = A }, nil, "the link is removed again")
  tap.eq(link.get{ name = "p3", netns = A }, nil, "and its peer")
  tap.eq(select(3, link.add{ kind = "veth", name = "v3", netns = A, master = "v0", peer = { name = "p3" } }),
    "EOPNOTSUPP", "a master that is no bridge")
  tap.eq(select(3, link.add{ kind = "veth", name = "v3", netns = A, peer = { name = "p3", netns = "nltl-none" } }),
    "ENOENT", "a namespace that is missing")
  value, message, code = link.add{ kind = "nokind", name = "x0", netns = A }
  tap.eq({ value, code }, { nil, "EOPNOTSUPP" }, "a kind that the kernel does not know")
  tap.like(message, "^link%.add x0: .*%(Unknown device type%)$", "in the kernel's words")
end

local function test_set()
  local function get() return link.get{ name = "v1", netns = A } end
  tap.ok(link.set{ name = "v1", netns = A, up = true, mac = "02:00:00:00:00:11", mtu = 1200, master = "br0",
    group = 5, alias = "one" }, "all at once")
  local got = get()
  tap.eq({ got.up, got.mac, got.mtu, got.master, got.group, got.alias },
    { true, "02:00:00:00:00:11", 1200, "br0", 5, "one" }, "all applied")
  tap.ok(link.set{ name = "v1", netns = A, up = false, master = "", alias = "", group = 0 }, "and off again")
  got = get()
  tap.eq({ got.up, got.master, got.alias, got.group, got.mtu }, { false, nil, nil, 0, 1200 },
    "off; what was not named stays")
  tap.ok(link.set{ name = "v1", netns = A, rename = "v1new" }, "rename")
  tap.ok(not get() and link.get{ name = "v1new", netns = A }, "the new name")
  tap.ok(link.set{ name = "v1new", netns = A, move_to_netns = B, rename = "moved", up = true }, "move, rename, up")
  tap.eq(link.get{ name = "moved", netns = B }.up, true, "it arrived and is up")
  tap.eq({ link.set{ name = "v1new", netns = A, up = true } }, { nil, "link.set v1new: No such device", "ENODEV" },
    "it left")
  tap.ok(link.set{ name = "moved", netns = B, move_to_netns = "/run/netns/" .. A }, "back, by path")
  tap.eq(select(3, link.set{ name = "moved", netns = A, mtu = 65536 }), "EINVAL", "an MTU that a veth refuses")
  tap.eq({ link.set{ name = "moved", netns = A, master = "none" } },
    { nil, "link.set moved: master none: No such device", "ENODEV" }, "a master that is missing")
  tap.ok(link.delete{ name = "moved", netns = A }, "delete")
  tap.eq({ link.delete{ name = "moved", netns = A } }, { nil, "link.delete moved: No such device", "ENODEV" },
    "gone is gone")
  tap.eq(link.get{ name = "p1", netns = B }, nil, "its peer went too")
end

local function names(list)
  local out = {}
  for _, l in ipairs(list) do out[#out + 1] = l.name end
  table.sort(out)
  return table.concat(out, " ")
end

local function test_list()
  tap.eq(names(link.list{ netns = A }), "br0 lo p2 v0 v2", "all links")
  tap.eq(names(link.list{ netns = A, kind = "veth" }), "p2 v0 v2", "of a kind")
  tap.eq(names(link.list{ netns = A, alias_prefix = "nlt:" }), "br0 v0", "of an alias")
  tap.eq(names(link.list{ netns = A, group = 0x40000001 }), "v0", "of a group")
  tap.eq(names(link.list{ netns = A, master = "br0" }), "v0", "of a master")
  tap.eq(link.list{ netns = A, master = "br0" }[1].master, "br0", "the master has its name")
  tap.eq(names(link.list{ netns = A, kind = "veth", group = 0 }), "p2 v2", "of two filters")
  tap.eq({ link.list{ netns = A, master = "none" } }, { nil, "link.list: master none: No such device", "ENODEV" },
    "a master that is missing")
  tap.ok(#link.list() >= 1, "without options: here")
  tap.eq({ link.get{ name = "none", netns = A } }, { nil, "link.get none: No such device", "ENODEV" }, "get of none")
  tap.eq({ link.get{ name = "lo", netns = "nltl-none" } },
    { nil, "link.get lo: network namespace /run/netns/nltl-none: No such file or directory", "ENOENT" },
    "a namespace that is missing")
  tap.eq(select(3, link.get{ name = "lo", netns = "/etc/passwd" }), "EINVAL", "a file that is no namespace")
  local pid = tonumber(sh("ip netns exec " .. A .. " sh -c 'sleep 60 >/dev/null 2>&1 & echo $!'"))
  tap.eq(names(link.list{ netns = pid }), "br0 lo p2 v0 v2", "a namespace by process id")
  sh("kill " .. pid)
end

local function pairs_in(space, first, last, group)
  for i = first, last do
    assert(link.add{ kind = "veth", name = "g" .. i, netns = space, group = group,
      peer = { name = "h" .. i, netns = space } })
  end
end

local function test_groups()
  pairs_in(A, 1, 5, 0x40000002)
  tap.eq(#link.list{ netns = A, group = 0x40000002 }, 5, "five links in a group")
  tap.ok(link.delete_group{ group = 0x40000002, netns = A }, "delete_group")
  tap.eq(names(link.list{ netns = A }), "br0 lo p2 v0 v2", "they and their peers are gone")
  tap.eq(select(3, link.delete_group{ group = 0x40000002, netns = A }), "ENODEV", "an empty group")

  pairs_in(A, 1, 5)
  tap.ok(link.delete_many{ names = { "g1", "h2", "g3", "none", "h3" }, group = 0x40000003, netns = A },
    "delete_many; names that are gone are no error")
  tap.eq(names(link.list{ netns = A }), "br0 g4 g5 h4 h5 lo p2 v0 v2", "exactly those are gone")
  tap.ok(link.set{ name = "g5", netns = A, group = 0x40000003 }, "a stranger in the group")
  tap.ok(link.delete_many{ names = { "g4" }, group = 0x40000003, netns = A }, "delete_many beside a stranger")
  tap.eq(names(link.list{ netns = A }), "br0 g5 h5 lo p2 v0 v2", "the stranger stays")
  tap.ok(link.delete_many{ names = {}, group = 0x40000003, netns = A }, "none at all")
  tap.ok(link.delete_many{ names = { "g4", "none" }, group = 0x40000003, netns = A }, "only gone ones")
  tap.ok(link.get{ name = "g5", netns = A }, "the stranger stays")
  local value, message, code = link.delete_many{ names = { "lo" }, group = 0x40000009, netns = A }
  tap.eq({ value, message, code }, { nil, "link.delete_many group 1073741833: lo: Operation not supported",
    "EOPNOTSUPP" }, "lo cannot be deleted")
end

-- The kernel tells of changes in their order: whether a link sent before what came next in the batch was done.
local function is_settled(m, name)
  for e in m:events(5) do
    if e.link.name == "br0" and e.link.alias == name then return false end
    if e.link.name == name and e.link.operstate == "up" and e.event == "new" then return true end
  end
end

local function test_settle()
  local settled, m <close> = 0, assert(monitor.open { only = { "link" }, netns = A })
  for i = 1, 50 do
    local name = "s" .. i
    assert(batch.run {
      { "link.add", { netns = A, kind = "veth", name = name, master = "br0", up = true,
        peer = { name = name .. "p", netns = B } } },
      { "link.set", { netns = B, name = name .. "p", up = true } },
      { "link.settle", { netns = A, name = name } },
      { "link.set", { netns = A, name = "br0", alias = name } } })
    if is_settled(m, name) then settled = settled + 1 end
    assert(link.delete { netns = A, name = name })
  end
  tap.eq(settled, 50, "settle: links send before it returns")
  assert(link.add { netns = A, kind = "veth", name = "s0", up = true, peer = { name = "s0p", netns = B } })
  tap.eq({ link.settle { netns = A, name = "s0" }, link.get { netns = A, name = "s0" }.carrier }, { true, false },
    "it does not wait for a carrier")
  tap.eq(link.settle { netns = A, name = "none", missing_ok = true }, true, "nor for what is not there")
  tap.eq({ link.settle { netns = A, name = "none" } }, { nil, "link.settle none: No such device", "ENODEV" }, "which is an error")
end

local function test_misuse()
  local function refuses(options, pattern, text)
    tap.raises(function() link.add(options) end, pattern, text)
  end
  refuses({ name = "x" }, "option 'kind' is missing", "kind is required")
  refuses({ kind = "veth" }, "option 'name' is missing", "name is required")
  refuses({ kind = "veth", name = "sixteencharacter" }, "has 16 characters; an interface name has at most 15",
    "long name")
  refuses({ kind = "veth", name = "" }, "name is empty", "empty name")
  refuses({ kind = "veth", name = "a/b" }, "is no interface name", "a slash")
  refuses({ kind = "veth", name = "a%d" }, "is no interface name", "a pattern")
  refuses({ kind = "veth", name = "x", mac = "02:00:00:00:00" }, "bad MAC address \"02:00:00:00:00\"", "short MAC")
  refuses({ kind = "veth", name = "x", mac = " 2:00:00:00:00:01" }, "bad MAC address", "blank in a MAC")
  refuses({ kind = "veth", name = "x", mac = "01:00:00:00:00:01" }, "group address", "group MAC")
  refuses({ kind = "veth", name = "x", mac = "00:00:00:00:00:00" }, "all zero", "zero MAC")
  refuses({ kind = "veth", name = "x", mtu = 67 }, "mtu must be from 68 to 65536, not 67", "small MTU")
  refuses({ kind = "veth", name = "x", group = -1 }, "group must be from 0 to 4294967295", "negative group")
  refuses({ kind = "veth", name = "x", master = "a b" }, "master \"a b\" is no interface name", "bad master")
  refuses({ kind = "veth", name = "x", alias = ("x"):rep(256) }, "alias has 256 characters", "long alias")
  refuses({ kind = "veth", name = "x", stp = true }, "stp belongs to a bridge, not to a veth", "stp of a veth")
  refuses({ kind = "bridge", name = "x", peer = { name = "y" } }, "peer belongs to a veth", "peer of a bridge")
  refuses({ kind = "veth", name = "x", peer = {} }, "option 'name' is missing", "peer without a name")
  refuses({ kind = "veth", name = "x", pear = {} }, "unknown option 'pear'; did you mean 'peer'", "unknown option")
  refuses({ kind = "bridge", name = "x", forward_delay = 31 }, "forward_delay must be from 0 to 30", "long delay")
  refuses({ kind = "veth", name = "x", netns = 0 }, "netns must be from 1", "process id 0")
  refuses({ kind = "veth", name = "x", netns = "a\0b" }, "NUL", "NUL in a namespace")
  tap.raises(function() link.set{ name = "x", master = "b", move_to_netns = A } end, "exclude each other",
    "master and move")
  tap.raises(function() link.delete_group{ group = 0 } end, "group must be from 1", "group 0 is everybody's")
  tap.raises(function() link.delete_many{ names = { 1 }, group = 1 } end, "item 1 is none", "names are strings")
  tap.raises(function() link.get() end, "missing", "get without options")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = A })
  assert(netns.add{ path = B })
  test_bridge()
  test_veth()
  test_set()
  test_list()
  test_groups()
  test_settle()
  test_misuse()
end)
clean()
if not good then error(problem, 0) end
tap.eq(sh "ip netns list | grep nltl", "", "nothing is left")
tap.done()
