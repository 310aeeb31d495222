--- P4 switches: tables as Lua values, over the switch's Thrift interface (that of BMv2).
--
-- @usage local sw = nve.open("pm1")
--        sw.tables.tags:dump()
--        sw.tables.ipv4_lpm:add{ key = {...}, action = "forward", data = {...} }
local api <const> = require "nerv.api"
local registry <const> = require "nerv.registry"
local cidr <const> = require "nerv.cidr"
local live <const> = require "nerv.prompt.live"
local suggest <const> = require "nerv.suggest"
local file <const> = require "nerv.file"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

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

local Table = { __name = "switch_table" }
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

function Table:add(entry)
  local handles, message, code = self:add_many { entry }
  if not handles then return nil, message, code end
  return handles[1]
end

function Table:add_many(entries)
  local encoded = {}
  for i, entry in ipairs(entries) do
    encoded[i] = encode_entry(self, entry)
    task.breathe()
  end
  return self.connection:add(self.info.name, encoded)
end

function Table:modify(entry)
  return self.connection:modify(self.info.name, entry.handle, entry.action,
    encode_data(self, entry.action, entry.data))
end

function Table:delete(handle) return self.connection:delete(self.info.name, handle) end

function Table:clear() return self.connection:clear(self.info.name) end

function Table:dump()
  local entries, message, code = self.connection:entries(self.info.name)
  if not entries then return nil, message, code end
  for _, entry in ipairs(entries) do
    entry.key, entry.data = decode_all(entry.key), decode_all(entry.data)
  end
  return entries
end

function Table:set_default(action, data)
  return self.connection:set_default(self.info.name, action, encode_data(self, action, data))
end

function Table:default()
  local entry, message, code = self.connection:default(self.info.name)
  if not entry then return nil, message, code end
  entry.data = decode_all(entry.data)
  return entry
end

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

function M.connect(where, seconds)
  local client <const> = require "nerv.switch_client"
  local connection, message, code
  local host, port = where:match("^([^/]+):(%d+)$")
  if host then
    connection, message, code = client.connect { host = host, port = math.tointeger(tonumber(port)), timeout = seconds }
  else
    connection, message, code = client.connect { path = where, timeout = seconds }
  end
  if not connection then return nil, message, code end
  return setmetatable({ connection = connection, tables = make_tables(connection), where = where }, Switch)
end

-- The switch of a node on another machine: its agent relays, and a socket of our own is where the client connects.
local function connect_far(agent, name)
  local protocol <const> = require "nerv.protocol"
  local connection, message, code = protocol.connect(agent)
  if not connection then return nil, message, code end
  local reply
  reply, message, code = protocol.ask(agent, connection, { call = "switch", name = name })
  if not reply then return nil, message, code end
  local dir = file.temp_dir "nerv-switch-"
  local listener = assert(stream.listen { path = dir .. "/socket" })
  local relay = task.spawn(function()
    local client = listener:accept()
    if client then protocol.relay(client, connection) end
  end)
  local sw
  sw, message, code = M.connect(dir .. "/socket")
  listener:close()
  file.remove_tree(dir)
  if not sw then
    relay:cancel()
    connection:close()
  end
  return sw, message, code
end

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
      local agent = lab.socket(node_name)
      local sw, message, code
      if agent:find("^ssl:") then sw, message, code = connect_far(agent, name)
      else sw, message, code = M.connect(row.socket) end
      if sw then return sw end
      registry.fail(("switch %s of node %s: %s (%s)"):format(name, node_name, message, code))
    end
  end
  registry.fail(("node %s runs no switch '%s'; node:update{ egress = ... } gives it one"):format(node_name, name))
end

function Switch:ports() return self.connection:ports() end

function Switch:port(number)
  for _, port in ipairs(self:ports() or {}) do
    if port.number == number then return port end
  end
end

function Switch:add_port(interface, number) return self.connection:add_port(interface, number) end

function Switch:remove_port(number) return self.connection:remove_port(number) end

function Switch:counter(name, index) return self.connection:counter(name, index) end

function Switch:info() return self.connection:info() end

function Switch:connected() return self.connection:connected() end

function Switch:close() self.connection:close() end

function Switch:__tostring() return "switch at " .. self.where end

local KEY <const> = "the fields of the key, in order: numbers, addresses, MACs, or hexadecimal text"
local DATA <const> = { name = "data", type = "list", text = "array of the action's values" }
local function action_names(self) return names_of(self.info.actions) end
local ACTION <const> = { name = "action", type = "string", required = true, names = action_names,
  text = "name of the action" }
local HANDLE <const> = { name = "handle", type = "integer", required = true, text = "number of the entry" }
local PORT <const> = { name = "number", type = "integer", required = true, text = "number of the port" }
local EXAMPLE <const> = 'local sw = nve.open "pm1"\n%s'
local TAGS <const> = [[
local tags = sw.tables.tags
local handle = assert(tags:add { key = { 1, 77 }, action = "to_port", data = { 16 } })
%s]]
local function example(text) return EXAMPLE:format(text) end
local function on_tags(text) return EXAMPLE:format(TAGS:format(text)) end

