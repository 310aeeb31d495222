-- What only the system knows: handed from need to need, and read as a fact in a second call.
local tap <const> = require "tap"
local system <const> = require "support.system"

if not os.getenv "NERV_PATH" then   -- once more, with a search path of our own
  local dir <close> = system.directory()
  local result = process.spawn { argv = { process.exe(), arg[0], dir.path }, add_env = { NERV_PATH = dir.path } }:wait()
  file.remove_tree(dir.path)
  os.exit(result.exit or 1)
end
local dir <const> = arg[1]
local function save(name, text) return system.write(dir, name .. ".lua", text) end

save("knows", [[
return archetype {
  name = "knows", summary = "hands on what only the system knows",
  network = { mark = { type = "integer", default = 0, doc = "changes nothing but the rows" } },
  on_network = function(need, net)
    local ns = need.netns { id = net.name .. "/inner" }
    local bridge = need.link { kind = "bridge", name = "b", up = true }
    need.sysctl { netns = ns, name = "net.ipv4.conf.all.tag", value = bridge.ifindex }
    return { bridge = bridge }
  end,
  on_endpoint = function(need, net, ep)
    local ns = need.netns {}
    need.link { kind = "veth", name = "eth0", netns = ns, mac = ep.mac, up = true, peer = { master = net.made.bridge, up = true } }
    need.sysctl { netns = ns, name = "net.ipv4.conf.all.tag", value = net.made.bridge.ifindex }
  end,
}]])
save("asks", [[
return archetype {
  name = "asks", summary = "branches on what only the system knows",
  on_network = function(need, net)
    need.link { kind = "bridge", name = "b", up = true }
    local index = net.facts["b.ifindex"]
    if index then
      local ns = need.netns { id = net.name .. "/inner" }
      need.sysctl { netns = ns, name = "net.ipv4.conf.all.tag", value = index }
    end
  end,
  on_endpoint = function() end,
}]])

local function bridge_index(name)
  for _, l in ipairs(link.list { alias_prefix = ("nerv:%s:%s"):format(lab.connection().hello.instance, name) }) do
    if l.kind == "bridge" then return l.index end
  end
end
local function tag(ns) return tonumber(sysctl.get { netns = ns, name = "net.ipv4.conf.all.tag" }) end
local function inner(name) return ("%s/ns/%s+inner"):format(lab.connection().hello.run_dir, name) end

local empty <const> = system.inventory()

-- handed on
local planned = system.texts(network.plan { name = "n", archetype = "knows" })
local net <const> = network.create { name = "n", archetype = "knows" }
tap.eq(system.texts(net:operations()), planned, "the plan lists what is done")
tap.ok(bridge_index "n", "there is a bridge", bridge_index "n")
tap.eq(tag(inner "n"), bridge_index "n", "a need gets what another one's making tells")
tap.eq(net:verify(), {}, "it is compared, too")
system.refuses(function() net:endpoint { name = "e", kind = "tap" } end,
  "create 1 endpoint of network n: node .-: archetype knows, endpoint n:e: the archetype attaches endpoints in its own way: " ..
  "it has no option 'kind'$", "an archetype that attaches its endpoints by itself")
save("takes", 'return archetype { name = "takes", summary = "s", endpoint = { rate = { type = "rate", doc = "d" } },\n' ..
  "on_network = function() end, on_endpoint = function() end }")
system.refuses(function() network.create { name = "t", archetype = "takes" } end,
  "network.create: archetype 'takes': endpoint option 'rate': every endpoint has it already$", "an option that every endpoint has")
net:endpoint { name = "e" }
tap.eq(tag(net:get("e").netns), bridge_index "n", "so does an endpoint's need from its network's")
tap.eq(net:verify(), {}, "and is compared")
expect(sysctl.set { netns = inner "n", name = "net.ipv4.conf.all.tag", value = "0" })
tap.eq(#net:verify(), 1, "what somebody changed is mended")
tap.eq(tag(inner "n"), bridge_index "n", "to what it was")
net:update { mark = 1 }
tap.eq(net:operations(), {}, "an update that changes nothing of it does nothing")
local name
for _, l in ipairs(link.list()) do if l.index == bridge_index "n" then name = l.name end end
local former <const> = bridge_index "n"
expect(link.delete { name = name })
tap.ok(#net:verify() > 0, "the bridge is made again")
tap.ok(bridge_index "n" ~= former, "and is another one", former, bridge_index "n")
tap.eq(net:verify(), {}, "then nothing is left to do")
tap.eq(tag(inner "n"), bridge_index "n", "and the need has the new one's")
net:delete()
system.same_inventory(empty, nil, "nothing is left")

-- asked for
local asks <const> = network.create { name = "a", archetype = "asks" }
tap.eq(tag(inner "a"), bridge_index "a", "a function is called again when the fact is there")
tap.eq(asks:verify(), {}, "the system is as it is wanted")
tap.eq(asks:plan("update", {}), {}, "there is nothing to do")
local ops = system.texts(asks:operations())
tap.eq(#ops, 3, "each thing was made once: bridge, namespace, setting")
asks:delete()
system.same_inventory(empty, nil, "nothing is left")

-- pure: expand shows placeholders, and both branches
local function kinds_of(set)
  local list = {}
  for i, one in ipairs(set) do list[i] = one.kind end
  return list
end
tap.eq(kinds_of(archetype.expand("asks", {})), { "link" }, "expand without facts")
tap.eq(kinds_of(archetype.expand("asks", {}, { facts = { ["b.ifindex"] = 7 } })), { "link", "netns", "sysctl" }, "expand with facts")
tap.eq(kinds_of(archetype.expand("knows", {}, { endpoints = { { name = "e" } } })),
  { "netns", "link", "sysctl", "netns", "link", "sysctl" }, "expand with what is handed on")
tap.done()
