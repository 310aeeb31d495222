--- Who has come to have what was another's: a MAC address that was on another node, an IP address that had another MAC
-- address. Bridges and switches in between would send to the former place until they forget it, and neighbours to the
-- former MAC address, a call's first packets among others. So the network is told, once all that an endpoint needs is
-- there, and only then: what 1000 endpoints send to all takes a second of 1000 others.
local announce <const> = require "nerv.announce"
local cidr <const> = require "nerv.cidr"
local json <const> = require "nerv.json"
local link_kind <const> = require "nerv.kinds.link"

local Moves = {}
Moves.__index = Moves
local M = {}

-- The addresses in columns of an endpoint's row, which may hold anything.
local function addresses_in(row)
  local list = {}
  for _, column in ipairs { "allocated", "options" } do
    local values = row[column] and json.decode(row[column])
    for _, value in pairs(type(values) == "table" and values or {}) do
      local ip = type(value) == "string" and value:find "^[%x:.]+$" and cidr.address(value)
      if ip then list[#list + 1] = ip end
    end
  end
  return list
end

--- @tparam table state see state.lua
-- @tparam table node see agent/node.lua
function M.new(state, node)
  local self = setmetatable({ state = state, node = node, networks = {}, came = {},
    watch = state.db:watch { "Endpoint", "Network" } }, Moves)
  for uuid in pairs(state.rows.Network) do self.networks[uuid] = { holder = {}, moved = {}, older = true } end
  for _, row in pairs(state.rows.Endpoint) do self:hold_all(row, row) end
  return self
end

-- Of networks that were there before this agent it is not known who had what.
local function hold(net, value, holder)
  local former <const> = net.holder[value]
  if former and former ~= holder or not former and net.older then net.moved[value] = true end
  net.holder[value] = holder
end

-- Notes who has what.
-- @tparam table columns some of the row's, or all of it
function Moves:hold_all(columns, row)
  local net = self.networks[row.network] or { holder = {}, moved = {} }
  self.networks[row.network] = net
  local mac <const> = columns.mac or row.mac
  hold(net, mac, row.node)
  for _, ip in ipairs(addresses_in(columns)) do hold(net, ip, mac) end
end

--- Catches up with the database.
function Moves:follow()
  for _, event in ipairs(self.watch:all(0) or {}) do
    if event.table == "Network" and not event.new then
      self.networks[event.uuid] = nil
    elseif event.table == "Endpoint" and event.new then
      if event.old then self:hold_all(event.old, event.new) end
      self:hold_all(event.new, event.new)
    end
  end
end

--- Notes that an endpoint's interface has been made, or has other addresses.
-- @tparam table p the link, as a need
function Moves:note(p)
  if p.announced and p.kind == "veth" and p.netns and p.mac then self.came[p.id] = p end
end

-- Whether anything of an endpoint was another's, which is forgotten.
local function has_moved(self, owner)
  local network, name = owner:match "^([^:/]+):(.+)$"
  local row = network and self.state:network(network)
  local net = row and self.networks[row._uuid]
  row = row and self.state:endpoint(row._uuid, name)
  local moved = false
  for _, value in ipairs(net and row and { row.mac, table.unpack(addresses_in(row)) } or {}) do
    moved = moved or net.moved[value] == true
    net.moved[value] = nil
  end
  return moved
end

--- Tells the networks of all that was noted.
function Moves:tell()
  self:follow()
  local came <const> = self.came
  self.came = {}
  for owner, p in pairs(came) do
    if has_moved(self, owner) then announce.interface(link_kind.place(p, self.node), p.mac) end
  end
end

return M
