-- Kinds of link and their options, ports of bridges, and what links have in common; each is read
-- back and compared with what iproute2 says.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local fdb <const> = require "nerv.fdb"
local batch <const> = require "nerv.batch"
local process <const> = require "nerv.process"
local sh <const> = kernel.shell

local N <const> = "nltk"

local function ip(name) return kernel.link(N, name) end

local function data(name) return ip(name).linkinfo.info_data end
local function port(name) return ip(name).linkinfo.info_slave_data end
local function get(name) return assert(link.get{ name = name, netns = N }) end

local function clean()
  for _, name in ipairs{ N, N .. "-b", N .. "-far" } do
    if netns.exists(name) then netns.delete{ path = name } end
  end
end

--- The fields of `t` that `names` lists.
local function pick(t, names)
  local out = {}
  for name in names:gmatch("%S+") do out[name] = t[name] end
  return out
end

local function add(options)
  options.netns = N
  return link.add(options)
end

local function set(options)
  options.netns = N
  return link.set(options)
end

local function test_kinds()
  local kinds = link.kinds()
  tap.ok(kinds.veth and kinds.bridge, "this kernel has veth and bridge")
  local before = sh "ls /sys/class/net"
  for kind, has in pairs(kinds) do
    local options = { kind = kind, name = "k0" }
    if kind:match "^mac" or kind == "vlan" then options.parent = "lo" end
    if kind == "vlan" or kind == "vxlan" then options.id = 5 end
    local done, message, code = add(options)
    if has then
      tap.ok(done or code == "EINVAL", "a kind that there is: " .. kind, message)   -- EINVAL: on top of lo
      if done then assert(link.delete{ name = "k0", netns = N }) end
    else
      tap.eq(code, "EOPNOTSUPP", "a kind that is missing: " .. kind)
      tap.like(message, ("^link%%.add k0: this kernel has no '%s' links %%(module %%w+%%)"):format(kind), "is named")
    end
  end
  tap.eq(sh "ls /sys/class/net", before, "the question makes no link")
  tap.like(select(2, add{ kind = "brige", name = "k0" }), "no 'brige' links; did you mean 'bridge'%?", "a misspelt kind")
end

