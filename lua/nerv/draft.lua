--- Drafts: what a call of the Standard API is to write, made from the replica. A draft is what change.run
-- carries out (see change.lua), with what it changes laid out for the agents' dry run (see desired.lua):
--   network     the network as it would be { name, digest, options, home, nodes, ports, group }
--   endpoints   array of { name, node, mac, options, allocated } as they would be
--   gone        owners that would be no more
--   archetypes  digest -> { name, text, uses } that the database has not yet
--   target      the network that all of it belongs to
local registry <const> = require "nerv.registry"
local archetypes <const> = require "nerv.archetype"
local allocation <const> = require "nerv.allocation"
local change <const> = require "nerv.change"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local needs <const> = require "nerv.needs"
local options <const> = require "nerv.options"
local ovsdb <const> = require "nerv.ovsdb"
local suggest <const> = require "nerv.suggest"
local state_module <const> = require "nerv.state"

local M = {}
local fail <const> = registry.fail

--- What every archetype's networks have.
M.NETWORK = {
  name = { type = "name", required = true, doc = "name of the network" },
  archetype = { type = "archetype", required = true, doc = "its kind" },
  home = { type = "name", names = "node", doc = "node that keeps what the network has once; by default this one" },
}

--- Options with their defaults.
-- @raise when they do not fit the description
function M.checked(what, description, values)
  local result, message = options.check(what, description, values)
  if not result then fail(message) end
  return result
end
local checked <const> = M.checked

--- Only what the caller gave: defaults stay with the archetype's text.
function M.given_options(values, common)
  local given = {}
  for key, value in pairs(values) do
    if not common[key] then given[key] = value end
  end
  return given
end
local given_options <const> = M.given_options

local function archetype_operations(state, def, operations, drafted)
  if state:archetypes()[def.digest] or drafted[def.digest] then return end
  drafted[def.digest] = { name = def.name, text = def.text, uses = def.uses }
  operations[#operations + 1] = { op = "insert", table = "Archetype",
    row = { name = def.name, digest = def.digest, text = def.text, uses = def.uses } }
  for _, digest in pairs(def.uses) do
    archetype_operations(state, archetypes.by_digest(digest, {}), operations, drafted)
  end
end

--- The value and what came with it; or its message raised at the caller's line.
function M.must(value, message)
  if value == nil then fail(message) end
  return value, message
end
local must <const> = M.must

--- Names of rows of the transaction, as a column's value.
function M.named(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = ovsdb.named(name) end
  return list
end
local named <const> = M.named

local function port_operations(wanted, picker, operations, allocations)
  local ports, names = {}, {}
  for i, port in ipairs(wanted) do
    local tag, tag_row = must(picker:tag())
    local number, number_row = must(picker:port_number())
    ports[port] = { tag = tag, number = number }
    names[i] = "port" .. i
    table.insert(allocations, tag_row)
    table.insert(allocations, number_row)
    operations[#operations + 1] = { op = "insert", table = "Port", uuid_name = names[i],
      row = { name = port, tag = tag, number = number } }
  end
  return ports, names
end

--- The archetype of a name: as its file is now, or, where this machine has no such file, as networks run it.
-- @return the archetype, or nil and a message
function M.archetype(state, name)
  local def, message, code = archetypes.load(name)
  if code ~= "ENOENT" then return def, message end
  local digest
  for _, row in ipairs(state:sorted "Network") do
    if row.archetype == name and digest and digest ~= row.digest then
      return nil, ("archetype '%s' has no file here, and networks run more than one text of it"):format(name)
    end
    if row.archetype == name then digest = row.digest end
  end
  if not digest then return nil, message end
  return archetypes.by_digest(digest, state:archetypes())
end

local function load_archetype(what, state, name)
  if name == nil then
    fail(("%s: option 'archetype' is missing; there are %s"):format(what, table.concat(archetypes.list(), ", ")))
  end
  local def, message = M.archetype(state, name)
  if not def then fail(("%s: %s"):format(what, message)) end
  return def
end

-- What an archetype says of its options together.
local function check_together(what, def, values)
  local problem = archetypes.problem(def, values)
  if problem then fail(("%s: %s"):format(what, problem)) end
end

--- The draft of a network's row, "network" in the transaction. The picker's own operations are still to come.
-- @tparam table given the options
function M.insertion(state, picker, def, name, given, home)
  local operations, allocations, drafted = {}, {}, {}
  archetype_operations(state, def, operations, drafted)
  local ports, port_rows = port_operations(def.ports, picker, operations, allocations)
  local group, group_row = picker:link_group()
  table.insert(allocations, group_row)
  operations[#operations + 1] = { op = "insert", table = "Network", uuid_name = "network", row = {
    name = name, archetype = def.name, digest = def.digest, options = json.encode(given),
    parked = "{}", home = home, generation = 1, link_group = group, doomed = false,
    change = ovsdb.named "change", ports = named(port_rows), allocations = named(allocations) } }
  return { text = "create network " .. name, nodes = { home }, operations = operations, endpoints = {},
    objects = { { table = "Network", owner = name, verb = "create" } },
    network = { name = name, digest = def.digest, options = given, home = home,
      nodes = { home }, ports = ports, group = group }, archetypes = drafted, target = name }
