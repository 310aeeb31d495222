-- What others may do to an ETArch network: titles at their limits, equal labels, a flood of requests by one entity, ports
-- that vanish. Nobody else is disturbed.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local titles <const> = require "support.titles"

local bed <const> = testbed.create { nodes = 2 }
local WHERE <const> = { alice = "pm1", bob = "pm1", carol = "pm2", dave = "pm2", mallory = "pm1" }
local field <const> = titles.network { name = "uf", entities = WHERE, network = { absence = 5 } }
for _, name in ipairs { "alice", "bob", "carol", "dave" } do expect(field:register(name)) end
local alice <const>, bob <const>, carol <const>, dave <const> = field.entities.alice, field.entities.bob, field.entities.carol, field.entities.dave

-- Titles: 0, 255 and 256 bytes, of entities and workspaces.
local LONG <const> = ("é"):rep(127) .. "x"
do
  -- Ours says itself what is wrong with a title: the DTSA is asked by bytes.
  local mac <const> = link.get({ name = "eth0", netns = field:space "mallory" }).mac:gsub("(%x%x):?", function(d) return string.char(tonumber(d, 16)) end)
  local id = 900
  local function outcome(kind, body)
    id = id + 1
    local socket <close> = expect(packet.open { link = "eth0", netns = field:space "mallory", protocol = 0x0880 })
    for _ = 1, 20 do
      socket:send("DTS\0\0\0" .. mac .. "\8\x80" .. etcp.request { type = kind, id = id, body = body })
      for frame, info in socket:frames(0.5) do
        local response <const> = not info.outgoing and etcp.read_response(frame:sub(15))
        if response and response.request_id == id then return response.reason or response.status end
      end
    end
  end
  local function registered(title) return outcome("entity_register", { title = title }) end
  local function created(title) return outcome("workspace_create", { workspace_title = title }) end
  local NONE <const>, MORE <const> = "there is no title", "a title has at most 255 bytes, not 256"
  tap.eq({ registered(""), registered(LONG .. "y"), created "", created(LONG .. "y") }, { NONE, MORE, NONE, MORE },
    "titles of 0 and 256 bytes are refused, of entities and workspaces")
  local one <const> = expect(entity.register { title = LONG, netns = field:space "mallory", tries = 20 })
  tap.eq(one.title, LONG, "one of 255 bytes registers")
  tap.eq({ alice:create(LONG), one:attach(LONG) }, { true, true }, "and enters a workspace of such a title")
  alice:send(LONG, "long\n")
  local message <const> = one:receive(10)
  tap.eq(message and { message.workspace == LONG, message.bytes:match "^[^\n]*" }, { true, "long" }, "in which messages arrive")
  tap.eq({ one:detach(LONG), alice:detach(LONG), alice:delete(LONG), one:unregister() }, { true, true, true, true }, "and that goes")
end

-- Two titles with the same label, found by trying: the second one is refused while the first is there.
local TWINS <const> = { "r24077609", "r30453225" }
tap.eq({ etcp.label(TWINS[1]) == etcp.label(TWINS[2]), TWINS[1] == TWINS[2] }, { true, false }, "two titles have one label")
tap.eq({ alice:create(TWINS[1]), (bob:create(TWINS[2])), carol:attach(TWINS[1]), (carol:attach(TWINS[2])) }, { true, [3] = true },
  "a workspace of the second is not made beside the first")
alice:send(TWINS[1], "twin\n")
tap.eq(titles.drain(carol), { TWINS[1] .. ": twin\n" }, "which works as before")
tap.eq({ carol:detach(TWINS[1]), alice:detach(TWINS[1]), alice:delete(TWINS[1]), bob:create(TWINS[2], { attach = false }), bob:delete(TWINS[2]) },
  { true, true, true, true, true }, "when the first has gone the second may come")

