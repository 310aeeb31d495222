-- Classes and filters: who gets which share of a link.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local qdisc <const> = require "nerv.qdisc"
local class <const> = require "nerv.class"
local filter <const> = require "nerv.filter"
local batch <const> = require "nerv.batch"
local paths <const> = require "nerv.paths"
local sh <const> = kernel.shell

local A <const>, B <const> = "nlcA", "nlcB"

local function tc(words) return sh("tc -n " .. A .. " " .. words) end

local function here(options)
  options.link, options.netns = options.link or "c0", A
  return options
end

local function find(classid)
  for _, c in ipairs(class.list(here {})) do
    if c.classid == classid then return c end
  end
end

local function test_classes()
  tap.ok(qdisc.add(here { kind = "htb", handle = "1:", default = "1:20" }), "htb")
  tap.like(tc "qdisc show dev c0", "htb 1: root refcnt %d+ r2q 10 default 0x20", "tc agrees")
  tap.eq({ class.add(here { classid = "1:1", rate = 100e6 }) }, { true }, "a class")
  tap.ok(class.add(here { parent = "1:1", classid = "1:10", rate = 10e6, ceil = 100e6, prio = 3, burst = 20000,
    cburst = 30000, quantum = 3000 }), "a class below it, with all options")
  local shown = tc "-d class show dev c0"
  tap.like(shown, "class htb 1:10 parent 1:1 .-prio 3 quantum 3000 rate 10Mbit ceil 100Mbit", "tc agrees")
  tap.like(shown, "burst %d+b/1 mpu 0b cburst %d+b/1", "on bursts, too")
  local c = find "1:10"
  tap.eq({ c.kind, c.rate, c.ceil, c.prio, c.quantum, c.parent, c.link },
    { "htb", 10000000, 100000000, 3, 3000, "1:1", "c0" }, "read back")
  tap.ok(math.abs(c.burst - 20000) < 10 and math.abs(c.cburst - 30000) < 10, "bursts", c.burst, c.cburst)
  tap.eq({ find("1:1").parent, find("1:1").ceil }, { "root", 100000000 }, "the upper one")
  tap.eq(select(3, class.add(here { classid = "1:1", rate = 1e6 })), "EEXIST", "twice")
  tap.ok(class.set(here { classid = "1:10", rate = 20e9, ceil = 50e9 }), "set")
  tap.eq({ find("1:10").rate, find("1:10").ceil }, { 20000000000, 50000000000 }, "past 32 bits of bytes/s")
  tap.like(tc "class show dev c0", "1:10 parent 1:1 prio 0 rate 20Gbit ceil 50Gbit", "tc agrees")
  tap.ok(class.add(here { classid = "1:10", parent = "1:1", rate = 10e6, replace = true }), "replace changes it")
  tap.eq(find("1:10").rate, 10000000, "as one sees")
  tap.eq(select(3, class.set(here { classid = "1:77", rate = 1e6 })), "ENOENT", "set what is not there")
  tap.eq(batch.run { { "class.add", here { classid = "1:20", parent = "1:1", rate = 5e6 } },
    { "class.set", here { classid = "1:20", rate = 6e6 } } }, 2, "in a batch")
  tap.ok(qdisc.add(here { kind = "pfifo", parent = "1:20", handle = "20:", limit = 10 }), "a queue in a class")
  tap.eq(find("1:20").leaf, "20:", "is its leaf")
  tap.eq(select(3, class.delete(here { classid = "1:1" })), "EBUSY", "a class that others need stays")
  tap.eq(select(3, class.delete(here { classid = "1:99" })), "ENOENT", "delete what is not there")
end

local function counted(classid)
  local n = 0
  for _, c in ipairs(class.list(here {})) do
    if c.classid == classid then n = c.stats.packets end
  end
  return n
end

