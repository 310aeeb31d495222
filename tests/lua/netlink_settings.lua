-- Shaping, hooks, kernel settings and offloads.
local tap <const> = require "tap"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local qdisc <const> = require "nerv.qdisc"
local sysctl <const> = require "nerv.sysctl"
local ethtool <const> = require "nerv.ethtool"

local N <const> = "nlts"

local function sh(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  return pipe:read("a")
end

local function clean()
  if netns.exists(N) then netns.delete{ path = N } end
end

local function root_qdisc()
  for _, q in ipairs(qdisc.list{ netns = N, link = "s0" }) do
    if q.parent == "root" then return q end
  end
end

local function test_tbf()
  tap.eq({ qdisc.add{ link = "s0", netns = N, kind = "tbf", rate = 100e6, burst = 25000, latency = 0.05,
    handle = "1:" } }, { true }, "100 Mbit/s")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"),
    "tbf 1: root refcnt %d+ rate 100Mbit burst 25000b lat 50ms", "tc agrees")
  local q = root_qdisc()
  tap.eq({ q.kind, q.rate, q.handle, q.link, q.limit }, { "tbf", 100000000, "1:", "s0", 650000 }, "read back")
  tap.ok(math.abs(q.burst - 25000) < 10 and math.abs(q.latency - 0.05) < 0.001, "burst and latency",
    q.burst, q.latency)
  tap.ok(math.type(q.stats.packets) == "integer" and q.stats.drops == 0, "statistics")
  tap.eq(select(3, qdisc.add{ link = "s0", netns = N, kind = "tbf", rate = 1e6, handle = "2:" }), "EEXIST", "twice")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "tbf", rate = 10e9, burst = 1000000, latency = 0.05,
    replace = true }, "replaced by 10 Gbit/s")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "rate 10Gbit burst 9%d+b lat 50ms", "tc agrees on 10 Gbit/s")
  tap.eq(root_qdisc().rate, 10000000000, "10 Gbit/s read back")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "tbf", rate = 100e9, replace = true, limit = 1000000 },
    "100 Gbit/s, past 32 bits of bytes/s")
  tap.eq(root_qdisc().rate, 100000000000, "100 Gbit/s read back")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "rate 100Gbit", "tc agrees on 100 Gbit/s")
  tap.ok(qdisc.delete{ link = "s0", netns = N }, "delete")
  tap.ok(root_qdisc() == nil or root_qdisc().kind ~= "tbf", "it is gone")
  tap.eq(select(3, qdisc.delete{ link = "s0", netns = N }), "ENOENT", "gone is gone")
end

local function test_hook()
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "clsact" }, "clsact")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "qdisc clsact ffff: parent ffff:fff1", "tc agrees")
  tap.eq(select(3, qdisc.add{ link = "s0", netns = N, kind = "clsact" }), "EEXIST", "twice")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "tbf", rate = 1e9 }, "beside a tbf")
  tap.ok(qdisc.delete{ link = "s0", netns = N, kind = "clsact" }, "delete")
  tap.ok(root_qdisc(), "the tbf stays")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "ingress" }, "ingress")
  tap.ok(qdisc.delete{ link = "s0", netns = N, parent = "ingress" }, "delete by its place")
  tap.eq(select(3, qdisc.add{ link = "none", netns = N, kind = "clsact" }), "ENODEV", "a link that is missing")
end

local function test_bad_qdisc()
  local function refuses(options, pattern, text)
    options.link, options.netns = "s0", N
    tap.raises(function() qdisc.add(options) end, pattern, text)
  end
  refuses({ kind = "tbf" }, "a tbf needs rate, in bits/s", "no rate")
  refuses({ kind = "tbf", rate = 0 }, "rate must be from 8", "rate 0")
  refuses({ kind = "tbf", rate = 0 / 0 }, "rate must be from 8", "not a number")
  refuses({ kind = "tbf", rate = 1e6, latency = 1, limit = 5 }, "exclude each other", "latency and limit")
  refuses({ kind = "tbf", rate = 1e12, latency = 3600 }, "more than 4 GiB", "too much waits")
  refuses({ kind = "tbf", rate = 1e6, handle = "x" }, 'bad handle "x"', "handle")
  refuses({ kind = "tbf", rate = 1e6, handle = "1:2:3" }, "bad handle", "three parts")
  refuses({ kind = "tbf", rate = 1e6, parent = "12345:" }, "bad parent", "parent")
  refuses({ kind = "clsact", rate = 1e6 }, "rate belongs to a tbf, not to a clsact", "rate of a hook")
  refuses({ kind = "clsact", parent = "root" }, "has a place of its own", "place of a hook")
  refuses({ kind = "tbx", rate = 1e6 }, 'unknown kind "tbx"; did you mean tbf', "nearest kind")
