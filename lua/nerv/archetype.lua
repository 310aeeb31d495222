--- Archetypes: definition, search path, digest, sandbox.
--
-- An archetype file returns `archetype{ ... }`; it is evaluated in an environment of its own
-- and may not wait. What runs is always a text: the one in the file when a network is created,
-- and from then on the one in the database, by its digest.
local api <const> = require "nerv.api"
local registry <const> = require "nerv.registry"
local attachment <const> = require "nerv.attachment"
local runtime <const> = require "nerv.runtime"
local options <const> = require "nerv.options"
local context <const> = require "nerv.context"
local cidr <const> = require "nerv.cidr"
local suggest <const> = require "nerv.suggest"

local M = {}

local fields <const> = { name = "string", summary = "string", network = "table",
  endpoint = "table", ports = "table", uses = "table", on_network = "function",
  on_endpoint = "function", on_member = "function", check = "function", internal = "boolean" }

-- What networks and endpoints have in any archetype; see needs.lua.
local reserved <const> = { name = true, archetype = true, node = true, home = true, nodes = true,
  ports = true, group = true, own_mac = true, facts = true, edge = true, made = true, path = true, id = true,
  node_number = true }

-- Seconds in which a text is read, and in which its `check` answers.
local BUDGET <const> = 1

-- What archetype{ ... } has seen.
local defined <const> = setmetatable({}, { __mode = "k" })

--- Raises an error with the line of the archetype that runs. A level would not do: archetypes
-- call in tail position.
function M.complain(message)
  local level, info = 2
  repeat
    info = debug.getinfo(level, "Sl")
    level = level + 1
  until not info or info.source:find("^@archetypes/")
  error(info and ("%s:%d: %s"):format(info.short_src, info.currentline, message) or message, 0)
end

local function define(t)
  if type(t) ~= "table" then M.complain("archetype: a table is expected") end
  for key, value in pairs(t) do
    if not fields[key] then
      M.complain(("archetype: unknown field '%s'%s"):format(tostring(key),
        suggest(key, options.sorted_keys(fields))))
    end
    if type(value) ~= fields[key] then
      M.complain(("archetype: %s must be a %s"):format(key, fields[key]))
    end
  end
  for _, key in ipairs { "name", "summary", "on_network", "on_endpoint" } do
    if t[key] == nil then M.complain(("archetype: field '%s' is missing"):format(key)) end
  end
  for _, key in ipairs { "network", "endpoint" } do
    t[key] = t[key] or {}
    local problem = options.problem(t[key])
    if problem then M.complain(("archetype: %s %s"):format(key, problem)) end
    for name in pairs(t[key]) do
      if reserved[name] then
        M.complain(("archetype: %s option '%s': the name is NERV's own"):format(key, name))
      end
    end
  end
  t.ports, t.uses = t.ports or {}, t.uses or {}
  defined[t] = true
  return t
end

local function copy(t)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return c
end

-- What an archetype's text may use. No pcall: nothing may swallow the end of its budget.
local function environment()
  return {
    archetype = define, assert = assert, error = error, ipairs = ipairs, next = next,
    pairs = pairs, select = select, tonumber = tonumber, tostring = tostring, type = type,
    math = copy(math), string = copy(string), table = copy(table), utf8 = copy(utf8),
    cidr = copy(cidr),
  }
end

-- An error of an archetype's code, with the file that it is of.
local function placed(name, message)
  message = tostring(message)
  if message:find("archetypes/" .. name .. ".lua:", 1, true) then return message end
  return ("archetypes/%s.lua: %s"):format(name, message)
end

--- Evaluates an archetype's text.
-- @return the archetype, or nil and a message
local function from_text(text, name)
  local chunk, message = load(text, "@archetypes/" .. name .. ".lua", "t", environment())
  if not chunk then return nil, message end
  local good, def = runtime.limited(BUDGET, chunk)
  if not good then return nil, placed(name, def) end
  if not defined[def] then
    return nil, ("archetypes/%s.lua does not return archetype{ ... }"):format(name)
  end
  if def.name ~= name then
    return nil, ("archetypes/%s.lua defines an archetype named '%s'"):format(name, def.name)
  end
  return def
end

local function own_directory() return context.data_dir .. "/archetypes" end

