-- create, add, update, delete, plan: one-shot, across two nodes, with dry runs and bad words; each in its formats.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local function run(line) return system.nervsh { "-c", line } end

local function good(line, pattern)
  local result = run(line)
  tap.ok(result.exit == 0 and result.stderr == "" and result.stdout:find("^" .. pattern .. "$"), line, result, pattern)
end

local function bad(line, pattern)
  local result = run(line)
  tap.ok(result.exit == 1 and result.stdout == "" and result.stderr:find("^nervsh: " .. pattern .. "[^\n]*\n$"), line, result, pattern)
end

local function records(line)
  local result = run(line .. " -f json")
  tap.ok(result.exit == 0, line .. " -f json", result)
  return json.decode(result.stdout) or {}
end

lab.state()   -- one lab for all that follows

-- a testbed, and networks on it
good("create tb testbed count=2 rate=1gbit", "NAME +ARCHETYPE +HOME +STATE\ntb +testbed +%S+ +active\n")
tap.eq({ testbed.get("tb").names, node.get("pm2").egress[1].mode }, { { "pm1", "pm2" }, "shared" }, "its nodes have joined")
bad("create tc testbed count=2", "testbed.create: node 'pm1' exists")
local empty <const> = system.inventory(testbed.get "tb")
tap.eq(records "create -n blue ip subnet=10.1.0.0/24 home=pm1", network.plan { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" },
  "a dry run is the plan")
tap.eq(system.inventory(testbed.get "tb"), empty, "and makes nothing")
tap.eq(records "create blue ip subnet=10.1.0.0/24 home=pm1 mtu=1450", { { name = "blue", archetype = "ip", home = "pm1", state = "active" } }, "a network")
tap.eq(network.get("blue").mtu, 1450, "a number is a number")
good("create red bridge stp=true", ".*\nred +bridge +.*")
tap.eq(network.get("red").stp, true, "a boolean is one")
good("create green ip subnet=10.3.0.0/24 forwarders=10.0.0.1,10.0.0.2 dns=false", ".*")
tap.eq(network.get("green").forwarders, { "10.0.0.1", "10.0.0.2" }, "a list")
good("create pink ip subnet=10.4.0.0/24 'forwarders=[\"10.0.0.3\"]'", ".*")
tap.eq(network.get("pink").forwarders, { "10.0.0.3" }, "a list in JSON")
for line, message in pairs {
  ["create"] = "create: argument 'network' is missing", ["create x"] = "create: argument 'archetype' is missing",
  ["create x nope"] = "create: unknown archetype 'nope'; there are ", ["create blue ip subnet=10.1.0.0/24"] = "network.create: network 'blue' exists",
  ["create x ip"] = "network.create: option 'subnet' is missing", ["create x ip sbnet=1"] = "create: unknown option 'sbnet'; did you mean 'subnet'%?",
  ["create x ip subnet=10.1"] = "create: subnet=10.1: bad CIDR", ["create x ip subnet=10.9.0.0/24 mtu=big"] = "create: mtu=big: an integer",
  ["create x ip h1 h2"] = "create: OPTION=VALUE is expected, not 'h1'; 'add' adds endpoints", ["create -x y z"] = "create: unknown option '%-x'",
  ["create 'a b' ip"] = "create: network 'a b': a name begins", ["create x bridge home=pm9"] = "unknown node 'pm9'; did you mean 'pm[12]'%?",
  ["create x bridge stp=yes"] = "create: stp=yes: true or false is expected",
} do bad(line, message) end

-- endpoints
tap.eq(#records "add -n blue h1 h2 node=pm1" > 5, true, "a dry run")
tap.eq(#network.get("blue"):endpoints(), 0, "makes none")
local rows <const> = records "add blue h1 h2 node=pm1"
tap.eq({ #rows, rows[1].name, rows[2].address, rows[2].node, rows[1].state }, { 2, "blue:h1", "10.1.0.3", "pm1", "active" }, "two at once")
good("add blue h3 node=pm2 address=10.1.0.77 mac=02:00:00:00:00:77", ".*\nblue:h3 +pm2 +02:00:00:00:00:77 +10.1.0.77 +active\n")
tap.ok(run("pingall blue").exit == 0, "they reach each other")
good("add red h1", "NAME +NODE +MAC +ADDRESS +STATE\nred:h1 +%S+ +%S+ +active\n")
for line, message in pairs {
  ["add"] = "add: argument 'network' is missing", ["add blue"] = "add: the name of an endpoint is expected", ["add nix h1"] = "add: there is no network 'nix'",
  ["add blue mtu=3"] = "add: the name of an endpoint is expected", ["add blue h1"] = "endpoint 'h1' of network blue exists",
  ["add blue h9 node=pm9"] = "unknown node 'pm9'", ["add blue h9 adress=10.1.0.9"] = "add: unknown option 'adress'; did you mean 'address'%?",
  ["add blue h9 address=10.2.0.9"] = "network blue: address 10.2.0.9 ", ["add blue h9 address=x"] = "add: address=x: ",
  ["add blue h8 h8"] = "endpoint 'h8' of network blue exists",
} do bad(line, message) end
tap.eq(#network.get("blue"):endpoints(), 3, "nothing of that was made")

-- changes in place
tap.eq(records "update blue mtu=1400 -n", network.get("blue"):plan("update", { mtu = 1400 }), "a dry run")
tap.eq(records "plan update blue mtu=1400", network.get("blue"):plan("update", { mtu = 1400 }), "or a plan")
good("update blue mtu=1400", "")
tap.eq({ network.get("blue").mtu, link.get { netns = network.get("blue"):get("h3").netns, name = "eth0" }.mtu }, { 1400, 1400 }, "on both nodes")
good("update blue archetype=bridge", "")
tap.eq(network.get("blue").archetype, "bridge", "another archetype")
good("update blue archetype=ip home=pm2", "")
tap.eq({ network.get("blue").archetype, network.get("blue").home, network.get("blue"):get("h3").address }, { "ip", "pm2", "10.1.0.77" }, "and back, another home")
for line, message in pairs {
  ["update"] = "update: argument 'name' is missing", ["update blue"] = "update: OPTION=VALUE is expected",
  ["update blue mtu"] = "update: OPTION=VALUE is expected, not 'mtu'",
  ["update nix mtu=1"] = "update: there is no network or endpoint 'nix'",
  ["update bleu mtu=1"] = "update: there is no network or endpoint 'bleu'; did you mean 'blue'%?",
  ["update blue mtu=1"] = "update: mtu=1: an integer from 68", ["update blue archetype=nope"] = "update: unknown archetype 'nope'",
  ["update blue name=red"] = "update: unknown option 'name'",
} do bad(line, message) end

-- plans
good("plan delete blue -f csv", "node,verb,kind,key,owner\n.*remove.*")
good("plan add blue x", "NODE +VERB +KIND +KEY +OWNER\n.*create +netns.*")
bad("plan", "plan: one of these is expected: add,.* create, delete,.* update")
bad("plan nodes", "plan: 'nodes' cannot be planned; one of these")
bad("plan delete nix", "delete: there is no network or endpoint 'nix'")
tap.eq(#network.list(), 5, "nothing of that was done")

-- ends
for line, message in pairs {
  ["delete"] = "delete: the name of a network or an endpoint is expected", ["delete nix"] = "delete: there is no network or endpoint 'nix'",
  ["delete h2 nix"] = "delete: there is no network or endpoint 'nix'", ["delete h1"] = "endpoint 'h1' is in networks blue and red: name it NETWORK:h1",
} do bad(line, message) end
tap.eq(#network.get("blue"):endpoints(), 3, "nothing was deleted")
good("delete blue:h1 h2 red:h1", "")
tap.eq({ #network.get("blue"):endpoints(), #network.get("red"):endpoints() }, { 1, 0 }, "endpoints of two networks")
tap.ok(#records "delete red" > 0, "a network; the records are what was done")
network.create { name = "h3", archetype = "bridge" }
bad("delete h3", "delete: 'h3' is a network and an endpoint: name the one blue:h3")
network.get("h3"):delete()
good("delete h3 green blue pink", "")
system.same_inventory(empty, testbed.get "tb", "nothing is left")
good("delete tb", "")
tap.eq({ #network.list(), #node.list() }, { 0, 1 }, "a testbed goes with its nodes")

-- from Lua
tap.eq(commands.create("blue", "ip", "subnet=10.1.0.0/24"), { { name = "blue", archetype = "ip", home = lab.here(), state = "active" } }, "create from Lua")
tap.eq(commands.add("blue", "a", "b")[2].name, "blue:b", "add from Lua")
tap.ok(#commands.delete("blue", { dry_run = true }) > 0 and network.get "blue", "delete from Lua, dry")
tap.ok(commands.delete("blue") and not network.get "blue", "delete from Lua")
tap.done()
