-- A switch that does what a test tells it: OpenFlow messages over a socket, one by one.
local M = {}
local Switch = {}
Switch.__index = Switch

--- Sends a message, or several bytes as they are.
function Switch:send(message, items, xid)
  return self.stream:write(openflow_codec.encode(message, items, xid))
end

--- The next message as a table, or nil, message, code.
function Switch:receive()
  local head, message, code = self.stream:read_exactly(8)
  if not head then return nil, message, code end
  local length = (">I2"):unpack(head, 3)
  return openflow_codec.decode(head .. (length > 8 and self.stream:read_exactly(length - 8) or ""))
end

--- The next message of that name; others are passed over, echo requests are answered.
function Switch:expect(name)
  while true do
    local message = assert(self:receive())
    if message.message == name then return message end
    if message.message == "echo_request" then self:send("echo_reply", { data = message.data }, message.xid) end
  end
end

function Switch:expect_echo()
  local message = assert(self:receive())
  while message.message ~= "echo_request" do message = assert(self:receive()) end
  return message
end

--- Passes over what still comes; what receive() returns at the end.
function Switch:expect_end()
  local message, text, code
  repeat message, text, code = self:receive() until not message
  return message, text, code
end

--- Answers what a controller asks first.
function Switch:begin(id, ports)
  self:send("hello", { versions = { 4 } })
  self:expect "hello"
  self:send("features_reply", { datapath_id = id, n_tables = 1 }, self:expect("features_request").xid)
  self:send("multipart_reply", { stats = "port_desc", list = ports or {} }, self:expect("multipart_request").xid)
  self:expect "set_config"
  return self
end

function Switch:close() self.stream:close() end

Switch.__close = Switch.close

--- Connects to a controller.
function M.connect(path)
  return setmetatable({ stream = assert(stream.connect { path = path }) }, Switch)
end

return M
