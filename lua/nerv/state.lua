--- The state manager as the rest of the platform sees it: the replica of the database
-- `NERV`, and look-ups in it.
local config <const> = require "nerv.config"
local ovsdb <const> = require "nerv.ovsdb"
local json <const> = require "nerv.json"

local State = {}
State.__index = State
local M = {}

--- The condition of an operation that concerns one row.
function M.only(row) return { { "_uuid", "==", row._uuid } } end

-- Seconds of silence after which the database is asked whether it lives, and in which it must answer. Twice that passes
-- before a call meets another one in its place: well within the time of a call.
local PROBE <const> = 4

--- Phases in which a Change no longer runs.
M.ENDED = { done = true, undone = true }

local OBJECT_TABLES <const> = { Network = true, Endpoint = true, Node = true }
local VERBS <const> = { create = true, update = true, delete = true }

--- The objects of a Change: array of { table =, owner =, verb =, node =, before = }. Anybody may have written the
-- row: what does not describe an object is left out.
function M.objects(change)
  local list = {}
  local decoded = json.decode(change.objects)
  for _, object in ipairs(type(decoded) == "table" and decoded or {}) do
    local known = type(object) == "table" and OBJECT_TABLES[object.table] and VERBS[object.verb]
      and type(object.owner) == "string" and (object.verb ~= "update" or type(object.before) == "table")
    if known then list[#list + 1] = object end
  end
  return list
end

-- Of a network's own servers; nobody else follows them.
local APART <const> = { Entity = true, Workspace = true }

local function followed()
  local tables = {}
  for name in pairs(require("nerv.schema").tables) do
    if not APART[name] then tables[#tables + 1] = name end
  end
  return tables
end

-- Rows by what they are looked up by: these follow the replica, whatever its size.
local function indexes(db)
  return { node = db:by("Node", { "name" }), network = db:by("Network", { "name" }),
    endpoint = db:by("Endpoint", { "network", "name" }), member = db:by("Endpoint", { "network" }),
    placed = db:by("Endpoint", { "network", "node" }), allocation = db:by("Allocation", { "scope", "value" }) }
end

--- Connects to the database.
-- @tparam string remote "unix:PATH", "tcp:ADDRESS:PORT" or "ssl:ADDRESS:PORT"
-- @return the state, or nil, message, code
function M.connect(remote)
  local db, message, code = ovsdb.connect { remote = remote, database = "NERV", probe = PROBE,
    tables = followed(),
    tls = remote:find("^ssl:") and config.tls() or nil }
  if not db then return nil, message, code end
  return setmetatable({ db = db, rows = db.rows, by = indexes(db), remote = remote, reserved = {} }, State)
end

function State:close() self.db:close() end

local NONE <const> = {}

-- The row of a group of which there is one at most.
local function only_row(group) return (select(2, next(group or NONE))) end

--- A node's row by name, or nil.
function State:node(name)
  return only_row(self.by.node[name])
end

--- A network's row by name, or nil.
function State:network(name)
  return only_row(self.by.network[name])
end

--- An endpoint's row, or nil.
function State:endpoint(network_uuid, name)
  return only_row(self.by.endpoint[network_uuid .. "\0" .. name])
end

--- Whether a value is taken in its scope, or about to be by this process.
function State:is_allocated(scope, value)
  local key <const> = scope .. "\0" .. value
  return self.by.allocation[key] ~= nil or self.reserved[key] ~= nil
end

--- Marks what the operations of a transaction allocate, until the returned value is closed: tasks of one process choose
-- other values, and do not race with each other.
function State:reserve(operations)
  local keys <const> = {}
  for _, o in ipairs(operations) do
    if o.op == "insert" and o.table == "Allocation" then
      keys[#keys + 1] = o.row.scope .. "\0" .. o.row.value
      self.reserved[keys[#keys]] = true
    end
  end
  return setmetatable({}, { __close = function()
    for _, key in ipairs(keys) do self.reserved[key] = nil end
  end })
end

--- Rows of a table as an array: a list to walk while transactions change the replica.
function State:list(table_name)
  local list = {}
  for _, row in pairs(self.rows[table_name]) do list[#list + 1] = row end
  return list
end

local function by_name(a, b) return a.name < b.name end

--- Rows of a table in the order of their names.
function State:sorted(table_name)
  local list = self:list(table_name)
  table.sort(list, by_name)
  return list
end

--- The endpoints of a network that are not about to go, by name; of one node if it is given.
function State:endpoints(network_uuid, node)
  local list = {}
  local group = self.by.member[network_uuid]
  if node then group = self.by.placed[network_uuid .. "\0" .. node] end
  for _, row in pairs(group or NONE) do
    if not row.doomed then list[#list + 1] = row end
  end
  table.sort(list, by_name)
  return list
end

--- Whether a network has endpoints on a node.
-- @tparam[opt] boolean all count endpoints that are about to go, too
function State:has_endpoints(network_uuid, node, all)
  for _, row in pairs(self.by.placed[network_uuid .. "\0" .. node] or NONE) do
    if all or not row.doomed then return true end
  end
  return false
end

--- Names of the nodes on which a network is present: its home, and where it has endpoints.
-- @tparam[opt] boolean all count endpoints that are about to go, too
function State:nodes_of(network, all)
  local list = { network.home }
  for name in pairs(self.by.node) do
    if name ~= network.home and self:has_endpoints(network._uuid, name, all) then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

--- The ports of a network: name -> { tag, number }.
function State:ports(network)
  local ports = {}
  for _, uuid in ipairs(network.ports) do
    local row = self.rows.Port[uuid]
    if row then ports[row.name] = { tag = row.tag, number = row.number } end
  end
  return ports
end

--- The archetype rows by digest.
function State:archetypes()
  local by_digest = {}
  for _, row in pairs(self.rows.Archetype) do by_digest[row.digest] = row end
  return by_digest
end

--- The Change that an object waits for, or nil when none runs.
function State:running(row)
  local change = row.change and self.rows.Change[row.change]
  if change and not M.ENDED[change.phase] then return change end
end

--- A node's options with a number for each egress port: those that have one keep it, so that a
-- port's traffic goes on while others come and go.
function M.number_egress(options)
  local numbers, taken, new = {}, {}, {}
  for name in pairs(options.egress or {}) do
    local number = options.egress_numbers and options.egress_numbers[name]
    if number then numbers[name], taken[number] = number, true
    else new[#new + 1] = name end
  end
  table.sort(new)
  local number = 1
  for _, name in ipairs(new) do
    while taken[number] do number = number + 1 end
    numbers[name], taken[number] = number, true
  end
  options.egress_numbers = numbers
  return options
end

--- The egress ports of a node in the order of their numbers, with their modes.
-- @return array of { interface =, mode =, port = number }
function M.egress(node_row)
  local list = {}
  local options = M.number_egress(json.decode(node_row.options or "{}") or {})
  for name, mode in pairs(options.egress or {}) do
    list[#list + 1] = { interface = name, mode = mode, port = options.egress_numbers[name] }
  end
  table.sort(list, function(a, b) return a.port < b.port end)
  return list
end

--- Runs a transaction.
-- @return the results; or nil, message, code, index of the operation
function State:transact(operations) return self.db:transact(operations) end

return M
