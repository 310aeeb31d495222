-- The first message after an answer, of senders that the switches have heard before; and a switch that does not answer:
-- nobody else waits for it.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local openflow_switch <const> = require "support.openflow_switch"
local titles <const> = require "support.titles"

local ROUNDS <const> = 20 * math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or "1"))
local bed <const> = testbed.create { nodes = 2 }
local field <const> = titles.network { name = "uf", entities = { alice = "pm1", bob = "pm1", carol = "pm2" } }
for name in pairs(field.node_of) do expect(field:register(name)) end
local alice <const>, bob <const>, carol <const> = field.entities.alice, field.entities.bob, field.entities.carol
expect(alice:create "room")

-- What a switch remembers is kept from being looked through: `revalidator/pause` is Open vSwitch's own.
local ovs <const>, bridge <const> = titles.switch "pm1"
local function looks(what)
  expect(process.run { argv = { "ovs-appctl", "-t", ovs.dir .. "/ovs-vswitchd.ctl", "revalidator/" .. what } }.exit == 0, what)
end
local function buckets() return select(2, ovs:ofctl("dump-groups", bridge):gsub("bucket=", "")) end

-- Speaks into the room so that switches remember it: of who is no member that it is dropped, of others who was there.
local function speak(...)
  for _, one in ipairs { ... } do
    for _ = 1, 3 do one:send("room", "early\n") end
  end
end
local function hears(one, text)
  for message in one:messages(5) do
    if message.bytes:find(text, 1, true) == 1 then return true end
  end
  return false
end

-- Whether there is an answer while the switch may still do what it did before; nil when that cannot be told, because
-- this machine was too slow. The DTSA does not wait for ever.
local function answered_too_early()
  speak(alice, bob)
  looks "pause"
  local began <const>, former <const> = runtime.now(), buckets()
  local attaching <const> = spawn(bob.attach, bob, "room")
  tap.eventually(10, function() return buckets() > former end)
  local early <const> = attaching:join(0.05)
  local late <const> = runtime.now() - began > 0.7
  looks "resume"
  expect(attaching:wait())
  if late and early then return nil end
  return early
end
local early
for _ = 1, 10 do
  early = answered_too_early()
  if early ~= nil then break end
  expect(bob:detach "room")
end
tap.eq(early, false, "no answer comes before the switch has forgotten what it did")
alice:send("room", "first\n")
tap.ok(hears(bob, "first"), "and then the first message arrives")
bob:send("room", "mine\n")
tap.ok(hears(alice, "mine"), "in both directions")

local lost = {}
for round = 1, ROUNDS do
  speak(carol, alice)
  expect(carol:attach "room")
  local from, to = alice, carol
  if round % 2 == 0 then from, to = carol, alice end
  from:send("room", ("first %d\n"):format(round))
  if not hears(to, ("first %d\n"):format(round)) then lost[#lost + 1] = ("round %d, %s"):format(round, from.title) end
  expect(carol:detach "room")
  alice:send("room", ("late %d\n"):format(round))
  expect(bob:lookup "room")
end
tap.eq(lost, {}, "nor is one lost where messages come and go")
local after = {}
for message in carol:messages(0.2) do after[#after + 1] = message.bytes:match "^late %d+" end
tap.eq(after, {}, "and who has left hears nothing more")

-- A switch that answers until it is told something. It has a member, so it is told what becomes of its workspace.
local home <const> = node.get "pm1".run_dir
local log <const> = home .. "/log/uf+sdn.controller.log"
local DTS <const>, TYPE <const> = "DTS\0\0\0", "\8\x80"
local GHOST <const> = "\2\0\0\0\0\x99"
local function join(barriers)
  local switch <const> = openflow_switch.connect(home .. "/ovs/uf+sdn.relay"):begin(0x5117, { { port = 1, name = "p1" } })
  local answers <const> = spawn(function()
    local left = barriers
    for m in function() return switch:receive() end do
      if m.message == "multipart_request" and m.stats == "aggregate" then switch.asked = true
      elseif m.message == "multipart_request" then switch:send("multipart_reply", { stats = m.stats, list = {} }, m.xid)
      elseif m.message == "echo_request" then switch:send("echo_reply", { data = m.data }, m.xid)
      elseif m.message == "packet_out" then switch.reply = etcp.read_response(m.data:sub(15))
      elseif m.message == "barrier_request" and left > 0 then
        left = left - 1
        switch:send("barrier_reply", {}, m.xid)
      end
    end
    switch.gone = true
  end)
  return switch, answers
end
local function ask(switch, kind, id, body)
  local frame <const> = DTS .. GHOST .. TYPE .. etcp.request { type = kind, id = id, body = body }
  return tap.eventually(10, function()
    switch:send("packet_in", { match = { in_port = 1 }, reason = "action", total_len = #frame, data = frame })
    return tap.eventually(0.3, function() return switch.reply and switch.reply.request_id == id end)
  end) and switch.reply.status
end
local function log_says(pattern) return file.read(log):find(pattern) ~= nil end
do
  local silent <const>, answers <const> = join(1)
  tap.eq(ask(silent, "entity_register", 1, { title = "ghost" }), "success", "an entity of a switch that will fall silent")
  local frame <const> = DTS .. GHOST .. TYPE .. etcp.request { type = "workspace_attach", id = 2,
    body = { workspace_title = "room", entity_title = "ghost" } }
  silent:send("packet_in", { match = { in_port = 1 }, reason = "action", total_len = #frame, data = frame })
  tap.eq({ carol:create "hall", bob:attach "hall", carol:attach "room", carol:detach "room" }, { true, true, true, true },
    "it is silent: others are answered, within what they wait")
  tap.ok(tap.eventually(20, function() return silent.gone end), "and it is dropped", silent.asked)
  tap.ok(log_says "switch 0+5117: [^\n]*no reply to", "which the log tells")
  answers:cancel()
  silent:close()
end
do
  local silent <const>, answers <const> = join(0)
  tap.eq({ carol:attach "room", carol:detach "room", bob:detach "hall" }, { true, true, true }, "it comes again: nobody waits for it")
  tap.ok(tap.eventually(20, function() return silent.gone end) and log_says "5117 does not answer", "and it is no switch of the network")
  answers:cancel()
  silent:close()
end
speak(alice, carol)
expect(carol:attach "room")
carol:send("room", "after all\n")
tap.ok(hears(alice, "after all"), "messages arrive as before")

for _, one in pairs(field.entities) do one:close() end
field.net:delete()
bed:delete()
tap.done()
