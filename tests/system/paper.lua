-- With sanitizers in check-long only.
-- The paper's testbed, as `make paper` runs it, but with short measurements: see scripts/paper.lua. It is interrupted in
-- the middle and goes on, once with a step that cannot be done.
local tap <const> = require "tap"
local system <const> = require "support.system"

local vlc <const> = process.run { argv = { "vlc", "--version" }, user = "nobody" }
if not vlc or vlc.exit ~= 0 then
  tap.skip("the paper's testbed", "there is no vlc: Debian's vlc-bin and vlc-plugin-base")
  tap.done()
  return
end

package.path = "scripts/paper/?.lua;" .. package.path
local clip <const> = require "clip"

-- A picture that was drawn is known, another one is not.
local drawn <const> = clip.picture(166)
tap.eq(clip.read(drawn), 166, "a picture's number is read in it")
tap.eq({ clip.read(("\x10"):rep(clip.BYTES)) }, { nil, "bar 1 of the picture has 16 in plane 1 instead of 180" },
  "a black picture is none of them")
local half <const> = clip.WIDTH * clip.HEIGHT // 2
tap.like(select(2, clip.read(drawn:sub(1, half) .. ("\x7f"):rep(clip.BYTES - half))), "^bar 2 .* in plane 2 instead of 44$",
  "nor is one whose lower half and colours are lost")

local state <close> = system.state()
local dir <close> = system.directory()
local out <const>, temporary <const> = dir.path .. "/out", dir.path .. "/tmp"
assert(file.chmod(dir.path, 457) and file.mkdir(temporary) and file.chmod(temporary, 457))   -- 0711, for nobody
local env <const> = { NERV_STATE = state.path, TMPDIR = temporary }
local argv <const> = { process.exe(), "scripts/paper.lua", "--seconds", 1, "--out", out }

local function results() return json.decode(assert(file.read(out .. "/results.json"))) end

