--- Evaluation: from an archetype and a row to the set of needs. Pure: nothing here
-- touches the system.
--
-- A need is one thing that must exist: { kind, key, p = properties, owner }. A property may
-- be another need; that orders the two, and the later one reads the earlier one's name or
-- path from it. A field that only the system knows is a placeholder: handing it on makes the
-- receiver wait; computing with it raises.
local runtime <const> = require "nerv.runtime"
local attachment <const> = require "nerv.attachment"
local kinds <const> = require "nerv.kinds"
local archetypes <const> = require "nerv.archetype"
local options <const> = require "nerv.options"
local suggest <const> = require "nerv.suggest"

local M = {}

--- Longest time, in seconds, that an archetype's function may run.
M.BUDGET = 1

local complain <const> = archetypes.complain

-- The scope of the evaluation that runs now; evaluation never yields, so there is one.
local current

local function unknown_field(placeholder)
  complain(("%s is known only to the system: hand it to another need, or read net.facts")
    :format(rawget(placeholder, "text")))
end

local placeholder_meta <const> = {}
for _, event in ipairs { "add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor",
  "bxor", "shl", "shr", "bnot", "concat", "len", "lt", "le", "call", "index", "newindex", "pairs" } do
  placeholder_meta["__" .. event] = function(a, b)
    unknown_field(getmetatable(a) == placeholder_meta and a or b)
  end
end
placeholder_meta.__name = "placeholder"
placeholder_meta.__tostring = unknown_field

--- Whether a property's value is a placeholder.
function M.is_placeholder(value) return getmetatable(value) == placeholder_meta end

local need_meta <const> = { __name = "need" }

--- Whether a property's value is a need.
function M.is_need(value) return getmetatable(value) == need_meta end

function need_meta.__index(self, field)
  local p = rawget(self, "p")
  if p[field] ~= nil then return p[field] end
  local kind = kinds.get(rawget(self, "kind"))
  if kind.properties[field] then return nil end
  local facts = kind.facts or {}
  for _, fact in ipairs(facts) do
    if fact == field then
      return setmetatable({ need = self, field = field, text = rawget(self, "label") .. "." .. field,
        key = rawget(self, "key") .. "." .. field }, placeholder_meta)
    end
  end
  complain(("a %s has no field '%s'"):format(rawget(self, "kind"), tostring(field)))
end

function need_meta.__newindex() complain("a need cannot be changed") end

