--- Drafts of calls on endpoints: creation and change. See draft.lua.
local allocation <const> = require "nerv.allocation"
local attachment <const> = require "nerv.attachment"
local change <const> = require "nerv.change"
local draft <const> = require "nerv.draft"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local ovsdb <const> = require "nerv.ovsdb"
local protocol <const> = require "nerv.protocol"
local registry <const> = require "nerv.registry"
local state_module <const> = require "nerv.state"
local suggest <const> = require "nerv.suggest"
local task <const> = require "nerv.task"

local M = {}
local fail <const> = registry.fail
local must <const>, checked <const>, unchanged <const> = draft.must, draft.checked, draft.unchanged

--- What only an endpoint as such has; its options are the archetype's and attachment.lua's.
M.ENDPOINT = {
  name = { type = "name", required = true, doc = "name of the endpoint, unique in its network" },
  node = { type = "name", names = "node", doc = "node on which it is; by default this one" },
}

--- What every endpoint may be given when it is made, and later.
M.OPTIONS, M.CHANGEABLE = options.join(attachment.OPTIONS, M.ENDPOINT), {}
for name in pairs(attachment.CHANGEABLE) do M.CHANGEABLE[name] = attachment.OPTIONS[name] end

--- The options that an archetype's endpoints may be given.
function M.description(def) return options.join(def.endpoint, M.OPTIONS) end

--- Asks each node whether it can have these endpoints, before anything is written.
-- @tparam table specs array of { id =, node =, values = checked options, update = true for a change }
-- @return id -> identity of the namespace that it goes into
function M.ask_nodes(state, specs)
  local by_node = {}
  for _, spec in ipairs(specs) do
    by_node[spec.node] = by_node[spec.node] or {}
    local asked = { id = spec.id, update = spec.update }
    for name in pairs(attachment.OPTIONS) do asked[name] = spec.values[name] end
    table.insert(by_node[spec.node], asked)
  end
  local identities = {}
  local nodes = options.sorted_keys(by_node)
  change.require_active(state, nodes)
  for _, node in ipairs(nodes) do
    local reply = must(protocol.call(must(lab.socket(node)), { call = "attach", endpoints = by_node[node] }))
    for id, identity in pairs(reply.identities) do identities[id] = identity end
  end
  return identities
end
local ask_nodes <const> = M.ask_nodes

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

--- An existing interface keeps its own MAC address unless it is given one.
-- @return the address, or "", and its allocation
function M.choose_mac(picker, net_name, name, values)
  if values.mac then return must(picker:fixed_mac(values.mac)) end
  if values.kind == "link" then return "" end
  return must(picker:mac(net_name, name))
end
local choose_mac <const> = M.choose_mac

