-- Links of the kinds tap and tun: owners, headers, queues, persistence, and what is refused.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local batch <const> = require "nerv.batch"
local sh <const> = kernel.shell

local N <const> = "nltt"

local function clean() kernel.forget(N) end

local function ip(name) return kernel.link(N, name) end

local function test_tap()
  assert(link.add{ kind = "bridge", name = "br0", netns = N, up = true })
  tap.eq({ link.add{ kind = "tap", name = "t0", netns = N, owner = "nobody", owner_group = 4242, vnet_header = true,
    multi_queue = true, mac = "02:00:00:00:00:07", mtu = 1400, master = "br0", group = 0x40000007,
    alias = "nltt:t0", up = true, index = 77 } }, { true }, "a tap with all options")
  local seen = ip "t0"
  tap.eq({ seen.linkinfo.info_kind, seen.linkinfo.info_data.type, seen.linkinfo.info_data.vnet_hdr,
    seen.linkinfo.info_data.multi_queue, seen.linkinfo.info_data.persist, seen.linkinfo.info_data.user,
    seen.linkinfo.info_data.group },
    { "tun", "tap", true, true, true, "nobody", 4242 }, "ip: kind, headers, owners")
  tap.eq({ seen.address, math.tointeger(seen.mtu), seen.master, seen.ifalias, math.tointeger(seen.ifindex) },
    { "02:00:00:00:00:07", 1400, "br0", "nltt:t0", 77 }, "ip: the rest")
  local got = link.get{ name = "t0", netns = N }
  tap.eq({ got.kind, got.owner, got.owner_group, got.vnet_header, got.multi_queue, got.persistent, got.mac, got.mtu,
    got.master, got.group, got.alias, got.up, got.carrier, got.index },
    { "tap", tonumber(sh "id -u nobody"), 4242, true, true, true, "02:00:00:00:00:07", 1400, "br0", 0x40000007,
      "nltt:t0", true, false, 77 }, "read back; nobody has it open")
  tap.eq(#link.list{ netns = N, kind = "tap" }, 1, "list by kind")
  tap.eq(#link.list{ netns = N, kind = "tun" }, 0, "a tap is no tun")
  local function sys(file) return tonumber(sh(("ip netns exec %s cat /sys/class/net/t0/%s"):format(N, file))) end
  tap.eq({ sys "tun_flags", sys "owner", sys "group" }, { 0x5902, got.owner, 4242 },   -- linux/if_tun.h
    "sysfs: tap, no packet information, virtio header, several queues, persistent")
  tap.ok(link.delete{ name = "t0", netns = N }, "delete")
  tap.eq(ip "t0", nil, "it is gone")
end

local function test_plain()
  tap.ok(link.add{ kind = "tap", name = "t1", netns = N }, "a tap with nothing but a name")
  local got = link.get{ name = "t1", netns = N }
  tap.eq({ got.owner, got.owner_group, got.vnet_header, got.multi_queue, got.persistent, got.up },
    { nil, nil, false, false, true, false }, "of root alone, without headers, one queue, down")
  tap.ok(link.add{ kind = "tun", name = "u0", netns = N, mtu = 1300, up = true }, "a tun")
  got = link.get{ name = "u0", netns = N }
  tap.eq({ got.kind, got.mtu, got.up, got.mac }, { "tun", 1300, true, nil }, "read back")
  tap.eq(ip "u0".linkinfo.info_data.type, "tun", "ip: type")
  tap.eq(batch.run{ { "link.add", { kind = "tap", name = "t2", netns = N, owner = 1000 } },
    { "link.set", { name = "t2", netns = N, master = "br0", up = true } } }, 2, "in a batch")
  got = link.get{ name = "t2", netns = N }
  tap.eq({ got.owner, got.master }, { 1000, "br0" }, "as wanted")
end

local function test_failures()
  tap.eq({ link.add{ kind = "tap", name = "t1", netns = N } }, { nil, "link.add t1: File exists", "EEXIST" },
    "the name of another tap")
  tap.eq({ link.add{ kind = "tap", name = "br0", netns = N } }, { nil, "link.add br0: File exists", "EEXIST" },
    "the name of another link")
  tap.eq({ link.add{ kind = "tap", name = "t3", netns = N, master = "none" } },
    { nil, "link.add t3: master none: No such device", "ENODEV" }, "a master that is missing")
  tap.eq(ip "t3", nil, "nothing is left")
  tap.eq(select(3, link.add{ kind = "tap", name = "t3", netns = N, mtu = 65536 }), "EINVAL", "an MTU too large")
  tap.eq(ip "t3", nil, "nothing is left")
  tap.eq(select(3, link.add{ kind = "tap", name = "t3", netns = N, index = 1 }), "EBUSY", "an index that is taken")
  tap.eq(select(3, link.add{ kind = "tap", name = "t3", netns = "nltt-none" }), "ENOENT", "a namespace that is missing")
end

local function test_misuse()
  local function refuses(options, pattern, text)
    tap.raises(function() link.add(options) end, pattern, text)
  end
  refuses({ kind = "tap", name = "x", owner = "no-such-user" }, "there is no user 'no%-such%-user'", "an unknown user")
  refuses({ kind = "tap", name = "x", owner = -1 }, "owner must be a name or a number", "a negative user")
  refuses({ kind = "tap", name = "x", owner_group = "no-such-group" }, "there is no group", "an unknown group")
  refuses({ kind = "tap", name = "x", owner = {} }, "owner must be a name or a number", "a table as user")
  refuses({ kind = "veth", name = "x", owner = 0 }, "owner belongs to a tap or tun, not to a veth", "owner of a veth")
  refuses({ kind = "bridge", name = "x", multi_queue = false }, "multi_queue belongs to a tap or tun", "of a bridge")
  refuses({ kind = "tun", name = "x", mac = "02:00:00:00:00:01" }, "a tun carries no Ethernet frames", "MAC of a tun")
  refuses({ kind = "tap", name = "x", vnet_header = 1 }, "vnet_header must be true or false", "a number as boolean")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N })
  test_tap()
  test_plain()
  test_failures()
  test_misuse()
end)
clean()
if not good then error(problem, 0) end
tap.done()