api.class("switch_table", "a table of a P4 switch", Table, {
  add = { text = "adds an entry; returns its handle, or nil, message, code",
    args = { { name = "entry", type = "table", required = true, text = "{key=, action=, data=}",
      fields = { key = { type = "list", required = true, doc = KEY },
        action = { type = "string", required = true, names = action_names, doc = ACTION.text },
        data = { type = "list", doc = DATA.text } } } },
    example = on_tags "print(handle)" },
  add_many = { text = "adds entries in one go; returns their handles, or nil, message, code, index of the first that"
    .. " failed",
    args = { { name = "entries", type = "list", required = true, text = "array of entries as add takes them" } },
    example = example 'print(#sw.tables.tags:add_many { { key = { 1, 77 }, action = "to_port", data = { 16 } } })' },
  modify = { text = "changes the action of an entry; returns true, or nil, message, code",
    args = { { name = "entry", type = "table", required = true, text = "{handle=, action=, data=}",
      fields = { handle = { type = "integer", required = true, doc = HANDLE.text },
        action = { type = "string", required = true, names = action_names, doc = ACTION.text },
        data = { type = "list", doc = DATA.text } } } },
    example = on_tags 'assert(tags:modify { handle = handle, action = "to_port", data = { 17 } })' },
  delete = { text = "deletes an entry; returns true, or nil, message, code", args = { HANDLE },
    example = on_tags "assert(tags:delete(handle))" },
  clear = { text = "deletes all entries; returns true, or nil, message, code",
    example = example "assert(sw.tables.tags:clear())" },
  dump = { text = "returns all entries, array of {key=, action=, data=, handle=}; or nil, message, code",
    example = on_tags "for _, entry in ipairs(tags:dump()) do print(entry.handle, entry.key[2], entry.action) end" },
  set_default = { text = "sets what happens without a match; returns true, or nil, message, code",
    args = { ACTION, DATA },
    example = example("local tags = sw.tables.tags\nlocal usual = tags:default()\n"
      .. "assert(tags:set_default(usual.action, usual.data))") },
  default = { text = "returns what happens without a match, {action=, data=}; or nil, message, code",
    example = example "print(sw.tables.tags:default().action)" },
  counter = { text = "returns how much an entry has matched, {packets=, bytes=}; or nil, message, code",
    args = { HANDLE },
    example = on_tags "print(tags:counter(handle).packets)" },
}, { info = "what its program says of it: {name=, key=, actions=}" })

api.class("switch", "a P4 switch under control", Switch, {
  ports = { text = "returns the ports, array of {number=, interface=, up=}; or nil, message, code",
    example = example "for _, port in ipairs(sw:ports()) do print(port.number, port.interface) end" },
  port = { text = "returns a port by number, or nil", args = { PORT },
    example = example "print(sw:port(1).interface)" },
  add_port = { text = "adds an interface as a port, while the switch runs; returns true, or nil, message, code",
    args = { { name = "interface", type = "string", required = true, text = "name of the interface" }, PORT } },
  remove_port = { text = "removes a port; returns true, or nil, message, code", args = { PORT } },
  counter = { text = "reads a cell of a counter; returns {packets=, bytes=}, or nil, message, code",
    args = { { name = "name", type = "string", required = true, text = "name of the counter" },
      { name = "index", type = "integer", required = true, text = "which cell; 0 is the first" } },
    example = example 'print(sw:counter("verdicts", 0).packets)' },
  info = { text = "returns what the switch says of itself, {device_id=, thrift_port=}",
    example = example "print(sw:info().device_id)" },
  connected = { text = "returns true, or false and the reason: after a call without an answer the connection is of no"
    .. " use", example = example "assert(sw:connected())" },
  close = { text = "ends the connection", example = example "sw:close()" },
}, { tables = "its tables, by name: sw.tables.tags", where = "what it was connected by" }, function(_, node_name)
  local tables = {}
  for name, info in pairs(live.switch_tables(node_name)) do
    tables[name] = { class = "switch_table", value = { info = info } }
  end
  return { tables = { members = tables } }
end)

return api.module("nve", "P4 switches: a node's NVE, and others", M, {
  open = { text = "connects to a switch of a node; returns the switch",
    args = { { name = "node", type = "name", names = "node", text = "the node; by default this one" },
      { name = "name", type = "name", text = "the switch; by default nve" } },
    returns = "switch", example = example 'print(#sw.tables.tags:dump())' },
  connect = { text = "connects to a switch's control interface, a BMv2 simple_switch's too; returns the switch, or"
    .. " nil, message, code",
    args = { { name = "where", type = "string", required = true,
      text = "path of a Unix socket, or \"ADDRESS:PORT\"" },
      { name = "timeout", type = "seconds", text = "longest wait for an answer; by default 10" } },
    example = 'print(nve.connect "127.0.0.1:9090")' },
})
