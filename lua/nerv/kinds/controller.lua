-- Who decides what an Open vSwitch bridge does: OpenFlow controllers, and what it does without them. What controllers
-- have told a bridge goes with them, so that nothing of one is left for the next.
local bridge_kind <const> = require "nerv.kinds.ovs_bridge"
local needs <const> = require "nerv.needs"
local ovsdb <const> = require "nerv.ovsdb"
local wanted <const> = require "nerv.openflow.wanted"

local M = { name = "controller", text = "OpenFlow controllers of a bridge", class = "call", rank = 40 }

M.properties = {
  bridge = { doc = "the ovs_bridge", required = true },
  targets = { doc = "where they are: \"tcp:192.0.2.7:6653\", \"ssl:...\", \"unix:${ovs}/NAME\" for a socket in " ..
    "Open vSwitch's own directory", required = true },
  fail_mode = { default = "standalone",
    doc = "\"secure\": without a controller nothing new is forwarded; \"standalone\": then it switches by itself" },
  probe = { default = 5,
    doc = "seconds of silence before a controller is asked whether it lives; it has failed after three times that" },
  program = { default = "",
    doc = "who they are: when that or their place changes, the bridge forgets what it was told" },
}

-- Milliseconds at most between two attempts to connect.
local BACKOFF <const> = 1000

function M.key(p) return bridge_kind.key(p.bridge.p) end
function M.container(p) return p.bridge end

local function targets(p, node)
  local list = {}
  for i, target in ipairs(p.targets) do list[i] = node.substitute(target) end
  table.sort(list)
  return list
end

local function where(p, node) return { { "name", "==", bridge_kind.ifname(p.bridge.p, node) } } end

local PROGRAM <const> = "nerv-program"

-- The row of one at a target.
local function controller_row(p, target)
  return { target = target, max_backoff = BACKOFF, inactivity_probe = math.tointeger(p.probe * 1000 // 1),
    connection_mode = "out-of-band", external_ids = { [PROGRAM] = p.program } }
end

-- Open vSwitch itself forgets the flows of a bridge, all of them, when its first controller comes or its last one goes.
-- Ours are told again.
local function tell_again(list, node)
  for _, action in ipairs(list) do node.vswitch.management:tell(wanted.bridge(action.need.p, node)) end
end

-- Takes bridges from their controllers, with all that these have told them.
-- @tparam ?string fail_mode what they do then
local function dismiss(list, node, fail_mode)
  local operations = {}
  for i, action in ipairs(list) do
    operations[i] = { op = "update", table = "Bridge", where = where(action.need.p, node),
      row = { controller = {}, fail_mode = fail_mode or {} } }
  end
  if #list == 0 then return true end
  local good, message, code = node.vswitch:apply(operations)
  for i, action in ipairs(list) do
    if good then good, message, code = wanted.clear(wanted.bridge(action.need.p, node), node) end
    if not good then return nil, message, code, i end
  end
  return true
end

function M.create(list, node)
  local operations = {}
  for i, action in ipairs(list) do
    local p, rows = action.need.p, {}
    for n, target in ipairs(targets(p, node)) do
      local name = ("controller%d_%d"):format(i, n)
      rows[n] = ovsdb.named(name)
      operations[#operations + 1] = { op = "insert", table = "Controller", uuid_name = name,
        row = controller_row(p, target) }
    end
    operations[#operations + 1] = { op = "update", table = "Bridge", where = where(p, node),
      row = { controller = rows, fail_mode = p.fail_mode } }
  end
  local good, message, code = node.vswitch:apply(operations)
  if not good then return nil, message, code, 1 end
  tell_again(list, node)
  return true
end

function M.change(list, node)
  local others = {}
  for _, action in ipairs(list) do
    local p, old = action.need.p, action.old.p
    if p.program ~= old.program or not needs.equal(p.targets, old.targets) then others[#others + 1] = action end
  end
  local good, message, code = dismiss(others, node, "secure")
  if not good then return nil, message, code, 1 end
  return M.create(list, node)
end

function M.remove(list, node)
  local good, message, code, index = dismiss(list, node)
  if not good then return nil, message, code, index end
  tell_again(list, node)
  return true
end

function M.read(p, _, node)
  local bridge = node.vswitch:find("Bridge", bridge_kind.ifname(p.bridge.p, node))
  if not bridge or #bridge.controller == 0 and not bridge.fail_mode then return nil end
  local found, probe, program = {}, p.probe, p.program
  for i, uuid in ipairs(bridge.controller) do
    local row = node.vswitch:rows "Controller"[uuid]
    found[i] = row.target
    if row.external_ids[PROGRAM] ~= p.program then program = row.external_ids[PROGRAM] or "" end
    if row.inactivity_probe ~= math.tointeger(p.probe * 1000 // 1) then probe = row.inactivity_probe end
  end
  table.sort(found)
  local same = table.concat(found, " ") == table.concat(targets(p, node), " ")
  return { bridge = p.bridge, targets = same and p.targets or found, fail_mode = bridge.fail_mode, probe = probe,
    program = program, after = p.after }
end

return M
