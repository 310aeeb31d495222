-- Switches that are played to an OpenFlow controller: each keeps some packet_ins under way, and counts the packet_outs
-- that answer them.
local M = {}

local PACKET_OUT <const> = 13
local encode <const> = openflow_codec.encode

-- Answers what the controller asks first, as a switch that does nothing yet.
local function shake_hands(connection, id, ports)
  connection:write(encode("hello", { versions = { 4 } }))
  while true do
    local head = expect(connection:read_exactly(8))
    local length = (">I2"):unpack(head, 3)
    local message = openflow_codec.decode(head .. (length > 8 and expect(connection:read_exactly(length - 8)) or ""))
    if message.message == "features_request" then
      connection:write(encode("features_reply", { datapath_id = id, n_tables = 1 }, message.xid))
    elseif message.message == "multipart_request" then
      local list = message.stats == "port_desc" and ports or {}
      connection:write(encode("multipart_reply", { stats = message.stats, list = list }, message.xid))
    elseif message.message == "barrier_request" then connection:write(encode("barrier_reply", {}, message.xid))
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

local function play(o, id, limit)
  local connection <close> = expect(stream.connect { path = o.path })
  shake_hands(connection, id, o.ports or {})
  local answers, sent, rest = 0, 0, ""
  while runtime.now() < limit do
    while sent - answers < o.window do
      connection:write(o.batch(id, sent))
      sent = sent + o.window
    end
    local more
    more, rest = count(rest .. expect(connection:read()))
    answers = answers + more
  end
  return answers
end

--- Plays for some time.
-- @tparam table o path (the controller's Unix socket), switches, seconds, window (packet_ins of a batch), batch (function
--   of a switch and of how many it has sent; returns the bytes of the next ones), ports (as port_desc lists them)
-- @return answers a second
function M.rate(o)
  local began <const> = runtime.now()
  local tasks, total = {}, 0
  for id = 1, o.switches do tasks[id] = spawn(play, o, id, began + o.seconds) end
  for id = 1, o.switches do total = total + tasks[id]:wait() end
  return total / (runtime.now() - began)
end

return M
