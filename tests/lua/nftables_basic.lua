-- nftables: packet filters and address translation in namespaces.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local route <const> = require "nerv.route"
local sysctl <const> = require "nerv.sysctl"
local nftables <const> = require "nerv.nftables"
local json <const> = require "nerv.json"
local batch <const> = require "nerv.batch"
local sh <const> = kernel.shell

local N <const>, IN <const>, OUT <const> = "nftN", "nftI", "nftO"

local function nft(words) return sh(("ip netns exec %s nft %s"):format(N, words)) end
local function run(commands, more)
  local options = { netns = N, commands = commands }
  for k, v in pairs(more or {}) do options[k] = v end
  return nftables.run(options)
end

-- Objects of one type in a listing.
local function all(type_name, list)
  local found = {}
  for _, object in ipairs(list) do found[#found + 1] = object[type_name] end
  return found
end

local function test_run()
  tap.eq({ nftables.supported() }, { true }, "this kernel can")
  tap.eq(nftables.list { netns = N }, {}, "nothing is there")
  tap.eq(run "add table ip x\nadd chain ip x y { type filter hook input priority 0; }", {}, "commands that print nothing")
  tap.like(nft "list ruleset", "table ip x {\n\tchain y {\n\t\ttype filter hook input priority filter; policy accept;",
    "nft agrees")
  tap.eq(nftables.list { table = "x" }, nil, "and not here")
  local added = run("add rule ip x y tcp dport 22 accept", { echo = true })
  tap.eq({ #added, added[1].add.rule.chain, math.type(added[1].add.rule.handle) }, { 1, "y", "integer" }, "echo")
  local list = nftables.list { netns = N }
  tap.eq({ #all("table", list), #all("chain", list), #all("rule", list) }, { 1, 1, 1 }, "list")
  tap.eq(all("rule", list)[1].handle, added[1].add.rule.handle, "the handle is the same")
  local theirs = json.decode(nft "-j -a list ruleset", { null = true }).nftables
  table.remove(theirs, 1)   -- about the program
  for _, object in ipairs(theirs) do if object.chain then object.chain.prio = 0 end end
  tap.eq(list, theirs, "as nft prints it")
  tap.eq({ #nftables.list { netns = N, family = "ip6" }, #nftables.list { netns = N, family = "ip", table = "x" } },
    { 0, 3 }, "by family and table")
  tap.eq(#run "list tables; list ruleset", 4, "several commands that print")
  tap.eq(run("add table ip nope", { dry_run = true }), {}, "a dry run")
  tap.ok(not nft "list tables":find "nope", "changes nothing")
  tap.eq(select(3, run("add rule ip x none accept", { dry_run = true })), "ENOENT", "but finds faults")
end

local function test_json()
  tap.eq(run { { add = { table = { family = "inet", name = "j" } } },
    { add = { chain = { family = "inet", table = "j", name = "c" } } },
    { add = { rule = { family = "inet", table = "j", chain = "c", expr = {
      { match = { op = "==", left = { payload = { protocol = "udp", field = "dport" } }, right = 53 } },
      { counter = { packets = 0, bytes = 0 } }, { drop = json.null } } } } } }, {}, "commands as tables")
  tap.like(nft "list table inet j", "udp dport 53 counter packets 0 bytes 0 drop", "nft agrees")
  tap.eq({ run { { add = { table = { family = "inet" } } } } },
    { nil, "nftables.run: Object item not found: name: Invalid argument", "EINVAL" }, "a table without a name")
  tap.eq(select(3, run { { delete = { table = { family = "inet", name = "none" } } } }), "ENOENT", "of what is not there")
  tap.ok(run { { delete = { table = { family = "inet", name = "j" } } } }, "deleted")
end

local function test_faults()
  tap.eq({ run "add table ip z\nadd chain ip z c\nadd rule ip z c masquerad\nadd rule ip z c accept" },
    { nil, "nftables.run: line 3, column 26-26 (add rule ip z c masquerad): syntax error, unexpected newline: " ..
      "Invalid argument", "EINVAL" }, "a fault of the language, with its line")
  local _, message, code = run "add table ip z\nadd rule ip x yy accept"
  tap.like(message, "^nftables.run: line 2, column 15%-16 %(add rule ip x yy accept%): No such file or directory " ..
    "%(did you mean chain", "one that the kernel tells, with nft's hint")
  tap.eq(code, "ENOENT", "and its code")
  tap.ok(not nft "list tables":find "ip z", "all or nothing")
  tap.eq(select(3, run "create table ip x"), "EEXIST", "what is there already")
  tap.eq(select(3, run "delete table ip x y"), "EINVAL", "too many words")
  tap.eq(run "", {}, "no commands")
  tap.eq(run("# " .. ("x"):rep(100000) .. "\nlist tables")[1].table.name, "x", "a long comment")
  _, message = run("add table ip " .. ("x"):rep(5000))
  tap.ok(#message < 500, "a long name gives a short message", message)
  tap.eq(select(3, nftables.list { netns = N, table = "none" }), "ENOENT", "no such table")
  tap.eq({ nftables.list { netns = "nft-none" } }, { nil, "nftables.list: network namespace /run/netns/nft-none: " ..
    "No such file or directory", "ENOENT" }, "no such namespace")
  tap.raises(function() nftables.run { commands = 5 } end, "commands must be a text or a table, not number", "a number")
  tap.raises(function() nftables.run {} end, "option 'commands' is missing", "nothing")
  tap.raises(function() run "add table ip \0x" end, "NUL", "NUL")
  tap.raises(function() run { print } end, "json.encode", "a function")
  tap.raises(function() nftables.list { table = "x; delete table ip x" } end, "is no name of a table", "no commands in names")
  tap.raises(function() nftables.list { family = "ipx" } end, 'unknown family "ipx"', "family")
end

local function test_threads()
  local waits = {}
  for i = 1, 20 do
    waits[i] = task.spawn(function()
      assert(run(("add table ip t%d; add chain ip t%d c"):format(i, i)))
      return #nftables.list { netns = N, table = "t" .. i }
    end)
  end
  local sum = 0
  for _, t in ipairs(waits) do sum = sum + t:wait() end
  tap.eq(sum, 40, "many tasks at once")
  tap.eq(batch.run { { "nftables.run", { netns = N, commands = "delete table ip t1" } },
    { "nftables.run", { netns = N, commands = "list ruleset; delete table ip t2" } } }, 2, "in a batch")
  local _, message, code, index = batch.run { { "nftables.run", { netns = N, commands = "add table ip u" } },
    { "nftables.run", { netns = N, commands = "delete table ip t2" } } }
  tap.eq({ code, index }, { "ENOENT", 2 }, "a batch that fails")
  tap.like(message, "^nftables.run: line 1", "says why")
end

local function test_traffic()
  for _, name in ipairs { IN, OUT } do assert(netns.add { path = name }) end
  assert(link.add { kind = "veth", name = "i0", netns = N, up = true, peer = { name = "i1", netns = IN } })
  assert(link.add { kind = "veth", name = "o0", netns = N, up = true, peer = { name = "o1", netns = OUT } })
  assert(link.set { name = "i1", netns = IN, up = true })
  assert(link.set { name = "o1", netns = OUT, up = true })
  assert(address.add { link = "i0", netns = N, address = "10.1.0.1/24" })
  assert(address.add { link = "i1", netns = IN, address = "10.1.0.2/24" })
  assert(address.add { link = "o0", netns = N, address = "192.0.2.1/24" })
  assert(address.add { link = "o1", netns = OUT, address = "192.0.2.2/24" })
  assert(route.add { to = "default", via = "10.1.0.1", netns = IN })
  assert(sysctl.set { name = "net.ipv4.ip_forward", value = 1, netns = N })
  local ping = ("ip netns exec %s ping -q -c 1 -W 1 192.0.2.2"):format(IN)
  tap.like(sh(ping), "100%% packet loss", "without translation no answer comes back")
  assert(run [[
    add table ip out
    add chain ip out post { type nat hook postrouting priority srcnat; }
    add rule ip out post ip saddr 10.1.0.0/24 oifname "o0" counter masquerade ]])
  tap.like(sh(ping), " 0%% packet loss", "with it one does")
  local rule = all("rule", nftables.list { netns = N, table = "out" })[1]
  local counter
  for _, e in ipairs(rule.expr) do counter = e.counter or counter end
  tap.eq(counter.packets, 1, "as the rule counted")
end

local function clean()
  for _, name in ipairs { N, IN, OUT } do
    if netns.exists(name) then netns.delete { path = name } end
  end
end

clean()
local good, problem = pcall(function()
  assert(netns.add { path = N })
  test_run()
  test_json()
  test_faults()
  test_threads()
  test_traffic()
end)
clean()
if not good then error(problem, 0) end
tap.done()
