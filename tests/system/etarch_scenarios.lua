-- An ETArch network over two nodes: entities and workspaces by real switches and the real DTSA; who hears whom, and
-- what crosses the trunk. No address is anywhere.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local titles <const> = require "support.titles"

local empty <const> = require("support.system").inventory()
local bed <const> = testbed.create { nodes = 2 }
local field <const> = titles.network { name = "uf", entities = { alice = "pm1", bob = "pm1", carol = "pm2", dave = "pm2", eve = "pm2" } }
local trunk <const> = expect(node.get("pm1"):capture { interface = "trunk0", filter = "vlan " .. field.net.ports.data.tag })
tap.eq(field.net:verify(), {}, "nothing is to be mended")
-- What comes to every port; eve's will send what is none of ETArch.
local ports <const> = {}
for name in pairs(field.node_of) do
  if name ~= "eve" then ports[name] = expect(field.net:get(name):capture { filter = "not ether proto 0x0880" }) end
end

-- 1. No address, anywhere.
for name in pairs(field.node_of) do
  tap.eq(kernel.sh("nsenter", "--net=" .. field:space(name), "ip", "-o", "addr"), "", name .. " has no address")
end

-- 2. Registration
for name in pairs(field.node_of) do tap.ok(field:register(name), name .. " registers") end
local alice <const>, bob <const>, carol <const>, dave <const>, eve <const> = field.entities.alice, field.entities.bob, field.entities.carol,
  field.entities.dave, field.entities.eve
tap.eq({ field:register("bob", "alice") }, { nil, "alice: the DTSA refuses: entity_register" }, "a title that is taken")

-- 3. Workspaces
tap.eq({ alice:create "room", (alice:create "room") }, { true }, "alice creates a room, once")
tap.eq({ bob:attach "room", carol:attach "room", (bob:attach "room") }, { true, true }, "others enter, once each")
tap.eq({ (carol:attach "nowhere") }, {}, "not what is not there")
tap.eq(dave:attach "room", true, "a second member on the other node")

-- 4. One message
alice:send("room", "hi\n")
for _, one in ipairs { bob, carol, dave } do tap.eq(titles.drain(one), { "room: hi\n" }, one.title .. " hears it, once") end
tap.eq({ titles.drain(alice), titles.drain(eve) }, { {}, {} }, "who sends it hears nothing, nor who is not attached")

-- 5. Who is not attached, and who pretends
local function dropped()
  local ovs, bridge = titles.switch "pm2"
  return tonumber(ovs:ofctl("dump-flows", bridge):match "n_packets=(%d+)[^\n]*priority=10,dl_type=0x0880 actions=drop")
end
local before = dropped()
eve:send("room", "x\n")
tap.ok(tap.eventually(3, function() return dropped() == before + 1 end), "what eve sends is dropped, and counted")
do
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space "eve", protocol = 0x0880 })
  local function bytes(mac) return (mac:gsub("(%x%x):?", function(d) return string.char(tonumber(d, 16)) end)) end
  socket:send(bytes(etcp.label "room") .. bytes(carol.mac) .. "\8\128" .. ("x"):rep(46))
  socket:send(("\xff"):rep(6) .. bytes(eve.mac) .. "\8\0" .. ("x"):rep(46))
end
for _, one in ipairs { alice, bob, carol, dave } do tap.eq(titles.drain(one, 0.2), {}, one.title .. " hears none of it") end

-- 6. All speak
local speakers <const> = { bob, carol, dave }
for i = 1, 100 do
  for _, one in ipairs(speakers) do expect(one:send("room", ("%s %03d\n"):format(one.title, i))) end
  if i % 10 == 0 then sleep(0.01) end
end
local function in_order(one)
  local last, count = {}, 0
  for message in one:messages(0.5) do
    local who, i = message.bytes:match "^(%l+) (%d+)\n"
    if tonumber(i) ~= (last[who] or 0) + 1 then return ("%s %s after %s"):format(who, i, last[who]) end
    last[who], count = tonumber(i), count + 1
  end
  return count
