--- The draft that makes one network, with all its endpoints, what a configuration says: one Change, whether it
-- creates, alters, moves or deletes. See draft.lua for what a draft holds.
local allocation <const> = require "nerv.allocation"
local attachment <const> = require "nerv.attachment"
local change <const> = require "nerv.change"
local cidr <const> = require "nerv.cidr"
local drafts <const> = require "nerv.draft"
local endpoint_draft <const> = require "nerv.endpoint_draft"
local json <const> = require "nerv.json"
local needs <const> = require "nerv.needs"
local options <const> = require "nerv.options"
local ovsdb <const> = require "nerv.ovsdb"
local state_module <const> = require "nerv.state"

local M = {}
local must <const>, unchanged <const> = drafts.must, drafts.unchanged

-- Whether two sets of options mean the same: what is not given has its default. Options with `allocate` are left out.
local function same_options(description, one, other)
  for key, option in pairs(description) do
    local function value(given)
      if given[key] == nil then return option.default end
      return options.value(option, given[key])
    end
    if not option.allocate and not needs.equal(value(one), value(other)) then return false end
  end
  return true
end

-- One drafting. Fields: state, wanted, row, picker, draft, nodes (a set), inserts, identities; and freed: scope ->
-- value -> the row of table Allocation that an endpoint which changes or goes gives up.
local Drafting = {}
Drafting.__index = Drafting

function Drafting:scope() return "address " .. self.wanted.name end

-- The allocation of a value: the endpoint's own, one that another endpoint gives up, or a new one.
-- @tparam ?table ep the endpoint's row
-- @tparam function pick takes it from the picker
function Drafting:take(ep, scope, value, pick)
  local uuid = ep and endpoint_draft.held(self.state, ep, scope, value)
  if uuid then return uuid end
  local freed = self.freed[scope] and self.freed[scope][value]
  if freed then
    self.freed[scope][value] = nil
    return freed
  end
  return ovsdb.named((select(2, must(pick()))))
end

function Drafting:free(ep, scope, value)
  local uuid = value and endpoint_draft.held(self.state, ep, scope, value)
  if uuid then
    self.freed[scope] = self.freed[scope] or {}
    self.freed[scope][value] = uuid
  end
  return uuid
end

-- An address as it is kept, whatever way it was written.
local function canonical(address) return address and cidr.address(address) or address end

-- The ranges of the network from which endpoints' options are allocated: option -> range.
function Drafting:ranges()
  local ranges = {}
  for key, option in pairs(self.wanted.def.endpoint) do
    ranges[key] = option.allocate and self.wanted.values[option.allocate] or nil
  end
  return ranges
end

-- What an endpoint's row says now: options as given, those that were chosen, and its MAC address.
local function present(ep)
  local given, allocated = json.decode(ep.options) or {}, json.decode(ep.allocated) or {}
  return given, allocated, ep.mac ~= "" and ep.mac or nil
end

-- Whether an endpoint is to have another value of an option than it has.
local function other_value(one, key, value)
  return one.options[key] ~= nil and canonical(one.options[key]) ~= canonical(value)
end

-- Whether an endpoint must change, whatever happens to its network.
function Drafting:differs(ep, one)
  local given, allocated, mac = present(ep)
  if ep.node ~= one.node then return true end
  if one.options.mac and one.options.mac:lower() ~= mac then return true end
  for key, range in pairs(self:ranges()) do
    local value = given[key] or allocated[key]
    if other_value(one, key, value) then return true end
    if not one.options[key] and not (value and allocation.suits(range, value)) then return true end
  end
  local description = options.join(self.wanted.def.endpoint, attachment.OPTIONS)
  description.mac = nil
  return not same_options(description, given, one.options)
end

