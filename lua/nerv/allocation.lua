--- Choosing what must be unique: tags, port numbers, addresses, MAC addresses. A choice is a row
-- of table Allocation in the caller's transaction; the unique index decides races.
local cidr <const> = require "nerv.cidr"
local digest <const> = require "nerv.digest"
local link_group <const> = require "nerv.link_group"
local registry <const> = require "nerv.registry"

local Picker = {}
Picker.__index = Picker
local M = {}

-- 9 bits of P4's port, less what egress ports take and the drop port.
local PORT_FIRST <const>, PORT_LAST <const> = 16, 510

-- Numbers of nodes; more than there will ever be.
local NODE_LAST <const> = 1 << 24

-- VLAN tags that NERV may use: NERV_TAGS="FIRST-LAST", by default 100 to 3999.
local function tag_range()
  local first, last = (os.getenv("NERV_TAGS") or "100-3999"):match("^(%d+)%-(%d+)$")
  first, last = math.tointeger(tonumber(first)), math.tointeger(tonumber(last))
  if not first or not last or first < 1 or last > 4094 or first > last then
    registry.fail("NERV_TAGS must be FIRST-LAST, within 1 and 4094")
  end
  return first, last
end

--- A picker sees what is taken in the replica, and what it picked itself.
-- @tparam ?table state see state.lua; without one nothing is taken
function M.new(state)
  state = state or { is_allocated = function() return false end }
  return setmetatable({ state = state, taken = {}, cursor = {}, operations = {}, count = 0 }, Picker)
end

function Picker:is_taken(scope, value)
  value = tostring(value)
  local known = self.taken[scope] and self.taken[scope][value]
  if known ~= nil then return known end
  return self.state:is_allocated(scope, value)
end

--- Tells the picker what will be taken or free when its choice counts, whatever the replica says now.
function Picker:assume(scope, value, taken)
  self.taken[scope] = self.taken[scope] or {}
  self.taken[scope][tostring(value)] = taken
end

--- Takes a value. The owner's row must list the returned name in `allocations`.
-- @return the name of the row in the transaction
function Picker:take(scope, value)
  value = tostring(value)
  self:assume(scope, value, true)
  self.count = self.count + 1
  local name = "allocation" .. self.count
  table.insert(self.operations, { op = "insert", table = "Allocation", uuid_name = name,
    row = { scope = scope, value = value } })
  return name
end

-- The first free number from `first` to `last` and its value, or nil.
function Picker:free(scope, first, last, show)
  local place = scope .. (show and show(first) or "")   -- a scope may hold several ranges
  for n = self.cursor[place] or first, last do
    local value = show and show(n) or tostring(n)
    if not self:is_taken(scope, value) then
      self.cursor[place] = n + 1
      return value, n
    end
  end
end

--- A free VLAN tag.
-- @return the tag and its row's name; or nil and a message
function Picker:tag()
  local first, last = tag_range()
  local _, tag = self:free("tag", first, last)
  if not tag then return nil, ("no free VLAN tag in %d-%d"):format(first, last) end
  return tag, self:take("tag", tag)
end

--- A free number for a port of the NVEs.
function Picker:port_number()
  local _, number = self:free("port", PORT_FIRST, PORT_LAST)
  if not number then return nil, ("no free port number in %d-%d"):format(PORT_FIRST, PORT_LAST) end
  return number, self:take("port", number)
end

-- Texts of a range's addresses, each made once: the search for a free one begins at the first.
local function host_texts(state, range)
  state.host_texts = state.host_texts or {}
  local texts, host = state.host_texts[range] or {}, cidr.hosts_of(range)
  state.host_texts[range] = texts
  return function(n)
    local text = texts[n]
    if not text then
      text = host(n)
      texts[n] = text
    end
    return text
  end
end

--- A free address of a network's range.
-- @return text of the address and its row's name; or nil and a message
function Picker:address(network_name, range)
  local scope = "address " .. network_name
  local first, last = cidr.hosts(range)
  local address = self:free(scope, first, last, host_texts(self.state, range))
  if not address then
    return nil, ("network %s: no free address in %s: all %d are taken"):format(network_name, range,
      math.max(0, last - first + 1))
  end
  return address, self:take(scope, address)
end

--- Whether an endpoint may have an address in a range.
function M.suits(range, address) return cidr.unusable(range, address) == nil end

--- A given address of a network's range.
function Picker:fixed_address(network_name, range, address)
  local why = cidr.unusable(range, address)
  if why then return nil, ("network %s: address %s %s"):format(network_name, address, why) end
  address = cidr.address(address)
  if self:is_taken("address " .. network_name, address) then
    return nil, ("network %s: address %s is taken"):format(network_name, address)
  end
  return address, self:take("address " .. network_name, address)
end

--- A MAC address that depends on the names only, so that a testbed has the same one tomorrow.
-- Locally administered, unicast.
function M.derived_mac(network_name, endpoint_name, try)
  local hash = digest.sha256(("%s\0%s\0%d"):format(network_name, endpoint_name, try))
  return "02" .. hash:sub(1, 10):gsub("..", ":%0")
end

--- A derived MAC address that is free.
function Picker:mac(network_name, endpoint_name)
  for try = 0, 1000 do
    local mac = M.derived_mac(network_name, endpoint_name, try)
    if not self:is_taken("mac", mac) then return mac, self:take("mac", mac) end
  end
  return nil, "no free MAC address"
end

--- A given MAC address.
function Picker:fixed_mac(mac)
  mac = mac:lower()
  if self:is_taken("mac", mac) then return nil, ("MAC address %s is taken"):format(mac) end
  return mac, self:take("mac", mac)
end

--- The least free number for a node.
function Picker:node_number()
  local _, number = self:free("node", 1, NODE_LAST)
  return number, self:take("node", number)
end

--- A link group; see link_group.lua.
function Picker:link_group()
  local group
  repeat group = link_group.random()
  until not self:is_taken("link group", group)
  return group, self:take("link group", group)
end

return M
