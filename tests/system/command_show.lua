-- net, ep, links, dump, graph: what they show of two nodes, in each format, against the kernel and with bad words.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1", mtu = 1400 }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local red <const> = network.create { name = "red", archetype = "bridge" }
red:endpoint { { name = "b1", rate = "10mbit" }, { name = "h2" } }

local function run(line) return system.nervsh { "-c", line } end

local function records(line)
  local result = run(line .. " -f json")
  tap.ok(result.exit == 0 and result.stderr == "", line .. " -f json", result)
  return json.decode(result.stdout) or {}
end

local function good(line, pattern)
  local result = run(line)
  tap.ok(result.exit == 0 and result.stderr == "" and result.stdout:find(pattern), line, result, pattern)
  return result.stdout
end

local function bad(line, pattern)
  local result = run(line)
  tap.ok(result.exit == 1 and result.stdout == "" and result.stderr:find("^nervsh: " .. pattern .. "[^\n]*\n$"), line, result, pattern)
end

-- networks
local nets <const> = records "net"
tap.eq({ #nets, nets[1].name, nets[1].nodes, nets[1].endpoints, nets[2].home }, { 3, "blue", { "pm1", "pm2" }, 2, lab.here() }, "its records")
tap.eq(commands.net("list", { format = "json" }), nets, "the same from Lua")
good("net list -f csv", "^name,archetype,home,nodes,endpoints,state\nblue,ip,pm1,\"pm1,pm2\",2,active\n")
local one <const> = records "net show blue"
local shown <const> = one[1].options
tap.eq({ #one, one[1].archetype, shown.mtu, shown.subnet, one[1].endpoints[2].address }, { 1, "ip", 1400, "10.1.0.0/24", "10.1.0.3" },
  "net show: options and endpoints")
tap.eq(one[1].tags, { data = blue.ports.data.tag }, "and tags")
good("net show blue", "^network blue\n  archetype +ip\n.*\n  endpoint blue:h1\n    kind +netns\n    node +pm1\n")
bad("net show", "net: show which network%?")
bad("net list blue", "net: list takes no network")
bad("net shw", "net: action 'shw': one of list, show is expected; did you mean 'show'%?")
bad("net show bleu", "net: there is no network 'bleu'; did you mean 'blue'%?")
bad("net -f xml", "net: format 'xml': one of table, json, csv")

-- endpoints
tap.eq(#records "ep", 4, "all endpoints")
tap.eq(#records "ep red", 2, "those of a network")
local h1 <const> = records "ep show h1"
tap.eq({ #h1, h1[1].name, h1[1].node, h1[1].mac, h1[1].netns }, { 1, "blue:h1", "pm1", blue:get("h1").mac, blue:get("h1").netns }, "ep show")
good("ep show b1", "\n  options .*rate=10000000\n")
good("ep show red:h2", "^endpoint red:h2\n  kind +netns\n  node .*\n  eth0 .*state=up")
bad("ep show h2", "endpoint 'h2' is in networks blue and red: name it NETWORK:h2")
bad("ep show", "ep: show which endpoint%?")
bad("ep show h3", "ep: there is no endpoint 'h3'")
bad("ep green", "ep: there is no network 'green'")
bad("ep blue h1", "ep: one network is expected, or: show ENDPOINT")

-- interfaces
local links <const> = records "links"
tap.eq(#links, 4, "an interface for each endpoint")
local by_name = {}
for _, l in ipairs(links) do by_name[l.name] = l end
for name, node_name in pairs { ["blue:h1"] = "pm1", ["blue:h2"] = "pm2" } do
  local l = by_name[name] or {}
  local have = link.get { netns = tb:netns(node_name), name = l.peer } or {}
  tap.eq({ l.node, l.interface, l.mtu, l.state, l.bridge }, { node_name, "eth0", 1400, "up", have.master }, name .. ": as the kernel has it")
end
tap.ok(by_name["red:b1"] and link.get { name = by_name["red:b1"].peer }, "on this node, too", by_name["red:b1"])
local function state_of(name)
  for _, l in ipairs(records "links blue") do
    if l.name == name then return l.state end
  end
end
link.set { netns = tb:netns "pm2", name = by_name["blue:h2"].peer, up = false }
tap.eq(state_of "blue:h2", "down", "one that is down")
link.set { netns = tb:netns "pm2", name = by_name["blue:h2"].peer, up = true }
blue:get("h1"):run("ip", "link", "set", "eth0", "down")
tap.eq(state_of "blue:h1", "no carrier", "one whose other end is down")
blue:get("h1"):run("ip", "link", "del", "eth0")
tap.eq(state_of "blue:h1", "missing", "one that is gone")
tap.eq(state_of "blue:h2", "up", "and one that is as it should")
blue:verify()
tap.eq(state_of "blue:h1", "up", "after its repair")
good("links red", "^NAME +INTERFACE +PEER +BRIDGE +NODE +STATE +MTU\nred:b1 +eth0 ")
bad("links green", "links: there is no network 'green'")

-- everything
local all <const> = records "dump"
tap.eq({ #all, #all[1].endpoints, all[1].endpoints[1].interfaces[1].state, #all[2].endpoints, all[3].endpoints }, { 3, 2, "up", 2, {} }, "dump has it all")
good("dump red", "^network red\n.*  endpoint red:b1\n.*  endpoint red:h2\n")
tap.ok(not run("dump red").stdout:find "blue", "dump of one network")

-- pictures
local dot <const> = good("graph", "^graph nerv {\n")
for _, text in ipairs { '"blue@pm1" %[shape=box, label="blue\\nip"%]', '"blue:h2" %[label="h2\\n10.1.0.3"%]', '"blue:h2" %-%- "blue@pm2"',
  '"blue@pm1" %-%- "nve@pm1" %[label="data ' .. blue.ports.data.tag, '"nve@pm2" %-%- "outside" %[label="trunk0"%]', '"red:b1" %-%- "red@' } do
  tap.like(dot, text, "the picture has " .. text)
end
local dir <const> = system.directory()
local parsed = process.run { argv = { "dot", "-Tplain" }, input = dot }
tap.ok(parsed and parsed.exit == 0 and parsed.stdout:find "\nnode \"blue:h1\" ", "graphviz reads it", parsed)
local svg = run("graph " .. dir.path .. "/a.svg")
tap.ok(svg.exit == 0 and svg.stdout == "" and file.read(dir.path .. "/a.svg"):find "<svg.*>10%.1%.0%.3<", "as SVG, by the file's ending", svg)
tap.ok(run("graph --format svg").stdout:find "^<%?xml", "as SVG on standard output")
tap.ok(run("graph " .. dir.path .. "/b.dot").exit == 0 and file.read(dir.path .. "/b.dot") == dot, "DOT in a file")
bad("graph /no/such/dir/x", "graph: /no/such/dir/x: No such file or directory")
bad("graph --format gif", "graph: format 'gif': one of dot, svg is expected")
local _, message = pcall(function()
  local bin = dir.path .. "/bin"
  file.mkdir(bin)
  return system.nervsh({ "graph", "--format", "svg" }, { env = { PATH = bin } }).stderr
end)
tap.like(message, "^nervsh: graph: graphviz is not installed", "without graphviz")

-- a node that does not answer
blue:delete()
red:delete()
tb:delete()
file.remove_tree(dir.path)
tap.done()
