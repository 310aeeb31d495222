--- Captures: the frames of an endpoint, a network or an interface, on whichever node it is. They
-- travel over the agent's socket as records of a pcap file.
local api <const> = require "nerv.api"
local json <const> = require "nerv.json"
local options <const> = require "nerv.options"
local pcap <const> = require "nerv.pcap"
local protocol <const> = require "nerv.protocol"
local registry <const> = require "nerv.registry"
local task <const> = require "nerv.task"

local M = {}

-- Bytes of a packet that a capture keeps at most.
local SNAPLEN_MOST <const> = 262144

-- Bytes of a packet's head in a pcap file.
local HEAD <const> = 16

--- What a capture may be asked for.
M.OPTIONS = {
  file = { type = "file", doc = "pcap file to write, \"-\" for standard output; without it packets are iterated" },
  filter = { type = "string", doc = "only packets that match, as tcpdump takes it: \"icmp or udp port 53\"" },
  count = { type = "integer", doc = "ends after so many packets" },
  seconds = { type = "seconds", doc = "ends after so many seconds" },
  snaplen = { type = "integer", default = SNAPLEN_MOST, doc = "bytes of each packet to keep" },
  interface = { type = "string", doc = "which interface; by default an endpoint's first, a network's bridge" },
  promiscuous = { type = "boolean", default = true, doc = "also frames for other addresses" },
}

--- The arguments of capture methods, as api.lua has them.
M.ARGS = { { name = "options", type = "table", text = "what to capture, and where to", fields = M.OPTIONS } }
M.NETWORK_ARGS = { { name = "options", type = "table", text = "what to capture, and where to",
  fields = options.join(M.OPTIONS,
    { node = { type = "string", doc = "which node's bridge; by default the home's" } }) } }

local Capture = { __name = "capture" }
local methods = {}
Capture.__index = methods

function Capture.__tostring(self) return "capture of " .. self.name end

-- The agent ends the capture when the connection does.
function Capture.__close(self)
  if not self.result and not self.failure then self.failure = { "closed", "closed" } end
  if self.pumping then self.pumping:cancel() end
  if self.writer then self.writer:close() end
  self.connection:close()
end

-- The agent's next records; nil at the end, whose result or failure is noted.
local function receive(self)
  if self.result or self.failure then return nil end
  local kind, payload, code = self.connection:read_frame()
  if kind == protocol.STDOUT then return payload end
  local message = kind and json.decode(payload)
  if type(message) ~= "table" then
    self.failure = { "the agent's connection ended: " .. tostring(payload), kind and "EPROTO" or code }
  elseif message.error then
    self.failure = { message.error, message.code }
  else
    self.result = message
  end
  return nil
end

-- To the file, until the end. A reader of it that leaves ends the capture.
local function pump(self)
  for records in receive, self do
    local good, message, code = self.writer:append(records)
    if not good then
      self.connection:close()
      self.failure = { message, code }
      return
    end
  end
  self.writer:close()
end

local function ended(self)
  if self.failure then return nil, ("capture of %s: %s"):format(self.name, self.failure[1]), self.failure[2] end
  return nil
end

local function take(self)
  if self.writer then registry.fail("capture:next: this capture goes to a file") end
  while self.at > #self.records do
    local records = receive(self)
    if not records then return ended(self) end
    self.records, self.at = records, 1
  end
  local seconds, nanoseconds, kept, length = ("<I4I4I4I4"):unpack(self.records, self.at)
  local bytes = self.records:sub(self.at + HEAD, self.at + HEAD + kept - 1)
  self.at = self.at + HEAD + kept
  return { time = seconds + nanoseconds / 1e9, time_ns = seconds * 1000000000 + nanoseconds, length = length,
    bytes = bytes }
end

--- Takes the next packet.
function methods:next() return take(self) end

function Capture.__call(self)
  local packet, message = take(self)
  if not packet and message then registry.fail(message) end
  return packet
end

--- Waits for the end of the capture; a wait that is cancelled ends it, too.
function methods:wait()
  local _ <close> = self
  local packets
  if self.pumping then
    self.pumping:wait()
  else
    packets = {}
    for packet in take, self do packets[#packets + 1] = packet end
  end
  if self.failure then return ended(self) end
  return { count = self.result.packets, bytes = self.result.bytes, dropped = self.result.dropped, packets = packets }
end

--- Ends the capture.
function methods:stop()
  if not self.result and not self.failure then protocol.send(self.connection, { stop = true }) end
  return self:wait()
end

--- What is wrong with options whose types are right: a text, or nil.
function M.problem(values)
  if values.count and values.count < 1 then return "count must be 1 or more" end
  if values.snaplen < 1 or values.snaplen > SNAPLEN_MOST then return "snaplen must be 1 to " .. SNAPLEN_MOST end
  return nil
end

--- Begins a capture; frames from now on are in it.
-- @tparam string what the function that was called, for messages
-- @tparam string name what is captured, for messages
-- @tparam string path of the agent's socket
-- @tparam ?string owner an endpoint's or network's; nil for an interface of the node itself
-- @tparam table values by M.OPTIONS, checked
-- @return a capture; or nil, message, code
function M.start(what, name, path, owner, values)
  local problem <const> = M.problem(values) or not owner and not values.interface and "interface is missing"
  if problem then registry.fail(("%s: %s"):format(what, problem)) end
  local connection, message, code = protocol.connect(path)
  if not connection then return nil, message, code end
  local request = options.join(values)
  request.call, request.owner, request.file = "capture", owner, nil
  local reply
  reply, message, code = protocol.ask(path, connection, request)
  if not reply then
    connection:close()
    return nil, ("capture of %s: %s"):format(name, message), code
  end
  local self = setmetatable({ name = name, connection = connection, interface = reply.interface,
    linktype = reply.linktype, records = "", at = 1 }, Capture)
  if not values.file then return self end
  self.writer, message, code = pcap.create(values.file, { snaplen = values.snaplen, linktype = reply.linktype })
  if not self.writer then
    connection:close()
    return nil, message, code
  end
  self.pumping = task.spawn(pump, self)
  return self
end

api.class("capture", "packets that are being captured; a loop calls it: for p in capture do ... end", methods, {
  next = { text = "returns the next packet {time= seconds since 1970, time_ns= nanoseconds, bytes=, length= bytes on "
    .. "the wire}, nil at the end; not of a capture that goes to a file",
    example = "local capture <close> = h1:capture{ count = 1 }\nh1:ping(h2)\nprint(#capture:next().bytes)" },
  wait = { text = "waits for the end that count or seconds set; returns {count=, bytes=, dropped= packets that found "
    .. "no room, packets= what next() had not taken, unless they went to a file}",
    example = "local capture <close> = h1:capture{ seconds = 0.2 }\nprint(capture:wait().count)" },
  stop = { text = "ends the capture; returns what wait returns: all that has come by now is in it",
    example = "local capture <close> = h1:capture{ filter = \"icmp\" }\nh1:ping(h2)\n"
      .. "for _, p in ipairs(capture:stop().packets) do print(packet.parse(p.bytes).icmp.icmp_type) end" },
}, { interface = "name of the interface", linktype = "what packets begin with: 1 Ethernet, 101 IP" })

return M
