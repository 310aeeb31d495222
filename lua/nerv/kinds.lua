--- The kinds of need. Each is a module of lua/nerv/kinds/ and says what identifies one,
-- what it holds, and how one is made, changed, removed and read back:
--
--   name, text   of the kind: its name, and one line for help
--   class        kinds of class "kernel" give operations for one batch on a worker thread;
--                those of class "call" are functions that may wait
--   rank         order of removal: higher ranks go first
--   properties   NAME = { doc =, required =, default =, type = one of those of options, or need = list of the kinds
--                that may be handed on, or fields = properties of a table }; what only the system knows fits everywhere
--   key(p)       identity on the node, from the wanted properties alone
--   fixed        properties whose change means: remove and make anew
--   claims(p)    what it excludes, as texts
--   shared       several owners may want the same one
--   complete(p, scope, want) fills in what follows from the others; want(kind, p) wants another need
--   late(action) place of an action in phase switch, 1 to 3: what interrupts traffic comes after the others, close
--                together; nil: it does not. 3 is the last in phase make, too
--   phase        "switch": what is made shows at once in what runs already; by default "make"
--   can_be(p, node) of what an Open vSwitch bridge is told: whether the ports that it names are there
--   container(p) the need that takes it along when it is removed, or nil
--   facts        fields that only the system knows; fact(p, name, node) reads one
--   kernel: create(p, node), change(old, new, node), remove(p, node): lists of batch
--           operations { "link.add", {...} }
--           settle(p, node): operations that wait until what was made or changed works, once all of
--           its phase is done
--   call:   create(list, node), change(list, node), remove(list, node) over lists of
--           { need =, old = }; return true, or nil, message, code, index
--   read(p, snapshot, node)   the properties that the system has, or nil
--   uncertain(action)         whether it shows some time later, perhaps when other nodes have done their part, that it
--                             works: confirm(p, node) then waits for that, beside other work, before the node's phase
--                             is over; it returns true, or nil, message, code
--   look(p, node)             for what NERV did not make: a text that differs when it is another one;
--                             nil and a message while it is gone. create() and read() note it in
--                             node.seen, by the need's key
--   debris(p, snapshot, node) clears the way for what read() did not find: operations that do, or nil; and whether
--                             they change what has been read of others
--   list(snapshot, node)      array of { owner =, key =, p = }: all that carry this instance's mark,
--                             with what a removal needs of their properties; owner is nil
--                             where the mark does not tell; within is the path of the
--                             namespace that takes it along
--   mark(p, node)             what list() calls the key of one; by default its key
--
-- A researcher's own kind is a file kinds/NAME.lua in a directory of the search path of archetypes: every agent, and
-- archetype.expand, loads it when it is first wanted. kinds.define adds one to this process alone.
local api <const> = require "nerv.api"
local archetypes <const> = require "nerv.archetype"
local file <const> = require "nerv.file"
local options <const> = require "nerv.options"
local registry <const> = require "nerv.registry"

local M = {}

local built_in <const> = { "netns", "foreign_netns", "link", "interface", "address", "route", "neighbour", "sysctl",
  "qdisc", "redirect", "nat", "announcement", "instance", "file", "service", "switch", "switch_port", "entry",
  "vswitch", "ovs_bridge", "ovs_port", "controller", "meter", "group", "flow" }
local known = {}

function M.define(kind)
  local what = "kinds.define: "
  if type(kind.name) == "string" then what = ("%skind '%s': "):format(what, kind.name) end
  for _, field in ipairs { "name", "class", "rank", "properties", "key", "create", "remove", "read" } do
    if kind[field] == nil then registry.fail(("%sfield '%s' is missing"):format(what, field)) end
  end
  for name, property in pairs(kind.properties) do
    if property.type and not options.type_text(property.type) then
      registry.fail(("%sproperty '%s': unknown type '%s'; the types are %s"):format(what, name,
        tostring(property.type), table.concat(options.type_names(), ", ")))
    end
  end
  kind.fixed = kind.fixed or {}
  kind.properties.after = kind.properties.after or { doc = "needs that must be there before" }
  known[kind.name] = kind
  return kind
end

local function directories()
  local dirs = archetypes.path()
  for i, dir in ipairs(dirs) do dirs[i] = dir .. "/kinds" end
  return dirs
end

-- A kind whose file lies on the search path, or nil.
local function from_path(name)
  for _, dir in ipairs(directories()) do
    local path = ("%s/%s.lua"):format(dir, name)
    if file.stat(path) then
      local good, message = archetypes.trusted(path)
      if not good then error(message, 0) end
      local chunk
      chunk, message = loadfile(path, "t")
      if not chunk then error(message, 0) end
      local kind = chunk()
      if type(kind) ~= "table" or kind.name ~= name then
        error(("%s does not return a kind named '%s'"):format(path, name), 0)
      end
      return M.define(kind)
    end
  end
end

--- A kind by name, or nil.
-- @raise when it has a file and the file is faulty
function M.get(name)
  if known[name] then return known[name] end
  for _, candidate in ipairs(built_in) do
    if candidate == name then return M.define((require("nerv.kinds." .. name))) end
  end
  if type(name) ~= "string" or not name:find("^[%w_]+$") then return nil end
  return from_path(name)
end

function M.names()
  local names = {}
  for _, name in ipairs(built_in) do names[name] = true end
  for name in pairs(known) do names[name] = true end
  for _, dir in ipairs(directories()) do
    for _, entry in ipairs(file.list(dir) or {}) do
      local name = entry:match("^([%w_]+)%.lua$")
      if name then names[name] = true end
    end
  end
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return list
end

return api.module("kinds", "the kinds of need: what networks and endpoints are made of", M, {
  define = { text = "adds a kind; the head of lua/nerv/kinds.lua describes its fields; returns it",
    args = { { name = "kind", type = "table", required = true,
      text = "name, class, rank, properties, key, create, remove, read ..." } },
    example = [[
kinds.define { name = "note", class = "call", rank = 90,
  properties = { text = { doc = "what it says", required = true } },
  key = function(p) return p.text end,
  read = function() return nil end,
  create = function() return true end, remove = function() return true end }]] },
  get = { internal = true },
  names = { text = "returns the names of all kinds", example = 'print(table.concat(kinds.names(), " "))' },
})
