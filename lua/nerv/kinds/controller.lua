-- Who decides what an Open vSwitch bridge does: OpenFlow controllers, and what it does without them. What controllers
-- have told a bridge goes with them, so that nothing of one is left for the next.
local bridge_kind <const> = require "nerv.kinds.ovs_bridge"
local cidr <const> = require "nerv.cidr"
local digest <const> = require "nerv.digest"
local needs <const> = require "nerv.needs"
local ovsdb <const> = require "nerv.ovsdb"
local protocol <const> = require "nerv.protocol"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"
local wanted <const> = require "nerv.openflow.wanted"

local M = { name = "controller", text = "OpenFlow controllers of a bridge", class = "call", rank = 40 }

M.properties = {
  bridge = { doc = "the ovs_bridge", required = true },
  targets = { doc = "where they are: \"tcp:192.0.2.7:6653\", \"ssl:...\", \"unix:${ovs}/NAME\" for a socket in " ..
    "Open vSwitch's own directory", required = true },
  fail_mode = { default = "standalone",
    doc = "\"secure\": without a controller nothing new is forwarded; \"standalone\": then it switches by itself" },
  probe = { default = 5,
    doc = "seconds of silence, 5 at least, before a controller is asked if it lives; after as many it has failed" },
  program = { default = "",
    doc = "who they are: when that or their place changes, the bridge forgets what it was told" },
  run = { default = "",
    doc = "what they run as: with another one they are other processes, which the bridge must join within `join`" },
  address = { doc = "what the controllers are called where people read of them; by default as in targets" },
  services = { doc = "services that carry or are the controller: what they say is told when it does not answer",
    default = {} },
  join = { doc = "seconds that the bridge gets to join a controller, else it has failed; 0: it joins when it can",
    default = 0 },
}
M.facts = { "controller" }

-- Milliseconds at most between two attempts to connect.
local BACKOFF <const> = 1000
-- Seconds for which it is told how a controller was lost before.
local LATELY <const> = 60
-- Seconds between two looks whether a controller has been joined, first and at most, those that each interface of the
-- daemon adds, and those that it gets to say.
local LOOK_FIRST <const>, LOOK_MOST <const>, LOOK_EACH <const>, SAYING <const> = 0.01, 0.3, 0.001, 1

function M.key(p) return bridge_kind.key(p.bridge.p) end
function M.container(p) return p.bridge end

-- What is wrong with a target, or nil. Open vSwitch takes any text, and says at most in its log that it is none.
local function target_problem(target)
  if type(target) == "string" and target:find "^unix:%${ovs}/[^/]+$" then return nil end
  local where <const> = type(target) == "string" and (target:match "^tcp:(.+)$" or target:match "^ssl:(.+)$")
  if not where then return '"tcp:ADDRESS:PORT", "ssl:ADDRESS:PORT" or "unix:${ovs}/NAME" is expected' end
  local host <const>, port = protocol.host_port(where)
  if not host then return port end
  if port == 0 then return "a port is a number from 1 to 65535" end
  local address <const>, problem = cidr.address(host)
  return not address and problem or nil
end

function M.complete(p)
  for _, target in ipairs(p.targets) do
    local problem <const> = target_problem(target)
    if problem then wanted.complain("controller", ("target %q: %s"):format(tostring(target), problem)) end
  end
end

local function targets(p, node)
  local list = {}
  for i, target in ipairs(p.targets) do list[i] = node.substitute(target) end
  table.sort(list)
  return list
end

local function where(p, node) return { { "name", "==", bridge_kind.ifname(p.bridge.p, node) } } end

-- Their names in a row's external ids.
local PROGRAM <const>, RUN <const> = "nerv-program", "nerv-run"

local function run_id(p) return digest.sha256(p.run):sub(1, 16) end

