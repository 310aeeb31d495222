--- Networks and endpoints: the Standard API (create, read, update, delete).
--
-- @usage local blue = network.create{ name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
--        local h1 = blue:endpoint{ name = "h1", node = "pm1" }
local registry <const> = require "nerv.registry"
local archetypes <const> = require "nerv.archetype"
local allocation <const> = require "nerv.allocation"
local change <const> = require "nerv.change"
local context <const> = require "nerv.context"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local needs <const> = require "nerv.needs"
local options <const> = require "nerv.options"
local protocol <const> = require "nerv.protocol"
local ovsdb <const> = require "nerv.ovsdb"
local suggest <const> = require "nerv.suggest"
local state_module <const> = require "nerv.state"

local M = {}
local Network = { __name = "network" }
local fail <const> = registry.fail

-- What every archetype's networks and endpoints have.
local COMMON_NETWORK <const> = {
  name = { type = "name", required = true, doc = "name of the network" },
  archetype = { type = "name", required = true, doc = "its kind" },
  home = { type = "name", doc = "node that keeps what the network has once; by default this one" },
}
local COMMON_ENDPOINT <const> = {
  name = { type = "name", required = true, doc = "name of the endpoint, unique in its network" },
  node = { type = "name", doc = "node on which it is; by default this one" },
}

local function checked(what, description, values)
  local result, message = options.check(what, description, values)
  if not result then fail(message) end
  return result
end

-- Only what the caller gave: defaults stay with the archetype's text.
local function given_options(values, common)
  local given = {}
  for key, value in pairs(values) do
    if not common[key] then given[key] = value end
  end
  return given
end

local function archetype_operations(state, def, operations, drafted)
  if state:archetypes()[def.digest] or drafted[def.digest] then return end
  drafted[def.digest] = { name = def.name, text = def.text, uses = def.uses }
  operations[#operations + 1] = { op = "insert", table = "Archetype",
    row = { name = def.name, digest = def.digest, text = def.text, uses = def.uses } }
  for _, digest in pairs(def.uses) do
    archetype_operations(state, archetypes.by_digest(digest, {}), operations, drafted)
  end
end

local function must(value, message)
  if value == nil then fail(message) end
  return value, message
end

local function named(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = ovsdb.named(name) end
  return list
end

local function port_operations(def, picker, operations, allocations)
  local ports, names = {}, {}
  for i, port in ipairs(def.ports) do
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

local function load_archetype(what, name)
  if name == nil then
    fail(("%s: option 'archetype' is missing; there are %s"):format(what, table.concat(archetypes.list(), ", ")))
  end
  local def, message = archetypes.load(name)
  if not def then fail(("%s: %s"):format(what, message)) end
  return def
end

local function draft_create(state, spec)
  if type(spec) ~= "table" then fail("network.create: a table of options is expected") end
  local def = load_archetype("network.create", spec.archetype)
  local values = checked("network.create", options.join(def.network, COMMON_NETWORK), spec)
  if state:network(values.name) then fail(("network.create: network '%s' exists"):format(values.name)) end
  local home = values.home or lab.here()
  local operations, allocations, drafted = {}, {}, {}
  archetype_operations(state, def, operations, drafted)
  local picker = allocation.new(state)
  local ports, port_rows = port_operations(def, picker, operations, allocations)
  local group, group_row = picker:link_group()
  table.insert(allocations, group_row)
  local given = given_options(spec, COMMON_NETWORK)
  table.move(picker.operations, 1, #picker.operations, #operations + 1, operations)
  operations[#operations + 1] = { op = "insert", table = "Network", row = {
    name = values.name, archetype = def.name, digest = def.digest, options = json.encode(given),
    parked = "{}", home = home, generation = 1, link_group = group, doomed = false,
    change = ovsdb.named "change", ports = named(port_rows), allocations = named(allocations) } }
  return { text = "create network " .. values.name, nodes = { home }, operations = operations,
    objects = { { table = "Network", owner = values.name, verb = "create" } },
    network = { name = values.name, digest = def.digest, options = given, home = home,
      nodes = { home }, ports = ports, group = group }, archetypes = drafted, target = values.name }
end

local function wait_row(row, columns)
  local values = {}
  for _, column in ipairs(columns) do values[column] = row[column] == nil and {} or row[column] end
  return values
end

-- The transaction fails when the row is no longer as it was read.
local function unchanged(table_name, row, columns)
  return { op = "wait", table = table_name, where = state_module.only(row),
    columns = columns, ["until"] = "==", rows = { wait_row(row, columns) }, timeout = 0 }
end

-- The transaction fails when the network has got or lost an endpoint: a new one changes nothing of
-- the network's own row, so that several shells can add endpoints at once.
local function same_endpoints(state, row)
  local names = {}
  for i, ep in ipairs(state:endpoints(row._uuid)) do names[i] = { name = ep.name } end
  return { op = "wait", table = "Endpoint", where = { { "network", "==", row._uuid }, { "doomed", "==", false } },
    columns = { "name" }, ["until"] = "==", rows = names, timeout = 0 }
end

local function network_row(state, name)
  local row = change.wait_idle(state, function() return state:network(name) end)
  if not row or row.doomed then
    local names = {}
    for i, net in ipairs(state:sorted "Network") do names[i] = net.name end
    fail(("there is no network '%s'%s"):format(name, suggest(name, names)))
  end
  return row
end

local function definition(state, row)
  return must(archetypes.by_digest(row.digest, state:archetypes()))
end

-- The values that NERV chooses for an endpoint, and their rows.
local function allocate(picker, def, net_name, net_options, values, allocations)
  local allocated = {}
  for _, name in ipairs(options.sorted_keys(def.endpoint)) do
    local option = def.endpoint[name]
    local range = option.allocate and net_options[option.allocate]
    local row
    if range and values[name] then
      row = select(2, must(picker:fixed_address(net_name, range, values[name])))
    elseif range then
      allocated[name], row = must(picker:address(net_name, range))
    end
    if row then allocations[#allocations + 1] = row end
  end
  return allocated
end

local function draft_endpoints(state, net_name, specs)
  local row = network_row(state, net_name)
  local def = definition(state, row)
  local net_options = json.decode(row.options) or {}
  local picker = allocation.new(state)
  local draft = { text = ("create %d endpoint%s of network %s"):format(#specs, #specs == 1 and "" or "s",
      net_name), nodes = {}, objects = {}, endpoints = {}, target = net_name,
    operations = { unchanged("Network", row, { "generation" }) } }
  local taken, nodes, inserts = {}, {}, {}
  for _, ep in pairs(state.rows.Endpoint) do
    if ep.network == row._uuid then taken[ep.name] = true end
  end
  local description = options.join(def.endpoint, COMMON_ENDPOINT)
  -- Fixed values first, so that no automatic choice takes one that a later endpoint names.
  local order = {}
  for i, spec in ipairs(specs) do order[i] = { spec = spec, at = i, fixed = spec.address ~= nil } end
  table.sort(order, function(a, b)
    if a.fixed ~= b.fixed then return a.fixed end
    return a.at < b.at
  end)
  for _, one in ipairs(order) do
    local values = checked("endpoint", description, one.spec)
    if taken[values.name] then
      fail(("endpoint '%s' of network %s exists"):format(values.name, net_name))
    end
    taken[values.name] = true
    local node = values.node or lab.here()
    nodes[node] = true
    local allocations = {}
    local allocated = allocate(picker, def, net_name, net_options, values, allocations)
    local mac, mac_row
    if values.mac then mac, mac_row = must(picker:fixed_mac(values.mac))
    else mac, mac_row = must(picker:mac(net_name, values.name)) end
    allocations[#allocations + 1] = mac_row
    local given = given_options(one.spec, COMMON_ENDPOINT)
    draft.objects[one.at] = { table = "Endpoint", owner = net_name .. ":" .. values.name,
      verb = "create", node = node }
    draft.endpoints[one.at] = { name = values.name, node = node, mac = mac, options = given,
      allocated = allocated }
    inserts[one.at] = { op = "insert", table = "Endpoint", row = { network = row._uuid,
      name = values.name, node = node, mac = mac, options = json.encode(given),
      allocated = json.encode(allocated), doomed = false, change = ovsdb.named "change",
      allocations = named(allocations) } }
  end
  local operations = draft.operations
  table.move(picker.operations, 1, #picker.operations, #operations + 1, operations)
  table.move(inserts, 1, #inserts, #operations + 1, operations)
  draft.nodes = options.sorted_keys(nodes)
  return draft
end

-- Endpoints are part of their network's deletion.
local function draft_delete(state, net_name, endpoint_names)
  local row = network_row(state, net_name)
  local whole = endpoint_names == nil
  local draft = { text = whole and "delete network " .. net_name
      or ("delete %d endpoint%s of network %s"):format(#endpoint_names,
        #endpoint_names == 1 and "" or "s", net_name),
    objects = {}, gone = {}, target = net_name, operations = {} }
  local operations, nodes = draft.operations, {}
  local function doom(table_name, object_row, owner)
    operations[#operations + 1] = unchanged(table_name, object_row, { "change", "doomed" })
    operations[#operations + 1] = { op = "update", table = table_name,
      where = state_module.only(object_row),
      row = { doomed = true, change = ovsdb.named "change" } }
    draft.objects[#draft.objects + 1] = { table = table_name, owner = owner, verb = "delete",
      node = object_row.node }
    draft.gone[#draft.gone + 1] = owner
    if object_row.node then nodes[object_row.node] = true end
  end
  if whole then operations[1], draft.again = same_endpoints(state, row), true end
  local wanted = {}
  for _, name in ipairs(endpoint_names or {}) do wanted[name] = true end
  for _, ep in ipairs(state:endpoints(row._uuid)) do
    if whole or wanted[ep.name] then
      change.wait_idle(state, function() return state.rows.Endpoint[ep._uuid] end)
      doom("Endpoint", ep, net_name .. ":" .. ep.name)
      wanted[ep.name] = nil
    end
  end
  if next(wanted) then fail(("network %s has no endpoint '%s'"):format(net_name, next(wanted))) end
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

-- Gives the endpoints of a network what its new options or archetype ask for.
local function draft_reallocation(state, draft, def, row, net_options)
  local picker = allocation.new(state)
  local updates = {}
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

local function draft_update(state, net_name, changes)
  if type(changes) ~= "table" then fail("network.update: a table of options is expected") end
  if changes.name ~= nil and changes.name ~= net_name then fail("network.update: a network keeps its name") end
  if changes.home ~= nil then checked("network.update", { home = COMMON_NETWORK.home }, { home = changes.home }) end
  local row = network_row(state, net_name)
  local def = changes.archetype ~= nil and load_archetype("network.update", changes.archetype)
    or definition(state, row)
  local former = options.join(json.decode(row.parked) or {}, json.decode(row.options) or {})
  local merged = options.join(former, given_options(changes, COMMON_NETWORK))
  local known, parked = {}, {}
  for key, value in pairs(merged) do
    if def.network[key] then known[key] = value
    elseif former[key] ~= nil and changes[key] == nil then parked[key] = value
    else known[key] = value end   -- the check below names the nearest option
  end
  local values = checked("network.update", def.network, known)
  local home = changes.home or row.home
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
  nodes[home] = true
  local draft = { text = "update network " .. net_name, nodes = options.sorted_keys(nodes),
    operations = operations, archetypes = drafted, target = net_name, endpoints = {},
    network = { name = net_name, digest = def.digest, options = known, home = home,
      nodes = options.sorted_keys(nodes), ports = state:ports(row), group = row.link_group },
    objects = { { table = "Network", owner = net_name, verb = "update", before = {
      archetype = row.archetype, digest = row.digest, options = row.options, parked = row.parked,
      home = row.home } } } }
  draft_reallocation(state, draft, def, row, values)
  return draft
end

-- What the agents would do: the operations of all concerned nodes, each with its node.
local function plan(state, draft)
  local all = {}
  local sent = { network = draft.network, endpoints = draft.endpoints, gone = draft.gone,
    archetypes = draft.archetypes, target = draft.target }
  for _, node in ipairs(draft.nodes) do
    local socket = must(lab.socket(node))
    local reply = must(protocol.call(socket, { call = "plan", draft = sent, objects = draft.objects }))
    for _, operation in ipairs(reply.operations) do
      operation.node = node
      all[#all + 1] = operation
    end
  end
  return all, state
end

local function performed(state, uuid)
  local all = {}
  local row = state.rows.Change[uuid]
  for _, node in ipairs(row and row.nodes or {}) do
    local reply = must(protocol.call(must(lab.socket(node)), { call = "operations", change = uuid }))
    for _, operation in ipairs(reply.operations) do
      operation.node = node
      all[#all + 1] = operation
    end
  end
  return all
end

local Endpoint = require "nerv.endpoint"

local function network_object(name)
  return setmetatable({ name = name }, Network)
end

local function row_of(self)
  local row = lab.state():network(self.name)
  if not row then fail(("network '%s' has been deleted"):format(self.name)) end
  return row
end

local fields <const> = {
  archetype = function(self) return row_of(self).archetype end,
  home = function(self) return row_of(self).home end,
  nodes = function(self) return lab.state():nodes_of(row_of(self)) end,
  ports = function(self) return lab.state():ports(row_of(self)) end,
  options = function(self)
    local row = row_of(self)
    local def = definition(lab.state(), row)
    return must(options.check("options", def.network, json.decode(row.options) or {}))
  end,
  state = function(self)
    local row = row_of(self)
    local running = lab.state():running(row)
    if running then return running.phase end
    for _, status in pairs(lab.state().rows.Status) do
      if status.owner:match("^[^:]+") == self.name then
        return ("%s: %s on %s: %s"):format(status.state, status.owner, status.node, status.error)
      end
    end
    return "active"
  end,
}

local methods = {}

function Network.__index(self, key)
  if methods[key] then return methods[key] end
  if fields[key] then return fields[key](self) end
  local row = rawget(self, "name") and lab.state():network(self.name)
  local value = row and self.options[key]
  if value ~= nil then return value end
  return nil
end

function Network.__tostring(self)
  local row = lab.state():network(self.name)
  return row and ("network %s (%s)"):format(self.name, row.archetype) or
    ("network %s (deleted)"):format(self.name)
end

function Network.__eq(a, b) return rawget(a, "name") == rawget(b, "name") end

local function as_list(specs, what)
  local list = type(specs) == "table" and #specs > 0 and specs or { specs }
  for i = 1, math.max(1, #list) do
    if type(list[i]) ~= "table" then fail(what .. ": a table of options is expected") end
  end
  return list, list == specs
end

local function as_names(names)
  if type(names) ~= "table" then fail("network:delete_endpoints: an array of names is expected") end
  return names
end

--- Creates an endpoint, or all of a list in one change.
-- @tparam table spec { name =, node =, ... }, or an array of such
-- @return the endpoint, or an array of endpoints
function methods:endpoint(spec)
  local state = lab.state()
  local specs, many = as_list(spec, "network:endpoint")
  self.last_change = change.run(state, function() return draft_endpoints(state, self.name, specs) end)
  local result = {}
  for i, one in ipairs(specs) do result[i] = Endpoint.new(self.name, one.name) end
  if many then return result end
  return result[1]
end

--- The network's endpoints, by name.
function methods:endpoints()
  local list = {}
  for i, row in ipairs(lab.state():endpoints(row_of(self)._uuid)) do
    list[i] = Endpoint.new(self.name, row.name)
  end
  return list
end

--- An endpoint by name, or nil.
function methods:get(name)
  local row = lab.state():endpoint(row_of(self)._uuid, name)
  return row and not row.doomed and Endpoint.new(self.name, name) or nil
end

--- Changes options, the home or the archetype while the network runs.
-- @usage blue:update{ mtu = 1400 }   blue:update{ archetype = "bridge" }
function methods:update(changes)
  local state = lab.state()
  self.last_change = change.run(state, function() return draft_update(state, self.name, changes) end)
  return self
end

--- Deletes endpoints by name in one change.
-- @tparam table names array of names
function methods:delete_endpoints(names)
  local state = lab.state()
  as_names(names)
  self.last_change = change.run(state, function() return draft_delete(state, self.name, names) end)
  return true
end

--- Deletes the network and its endpoints.
function methods:delete()
  local state = lab.state()
  self.last_change = change.run(state, function() return draft_delete(state, self.name) end)
  return true
end

--- What a call would do, without doing it.
-- @tparam string verb "endpoint", "update", "delete" or "delete_endpoints"
-- @param argument what the method of that name takes
-- @return array of { verb, kind, key, owner, node }
function methods:plan(verb, argument)
  local state = lab.state()
  local drafts <const> = {
    endpoint = function() return draft_endpoints(state, self.name, (as_list(argument, "network:plan"))) end,
    update = function() return draft_update(state, self.name, argument) end,
    delete = function() return draft_delete(state, self.name) end,
    delete_endpoints = function() return draft_delete(state, self.name, as_names(argument)) end,
  }
  if not drafts[verb] then
    fail(("network:plan: unknown verb '%s'%s"):format(tostring(verb),
      suggest(verb, options.sorted_keys(drafts))))
  end
  return (plan(state, drafts[verb]()))
end

--- The operations that the agents performed for this object's last call.
function methods:operations()
  return self.last_change and performed(lab.state(), self.last_change) or {}
end

--- Compares the network with the system on each of its nodes, and mends what differs.
-- @return array of the operations; empty when all was right
function methods:verify()
  local all = {}
  local row = row_of(self)
  for _, node in ipairs(lab.state():nodes_of(row)) do
    local reply = must(protocol.call(must(lab.socket(node)), { call = "verify", network = self.name }))
    for _, operation in ipairs(reply.operations) do
      operation.node = node
      all[#all + 1] = operation
    end
  end
  return all
end

--- Creates a network.
-- @tparam table spec name, archetype, home, and the archetype's options (help "ip" lists them)
-- @return the network
function M.create(spec)
  local state = lab.state()
  local made = change.run(state, function() return draft_create(state, spec) end)
  local net = network_object(spec.name)
  net.last_change = made
  return net
end

--- What network.create would do, without doing it.
-- @return array of { verb, kind, key, owner, node }
function M.plan(spec)
  local state = lab.state()
  return (plan(state, draft_create(state, spec)))
end

--- A network by name, or nil.
function M.get(name)
  if not context.valid_name(name) then fail("network.get: a name is expected") end
  local row = lab.state():network(name)
  return row and not row.doomed and network_object(name) or nil
end

--- All networks, by name.
function M.list()
  local list = {}
  for _, row in ipairs(lab.state():sorted "Network") do
    if not row.doomed then list[#list + 1] = network_object(row.name) end
  end
  return list
end

return M