--- Equality of properties: needs and placeholders by key, tables by content.
function M.equal(a, b)
  if rawequal(a, b) then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  local ka, kb = rawget(a, "key"), rawget(b, "key")
  if (M.is_need(a) or M.is_placeholder(a)) and (M.is_need(b) or M.is_placeholder(b)) then
    return ka == kb
  end
  if M.is_need(a) or M.is_need(b) or M.is_placeholder(a) or M.is_placeholder(b) then return false end
  for k, v in pairs(a) do
    if not M.equal(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

--- Makes a need outside of an evaluation, for what is read back from the system.
function M.make(kind_name, p, owner)
  local kind <const> = kinds.get(kind_name)
  return setmetatable({ kind = kind_name, key = kind_name .. " " .. kind.key(p), p = p,
    owner = owner, label = kind_name }, need_meta)
end

local read_properties

local function misfit(what, name, problem) complain(("%s: property '%s': %s"):format(what, name, problem)) end

-- A property's value as its kind has it; what is wrong with it raises. Thousands are read.
local function read_property(what, name, property, value)
  if M.is_placeholder(value) then return value end
  if property.need then
    for _, kind in ipairs(property.need) do
      if M.is_need(value) and rawget(value, "kind") == kind then return value end
    end
    misfit(what, name, ("a need of kind %s is expected, not %s"):format(table.concat(property.need, " or "),
      M.is_need(value) and rawget(value, "label") or type(value) == "string" and ("'%s'"):format(value) or type(value)))
  end
  if property.fields then return read_properties(("%s: property '%s'"):format(what, name), property.fields, value) end
  if not property.type then return value end
  local good, message = options.check_value(property, value)
  if not good then misfit(what, name, message) end
  return options.value(property, value)
end

function read_properties(what, description, given)
  if type(given) ~= "table" or M.is_need(given) then complain(what .. ": a table of properties is expected") end
  local values = {}
  for name, value in pairs(given) do
    local property <const> = description[name]
    if not property then
      local names <const> = options.sorted_keys(description)
      complain(("%s: unknown property '%s'%s"):format(what, tostring(name),
        suggest(name, names, "; there are " .. table.concat(names, ", "))))
    end
    values[name] = read_property(what, name, property, value)
  end
  return values
end

-- The names of the properties in which two differ.
local function differences(a, b)
  local names = {}
  for _, name in ipairs(options.sorted_keys(options.join(a, b))) do
    if not M.equal(a[name], b[name]) then names[#names + 1] = name end
  end
  return table.concat(names, ", ")
end

local function add(kind_name, p)
  local kind <const> = kinds.get(kind_name)
  local checked <const> = read_properties("need." .. kind_name, kind.properties, p)
  checked.after = nil
  for _, one in ipairs(options.completions(kind.properties)) do
    if checked[one.key] == nil then
      if one.required then complain(("need.%s: property '%s' is missing (%s)"):format(kind_name, one.key, one.doc)) end
      checked[one.key] = one.default
    end
  end
  if kind.properties.id and not checked.id then checked.id = current.id end
  if kind.properties.group and not checked.group then checked.group = current.group end
  if kind.complete then kind.complete(checked, current, add) end
  local made = M.make(kind_name, checked, current.owner)
  made.label = ("%s %s"):format(kind_name, p.name or p.id or "")
  if current.set.parts then rawset(made, "part", current.endpoint and current.path or current.net.path) end
  local former = current.set.by_key[made.key]
  if former then
    if not M.equal(former.p, made.p) then
      complain(("two needs contradict each other: %s is wanted twice, with different properties: %s")
        :format(made.key, differences(former.p, made.p)))
    end
    return former
  end
  for _, claim in ipairs(kind.claims and kind.claims(checked) or {}) do
    local holder = current.set.claims[claim]
    if holder then
      complain(("two needs contradict each other: %s is claimed by %s and by %s"):format(claim,
        holder.key, made.key))
    end
    current.set.claims[claim] = made
  end
  current.set.by_key[made.key] = made
  table.insert(current.set, made)
  return made
end

local function new_set() return { by_key = {}, claims = {} } end

-- Runs `f` with a scope; the scope of the caller comes back whatever happens.
local function with_scope(scope, f, ...)
  local outer = current
  current = scope
  local results = table.pack(pcall(f, ...))
  current = outer
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

local function derived(changes)
  return setmetatable(changes, { __index = current })
end

local function checked_options(what, description, given)
  local values, message = options.check(what, description, given)
  if not values then complain(message) end
  return values
end

local need_functions <const> = {}

-- What an endpoint of a component may be given: the component's own options and those of every endpoint.
local descriptions <const> = setmetatable({}, { __mode = "k" })

local function endpoint_options(def)
  descriptions[def] = descriptions[def] or options.join(def.endpoint, attachment.OPTIONS)
  return descriptions[def]
end

-- How the outer endpoint is attached holds for the inner one, unless the archetype says otherwise.
local function child_call(child, f, given)
  local def <const> = child.def
  local outer <const> = current.endpoint
  local name = given.name
  given = options.join(given)
  given.name = nil
  local ep = checked_options("endpoint of " .. child.net.path, endpoint_options(def), given)
  local attached = outer and outer.attachment or {}
  for option, value in pairs(attached) do
    if ep[option] == nil then ep[option] = value end
  end
  for option in pairs(given) do
    if attachment.OPTIONS[option] then attached = options.join(attached, { [option] = ep[option] }) end
  end
  ep.attachment = attached
  ep.name = outer and outer.name or name
  ep.id = outer and current.id or child.net.path .. ":" .. tostring(name)
  ep.identity = outer and outer.identity
  return with_scope(derived { id = ep.id, path = child.net.path, endpoint = ep }, f, need_functions, child.net, ep)
end

local function child_endpoint(child, given) return child_call(child, child.def.on_endpoint, given) end

local function child_member(child, given)
  if child.def.on_member then child_call(child, child.def.on_member, given) end
end

-- need.attachment{ master =, mtu =, loopback =, ipv6 =, announce = }: what joins the endpoint to a link; see
-- attachment.lua.
local ATTACHMENT <const> = {
  master = { type = "any", required = true, doc = "link that the endpoint is to be a port of" },
  mtu = { type = "mtu", doc = "the network's MTU" },
  loopback = { type = "boolean", default = false, doc = "bring up `lo` in a namespace of its own" },
  announce = { type = "boolean", default = false,
    doc = "tell the network, by ARP and the like, when it comes to have a MAC or IP address that was another's" },
  ipv6 = { type = "boolean", default = false, doc = "turn IPv6 on in its namespace, or on its interface there" },
}

local function attach(p)
  if not current.endpoint then complain("need.attachment: it is for endpoints") end
  local checked = checked_options("need.attachment", ATTACHMENT, p)
  current.set.attached = true
  local made, message = attachment.needs(need_functions, current.endpoint, checked)
  if not made then complain(message) end
  return made
end

-- need.crossing{ master = }: the way from a bridge to the network's other nodes.
local CROSSING <const> = { master = { type = "any", required = true, doc = "bridge that is to be joined to them" } }

local function cross(p)
  if current.endpoint then complain("need.crossing: it is for networks") end
  return attachment.cross(need_functions, current.net, checked_options("need.crossing", CROSSING, p).master)
end

-- The ports of a component, by its own names: `ports` says which of the network's they are, `port` which one its
-- `data` is.
local function component_ports(spec, outer)
  local ports <const> = {}
  for own, name in pairs(spec.ports or { data = spec.port }) do
    local there <const> = table.concat(options.sorted_keys(outer.ports), ", ")
    ports[own] = outer.ports[name] or complain(("need.network %s: the network has no port '%s'; %s"):format(spec.name,
      name, there == "" and "its archetype names none in `ports`" or "there are " .. there))
  end
  return ports
end

--- need.network{ archetype =, name =, ... }: the needs of a composed network.
local function compose(spec)
  if type(spec) ~= "table" or type(spec.archetype) ~= "string" or type(spec.name) ~= "string" then
    complain("need.network: archetype and name are needed")
  end
  local def <const> = archetypes.component(current.def, spec.archetype)
  local given = options.join(spec)
  given.archetype, given.name, given.port, given.ports = nil, nil, nil, nil
  local net = checked_options("need.network " .. spec.name, def.network, given)
  local outer <const> = current.net
  net.name, net.path = spec.name, outer.path .. "/" .. spec.name
  net.node, net.home, net.nodes, net.facts, net.edge = outer.node, outer.home, outer.nodes, outer.facts, outer.edge
  net.node_number, net.own_mac = outer.node_number, outer.own_mac
  net.ports = component_ports(spec, outer)
  if current.set.parts then current.set.parts[net.path] = def.name end
  net.made = with_scope(derived { def = def, net = net, id = net.path }, def.on_network,
    need_functions, net) or {}
  return { net = net, def = def, made = net.made, endpoint = child_endpoint, member = child_member }
end

setmetatable(need_functions, {
  __index = function(_, name)
    if name == "network" then return compose end
    if name == "attachment" then return attach end
    if name == "crossing" then return cross end
    if not kinds.get(name) then
      complain(("there is no need of kind '%s'%s"):format(tostring(name),
        suggest(name, kinds.names())))
    end
    return function(p) return add(name, p) end
  end,
  __newindex = function() complain("need cannot be changed") end,
})

local function evaluate(what, scope, f, ...)
  local outer = current
  current = scope
  local results = table.pack(runtime.limited(M.BUDGET, f, need_functions, ...))
  current = outer
  if not results[1] then
    return nil, ("%s: %s"):format(what, tostring(results[2]))
  end
  return results[2] or true
end

--- What the functions of an archetype see of a network. Facts that are read while they are
-- still unknown are noted, so that the function is called again when they are there.
function M.view(net, facts)
  local missing = {}
  net.facts = setmetatable({}, {
    __index = function(_, name)
      local value = facts[name]
      if value == nil then missing[name] = true end
      return value
    end,
    __newindex = function() complain("net.facts cannot be changed") end,
  })
  return net, missing
end

--- The needs of a network on one node.
-- @tparam table def the archetype
-- @tparam table net options, and name, node, home, nodes, ports, group, facts, edge
-- @return the set and what on_network returned (net.made for its endpoints); or nil, message. The set has `parts`, the
-- archetype of each network that it is composed of by path, and each need a `part`, the path of the one that wants it
function M.network(def, net)
  net.path = net.name
  for name, port in pairs(net.ports) do port.id, port.name = net.name, name end
  local set = new_set()
  set.parts = { [net.name] = def.name }
  local scope = { set = set, owner = net.name, def = def, net = net, id = net.name,
    group = net.group, path = net.name }
  local made, message = evaluate(("archetype %s, network %s"):format(def.name, net.name), scope,
    def.on_network, net)
  if not made then return nil, message end
  return set, made == true and {} or made
end

--- The needs of one endpoint on one node: its own where it is, and on the network's home what a
-- service there must know of it.
-- @tparam table net as for M.network, with `made`
-- @tparam table ep options, and name, mac, node
function M.endpoint(def, net, ep)
  local set = new_set()
  local owner = net.name .. ":" .. ep.name
  ep.id, ep.attachment = owner, attachment.given(ep)
  net.path = net.name
  local scope = { set = set, owner = owner, def = def, net = net, id = owner, group = net.group,
    path = net.name, endpoint = ep }
  local what <const> = ("archetype %s, endpoint %s"):format(def.name, owner)
  for _, f in ipairs { ep.node == net.node and def.on_endpoint or false,
    net.home == net.node and def.on_member or false } do
    local made, message
    if f then made, message = evaluate(what, scope, f, net, ep) end
    if f and not made then return nil, message end
  end
  local special = ep.node == net.node and not set.attached and attachment.special(ep)
  if special then
    return nil, ("%s: the archetype attaches endpoints in its own way: it has no option '%s'"):format(what, special)
  end
  return set
end

--- The needs of something that is no network: `f(need, ...)` says what they are.
function M.of(owner, f, ...)
  local set = new_set()
  local scope = { set = set, owner = owner, id = owner, path = owner }
  local made, message = evaluate(owner, scope, f, ...)
  if not made then return nil, message end
  return set
end

return M