end

local function test_sysctl()
  local name = "net.ipv6.conf.s0.disable_ipv6"
  tap.eq(sysctl.get{ name = name, netns = N }, "0", "read in a namespace")
  tap.eq({ sysctl.set{ name = name, netns = N, value = true } }, { true }, "set by a boolean")
  tap.eq(sysctl.get{ name = name, netns = N }, "1", "it is set")
  tap.like(sh("ip netns exec " .. N .. " cat /proc/sys/net/ipv6/conf/s0/disable_ipv6"), "^1\n$", "cat agrees")
  tap.ok(sysctl.set{ name = "net/ipv6/conf/s0/disable_ipv6", netns = N, value = 0 }, "with slashes, by a number")
  tap.ok(sysctl.set{ name = name, netns = N, value = "1" }, "by a string")
  tap.ok(sysctl.get{ name = "net.ipv4.ip_forward" }, "here")
  tap.eq(sysctl.get{ name = "net.ipv4.ping_group_range", netns = N }, "1\t0", "two values")
  tap.ok(link.set{ name = "s1", netns = N, rename = "s1.5" }, "a name with a dot")
  tap.eq(sysctl.get{ name = "net/ipv4/conf/s1.5/forwarding", netns = N }, "0", "by slashes")
  tap.eq(sysctl.get{ name = "net.ipv4.conf.s1/5.forwarding", netns = N }, "0", "or swapped, as sysctl(8)")
  tap.eq({ sysctl.get{ name = "net.none", netns = N } },
    { nil, "sysctl.get net.none: No such file or directory", "ENOENT" }, "a name that is missing")
  tap.eq(select(3, sysctl.set{ name = name, netns = N, value = "yes" }), "EINVAL", "a value that the kernel refuses")
  tap.eq(select(3, sysctl.get{ name = name }), "ENOENT", "s0 is not here")
  local before = sysctl.get{ name = "net.ipv4.ip_forward" }
  tap.ok(sysctl.set{ name = "net.ipv4.ip_forward", netns = N, value = before == "0" }, "the other value there")
  tap.eq(sysctl.get{ name = "net.ipv4.ip_forward" }, before, "changes nothing here")
  for _, bad in ipairs{ "", "net/../kernel/hostname", "net..ipv4", "/net", "net/ipv4/", "a/." } do
    tap.raises(function() sysctl.get{ name = bad } end, "name", "refused: " .. bad)
  end
  tap.raises(function() sysctl.set{ name = name, value = {} } end,
    "value must be a string, a number, true or false", "a table")
end

local function test_ethtool()
  local before = ethtool.get{ link = "s0", netns = N }
  tap.eq({ before.tx_checksum, before.tso, before.gso }, { true, true, true }, "a veth's offloads")
  tap.ok(ethtool.set{ link = "s0", netns = N, tx_checksum = false, gro = true }, "change two")
  local now = ethtool.get{ link = "s0", netns = N }
  tap.eq({ now.tx_checksum, now.tso, now.gso, now.gro }, { false, false, true, true }, "tso went with its checksum")
  tap.ok(ethtool.set{ link = "s0", netns = N, tso = true, tx_checksum = true, gso = false }, "and back")
  now = ethtool.get{ link = "s0", netns = N }
  tap.eq({ now.tx_checksum, now.tso, now.gso }, { true, true, false }, "as set")
  tap.eq({ ethtool.get{ link = "none", netns = N } }, { nil, "ethtool.get none: No such device", "ENODEV" },
    "a link that is missing")
  tap.eq(select(3, ethtool.set{ link = "none", netns = N, gso = true }), "ENODEV", "set of a link that is missing")
  tap.raises(function() ethtool.set{ link = "s0" } end, "nothing to set", "nothing to set")
  tap.raises(function() ethtool.set{ link = "s0", tos = true } end, "did you mean 'tso'", "nearest option")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N })
  assert(link.add{ kind = "veth", name = "s0", netns = N, up = true, peer = { name = "s1" } })
  test_tbf()
  test_hook()
  test_bad_qdisc()
  test_sysctl()
  test_ethtool()
end)
clean()
if not good then error(problem, 0) end
tap.eq(sh("ip netns list | grep " .. N), "", "nothing is left")
tap.done()