-- One entity sends requests as fast as it can, well-formed and not; others ask, enter, leave and speak as ever.
expect(alice:create "room")
local FLOOD <const> = [[
  local socket = expect(packet.open { link = "eth0", protocol = 0x0880 })
  local mac = link.get { name = "eth0" }.mac:gsub("(%x%x):?", function(d) return string.char(tonumber(d, 16)) end)
  local frames = {}
  for i = 1, 256 do
    local bytes = {}
    for k = 1, math.random(4, 100) do bytes[k] = string.char(math.random(0, 255)) end
    local request = etcp.request { type = "entity_register", id = i, body = { title = ("mallory %d"):format(i) } }
    frames[i] = "DTS\0\0\0" .. mac .. "\8\x80" .. ({ [0] = table.concat(bytes), request, request:sub(1, -3) })[i % 3]
  end
  io.stdout:write "now\n"
  io.stdout:flush()
  while true do
    for _, frame in ipairs(frames) do socket:send(frame) end
    sleep(0)
  end
]]
local mallory <const> = expect(field.net:get("mallory"):spawn { argv = { process.exe(), "-e", FLOOD }, stdout = "pipe", stderr = "inherit" })
mallory.stdout:read_line()
local refused, lost = {}, {}
for round = 1, 20 do
  local one <const> = round % 2 == 0 and bob or carol
  local good, message = one:attach "room"
  if not good then refused[#refused + 1] = message end
  alice:send("room", ("round %d\n"):format(round))
  local got <const> = one:receive(10)
  if not got or not got.bytes:find(("round %d\n"):format(round), 1, true) then lost[#lost + 1] = round end
  good, message = one:detach "room"
  if not good then refused[#refused + 1] = message end
end
tap.eq({ refused, lost }, { {}, {} }, "beside a flood of requests others are answered, and their messages arrive")
mallory:kill()
mallory:wait(10)

-- Ports that vanish while their entities are attached: what others are in goes on, and what was theirs passes on.
expect(bob:create "den")
expect(carol:attach "den")
expect(dave:create "cellar")
for _, one in ipairs { bob, carol, dave } do expect(one:attach(one == dave and "den" or "room")) end
local function reaches(text)
  titles.drain(carol, 0)
  alice:send("room", text .. "\n")
  for message in carol:messages(10) do
    if message.workspace == "room" and message.bytes:find(text, 1, true) == 1 then return true end
  end
  return false
end
local disturbed = 0
local function undisturbed(what, f)
  local watcher <const> = spawn(function()
    for i = 1, math.huge do
      if not reaches(("%s %d "):format(what, i)) then disturbed = disturbed + 1 end
      sleep(0.05)
    end
  end)
  local good <const> = f()
  watcher:cancel()
  return good
end

-- a link deleted by hand
expect(link.delete { name = "eth0", netns = field:space "bob" })
local asker <const> = expect(field:register("mallory", "asker"))
tap.ok(undisturbed("link", function()
  return tap.eventually(60, function() return carol:modify("den", { public = true }) end)
end), "a link is deleted: after a while the workspace is another member's")
bob:close()
local again <close> = entity.register { title = "bob", netns = field:space "mallory", tries = 20 }
tap.ok(again, "and the title is free")
if again then again:unregister() end

-- a namespace that goes: it does when nobody is in it, and nobody has it open
dave:close()
local space <const> = field:space "dave"
local other <const> = expect(process.run { argv = { "umount", "-l", space } })
tap.eq(other.exit, 0, "a namespace is taken away by hand")
tap.ok(undisturbed("namespace", function() return tap.eventually(60, function() return not asker:lookup "cellar" end) end),
  "and with it, after a while, what nobody else was in")
tap.eq(disturbed, 0, "meanwhile nobody else lost a message")

local mended <const> = field.net:verify()
tap.ok(#mended > 0, "verify mends it", mended)
tap.eq(field.net:verify(), {}, "and then nothing is left to mend")
for _, name in ipairs { "bob", "dave" } do
  local one <close> = entity.register { title = name, netns = field:space(name), tries = 20 }
  local entered <const> = one and one:attach "den"
  titles.drain(carol, 0)
  if one then one:send("den", "I am back\n") end
  local message <const> = entered and carol:receive(10)
  tap.eq(message and message.bytes:match "^[^\n]*", "I am back", name .. " is there again, registers and enters")
end

for _, one in pairs(field.entities) do one:close() end
field.net:delete()
bed:delete()
tap.done()
