-- What the prose shows runs: every block of Lua and every session at the prompt of README.md and of the manual pages. A
-- block that makes the network `blue` begins with an empty lab; another one finds blue, of archetype ip, and its
-- endpoints h1 and h2, also as h. There is an interface eth1, and a namespace named box. The guide for archetype
-- authors has a test of its own.
local tap <const> = require "tap"

local nervsh <const> = process.exe()
local LIMIT <const> = 60
local PRELUDE <const> = [[
blue = network.get "blue" or network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
h = blue:endpoint { { name = "h1" }, { name = "h2" } }
h1, h2 = h[1], h[2]
]]

-- Blocks between ```KIND and ```, with the number of the line where each begins.
local function blocks(path)
  local found, block, number = {}, nil, 0
  for one in io.lines(path) do
    number = number + 1
    if block and one == "```" then
      found[#found + 1], block = block, nil
    elseif block then
      block[#block + 1] = one
    elseif one:find "^```" then
      block = { kind = one:match "^```(.*)$", path = path, line = number }
    end
  end
  return found
end

-- What a person types in a session.
local function typed(block)
  local lines = {}
  for i, one in ipairs(block) do lines[i] = one:match "^nerv> (.*)$" or one:match "^   >> (.*)$" or "" end
  return table.concat(lines, "\n") .. "\n"
end

local space <const> = "/run/netns/prose-" .. digest.random(4)
local box <const> = "/run/netns/box"
netns.add { path = space, lo_up = true }
link.add { kind = "veth", name = "eth1", netns = space, peer = { name = "peer1", netns = space } }
local made <const> = not netns.exists(box) and netns.add { path = box }
local dir <const> = file.temp_dir "prose-"

local function run(block)
  local argv = { nervsh }
  if block.kind == "nervsh" then
    file.write(dir .. "/session", typed(block))
    argv = { nervsh, "-c", "source " .. dir .. "/session" }
  else
    local text = table.concat(block, "\n")
    if not text:find 'network.create%s*{ name = "blue"' then argv = { nervsh, "-e", PRELUDE } end
    file.write(dir .. "/block.lua", text)
    argv[#argv + 1] = dir .. "/block.lua"
  end
  local result, message, _, status = timeout(LIMIT, process.run, { argv = argv, netns = space, cwd = dir,
    add_env = { NERV_STATE = dir .. "/state" } })
  result = result or status or {}
  local where = ("%s:%d"):format(block.path, block.line)
  tap.ok(result.exit == 0, ("%s: the %s runs"):format(where, block.kind == "nervsh" and "session" or "Lua"), message,
    result.stderr)
end

local files <const> = { "README.md" }
for _, name in ipairs(file.list "scripts/man") do files[#files + 1] = "scripts/man/" .. name end
local count = { lua = 0, nervsh = 0 }
for _, path in ipairs(files) do
  for _, block in ipairs(blocks(path)) do
    tap.ok(count[block.kind], ("%s:%d: a block of Lua, or a session: %s"):format(path, block.line, block.kind))
    count[block.kind] = count[block.kind] + 1
    run(block)
  end
end
tap.ok(count.lua >= 4 and count.nervsh >= 2, "there are blocks of both", count)
file.remove_tree(dir)
if made then netns.delete { path = box } end
netns.delete { path = space }
tap.done()