-- Checked options of the endpoints, in the order in which values are chosen: fixed ones first, so that no
-- automatic choice takes one that a later endpoint names.
local function check_specs(state, row, def, specs)
  local taken, list, special = {}, {}, {}
  local description = M.description(def)
  for i, spec in ipairs(specs) do
    task.breathe()
    local values = checked("endpoint", description, spec)
    if taken[values.name] or state:endpoint(row._uuid, values.name) then
      fail(("endpoint '%s' of network %s exists"):format(values.name, row.name))
    end
    taken[values.name] = true
    local problem = attachment.problem(values)
    if problem then fail("endpoint: " .. problem) end
    local one = { at = i, spec = spec, values = values, id = row.name .. ":" .. values.name,
      node = values.node or lab.here(), fixed = false }
    for option, description_of in pairs(def.endpoint) do
      one.fixed = one.fixed or description_of.allocate ~= nil and spec[option] ~= nil
    end
    if attachment.depends_on_node(values) then special[#special + 1] = one end
    list[i] = one
  end
  local identities = #special > 0 and ask_nodes(state, special) or {}
  for _, one in ipairs(special) do one.identity = identities[one.id] end
  table.sort(list, function(a, b)
    if a.fixed ~= b.fixed then return a.fixed end
    return a.at < b.at
  end)
  return list
end

--- The draft of endpoints to be created.
-- @tparam table specs what each is given
function M.create(state, net_name, specs)
  local row = draft.network_row(state, net_name)
  local def = draft.definition(state, row)
  local net_options = json.decode(row.options) or {}
  local picker = allocation.new(state)
  local result = { text = ("create %d endpoint%s of network %s"):format(#specs, #specs == 1 and "" or "s",
      net_name), nodes = {}, objects = {}, endpoints = {}, target = net_name,
    operations = { unchanged("Network", row, { "generation" }) } }
  local nodes, inserts = {}, {}
  for _, one in ipairs(check_specs(state, row, def, specs)) do
    task.breathe()
    local name, node = one.values.name, one.node
    nodes[node] = true
    if def.on_member then nodes[row.home] = true end
    local allocations = {}
    local allocated = allocate(picker, def, net_name, net_options, one.values, allocations)
    allocated.identity = one.identity
    local mac, mac_row = choose_mac(picker, net_name, name, one.values)
    allocations[#allocations + 1] = mac_row
    local given = draft.given_options(one.spec, M.ENDPOINT)
    result.objects[one.at] = { table = "Endpoint", owner = one.id, verb = "create", node = node }
    result.endpoints[one.at] = { name = name, node = node, mac = mac, options = given, allocated = allocated }
    inserts[one.at] = { op = "insert", table = "Endpoint", row = { network = row._uuid, name = name, node = node,
      mac = mac, options = json.encode(given), allocated = json.encode(allocated), doomed = false,
      change = ovsdb.named "change", allocations = draft.named(allocations) } }
  end
  local operations = result.operations
  table.move(picker.operations, 1, #picker.operations, #operations + 1, operations)
  table.move(inserts, 1, #inserts, #operations + 1, operations)
  result.nodes = options.sorted_keys(nodes)
  return result
end

-- The options of an endpoint with changes laid over them; `false` takes an option that is no boolean away.
local function changed_options(def, ep, changes)
  local description = options.join(def.endpoint, attachment.OPTIONS)
  local given = json.decode(ep.options) or {}
  for key, value in pairs(changes) do
    local option = description[key]
    if M.ENDPOINT[key] or attachment.OPTIONS[key] and not attachment.CHANGEABLE[key] then
      fail(("endpoint:update: an endpoint keeps its %s; delete it and create another one"):format(key))
    elseif not option then
      local names <const> = options.sorted_keys(options.join(def.endpoint, attachment.CHANGEABLE))
      fail(("endpoint:update: unknown option '%s'%s"):format(tostring(key),
        suggest(key, names, "; there are " .. table.concat(names, ", "))))
    end
    if value == false and option.type ~= "boolean" then given[key] = nil else given[key] = value end
  end
  local known = {}
  for key, value in pairs(given) do   -- the others are parked
    if description[key] then known[key] = value end
  end
  return given, checked("endpoint:update", description, known)
end

--- What an endpoint holds: a row of table Allocation by scope and value.
function M.held(state, ep, scope, value)
  for _, uuid in ipairs(ep.allocations) do
    local row = state.rows.Allocation[uuid]
    if row and row.scope == scope and row.value == value then return uuid end
  end
end
local held <const> = M.held

-- Exchanges one value that exists once. What the endpoint holds already is not taken again; what it held is
-- given up at the end of the Change, because an undone one needs it.
local function exchange(state, ep, scope, former, value, pick, taken, released)
  if value == former then return value end
  local chosen, row = value, nil
  if not value or not held(state, ep, scope, value) then chosen, row = pick() end
  if row then taken[#taken + 1] = row end
  local old = former and held(state, ep, scope, former)
  if old and chosen ~= former then released[#released + 1] = old end
  return chosen
end

local function exchange_addresses(state, picker, def, row, ep, values, taken, released)
  local net_options, allocated = json.decode(row.options) or {}, json.decode(ep.allocated) or {}
  local before = json.decode(ep.options) or {}
  for _, name in ipairs(options.sorted_keys(def.endpoint)) do
    local range = def.endpoint[name].allocate and net_options[def.endpoint[name].allocate]
    if range then
      local former = before[name] or allocated[name]
      if values[name] then
        exchange(state, ep, "address " .. row.name, former, values[name], function()
          return must(picker:fixed_address(row.name, range, values[name]))
        end, taken, released)
        allocated[name] = nil
      elseif before[name] then   -- it is no longer fixed, and stays
        allocated[name] = before[name]
      end
    end
  end
  return allocated
end

local function exchange_mac(state, picker, row, ep, values, changes, taken, released)
  if changes.mac == nil then return ep.mac end
  local former = ep.mac ~= "" and ep.mac or nil
  local wanted = values.mac and values.mac:lower()
  if not wanted and values.kind == "link" then
    released[#released + 1] = former and held(state, ep, "mac", former)
    return ""
  end
  return exchange(state, ep, "mac", former, wanted, function()
    return choose_mac(picker, row.name, ep.name, values)
  end, taken, released)
end

local function endpoint_row(state, row, net_name, name)
  local ep = change.wait_idle(state, function() return state:endpoint(row._uuid, name) end)
  if not ep or ep.doomed then fail(("network %s has no endpoint '%s'"):format(net_name, name)) end
  return ep
end

--- The draft of an endpoint's change in place.
-- @tparam table changes option -> value, or false
function M.update(state, net_name, name, changes)
  if type(changes) ~= "table" then fail("endpoint:update: a table of options is expected") end
  local row = draft.network_row(state, net_name)
  local def = draft.definition(state, row)
  local ep = endpoint_row(state, row, net_name, name)
  local given, values = changed_options(def, ep, changes)
  local id = net_name .. ":" .. name
  if attachment.depends_on_node(values) then
    ask_nodes(state, { { id = id, node = ep.node, values = values, update = true } })
  end
  local picker, taken, released = allocation.new(state), {}, {}
  local allocated = exchange_addresses(state, picker, def, row, ep, values, taken, released)
  local mac = exchange_mac(state, picker, row, ep, values, changes, taken, released)
  local operations = { unchanged("Network", row, { "generation" }), unchanged("Endpoint", ep, { "change", "doomed" }) }
  table.move(picker.operations, 1, #picker.operations, #operations + 1, operations)
  local where = state_module.only(ep)
  operations[#operations + 1] = { op = "update", table = "Endpoint", where = where, row = { mac = mac,
    options = json.encode(given), allocated = json.encode(allocated), change = ovsdb.named "change" } }
  operations[#operations + 1] = { op = "mutate", table = "Endpoint", where = where,
    mutations = { { "allocations", "insert", draft.named(taken) } } }
  local nodes = { [ep.node] = true, [def.on_member and row.home or ep.node] = true }
  return { text = "update endpoint " .. id, nodes = options.sorted_keys(nodes), operations = operations,
    target = net_name,
    endpoints = { { name = name, node = ep.node, mac = mac, options = given, allocated = allocated } },
    objects = { { table = "Endpoint", owner = id, verb = "update", node = ep.node,
      release = #released > 0 and released or nil,
      before = { options = ep.options, allocated = ep.allocated, mac = ep.mac, allocations = ep.allocations } } } }
end

return M