--- The directories that archetypes are looked for in, in their order.
function M.path()
  local dirs = {}
  for dir in (os.getenv("NERV_PATH") or ""):gmatch("[^:]+") do dirs[#dirs + 1] = dir end
  dirs[#dirs + 1] = own_directory()
  return dirs
end

-- Who may decide what agents run as root: root, the caller, and who became root by sudo(8) to call this.
local function is_trusted_user(uid)
  local own = require("nerv.process").uid()
  return uid == 0 or uid == own or own == 0 and tostring(uid) == os.getenv "SUDO_UID"
end

--- Whether a file belongs to root or the caller alone: who can write it decides what agents run as root. Who can write
-- NERV's own directory decides that already.
-- @return true, or nil and a message
function M.trusted(path)
  local own = own_directory() .. "/"
  if path:sub(1, #own) == own then return true end
  local stat, message = require("nerv.file").stat(path)
  if not stat then return nil, message end
  if not is_trusted_user(stat.uid) then
    return nil, ("%s belongs to user %d: it must belong to root or to you"):format(path, stat.uid)
  end
  if stat.mode & 18 ~= 0 then
    return nil, path .. " can be written by others: chmod go-w it"
  end
  return true
end

function M.list()
  local found = {}
  for _, dir in ipairs(M.path()) do
    for _, entry in ipairs(require("nerv.file").list(dir) or {}) do
      local name = entry:match("^(.+)%.lua$")
      if name then found[name] = true end
    end
  end
  return options.sorted_keys(found)
end

local function read_text(name)
  for _, dir in ipairs(M.path()) do
    local path = dir .. "/" .. name .. ".lua"
    local file = io.open(path, "rb")
    if file then
      local text = file:read("a")
      file:close()
      local good, message = M.trusted(path)
      if not good then return nil, message end
      return text
    end
  end
  return nil, ("unknown archetype '%s'%s"):format(name,
    suggest(name, M.list(), "; there are " .. table.concat(M.list(), ", "))), "ENOENT"
end

local by_digest = {}

local function digest_of(text, uses)
  local parts = { text }
  for _, name in ipairs(options.sorted_keys(uses)) do
    parts[#parts + 1] = name .. "=" .. uses[name]
  end
  return require("nerv.digest").sha256(table.concat(parts, "\0"))
end

-- Reads an archetype and those it is composed of from the search path; `loading` holds what is being read.
-- @return the archetype with `digest`, `text` and `uses` (name -> digest); or nil, a message, and ENOENT when it has
-- no file
local function read(name, loading)
  if not context.valid_name(name) then return nil, ("'%s' is no archetype name"):format(tostring(name)) end
  if loading[name] then return nil, ("archetype '%s' is composed of itself"):format(name) end
  loading[name] = true
  local text, message, code = read_text(name)
  if not text then return nil, message, code end
  local def
  def, message = from_text(text, name)
  if not def then return nil, message end
  for option in pairs(def.endpoint) do
    if attachment.OPTIONS[option] then
      return nil, ("archetype '%s': endpoint option '%s': every endpoint has it already"):format(name, option)
    end
  end
  local uses = {}
  for _, part in ipairs(def.uses) do
    local component
    component, message = read(part, loading)
    if not component then return nil, ("archetype '%s': %s"):format(name, message) end
    uses[part] = component.digest
  end
  loading[name] = nil
  def.uses, def.text, def.digest = uses, text, digest_of(text, uses)
  by_digest[def.digest] = def
  return def
end

function M.load(name) return read(name, {}) end

--- An archetype by digest, from this process's memory or the rows of the database.
-- @tparam table rows digest -> { name, text, uses }
-- @return the archetype, or nil and a message
function M.by_digest(digest, rows)
  if by_digest[digest] then return by_digest[digest] end
  local row = rows[digest]
  if not row then return nil, "the database has no archetype text " .. digest:sub(1, 12) end
  local def, message = from_text(row.text, row.name)
  if not def then return nil, message end
  def.uses, def.text, def.digest = row.uses or {}, row.text, digest
  for _, part in pairs(def.uses) do
    local component
    component, message = M.by_digest(part, rows)
    if not component then return nil, message end
  end
  by_digest[digest] = def
  return def
end

--- An archetype with a new one in the place of the component of that name, at whatever depth.
-- @tparam table def from M.by_digest
-- @tparam table new from M.load
-- @tparam table rows as for M.by_digest
-- @return the archetype; `def` itself when it is not composed of it; or nil and a message
function M.recompose(def, new, rows)
  local uses, differs = {}, false
  for name, digest in pairs(def.uses) do
    local component, message = new, nil
    if name ~= new.name then
      component, message = M.by_digest(digest, rows)
      component = component and M.recompose(component, new, rows)
    end
    if not component then return nil, message end
    uses[name] = component.digest
    differs = differs or component.digest ~= digest
  end
  if not differs then return def end
  local result, message = from_text(def.text, def.name)
  if not result then return nil, message end
  result.uses, result.text, result.digest = uses, def.text, digest_of(def.text, uses)
  by_digest[result.digest] = result
  return result
end

--- The component `name` of an archetype, for need.network.
-- @raise when the archetype does not name it in `uses`
function M.component(def, name)
  local digest = def.uses[name]
  if not digest then
    M.complain(("archetype %s does not name '%s' in its `uses`"):format(def.name, name))
  end
  return assert(by_digest[digest])
end

--- What an archetype says of a network's options together.
-- @tparam table values checked one by one
-- @return nil when they go together, or what is wrong
function M.problem(def, values)
  if not def.check then return nil end
  local good, problem = runtime.limited(BUDGET, def.check, values)
  if not good then return placed(def.name, problem) end
  if problem == nil or type(problem) == "string" then return problem end
  return ("archetypes/%s.lua: check returns %s: a string or nil is expected"):format(def.name, type(problem))
end

function M.expand(name, given, more)
  local needs <const> = require "nerv.needs"
  local def, message = M.load(name)
  if not def then registry.fail("archetype.expand: " .. message) end
  local net
  net, message = options.check("archetype.expand", def.network, given or {})
  if not net then registry.fail(message) end
  message = M.problem(def, net)
  if message then registry.fail("archetype.expand: " .. message) end
  net.name, net.node = more.name or name, more.node
  net.home, net.nodes, net.node_number = more.home or net.node, more.nodes or { net.node }, more.node_number or 1
  net.ports, net.edge, net.own_mac = more.ports or {}, more.edge, "02:00:00:00:00:fe"
  for i, port in ipairs(def.ports) do
    net.ports[port] = net.ports[port] or { tag = 99 + i, number = 15 + i }
  end
  local result = {}
  local function collect(set, problem)
    if not set then registry.fail("archetype.expand: " .. problem) end
    for _, n in ipairs(set) do
      result[#result + 1] = { kind = n.kind, key = n.key, owner = n.owner, properties = n.p }
    end
  end
  needs.view(net, more.facts or {})
  local set, made = needs.network(def, net)
  collect(set, made)
  net.made = made
  local description = options.join(def.endpoint, attachment.OPTIONS)
  for _, endpoint in ipairs(more.endpoints or {}) do
    local values = options.join(endpoint)
    values.name, values.node = nil, nil
    local ep
    ep, message = options.check("archetype.expand: endpoint", description, values)
    message = message or attachment.problem(ep)
    if message then registry.fail(message) end
    ep.name, ep.node, ep.mac = endpoint.name, endpoint.node or net.node, ep.mac or "02:00:00:00:00:01"
    collect(needs.endpoint(def, net, ep))
  end
  return result
end

-- Loaded when they are called: they need a lab, and most of the platform.
function M.reload(name, given) return require("nerv.archetype_reload").reload(name, given) end
function M.watch(on) return require("nerv.archetype_reload").watch(on) end

local NAME <const> = { name = "name", type = "any", names = "archetype", required = true,
  text = "name of the archetype" }
-- For completion: `items` are the arguments before.
local function network_options(_, _, items)
  local def = items[1] and M.load(items[1])
  return def and def.network
end
local MORE <const> = {
  name = { type = "name", doc = "name of the network; by default the archetype's" },
  node = { type = "name", default = "node", doc = "the node whose needs are computed" },
  node_number = { type = "count", doc = "number of the node among all; by default 1" },
  home = { type = "name", doc = "home of the network; by default the node" },
  nodes = { type = "list", doc = "names of the nodes where it is present; by default the node alone" },
  ports = { type = "table", doc = "NVE ports, name -> {tag=, number=}; by default tags from 100 on" },
  edge = { type = "table", doc = "{port=, interface=}: the port of the node's NVE towards the outside" },
  facts = { type = "table", doc = "what only the system knows" },
  endpoints = { type = "list", doc = "array of {name=, and options of the endpoint}" },
}

return api.module("archetype", "kinds of networks", M, {
  list = { text = "returns the names of the archetypes on the search path",
    example = 'print(table.concat(archetype.list(), " "))' },
  load = { text = "reads an archetype; returns {name=, summary=, network=, endpoint=, text=, digest= ...}, or nil and "
    .. "a message, and ENOENT when it has no file", args = { NAME }, example = 'print(archetype.load("ip").summary)' },
  expand = { text = "returns the needs that an archetype computes, array of {kind=, key=, owner=, properties=};"
    .. " touches "
    .. "nothing",
    args = { NAME, { name = "options", type = "table", text = "options of the network", more = network_options },
      { name = "more", type = "table", text = "where, and with which endpoints", fields = MORE } },
    example = [[
for _, n in ipairs(archetype.expand("ip", { subnet = "10.1.0.0/24" },
    { endpoints = { { name = "h1", address = "10.1.0.2" } } })) do print(n.kind, n.key) end]] },
  reload = { text = "gives the text in an archetype's file to the networks that use it; returns the operations, "
    .. "array of {verb=, kind=, key=, owner=, node=, network=}",
    args = { NAME, { name = "options", type = "table", text = "how", fields = {
      dry_run = { type = "boolean", default = false, doc = "only say what would be done" } } } },
    example = 'archetype.reload "ip"\narchetype.reload("ip", { dry_run = true })' },
  watch = { text = "reloads archetypes when their files are saved, in the background; what goes wrong is logged",
    args = { { name = "on", type = "boolean", text = "whether; by default true" } },
    example = "archetype.watch(true)\narchetype.watch(false)" },
  by_digest = { internal = true }, component = { internal = true }, complain = { internal = true },
  problem = { internal = true },
  path = { internal = true }, trusted = { internal = true }, recompose = { internal = true },
})
