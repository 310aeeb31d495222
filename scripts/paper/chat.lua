--- The chat: scripts/etarch-chat.lua, run by people in endpoints of an ETArch network. Nobody has an address.
local M = {}

local PROGRAM <const> = file.realpath(arg[0]:match("^(.*)/[^/]*$") or ".") .. "/etarch-chat.lua"
local ROOM <const> = "room"
-- Seconds within which a line must arrive.
local LIMIT <const> = 10

local function read_line(person, what)
  local line, message = timeout(LIMIT, function() return person.program.stdout:read_line() end)
  return expect(line, ("%s does not read %s: %s"):format(person.title, what, message))
end

local function join(ep, title)
  local person <const> = { title = title, node = ep.node, program = expect(ep:spawn { stderr = "inherit",
    argv = { process.exe(), PROGRAM, title, ROOM } }) }
  local line <const> = read_line(person, "that it is in the room")
  expect(line == ("%s is in %s"):format(title, ROOM), line)
  return person
end

-- One says something, the others read it.
local function say(people, from, text, said)
  expect(from.program.stdin:write(text .. "\n"))
  for _, to in ipairs(people) do
    if to ~= from then
      local line <const> = read_line(to, "what " .. from.title .. " says")
      expect(line == ("%s: %s"):format(from.title, text), ("%s reads \"%s\""):format(to.title, line))
      said[#said + 1] = { from = from.title, from_node = from.node, to = to.title, to_node = to.node, text = text }
    end
  end
end

local function leave(people)
  for _, person in ipairs(people) do
    person.program.stdin:close()
    expect(person.program:wait(LIMIT))
  end
end

--- A conversation.
-- @tparam table endpoints array
-- @tparam table titles array: who is in which endpoint
-- @tparam table lines array of { number of who speaks, what it says }
-- @tparam function meanwhile called when all is said and nobody has left yet
-- @return array of { from, from_node, to, to_node, text }: who has read what of whom
function M.talk(endpoints, titles, lines, meanwhile)
  local people <close> = setmetatable({}, { __close = function(self)
    for _, person in ipairs(self) do person.program:close() end
  end })
  local said <const> = {}
  for i, ep in ipairs(endpoints) do people[i] = join(ep, titles[i]) end
  for _, line in ipairs(lines) do say(people, people[line[1]], line[2], said) end
  meanwhile()
  leave(people)
  return said
end

return M
