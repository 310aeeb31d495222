-- The guide's archetype with flows, archetypes/README.md, on two nodes: who says who he is gets through, nobody else does,
-- and nobody more than the rate.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local open_vswitch <const> = require "support.ovs"

system.with_guide "guarded"

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "guarded", subnet = "10.1.0.0/24", home = "pm1" }
local h1 <const>, h2 <const>, h3 <const> = table.unpack(net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" },
  { name = "h3", node = "pm1" } })
local function answers(from, to, ...)
  local words <const> = { ... }
  return tap.eventually(15, function() return from:run("ping", "-c1", "-W1", to, table.unpack(words)) ~= nil end)
end
tap.ok(answers(h1, h2.address) and answers(h3, h1.address) and answers(h2, h3.address), "endpoints reach each other, on one node and across")
tap.eq(net:verify(), {}, "nothing is to be mended")

-- who is not who he says
expect(address.add { netns = h1.netns, link = "eth0", address = "10.1.0.200/24" })
tap.ok(h1:run("ping", "-c2", "-i0.2", "-W1", "-I", "10.1.0.200", h2.address) == nil, "another address does not get through")
tap.ok(answers(h1, h2.address, "-I", h1.address), "its own one does")

-- How many of the frames of h1 to h2 arrive, and how long they were under way together.
local from <const>, to <const> = h1.address, h2.address
local function arrive(source_mac, count, size, pause)
  local into <const> = expect(packet.open { netns = h2.netns, link = "eth0", filter = "udp" })   -- not what it answers
  local got = 0
  local reader <const> = task.spawn(function()
    repeat
      local frame = into:recv()
      if frame and frame:find("count me", 1, true) then got = got + 1 end
    until not frame
  end)
  local out <close> = expect(packet.open { netns = h1.netns, link = "eth0" })
  local began <const> = runtime.now()
  for _ = 1, count do
    out:send(packet.build { { type = "ethernet", src = source_mac, dst = h2.mac }, { type = "ipv4", src = from, dst = to },
      { type = "udp", src_port = 9, dst_port = 9 }, "count me" .. ("x"):rep(size) })
    if pause then sleep(pause) end   -- a meter that was changed begins with nothing
  end
  local took <const> = runtime.now() - began
  local last = -1
  tap.eventually(5, function()
    local quiet = got == last
    last = got
    sleep(0.3)
    return quiet
  end)
  reader:cancel()
  reader:join()
  into:close()
  return got, took
end
tap.ok(tap.eventually(15, function() return arrive(h1.mac, 20, 10) == 20 end), "its own frames get through")
tap.eq(arrive("02:00:00:00:00:77", 20, 10), 0, "with another's MAC address they do not")

-- no more than the rate: 1 Mbit/s, and in the beginning what the switch lets pass at once
net:update { share = "1mbit" }
tap.eq(net:verify(), {}, "a rate is changed while it runs")
do
  local size <const>, count <const> = 1250, 1000   -- 10 Mbit
  local got, took = arrive(h1.mac, count, size)
  tap.note(("%d of %d frames of 10 kbit in %.3f s"):format(got, count, took))
  tap.ok(got > 0 and got < 100 * (took + 2) * 1.5, "the rate holds", got, took)
end
net:update { share = "100mbit" }
tap.ok(tap.eventually(15, function() return arrive(h1.mac, 50, 1250, 0.002) == 50 end), "with another one more gets through")

-- a change that one node refuses is undone on the other
local function switch(name)
  local ovs <const> = open_vswitch.of(node.get(name).run_dir)
  return ovs, ovs:bridges()[1]
end
local function meters(name)
  local ovs, bridge = switch(name)
  return ovs:ofctl("dump-meters", bridge):match "rate=(%d+)"
end
do
  local ovs, bridge = switch "pm2"
  ovs:ofctl("del-meter", bridge, "meter=1")
  system.refuses(function() net:update { share = "3mbit" } end,
    "update network blue: node pm2: change meter blue/switch%-data 1: the switch %x+ refuses it: meter_mod_failed/unknown_meter", "a node that refuses is named")
end
tap.ok(tap.eventually(15, function() return meters "pm1" == "100000" end), "the other one has what it had", meters "pm1")
net:verify()
tap.eq({ meters "pm1", meters "pm2", net:verify() }, { "100000", "100000", {} }, "verify mends what somebody removed")

-- a kind of network beside it
net:update { archetype = "ovs" }
tap.ok(tap.eventually(15, function() return arrive("02:00:00:00:00:77", 20, 10) == 20 end), "as an ordinary switch it takes frames of anybody")
net:update { archetype = "guarded" }
tap.eq(net:verify(), {}, "and back: nothing is to be mended")
tap.ok(answers(h1, to, "-I", from), "endpoints reach each other")
tap.eq(arrive("02:00:00:00:00:77", 20, 10), 0, "with another's MAC address nothing gets through")
net:delete()
system.same_inventory(empty, tb, "nothing is left")
tb:delete()
tap.done()
