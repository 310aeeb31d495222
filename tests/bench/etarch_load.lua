-- Plays many switches to a DTSA: each keeps some registrations under way, every one of another title, and counts the
-- packet_outs that answer them.
-- Usage: nervsh tests/bench/etarch_load.lua SOCKET SWITCHES SECONDS     prints answers a second
local path <const>, switches <const>, seconds <const> = arg[1], tonumber(arg[2]), tonumber(arg[3])
local WINDOW <const> = 64
local PACKET_OUT <const> = 13
-- Titles of an earlier run are known already.
local RUN <const> = digest.random(4)
local encode <const> = openflow_codec.encode

-- Registrations that nobody has made yet.
local function batch(switch, first)
  local all = {}
  for i = 1, WINDOW do
    local frame = "DTS\0\0\0\2\0" .. (">I4"):pack(switch << 20 | first + i) .. "\8\x80"
      .. etcp.request { type = "entity_register", id = 0, body = { title = ("%s %d %d"):format(RUN, switch, first + i) } }
    all[i] = encode("packet_in", { match = { in_port = 1 }, reason = "action", total_len = #frame, data = frame })
  end
  return table.concat(all)
end

local function reply(connection, message, name, items) connection:write(encode(name, items, message.xid)) end

-- Answers what the DTSA asks first, as a switch with one port that does nothing yet.
local function shake_hands(connection, id)
  connection:write(encode("hello", { versions = { 4 } }))
  while true do
    local head = expect(connection:read_exactly(8))
    local length = (">I2"):unpack(head, 3)
    local message = openflow_codec.decode(head .. (length > 8 and expect(connection:read_exactly(length - 8)) or ""))
    if message.message == "features_request" then
      reply(connection, message, "features_reply", { datapath_id = id, n_tables = 1 })
    elseif message.message == "multipart_request" then
      local ports = message.stats == "port_desc" and { { port = 1, name = "port1" } } or {}
      reply(connection, message, "multipart_reply", { stats = message.stats, list = ports })
    elseif message.message == "flow_mod" and message.priority == 0 then
      return
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
  local answers, sent, rest = 0, 0, ""
  while runtime.now() < limit do
    while sent - answers < WINDOW do
      connection:write(batch(id, sent))
      sent = sent + WINDOW
    end
    local more
    more, rest = count(rest .. expect(connection:read()))
    answers = answers + more
  end
  return answers
end

local began <const> = runtime.now()
local tasks, total = {}, 0
for id = 1, switches do tasks[id] = spawn(play, id, began + seconds) end
for id = 1, switches do total = total + tasks[id]:wait() end
print(math.floor(total / (runtime.now() - began)))
