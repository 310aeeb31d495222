-- ETArch networks under stress: what is malformed, who speaks an old dialect, limits, equal titles in two networks, ports
-- that go, every process of a network killed, and a home that moves.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local store <const> = require "nerv.etarch.store"
local titles <const> = require "support.titles"

local empty <const> = require("support.system").inventory()
local bed <const> = testbed.create { nodes = 2 }
local WHO <const> = { alice = "pm1", bob = "pm1", carol = "pm2" }
local field <const> = titles.network { name = "uf", entities = WHO, network = { rate = "1mbit", absence = 10 } }
for name in pairs(WHO) do expect(field:register(name)) end
local alice <const>, bob <const>, carol <const> = field.entities.alice, field.entities.bob, field.entities.carol
local function unhex(text) return (text:gsub("%s", ""):gsub("..", function(d) return string.char(tonumber(d, 16)) end)) end

-- Malformed control frames: nobody is disturbed.
do
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space "bob", protocol = 0x0880 })
  for _, hex in ipairs { "0400 0800", "ffff 08001000", "0000", "0400 08631005 0000", "0400 08001000 0000", "0400 08021001 0300 0a0541" } do
    for _, padding in ipairs { 0, 46, 1480 } do
      socket:send(unhex("445453000000" .. bob.mac:gsub(":", "") .. "0880" .. hex) .. ("\0"):rep(padding))
    end
  end
  for _ = 1, 300 do
    local bytes = {}
    for i = 1, math.random(20, 100) do bytes[i] = string.char(math.random(0, 255)) end
    socket:send("DTS\0\0\0" .. unhex((bob.mac:gsub(":", ""))) .. "\8\128" .. table.concat(bytes))
  end
end
tap.eq({ alice:create "room", bob:attach "room", carol:attach "room" }, { true, true, true }, "after malformed requests others are served")

-- The oldest dialect: no address of its own, a label of twelve bytes.
local function heard(one, seconds) return titles.drain(one, seconds) end
do
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space "bob", protocol = 0x0880, promiscuous = true })
  local function ask(request)
    socket:send(unhex "445453000000 000000000000 0880" .. etcp.request(request))
    for frame, info in socket:frames(2) do
      if not info.outgoing and frame:sub(1, 12) == unhex "445453000000 000000000000" then return etcp.read_response(frame:sub(15)).status end
    end
  end
  tap.eq(ask { type = "entity_register", id = 0, body = { title = "dana" } }, "success", "an entity of the oldest dialect registers")
  bob:detach "room"
  tap.eq(ask { type = "workspace_attach", id = 1, body = { workspace_title = "room", entity_title = "dana" } }, "success", "and enters")
  local first <const>, second <const> = etcp.label "room"
  local label <const> = unhex((first .. second):gsub(":", ""))
  socket:send(label .. "\8\128from dana\n" .. ("\0"):rep(40))
  tap.eq({ heard(alice), heard(carol) }, { { "room: from dana\n" }, { "room: from dana\n" } }, "others hear it")
  alice:send("room", "to dana\n")
  local got
  for frame, info in socket:frames(2) do
    if not info.outgoing and frame:find("to dana", 1, true) then
      got = frame:sub(1, 12) == label
      break
    end
  end
  tap.eq(got, true, "and it hears them, under the label that it knows")
  tap.eq(ask { type = "entity_unregister", id = 2, body = { title = "dana" } }, "success", "it goes")
  heard(carol)
end

-- A limit: what passes is near it, and what is promised has an end.
tap.eq(alice:create("video", { bandwidth = "500kbit" }), true, "a workspace with a bandwidth")
tap.eq({ (bob:create("more", { bandwidth = "600kbit" })) }, {}, "more than the links have left is refused")
expect(carol:attach "video")
local function rate_of(seconds)
  local stop <const> = runtime.now() + seconds
  local sender <const> = spawn(function()
    local payload = ("x"):rep(1400)
    while runtime.now() < stop do
      for _ = 1, 5 do alice:send("video", payload) end
      sleep(0.01)
    end
  end)
  local bytes = 0
  while runtime.now() < stop do
    local message = carol:receive(0.2)
    if message then bytes = bytes + #message.bytes + 14 end
  end
  sender:wait()
  return bytes * 8 / seconds / 1000
end
rate_of(1.5)                         -- the burst
local rate <const> = rate_of(4)
tap.ok(rate > 425 and rate < 575, "5 Mbit/s come out as 500 kbit/s", rate)
heard(carol, 0.2)

-- Equal titles in another network
local other <const> = titles.network { name = "other", entities = { alice = "pm1", carol = "pm2" } }
expect(other:register "alice")
expect(other:register "carol")
tap.eq({ other.entities.alice:create "room", other.entities.carol:attach "room" }, { true, true }, "another network has the same titles")
other.entities.alice:send("room", "other\n")
alice:send("room", "this\n")
tap.eq({ heard(other.entities.carol), heard(carol) }, { { "room: other\n" }, { "room: this\n" } }, "and nothing passes between them")
for _, one in pairs(other.entities) do one:close() end
other.net:delete()