local function nothing_left(text)
  tap.eventually(20, function() return #state:left() == 0 end)
  tap.eq({ state:left(), file.list(temporary) }, { {}, {} }, text .. ": nothing is left behind")
end

local function run(text, status)
  local result <const> = process.run { argv = argv, add_env = env }
  tap.eq(result.exit, status, text)
  nothing_left(text)
  return result
end

local function done(result)
  local steps <const> = {}
  for name in result.stdout:gmatch "  passed      (%l+ ?%l*) " do steps[#steps + 1] = name:gsub(" $", "") end
  return table.concat(steps, ", ")
end

-- One that was killed has left its directory.
local killed <const> = assert(process.spawn { argv = { process.exe(), "-e", [[package.path = "scripts/paper/?.lua;" .. package.path
  local dir <close> = require("work").directory "nobody" print(dir.path) io.stdout:flush() sleep(1000)]] },
  add_env = env, stdin = "null", stdout = "pipe" })
tap.ok(file.stat(killed.stdout:read_line()), "a directory that VLC works in")
killed:kill "KILL"
killed:wait()

-- In the middle.
local first <const> = assert(process.spawn { argv = argv, add_env = env, stdout = "pipe" })
local line
repeat line = first.stdout:read_line() until not line or line:find "passed +video ip"
tap.ok(line, "the first video was shown")
first:kill "INT"
tap.eq(first:wait(60), { exit = 130 }, "interrupted, it ends with 130")
nothing_left "interrupted"
local found = results()
tap.eq({ #found.video, found.chat, found.throughput }, { 2, {}, {} }, "what was done by then is in the results")
tap.ok(file.stat(out .. "/index.html"), "and there is a page")

-- On, but a step cannot write its picture.
local obstacle <const> = out .. "/video-sdn-pm2.png"
assert(file.mkdir(obstacle))
local second <const> = run("the second run fails in one step", 1)
tap.like(second.stdout, "^paper: 2 of 10 steps are in ", "it goes on where the first was")
tap.eq(done(second), "testbed, chat, tcp raw, udp raw, tcp ip, udp ip, tcp sdn, udp sdn", "it does all others")
tap.like(second.stderr, "^paper: video sdn: [^\n]*" .. obstacle:gsub("%p", "%%%0") .. ": [^\n]+\n$", "and says which, and why")
found = results()
tap.like(found.failed["video sdn"], "video%-sdn%-pm2", "so do the results")

-- The rest.
assert(file.remove(obstacle))
local third <const> = run("the third run ends well", 0)
tap.eq(done(third), "testbed, video sdn", "it does the rest, and only that")
tap.eq(third.stderr, "", "nothing is complained about")
found = results()
tap.eq(found.failed, {}, "the results have no failure any more")

for i, want in ipairs { { "ip", "h2", "pm1" }, { "ip", "h3", "pm2" }, { "sdn", "h2", "pm1" }, { "sdn", "h3", "pm2" } } do
  local v <const> = found.video[i]
  tap.eq({ v.network, v.client, v.client_node, v.server_node }, { want[1], want[2], want[3], "pm1" },
    ("%s on %s of network %s got the video"):format(want[2], want[3], want[1]))
  tap.ok(v.frames >= 13 and v.bytes > 10000, "at least half of its 25 pictures, over its interface", v)
  tap.like(file.read(out .. "/" .. v.picture), "^\x89PNG\r\n\x1a\n....IHDR%z%z\x01\x40%z%z%z\xf0", "one of them is kept")
end

local heard <const> = {}
for _, one in ipairs(found.chat) do heard[one.from_node .. " " .. one.to_node] = true end
tap.ok(heard["pm1 pm2"] and heard["pm2 pm1"], "what is said on each node is read on the other one", found.chat)

-- A machine that has something else to do is slow, and with it its networks: more than a part of what the nodes have
-- without them cannot be asked of a single second. The paper's network had 0.43 of it.
local rates <const> = found.throughput
for _, place in ipairs { "raw", "ip", "sdn" } do
  local tcp <const>, udp <const> = rates[place].tcp, rates[place].udp
  tap.ok(tcp.bits_per_second < 100e6 and tcp.bits_per_second >= 0.43 * rates.raw.tcp.bits_per_second,
    place .. ": TCP is plausible", tcp)
  tap.ok(udp.datagrams > 0 and udp.lost < udp.datagrams and udp.bytes == (udp.datagrams - udp.lost) * 1470
    and udp.bits_per_second < 100e6 and udp.jitter_ms >= 0, place .. ": UDP is plausible", udp)
end
local page <const> = file.read(out .. "/index.html")
tap.ok(not page:find "What is missing" and not page:find "What went wrong", "the page lacks nothing")
for _, name in ipairs { "ip", "sdn", "etarch" } do
  tap.like(file.read(out .. "/" .. found.views[name]), "<svg.*pm2.*</svg>", "there is a view of network " .. name)
end

-- Nothing, and what was made otherwise.
local fourth <const> = run("once all is there", 0)
tap.eq(fourth.stdout, ("paper: 10 of 10 steps are in %s/results.json; --again does all of them\npaper: %s/index.html\n")
  :format(out, out), "there is nothing to do")
local kept <const> = require("results").open(out, false, { seconds = 1 })
tap.eq({ kept:has("tcp ip", { seconds = 1, rate = "100mbit" }), kept:has("tcp ip", { seconds = 2, rate = "100mbit" }) },
  { true, false }, "a step that was made otherwise counts as not made")
tap.eq(next(require("results").open(out, true, { seconds = 1 }).data.steps), nil, "--again forgets all")

-- Where somebody has such a network already.
local theirs <const> = network.create { name = "sdn", archetype = "bridge" }
local fifth <const> = process.run { argv = { process.exe(), "scripts/paper.lua", "--out", dir.path .. "/other" } }
tap.eq({ fifth.exit, fifth.stderr:match "testbed: .*: (.-)\n$" }, { 1, "network 'sdn' exists" },
  "without its testbed it ends at once, and says why")
tap.eq(#network.list(), 1, "what is not its own stays")
theirs:delete()

for words, message in pairs { ["--seconds"] = "--seconds needs a value", ["--seconds 0"] = "--seconds: a whole number "
  .. "from 1 on is expected", ["--long"] = "unknown: --long" } do
  local list <const> = { process.exe(), "scripts/paper.lua" }
  for word in words:gmatch "%S+" do list[#list + 1] = word end
  local bad <const> = process.run { argv = list, add_env = env }
  tap.eq({ bad.exit, bad.stdout, bad.stderr:match "^[^\n]+" }, { 2, "", "paper: " .. message }, "refused: " .. words)
end
tap.done()