-- The row of one at a target.
local function controller_row(p, target)
  return { target = target, max_backoff = BACKOFF, inactivity_probe = math.tointeger(p.probe * 1000 // 1),
    connection_mode = "out-of-band", external_ids = { [PROGRAM] = p.program, [RUN] = run_id(p) } }
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

local function is_another(p, old) return p.program ~= old.program or not needs.equal(p.targets, old.targets) end

function M.change(list, node)
  local others = {}
  for _, action in ipairs(list) do
    local p, old = action.need.p, action.old.p
    if is_another(p, old) then others[#others + 1] = action end
    if p.run ~= old.run then node.vswitch.renewed[M.key(p)] = runtime.now() end
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
  local found, probe, program, run = {}, p.probe, p.program, p.run
  for i, uuid in ipairs(bridge.controller) do
    local row = node.vswitch:rows "Controller"[uuid]
    found[i] = row.target
    if row.external_ids[PROGRAM] ~= p.program then program = row.external_ids[PROGRAM] or "" end
    if row.external_ids[RUN] ~= run_id(p) then run = row.external_ids[RUN] or "" end
    if row.inactivity_probe ~= math.tointeger(p.probe * 1000 // 1) then probe = row.inactivity_probe end
  end
  table.sort(found)
  local same = table.concat(found, " ") == table.concat(targets(p, node), " ")
  return { bridge = p.bridge, targets = same and p.targets or found, fail_mode = bridge.fail_mode, probe = probe,
    program = program, run = run, address = p.address, services = p.services, join = p.join, after = p.after }
end

-- One that is there, and how it was lost before, if that was lately.
local function praise(p, row)
  local since = tonumber(row.status.sec_since_connect) or 0
  local text = "connected to " .. (p.address or row.target)
  if not row.status.last_error or since >= LATELY then return text end
  return ("%s for %d s; before: %s"):format(text, since, row.status.last_error)
end

-- What the daemon, and the services on the way, say of controllers none of which is there.
local function complaint(p, node, rows)
  local parts = {}
  for i, row in ipairs(rows) do
    parts[i] = ("%s: %s"):format(p.address or row.target, row.status.last_error or "no answer")
  end
  for _, service in ipairs(p.services) do parts[#parts + 1] = node.supervisor:complaint(service.p) end
  return #parts > 0 and table.concat(parts, "; ") or "it is not there"
end

--- Whether the bridge obeys a controller, as far as the daemon has said.
-- @return whether it does, or wants none; what to tell people
function M.state(p, node)
  if #p.targets == 0 then return true, "none" end
  if not node.vswitch:answers() then return false, "Open vSwitch does not answer" end
  local bridge, rows = node.vswitch:find("Bridge", bridge_kind.ifname(p.bridge.p, node)), {}
  for i, uuid in ipairs(bridge and bridge.controller or {}) do
    rows[i] = node.vswitch:rows "Controller"[uuid]
    if rows[i] and rows[i].is_connected then return true, praise(p, rows[i]) end
  end
  return false, complaint(p, node, rows)
end

--- What is there only when a controller has answered: a bridge that joins one, or another one, or its next process.
function M.uncertain(action)
  local p, old = action.need.p, action.old and action.old.p
  return p.join > 0 and (not old or is_another(p, old) or p.run ~= old.run)
end

-- Whether what the bridge has joined may be the former process: the daemon tells whole seconds since it did.
local function is_former(p, node)
  local renewed = node.vswitch.renewed[M.key(p)]
  local bridge = renewed and node.vswitch:find("Bridge", bridge_kind.ifname(p.bridge.p, node))
  for _, uuid in ipairs(bridge and bridge.controller or {}) do
    local row = node.vswitch:rows "Controller"[uuid]
    local since = row and row.is_connected and tonumber(row.status.sec_since_connect)
    if since and since < runtime.now() - renewed then return false end
  end
  return renewed ~= nil
end

--- Waits until the bridge has joined a controller. The system's daemon is believed: it says how it is when it likes.
-- So is one that has joined the next process before this node heard of it.
-- @return true, or nil, message, code
function M.confirm(p, node)
  local limit, pause = runtime.now() + p.join, LOOK_FIRST
  while not node.vswitch.system do
    node.vswitch:refresh(SAYING)
    local good, text = M.state(p, node)
    local over = runtime.now() > limit
    if good and (over or not is_former(p, node)) then break end
    if over then
      return nil, ("no controller has answered the switch for %g s: %s"):format(p.join, text), "timeout"
    end
    task.sleep(pause + node.vswitch:interfaces() * LOOK_EACH)
    pause = math.min(2 * pause, LOOK_MOST)
  end
  node.vswitch.renewed[M.key(p)] = nil
  return true
end

function M.fact(p, _, node)
  node.vswitch:refresh(SAYING)
  local good, text = M.state(p, node)
  return good and text or "not connected: " .. text
end

return M
