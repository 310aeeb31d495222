--- The kinds of need `group` and `meter`: things of a switch that have a number. They carry no cookie, so whose they
-- are is told by the row of their bridge.
local bridge_kind <const> = require "nerv.kinds.ovs_bridge"
local needs <const> = require "nerv.needs"
local options <const> = require "nerv.options"
local wanted <const> = require "nerv.openflow.wanted"

--- Makes the kind.
-- @tparam table kind name, text, rank, late, items (of the message NAME_mod), statistics (where they are read) and
--   usual(items), which fills in what a switch says where nothing was said
return function(kind)
  local NAME <const>, ITEMS <const> = kind.name, kind.items
  local M = { name = NAME, text = kind.text, class = "call", rank = kind.rank, phase = "switch" }

  M.properties = wanted.properties(NAME .. "_mod", ITEMS)
  M.properties[NAME].required = true

  function M.key(p) return ("%s %s"):format(bridge_kind.key(p.bridge.p), p[NAME]) end
  function M.container(p) return p.bridge end
  function M.late() return kind.late end
  function M.complete(p)
    wanted.check(NAME, p, ITEMS)
    if math.type(p[NAME]) ~= "integer" then wanted.complain(NAME, ("%s: a number is expected"):format(NAME)) end
  end

  function M.can_be(p, node) return wanted.resolved(NAME, p, ITEMS, node) ~= nil end

  -- Says in the row of the bridge which of them are ours, or are no more.
  local function note(name, run, node, owned)
    local labels <const>, owners <const> = {}, {}
    for i, p in ipairs(run) do
      labels[i] = wanted.label(NAME, p[NAME])
      owners[labels[i]] = owned and p.id
    end
    local mutations <const> = { { "external_ids", "delete", labels } }
    if owned then mutations[2] = { "external_ids", "insert", owners } end
    return node.vswitch:commit { { op = "mutate", table = "Bridge", where = { { "name", "==", name } },
      mutations = mutations } }
  end

  local function send(name, run, node, command)
    local messages <const> = {}
    for i, p in ipairs(run) do
      local items, message = wanted.resolved(NAME, p, ITEMS, node)
      if not items then return nil, message, "ENODEV", i end
      messages[i] = { NAME, options.join(kind.usual(items), { command = command }) }
    end
    return node.vswitch.management:send(name, messages)
  end

  -- The first of them whose number is somebody else's.
  local function taken(name, run, node)
    local there <const> = {}
    for _, have in ipairs(node.vswitch.management:stats(name, kind.statistics)) do there[have[NAME]] = true end
    for i, p in ipairs(run) do
      if there[p[NAME]] then return i end
    end
  end

  -- Noted first: what is there and not noted is taken for somebody else's.
  function M.create(list, node)
    return wanted.by_bridge(list, node, function(name, run)
      local place <const> = taken(name, run, node)
      if place then
        return nil, ("the bridge has a %s %d of somebody else"):format(NAME, run[place][NAME]), "EEXIST", place
      end
      local good, message, code = note(name, run, node, true)
      if not good then return nil, message, code end
      return send(name, run, node, "add")
    end)
  end

  function M.change(list, node)
    return wanted.by_bridge(list, node, function(name, run) return send(name, run, node, "modify") end)
  end

  function M.remove(list, node)
    return wanted.by_bridge(list, node, function(name, run)
      local messages <const> = {}
      for i, p in ipairs(run) do messages[i] = { NAME, { command = "delete", [NAME] = p[NAME] } } end
      local good, message, code = node.vswitch.management:send(name, messages)
      if good then good, message, code = note(name, run, node, false) end
      if not good and code ~= "ENOENT" then return nil, message, code, 1 end
      return true
    end)
  end

  local function is_ours(name, number, node)
    local row <const> = node.vswitch:find("Bridge", name)
    return row ~= nil and row.external_ids[wanted.label(NAME, number)] ~= nil
  end

  function M.read(p, snapshot, node)
    local name <const> = wanted.bridge(p, node)
    if not is_ours(name, p[NAME], node) then return nil end
    local have <const> = snapshot:once(kind.statistics, name, function()
      local by <const> = {}
      for _, one in ipairs(node.vswitch.management:stats(name, kind.statistics)) do by[one[NAME]] = one end
      return by
    end)[p[NAME]]
    if not have then return nil end
    local items <const> = wanted.resolved(NAME, p, ITEMS, node)
    local same <const> = items and needs.equal(kind.usual(wanted.pick(have, ITEMS)), kind.usual(items))
    return options.join(p, { drifted = not same or nil })
  end

  local function mark(name, number) return ("%s %d"):format(name, number) end

  function M.list(_, node)
    return wanted.list(node, function(name, row)
      local found <const> = {}
      for id, owner in pairs(row.external_ids) do
        local number <const> = id:match("^nerv%-" .. NAME .. "%-(%d+)$")
        if number then
          found[#found + 1] = { owner = owner, key = mark(name, math.tointeger(number)),
            p = { bridge_name = name, [NAME] = math.tointeger(number) } }
        end
      end
      return found
    end)
  end

  --- The bridge in Open vSwitch, and the number.
  function M.mark(p, node) return mark(wanted.bridge(p, node), p[NAME]) end

  return M
end
