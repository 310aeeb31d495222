-- A network goes ip -> sdn -> etarch -> ip with its endpoints kept; and one network of each kind at once over two nodes:
-- none sees a frame of another.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local titles <const> = require "support.titles"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"
local function ends()
  local list = {}
  for _, ep in ipairs { h1, h2 } do
    local l = link.get { name = "eth0", netns = ep.netns }
    list[#list + 1] = { name = ep.name, inode = file.stat(ep.netns).ino, index = l.index, mac = l.mac, up = l.up, mtu = l.mtu }
  end
  return list
end
local function addresses(ep)
  local list = {}
  for _, a in ipairs(address.list { netns = ep.netns }) do list[#list + 1] = a.link .. " " .. a.address end
  table.sort(list)
  return list
end
local function reach() return h1:ping(h2, 1) ~= nil end

local former <const>, held <const> = ends(), { addresses(h1), addresses(h2) }
tap.ok(reach(), "ip: they reach each other")
net:update { archetype = "sdn" }
tap.ok(reach(), "sdn: they reach each other")
tap.eq({ ends(), { addresses(h1), addresses(h2) } }, { former, held }, "sdn: with what they had")
net:update { archetype = "etarch" }
tap.eq({ ends(), addresses(h1), addresses(h2) }, { former, {}, {} }, "etarch: with what they had, but no address")
do
  local alice <close> = expect(entity.register { title = "alice", netns = h1.netns })
  local bob <close> = expect(entity.register { title = "bob", netns = h2.netns })
  tap.eq({ alice:create "room", bob:attach "room" }, { true, true }, "etarch: entities in a workspace")
  alice:send("room", "hello\n")
  tap.eq(titles.drain(bob, 1), { "room: hello\n" }, "etarch: and a message")
end
net:update { archetype = "ip" }
tap.eq({ ends(), { addresses(h1), addresses(h2) } }, { former, held }, "ip: with what they had, addresses, too")
tap.ok(reach(), "ip: they reach each other")
tap.eq(net:verify(), {}, "nothing is to be mended")
net:update { archetype = "etarch" }
do
  local alice <close> = expect(entity.register { title = "alice", netns = h1.netns })
  tap.eq({ (alice:create "room"), alice:attach "room" }, { [2] = true }, "etarch again: the workspace is still there")
end
net:delete()

-- One of each, with the same addresses and titles where they have such.
local function make(name, archetype, options)
  options = options or {}
  options.name, options.archetype, options.home = name, archetype, "pm1"
  local n = network.create(options)
  n:endpoint { { name = "x1", node = "pm1" }, { name = "x2", node = "pm2" }, { name = "y1", node = "pm1" } }
  return n
end
local RANGE <const> = { subnet = "10.1.0.0/24" }
local nets <const> = { ip = make("ip", "ip", { subnet = RANGE.subnet }), sdn = make("sdn", "sdn", { subnet = RANGE.subnet }),
  etarch = make("uf", "etarch"), bridge = make("br", "bridge") }
-- Captures of every end and every port: those of endpoints, all interfaces of the networks on the nodes, and the trunk,
-- where tags say whose frames pass.
local captures, kind_of_mac, kind_of_tag, kind_of_name = {}, {}, {}, {}
for kind, n in pairs(nets) do
  kind_of_name[n.name] = kind
  for _, port in pairs(n.ports) do kind_of_tag[port.tag] = kind end
  for _, ep in ipairs(n:endpoints()) do
    kind_of_mac[ep.mac] = kind
    captures[#captures + 1] = { kind = kind, name = ep.name .. " " .. kind, capture = expect(ep:capture {}) }
  end
end
local function watch(name, interface, kind)
  captures[#captures + 1] = { kind = kind, name = ("%s %s"):format(name, interface), capture = expect(node.get(name):capture { interface = interface }) }
end
for _, name in ipairs(tb.names) do
  local mark <const> = ("^nerv:%s:([^:/]+)"):format(node.get(name).instance)
  for _, l in ipairs(link.list { netns = tb:netns(name) }) do
    local kind <const> = kind_of_name[(l.alias or ""):match(mark)]
    if kind and l.up then watch(name, l.name, kind) end
  end
  for _, port in ipairs(node.get(name).egress) do watch(name, port.interface, "trunk") end
end
-- Every network's frames say which one they are of.
local function frame_of(kind) return ("\xff"):rep(6) .. "\2\0\0\0\9\9" .. "\x88\xb5" .. ("from %s "):format(kind):rep(6) end
for kind, n in pairs(nets) do
  local socket <close> = expect(packet.open { link = "eth0", netns = n:get("x1").netns })
  for _ = 1, 20 do socket:send(frame_of(kind)) end
end
local alice <close> = expect(entity.register { title = "alice", netns = nets.etarch:get("x1").netns })
local bob <close> = expect(entity.register { title = "bob", netns = nets.etarch:get("x2").netns })
expect(alice:create "room")
expect(bob:attach "room")
for _ = 1, 20 do alice:send("room", ("from etarch "):rep(6)) end
for _, kind in ipairs { "ip", "sdn" } do
  tap.ok(tap.eventually(15, function() return nets[kind]:get("x1"):run("ping", "-c1", "-W1", nets[kind]:get("x2").address) end), kind .. ": they reach each other")
end
tap.eq(#titles.drain(bob, 0.5), 20, "etarch: messages arrive")
local heard, strange, trunk, ports = {}, {}, {}, 0
local function mac_at(bytes, at) return ("%02x:%02x:%02x:%02x:%02x:%02x"):format(bytes:byte(at, at + 5)) end
local function tag_of(bytes)
  local kind <const>, tag <const> = (">I2I2"):unpack(bytes, 13)
  return kind == 0x8100 and tag & 0xfff or nil
end
-- What a frame says of the network that it is of: its text, and the addresses that only one has.
local function signs(bytes) return { bytes:match "from (%l+) ", kind_of_mac[mac_at(bytes, 1)], kind_of_mac[mac_at(bytes, 7)] } end
for _, one in ipairs(captures) do
  local frames <const> = expect(one.capture:stop()).packets
  ports = ports + (#frames > 0 and 1 or 0)
  for _, record in ipairs(frames) do
    local tag, kind = tag_of(record.bytes), one.kind
    if kind == "trunk" then kind = kind_of_tag[tag] or "nobody" elseif tag then strange[#strange + 1] = one.name .. " has a tag" end
    for _, from in pairs(signs(record.bytes)) do
      if from ~= kind then strange[#strange + 1] = ("%s: %s heard %s"):format(one.name, kind, from) end
      heard[one.name] = true
      if one.kind == "trunk" then trunk[kind] = true end
    end
  end
end
tap.eq(strange, {}, "nobody hears another network, on any port, nor under its tag on the trunk")
tap.ok(ports >= 24, "frames were seen on at least two ports for each endpoint", ports, #captures)
tap.eq(trunk, { ip = true, sdn = true, etarch = true, bridge = true }, "all cross the trunk, under their tags")
tap.eq({ heard["x2 ip"], heard["x2 sdn"], heard["x2 bridge"], heard["x2 etarch"], heard["y1 etarch"] }, { true, true, true, true },
  "everybody hears his own; in etarch only who is attached")
for _, n in pairs(nets) do n:delete() end
system.same_inventory(empty, tb, "in the end nothing is left")
tb:delete()
tap.done()
