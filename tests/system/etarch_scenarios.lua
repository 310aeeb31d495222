-- An ETArch network over two nodes: entities and workspaces by real switches and the real DTSA; who hears whom, and
-- what crosses the trunk. No address is anywhere. Numbers are those of the scenarios that an ETArch network is judged by;
-- 12, 14 and 15 are in etarch_life.lua, 13 in etarch_dialects.lua, 16 in tests/bench/etarch.lua.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local titles <const> = require "support.titles"

local empty <const> = require("support.system").inventory()
local bed <const> = testbed.create { nodes = 2 }
local field <const> = titles.network { name = "uf", entities = { alice = "pm1", bob = "pm1", carol = "pm2", dave = "pm2", eve = "pm2" } }
local trunk <const> = expect(node.get("pm1"):capture { interface = "trunk0", filter = "vlan " .. field.net.ports.data.tag })
tap.eq(field.net:verify(), {}, "nothing is to be mended")
local captures <const> = {}
for name in pairs(field.node_of) do captures[name] = expect(field.net:get(name):capture {}) end
local function bytes(mac) return (mac:gsub("(%x%x):?", function(d) return string.char(tonumber(d, 16)) end)) end

-- What the DTSA says to a request, from an entity's place, whoever it claims to come from.
local request_id = 500
local function ask_from(name, kind, body)
  request_id = request_id + 1
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space(name), protocol = 0x0880 })
  local frame <const> = "DTS\0\0\0" .. bytes(field.entities[name].mac) .. "\8\x80" .. etcp.request { type = kind, id = request_id, body = body }
  for _ = 1, 10 do
    expect(socket:send(frame))
    for answer, info in socket:frames(1) do
      local response <const> = not info.outgoing and etcp.read_response(answer:sub(15))
      if response and response.request_id == request_id then return response.status end
    end
  end
end

-- 1. No address, anywhere.
for name in pairs(field.node_of) do
  tap.eq(kernel.sh("nsenter", "--net=" .. field:space(name), "ip", "-o", "addr"), "", name .. " has no address")
end

-- 2. Registration
for name in pairs(field.node_of) do tap.ok(field:register(name), name .. " registers") end
local alice <const>, bob <const>, carol <const>, dave <const>, eve <const> = field.entities.alice, field.entities.bob, field.entities.carol,
  field.entities.dave, field.entities.eve
tap.eq({ field:register("bob", "alice") }, { nil, "alice: the DTSA refuses: the title 'alice' is taken" }, "a title that is taken")

-- 3. Workspaces
tap.eq({ alice:create "room", (alice:create "room") }, { true }, "alice creates a room, once")
tap.eq({ bob:attach "room", carol:attach "room", (bob:attach "room") }, { true, true }, "others enter, once each")
tap.eq({ (carol:attach "nowhere") }, {}, "not what is not there")
tap.eq(ask_from("carol", "workspace_attach", { workspace_title = "room", entity_title = "zed" }), "failure", "nor somebody who is not registered")
tap.eq(ask_from("eve", "workspace_attach", { workspace_title = "room", entity_title = "carol" }), "failure", "nor in another's name")
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
tap.ok(tap.eventually(10, function() return dropped() == before + 1 end), "what eve sends is dropped, and counted")
do
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space "eve", protocol = 0x0880 })
  socket:send(bytes(etcp.label "room") .. bytes(carol.mac) .. "\8\128" .. ("x"):rep(46))
  tap.ok(tap.eventually(10, function() return dropped() == before + 2 end), "what she sends in another's name is, too")
  socket:send(("\xff"):rep(6) .. bytes(eve.mac) .. "\8\0" .. ("forged"):rep(8))
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
tap.eq({ alice:detach "room", (alice:delete "room"), alice:attach "room" }, { true, [3] = true }, "an owner who leaves before others owns it no more")
tap.eq({ bob:detach "room", alice:detach "room", alice:delete "room", (bob:attach "room") }, { true, true, true }, "empty, by its owner; then it is gone")
local ovs <const>, bridge <const> = titles.switch "pm1"
tap.ok(not ovs:ofctl("dump-flows", bridge):find "1f:1c:5b:2f:ad:77", "no flow of it is left")
tap.eq(select(2, ovs:ofctl("dump-groups", bridge):gsub("group_id=", "")), 1, "nor its group")

