--- P4 switches: tables as Lua values, over the switch's Thrift interface (that of BMv2).
--
-- @usage local sw = nve.open("pm1")
--        sw.tables.tags:dump()
--        sw.tables.ipv4_lpm:add{ key = {...}, action = "forward", data = {...} }
local registry <const> = require "nerv.registry"
local cidr <const> = require "nerv.cidr"
local suggest <const> = require "nerv.suggest"

local M = {}

-- Values as people write them -> big-endian bytes of ceil(bits / 8), as BMv2 wants them.
local function encode(what, value, bits)
  local size = (bits + 7) // 8
  local number = math.type(value) == "integer" and value or nil
  if type(value) == "string" then
    local mac = { value:match("^(%x%x):(%x%x):(%x%x):(%x%x):(%x%x):(%x%x)$") }
    local hex = value:match("^0x0*(%x+)$")
    if #mac == 6 and bits == 48 then
      return (value:gsub(":", ""):gsub("..", function(h) return string.char(tonumber(h, 16)) end))
    elseif hex and size > 7 then
      local bytes = (("0"):rep(2 * size - #hex) .. hex):gsub("..", function(h) return string.char(tonumber(h, 16)) end)
      local fits = #bytes == size and (bits % 8 == 0 or bytes:byte() < 1 << bits % 8)
      if fits then return bytes end
    elseif not hex or #hex <= 2 * size then   -- longer ones would wrap around
      number = bits == 32 and cidr.number(value) or math.tointeger(tonumber(value))
    end
  elseif type(value) == "boolean" then
    number = value and 1 or 0
  end
  if not number or number < 0 or (bits < 63 and number >= 1 << bits) then
    registry.fail(("%s: %s does not fit into %d bits"):format(what, tostring(value), bits))
  end
  if size <= 8 then return (">I" .. size):pack(number) end
  return ("\0"):rep(size - 8) .. (">I8"):pack(number)
end

local function decode(bytes)
  if #bytes <= 7 then return (">I" .. math.max(1, #bytes)):unpack(#bytes == 0 and "\0" or bytes) end
  local trimmed = bytes:gsub("^\0+", "")
  if #trimmed <= 7 then return decode(trimmed) end
  return "0x" .. bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

local function decode_all(list)
  local values = {}
  for i, bytes in ipairs(list) do values[i] = decode(bytes) end
  return values
end

local Table = {}
Table.__index = Table

local function names_of(list)
  local names = {}
  for i, item in ipairs(list) do names[i] = item.name end
  return names
end

local function action_of(self, name)
  for _, action in ipairs(self.info.actions) do
    if action.name == name then return action end
  end
  local names = names_of(self.info.actions)
  registry.fail(("table %s: unknown action '%s'%s"):format(self.info.name, tostring(name),
    suggest(name, names, "; there are " .. table.concat(names, ", "))))
end

local function encode_data(self, action_name, data)
  local action = action_of(self, action_name)
  data = data or {}
  if #data ~= #action.params then
    registry.fail(("table %s: action %s takes %d values, not %d"):format(self.info.name, action.name,
      #action.params, #data))
  end
  local encoded = {}
  for i, param in ipairs(action.params) do
    encoded[i] = encode(("table %s: %s.%s"):format(self.info.name, action.name, param.name), data[i], param.bits)
  end
  return encoded
end

local function encode_entry(self, entry)
  if type(entry) ~= "table" or type(entry.key) ~= "table" then
    registry.fail(("table %s: an entry is { key = {...}, action = NAME, data = {...} }"):format(self.info.name))
  end
  if #entry.key ~= #self.info.key then
    registry.fail(("table %s: the key has %d fields, not %d"):format(self.info.name, #self.info.key, #entry.key))
  end
  local key = {}
  for i, field in ipairs(self.info.key) do
    key[i] = encode(("table %s: %s"):format(self.info.name, field.name), entry.key[i], field.bits)
  end
  return { key = key, action = action_of(self, entry.action).name,
    data = encode_data(self, entry.action, entry.data) }
end

--- Adds an entry.
-- @tparam table entry { key = {...}, action = NAME, data = {...} }
-- @return its handle, or nil, message, code
function Table:add(entry)
  local handles, message, code = self:add_many { entry }
  if not handles then return nil, message, code end
  return handles[1]
end

--- Adds many entries, pipelined.
-- @return array of handles; or nil, message, code, index of the first that failed
function Table:add_many(entries)
  local encoded = {}
  for i, entry in ipairs(entries) do encoded[i] = encode_entry(self, entry) end
  return self.connection:add(self.info.name, encoded)
end

--- Changes the action of an entry.
-- @tparam table entry { handle =, action =, data = }
function Table:modify(entry)
  return self.connection:modify(self.info.name, entry.handle, entry.action,
    encode_data(self, entry.action, entry.data))
end

--- Deletes an entry by its handle.
function Table:delete(handle) return self.connection:delete(self.info.name, handle) end

--- Deletes all entries.
function Table:clear() return self.connection:clear(self.info.name) end

--- All entries: array of { key, action, data, handle }.
function Table:dump()
  local entries, message, code = self.connection:entries(self.info.name)
  if not entries then return nil, message, code end
  for _, entry in ipairs(entries) do
    entry.key, entry.data = decode_all(entry.key), decode_all(entry.data)
  end
  return entries
end

--- Sets what happens without a match.
function Table:set_default(action, data)
  return self.connection:set_default(self.info.name, action, encode_data(self, action, data))
end

--- What happens without a match: { action, data }, or nil.
function Table:default()
  local entry, message, code = self.connection:default(self.info.name)
  if not entry then return nil, message, code end
  entry.data = decode_all(entry.data)
  return entry
end

--- Packets and bytes that an entry has matched: { packets, bytes }.
function Table:counter(handle) return self.connection:entry_counter(self.info.name, handle) end

local Switch = { __name = "switch" }
Switch.__index = Switch

local function make_tables(connection)
  local tables, names = {}, {}
  for _, info in ipairs(connection:tables()) do
    names[#names + 1] = info.name
    tables[info.name] = setmetatable({ info = info, connection = connection }, Table)
  end
  return setmetatable(tables, { __index = function(_, name)
    local fitting = {}   -- P4 names have dots; a suffix that fits only one will do, as in BMv2's CLI
    for _, full in ipairs(names) do
      if full:sub(-#tostring(name) - 1) == "." .. tostring(name) then fitting[#fitting + 1] = full end
    end
    if #fitting == 1 then return tables[fitting[1]] end
    registry.fail(("the switch has no table '%s'%s"):format(tostring(name),
      suggest(name, names, "; it has " .. table.concat(names, ", "))))
  end })
end

--- Connects to a switch's control interface.
-- @tparam string where path of a Unix socket, or "ADDRESS:PORT" (a BMv2 simple_switch, too)
-- @return the switch, or nil, message, code
function M.connect(where)
  local client <const> = require "nerv.switch_client"
  local connection, message, code
  local host, port = where:match("^([^/]+):(%d+)$")
  if host then
    connection, message, code = client.connect { host = host, port = math.tointeger(tonumber(port)) }
  else
    connection, message, code = client.connect { path = where }
  end
  if not connection then return nil, message, code end
  return setmetatable({ connection = connection, tables = make_tables(connection), where = where }, Switch)
end

--- Opens the switch of a node.
-- @tparam ?string node_name by default this node
-- @tparam[opt="nve"] string name of the switch
-- @return the switch
function M.open(node_name, name)
  local lab <const> = require "nerv.lab"
  node_name = node_name or lab.here()
  local state = lab.state()
  if not state:node(node_name) then
    registry.fail(("there is no node '%s'"):format(tostring(node_name)))
  end
  name = name or "nve"
  for _, row in ipairs(state:list "Switch") do
    if row.node == node_name and row.name == name then
      local sw, message, code = M.connect(row.socket)
      if sw then return sw end
      registry.fail(("switch %s of node %s: %s (%s)"):format(name, node_name, message, code))
    end
  end
  registry.fail(("node %s runs no switch '%s'; node:update{ egress = ... } gives it one"):format(node_name, name))
end

--- The switch's ports: array of { number, interface, up }.
function Switch:ports() return self.connection:ports() end

--- A port by number, or nil.
function Switch:port(number)
  for _, port in ipairs(self:ports() or {}) do
    if port.number == number then return port end
  end
end

--- Adds an interface as a port, while the switch runs.
function Switch:add_port(interface, number) return self.connection:add_port(interface, number) end

--- Removes a port.
function Switch:remove_port(number) return self.connection:remove_port(number) end

--- Reads a cell of a counter: { packets, bytes }.
function Switch:counter(name, index) return self.connection:counter(name, index) end

--- What the switch says of itself: { device_id, thrift_port }.
function Switch:info() return self.connection:info() end

function Switch:close() self.connection:close() end

function Switch:__tostring() return "switch at " .. self.where end

return M
