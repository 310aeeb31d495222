-- A network goes from `ip` to `sdn` and back while frames flow: endpoints keep namespace, interface, MAC and IP address,
-- and so does what is shaped and borrowed.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
expect(link.add { netns = tb:netns "pm1", kind = "veth", name = "ext0", up = true, peer = { name = "ext1", up = true } })
net:endpoint { { name = "h1", node = "pm1", rate = "80mbit" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm1" },
  { name = "h4", node = "pm2" }, { name = "t", node = "pm1", kind = "tap" },
  { name = "l", node = "pm1", kind = "link", interface = "ext0" } }
local h1 <const>, h2 <const>, h3 <const>, h4 <const> = net:get "h1", net:get "h2", net:get "h3", net:get "h4"

local function ends()
  local list = {}
  for _, ep in ipairs(net:endpoints()) do
    local place = ep.netns or tb:netns(ep.node)
    local l = link.get { name = ep.interface or "eth0", netns = place }
    list[#list + 1] = { name = ep.name, inode = file.stat(place).ino, index = l.index, mac = l.mac, up = l.up, mtu = l.mtu,
      address = ep.address, rate = kernel.rate(place, l.name) }
  end
  return list
end
local former <const> = ends()
tap.ok(h1:ping(h2) and h3:ping(h1), "before: the endpoints reach each other")

local function answers(from, to)
  return tap.eventually(10, function() return from:run("ping", "-c1", "-W1", to.address) ~= nil end)
end
local function exchange(archetype, addressed)
  local near, far = crash.flow(h1, h3), crash.flow(h4, h1)
  net:update { archetype = archetype }
  for what, flow in pairs { ["on one node"] = near, ["across nodes"] = far } do
    local sent, lost = flow:stop()
    tap.note(("to %s: of %d frames at 200 a second %d were lost %s"):format(archetype, sent, lost, what))
    tap.ok(lost < 40, ("to %s: frames go on within 200 ms %s"):format(archetype, what), lost)
  end
  if addressed then
    tap.eq(ends(), former, "to " .. archetype .. ": endpoints, their addresses and limits stay")
    tap.ok(answers(h1, h2) and answers(h3, h1) and answers(h4, h3), "to " .. archetype .. ": the endpoints reach each other")
  end
  tap.eq(net:verify(), {}, "to " .. archetype .. ": nothing is to be mended")
end
exchange("sdn", true)
exchange("ip", true)
local full <const> = system.inventory(tb)   -- with the port of the control network, which it keeps
exchange("sdn", true)
exchange("ip", true)
system.same_inventory(full, tb, "nothing more and nothing less is there than before")
net:update { archetype = "bridge" }
exchange "ovs"
tap.ok(not pcall(function() net:get("t"):update { rate = "1mbit" } end), "what cannot be on Open vSwitch is refused")
exchange "bridge"
net:delete()
link.delete { netns = tb:netns "pm1", name = "ext0" }
system.same_inventory(empty, tb, "in the end nothing is left")
tb:delete()
tap.done()
