-- Entities and the control frames of a DTSA, over a wire: bytes, dialects, lost answers, refusals.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local control <const> = require "nerv.etarch.control"
local domains <const> = require "nerv.etarch.domain"
local runtime <const> = require "nerv.runtime"

local space <const> = "entity-" .. digest.random(3)
assert(netns.add { path = space })
local PORTS <const> = { a = "02:00:00:00:00:01", b = "02:00:00:00:00:02" }
for name, mac in pairs(PORTS) do
  assert(link.add { kind = "veth", name = name, netns = space, mac = mac, up = true, peer = { name = name .. "-dtsa", up = true } })
end

-- What a DTSA answers at the far ends; `deaf` answers are lost.
local domain <const> = domains.new {}
local agent <const> = control.new(domain, { title = "dtsa" })
local seen, deaf = {}, 0
local function serve(place)
  local socket <close> = assert(packet.open { link = place .. "-dtsa", netns = space, protocol = control.ETHERTYPE, promiscuous = true })
  for frame, info in socket:frames() do
    local answer, why
    if not info.outgoing then answer, why = control.handle(agent, place, frame) end
    if answer then
      seen[#seen + 1] = { place = place, frame = frame, reply = answer.reply, again = answer.again, type = answer.request.type }
      if deaf > 0 then deaf = deaf - 1 else socket:send(answer.reply) end
    elseif why then
      seen[#seen + 1] = { place = place, why = why }
    end
  end
end
local servers <const> = {}
for name in pairs(PORTS) do servers[#servers + 1] = task.spawn(serve, name) end
task.sleep(0.05)
local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function unhex(text) return (text:gsub("%s", ""):gsub("..", function(d) return string.char(tonumber(d, 16)) end)) end
local function padded(text) return (text:gsub("%s", "") .. ("0"):rep(120)):sub(1, 120) end

-- bytes, as public ones write them
local alice <const> = assert(entity.register { title = "alice", link = "a", netns = space })
tap.eq(hex(seen[1].frame), padded "445453000000 020000000001 0880 0400 08001000 0700 0a05616c696365", "a registration")
tap.eq(hex(seen[1].reply), padded "020000000001 445453000000 0880 0a00 08001000 1a0464747361", "and its answer, with the DTSA's title")
tap.eq({ alice.title, alice.mac, tostring(alice) }, { "alice", "02:00:00:00:00:01", "entity alice on a" }, "an entity")
tap.eq(alice:create "room", true, "a workspace")
tap.eq(hex(seen[2].frame), padded "445453000000 020000000001 0880 0400 08021001 0f00 0a04726f6f6d1205616c6963651801", "its creation")
local bob <const> = assert(entity.register { title = "bob", link = "b", netns = space })
tap.eq({ bob:attach "room", bob:lookup "room" }, { true, true }, "another one enters, and finds it")
tap.eq(domain.workspaces.room.members.bob ~= nil, true, "it is a member")
tap.eq({ bob:attach "room" }, { nil, "bob: the DTSA refuses: 'bob' is attached to 'room'", "EACCES" }, "a refusal")
tap.eq({ entity.register { title = "alice", link = "b", netns = space } }, { nil, "alice: the DTSA refuses: the title 'alice' is taken", "EACCES" },
  "a title that is taken")
tap.eq({ bob:delete "room" }, { nil, "bob: the DTSA refuses: who asks does not own 'room'", "EACCES" }, "what is another's")
tap.eq({ alice:modify("room", { public = true, bandwidth = "500kbit", class = "RT" }), domain.workspaces.room.rate }, { true, 500 }, "its owner changes it")
tap.eq({ alice:expel("room", "bob"), bob:detach "room" }, { true, nil, "bob: the DTSA refuses: 'bob' is not attached to 'room'", "EACCES" }, "and expels")

-- answers that nobody waits for: another program at the same address asks, with the number that comes next here
do
  local other <close> = assert(packet.open { link = "b", netns = space, protocol = control.ETHERTYPE })
  local before <const> = #seen
  for id = 0, 9 do
    other:send(control.DTS .. unhex "020000000002" .. control.TYPE .. etcp.request { type = "workspace_lookup", id = id, body = { workspace_title = "room" } })
  end
  tap.ok(tap.eventually(5, function() return #seen == before + 10 and bob.answers:count() == 10 end), "another program is answered")
  tap.eq({ (bob:lookup "nowhere") }, {}, "which is no answer to what is asked next")
end

-- lost answers (scenario 11)
local impatient <const> = assert(entity.register { title = "carol", link = "b", netns = space, timeout = 0.1 })
local before = #seen
deaf = 1
tap.eq(impatient:create "hall", true, "an answer that is lost is asked for again")
tap.eq({ #seen - before, seen[#seen].again, seen[#seen].frame == seen[#seen - 1].frame, seen[#seen].reply == seen[#seen - 1].reply },
  { 2, true, true, true }, "by the same bytes, answered the same, done once")
deaf, before = 3, #seen
local good, message, code = impatient:detach "hall"
tap.eq({ good, message, code, #seen - before }, { nil, "carol: no DTSA answers on b", "timeout", 3 }, "it is asked three times")
tap.eq(impatient:attach "hall", true, "a new request is another one")
deaf = 0

-- what was answered is not kept for ever, and belongs to who asked
local now = 100
local timed <const> = control.new(domains.new {}, { title = "x", clock = function() return now end })
local request <const> = unhex(padded "445453000000 020000000001 0880 0400 08001000 0700 0a05616c696365")
tap.eq({ control.handle(timed, "p", request).again, control.handle(timed, "p", request).again, control.handle(timed, "q", request).good },
  { nil, true, false }, "the same bytes from another port are another request")
now = 101.9
tap.eq(control.handle(timed, "p", request).again, true, "within two seconds")
now = 102.1
tap.eq({ control.handle(timed, "p", request).again, control.handle(timed, "p", request).good }, { nil, true }, "not later")
for i = 1, 20 do
  now = 103 + i * 3
  control.handle(timed, "p", request:sub(1, 11) .. string.char(i) .. request:sub(13))
end
local kept = 0
for _, t in ipairs { timed.recent, timed.older } do
  for _ in pairs(t) do kept = kept + 1 end
end
tap.ok(kept <= 2, "old answers are forgotten", kept)

-- what a DTSA has done that died before it answered, its successor answers
do
  local home <const>, clock = domains.new {}, 10
  local function successor() return control.new(home, { title = "x", clock = function() return clock end }) end
  local function frame_of(id, kind, body) return unhex "445453000000 020000000001 0880" .. etcp.request { type = kind, id = id, body = body } end
  local enter <const> = frame_of(1, "workspace_create", { workspace_title = "w", entity_title = "e", attach_too = true })
  local leave <const> = frame_of(2, "workspace_detach", { workspace_title = "w", entity_title = "e" })
  local first <const> = successor()
  control.handle(first, "p", frame_of(0, "entity_register", { title = "e" }))
  control.handle(first, "p", enter)
  local function outcome(one, place, frame)
    local answer <const> = control.handle(one, place, frame)
    return { answer.good, answer.again or false, etcp.read_response(answer.reply:sub(15)) }
  end
  local function success(id) return { status = "success", request_id = id, src_title = "x" } end
  tap.eq(outcome(successor(), "p", enter), { true, true, success(1) }, "the last request is answered by its successor, and not done twice")
  tap.eq(outcome(successor(), "q", enter)[1], false, "not from another port")
  local second <const> = successor()
  tap.eq(outcome(second, "p", leave), { true, false, success(2) }, "another request is done")
  tap.eq(outcome(second, "p", frame_of(3, "workspace_lookup", { workspace_title = "w" })), { true, false, success(3) }, "one that changes nothing")
  tap.eq({ outcome(second, "p", enter)[1], outcome(successor(), "p", leave) }, { false, { true, true, success(2) } }, "is not kept")
  local late <const> = successor()
  clock = 26
  tap.eq(outcome(late, "p", leave)[1], false, "after some time a request is a new one")
  local delete <const> = frame_of(7, "workspace_delete", { title = "w" })
  tap.eq({ outcome(late, "p", delete)[1], outcome(successor(), "p", delete) }, { true, { true, true, success(7) } },
    "one that does not say whose it is, is answered again, too")

  -- who has gone by it, and is nowhere any more
  local go <const> = frame_of(8, "entity_unregister", { title = "e" })
  tap.eq({ outcome(late, "p", go), outcome(late, "p", frame_of(9, "entity_unregister", { title = "e" }))[1] },
    { { true, false, success(8) }, false }, "an entity goes, and cannot go twice")
  tap.eq({ outcome(successor(), "p", go), outcome(successor(), "q", go)[1] }, { { true, true, success(8) }, false },
    "but is answered again, and nobody else")
  tap.eq({ home.entities.e, home.at.p }, {}, "it is gone all the same")
  domains.take_changes(home)
  tap.eq({ domains.forget_departed(home, 100, 15), domains.forget_departed(home, 114, 15), #domains.take_changes(home) }, { false, false, 0 },
    "it is known for a while")
  tap.eq({ domains.forget_departed(home, 115, 15), domains.take_changes(home), outcome(successor(), "p", go)[1] },
    { true, { { kind = "entity", title = "e" } }, false }, "not for ever")
  control.handle(late, "p", frame_of(10, "entity_register", { title = "e" }))
  control.handle(late, "p", frame_of(11, "entity_unregister", { title = "e" }))
  control.handle(late, "q", frame_of(12, "entity_register", { title = "e" }))
  tap.eq({ home.entities.e.place, next(home.departed) }, { "q" }, "the title is anybody's at once")
end

-- the same as it was stored: who has departed is no entity
do
  local after <const> = domains.new {}
  domains.restore(after, { { title = "gone", place = "p", mac = "02:00:00:00:00:01", answered = "x" },
    { title = "here", place = "p", mac = "02:00:00:00:00:02", dialect = "d3", answered = "" } }, {})
  tap.eq({ after.entities.gone, after.departed.gone.answered, after.departed.here, after.entities.here.dialect },
    { nil, "x", nil, "d3" }, "it is restored as what it is")
end

-- the oldest dialect: no address at all
local old <const> = control.handle(agent, "b", unhex "445453000000 000000000000 0880 0400 08001000 0600 0a0464616e61")
tap.eq({ hex(old.reply), domain.entities.dana.dialect }, { padded "445453000000 000000000000 0880 0a00 08001000 1a0464747361", "d2" },
  "a source of zero is answered with the same header")

-- what is no request (scenario 12)
local socket <const> = assert(packet.open { link = "a", netns = space, protocol = control.ETHERTYPE })
for bytes, why in pairs {
  ["445453000000 020000000001 0880"] = "it is cut", ["445453000000 020000000001 0880 0400 0800"] = "it is cut",
  ["445453000000 020000000001 0880 ffff 08001000"] = "it is cut", ["445453000000 020000000001 0880 0000"] = "a required field is missing",
  ["1f1c5b2fad77 020000000001 0880 0400 08001000"] = "no frame to the Domain Title Service",
} do
  before = #seen
  socket:send(unhex(bytes))
  tap.ok(tap.eventually(2, function() return #seen > before end) and seen[#seen].why and seen[#seen].why:find(why), "no answer: " .. bytes, seen[#seen])
end
before = #seen
socket:send(unhex(padded "445453000000 020000000001 0880 0400 08631005 0000"))
tap.ok(tap.eventually(2, function() return #seen > before end), "a type that nobody knows is answered")
tap.eq(etcp.read_response(seen[#seen].reply:sub(15)), { status = "failure", request_id = 5, src_title = "dtsa",
  reason = "requests of type 99 are not answered here" }, "by a failure")
do
  local long <const> = control.handle(agent, "a", unhex "445453000000 020000000001 0880" .. etcp.request { type = "workspace_lookup", id = 6,
    body = { workspace_title = ("x"):rep(1400) } })
  tap.eq(#etcp.read_response(long.reply:sub(15)).reason, 400, "the reason is cut to what a frame takes")
end
for _, size in ipairs { 0, 46 - 17, 1500 - 17 } do
  local reply = control.handle(agent, "a", unhex "445453000000 020000000001 0880 0400 08001009 0700 0a05616c696365" .. ("\0"):rep(size))
  tap.ok(reply and reply.good, ("a request and %d bytes of padding"):format(size))
end
socket:close()

-- misuse, and no network
tap.ok(not pcall(entity.register, {}), "a title is needed")
tap.eq({ select(3, entity.register { title = "x", link = "none0", netns = space }) }, { "ENODEV" }, "no such interface")
local ok, problem = pcall(alice.send, alice, "room", ("x"):rep(1487))
tap.ok(not ok and problem:find "at most 1486 bytes, not 1487", "a message that is too long", problem)
local TITLES <const> = { [0] = "there is no title", [256] = "a title has at most 255 bytes, not 256" }
for length, why in pairs(TITLES) do
  local title <const> = ("t"):rep(length)
  tap.raises(function() entity.register { title = title, link = "b", netns = space } end, "entity.lua:%d+: entity.register: " .. why .. "$",
    ("a title of %d bytes"):format(length))
  tap.raises(function() alice:create(title) end, "entity.lua:%d+: entity:create: " .. why .. "$", ("a workspace's of %d bytes"):format(length))
end
tap.eq(alice:create(("t"):rep(255)), true, "and of 255 bytes")
expect(entity.register { title = ("t"):rep(255), link = "b", netns = space }):close()
for _, server in ipairs(servers) do server:cancel() end
local began <const> = runtime.now()
tap.eq({ select(3, entity.register { title = "late", link = "b", netns = space, timeout = 0.05, tries = 2 }) }, { "timeout" }, "nobody answers")
tap.ok(runtime.now() - began < 2, "and it does not wait for ever")
tap.eq({ alice:receive(0.01) }, { nil, "timeout" }, "no message")
alice:close()
tap.eq({ tostring(alice), alice:receive() }, { "entity alice on a (closed)", nil, "closed" }, "a closed one")
tap.eq({ select(3, alice:attach "room") }, { "closed" }, "asks no more")
kernel.forget(space)
tap.done()
