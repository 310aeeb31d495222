-- The chat of an ETArch network, by its own program: two people, one workspace, both directions.
local tap <const> = require "tap"

local net <const> = network.create { name = "uf", archetype = "etarch" }
net:endpoint { { name = "e1" }, { name = "e2" } }
local function chat(where, title)
  return expect(net:get(where):spawn { argv = { process.exe(), "scripts/etarch-chat.lua", title, "room" }, stdin = "pipe", stdout = "pipe", stderr = "inherit" })
end
local alice <const> = chat("e1", "alice")
tap.eq(alice.stdout:read_line(), "alice is in room", "the first one makes the room")
local bob <const> = chat("e2", "bob")
tap.eq(bob.stdout:read_line(), "bob is in room", "the second one enters it")
alice.stdin:write "hello\n"
tap.eq(bob.stdout:read_line(), "alice: hello", "what one types, the other reads")
bob.stdin:write "good morning\n"
tap.eq(alice.stdout:read_line(), "bob: good morning", "and the other way round")
bob.stdin:close()
tap.eq(bob:wait().exit, 0, "the end of input leaves")
alice.stdin:write "anybody?\n"
alice.stdin:close()
tap.eq(alice:wait().exit, 0, "the last one, too")
local usage <const> = process.run { argv = { process.exe(), "scripts/etarch-chat.lua" } }
tap.eq({ usage.exit, usage.stderr }, { 2, "usage: etarch-chat.lua TITLE WORKSPACE [INTERFACE]\n" }, "without a title it says how")
do
  local carol <close> = expect(entity.register { title = "carol", netns = net:get("e1").netns })
  tap.eq({ carol:lookup "room" }, { nil, "carol: the DTSA refuses: there is no workspace 'room'", "EACCES" }, "and the room is gone")
end
net:delete()
tap.done()
