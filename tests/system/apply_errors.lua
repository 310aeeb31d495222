-- apply: what is wrong with a file is found before anything is changed, and named with the file and the place in it; what
-- fails on a node is undone; and the command in each of its ways.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local dir <const> = system.directory()
local path <const> = dir.path .. "/lab.lua"
local pattern <const> = path:gsub("%p", "%%%0")

local tb <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local before <const> = system.inventory(tb)
local export <const> = configuration.text(configuration.export())

local function refused(body, message)
  file.write(path, body)
  for _, words in ipairs { { "apply", path }, { "apply", "--dry-run", path } } do
    local r = system.nervsh(words)
    local said = r.stderr:gsub(path:gsub("%p", "%%%0"), "FILE")
    tap.ok(r.exit == 1 and r.stdout == "" and said:find("^nervsh: " .. message .. "[^\n]*\n$"),
      (#words == 3 and "dry run, " or "") .. message:gsub("\n", ""), r)
  end
end
local function networks(body)
  return "return { version = 1, networks = { testbed = { archetype = 'testbed', count = 2 }, " .. body .. " } }"
end
local function endpoints(body)
  return networks("blue = { archetype = 'ip', subnet = '10.1.0.0/24', home = 'pm1', endpoints = { " .. body .. " } }")
end

-- the file
for body, message in pairs {
  ["return {"] = "apply: FILE:1: ",
  ["return 5"] = "apply: FILE: it returns no table, but number",
  [""] = "apply: FILE: it returns no table, but nil",
  ["return { networks = os.getenv 'X' }"] = "apply: FILE: there is no global 'os' here: a configuration is plain data",
  ["x = 1 return {}"] = "apply: FILE: a global 'x' is set: a configuration is plain data",
  ["while true do end"] = "apply: FILE: it ran for longer than it may",
  ["error 'mine'"] = "apply: FILE: there is no global 'error' here",
  ["return ('x').rep"] = "apply: FILE: it returns no table, but function",
  ["return {}"] = "FILE: the table 'networks' is missing",
  ["return { netwroks = {} }"] = "FILE: netwroks: unknown entry; did you mean 'networks'%?",
  ["return { version = 2, networks = {} }"] = "FILE: version: 1 is expected, not 2",
  ["return { networks = 5 }"] = "FILE: networks: a table of networks is expected",
  ["return { networks = { {} } }"] = "FILE: networks.1: a name is expected",
  ["return { networks = { ['a b'] = {} } }"] = "FILE: networks%[\"a b\"%]: a name is expected",
  ["return { networks = { a = 5 } }"] = "FILE: networks.a: a table of options is expected",
  ["local t = {} t.t = t return { networks = { a = t } }"] = "FILE: networks.a.t.t",
  ["return { networks = { a = { f = function() end } } }"] = "FILE: networks.a.f: plain data is expected, not a function",
} do refused(body, message) end
file.remove(path)
local absent = system.nervsh { "apply", path }
tap.eq({ absent.exit, absent.stderr }, { 1, ("nervsh: apply: %s: No such file or directory\n"):format(path) }, "a file that is not there")
tap.eq(system.nervsh({ "apply" }).stderr, "nervsh: apply: argument 'file' is missing (as 'export' prints it; - is standard input)\n", "no file")

-- networks
for body, message in pairs {
  ["red = {}"] = "networks.red: the archetype is missing; there are bridge, ",
  ["red = { archetype = 'birdge' }"] = "networks.red.archetype: unknown archetype 'birdge'; did you mean 'bridge'%?",
  ["red = { archetype = 5 }"] = "networks.red.archetype: '5' is no archetype name",
  ["red = { archetype = 'ip' }"] = "networks.red: option 'subnet' is missing",
  ["red = { archetype = 'ip', subnet = '10.1' }"] = "networks.red.subnet: bad CIDR",
  ["red = { archetype = 'ip', sbnet = '10.1' }"] = "networks.red.sbnet: unknown option; did you mean 'subnet'%?",
  ["red = { archetype = 'bridge', mtu = 'big' }"] = "networks.red.mtu: an integer from 68",
  ["red = { archetype = 'bridge', home = 'pm3' }"] = "networks.red.home: unknown node 'pm3'; did you mean 'pm[12]'%?",
  ["red = { archetype = 'bridge', home = 3 }"] = "networks.red.home: the name of a node is expected",
  ["blue = { archetype = 'ip', subnet = '10.1.0.0/24', x = 1 }"] = "networks.blue.x: unknown option",
  ["red = { archetype = 'bridge', endpoints = 5 }"] = "networks.red.endpoints: a table of endpoints is expected",
  ["tc = { archetype = 'testbed', count = 1, prefix = 'pm' }"] = "networks.tc: node 'pm1' exists",
  ["tc = { archetype = 'testbed', count = 300, prefix = 'x' }"] = "networks.tc: count: a testbed has at most 250 nodes",
  ["tc = { archetype = 'testbed', prefix = 'x', endpoints = { a = {} } }"] = "networks.tc.endpoints: a testbed has no endpoints",
  ["tc = { archetype = 'testbed', prefix = 'a-name-that-is-long' }"] = "networks.tc: prefix is too long",
} do refused(networks(body), "FILE: " .. message) end
refused("return { networks = { testbed = { archetype = 'testbed', prefix = 'xx' } } }", "FILE: networks.testbed: prefix cannot be changed")
refused("return { networks = { red = { archetype = 'bridge', home = 'pm1' } } }", "FILE: networks.red.home: unknown node 'pm1'")

-- endpoints
for body, message in pairs {
  ["{ }"] = "1: a name is expected",
  ["h1 = 'x'"] = "h1: a table of options is expected",
  ["h1 = { node = 'pm9' }"] = "h1.node: unknown node 'pm9'",
  ["h1 = { adress = '10.1.0.9' }"] = "h1.adress: unknown option; did you mean 'address'%?",
  ["h1 = { address = '10.2.0.9' }"] = "h1.address: network blue: address 10.2.0.9 ",
  ["h1 = { address = 'x' }"] = "h1.address: ",
  ["h1 = { address = '10.1.0.9' }, h2 = { address = '10.1.0.9' }"] = "h2.address: network blue: address 10.1.0.9 is taken",
  ["h1 = { mac = 'x' }"] = "h1.mac: six hexadecimal",
  ["h1 = { mac = '02:00:00:00:00:01' }, h2 = { mac = '02:00:00:00:00:01' }"] = "h2.mac: MAC address 02:00:00:00:00:01 is taken",
  ["h1 = { kind = 'veth' }"] = "h1: option 'netns' is missing",
  ["h1 = { kind = 'tub' }"] = "h1.kind: one of netns, tap",
} do refused(endpoints(body), "FILE: networks.blue.endpoints[.]" .. message) end
refused(networks "red = { archetype = 'ip', subnet = '10.9.0.0/30', endpoints = { a = {}, b = {} } }",
  "FILE: networks.red.endpoints.b.address: network red: no free address")

-- what only the nodes know
refused(endpoints "h1 = { node = 'pm1', kind = 'link', interface = 'nope0' }", "FILE: networks.blue: [^\n]*nope0")
refused(endpoints "h1 = { node = 'pm1', mtu = 9000 }", "FILE: networks.blue: [^\n]*mtu 9000 is more than the network's")
system.same_inventory(before, tb, "nothing has been touched by any of them")
tap.eq(configuration.text(configuration.export()), export, "nor in the rows")

-- a step that fails on its node is undone, the message says how far it came
local foreign = "ip -n pm link add"
local ns <const> = tb:netns "pm2"
file.write(path, networks [[blue = { archetype = 'ip', subnet = '10.1.0.0/24', home = 'pm1', endpoints = { h1 = { node = 'pm1' }, h2 = { node = 'pm2' },
  h3 = { node = 'pm2', kind = 'tap', interface = 'tap-x' } } }, first = { archetype = 'bridge' } ]])
local steps = configuration.apply(path, { dry_run = true })
tap.eq(#steps, 2, "two changes")
tap.ok(link.add { netns = ns, kind = "dummy", name = "tap-x" } or link.add { netns = ns, kind = "bridge", name = "tap-x" }, foreign)
local r = system.nervsh { "apply", path }
tap.ok(r.exit == 1 and r.stderr:find("^nervsh: " .. pattern .. ": networks.blue: [^\n]*tap%-x[^\n]*\n$"), "an interface is in the way", r)
tap.ok(not blue:get "h3", "nothing of the change is left")
tap.eq(blue:verify(), {}, "and the system is as before")
link.delete { netns = ns, name = "tap-x" }
tap.ok(system.nervsh({ "apply", path }).exit == 0 and blue:get "h3", "out of the way: it works")

-- the command
file.write(path, export)
r = system.nervsh { "apply", path }
tap.ok(r.exit == 0 and r.stderr == "" and
  r.stdout:find "^delete network first: %d+ operations? on [^\n]*\ndelete 1 endpoint of network blue: %d+ operations? on pm2\n$",
  "what is done, a line each", r)
tap.eq(system.nervsh({ "apply", path }).stdout, "nothing to change\n", "nothing to do")
tap.eq(system.nervsh({ "apply", path, "-f", "json" }).stdout, "[]\n", "in JSON")
tap.eq(system.nervsh({ "apply", "-" }, { input = export }).stdout, "nothing to change\n", "from standard input")
r = system.nervsh({ "apply", "-" }, { input = "return {" })
tap.ok(r.exit == 1 and r.stderr:find "^nervsh: apply: stdin:1: ", "which may be wrong, too", r)
file.write(path, (export:gsub("subnet = ", "mtu = 1400, subnet = ")))
r = system.nervsh { "apply", "-n", path, "-f", "json" }
local planned <const> = json.decode(r.stdout)[1]
tap.ok(r.exit == 0 and planned.change == "update network blue: its options" and planned.node == "pm1" and planned.verb == "change",
  "a dry run in JSON", r)
r = system.nervsh { "plan", "apply", path }
tap.ok(r.exit == 0 and r.stdout:find "^update network blue: its options: %d+ operations on pm1, pm2\n  pm1 +change +link ", "plan apply", r)
tap.eq(blue.mtu, 1500, "which does nothing")
r = system.nervsh { "apply", path, "-f", "csv" }
tap.ok(r.exit == 0 and r.stdout:find "^change,node,verb,kind,key,owner\nupdate network blue: its options,pm1,change,link,", "in CSV", r)
tap.eq(blue.mtu, 1400, "which is done")
file.write(path, "return { networks = { red = { archetype = 'bridge' } } }")
r = system.nervsh { "apply", "--keep", path }
tap.ok(r.exit == 0 and r.stdout:find "^create network red: %d+ operations? on [^\n]*\n$" and network.get "blue" and network.get "red",
  "--keep: what the file does not name stays", r)
file.write(path, "return { networks = { testbed = { archetype = 'testbed', count = 1 } } }")
r = system.nervsh { "apply", "--keep", path }
tap.ok(r.exit == 1 and r.stderr:find("networks: node 'pm2' cannot go: network blue is on it", 1, true), "nor does its node go", r)

-- export
r = system.nervsh { "export", dir.path .. "/out.lua" }
tap.ok(r.exit == 0 and r.stdout == "" and file.read(dir.path .. "/out.lua") == configuration.text(configuration.export()), "export to a file", r)
tap.eq(system.nervsh({ "-c", "export" }).stdout, configuration.text(configuration.export()), "export to standard output")
tap.eq(system.nervsh({ "export", "--pin" }).stdout, configuration.text(configuration.export { pin = true }), "pinned")
r = system.nervsh { "export", "/no/such/dir/x" }
tap.ok(r.exit == 1 and r.stderr:find "^nervsh: export: /no/such/dir/x", "export to where nothing can be", r)

-- another lab on another machine: the node need not have that name
file.write(path, "return { networks = { green = { archetype = 'ip', subnet = '10.1.0.0/24', endpoints = { a = {}, b = {} } } } }")
local other <const> = system.state()
r = system.nervsh({ "--node", "elsewhere", "apply", path, }, { env = other.env })
tap.ok(r.exit == 0, "applied to a new lab", r)
r = system.nervsh({ "--node", "elsewhere", "-c", "apply " .. path, "-c", "pingall", "-c", "export" }, { env = other.env })
tap.ok(r.exit == 0 and r.stdout:find "0%% lost %(2 of 2 answered%)\n" and not r.stdout:find "home =", "it needs no node's name", r)
require("nerv.instance").clean(other.path)

-- from Lua
tap.raises(function() configuration.apply(5) end, "apply_errors.lua:%d+: configuration.apply: a table or the path of a file is expected", "no table, no path")
tap.eq({ configuration.apply "/no/such/x" }, { nil, "/no/such/x: No such file or directory", "ENOENT" }, "a file that is not there")
tap.raises(function() configuration.apply { networks = { a = { archetype = "ip" } } } end,
  "apply_errors.lua:%d+: configuration: networks.a: option 'subnet' is missing", "a table that is wrong")
tap.raises(function() configuration.apply({ networks = {} }, { dry = true }) end, "unknown option 'dry'", "an option that is none")
configuration.apply { networks = {} }
file.remove_tree(dir.path)
tap.done()