-- First of all what is given up is known, so that others can take it in the same Change.
function Drafting:give_up(ep, one)
  local given, allocated, mac = present(ep)
  local released = {}
  local function free(scope, value) released[#released + 1] = self:free(ep, scope, value) end
  for key in pairs(self:ranges()) do
    local value = given[key] or allocated[key]
    if not one or other_value(one, key, value) then free(self:scope(), canonical(value)) end
  end
  if not one or one.options.mac and one.options.mac:lower() ~= mac then free("mac", mac) end
  return released
end

-- The values of what exists once, and their rows. What was given and is not any more stays, as if it had been chosen.
function Drafting:allocate(ep, one)
  local given, allocated = {}, {}
  if ep then given, allocated = present(ep) end
  local rows, ranges = {}, self:ranges()
  for _, key in ipairs(options.sorted_keys(ranges)) do
    local range, value, row = ranges[key], nil, nil
    local function fixed() return self.picker:fixed_address(self.wanted.name, range, value) end
    local former = given[key] or allocated[key]
    if one.options[key] then
      value = canonical(one.options[key])
      row, allocated[key] = self:take(ep, self:scope(), value, fixed), nil
    elseif former and allocation.suits(range, former) then
      allocated[key] = former
    else
      allocated[key], row = must(self.picker:address(self.wanted.name, range))
      row = ovsdb.named(row)
    end
    rows[#rows + 1] = row
  end
  return allocated, rows
end

function Drafting:choose_mac(ep, one, rows)
  local former = ep and ep.mac or nil
  local wanted = one.options.mac and one.options.mac:lower()
  if not wanted and former and (former ~= "" or one.values.kind == "link") then return former end
  if wanted then
    rows[#rows + 1] = self:take(ep, "mac", wanted, function() return self.picker:fixed_mac(wanted) end)
    return wanted
  end
  local mac, row = endpoint_draft.choose_mac(self.picker, self.wanted.name, one.name, one.values)
  rows[#rows + 1] = row and ovsdb.named(row)
  return mac
end

-- What former archetypes knew of an endpoint stays with it.
function Drafting:parked(ep)
  local parked, description = {}, options.join(self.wanted.def.endpoint, attachment.OPTIONS)
  for key, value in pairs(json.decode(ep.options) or {}) do
    if not description[key] then parked[key] = value end
  end
  return parked
end

function Drafting:object(verb, name, node, more)
  local object = { table = "Endpoint", owner = self.wanted.name .. ":" .. name, verb = verb, node = node }
  table.insert(self.draft.objects, options.join(object, more or {}))
  self.nodes[node] = true
end

function Drafting:add(op) table.insert(self.draft.operations, op) end

function Drafting:create(one)
  local allocated, rows = self:allocate(nil, one)
  allocated.identity = self.identities[self.wanted.name .. ":" .. one.name]
  local mac = self:choose_mac(nil, one, rows)
  self:object("create", one.name, one.node)
  table.insert(self.draft.endpoints, { name = one.name, node = one.node, mac = mac, options = one.options,
    allocated = allocated })
  table.insert(self.inserts, { op = "insert", table = "Endpoint", row = {
    network = self.row and self.row._uuid or ovsdb.named "network", name = one.name, node = one.node, mac = mac,
    options = json.encode(one.options), allocated = json.encode(allocated), doomed = false,
    change = ovsdb.named "change", allocations = rows } })
end

-- Another node is another place for the same row: the old one sweeps when the new one has made.
function Drafting:alter(ep, one, released)
  local allocated, rows = self:allocate(ep, one)
  local id = self.wanted.name .. ":" .. one.name
  if self.identities[id] then allocated.identity = self.identities[id] end
  local mac = self:choose_mac(ep, one, rows)
  local given = options.join(self:parked(ep), one.options)
  local before = { options = ep.options, allocated = ep.allocated, mac = ep.mac, node = ep.node,
    allocations = ep.allocations }
  self:object("update", one.name, one.node, { before = before, release = #released > 0 and released or nil })
  if ep.node ~= one.node then self:object("update", one.name, ep.node, { before = before }) end
  table.insert(self.draft.endpoints, { name = one.name, node = one.node, mac = mac, options = given,
    allocated = allocated })
  local where = state_module.only(ep)
  table.insert(self.inserts, { op = "update", table = "Endpoint", where = where, row = { node = one.node, mac = mac,
    options = json.encode(given), allocated = json.encode(allocated), change = ovsdb.named "change" } })
  table.insert(self.inserts, { op = "mutate", table = "Endpoint", where = where,
    mutations = { { "allocations", "insert", rows } } })
end

function Drafting:delete(ep)
  self:object("delete", ep.name, ep.node)
  table.insert(self.draft.gone, self.wanted.name .. ":" .. ep.name)
  self:add { op = "update", table = "Endpoint", where = state_module.only(ep),
    row = { doomed = true, change = ovsdb.named "change" } }
end

-- Whether an endpoint keeps its place: node, kind, interface and the like.
local function stays(ep, one)
  local description = {}
  for key, option in pairs(attachment.OPTIONS) do
    if not attachment.CHANGEABLE[key] then description[key] = option end
  end
  return ep.node == one.node and same_options(description, json.decode(ep.options) or {}, one.options)
end

-- Asks the nodes for the endpoints that are not made of what NERV itself makes.
function Drafting:ask(created, altered)
  local specs = {}
  local function add(one, update)
    if not attachment.depends_on_node(one.values) then return end
    specs[#specs + 1] = { id = self.wanted.name .. ":" .. one.name, node = one.node, values = one.values,
      update = update or nil }
  end
  for _, one in ipairs(created) do add(one) end
  for _, pair in ipairs(altered) do add(pair.one, stays(pair.ep, pair.one)) end
  return #specs > 0 and endpoint_draft.ask_nodes(self.state, specs) or {}
end

-- Sorts the endpoints into those that are to come, to change, to go.
function Drafting:sort()
  local by_name, created, altered, gone = {}, {}, {}, {}
  for _, ep in ipairs(self.row and self.state:endpoints(self.row._uuid) or {}) do
    by_name[ep.name] = change.wait_idle(self.state, function() return self.state.rows.Endpoint[ep._uuid] end)
  end
  for _, one in ipairs(self.wanted.endpoints) do
    local ep = by_name[one.name]
    by_name[one.name] = nil
    if not ep then created[#created + 1] = one
    elseif self:differs(ep, one) then altered[#altered + 1] = { ep = ep, one = one } end
  end
  for _, name in ipairs(options.sorted_keys(by_name)) do gone[#gone + 1] = by_name[name] end
  return created, altered, gone
end

-- Fixed values first, so that no automatic choice takes one that a later endpoint names.
local function fixed_first(created, ranges)
  local first, rest = {}, {}
  for _, one in ipairs(created) do
    local fixed = false
    for key in pairs(ranges) do fixed = fixed or one.options[key] ~= nil end
    table.insert(fixed and first or rest, one)
  end
  return table.move(rest, 1, #rest, #first + 1, first)
end

-- The options of the network's row, and those that its archetype does not know.
local function parked_options(row, def)
  local parked = {}
  for key, value in pairs(options.join(json.decode(row.parked) or {}, json.decode(row.options) or {})) do
    if not def.network[key] then parked[key] = value end
  end
  return parked
end

local function base_draft(state, picker, row, wanted)
  if not row then
    return drafts.insertion(state, picker, wanted.def, wanted.name, wanted.options, wanted.home)
  end
  local same = row.digest == wanted.def.digest and row.home == wanted.home
    and same_options(wanted.def.network, json.decode(row.options) or {}, wanted.options)
  if not same then
    return drafts.alteration(state, row, wanted.def, wanted.options, parked_options(row, wanted.def), wanted.home)
  end
  return { text = "update network " .. wanted.name, nodes = {}, target = wanted.name, objects = {}, endpoints = {},
    operations = { unchanged("Network", row, { "generation" }), drafts.same_endpoints(state, row) } }
end

local function counted(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

-- What the Change is, in words; a removal begins with its verb, because it waits for no stale node.
local function title(self, created, altered, gone)
  local name, parts = self.wanted.name, {}
  if not self.row then
    return "create network " .. name .. (#created > 0 and " with " .. counted(#created, "endpoint") or "")
  end
  if #gone > 0 and #created + #altered == 0 and not self.draft.network then
    return ("delete %s of network %s"):format(counted(#gone, "endpoint"), name)
  end
  if self.draft.network then parts[1] = "its options" end
  for _, one in ipairs { { created, "created" }, { altered, "changed" }, { gone, "deleted" } } do
    if #one[1] > 0 then parts[#parts + 1] = counted(#one[1], "endpoint") .. " " .. one[2] end
  end
  return ("update network %s: %s"):format(name, table.concat(parts, ", "))
end

-- The network as it would be is where its endpoints are.
function Drafting:finish(def)
  local draft = self.draft
  for _, name in ipairs(draft.nodes) do self.nodes[name] = true end
  if #draft.objects > 0 and def.on_member then
    self.nodes[self.wanted.home] = true
    if self.row then self.nodes[self.row.home] = true end
  end
  draft.nodes = options.sorted_keys(self.nodes)
  if draft.network then
    local present_on = { [self.wanted.home] = true }
    for _, one in ipairs(self.wanted.endpoints) do present_on[one.node] = true end
    draft.network.nodes = options.sorted_keys(present_on)
  end
  table.move(self.picker.operations, 1, #self.picker.operations, #draft.operations + 1, draft.operations)
  table.move(self.inserts, 1, #self.inserts, #draft.operations + 1, draft.operations)
  draft.again = true
  return #draft.objects > 0 and draft or nil
end

--- Makes the draft.
-- @tparam table wanted a network of configuration/check.lua
-- @tparam[opt] table ahead of a plan: { prepare = function that tells the picker what will be free or taken by then,
-- pending = true: nodes are not there yet, and not asked }
-- @return the draft, with its picker; nil when the network is as it is wanted
-- @raise when it cannot be
function M.draft(state, wanted, ahead)
  ahead = ahead or {}
  local row = change.wait_idle(state, function() return state:network(wanted.name) end)
  if row and row.doomed then row = nil end
  local picker = allocation.new(state)
  if ahead.prepare then ahead.prepare(picker) end
  local self = setmetatable({ state = state, wanted = wanted, row = row, picker = picker, nodes = {}, inserts = {},
    freed = {} }, Drafting)
  self.draft = base_draft(state, picker, row, wanted)
  self.draft.gone = {}
  local created, altered, gone = self:sort()
  self.identities = ahead.pending and {} or self:ask(created, altered)
  for _, ep in ipairs(gone) do self:give_up(ep) end
  for _, pair in ipairs(altered) do pair.released = self:give_up(pair.ep, pair.one) end
  for _, ep in ipairs(row and state:endpoints(row._uuid) or {}) do
    self:add(unchanged("Endpoint", ep, { "change", "doomed" }))
  end
  for _, ep in ipairs(gone) do self:delete(ep) end
  for _, pair in ipairs(altered) do self:alter(pair.ep, pair.one, pair.released) end
  for _, one in ipairs(fixed_first(created, self:ranges())) do self:create(one) end
  self.draft.text = title(self, created, altered, gone)
  return self:finish(wanted.def), picker
end

return M
