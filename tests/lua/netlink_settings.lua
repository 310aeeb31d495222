-- Shaping, hooks, kernel settings and offloads.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local qdisc <const> = require "nerv.qdisc"
local sysctl <const> = require "nerv.sysctl"
local ethtool <const> = require "nerv.ethtool"
local batch <const> = require "nerv.batch"
local sh <const> = kernel.shell

local N <const> = "nlts"

local function clean() kernel.forget(N) end

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

local function test_in_place()
  assert(qdisc.add{ link = "s0", netns = N, kind = "tbf", rate = 10e6, handle = "1:" })
  tap.eq({ qdisc.set{ link = "s0", netns = N, kind = "tbf", rate = 20e6 } }, { true }, "a rate is changed")
  local q = root_qdisc()
  tap.eq({ q.rate, q.handle }, { 20000000, "1:" }, "it is the same one, with the new rate")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "tbf 1: root refcnt %d+ rate 20Mbit", "tc agrees")
  tap.eq(batch.run{ { "qdisc.set", { link = "s0", netns = N, kind = "tbf", rate = 30e6 } },
    { "qdisc.add", { link = "s0", netns = N, kind = "tbf", rate = 40e6, replace = true } } }, 2, "in a batch")
  q = root_qdisc()
  tap.eq({ q.rate, q.handle }, { 40000000, "1:" }, "replace changes in place, too")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "pfifo", parent = "1:1", handle = "10:", limit = 20 }, "a queue in it")
  tap.ok(qdisc.set{ link = "s0", netns = N, kind = "pfifo", parent = "1:1", limit = 30 }, "is changed in its place")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "pfifo 10: parent 1:1 limit 30p", "tc agrees on the inner one")
  tap.eq(select(3, qdisc.set{ link = "s0", netns = N, kind = "htb" }), "ENOENT", "an htb is not there")
  tap.eq(select(3, qdisc.set{ link = "s0", netns = N, kind = "pfifo", limit = 5 }), "ENOENT", "another kind is there")
  tap.eq(root_qdisc().rate, 40000000, "which stays")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "pfifo", limit = 5, replace = true }, "which replace puts away")
  tap.eq({ root_qdisc().kind, root_qdisc().limit }, { "pfifo", 5 }, "the other kind")
  tap.ok(qdisc.set{ link = "s0", netns = N, kind = "pfifo", limit = 7 }, "its limit is changed")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "pfifo %x+: root refcnt %d+ limit 7p", "tc agrees on packets")
  tap.ok(qdisc.delete{ link = "s0", netns = N }, "delete")
  tap.eq(select(3, qdisc.set{ link = "s0", netns = N, kind = "tbf", rate = 1e6 }), "ENOENT", "nothing to change")
  tap.ok(qdisc.add{ link = "s0", netns = N, kind = "bfifo", limit = 9000 }, "bfifo")
  tap.like(sh("tc -n " .. N .. " qdisc show dev s0"), "bfifo %x+: root refcnt %d+ limit 9000b", "tc agrees on bytes")
  tap.ok(qdisc.delete{ link = "s0", netns = N, kind = "bfifo" }, "delete")
  tap.raises(function() qdisc.set{ link = "s0", netns = N, kind = "clsact" } end, "a clsact has nothing to change",
    "a hook cannot be changed")
end