-- 10. Unregistering
local function speaks(where, mac)
  local switch <const>, of <const> = titles.switch(where)
  return switch:ofctl("dump-flows", of):find("dl_src=" .. mac, 1, true) ~= nil
end
tap.ok(speaks("pm2", eve.mac), "somebody who is attached has a flow")
tap.eq({ eve:unregister(), carol:lookup "hall", carol:delete "hall" }, { true, true, nil, "carol: the DTSA refuses: who asks does not own 'hall'", "EACCES" },
  "an owner goes: another member has it")
tap.eq({ speaks("pm1", eve.mac), speaks("pm2", eve.mac) }, { false, false }, "and no flow of hers is left anywhere")
tap.eq({ carol:detach "hall", bob:detach "hall", bob:delete "hall" }, { true, true, true }, "and may delete it")

-- 11. An answer that is lost: it comes when it is asked for again, and what was asked is done once.
do
  local space <const> = field:space "dave"
  local one <close> = expect(entity.register { title = "dora", netns = space, tries = 60 })
  local function nft(...) return kernel.sh("nsenter", "--net=" .. space, "nft", ...) end
  nft("add", "table", "netdev", "lost")
  nft "add chain netdev lost in { type filter hook ingress device eth0 priority 0; }"
  nft "add rule netdev lost in counter drop"
  local creating <const> = spawn(one.create, one, "yard")
  local lost <const> = tap.eventually(20, function() return nft("list", "table", "netdev", "lost"):find "packets [1-9]" end)
  tap.ok(lost and not creating:join(0), "the first answer is lost")
  nft("delete", "table", "netdev", "lost")
  tap.eq({ creating:wait() }, { true }, "the request is repeated, and answered as if it were the first")
  tap.eq({ (one:create "yard"), one:detach "yard", one:delete "yard", one:unregister() }, { [2] = true, [3] = true, [4] = true }, "it was done once")
end

-- What crossed the trunk: nothing but ETArch, one copy for two members, none when all are on one node.
local copies, pruned, others = 0, 0, {}
for _, one in ipairs(trunk:stop().packets) do
  local p = packet.parse(one.bytes)
  if p.vlan.ethertype ~= 0x0880 then others[#others + 1] = ("0x%04x"):format(p.vlan.ethertype) end
  if p.payload:find "^hi\n" then copies = copies + 1 end
  if p.payload:find "^again\n" then pruned = pruned + 1 end
end
tap.eq({ others, copies, pruned }, { {}, 1, 0 }, "the trunk carried nothing else, one copy of a message, and none where nobody was on the other node")
for name, capture in pairs(captures) do
  local strange = {}
  for _, record in ipairs(capture:stop().packets) do
    local ethertype <const> = (">I2"):unpack(record.bytes, 13)
    if ethertype ~= 0x0880 and not record.bytes:find("forged", 1, true) then strange[#strange + 1] = ("0x%04x"):format(ethertype) end
  end
  tap.eq(strange, {}, name .. "'s port saw nothing but ETArch")
end

-- 3b. A network that lets nobody in whom the owner has not admitted.
local strict <const> = titles.network { name = "closed", entities = { alice = "pm1", bob = "pm1", carol = "pm2" }, network = { policy = "strict" } }
for name in pairs(strict.node_of) do tap.ok(strict:register(name), "strict: " .. name .. " registers") end
local owner <const>, guest <const>, other <const> = strict.entities.alice, strict.entities.carol, strict.entities.bob
tap.eq({ owner:create "room", (guest:attach "room") }, { true }, "strict: who is not admitted stays out")
tap.eq({ (other:modify("room", { admit = "carol" })), (guest:attach "room") }, {}, "strict: only the owner admits")
tap.eq({ owner:modify("room", { admit = "carol" }), guest:attach "room", (other:attach "room") }, { true, true }, "strict: whom he admits, and nobody else")
owner:send("room", "welcome\n")
tap.eq({ titles.drain(guest), titles.drain(other, 0.1) }, { { "room: welcome\n" }, {} }, "strict: and that is who hears")
for _, one in pairs(strict.entities) do one:close() end
strict.net:delete()

for _, one in pairs(field.entities) do one:close() end
tap.eq(field.net:verify(), {}, "nothing is to be mended")
field.net:delete()
bed:delete()
tap.eq(require("support.system").inventory(), empty, "and nothing is left")
tap.done()
