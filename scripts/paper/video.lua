--- The video: VLC serves the clip over HTTP in an endpoint of a network, and VLC in others receives and decodes it.
local clip <const> = require "clip"
local work <const> = require "work"

local M = {}

local PORT <const> = 8080
-- VLC refuses to run as root. No user files but in HOME, and no other interface than its own end.
local USER <const> = "nobody"
local VLC <const> = { "vlc", "-I", "dummy", "--no-media-library" }
local END <const> = "vlc://quit"
local CLIP <const> = "clip.ts"
-- Seconds that a client may take until it has its pictures, beyond the time that they are shown; and that it has to
-- end.
local PATIENCE <const>, END_LIMIT <const> = 40, 5
-- Share of the decoded pictures that must be ours, each another one: VLC repeats and drops some to keep time.
local GOOD <const> = 0.5

local function vlc(...)
  local argv <const> = table.move(VLC, 1, #VLC, 1, {})
  return table.move({ ... }, 1, select("#", ...), #argv + 1, argv)
end

-- What VLC complained of, in one line.
local function complaint(text)
  local lines <const> = {}
  for line in text:gmatch "[^\n]+" do
    if line:find "error" and not line:find "interface" then lines[#lines + 1] = line:gsub("^%[%x+%] ", "") end
  end
  return #lines > 0 and table.concat(lines, "; ") or "no complaint"
end

local function size(path)
  local have <const> = file.stat(path)
  return have and have.size or 0
end

-- Encodes pictures of a YUV4MPEG2 file by VLC, and removes it.
-- @tparam string dir where both files are
-- @tparam string coding VLC's name of the codec, and its options
-- @tparam string mux VLC's name of the container
local function encode(dir, from, to, coding, mux)
  local result <const> = expect(process.run { user = USER, cwd = dir, add_env = { HOME = dir },
    argv = vlc("--rawvid-fps", clip.RATE .. "/1", from, "--sout",
      ("#transcode{vcodec=%s}:std{access=file,mux=%s,dst=%s}"):format(coding, mux, to), END) })
  expect(result.exit == 0 and size(dir .. "/" .. to) > 0,
    ("vlc did not make %s: %s"):format(to, complaint(result.stderr)))
  expect(file.remove(dir .. "/" .. from))
end

--- Makes the clip: MPEG-2 in a transport stream.
-- @return a directory with it, for VLC to work in; it goes with the scope
function M.prepare()
  local dir <const> = work.directory(USER)
  clip.draw(dir.path .. "/clip.y4m")
  encode(dir.path, "clip.y4m", CLIP, "mp2v,vb=3000", "ts")
  return dir
end

-- VLC in an endpoint, until the scope ends.
local function start(ep, dir, ...)
  local argv <const> = { "setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups" }
  table.move(vlc(...), 1, #VLC + select("#", ...), #argv + 1, argv)
  return expect(ep:spawn { argv = argv, cwd = dir, env = { HOME = dir }, stdin = "null", stdout = "null" })
end

-- Receives and decodes into a file until there are so many pictures. The server listens a moment after its start: who
-- comes before tries again.
local function receive(ep, o, url, raw)
  local limit <const> = runtime.now() + PATIENCE + o.pictures / clip.RATE
  local path <const>, enough <const> = o.dir .. "/" .. raw, o.pictures * clip.BYTES
  local complaints
  repeat
    local player <close> = start(ep, o.dir, url, "--sout",
      ("#transcode{vcodec=I420}:std{access=file,mux=dummy,dst=%s}"):format(raw), END)
    repeat sleep(0.05) until size(path) >= enough or not player:running() or runtime.now() > limit
    player:kill "TERM"
    player:wait(END_LIMIT)
    if size(path) >= enough then return end
    complaints = complaint(player.stderr:read(1 << 16) or "")
  until runtime.now() > limit
  error(("%s got %d of %d pictures; vlc: %s"):format(ep.id, size(path) // clip.BYTES, o.pictures, complaints), 0)
end

-- Looks at all decoded pictures.
-- @return how many there are that we drew, none counted twice; the bytes of the last one of them; what is wrong with
-- the last other one
local function look(path)
  local input <close> = assert(io.open(path, "rb"))
  local seen <const>, count = {}, 0
  local last, wrong
  for bytes in function() return input:read(clip.BYTES) end do
    if #bytes < clip.BYTES then break end      -- VLC was ended while it wrote
    local number, problem = clip.read(bytes)
    wrong = problem or wrong
    if number and not seen[number] then
      seen[number], count, last = true, count + 1, bytes
    end
  end
  return count, last, wrong
end

-- What one client gets.
local function watch(net, ep, o, url)
  local raw <const> = ("%s-%s.yuv"):format(net.name, ep.name)
  local before <const>, began <const> = ep.stats.rx_bytes, runtime.now()
  receive(ep, o, url, raw)
  local bytes <const>, seconds <const> = ep.stats.rx_bytes - before, runtime.now() - began
  local count, last, wrong = look(o.dir .. "/" .. raw)
  expect(file.remove(o.dir .. "/" .. raw))
  expect(count >= o.pictures * GOOD, ("%s decoded %d of %d pictures; the others: %s"):format(ep.id, count, o.pictures,
    wrong or "the same once more"))
  local y4m <const>, png <const> = raw:gsub("yuv$", "y4m"), ("video-%s-%s.png"):format(net.name, ep.node)
  clip.write_one(o.dir .. "/" .. y4m, last)
  encode(o.dir, y4m, png, "png", "dummy")
  expect(file.write(o.out .. "/" .. png, expect(file.read(o.dir .. "/" .. png))))
  return { network = net.name, server = o.server.name, server_node = o.server.node, client = ep.name,
    client_node = ep.node, frames = count, bytes = bytes, seconds = seconds, picture = png }
end

--- Serves the clip in one endpoint and shows it in others, at once.
-- @tparam table net
-- @tparam table o { server = endpoint, clients = array of endpoints, pictures = how many each shall get,
-- dir = path of prepare(), out = directory of the PNG files }
-- @return array of what the table of results has of videos
function M.show(net, o)
  local server <close> = start(o.server, o.dir, "--loop", CLIP, "--http-host", o.server.address, "--http-port", PORT,
    "--sout", "#std{access=http,mux=ts,dst=/clip}", "--sout-keep")
  local url <const> = ("http://%s:%d/clip"):format(o.server.address, PORT)
  local tasks <close> = setmetatable({}, { __close = function(self)
    for _, one in ipairs(self) do one:cancel() end
  end })
  -- pcall: one that fails before it is waited for is not to be logged as one that nobody waits for.
  for i, ep in ipairs(o.clients) do tasks[i] = task.spawn(pcall, watch, net, ep, o, url) end
  local records <const> = {}
  for i, one in ipairs(tasks) do
    local good, record = one:wait()
    if not good then error(record, 0) end
    records[i] = record
  end
  expect(server:running(), "the server ended")
  return records
end

return M
