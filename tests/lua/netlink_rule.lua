-- Rules of policy routing: what they select, what they do, and what is refused.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local route <const> = require "nerv.route"
local rule <const> = require "nerv.rule"
local batch <const> = require "nerv.batch"
local sh <const> = kernel.shell

local N <const> = "nltu"

local function ip(family, priority)
  return sh(("ip -n %s -%d rule show priority %d"):format(N, family, priority))
end

local function clean() kernel.forget(N) end

--- The rule of a priority as it is listed, without what was not asked about.
local function listed(priority, family)
  for _, r in ipairs(rule.list{ netns = N, family = family }) do
    if r.priority == priority then return r end
  end
end

local function add(options)
  options.netns = N
  return rule.add(options)
end

local function test_list()
  tap.eq(rule.list{ netns = N, family = 4 }, {
    { family = 4, priority = 0, action = "lookup", table = 255, protocol = 2 },
    { family = 4, priority = 32766, action = "lookup", table = 254, protocol = 2 },
    { family = 4, priority = 32767, action = "lookup", table = 253, protocol = 2 } }, "the kernel's own")
  local all = rule.list{ netns = N }
  tap.ok(#all > 3 and all[#all].family == 6, "of both families")
end

local function test_add()
  local wanted = { priority = 100, from = "10.1.0.0/16", to = "10.2.0.0/24", iif = "lo", oif = "r0", fwmark = 0x17,
    fwmask = 0xff, invert = true, table = 1000, suppress_prefix_length = 8, protocol = 77 }
  local options = {}
  for k, v in pairs(wanted) do options[k] = v end
  tap.eq({ add(options) }, { true }, "a rule with all options")
  wanted.family, wanted.action = 4, "lookup"
  tap.eq(listed(100), wanted, "read back")
  tap.like(ip(4, 100), "100:%s+not from 10%.1%.0%.0/16 to 10%.2%.0%.0/24 fwmark 0x17/0xff iif lo oif r0 %[detached%] " ..
    "lookup 1000 suppress_prefixlength 8 proto 77", "ip says so")
  tap.eq({ rule.add(options) }, { nil, "rule.add priority 100: File exists", "EEXIST" }, "twice")
  tap.ok(add{ priority = 101, from = "fd00::/8", table = 70000 }, "IPv6, and a table of a large number")
  tap.eq(listed(101), { family = 6, priority = 101, from = "fd00::/8", action = "lookup", table = 70000, protocol = 0 },
    "read back")
  tap.like(ip(6, 101), "from fd00::/8 lookup 70000", "ip says so")
  for i, action in ipairs{ "blackhole", "unreachable", "prohibit", "nop" } do
    tap.ok(add{ priority = 200 + i, action = action, fwmark = i }, action)
    tap.eq({ listed(200 + i).action, listed(200 + i).fwmark, listed(200 + i).table }, { action, i, nil }, "read back")
    tap.like(ip(4, 200 + i), "fwmark 0x" .. i .. " " .. action, "ip says so")
  end
  tap.ok(add{ priority = 300, action = "goto", target = 32766, from = "10.9.9.9" }, "goto")
  tap.eq({ listed(300).action, listed(300).target, listed(300).from }, { "goto", 32766, "10.9.9.9/32" }, "read back")
  tap.like(ip(4, 300), "from 10%.9%.9%.9 goto 32766", "ip says so")
  tap.ok(add{ family = 6, priority = 301, table = 9 }, "a family alone")
  tap.like(ip(6, 301), "from all lookup 9", "ip says so")
  tap.ok(add{ table = 5, from = "0.0.0.0/0" }, "without a priority")
  local list = rule.list{ netns = N, family = 4 }
  tap.eq({ list[2].table, list[2].priority }, { 5, 99 }, "it comes before all but the first")
end

local function test_effect()
  assert(address.add{ link = "r0", netns = N, address = "10.7.0.1/24" })
  assert(route.add{ to = "10.8.0.0/16", via = "10.7.0.9", netns = N, table = 500 })
  tap.eq(route.get{ to = "10.8.1.1", netns = N }, nil, "no way before")
  tap.eq(batch.run{ { "rule.add", { netns = N, priority = 400, to = "10.8.0.0/16", table = 500 } } }, 1, "in a batch")
  local way = route.get{ to = "10.8.1.1", netns = N }
  tap.eq(way and { way.via, way.table }, { "10.7.0.9", 500 }, "by the rule's table")
  tap.eq(batch.run{ { "rule.delete", { netns = N, priority = 400 } } }, 1, "deleted in a batch")
  tap.eq(route.get{ to = "10.8.1.1", netns = N }, nil, "no way after")
end

local function test_delete()
  tap.ok(rule.delete{ netns = N, priority = 100 }, "by priority")
  tap.eq(listed(100), nil, "it is gone")
  tap.eq({ rule.delete{ netns = N, priority = 100 } }, { nil, "rule.delete priority 100: No such file or directory",
    "ENOENT" }, "gone is gone")
  tap.ok(rule.delete{ netns = N, from = "fd00::/8" }, "by its network")
  tap.eq(ip(6, 101), "", "ip says so")
  tap.ok(rule.delete{ netns = N, action = "prohibit" }, "by its action")
  tap.eq(listed(203), nil, "it is gone")
  tap.ok(listed(202), "others are not")
  tap.eq(select(3, rule.delete{ netns = N, family = 6, priority = 201 }), "ENOENT", "not of another family")
end

local function test_misuse()
  local function refuses(options, pattern, text)
    tap.raises(function() rule.add(options) end, pattern, text)
  end
  refuses({}, "the action lookup needs a table", "nothing")
  refuses({ action = "blackhole", table = 5 }, "table belongs to the action lookup", "a table of a black hole")
  refuses({ action = "goto" }, "the action goto needs a target", "no target")
  refuses({ table = 5, target = 5 }, "target belongs to the action goto", "a target of a lookup")
  refuses({ action = "drop" }, "action must be one of lookup, goto, nop, blackhole, unreachable, prohibit", "an unknown action")
  refuses({ table = 0 }, "table must be from 1", "table 0")
  refuses({ table = 5, from = "10.1.0.1/16" }, 'from: .* the network is "10%.1%.0%.0/16"', "bits after the prefix")
  refuses({ table = 5, from = "10.1.0.0/16", to = "fd00::/8" }, "of one family", "two families")
  refuses({ table = 5, from = "10.1.0.0/16", family = 6 }, "of one family", "another family")
  refuses({ table = 5, fwmask = 1 }, "fwmask needs fwmark", "a mask alone")
  refuses({ table = 5, iif = "" }, "iif is empty", "an empty name")
  refuses({ table = 5, priority = -1 }, "priority must be from 0", "a negative priority")
  refuses({ tabel = 5 }, "did you mean 'table'", "an unknown option")
  tap.raises(function() rule.delete{ netns = N } end, "say which rule", "deleting just any")
  tap.raises(function() rule.delete{ netns = N, family = 4 } end, "say which rule", "or any of a family")
  tap.eq(select(3, rule.list{ netns = "nltu-none" }), "ENOENT", "a namespace that is missing")
  tap.eq(select(3, add{ priority = 500, action = "goto", target = 400 }), "EINVAL", "going back")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N, lo_up = true })
  test_list()
  test_add()
  assert(link.add{ kind = "veth", name = "r0", netns = N, up = true, peer = { name = "r1", up = true } })
  test_effect()
  test_delete()
  test_misuse()
end)
clean()
if not good then error(problem, 0) end
tap.done()