-- Makes one of each kind that the kernel has, and reads it back; of the others the refusal is tested.
local function test_kinds()
  local options = {
    tbf = { rate = 1e6 }, htb = { default = "1:30", handle = "1:" }, pfifo = { limit = 100 },
    bfifo = { limit = 100000 }, prio = { bands = 5 },
    netem = { delay = 0.0255, jitter = 0.005, loss = 0.015, duplicate = 0.01, corrupt = 0.001, reorder = 0.25,
      limit = 50, rate = 1e6 },
    fq_codel = { limit = 500, flows = 64, target = 0.007, interval = 0.15, quantum = 300, ecn = true },
    clsact = {}, ingress = {},
  }
  local there = qdisc.kinds()
  for kind, values in pairs(options) do
    local asked = { link = "s0", netns = N, kind = kind }
    for k, v in pairs(values) do asked[k] = v end
    local tc = sh(("tc -n %s qdisc add dev s1 %s"):format(N,
      (kind == "clsact" or kind == "ingress") and kind or "root " .. kind))
    tap.eq(there[kind], not tc:find "qdisc kind is unknown", kind .. ": tc agrees on whether it is there")
    sh(("{ tc -n %s qdisc del dev s1 root; tc -n %s qdisc del dev s1 clsact; }"):format(N, N))
    if there[kind] then
      tap.eq({ qdisc.supports(kind) }, { true }, kind .. " is there")
      tap.eq({ qdisc.add(asked) }, { true }, kind .. " is made")
      local have = {}
      for _, q in ipairs(qdisc.list{ netns = N, link = "s0" }) do
        if q.kind == kind then have = q end
      end
      for key, value in pairs(values) do tap.eq(have[key], math.tointeger(value) or value, kind .. " " .. key) end
      tap.ok(qdisc.delete{ link = "s0", netns = N, kind = kind }, kind .. " is deleted")
    else
      local text = ("this kernel has no %s (module sch_%s)"):format(kind, kind)
      tap.eq({ qdisc.supports(kind) }, { false, text }, kind .. " is not there")
      tap.eq({ qdisc.add(asked) },
        { nil, ("qdisc.add %s on s0: %s: Operation not supported"):format(kind, text), "EOPNOTSUPP" },
        kind .. " is refused, with the reason")
    end
  end
  tap.eq(select(3, qdisc.add{ link = "s0", netns = N, kind = "pfifo", limit = 5, parent = "7:1" }), "ENOENT",
    "a parent that is missing is no missing kind")
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
  refuses({ kind = "tbf", rate = 1e6, handle = "1:2" }, 'handle "1:2" names a class', "a class for a handle")
  refuses({ kind = "tbf", rate = 1e6, loss = 0.1 }, "loss belongs to a netem, not to a tbf", "loss of a tbf")
  refuses({ kind = "netem", loss = 5 }, "loss must be from 0 to 1, not 5", "more than all is lost")
  refuses({ kind = "netem", delay = -1 }, "delay must be from 0", "delay below zero")
  refuses({ kind = "netem", delay = 0.01, jitter = 0.02 }, "jitter is more than delay", "jitter above delay")
  refuses({ kind = "netem", reorder = 0.1 }, "reorder needs delay", "reorder without delay")
  refuses({ kind = "prio", bands = 2 }, "bands must be from 3 to 16", "two bands")
  tap.raises(function() qdisc.supports "net em" end, "did you mean netem", "supports: nearest kind")
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
  local wrong = 0   -- the mount by which these are found is replaced now and then
  for i = 1, 200 do
    local here, value = i % 2 == 0, tostring(i // 2 % 2)
    if here and sysctl.get{ name = "net.ipv4.ip_forward", netns = N } ~= "0" then wrong = wrong + 1 end
    if not here and not (sysctl.set{ name = name, netns = N, value = value }
      and sysctl.get{ name = name, netns = N } == value) then wrong = wrong + 1 end
  end
  tap.eq({ wrong, sysctl.set{ name = name, netns = N, value = 1 } }, { 0, true }, "again and again")
  local other = process.run { argv = { process.exe(), "-e", 'print(sysctl.get{ name = "net.ipv4.ip_forward" })' }, user = "nobody" }
  tap.eq(other.stdout, sysctl.get{ name = "net.ipv4.ip_forward" } .. "\n", "by who may mount nothing")
  local list = sysctl.list{ netns = N, below = "net.ipv4.conf" }
  local n = 0
  for key, value in pairs(list) do
    n = n + 1
    if sysctl.get{ name = key, netns = N } ~= value then tap.ok(false, "get agrees on " .. key) end
  end
  tap.eq(n, math.tointeger(sh("ip netns exec " .. N .. " find /proc/sys/net/ipv4/conf -type f | wc -l")),
    "list has every file")
  tap.eq(list["net.ipv4.conf.s1/5.forwarding"], "0", "list, with the dot in a name")
  tap.eq(sysctl.list{ netns = N, below = "net/ipv4/ip_forward" }, { ["net.ipv4.ip_forward"] = "0" }, "list of one")
  tap.eq(select(3, sysctl.list{ below = "net.none" }), "ENOENT", "list of what is missing")
  tap.ok(sysctl.list{}["kernel.ostype"] == "Linux", "list of all")
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
  local seen, differ = 0, {}
  local features = ethtool.features{ link = "s0", netns = N }
  for name, on, rest in sh("ip netns exec " .. N .. " ethtool -k s0"):gmatch "\t?([%w-_]+): (%l+)([^\n]*)\n" do
    local f = features[name]
    if f then
      seen = seen + 1
      if f.on ~= (on == "on") or f.fixed ~= (rest:find "fixed" ~= nil) then differ[#differ + 1] = name end
    end
  end
  tap.ok(seen > 30 and #differ == 0, "ethtool -k agrees on features", seen, differ)
  tap.ok(ethtool.set{ link = "s0", netns = N, features = { ["tx-nocache-copy"] = true, ["rx-gro-list"] = true } }, "set two")
  features = ethtool.features{ link = "s0", netns = N }
  tap.eq({ features["tx-nocache-copy"], features["rx-gro-list"].on }, { { on = true, fixed = false }, true }, "as set")
  tap.like(sh("ip netns exec " .. N .. " ethtool -k s0"), "tx%-nocache%-copy: on", "ethtool agrees")
  tap.eq({ ethtool.set{ link = "s0", netns = N, features = { ["tx-nocache-cop"] = true } } },
    { nil, "ethtool.set s0: there is no feature 'tx-nocache-cop'; did you mean 'tx-nocache-copy': Invalid argument",
      "EINVAL" }, "no such feature")
  tap.eq({ ethtool.set{ link = "s0", netns = N, features = { ["hw-tc-offload"] = true } } },
    { nil, "ethtool.set s0: feature 'hw-tc-offload' is fixed: Operation not supported", "EOPNOTSUPP" }, "a fixed one")
  tap.ok(ethtool.set{ link = "s0", netns = N, features = { ["hw-tc-offload"] = false } }, "which may be what it is")
  local info = ethtool.info{ link = "s0", netns = N }
  tap.eq({ info.driver, info.speed, info.duplex, info.autoneg, info.signal, info.channels.rx },
    { "veth", 10000000000, "full", false, false, 1 }, "info")
  tap.eq(select(3, ethtool.set{ link = "s0", netns = N, speed = 100000000 }), "EOPNOTSUPP", "a veth has one speed")
  tap.ok(link.add{ kind = "tap", name = "s2", netns = N }, "a tap")
  tap.ok(ethtool.set{ link = "s2", netns = N, speed = 100000000, duplex = "half", autoneg = true }, "which has what one says")
  info = ethtool.info{ link = "s2", netns = N }
  tap.eq({ info.driver, info.speed, info.duplex, info.autoneg }, { "tun", 100000000, "half", true }, "as set")
  tap.like(sh("ip netns exec " .. N .. " ethtool s2"), "Speed: 100Mb/s.*Duplex: Half.*Auto%-negotiation: on", "ethtool agrees")
  local counters = ethtool.statistics{ link = "s0", netns = N }
  tap.eq(counters.peer_ifindex, link.get{ name = "s1.5", netns = N }.index, "counters of the driver")
  local shown = 0
  for _ in sh("ip netns exec " .. N .. " ethtool -S s0"):gmatch "\n +[%w_]+: %d" do shown = shown + 1 end
  for _ in pairs(counters) do shown = shown - 1 end
  tap.eq(shown, 0, "as many as ethtool -S has")
  tap.eq(ethtool.statistics{ link = "lo", netns = N }, {}, "lo has none")
  for _, f in ipairs{ "features", "info", "statistics" } do
    tap.eq(select(3, ethtool[f]{ link = "none", netns = N }), "ENODEV", f .. " of a link that is missing")
  end
  tap.raises(function() ethtool.set{ link = "s0", speed = 1500000 } end, "whole Mbit/s", "half a Mbit/s")
  tap.raises(function() ethtool.set{ link = "s0", duplex = "ful" } end, "duplex must be", "duplex")
  tap.raises(function() ethtool.set{ link = "s0", features = { 1 } } end, "features are", "a list of features")
  tap.raises(function() ethtool.set{ link = "s0" } end, "nothing to set", "nothing to set")
  tap.raises(function() ethtool.set{ link = "s0", tos = true } end, "did you mean 'tso'", "nearest option")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N })
  assert(link.add{ kind = "veth", name = "s0", netns = N, up = true, peer = { name = "s1" } })
  test_tbf()
  test_in_place()
  test_kinds()
  test_hook()
  test_bad_qdisc()
  test_sysctl()
  test_ethtool()
end)
clean()
if not good then error(problem, 0) end
tap.eq(sh("ip netns list | grep " .. N), "", "nothing is left")
tap.done()
