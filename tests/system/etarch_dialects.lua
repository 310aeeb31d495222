-- Entities that are not ours, in the dialects of public clients, with ours in one workspace: everybody gets every
-- message, as his dialect has it.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local titles <const> = require "support.titles"

local bed <const> = testbed.create { nodes = 2 }
local CLIENT <const> = "tests/lua/support/etarch_client.py"

-- An entity of another hand in an endpoint.
local function client(net, where, dialect, title, ...)
  local child <const> = expect(net:get(where):spawn { argv = { "/usr/bin/python3", CLIENT, dialect, title, ... },
    stdin = "pipe", stdout = "pipe", stderr = "inherit" })
  local self <const> = { title = title, child = child }
  function self.ask(words)
    child.stdin:write(words .. "\n")
    return child.stdout:read_line()
  end
  function self.say(workspace, words) child.stdin:write(("send %s %s\n"):format(workspace, words)) end
  function self.hear() return child.stdout:read_line() end
  return self
end
local function ours(field, name, options)
  options.title, options.netns, options.tries = options.title or name, field:space(name), 20
  local one <const> = expect(entity.register(options))
  field.entities[name] = one
  local self <const> = { title = options.title }
  function self.say(workspace, words) one:send(workspace, words .. "\n") end
  function self.hear()
    local message <const> = one:receive(20)
    return message and message.workspace .. ": " .. message.bytes:match "^[^\n]*"
  end
  return self, one
end

local WHERE <const> = { old = "pm1", label = "pm2", plain = "pm1", alice = "pm2", bob = "pm1", eve = "pm2" }
local field <const> = titles.network { name = "uf", entities = WHERE }
local old <const>, label <const>, plain <const> = client(field.net, "old", "d2", "old"), client(field.net, "label", "d3a", "label", "says"),
  client(field.net, "plain", "d3b", "plain")
local alice <const>, alice_entity <const> = ours(field, "alice", {})
local bob <const>, bob_entity <const> = ours(field, "bob", { dialect = "d3a" })
local eve <const>, eve_entity <const> = ours(field, "eve", {})
for _, one in ipairs { old, label, plain } do tap.eq(one.ask "register", "success", one.title .. " registers") end
tap.eq(plain.ask "create room", "success", "one of them makes a room")
tap.eq(plain.ask "create room", "failure", "once")
tap.eq({ old.ask "attach room", label.ask "attach room", alice_entity:attach "room", bob_entity:attach "room" },
  { "success", "success", true, true }, "all enter")

local members <const> = { old, label, plain, alice, bob }
for _, from in ipairs(members) do
  local heard <const>, wanted <const> = {}, {}
  from.say("room", "from " .. from.title)
  for _, to in ipairs(members) do
    if to ~= from then heard[to.title], wanted[to.title] = to.hear(), "room: from " .. from.title end
  end
  tap.eq(heard, wanted, from.title .. " speaks, and all others hear it")
end
eve.say("room", "from outside")
tap.eq(old.ask "detach room", "success", "one leaves")
alice.say("room", "the last")
for _, to in ipairs { label, plain, bob } do tap.eq(to.hear(), "room: the last", to.title .. " hears the next message, and nothing before it") end
old.say("room", "from outside")
label.say("room", "done")
tap.eq({ alice.hear(), bob.hear() }, { "room: done", "room: done" }, "and nothing of who has left")
tap.eq(titles.drain(eve_entity, 0.1), {}, "who is not in the room hears nothing")
tap.eq(old.ask "unregister", "success", "it goes")
do
  local socket <close> = expect(packet.open { link = "eth0", netns = field:space "eve", protocol = 0x0880 })
  local mac <const> = eve_entity.mac:gsub("(%x%x):?", function(digits) return string.char(tonumber(digits, 16)) end)
  expect(socket:send("DTS\0\0\0" .. mac .. "\8\x80" .. etcp.request { type = "entity_register", id = 77,
    body = { title = "odd", capabilities = { { type = 880, length = 1, value = "d4" } } } }))
  local status
  for frame, info in socket:frames(10) do
    local response <const> = not info.outgoing and etcp.read_response(frame:sub(15))
    if response and response.request_id == 77 then
      status = response.status
      break
    end
  end
  tap.eq(status, "failure", "a dialect that nobody speaks here is refused")
end

-- The network's option is for clients that cannot say what they speak.
local other <const> = titles.network { name = "other", entities = { mute = "pm1", carol = "pm2" }, network = { dialect = "d3a" } }
local mute <const> = client(other.net, "mute", "d3a", "mute")
local _, carol_entity <const> = ours(other, "carol", { dialect = "d3" })
tap.eq({ mute.ask "register", mute.ask "create room", carol_entity:attach "room" }, { "success", "success", true }, "a network of another dialect")
carol_entity:send("room", "hello\n")
tap.eq(mute.hear(), "room: hello", "a client that does not say its dialect gets what the network says")
do
  local ovs <const> = titles.switch "pm2"
  local seen = {}
  for _, bridge in ipairs(ovs:bridges()) do
    seen[#seen + 1] = select(2, ovs:ofctl("dump-groups", bridge):gsub("set_field:ff:ff:ff:ff:ff:ff", ""))
  end
  table.sort(seen)
  tap.eq(seen, { 0, 1 }, "who says that it speaks the plain one gets that")
end

for _, one in ipairs { old, label, plain, mute } do
  one.child.stdin:close()
  one.child:wait(10)
end
for _, f in ipairs { field, other } do
  for _, one in pairs(f.entities) do one:close() end
  tap.eq(f.net:verify(), {}, f.net.name .. ": nothing is to be mended")
  f.net:delete()
end
bed:delete()
tap.done()
