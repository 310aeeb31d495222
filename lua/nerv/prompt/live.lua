--- Names of what exists, for completion: only what is at hand. Asking starts no lab and never waits; where
-- there is no lab there are no names.
local archetypes <const> = require "nerv.archetype"
local file <const> = require "nerv.file"
local lab <const> = require "nerv.lab"
local json <const> = require "nerv.json"
local literal <const> = require "nerv.prompt.literal"
local paths <const> = require "nerv.paths"
local registry <const> = require "nerv.registry"

local M = {}

-- The replica, or nil.
local function state()
  if not lab.active() then return nil end
  local good, found = pcall(lab.state)   -- it waits while the database is away
  return good and found or nil
end

local function rows_of(table_name)
  local replica = state()
  return replica and replica.rows[table_name] or {}
end

local function names_of(table_name)
  local names = {}
  for _, row in pairs(rows_of(table_name)) do
    if not row.doomed then names[#names + 1] = row.name end
  end
  return names
end

--- Endpoints whose name, or NETWORK:NAME, begins so. A bare name that several networks have is not unique, but
-- it is a name all the same.
function M.endpoints(prefix)
  local networks, names, seen = rows_of "Network", {}, {}
  local net, rest = prefix:match("^([^:]*):(.*)$")
  prefix = rest or prefix
  local length <const> = #prefix
  for _, row in pairs(rows_of "Endpoint") do
    local name = row.name
    if name:sub(1, length) == prefix and not row.doomed then
      local network = net and networks[row.network]
      if net and network and network.name == net then
        names[#names + 1] = net .. ":" .. name
      elseif not net and not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  return names
end

--- Whether there is such an endpoint.
function M.is_endpoint(word)
  for _, name in ipairs(M.endpoints(word)) do
    if name == word then return true end
  end
  return false
end

--- Whether there is such a network.
function M.is_network(word)
  for _, name in ipairs(names_of "Network") do
    if name == word then return true end
  end
  return false
end

--- The endpoints of one network.
function M.endpoints_of(network_name)
  local names = {}
  for uuid, network in pairs(rows_of "Network") do
    if network.name == network_name then
      for _, row in pairs(rows_of "Endpoint") do
        if row.network == uuid and not row.doomed then names[#names + 1] = row.name end
      end
    end
  end
  return names
end

--- The network of an endpoint that is named alone or as NETWORK:NAME; nil when there are several.
function M.network_of(word)
  local net, name = word:match("^([^:]+):(.+)$")
  local networks, found = rows_of "Network", nil
  for _, row in pairs(rows_of "Endpoint") do
    local network = row.name == (name or word) and networks[row.network]
    if network and (not net or network.name == net) then
      if found then return nil end
      found = network.name
    end
  end
  return found
end

local function matching(dir, pattern)
  local names = {}
  for _, name in ipairs(file.list(dir) or {}) do
    if name:find(pattern) then names[#names + 1] = name end
  end
  return names
end

--- What an option or argument of a type may be: type -> function(prefix) that returns a list of names.
M.by_type = {
  network = function() return names_of "Network" end,
  node = function() return names_of "Node" end,
  endpoint = M.endpoints,
  archetype = function()
    local names = {}
    for _, name in ipairs(archetypes.list()) do
      local def = archetypes.load(name)
      if not (def and def.internal) then names[#names + 1] = name end
    end
    return names
  end,
  netns = function() return matching("/run/netns", ".") end,
  program = function() return M.programs() end,
  interface = function() return matching("/sys/class/net", ".") end,
}

--- The definition of a network's archetype, or nil.
function M.definition(network_name)
  local replica = state()
  local row = replica and replica:network(network_name)
  return row and archetypes.by_digest(row.digest, replica:archetypes()) or nil
end

--- The tables of the NVE of a node, as its program describes them: name -> { actions = { { name = } ... } }.
-- @tparam ?string node_name by default any node
function M.switch_tables(node_name)
  local tables = {}
  for _, row in pairs(rows_of "Switch") do
    local text = (row.node == node_name or not node_name) and row.name == "nve"
      and file.read(("%s/%s.json"):format(paths.p4(), row.program))
    for _, pipeline in ipairs((text and json.decode(text) or {}).pipelines or {}) do
      for _, t in ipairs(pipeline.tables) do
        local actions = {}
        for i, action in ipairs(t.actions) do actions[i] = { name = action } end
        tables[t.name] = { actions = actions }
      end
    end
  end
  return tables
end

--- The file's names that go on with a path: directories end with a slash.
function M.files(path)
  local dir, base = path:match("^(.*/)([^/]*)$")
  dir, base = dir or "", base or path
  local names, place = {}, dir == "" and "./" or dir:gsub("^~/", (os.getenv("HOME") or "") .. "/")
  for _, name in ipairs(file.list(place) or {}) do
    if name:sub(1, #base) == base and (name:sub(1, 1) ~= "." or base:sub(1, 1) == ".") then
      local stat = file.stat(place .. name)
      names[#names + 1] = dir .. name .. (stat and stat.type == "directory" and "/" or "")
    end
  end
  return names
end

local programs, programs_path

--- Names of the programs in $PATH.
function M.programs()
  local path = os.getenv("PATH") or ""
  if programs_path == path then return programs end
  local seen = {}
  programs, programs_path = {}, path
  for dir in path:gmatch("[^:]+") do
    for _, name in ipairs(file.list(dir) or {}) do
      if not seen[name] then
        seen[name] = true
        programs[#programs + 1] = name
      end
    end
  end
  table.sort(programs)
  return programs
end

--- The class that describes an object: its name, or nil.
function M.class_of(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and type(value) ~= "string" and rawget(meta, "__name")
  return type(name) == "string" and name or nil
end

--- A class's description: { text =, functions =, fields = }, or nil.
function M.class(name)
  return name and (registry.describe("class " .. name)) or nil
end

--- The description of a function by its full name: "link.add", "network:update", or "sleep", a global.
function M.description(name)
  local owner, inner = (name or ""):match("^(.-)[.:]([%w_]+)$")
  local described = owner and (registry.describe(owner) or M.class(owner))
  if described then return described.functions[inner] end
  for _, module in pairs(registry.describe()) do
    if module.global and module.functions[name] then return module.functions[name] end
  end
end

--- A member of a table that is found without calling anything: its own, or one of the tables behind it.
function M.member(value, key)
  if type(value) == "string" then value = string end
  for _ = 1, 10 do
    if type(value) ~= "table" then return nil end
    local found = rawget(value, key)
    if found ~= nil then return found end
    local meta = debug.getmetatable(value)
    value = type(meta) == "table" and rawget(meta, "__index")
  end
end

--- Names of the members of a table, its own and those of the tables behind it.
function M.members(value)
  local names, seen = {}, {}
  if type(value) == "string" then value = string end
  for _ = 1, 10 do
    if type(value) ~= "table" then break end
    for key in next, value do
      if literal.is_name(key) and not seen[key] and not key:find("^__") then
        seen[key] = true
        names[#names + 1] = key
      end
    end
    local meta = debug.getmetatable(value)
    value = type(meta) == "table" and rawget(meta, "__index")
  end
  return names
end

return M
