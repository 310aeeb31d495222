-- `graph NETWORK`: what one network is composed of, as its rows want it, read back by graphviz; and the paper's views.
local tap <const> = require "tap"
local system <const> = require "support.system"
package.path = arg[0]:match "^(.*)/" .. "/../../scripts/paper/?.lua;" .. package.path

local tb <const> = testbed.create { nodes = 2 }
local nets <const> = {
  ip = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1", gateway = true, dns = true },
  sdn = network.create { name = "green", archetype = "sdn", subnet = "10.2.0.0/24", home = "pm2" },
  etarch = network.create { name = "uf", archetype = "etarch", home = "pm1" },
}
for _, net in pairs(nets) do net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } } end
nets.ip:endpoint { name = "vm", kind = "tap", node = "pm2" }

-- The picture as graphviz understands it: labels by name of a thing, edges as "A -- B" with their labels.
local function picture(net)
  local result <const> = system.nervsh { "graph", net.name }
  local parsed <const> = process.run { argv = { "dot", "-Tdot_json" }, input = result.stdout }
  local known <const> = tap.ok(result.exit == 0 and result.stderr == "" and parsed.exit == 0 and parsed.stderr == "", "graph " .. net.name,
    result, parsed) and json.decode(parsed.stdout) or { objects = {} }
  local seen, names = { edges = {}, inside = {}, label = known.label }, {}
  for i, object in ipairs(known.objects) do
    names[i] = object.name
    seen[object.name] = object.label
  end
  for _, object in ipairs(known.objects) do
    for _, i in ipairs(object.nodes or {}) do seen.inside[names[i + 1]] = object.name end   -- inner ones come later
  end
  for _, e in ipairs(known.edges or {}) do seen.edges[names[e.tail + 1] .. " -- " .. names[e.head + 1]] = e.label or "" end
  return seen
end

local function has_edges(seen, what, list)
  for _, one in ipairs(list) do tap.ok(seen.edges[one], what .. ": " .. one, seen.edges) end
end

local blue <const> = picture(nets.ip)
tap.eq({ blue.label, blue["cluster pm1"], blue["cluster pm2"], blue["cluster pm1 blue/lan"] },
  { "network blue (ip)", "pm1, home", "pm2", "lan (bridge)" }, "blue: titles, and what it is composed of")
tap.eq(blue.inside["pm1 link blue/bridge-data"], "cluster pm1 blue/lan", "blue: a thing is in the part that wants it")
tap.eq({ blue["endpoint h2"], blue["endpoint vm"] }, { "h2\\n" .. nets.ip:get("h2").address, "vm\\n" .. nets.ip:get("vm").address }, "blue: endpoints")
tap.eq(blue["pm1 netns blue/lan:gateway"], "gateway\\n10.1.0.1\\ndnsmasq", "blue: what runs, and where")
tap.eq(blue["pm2 netns blue/lan:gateway"], nil, "blue: on its home alone")
has_edges(blue, "blue", { "endpoint h1 -- pm1 link blue/bridge-data", "endpoint vm -- pm2 link blue/bridge-data",
  "pm1 netns blue/lan:gateway -- pm1 link blue/bridge-data", "pm1 link blue/bridge-data -- pm1 nve", "pm2 nve -- trunk" })
tap.eq(blue.edges["pm2 link blue/bridge-data -- pm2 nve"], (" data %d "):format(nets.ip.ports.data.tag), "blue: with its tag")

local green <const> = picture(nets.sdn)
tap.eq({ green["cluster pm2 green/control"], green["cluster pm2 green/data"], green["pm2 ovs_bridge green/switch-data"] },
  { "control (ip)", "data (ovs)", "Open vSwitch" }, "green: control and data networks")
tap.eq(green["pm2 netns green/control:controller"], "controller\\n192.168.255.1\\nlearning-switch\\nrelay", "green: the controller on its home")
tap.like(green["pm1 netns green/control:relay"], "^relay\\n192%.168%.255%.%d$", "green: a relay elsewhere")
has_edges(green, "green", { "pm1 ovs_bridge green/switch-data -- pm1 netns green/control:relay", "endpoint h1 -- pm1 ovs_bridge green/switch-data",
  "pm2 ovs_bridge green/switch-data -- pm2 netns green/control:controller", "pm1 link green/bridge-control -- pm1 nve" })
nets.sdn:update { controller = "tcp:192.0.2.7:6653" }
has_edges(picture(nets.sdn), "green, controlled from elsewhere", { "pm1 ovs_bridge green/switch-data -- tcp:192.0.2.7:6653" })

local entities <const> = {}
for i, title in ipairs { "alice", "bob", "carol" } do
  local netns <const> = nets.etarch:get(i == 1 and "h1" or "h2").netns
  entities[title] = tap.eventually(20, function()
    local made = entity.register { title = title, netns = netns }
    return made
  end)
end
tap.ok(entities.alice:create "room" and entities.bob:attach "room" and entities.carol:attach "room", "a workspace with three members")
local uf <const> = picture(nets.etarch)
tap.eq({ uf["cluster pm1 uf/sdn"], uf["cluster pm1 uf/sdn/control"], uf["cluster pm1 uf/sdn/control/lan"], uf["cluster pm1 uf/sdn/data"] },
  { "sdn (sdn)", "control (ip)", "lan (bridge)", "data (ovs)" }, "uf: composed of sdn, that of ip and ovs")
tap.like(uf["pm1 netns uf/sdn/control:controller"], "^controller\\n192%.168%.255%.%d+\\ndtsa\\nrelay$", "uf: the DTSA")
tap.eq({ uf["endpoint h1"], uf["endpoint h2"] }, { "h1\\nalice", "h2\\nbob\\ncarol" }, "uf: entities where they are")
has_edges(uf, "uf", { "workspace room -- endpoint h1", "workspace room -- endpoint h2" })

-- words
local function bad(line, pattern)
  local result <const> = system.nervsh { "-c", line }
  tap.ok(result.exit == 1 and result.stdout == "" and result.stderr:find("^nervsh: graph: " .. pattern), line, result, pattern)
end
bad("graph gren", "there is no network 'gren'; did you mean 'green'%?\n$")
bad("graph green /no/such/dir/x", "/no/such/dir/x: No such file or directory\n$")
local dir <close> = system.directory()
tap.eq(require("views").write(dir.path, nets), { ip = "view-ip.svg", sdn = "view-sdn.svg", etarch = "view-etarch.svg" }, "the paper's views")
for _, name in ipairs { "ip", "sdn", "etarch" } do
  local path <const> = ("%s/view-%s.svg"):format(dir.path, name)
  local checked <const> = process.run { argv = { "xmllint", "--noout", "--nonet", path } }
  tap.ok(checked.exit == 0 and file.read(path):find(nets[name].name), "view of " .. name .. ": well-formed", checked)
end
for _, net in pairs(nets) do net:delete() end
tb:delete()
tap.done()