local function test_filters()
  tap.ok(filter.add(here { parent = "1:", priority = 5, to = "10.9.0.2", classid = "1:10" }), "by receiver")
  tap.like(tc "filter show dev c0", "parent 1: protocol ip pref 5 u32.*flowid 1:10.*match 0a090002/ffffffff at 16",
    "tc agrees")
  local list = filter.list(here {})
  tap.eq(#list, 1, "one filter")
  tap.eq({ list[1].kind, list[1].parent, list[1].priority, list[1].protocol, list[1].classid, list[1].link },
    { "u32", "1:", 5, "ip", "1:10", "c0" }, "read back")
  tap.eq(list[1].match, { { offset = 16, value = 0x0a090002, mask = 0xffffffff } }, "what it matches")
  local fore, other = counted "1:10", counted "1:20"
  sh("ip netns exec " .. A .. " ping -q -c 3 -i 0.05 -W 1 10.9.0.2")
  tap.ok(counted "1:10" >= fore + 3, "the class counts what the filter sends to it")
  sh("ip netns exec " .. A .. " ping -q -c 3 -i 0.05 -W 1 10.9.0.3")
  tap.ok(counted "1:20" >= other + 3, "the default class counts the rest")
  local theirs = {}
  for name, numbers in (tc "-s class show dev c0" .. tc "-s qdisc show dev c0")
    :gmatch "%l+ %w+ (%x+:%x*) [^\n]*\n Sent ([^\n]*\n backlog [^\n]*)" do
    theirs[name] = {}
    for number in numbers:gmatch "%d+" do table.insert(theirs[name], math.tointeger(number)) end
  end
  local ours = class.list(here {})
  table.move(qdisc.list(here {}), 1, 2, #ours + 1, ours)
  for _, entry in ipairs(ours) do
    local name = entry.classid or entry.handle
    local have = entry.stats
    tap.eq({ have.bytes, have.packets, have.drops, have.overlimits, have.requeues, have.backlog, have.qlen },
      table.move(theirs[name] or {}, 1, 7, 1, {}), name .. ": tc agrees on statistics")
  end
  tap.eq(select(3, class.delete(here { classid = "1:10" })), "EBUSY", "a class that a filter needs stays")
  tap.ok(filter.add(here { priority = 9, protocol = "all", classid = "1:20",
    match = { { offset = -16, value = 0x1234, mask = 0xffff }, { offset = 0, value = 0 } } }), "by bits, at the root")
  tap.like(tc "filter show dev c0 pref 9",
    "match 00001234/0000ffff at %-16.*match 00000000/ffffffff at 0", "tc agrees")
  tap.ok(filter.add(here { priority = 10, protocol = 0x88b5, classid = "1:20" }), "an EtherType, every packet of it")
  list = filter.list(here { parent = "1:" })
  tap.eq({ #list, list[3].protocol, list[3].match }, { 3, 0x88b5, nil }, "read back")
  tap.ok(filter.delete(here { priority = 9 }), "delete one priority")
  tap.eq(#filter.list(here {}), 2, "the others stay")
  tap.eq(select(3, filter.delete(here { priority = 77 })), "ENOENT", "a priority without filters")
  tap.ok(filter.delete(here {}), "delete all")
  tap.eq(tc "filter show dev c0", "", "tc agrees")
  tap.ok(class.delete(here { classid = "1:10" }), "now the class can go")
  tap.ok(qdisc.delete(here {}), "and the htb with the others")
  tap.eq(class.list(here {}), {}, "no class is left")
end

local function test_hooks()
  tap.ok(qdisc.add(here { kind = "clsact" }), "clsact")
  tap.ok(filter.add(here { parent = "egress", priority = 1, mirror = "c2" }), "a copy of what is sent")
  tap.ok(filter.add(here { parent = "ingress", priority = 2, redirect = "c2" }), "what comes goes elsewhere")
  tap.like(tc "filter show dev c0 egress", "mirred %(Egress Mirror to device c2%) pipe", "tc agrees on the copy")
  tap.like(tc "filter show dev c0 ingress", "mirred %(Egress Redirect to device c2%) stolen", "and on the redirection")
  local egress, ingress = filter.list(here { parent = "egress" }), filter.list(here { parent = "ingress" })
  tap.eq({ #egress, egress[1].parent, egress[1].mirror, egress[1].redirect }, { 1, "egress", "c2", nil }, "egress")
  tap.eq({ #ingress, ingress[1].parent, ingress[1].redirect, ingress[1].mirror }, { 1, "ingress", "c2", nil }, "ingress")
  local before = link.get { name = "c2", netns = A }.stats.tx_packets
  sh("ip netns exec " .. A .. " ping -q -c 2 -i 0.05 -W 1 10.9.0.2")
  tap.ok(link.get { name = "c2", netns = A }.stats.tx_packets > before, "copies leave")
  tap.ok(qdisc.delete(here { kind = "clsact" }), "the filters go with their hook")
end

-- A program that is pinned by the switch.
local function test_bpf()
  local program_path, dir = paths.libexec() .. "/nerv-nve", file.temp_dir "nerv-c-"
  assert(file.mount { target = dir, type = "bpf" })
  local switch <const> = process.spawn { argv = { program_path, "--log-level", "error", "--pin", dir .. "/nve",
    "-i", "1@c2", "--thrift-socket", "@", "p4/nve_vlan.json" }, netns = A, stdout = "null" }
  local program = tap.eventually(10, function()
    return sh("find " .. dir .. " -name program"):match "^/%S+"
  end)
  assert(qdisc.add(here { kind = "clsact" }))
  tap.eq({ filter.add(here { parent = "ingress", kind = "bpf", program = program, priority = 3 }) }, { true },
    "a pinned program")
  tap.like(tc "filter show dev c0 ingress", "pref 3 bpf .*direct%-action", "tc agrees")
  local list = filter.list(here { parent = "ingress" })
  tap.eq({ list[1].kind, list[1].name, list[1].direct_action }, { "bpf", program:match "[^/]*$", true }, "read back")
  tap.eq(select(3, filter.add(here { parent = "ingress", kind = "bpf", program = dir .. "/none" })), "ENOENT",
    "no such program")
  assert(filter.delete(here { parent = "ingress" }))
  tap.ok(filter.add(here { parent = "ingress", kind = "bpf", drop = true, priority = 4 }), "what drops every packet")
  tap.like(tc "filter show dev c0 ingress", "pref 4 bpf .*direct%-action.*'1,6 0 0 2'", "tc agrees")
  list = filter.list(here { parent = "ingress" })
  tap.eq({ #list, list[1].drop }, { 1, true }, "read back")
  for _, bad in ipairs { { program = "x" }, { kind = "u32" }, { direct_action = false } } do
    bad.parent, bad.kind, bad.drop = "ingress", bad.kind or "bpf", true
    tap.ok(not pcall(filter.add, here(bad)), "and what excludes it")
  end
  assert(qdisc.delete(here { kind = "clsact" }))
  switch:kill "TERM"
  switch:wait()
  process.run { argv = { program_path, "--remove", "--pin", dir .. "/nve" } }
  assert(file.umount(dir))
  assert(file.remove(dir))
end

local function test_kinds()
  for kind, there in pairs(filter.kinds()) do
    local words = { u32 = "u32 match u32 0 0", matchall = "matchall", bpf = "bpf bytecode '1,6 0 0 0'" }
    assert(qdisc.add(here { kind = "htb", handle = "1:" }))
    local said = tc("filter add dev c0 parent 1: protocol all " .. words[kind] .. " flowid 1:1")
    tap.eq(there, not said:find "classifier not found", kind .. ": tc agrees on whether it is there")
    if not there then
      tap.eq({ filter.add(here { kind = kind, classid = "1:1" }) }, { nil, ("filter.add %s on c0: this kernel has " ..
        "no %s (module cls_%s): Operation not supported"):format(kind, kind, kind), "EOPNOTSUPP" },
        kind .. " is refused, with the reason")
    end
    assert(qdisc.delete(here {}))
  end
end

local function test_bad()
  local function refuses(f, options, pattern, text)
    tap.raises(function() f(here(options)) end, pattern, text)
  end
  refuses(class.add, { classid = "1:1" }, "option 'rate' is missing", "no rate")
  refuses(class.add, { classid = "1:", rate = 1e6 }, "both numbers are wanted", "half a name")
  refuses(class.add, { classid = "1:1", rate = 1e6, parent = "2:1" }, "the same first number", "a parent elsewhere")
  refuses(class.add, { classid = "1:1", rate = 2e6, ceil = 1e6 }, "ceil is less than rate", "ceil")
  refuses(class.add, { classid = "1:1", rate = 2e6, prio = 8 }, "prio must be from 0 to 7", "prio")
  refuses(class.set, { classid = "1:1", rate = 1e6, parent = "1:" }, "unknown option 'parent'", "a class cannot move")
  tap.eq(select(3, class.add(here { classid = "1:1", rate = 1e6 })), "ENOENT", "without an htb")
  refuses(filter.add, {}, "say what becomes of the packets", "a filter for nothing")
  refuses(filter.add, { classid = "1:1", from = "fd00::1" }, "no IPv4 address", "IPv6")
  refuses(filter.add, { classid = "1:1", from = "10.0.0.300" }, "from: ", "no address")
  refuses(filter.add, { classid = "1:1", from = "10.0.0.1", protocol = "arp" }, 'protocol "ip" only', "from of arp")
  refuses(filter.add, { classid = "1:1", match = { { offset = 3, value = 1 } } }, "no multiple of 4", "offset")
  refuses(filter.add, { classid = "1:1", match = { { offset = 4 } } }, "option 'value' is missing", "no value")
  refuses(filter.add, { classid = "1:1", match = { 5 } }, "each match must be", "no table")
  refuses(filter.add, { classid = "1:1", match = { { offset = 0, value = -1 } } }, "value must be from 0", "value")
  refuses(filter.add, { classid = "1:1", kind = "u33" }, "did you mean u32", "nearest kind")
  refuses(filter.add, { classid = "1:1", kind = "matchall", to = "10.0.0.1" }, "belong to a u32", "to of a matchall")
  refuses(filter.add, { classid = "1:1", kind = "bpf" }, "needs program", "no program")
  refuses(filter.add, { classid = "1:1", program = "/x" }, "belong to a bpf", "program of a u32")
  refuses(filter.add, { classid = "1:1", protocol = "ipx" }, 'unknown protocol "ipx"', "protocol")
  refuses(filter.add, { classid = "1:1", protocol = {} }, "protocol must be a name or an EtherType", "protocol of a type")
  refuses(filter.add, { redirect = "c2", mirror = "c2" }, "exclude each other", "two places")
  local many = {}
  for i = 1, 33 do many[i] = { offset = 4 * i, value = 1 } end
  refuses(filter.add, { classid = "1:1", match = many }, "too many matches", "33 matches")
  tap.eq(select(3, filter.add(here { classid = "1:1" })), "EINVAL", "nothing there that has classes")
  tap.eq(select(3, filter.add(here { redirect = "none" })), "ENODEV", "no such interface")
  tap.eq(select(3, filter.list(here { link = "none" })), "ENODEV", "nor to list")
end

for _, name in ipairs { A, B } do
  if netns.exists(name) then netns.delete { path = name } end
end
local good, problem = pcall(function()
  assert(netns.add { path = A })
  assert(netns.add { path = B })
  assert(link.add { kind = "veth", name = "c0", netns = A, up = true, peer = { name = "c1", netns = B } })
  assert(link.set { name = "c1", netns = B, up = true })
  assert(link.add { kind = "veth", name = "c2", netns = A, up = true, peer = { name = "c3", netns = B } })
  assert(link.set { name = "c3", netns = B, up = true })
  assert(address.add { link = "c0", netns = A, address = "10.9.0.1/24" })
  assert(address.add { link = "c1", netns = B, address = "10.9.0.2/24" })
  test_classes()
  test_filters()
  test_hooks()
  test_bpf()
  test_kinds()
  test_bad()
end)
netns.delete { path = A }
netns.delete { path = B }
if not good then error(problem, 0) end
tap.done()