end
tap.eq({ in_order(alice), in_order(bob), in_order(carol), in_order(dave) }, { 300, 200, 200, 200 }, "each hears all others, in order, nothing lost or twice")

-- 7. Leaving
tap.eq({ carol:detach "room", dave:detach "room", (carol:detach "room") }, { true, true }, "they leave, once")
alice:send("room", "again\n")
tap.eq({ titles.drain(bob), titles.drain(carol) }, { { "room: again\n" }, {} }, "who has left hears no more")
carol:send("room", "x\n")
tap.eq({ titles.drain(alice), titles.drain(bob, 0.1) }, { {}, {} }, "and is not heard")

-- The first message after an answer arrives, from who has not been heard of before.
for round = 1, 5 do
  local title <const> = "late" .. round
  expect(eve:create(title, { attach = false }))
  expect(bob:attach(title))
  expect(carol:attach(title))
  carol:send(title, "first\n")
  tap.eq(titles.drain(bob), { title .. ": first\n" }, "the first message after an answer arrives, round " .. round)
  expect(bob:detach(title))
  expect(carol:detach(title))
  expect(eve:delete(title))
end

-- 9. Two workspaces at once
tap.eq({ eve:create "hall", bob:attach "hall", carol:attach "hall" }, { true, true, true }, "another workspace")
eve:send("hall", "one\n")
alice:send("room", "two\n")
tap.eq({ titles.drain(bob), titles.drain(carol, 0.1), titles.drain(alice, 0.1) }, { { "hall: one\n", "room: two\n" }, { "hall: one\n" }, {} },
  "a member of both hears each once, others only theirs")

-- 8. Deleting
tap.eq({ (bob:delete "room"), (alice:delete "room") }, {}, "neither by another, nor with members")
tap.eq({ bob:detach "room", alice:detach "room", alice:delete "room", (bob:attach "room") }, { true, true, true }, "empty, by its owner; then it is gone")
local ovs <const>, bridge <const> = titles.switch "pm1"
tap.ok(not ovs:ofctl("dump-flows", bridge):find "1f:1c:5b:2f:ad:77", "no flow of it is left")
tap.eq(select(2, ovs:ofctl("dump-groups", bridge):gsub("group_id=", "")), 1, "nor its group")

-- 10. Unregistering
local function flows_of(one)
  local text = ""
  for _, where in ipairs(bed.names) do
    local there <const>, its <const> = titles.switch(where)
    text = text .. there:ofctl("dump-flows", its)
  end
  return select(2, text:gsub(one.mac, ""))
end
tap.ok(flows_of(eve) > 0, "who is attached has a flow")
tap.eq({ eve:unregister(), carol:lookup "hall", carol:delete "hall" }, { true, true, nil, "carol: the DTSA refuses: workspace_delete", "EACCES" },
  "an owner goes: another member has it")
tap.eq(flows_of(eve), 0, "and its flows go everywhere")
tap.eq({ carol:detach "hall", bob:detach "hall", bob:delete "hall" }, { true, true, true }, "and may delete it")

-- What crossed the trunk: nothing but ETArch, one copy for two members.
local copies, late, others = 0, 0, {}
for _, one in ipairs(trunk:stop().packets) do
  local p = packet.parse(one.bytes)
  if p.vlan.ethertype ~= 0x0880 then others[#others + 1] = ("0x%04x"):format(p.vlan.ethertype) end
  if p.payload:find "^hi\n" then copies = copies + 1 end
  if p.payload:find "^again\n" then late = late + 1 end
end
tap.eq({ others, copies, late }, { {}, 1, 0 }, "the trunk carried nothing else, one copy of a message, and none to a node without members")
for name, capture in pairs(ports) do tap.eq(capture:stop().packets, {}, "nothing else came to or from " .. name) end

for _, one in pairs(field.entities) do one:close() end
tap.eq(field.net:verify(), {}, "nothing is to be mended")
field.net:delete()
bed:delete()
tap.eq(require("support.system").inventory(), empty, "and nothing is left")
tap.done()
