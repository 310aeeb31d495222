#!/usr/bin/env nervsh
-- A chat without IP: who is in the same workspace of an ETArch network reads what the others type.
--
-- Usage: nervsh scripts/etarch-chat.lua TITLE WORKSPACE [INTERFACE]      in an endpoint: `shell h1 nervsh ...`
-- The workspace is made when it is not there yet. Lines go out as "TITLE: line"; end of input leaves.

local title <const>, workspace <const>, interface <const> = arg[1], arg[2], arg[3] or "eth0"
if not workspace then
  io.stderr:write "usage: etarch-chat.lua TITLE WORKSPACE [INTERFACE]\n"
  os.exit(2)
end

io.stdout:setvbuf "line"
local me <close> = expect(entity.register { title = title, link = interface })
if not me:attach(workspace) then expect(me:create(workspace)) end
print(("%s is in %s"):format(title, workspace))

-- A message ends with its line feed; what follows is padding.
local reader <const> = spawn(function()
  for message in me:messages() do print(message.bytes:match "^[^\n]*") end
end)
local input <const> = expect(stream.fd(0))
for line in function() return input:read_line() end do
  expect(me:send(workspace, ("%s: %s\n"):format(title, line)))
end
reader:cancel()
me:detach(workspace)
me:delete(workspace)          -- succeeds for who owns it and was the last
expect(me:unregister())