end

--- A new network.
function M.create(state, spec)
  local def = load_archetype("network.create", state, spec.archetype)
  local values = checked("network.create", options.join(def.network, M.NETWORK), spec)
  check_together("network.create", def, values)
  if state:network(values.name) then fail(("network.create: network '%s' exists"):format(values.name)) end
  local picker = allocation.new(state)
  local given = given_options(spec, M.NETWORK)
  local draft = M.insertion(state, picker, def, values.name, given, values.home or lab.here())
  table.move(picker.operations, 1, #picker.operations, #draft.operations + 1, draft.operations)
  return draft
end

local function wait_row(row, columns)
  local values = {}
  for _, column in ipairs(columns) do values[column] = row[column] == nil and {} or row[column] end
  return values
end

--- The operation by which the transaction fails when the row is no longer as it was read.
function M.unchanged(table_name, row, columns)
  return { op = "wait", table = table_name, where = state_module.only(row),
    columns = columns, ["until"] = "==", rows = { wait_row(row, columns) }, timeout = 0 }
end
local unchanged <const> = M.unchanged

--- The operation by which the transaction fails when the network has got or lost an endpoint: a new one changes
-- nothing of the network's own row, so that several shells can add endpoints at once.
function M.same_endpoints(state, row)
  local names = {}
  for i, ep in ipairs(state:endpoints(row._uuid)) do names[i] = { name = ep.name } end
  return { op = "wait", table = "Endpoint", where = { { "network", "==", row._uuid }, { "doomed", "==", false } },
    columns = { "name" }, ["until"] = "==", rows = names, timeout = 0 }
end
local same_endpoints <const> = M.same_endpoints

--- The row of a network on which no Change runs.
-- @raise when there is none of that name
function M.network_row(state, name)
  local row = change.wait_idle(state, function() return state:network(name) end)
  if not row or row.doomed then
    local names = {}
    for i, net in ipairs(state:sorted "Network") do names[i] = net.name end
    fail(("there is no network '%s'%s"):format(name, suggest(name, names)))
  end
  return row
end
local network_row <const> = M.network_row

--- The archetype of a network's row.
function M.definition(state, row)
  return must(archetypes.by_digest(row.digest, state:archetypes()))
end
local definition <const> = M.definition

-- The rows of the endpoints that are named, by name.
local function named_endpoints(state, row, names)
  local wanted, list = {}, {}
  for _, name in ipairs(names) do wanted[tostring(name)] = true end
  for i, name in ipairs(options.sorted_keys(wanted)) do
    list[i] = state:endpoint(row._uuid, name)
    if not list[i] or list[i].doomed then fail(("network %s has no endpoint '%s'"):format(row.name, name)) end
  end
  return list
end

--- The end of endpoints, or of a network with all that it has.
function M.delete(state, net_name, endpoint_names)
  local row = network_row(state, net_name)
  local whole = endpoint_names == nil
  local draft = { text = whole and "delete network " .. net_name
      or ("delete %d endpoint%s of network %s"):format(#endpoint_names,
        #endpoint_names == 1 and "" or "s", net_name),
    objects = {}, gone = {}, target = net_name, operations = {} }
  local operations, nodes = draft.operations, {}
  local def = archetypes.by_digest(row.digest, state:archetypes())   -- one that is broken must not block it
  local members = not def or def.on_member ~= nil
  local function doom(table_name, object_row, owner)
    operations[#operations + 1] = unchanged(table_name, object_row, { "change", "doomed" })
    operations[#operations + 1] = { op = "update", table = table_name,
      where = state_module.only(object_row),
      row = { doomed = true, change = ovsdb.named "change" } }
    draft.objects[#draft.objects + 1] = { table = table_name, owner = owner, verb = "delete",
      node = object_row.node }
    draft.gone[#draft.gone + 1] = owner
    if object_row.node then
      nodes[object_row.node] = true
      if members then nodes[row.home] = true end
    end
  end
  if whole then operations[1], draft.again = same_endpoints(state, row), true end
  for _, ep in ipairs(whole and state:endpoints(row._uuid) or named_endpoints(state, row, endpoint_names)) do
    change.wait_idle(state, function() return state.rows.Endpoint[ep._uuid] end)
    doom("Endpoint", ep, net_name .. ":" .. ep.name)
  end
  if whole then
    operations[#operations + 1] = unchanged("Network", row, { "generation" })
    operations[#operations + 1] = { op = "mutate", table = "Network",
      where = state_module.only(row), mutations = { { "generation", "+=", 1 } } }
    doom("Network", row, net_name)
    for _, name in ipairs(state:nodes_of(row)) do nodes[name] = true end
  end
  draft.nodes = options.sorted_keys(nodes)
  return draft
end

-- The value that an endpoint holds already in the range: of a former archetype or a former range.
local function held(state, ep, scope, range)
  for _, uuid in ipairs(ep.allocations) do
    local row = state.rows.Allocation[uuid]
    if row and row.scope == scope and allocation.suits(range, row.value) then return row.value end
  end
end

-- What an endpoint must be given anew when its network's options or archetype change: its row with
-- new columns, or nil. What it has been given stays its own, for the way back.
local function reallocate(state, picker, def, net_name, net_options, ep)
  local given, allocated = json.decode(ep.options) or {}, json.decode(ep.allocated) or {}
  local new, rows = options.join(allocated), {}
  for _, name in ipairs(options.sorted_keys(def.endpoint)) do
    local range = def.endpoint[name].allocate and net_options[def.endpoint[name].allocate]
    if range and given[name] and not allocation.suits(range, given[name]) then
      fail(("endpoint %s:%s: %s %s is not in %s"):format(net_name, ep.name, name, given[name], range))
    elseif range and not given[name] and not (new[name] and allocation.suits(range, new[name])) then
      new[name] = held(state, ep, "address " .. net_name, range)
      if not new[name] then new[name], rows[#rows + 1] = must(picker:address(net_name, range)) end
    end
  end
  if needs.equal(allocated, new) then return nil end
  return { name = ep.name, node = ep.node, mac = ep.mac, options = given, allocated = new }, rows
end

-- Ports that the archetype has and the network has not yet; what it has no more stays its own, for the way back.
local function draft_ports(draft, picker, def, row, updates)
  local missing, allocations = {}, {}
  for _, port in ipairs(def.ports) do
    if not draft.network.ports[port] then missing[#missing + 1] = port end
  end
  if #missing == 0 then return end
  local ports, names = port_operations(missing, picker, updates, allocations)
  for name, port in pairs(ports) do draft.network.ports[name] = port end
  updates[#updates + 1] = { op = "mutate", table = "Network", where = state_module.only(row), mutations = {
    { "ports", "insert", named(names) }, { "allocations", "insert", named(allocations) } } }
end

-- Gives a network and its endpoints what its new options or archetype ask for.
local function draft_reallocation(state, draft, def, row, net_options)
  local picker = allocation.new(state)
  local updates = {}
  draft_ports(draft, picker, def, row, updates)
  for _, ep in ipairs(state:endpoints(row._uuid)) do
    change.wait_idle(state, function() return state.rows.Endpoint[ep._uuid] end)
    table.insert(draft.operations, unchanged("Endpoint", ep, { "change" }))
    local new, rows = reallocate(state, picker, def, row.name, net_options, ep)
    if new then
      local where = state_module.only(ep)
      updates[#updates + 1] = { op = "update", table = "Endpoint", where = where,
        row = { allocated = json.encode(new.allocated), change = ovsdb.named "change" } }
      updates[#updates + 1] = { op = "mutate", table = "Endpoint", where = where,
        mutations = { { "allocations", "insert", named(rows) } } }
      table.insert(draft.endpoints, new)
      table.insert(draft.objects, { table = "Endpoint", owner = row.name .. ":" .. ep.name, verb = "update",
        node = ep.node, before = { allocated = ep.allocated, allocations = ep.allocations } })
    end
  end
  table.move(picker.operations, 1, #picker.operations, #draft.operations + 1, draft.operations)
  table.move(updates, 1, #updates, #draft.operations + 1, draft.operations)
end

--- The draft of a network's row with other columns; its endpoints are not looked at.
-- @tparam table known its options
-- @tparam table parked those that the archetype does not know
function M.alteration(state, row, def, known, parked, home)
  local drafted = {}
  local operations = { unchanged("Network", row, { "generation" }), same_endpoints(state, row) }
  archetype_operations(state, def, operations, drafted)
  operations[#operations + 1] = { op = "mutate", table = "Network",
    where = state_module.only(row), mutations = { { "generation", "+=", 1 } } }
  operations[#operations + 1] = { op = "update", table = "Network",
    where = state_module.only(row), row = { archetype = def.name, digest = def.digest,
      options = json.encode(known), parked = json.encode(parked), home = home,
      change = ovsdb.named "change" } }
  local nodes = {}
  for _, name in ipairs(state:nodes_of(row)) do nodes[name] = true end
  -- From a home that does not answer it can be moved: that node compares when it comes back.
  local former_home = state:node(row.home)
  if home ~= row.home and not (former_home and former_home.state == "active") then nodes[row.home] = nil end
  nodes[home] = true
  return { text = "update network " .. row.name, nodes = options.sorted_keys(nodes),
    operations = operations, archetypes = drafted, target = row.name, endpoints = {},
    network = { name = row.name, digest = def.digest, options = known, home = home,
      nodes = options.sorted_keys(nodes), ports = state:ports(row), group = row.link_group },
    objects = { { table = "Network", owner = row.name, verb = "update", before = {
      archetype = row.archetype, digest = row.digest, options = row.options, parked = row.parked,
      home = row.home } } } }
end

--- Other options, another home or archetype.
-- @tparam ?table successor another text of the archetype; see archetype_reload.lua
function M.update(state, net_name, changes, successor)
  if type(changes) ~= "table" then fail("network:update: a table of options is expected") end
  if changes.name ~= nil and changes.name ~= net_name then fail("network:update: a network keeps its name") end
  if changes.home ~= nil then checked("network:update", { home = M.NETWORK.home }, { home = changes.home }) end
  local row = network_row(state, net_name)
  local def = successor or changes.archetype ~= nil and load_archetype("network:update", state, changes.archetype)
    or definition(state, row)
  local former = options.join(json.decode(row.parked) or {}, json.decode(row.options) or {})
  local merged = options.join(former, given_options(changes, M.NETWORK))
  local known, parked = {}, {}
  for key, value in pairs(changes) do   -- `false` takes an option away that is no boolean
    local option = def.network[key]
    if value == false and option and option.type ~= "boolean" then merged[key] = nil end
  end
  for key, value in pairs(merged) do
    if def.network[key] then known[key] = value
    elseif former[key] ~= nil and changes[key] == nil then parked[key] = value
    else known[key] = value end   -- the check below names the nearest option
  end
  local values = checked("network:update", def.network, known)
  check_together("network:update", def, values)
  local draft = M.alteration(state, row, def, known, parked, changes.home or row.home)
  draft_reallocation(state, draft, def, row, values)
  return draft
end

--- What the agents would do: the operations of all concerned nodes, each with its node.
function M.plan(draft)
  local sent = { network = draft.network, endpoints = draft.endpoints, gone = draft.gone,
    archetypes = draft.archetypes, target = draft.target }
  return lab.operations(draft.nodes, { call = "plan", draft = sent, objects = draft.objects }, draft.text)
end

--- The operations that the agents performed for a Change, as long as it is remembered.
function M.performed(state, uuid)
  local row = state.rows.Change[uuid]
  return row and lab.operations(row.nodes, { call = "operations", change = uuid }, row.text) or {}
end

return M
