-- What a DTSA decides: titles, workspaces, who may do what; the scenarios of an ETArch network, without a network.
local tap <const> = require "tap"
local domains <const> = require "nerv.etarch.domain"

local HOME <const> = { alice = { place = "s1/a", mac = "02:00:00:00:00:01" },
  bob = { place = "s1/b", mac = "02:00:00:00:00:02" }, carol = { place = "s2/c", mac = "02:00:00:00:00:03" },
  eve = { place = "s2/e", mac = "02:00:00:00:00:04" } }

-- A domain and how its entities ask.
local function domain_of(options)
  local domain <const> = domains.new(options or {})
  local function ask(who, kind, body)
    return domains.request(domain, type(who) == "table" and who or HOME[who], { type = kind, id = 0, body = body })
  end
  return domain, ask
end
local function asker(options)
  local domain <const>, ask <const> = domain_of(options)
  local t = { ask = ask, domain = domain }
  function t.register(who, title) return ask(who, "entity_register", { title = title or who }) end
  function t.unregister(who, title) return ask(who, "entity_unregister", { title = title or who }) end
  function t.create(who, title, more)
    local body = { workspace_title = title, entity_title = who, attach_too = true }
    for k, v in pairs(more or {}) do body[k] = v end
    return ask(who, "workspace_create", body)
  end
  function t.attach(who, title, as) return ask(who, "workspace_attach", { workspace_title = title, entity_title = as or who }) end
  function t.detach(who, title, as) return ask(who, "workspace_detach", { workspace_title = title, entity_title = as or who }) end
  function t.delete(who, title) return ask(who, "workspace_delete", { title = title }) end
  function t.modify(who, title, more)
    local body = { workspace_title = title, level = 3, public_access = false }
    for k, v in pairs(more or {}) do body[k] = v end
    return ask(who, "workspace_modify", body)
  end
  for _, who in ipairs { "alice", "bob", "carol", "eve" } do tap.eq(t.register(who), true, who .. " registers") end
  return t
end
local function refused(pattern, text, good, reason)
  tap.ok(good == nil and type(reason) == "string" and reason:find(pattern), text, reason)
