-- Neighbours of IPv4 and IPv6, and the forwarding databases of bridges and vxlans.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local neighbour <const> = require "nerv.neighbour"
local fdb <const> = require "nerv.fdb"
local batch <const> = require "nerv.batch"
local sh <const> = kernel.shell
local find <const> = kernel.find

local N <const> = "nltn"

local function clean() kernel.forget(N) end

local function ip(dst, options)
  -- A flag is a member without value.
  return find(json.decode(sh(("ip -n %s -j neigh show %s"):format(N, options or "")), { null = true }), "dst", dst)
end

local function listed(dst, options)
  options = options or {}
  options.netns = N
  return find(neighbour.list(options), "address", dst)
end

local function test_neighbour()
  tap.eq({ neighbour.add{ link = "n0", netns = N, address = "10.1.0.2", mac = "02:00:00:00:00:02", protocol = 77 } },
    { true }, "IPv4")
  tap.ok(neighbour.add{ link = "n0", netns = N, address = "fd00::2", mac = "02:00:00:00:00:03", router = true,
    state = "reachable" }, "IPv6, a router")
  local index = link.get{ name = "n0", netns = N }.index
  tap.eq(listed "10.1.0.2", { address = "10.1.0.2", family = 4, mac = "02:00:00:00:00:02", link = "n0", index = index,
    state = "permanent", proxy = false, router = false, protocol = 77 }, "read back")
  tap.eq(listed "fd00::2", { address = "fd00::2", family = 6, mac = "02:00:00:00:00:03", link = "n0", index = index,
    state = "reachable", proxy = false, router = true }, "read back")
  local four, six = ip "10.1.0.2", ip "fd00::2"
  tap.eq({ four.lladdr, four.state[1], four.dev, four.protocol }, { "02:00:00:00:00:02", "PERMANENT", "n0", "77" },
    "ip: IPv4")
  tap.eq({ six.lladdr, six.state[1], six.router ~= nil }, { "02:00:00:00:00:03", "REACHABLE", true }, "ip: IPv6")
  tap.eq({ neighbour.add{ link = "n0", netns = N, address = "10.1.0.2", mac = "02:00:00:00:00:04" } },
    { nil, "neighbour.add 10.1.0.2 on n0: File exists", "EEXIST" }, "twice")
  tap.ok(neighbour.replace{ link = "n0", netns = N, address = "10.1.0.2", mac = "02:00:00:00:00:05", state = "stale" },
    "replace")
  tap.eq({ ip "10.1.0.2".lladdr, ip "10.1.0.2".state[1] }, { "02:00:00:00:00:05", "STALE" }, "ip says so")
  tap.ok(neighbour.replace{ link = "n0", netns = N, address = "10.1.0.7", mac = "02:00:00:00:00:07", state = "noarp" },
    "replace what is not there")
  tap.eq(listed "10.1.0.7".state, "noarp", "read back")
  tap.eq({ #neighbour.list{ netns = N, link = "n1", family = 4 }, #neighbour.list{ netns = N, family = 6, state = "reachable" },
    #neighbour.list{ netns = N, state = "stale" } }, { 0, 1, 1 }, "filters")
  tap.ok(neighbour.add{ link = "n0", netns = N, address = "10.1.0.9", proxy = true }, "a proxy")
  tap.eq(listed "10.1.0.9", nil, "is no neighbour")
  tap.eq({ listed("10.1.0.9", { proxy = true }).proxy, listed("10.1.0.9", { proxy = true }).state }, { true, nil },
    "but in the list of proxies")
  tap.ok(ip("10.1.0.9", "proxy"), "ip says so")
  tap.ok(neighbour.delete{ link = "n0", netns = N, address = "10.1.0.9", proxy = true }, "delete it")
  tap.eq(ip("10.1.0.9", "proxy"), nil, "ip says so")
  tap.eq(batch.run{ { "neighbour.delete", { link = "n0", netns = N, address = "fd00::2" } },
    { "neighbour.add", { link = "n0", netns = N, address = "fd00::4", mac = "02:00:00:00:00:08" } } }, 2, "in a batch")
  tap.eq({ ip "fd00::4".lladdr, (ip "fd00::2" or {}).lladdr }, { "02:00:00:00:00:08", nil }, "ip says so")
  tap.eq(select(3, neighbour.delete{ link = "n0", netns = N, address = "10.1.0.77" }), "ENOENT", "delete of none")
  tap.ok(neighbour.delete{ link = "n0", netns = N, address = "10.1.0.77", missing_ok = true }, "which may be no failure")
  tap.eq({ neighbour.add{ link = "none", netns = N, address = "10.1.0.2", mac = "02:00:00:00:00:02" } },
    { nil, "neighbour.add 10.1.0.2 on none: interface none: No such device", "ENODEV" }, "a link that is missing")
  tap.eq(select(3, neighbour.list{ link = "none", netns = N }), "ENODEV", "a list of one")
end

local function test_bad_neighbour()
  local function refuses(options, pattern, text)
    options.link = "n0"
    tap.raises(function() neighbour.add(options) end, pattern, text)
  end
  refuses({}, "option 'address' is missing", "no address")
  refuses({ address = "10.1.0.2" }, "a mac is missing, or proxy", "no mac")
  refuses({ address = "10.1.0.2", mac = "02:00:00:00:00:02", proxy = true }, "a proxy has no mac", "a proxy with a mac")
  refuses({ address = "10.1.0.2", state = "stale", proxy = true }, "a proxy has no state", "a proxy with a state")
  refuses({ address = "10.1.0.2", mac = "2:0:0:0:0:2" }, "bad MAC address", "a short mac")
  refuses({ address = "10.1.0.0/24", mac = "02:00:00:00:00:02" }, "an address alone is wanted", "a network")
  refuses({ address = "10.1.0.2", mac = "02:00:00:00:00:02", state = "failed" }, "the state failed cannot be set", "failed")
  refuses({ address = "10.1.0.2", mac = "02:00:00:00:00:02", state = "good" },
    "state must be one of permanent, noarp, reachable, stale", "an unknown state")
end

local function entries(options)
  options = options or {}
  options.netns = N
  local list = {}
  for _, e in ipairs(fdb.list(options)) do
    if not e.mac:find "^33:33" and not e.mac:find "^01:00:5e" then list[#list + 1] = e end
  end
  return list
end

local function bridge(mac, dev)
  for _, e in ipairs(json.decode(sh(("bridge -n %s -j -d fdb show dev %s"):format(N, dev)))) do
    if e.mac == mac then return e end
  end
end

local function test_bridge()
  tap.eq({ fdb.add{ link = "p0", netns = N, mac = "02:00:00:00:01:01" } }, { true }, "an entry of a bridge")
  local e = find(entries{ link = "p0" }, "mac", "02:00:00:00:01:01")
  tap.eq({ e.link, e.master, e.state, e.own, e.sticky, e.remote }, { "p0", "br0", "static", false, false, nil }, "read back")
  e = bridge("02:00:00:00:01:01", "p0")
  tap.eq({ e.state, e.master }, { "static", "br0" }, "bridge says so")
  tap.ok(fdb.add{ link = "p0", netns = N, mac = "02:00:00:00:01:02", state = "permanent" }, "permanent")
  tap.ok(fdb.add{ link = "p0", netns = N, mac = "02:00:00:00:01:03", state = "dynamic", sticky = true }, "sticky")
  tap.eq({ bridge("02:00:00:00:01:02", "p0").state, bridge("02:00:00:00:01:03", "p0").flags[1] },
    { "permanent", "sticky" }, "bridge says so")
  e = find(entries{ master = "br0" }, "mac", "02:00:00:00:01:03")
  tap.eq({ e.state, e.sticky }, { "dynamic", true }, "read back, by bridge")
  tap.eq({ fdb.add{ link = "p0", netns = N, mac = "02:00:00:00:01:01" } },
    { nil, "fdb.add 02:00:00:00:01:01 on p0: File exists", "EEXIST" }, "twice")
  tap.ok(fdb.replace{ link = "x0", netns = N, mac = "02:00:00:00:01:01" }, "moved to another port")
  tap.eq({ (bridge("02:00:00:00:01:01", "x0") or {}).master, bridge("02:00:00:00:01:01", "p0") }, { "br0", nil },
    "bridge says so")
  tap.ok(fdb.add{ link = "br0", netns = N, mac = "02:00:00:00:01:04", own = true }, "of the bridge itself")
  tap.eq(bridge("02:00:00:00:01:04", "br0").state, "permanent", "bridge says so")
  tap.ok(fdb.delete{ link = "p0", netns = N, mac = "02:00:00:00:01:02" }, "delete")
  tap.eq(bridge("02:00:00:00:01:02", "p0"), nil, "bridge says so")
  tap.eq({ fdb.delete{ link = "p0", netns = N, mac = "02:00:00:00:01:02" } },
    { nil, "fdb.delete 02:00:00:00:01:02 on p0: No such file or directory", "ENOENT" }, "gone is gone")
  tap.eq({ fdb.add{ link = "p1", netns = N, mac = "02:00:00:00:01:05" } },
    { nil, "fdb.add 02:00:00:00:01:05 on p1: it is no port of a bridge: Operation not supported", "EOPNOTSUPP" },
    "a link that is no port")
  local done, message, code = fdb.add{ link = "p0", netns = N, mac = "02:00:00:00:01:06", vlan = 5 }
  tap.ok(done or code == "EINVAL" and message:find "vlan 5: the bridge does not look at VLANs", "a VLAN", message)
end

local function test_learned()
  tap.ok(tap.eventually(5, function()
    sh(("ip netns exec %s ping -c1 -W1 -I p1 10.1.0.77"):format(N))
    return find(entries{ link = "p0" }, "mac", link.get{ name = "p1", netns = N }.mac)
  end), "an address that the bridge has learned")
  local e = find(entries{ link = "p0" }, "mac", link.get{ name = "p1", netns = N }.mac)
  tap.eq(e and e.state, "dynamic", "is dynamic")
end

local function test_vxlan()
  local mac = "02:00:00:00:02:01"
  tap.ok(fdb.add{ link = "x0", netns = N, mac = mac, remote = "192.0.2.5", port = 1234, id = 99, via = "n0" },
    "a remote host")
  local e = find(entries{ link = "x0" }, "remote", "192.0.2.5")
  tap.eq({ e.mac, e.link, e.port, e.id, e.via, e.own, e.state }, { mac, "x0", 1234, 99, "n0", true, "permanent" },
    "read back")
  e = bridge(mac, "x0")
  tap.eq({ e.dst, e.port, e.vni, e.viaIf, e.flags[1] }, { "192.0.2.5", 1234, 99, "n0", "self" }, "bridge says so")
  tap.eq(batch.run{ { "fdb.replace", { link = "x0", netns = N, mac = mac, remote = "192.0.2.6" } } }, 1, "another host")
  tap.eq(bridge(mac, "x0").dst, "192.0.2.6", "bridge says so")
  local zero = "00:00:00:00:00:00"
  for i = 1, 3 do
    tap.ok(fdb.append{ link = "x0", netns = N, mac = zero, remote = "192.0.2.1" .. i }, "host for what is unknown")
  end
  tap.ok(fdb.delete{ link = "x0", netns = N, mac = zero, remote = "192.0.2.12" }, "delete the second")
  local hosts = {}
  for _, entry in ipairs(entries{ link = "x0" }) do
    if entry.mac == zero then hosts[#hosts + 1] = entry.remote end
  end
  table.sort(hosts)
  tap.eq(hosts, { "192.0.2.11", "192.0.2.13" }, "the others stay")
  tap.eq(select(3, fdb.add{ link = "x0", netns = N, mac = mac, remote = "fd00::1" }), "EAFNOSUPPORT", "another family")
end

local function test_bad_fdb()
  local function refuses(options, pattern, text)
    options.link, options.mac = "p0", options.mac or "02:00:00:00:00:01"
    tap.raises(function() fdb.add(options) end, pattern, text)
  end
  refuses({ mac = "02:00" }, "bad MAC address", "a short mac")
  refuses({ port = 5 }, "port needs remote", "a port without a host")
  refuses({ via = "p0" }, "via needs remote", "an interface without a host")
  refuses({ remote = "10.0.0.1", own = false }, "remote belongs to the link's own database", "a host in a bridge")
  refuses({ remote = "10.0.0.1/8" }, "an address alone is wanted", "a network")
  refuses({ vlan = 4095 }, "vlan must be from 1 to 4094", "a VLAN too large")
  refuses({ state = "stale" }, "state must be one of permanent, static, dynamic", "a state that cannot be set")
  tap.eq({ fdb.add{ link = "p0", netns = N, mac = "02:00:00:00:00:01", remote = "10.0.0.1", via = "none" } },
    { nil, "fdb.add 02:00:00:00:00:01 on p0: via none: No such device", "ENODEV" }, "an interface that is missing")
  tap.eq(select(3, fdb.list{ netns = N, master = "none" }), "ENODEV", "a list of a bridge that is missing")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N, lo_up = true })
  assert(link.add{ kind = "veth", name = "n0", netns = N, up = true, peer = { name = "n1", up = true } })
  assert(link.add{ kind = "bridge", name = "br0", netns = N, up = true, forward_delay = 0 })
  assert(link.add{ kind = "veth", name = "p0", netns = N, up = true, master = "br0", peer = { name = "p1", up = true } })
  assert(link.add{ kind = "vxlan", name = "x0", netns = N, id = 7, source = "192.0.2.1", master = "br0" })
  assert(address.add{ link = "p1", netns = N, address = "10.1.0.1/24" })
  test_neighbour()
  test_bad_neighbour()
  test_bridge()
  test_learned()
  test_vxlan()
  test_bad_fdb()
end)
clean()
if not good then error(problem, 0) end
tap.done()
