--- The titles of an ETArch network in the database: what a DTSA has answered is there, whatever becomes of it. Only the
-- DTSA on the network's home writes: while the home moves there may be two, and the next one has read what there is.
local config <const> = require "nerv.config"
local json <const> = require "nerv.json"
local ovsdb <const> = require "nerv.ovsdb"

local M = {}
local Store <const> = {}
Store.__index = Store

local function text_of(value) return value and json.encode(value) or "" end
local function value_of(text) return text ~= "" and json.decode(text) or nil end

--- Connects to the database for one network.
-- @tparam string remote as ovsdb.connect takes it
-- @tparam string name the network's
-- @tparam ?string node of the DTSA, which may write while that is the network's home
-- @return the store, or nil, message, code
function M.open(remote, name, node)
  local db, message, code = ovsdb.connect { remote = remote, database = "NERV",
    tables = { "Network", "Entity", "Workspace" }, tls = remote:find("^ssl:") and config.tls() or nil }
  if not db then return nil, message, code end
  local network <const> = next(db:by("Network", { "name" })[name] or {})
  if not network then return nil, ("there is no network '%s'"):format(name), "ENOENT" end
  local by <const> = { Entity = db:by("Entity", { "network", "title" }),
    Workspace = db:by("Workspace", { "network", "title" }) }
  return setmetatable({ db = db, network = network, node = node, by = by }, Store)
end

function Store:row(table_name, title)
  return (select(2, next(self.by[table_name][self.network .. "\0" .. title] or {})))
end

-- In place of the dialect of who has unregistered.
local DEPARTED <const> = "departed"

local function entity_row(entity)
  return { place = entity.place, mac = entity.mac, dialect = entity.dialect or DEPARTED,
    requirements = text_of(entity.requirements), capabilities = text_of(entity.capabilities),
    answered = entity.answered or "" }
end

local function workspace_row(workspace)
  local allowed = {}
  for title in pairs(workspace.allowed) do allowed[#allowed + 1] = title end
  return { number = workspace.number, owner = workspace.owner or "", level = workspace.level, public = workspace.public,
    capabilities = text_of(workspace.capabilities), members = workspace.members, allowed = allowed }
end

--- What is stored, as domain.restore takes it.
function M.load(store)
  local entities, workspaces = {}, {}
  for _, row in pairs(store.db.rows.Entity) do
    if row.network == store.network then
      entities[#entities + 1] = { title = row.title, place = row.place, mac = row.mac,
        dialect = row.dialect ~= DEPARTED and row.dialect or nil, requirements = value_of(row.requirements),
        capabilities = value_of(row.capabilities), answered = row.answered }
    end
  end
  for _, row in pairs(store.db.rows.Workspace) do
    if row.network == store.network then
      local allowed, members = {}, {}
      for _, title in ipairs(row.allowed) do allowed[title] = true end
      for title, sequence in pairs(row.members) do members[title] = sequence end
      workspaces[#workspaces + 1] = { title = row.title, number = row.number,
        owner = row.owner ~= "" and row.owner or nil, level = row.level, public = row.public,
        capabilities = value_of(row.capabilities), members = members, allowed = allowed }
    end
  end
  return entities, workspaces
end

-- One operation for a row that is to be, to change, or to go.
function Store:operation(table_name, title, row)
  local where <const> = { { "network", "==", self.network }, { "title", "==", title } }
  if not row then return { op = "delete", table = table_name, where = where } end
  if self:row(table_name, title) then return { op = "update", table = table_name, where = where, row = row } end
  row.network, row.title = self.network, title
  return { op = "insert", table = table_name, row = row }
end

local function member_operation(store, workspace, title)
  local sequence <const> = workspace.members[title]
  return { op = "mutate", table = "Workspace", where = { { "network", "==", store.network }, { "title", "==",
    workspace.title } }, mutations = { { "members", "delete", { title } },
    sequence and { "members", "insert", { [title] = sequence } } or nil } }
end

local function at_home(store)
  return { op = "wait", table = "Network", where = { { "_uuid", "==", store.network } }, columns = { "home" },
    ["until"] = "==", rows = { { home = store.node } }, timeout = 0 }
end

--- Writes what has changed in a domain, in one transaction.
-- @tparam table changes from domain.take_changes
-- @return true, or nil, message, code
function M.write(store, domain, changes)
  if #changes == 0 then return true end
  local operations, whole = { at_home(store) }, { entity = {}, workspace = {} }
  for _, change in ipairs(changes) do
    if change.kind ~= "member" then whole[change.kind][change.title] = true end
  end
  for title in pairs(whole.entity) do
    local entity <const> = domain.entities[title] or domain.departed[title]
    operations[#operations + 1] = store:operation("Entity", title, entity and entity_row(entity))
  end
  for title in pairs(whole.workspace) do
    local workspace <const> = domain.workspaces[title]
    operations[#operations + 1] = store:operation("Workspace", title, workspace and workspace_row(workspace))
  end
  for _, change in ipairs(changes) do
    local workspace <const> = change.kind == "member" and domain.workspaces[change.title]
    if workspace and not whole.workspace[change.title] then
      operations[#operations + 1] = member_operation(store, workspace, change.member)
    end
  end
  local result, message, code = store.db:transact(operations)
  if code == "timed out" then message = ("node %s is not the network's home any more"):format(store.node) end
  if not result then return nil, message, code end
  return true
end

--- The operations that remove what a network has stored.
function M.removal(network)
  local operations = {}
  for i, name in ipairs { "Entity", "Workspace" } do
    operations[i] = { op = "delete", table = name, where = { { "network", "==", network } } }
  end
  return operations
end

return M