end
-- Everything that a domain knows, to see that a refusal changes nothing.
local function picture(domain)
  local seen = {}
  for _, e in pairs(domain.entities) do seen[#seen + 1] = ("%s at %s %s"):format(e.title, e.place, e.mac) end
  for _, w in pairs(domain.workspaces) do
    local members = {}
    for title, sequence in pairs(w.members) do members[#members + 1] = title .. "#" .. sequence end
    table.sort(members)
    seen[#seen + 1] = ("%s %s %d of %s: %s, %d kbit/s"):format(w.title, w.label, w.number, w.owner, table.concat(members, " "), w.rate)
  end
  seen[#seen + 1] = domain.promised .. " kbit/s"
  table.sort(seen)
  return seen
end

-- Titles (scenario 2), and who speaks for them.
local net = asker()
refused("taken", "a title that somebody else has", net.register("bob", "alice"))
tap.eq(net.register "alice", true, "its holder may register again")
refused("there is no title", "no title", net.ask("alice", "entity_register", {}))
refused("at most 255 bytes, not 256", "256 bytes", net.register("alice", ("x"):rep(256)))
tap.eq(net.register("alice", ("x"):rep(255)), true, "255 bytes")
for _, title in ipairs { "a\0b", "\xff", "DTS", "DTSA", "" } do refused("title", ("a bad title: %q"):format(title), net.register("alice", title)) end
refused("elsewhere", "nobody unregisters another", net.unregister("bob", "alice"))
refused("elsewhere", "not with its address alone", domains.request(net.domain, { place = "s1/b", mac = HOME.alice.mac, dialect = "d3" },
  { type = "entity_unregister", body = { title = "alice" } }))
refused("no entity 'zed'", "one that nobody knows", net.unregister("bob", "zed"))

-- Workspaces (scenarios 3 and 8)
tap.eq(net.create("alice", "room"), true, "alice creates a room")
local before = picture(net.domain)
refused("there is a workspace 'room'", "twice", net.create("alice", "room"))
refused("there is no workspace 'nowhere'", "entering no workspace", net.attach("bob", "nowhere"))
refused("no entity 'zed'", "entering unregistered", net.attach("bob", "room", "zed"))
refused("elsewhere", "entering as another", net.attach("bob", "room", "carol"))
refused("is attached", "entering twice", net.attach("alice", "room"))
refused("who is to be attached", "attaching nobody", net.ask("alice", "workspace_create", { workspace_title = "x", attach_too = true }))
refused("does not own", "deleting another's", net.delete("bob", "room"))
refused("has members", "deleting one with members", net.delete("alice", "room"))
refused("not attached", "leaving what one is not in", net.detach("bob", "room"))
refused("of type dtsa_register", "a request that is none of an entity's", net.ask("alice", "dtsa_register", {}))
refused("of type 99", "a request of no type", net.ask("alice", 99, nil))
tap.eq(picture(net.domain), before, "what is refused changes nothing")
tap.eq({ net.attach("bob", "room"), net.attach("carol", "room") }, { true, true }, "bob and carol enter")
tap.eq({ net.ask("eve", "workspace_lookup", { workspace_title = "room" }) }, { true }, "it is found")
refused("no entity is there", "not by strangers", domains.request(net.domain, { place = "s9/x", mac = "02:00:00:00:00:99" },
  { type = "workspace_lookup", body = { workspace_title = "room" } }))
refused("neither", "eve expels nobody", net.detach("eve", "room", "bob"))
tap.eq(net.detach("alice", "room"), true, "the owner leaves")
tap.eq(net.domain.workspaces.room.owner, "bob", "and passes it on to who is there longest")
refused("does not own", "it is its no more", net.delete("alice", "room"))
tap.eq(net.detach("bob", "room", "carol"), true, "the owner expels")
tap.eq({ net.detach("bob", "room"), net.domain.workspaces.room.owner }, { true, "bob" }, "the last one keeps it")
tap.eq({ net.delete("bob", "room"), net.domain.workspaces.room }, { true }, "and deletes it")
refused("no workspace", "it is gone", net.attach("bob", "room"))

-- A program that is started again
net.create("alice", "hall")
net.attach("bob", "hall")
tap.eq({ net.register "alice", net.domain.workspaces.hall.members.alice, net.domain.workspaces.hall.owner, net.attach("alice", "hall") },
  { true, nil, "bob", true }, "registering again, one is in no workspace, and may enter")
net.detach("alice", "hall")
net.detach("bob", "hall")
net.delete("bob", "hall")

-- Leaving altogether (scenario 10)
net.create("alice", "one")
net.create("alice", "two")
net.create("bob", "three")
net.attach("bob", "one")
net.attach("alice", "three")
domains.take_changes(net.domain)
tap.eq(net.unregister "alice", true, "an owner unregisters")
tap.eq({ net.domain.workspaces.one.owner, net.domain.workspaces.two, net.domain.workspaces.three.members.alice }, { "bob" },
  "it leaves all; its own pass on, or go when they are empty")
local kinds = {}
for _, change in ipairs(domains.take_changes(net.domain)) do kinds[#kinds + 1] = table.concat({ change.kind, change.title, change.member }, " ") end
table.sort(kinds)
tap.eq(kinds, { "entity alice", "member one alice", "member three alice", "member two alice", "workspace one", "workspace two", "workspace two" },
  "and that is what is to be written")
tap.eq(domains.vacate(net.domain, "s1/b"), { "bob" }, "a port goes, and who is there")
tap.eq({ next(net.domain.workspaces) }, {}, "with what nobody is left in")
tap.eq(domains.vacate(net.domain, "s1/b"), {}, "only once")
tap.eq(net.create("carol", "x", { attach_too = false }), true, "an empty workspace")
tap.eq({ net.unregister "carol", net.domain.workspaces.x }, { true }, "goes with its owner")

-- Who is let in (scenario 3b)
net = asker { policy = "strict" }
net.create("alice", "room")
refused("not let in", "strict: who is not admitted stays out", net.attach("carol", "room"))
refused("does not own", "only the owner admits", net.modify("bob", "room", { entity_title = "carol" }))
tap.eq({ net.modify("alice", "room", { entity_title = "carol" }), net.attach("carol", "room") }, { true, true }, "who is admitted comes in")
refused("not let in", "nobody else", net.attach("bob", "room"))
tap.eq({ net.modify("alice", "room", { public_access = true }), net.attach("bob", "room") }, { true, true }, "a public one is open")
tap.eq({ net.create("eve", "open", { public_access = true }), net.attach("bob", "open") }, { true, true }, "from the beginning")

-- Bandwidth (scenario 14)
local function wants(kbit) return { capabilities = { { type = 1, length = 1, value = "True" }, { type = 2, length = 1, value = kbit } } } end
net = asker { rate = 1000 }
tap.eq(net.create("alice", "video", wants "600"), true, "a bandwidth")
refused("500 kbit/s are more than the 400 that are left", "more than the link has", net.create("bob", "audio", wants "500"))
tap.eq({ net.create("bob", "audio", wants "400"), net.domain.workspaces.audio.rate }, { true, 400 }, "what is left")
refused("more than", "nor may one grow", net.modify("bob", "audio", wants "401"))
tap.eq({ net.modify("alice", "video", wants "100"), net.modify("bob", "audio", wants "900") }, { true, true }, "what one gives up, another gets")
refused("a number of kbit/s, not 'much'", "no number", net.create("eve", "odd", wants "much"))
for _, text in ipairs { "0", "-1", "1.5", "" } do refused("kbit/s", "no bandwidth: " .. text, net.create("eve", "odd", wants(text))) end
net.domain.rate = 500
refused("50 kbit/s are more than the 0 that are left", "nothing is left where the network's rate has shrunk", net.create("eve", "odd", wants "50"))
net.domain.rate = 1000
net.detach("bob", "audio")
net.delete("bob", "audio")
tap.eq(net.create("carol", "big", wants "900"), true, "and what a deleted one had")

refused("no class of service 'best'", "a class of service that nobody knows", net.create("eve", "odd", { capabilities = { { type = 3, value = "best" } } }))
refused("no class of service ''", "an empty one", net.modify("carol", "big", { capabilities = { { type = 3 } } }))
tap.eq({ net.create("eve", "calls", { capabilities = { { type = 3, length = 1, value = "telephony" } } }),
  domains.class_of(net.domain.workspaces.calls.capabilities) }, { true, "telephony" }, "a class of service is kept")

-- Dialects
local function speaks(who, value)
  return net.ask(who, "entity_register", { title = type(who) == "string" and who or "x", capabilities = value and { { type = domains.DIALECT, value = value } } })
end
tap.eq({ net.domain.entities.eve.dialect, speaks("eve", "d3a"), net.domain.entities.eve.dialect, speaks "eve", net.domain.entities.eve.dialect },
  { "d3", true, "d3a", true, "d3" }, "an entity says what it speaks, each time it registers")
for _, value in ipairs { "d2", "d4", "" } do refused("no dialect", ("another dialect: %q"):format(value), speaks("eve", value)) end
net = asker { dialect = "d3a" }
tap.eq({ net.domain.entities.eve.dialect, speaks("eve", "d3"), net.domain.entities.eve.dialect }, { "d3a", true, "d3" }, "or the network says it")
tap.eq({ speaks({ place = "s1/o", mac = "00:00:00:00:00:00", dialect = "d2" }, "d3"), net.domain.entities.x.dialect }, { true, "d2" },
  "or the frame does, which counts most")

-- Labels
local labels <const> = { a = "0a:00:00:00:00:01", b = "0a:00:00:00:00:01", c = "44:54:53:00:00:00", d = "ff:ff:ff:ff:ff:ff",
  e = "01:80:c2:00:00:0e", f = HOME.eve.mac }
net = asker { label = function(title) return labels[title] or "0a:00:00:00:00:02" end }
tap.eq(net.create("alice", "a"), true, "a label")
refused("is that of 'a'", "the same label for another title", net.create("alice", "b"))
for _, title in ipairs { "c", "d", "e" } do refused("reserved address", "a reserved one: " .. labels[title], net.create("alice", title)) end
refused("an entity's address", "an entity's address", net.create("alice", "f"))
refused("is a workspace's label", "and the other way round", domains.request(net.domain, { place = "s1/z", mac = labels.a, dialect = "d3" },
  { type = "entity_register", body = { title = "z" } }))

-- Stored and put back
net = asker { rate = 1000 }
net.create("alice", "room", wants "300")
net.attach("bob", "room")
net.create("carol", "hall")
net.attach("alice", "hall")
net.detach("carol", "hall")
local entities, workspaces = {}, {}
for _, e in pairs(net.domain.entities) do entities[#entities + 1] = { title = e.title, place = e.place, mac = e.mac, dialect = e.dialect } end
for _, w in pairs(net.domain.workspaces) do
  local members = {}
  for title, sequence in pairs(w.members) do members[title] = sequence end
  workspaces[#workspaces + 1] = { title = w.title, number = w.number, owner = w.owner, level = w.level, public = w.public,
    capabilities = w.capabilities, members = members, allowed = w.allowed }
end
local again <const> = domains.new { rate = 1000 }
domains.restore(again, entities, workspaces)
tap.eq(picture(again), picture(net.domain), "a domain that is put back is the same")
tap.eq(domains.request(again, HOME.bob, { type = "workspace_create", body = { workspace_title = "new", entity_title = "bob", attach_too = true } }),
  true, "and goes on")
tap.eq({ again.workspaces.new.number, again.sequence > net.domain.sequence }, { 3, true }, "with numbers of its own")

-- At random: what is promised, pinned and owned stays true, and a domain can always be put back.
local function sound(domain)
  local promised, ok = 0, true
  for title, w in pairs(domain.workspaces) do
    promised = promised + w.rate
    ok = ok and domain.labels[w.label] == title and domain.numbers[w.number] == title
    if w.owner then ok = ok and domain.entities[w.owner] ~= nil end
    for member in pairs(w.members) do ok = ok and domain.entities[member] and domain.entities[member].workspaces[title] end
  end
  for _, e in pairs(domain.entities) do
    for title in pairs(e.workspaces) do ok = ok and domain.workspaces[title] and domain.workspaces[title].members[e.title] ~= nil end
  end
  return ok and promised == domain.promised and promised <= 1000
end
local seed <const> = os.time()
math.randomseed(seed)
net = asker { rate = 1000 }
local people <const>, rooms <const>, verbs <const> = { "alice", "bob", "carol", "eve" }, { "r1", "r2", "r3", "r4", "r5" },
  { "register", "unregister", "create", "attach", "detach", "delete", "modify" }
local broken
for step = 1, 20000 do
  local who, room, verb = people[math.random(#people)], rooms[math.random(#rooms)], verbs[math.random(#verbs)]
  if verb == "register" or verb == "unregister" then net[verb](who)
  elseif verb == "create" or verb == "modify" then net[verb](who, room, math.random(2) == 1 and wants(tostring(math.random(600))) or nil)
  else net[verb](who, room) end
  if not sound(net.domain) then
    broken = ("seed %d, step %d: %s %s %s"):format(seed, step, who, verb, room)
    break
  end
end
tap.eq(broken, nil, "20,000 random requests leave it sound")
tap.done()
