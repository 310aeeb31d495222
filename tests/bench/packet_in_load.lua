-- Plays many switches to an OpenFlow controller: each keeps some packet_ins under way between two of its hosts, and counts
-- the packet_outs that answer them.
-- Usage: nervsh tests/bench/packet_in_load.lua SOCKET SWITCHES SECONDS     prints packet_outs a second
local path <const>, switches <const>, seconds <const> = arg[1], tonumber(arg[2]), tonumber(arg[3])
local WINDOW <const>, HOSTS <const> = 64, 32
local PACKET_OUT <const> = 13
local encode <const> = openflow_codec.encode

local function mac(switch, host) return "\2\0" .. (">I2I2"):pack(switch, host) end

-- One frame from each host to the next one.
local function batch(switch)
  local all = {}
  for i = 1, WINDOW do
    local from = i % HOSTS
    local to = (i + 1) % HOSTS
    all[i] = encode("packet_in", { match = { in_port = from + 1 }, reason = "no_match", total_len = 64,
      data = mac(switch, to) .. mac(switch, from) .. "\8\0" .. ("\0"):rep(50) })
  end
  return table.concat(all)
end

-- Answers what the controller asks first; returns what has been read beyond that.
local function shake_hands(connection, id)
  connection:write(encode("hello", { versions = { 4 } }))
  while true do
    local head = expect(connection:read_exactly(8))
    local length = (">I2"):unpack(head, 3)
    local message = openflow_codec.decode(head .. (length > 8 and expect(connection:read_exactly(length - 8)) or ""))
    if message.message == "features_request" then
      connection:write(encode("features_reply", { datapath_id = id, n_tables = 1 }, message.xid))
    elseif message.message == "multipart_request" then
      connection:write(encode("multipart_reply", { stats = message.stats, list = {} }, message.xid))
    elseif message.message == "flow_mod" and message.priority == 0 then
      return                       -- the last thing that the controller does by itself
    end
  end
end

-- How many packet_outs are in the bytes, and what is left behind the last whole message.
local function count(bytes)
  local at, found = 1, 0
  while #bytes - at >= 7 do
    local _, kind, length = (">BBI2"):unpack(bytes, at)
    if #bytes - at + 1 < length then break end
    if kind == PACKET_OUT then found = found + 1 end
    at = at + length
  end
  return found, bytes:sub(at)
end

local function play(id, limit)
  local connection <close> = expect(stream.connect { path = path })
  shake_hands(connection, id)
  local frames <const> = batch(id)
  local answers, owed, rest = 0, WINDOW, ""
  connection:write(frames)
  while runtime.now() < limit do
    local more
    more, rest = count(rest .. expect(connection:read()))
    answers, owed = answers + more, owed - more
    while owed <= 0 do
      connection:write(frames)
      owed = owed + WINDOW
    end
  end
  return answers
end

local began <const> = runtime.now()
local tasks, total = {}, 0
for id = 1, switches do tasks[id] = spawn(play, id, began + seconds) end
for id = 1, switches do total = total + tasks[id]:wait() end
print(math.floor(total / (runtime.now() - began)))