--- In a mount namespace whose kernel has dummy as a module that is not loaded.
local function test_loadable()
  if link.kinds().dummy then return tap.skip("a module that is only a file", "dummy is loaded here") end
  local text = sh(([[d=$(mktemp -d) && unshare -m sh -e -c 'mount -t tmpfs none $0; mkdir $0/upper $0/work
    mount -t overlay -o lowerdir=/usr/lib,upperdir=$0/upper,workdir=$0/work none /usr/lib
    mkdir -p /lib/modules/$(uname -r)
    echo "kernel/drivers/net/dummy.ko.xz: kernel/net/8021q/8021q.ko.xz" >/lib/modules/$(uname -r)/modules.dep
    %s -e "print(link.kinds().dummy, link.kinds().vlan)"' $d; rmdir $d]]):format(process.exe()))
  tap.eq(text, ("true\t%s\n"):format(link.kinds().vlan), "a module that is only a file counts; its needs do not")
end

local function test_bridge()
  local wanted = { priority = 4096, hello_time = 1.5, max_age = 12.0, ageing = 33.0, forward_delay = 4.0,
    group_fwd_mask = 0x4000, mcast_snooping = false, mcast_querier = true, stp = true, tx_queue_length = 77 }
  local options = { kind = "bridge", name = "br0", up = true }
  for k, v in pairs(wanted) do options[k] = v end
  tap.eq({ add(options) }, { true }, "a bridge with all options")
  tap.eq(pick(get "br0", "priority hello_time max_age ageing forward_delay group_fwd_mask mcast_snooping " ..
    "mcast_querier stp tx_queue_length"), wanted, "read back")
  tap.eq(pick(data "br0", "priority hello_time max_age ageing_time forward_delay group_fwd_mask mcast_snooping " ..
    "mcast_querier stp_state"), { priority = 4096, hello_time = 150, max_age = 1200, ageing_time = 3300,
    forward_delay = 400, group_fwd_mask = "0x4000", mcast_snooping = 0, mcast_querier = 1, stp_state = 1 }, "ip says so")
  tap.eq(ip "br0".txqlen, 77, "ip: queue")
  tap.eq(select(3, set{ name = "br0", stp = false, forward_delay = 0 }), "ERANGE", "the kernel takes the delay first")
  tap.ok(set{ name = "br0", stp = false }, "stp off")
  tap.ok(set{ name = "br0", forward_delay = 0, group_fwd_mask = 0 }, "then the delay")
  tap.eq(pick(get "br0", "stp forward_delay group_fwd_mask ageing"),
    { stp = false, forward_delay = 0.0, group_fwd_mask = 0, ageing = 33.0 }, "what was named, and nothing else")
  tap.ok(set{ name = "br0", stp = true, forward_delay = 2 }, "stp on")
  tap.eq({ set{ name = "br0", stp = true, forward_delay = 1 } },
    { nil, "link.set br0: forward_delay, stp: Numerical result out of range", "ERANGE" }, "a forward delay too short")
  tap.ok(set{ name = "br0", stp = false }, "stp off again")
  tap.eq(select(3, set{ name = "br0", group_fwd_mask = 1 }), "EINVAL", "a group that is never forwarded")
  local done, message, code = set{ name = "br0", vlan_filtering = true }
  if done then
    tap.eq(data "br0".vlan_filtering, 1, "VLAN filtering")
    assert(set{ name = "br0", vlan_filtering = false })
  else
    tap.eq({ message, code }, { "link.set br0: this kernel's bridge does not take vlan_filtering: " ..
      "Operation not supported", "EOPNOTSUPP" }, "a kernel without VLAN filtering says so")
  end
end

local function test_port()
  local wanted = { priority = 3, cost = 77, learning = false, flood = false, mcast_flood = false, bcast_flood = false,
    isolated = true, hairpin = true, guard = true, root_block = true, neigh_suppress = true, group_fwd_mask = 8,
    locked = true }
  tap.ok(add{ kind = "veth", name = "p0", master = "br0", up = true, bridge_port = wanted,
    peer = { name = "p1", up = true, master = "br0", bridge_port = { isolated = true } } }, "a pair of ports")
  local names = "priority cost learning flood mcast_flood bcast_flood isolated hairpin guard root_block " ..
    "neigh_suppress group_fwd_mask locked"
  tap.eq(pick(get "p0".bridge_port, names), wanted, "read back")
  local seen = port "p0"
  tap.eq(pick(seen, "priority cost learning flood mcast_flood bcast_flood isolated hairpin guard root_block " ..
    "neigh_suppress locked group_fwd_mask_str"), { priority = 3, cost = 77, learning = false, flood = false,
    mcast_flood = false, bcast_flood = false, isolated = true, hairpin = true, guard = true, root_block = true,
    neigh_suppress = true, locked = true, group_fwd_mask_str = "0x8" }, "ip says so")
  tap.eq(port "p1".isolated, true, "the peer's settings")
  tap.eq(get "p1".bridge_port.learning, true, "the kernel's own where none was given")
  tap.eq(get "p0".bridge_port.state, "forwarding", "the state of the spanning tree")
  tap.eq(batch.run{ { "link.set", { name = "p0", netns = N, bridge_port = { state = "disabled", learning = true } } } }, 1,
    "changed in a batch")
  tap.eq({ port "p0".state, port "p0".learning, port "p0".cost }, { "disabled", true, 77 }, "ip says so")
  tap.eq(get "p0".bridge_port.state, "disabled", "read back")
  tap.ok(set{ name = "p0", bridge_port = { state = "blocking" } }, "enabled again")
  tap.eq(get "p0".bridge_port.state, "forwarding", "the kernel picks the state itself")
  local joined = link.list{ netns = N, master = "br0" }
  tap.eq(joined[1] and joined[1].bridge_port.isolated, true, "in a list")
  tap.ok(set{ name = "br0", stp = true, forward_delay = 4 }, "with stp")
  tap.eq({ set{ name = "p0", bridge_port = { state = "forwarding" } } },
    { nil, "link.set p0: bridge_port: Device or resource busy", "EBUSY" }, "the state cannot be set")
  tap.ok(set{ name = "br0", stp = false }, "and without")
  tap.ok(set{ name = "p1", master = "" }, "leave")
  tap.eq(get "p1".bridge_port, nil, "no port any more")
  tap.eq({ set{ name = "p1", bridge_port = { cost = 5 } } },
    { nil, "link.set p1: bridge_port: it is no port of a bridge: Operation not supported", "EOPNOTSUPP" }, "and says so")
  tap.ok(set{ name = "p1", master = "br0", bridge_port = { cost = 5 } }, "join and set at once")
  tap.eq(port "p1".cost, 5, "ip says so")
  tap.eq(select(3, add{ kind = "veth", name = "p2", master = "br0", bridge_port = { state = "forwarding" },
    peer = { name = "p3" } }), "ENETDOWN", "a port that is down does not forward")
  tap.eq(ip "p2", nil, "the link is not left")
end

local function test_vxlan()
  local wanted = { id = 4711, remote = "192.0.2.1", source = "192.0.2.2", port = 4790, learning = false, ttl = 9, tos = 16,
    ageing = 44, udp_checksum = false }
  local options = { kind = "vxlan", name = "x0", mtu = 1400, master = "br0", up = true, bridge_port = { isolated = true } }
  for k, v in pairs(wanted) do options[k] = v end
  tap.eq({ add(options) }, { true }, "a vxlan with all options")
  tap.eq(pick(get "x0", "id remote source port learning ttl tos ageing udp_checksum"), wanted, "read back")
  tap.eq(pick(data "x0", "id remote local port learning ttl tos ageing udp_csum"),
    { id = 4711, remote = "192.0.2.1", ["local"] = "192.0.2.2", port = 4790, learning = false, ttl = 9, tos = "0x10",
      ageing = 44, udp_csum = false }, "ip says so")
  tap.eq(port "x0".isolated, true, "and a port")
  tap.ok(set{ name = "x0", remote = "192.0.2.3", ttl = 0, ageing = 45 }, "changed; ageing of a vxlan, not of a bridge")
  tap.eq(pick(data "x0", "remote ageing"), { remote = "192.0.2.3", ageing = 45 }, "ip says so")
  tap.ok(add{ kind = "vxlan", name = "x1", id = 0, remote = "ff02::9", source = "fd00::1", parent = "br0" }, "over IPv6")
  tap.eq(pick(get "x1", "id remote source port parent parent_index udp_checksum"), { id = 0, remote = "ff02::9",
    source = "fd00::1", port = 4789, parent = "br0", parent_index = get "br0".index, udp_checksum = true }, "read back")
  tap.eq(pick(data "x1", "id group6 local6 port link"),
    { id = 0, group6 = "ff02::9", local6 = "fd00::1", port = 4789, link = "br0" }, "ip says so")
  tap.eq(select(3, add{ kind = "vxlan", name = "x2", id = 0, remote = "ff02::9", source = "fd00::1", parent = "br0" }),
    "EEXIST", "the same identifier again")
  tap.eq(select(3, add{ kind = "vxlan", name = "x2", id = 1, remote = "fd00::9", source = "10.0.0.1" }), "EINVAL",
    "two families")
  tap.eq({ add{ kind = "vxlan", name = "x2", id = 1, parent = "none" } },
    { nil, "link.add x2: parent none: No such device", "ENODEV" }, "a parent that is missing")
end

local function test_macvlan()
  assert(set{ name = "p1", master = "" })
  for _, mode in ipairs{ "private", "vepa", "bridge", "source" } do
    tap.ok(add{ kind = "macvlan", name = "m-" .. mode, parent = "p1", mode = mode }, "mode " .. mode)
    tap.eq({ get("m-" .. mode).mode, data("m-" .. mode).mode }, { mode, mode }, "read back, and ip says so")
  end
  local got = get "m-bridge"
  tap.eq({ got.kind, got.parent, got.parent_index, ip "m-bridge".link }, { "macvlan", "p1", get "p1".index, "p1" },
    "its parent")
  tap.ok(set{ name = "m-bridge", mode = "vepa" }, "change the mode")
  tap.eq(data "m-bridge".mode, "vepa", "ip says so")
  tap.ok(add{ kind = "macvlan", name = "m-moved", parent = "p1", mac = "02:00:00:00:00:31" }, "one to move away")
  tap.ok(netns.add{ path = N .. "-b" }, "another namespace")
  tap.ok(set{ name = "m-moved", move_to_netns = N .. "-b", rename = "eth0" }, "moved")
  got = link.get{ name = "eth0", netns = N .. "-b" }
  tap.eq({ got.mac, got.parent, got.parent_index, math.type(got.parent_netnsid) },
    { "02:00:00:00:00:31", nil, get "p1".index, "integer" }, "a parent in another namespace has no name here")
  tap.ok(netns.delete{ path = N .. "-b" }, "the namespace goes, with it")
  if link.kinds().macvtap then
    tap.ok(add{ kind = "macvtap", name = "mt0", parent = "br0", mode = "bridge" }, "a macvtap")
    tap.eq({ get "mt0".kind, data "mt0".mode }, { "macvtap", "bridge" }, "read back, and ip says so")
  else
    tap.skip("a macvtap", "this kernel has none")
  end
end

local function test_common()
  if link.kinds().ifb then
    tap.ok(add{ kind = "ifb", name = "ifb7", tx_queue_length = 5, up = true }, "an ifb")
    tap.eq({ get "ifb7".kind, get "ifb7".tx_queue_length, ip "ifb7".txqlen }, { "ifb", 5, 5 }, "read back, and ip says so")
  else
    tap.skip("an ifb", "this kernel has none")
  end
  tap.ok(add{ kind = "veth", name = "c0", promiscuous = true, up = true, peer = { name = "c1", promiscuous = true,
    tx_queue_length = 9 } }, "promiscuous")
  tap.eq({ get "c0".promiscuous, get "c1".promiscuous, ip "c0".promiscuity, ip "c1".promiscuity, ip "c1".txqlen },
    { true, true, 1, 1, 9 }, "read back, and ip says so")
  tap.eq({ get "c0".operstate, ip "c0".operstate, get "c0".carrier }, { "lowerlayerdown", "LOWERLAYERDOWN", false },
    "operational state while the peer is down")
  tap.ok(set{ name = "c1", up = true, promiscuous = false, tx_queue_length = 0 }, "changed")
  tap.eq({ get "c1".promiscuous, get "c1".tx_queue_length, ip "c1".promiscuity }, { false, 0, 0 },
    "read back, and ip says so")
  tap.eq({ get "c0".operstate, get "c0".carrier }, { "up", true }, "operational state with the peer")
  sh(("ip netns exec %s ping -c3 -i0.01 -W1 -I c0 ff02::1"):format(N))
  local function counted()
    local text = sh(("ip -n %s -j -s link show dev c0"):format(N))
    local seen, stats = json.decode(text)[1].stats64, get "c0".stats
    return seen.tx.packets > 0 and seen.tx.packets == stats.tx_packets and seen.tx.bytes == stats.tx_bytes and
      seen.rx.packets == stats.rx_packets and seen.tx.errors == stats.tx_errors and
      seen.rx.dropped == stats.rx_dropped and stats.tx_packets == get "c1".stats.rx_packets
  end
  tap.ok(tap.eventually(5, counted), "statistics as ip has them; what one sends the other gets")
end

--- Two namespaces, a vxlan in each over a veth between them: hosts by the forwarding database.
local function test_vxlan_traffic()
  local far = N .. "-far"
  assert(netns.add{ path = far })
  assert(link.add{ kind = "veth", name = "u0", netns = N, up = true, peer = { name = "u0", netns = far, up = true } })
  for i, ns in ipairs{ N, far } do
    assert(address.add{ link = "u0", netns = ns, address = ("10.90.0.%d/24"):format(i) })
    assert(link.add{ kind = "vxlan", name = "vx", netns = ns, id = 90, source = "10.90.0." .. i, learning = false, up = true })
    assert(fdb.append{ link = "vx", netns = ns, mac = "00:00:00:00:00:00", remote = "10.90.0." .. 3 - i })
    assert(address.add{ link = "vx", netns = ns, address = ("10.91.0.%d/24"):format(i) })
  end
  local text
  tap.ok(tap.eventually(10, function()
    text = sh(("ip netns exec %s ping -c1 -W1 10.91.0.2"):format(N))
    return text:find("1 received", 1, true)
  end), "a ping through a vxlan", text)
  assert(netns.delete{ path = far })
end

local function test_misuse()
  local function refuses(options, pattern, text)
    tap.raises(function() link.add(options) end, pattern, text)
  end
  refuses({ kind = "vxlan", name = "x" }, "link%.add: a vxlan needs an id", "a vxlan without an id")
  refuses({ kind = "vlan", name = "x", parent = "lo" }, "a vlan needs an id", "a vlan without an id")
  refuses({ kind = "vlan", name = "x", id = 5 }, "a vlan needs a parent: the link below it", "a vlan without a parent")
  refuses({ kind = "vlan", name = "x", id = 4095, parent = "lo" }, "id must be from 1 to 4094", "a tag too large")
  refuses({ kind = "vxlan", name = "x", id = 16777216 }, "id must be from 0 to 16777215, not 16777216", "an id too large")
  refuses({ kind = "vxlan", name = "x", id = 1, port = 0 }, "port must be from 1 to 65535", "port 0")
  refuses({ kind = "vxlan", name = "x", id = 1, remote = "10.0.0.1/8" }, "an address alone is wanted", "remote with length")
  refuses({ kind = "vxlan", name = "x", id = 1, remote = "there" }, "remote: bad address \"there\"", "no address")
  refuses({ kind = "macvlan", name = "x", mode = "bridge" }, "a macvlan needs a parent", "a macvlan without a parent")
  refuses({ kind = "macvlan", name = "x", parent = "lo", mode = "open" },
    "mode must be one of private, vepa, bridge, passthru, source, not \"open\"", "an unknown mode")
  refuses({ kind = "bridge", name = "x", parent = "lo" }, "a bridge has no parent", "a parent of a bridge")
  refuses({ kind = "veth", name = "x", ttl = 3 }, "ttl belongs to a vxlan, not to a veth", "ttl of a veth")
  refuses({ kind = "veth", name = "x", ageing = 3 }, "ageing belongs to a bridge or vxlan, not to a veth", "ageing of one")
  refuses({ kind = "veth", name = "x", bridge_port = { cost = 3 } }, "bridge_port needs a master", "a port of nothing")
  refuses({ kind = "veth", name = "x", master = "b", bridge_port = { cots = 3 } },
    "unknown option 'cots'; did you mean 'cost'%?", "an unknown setting")
  refuses({ kind = "veth", name = "x", master = "b", bridge_port = { cost = 0 } },
    "link%.add: bridge_port: cost must be from 1 to 65535, not 0", "a cost of 0")
  refuses({ kind = "veth", name = "x", master = "b", bridge_port = { state = "up" } },
    "state must be one of disabled, listening, learning, forwarding, blocking", "an unknown state")
  refuses({ kind = "veth", name = "x", peer = { name = "y", bridge_port = { cost = 9 } } },
    "bridge_port needs a master", "a peer's port of nothing")
  refuses({ kind = "veth", name = "x", peer = { name = "y", mtu = 1 } }, "link%.add: peer: mtu must be from 68", "a peer's MTU")
  refuses({ kind = "veth", name = "x", tx_queue_length = -1 }, "tx_queue_length must be from 0", "a negative queue")
  tap.raises(function() link.set{ name = "x", stp = true, ttl = 1 } end,
    "stp belongs to a bridge, ttl to a vxlan: no link has both", "options of two kinds")
  tap.raises(function() link.set{ name = "x", bridge_port = { cost = 1 }, move_to_netns = "y" } end,
    "bridge_port and move_to_netns exclude each other", "a port that moves")
  tap.raises(function() link.set{ name = "x", id = 5 } end, "unknown option 'id'", "an id is for ever")
  tap.eq({ set{ name = "lo", ttl = 1 } }, { nil, "link.set lo: a link of no kind has no option 'ttl': " ..
    "Operation not supported", "EOPNOTSUPP" }, "a link of no kind")
  tap.eq({ set{ name = "c0", stp = true } }, { nil, "link.set c0: a veth has no option 'stp': Operation not supported",
    "EOPNOTSUPP" }, "a link of another kind")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N })
  test_kinds()
  test_loadable()
  test_bridge()
  test_port()
  test_vxlan()
  test_vxlan_traffic()
  test_macvlan()
  test_common()
  test_misuse()
end)
clean()
if not good then error(problem, 0) end
tap.done()