-- Whatever dies comes back, and nobody has to register again.
local function works(text)
  tap.ok(tap.eventually(20, function()
    heard(carol, 0)
    alice:send("room", text .. "\n")
    return heard(carol, 0.3)[1] == "room: " .. text .. "\n"
  end), text .. ": messages arrive")
end
local function answered(text)   -- on both nodes
  local asked
  for _, one in ipairs { carol, alice } do
    local good = tap.eventually(20, function()
      asked = { one:lookup "room" }
      return asked[1]
    end)
    if not good then return tap.ok(false, text, asked) end
  end
  tap.ok(true, text)
end
local function pid(node_name, service) return crash.service(node.get(node_name).run_dir, service) end
works "before"
for _, victim in ipairs { { "pm1", "uf+sdn.controller" }, { "pm2", "uf+sdn.relay" }, { "pm1", "vswitch.daemon" }, { "pm2", "vswitch.daemon" } } do
  local former <const> = pid(victim[1], victim[2])
  if not tap.ok(former, ("%s runs on %s"):format(victim[2], victim[1])) then break end
  crash.signal({ former }, "KILL")
  tap.ok(tap.eventually(20, function()
    local now <const> = pid(victim[1], victim[2])
    return now and now ~= former
  end), "it is killed, and comes back")
  works(victim[2] .. " on " .. victim[1] .. " killed")
  answered "and requests are answered"
end
-- One that has unregistered asks again: the DTSA died before its answer arrived.
do
  local mac <const> = "02 00 00 00 00 77"
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space "bob", protocol = 0x0880, promiscuous = true })
  local function ask(id, kind)
    local frame <const> = unhex("445453000000" .. mac .. "0880") .. etcp.request { type = kind, id = id, body = { title = "dave" } }
    for _ = 1, 40 do
      socket:send(frame)
      for answer, info in socket:frames(0.5) do
        local response <const> = not info.outgoing and answer:sub(1, 6) == unhex(mac) and etcp.read_response(answer:sub(15))
        if response and response.request_id == id then return response.status end
      end
    end
  end
  tap.eq({ ask(1, "entity_register"), ask(2, "entity_unregister") }, { "success", "success" }, "one registers, and unregisters")
  crash.signal({ pid("pm1", "uf+sdn.controller") }, "KILL")
  tap.ok(tap.eventually(20, function() return (crash.service(node.get("pm1").run_dir, "uf+sdn.controller") or 0) > 0 end), "the DTSA dies")
  tap.eq({ ask(2, "entity_unregister"), ask(3, "entity_unregister") }, { "success", "failure" }, "the former answer, and another one to another request")
  answered "requests are answered again"
end
tap.eq({ (alice:create "room"), (bob:delete "room"), alice:create "new", carol:attach "new" }, { [3] = true, [4] = true }, "titles and owners are what they were")

-- The DTSA moves with the home, and knows what the other one has answered.
expect(alice:create "moved")
field.net:update { home = "pm2" }
works "the home moves"
tap.ok(tap.eventually(20, function() return carol:lookup "moved" end), "requests are answered there")
tap.eq({ (alice:create "moved"), carol:attach "moved" }, { [2] = true }, "with what was there")
do
  local change <const>, nobody <const> = { { kind = "entity", title = "nobody" } }, require("nerv.etarch.domain").new {}
  local function writes(node_name)
    return store.write(expect(store.open(lab.state().remote, "uf", node_name)), nobody, change)
  end
  tap.eq({ writes "pm2" }, { true }, "the DTSA on the home writes titles")
  tap.eq({ select(2, writes "pm1") }, { "node pm1 is not the network's home any more", "timed out" }, "one elsewhere does not")
end
tap.ok(pid("pm2", "uf+sdn.controller") and not pid("pm1", "uf+sdn.controller"), "by a DTSA on the new home, and no other")

-- An option that starts the DTSA anew: it answers when the call returns.
for round = 1, 3 do
  field.net:update { absence = 10 + round }
  for name, node_name in pairs { bob = "pm1", carol = "pm2" } do
    local asks <const>, message = entity.register { title = name .. round, netns = field:space(name), timeout = 0.3 }
    tap.ok(asks and asks:close() == nil, ("a DTSA with other options answers on %s at once"):format(node_name), message)
  end
end

-- A port that goes takes its entity with it.
alice:detach "new"                   -- carol's now
field.net:get("carol"):delete()
tap.ok(tap.eventually(30, function() return not alice:lookup "new" end), "an endpoint goes, and with it what nobody else is in")

for _, one in pairs(field.entities) do one:close() end
tap.eq(field.net:verify(), {}, "nothing is to be mended")
field.net:delete()
bed:delete()
tap.eq(require("support.system").inventory(), empty, "and nothing is left")
tap.done()
