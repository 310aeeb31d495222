--- A node's Open vSwitch as OpenFlow switches: one connection to the management socket of each bridge that somebody
-- wants flows, groups or meters on. It is kept, because its end is how we learn that a bridge has forgotten what it was
-- told: its daemon died, ours or the system's.
--
-- The daemon answers such a connection whatever controllers the bridge has, and sends it no events.
local openflow <const> = require "nerv.openflow"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local Management = {}
Management.__index = Management
local M = {}

-- Seconds for the handshake, and for an answer.
local LIMIT <const> = 10

--- @tparam table vswitch see agent/vswitch.lua
-- @tparam function lost called in a task of its own with the name of a bridge that has forgotten what it was told: it
--   calls refresh() when nobody else works on the system
-- @tparam function restore called with the same by refresh(), before anything else is done with the bridge: tells it
--   again what it was told
function M.new(vswitch, lost, restore)
  return setmetatable({ vswitch = vswitch, lost = lost, restore = restore, connections = {}, flows = {},
    forgotten = {}, told = {} }, Management)
end

-- Whoever closes a connection here has taken it out of the list before.
local function ended(self, name, connection)
  if self.connections[name] ~= connection then return end
  self.connections[name], self.forgotten[name] = nil, true
  task.spawn(self.lost, name)
end

--- Where the daemon answers for a bridge.
function Management:socket(name) return ("%s/%s.mgmt"):format(self.vswitch.dir, name) end

local function connect(self, name)
  local connection = {}
  local path <const> = self:socket(name)
  local controller, message, code = openflow.connect { path = path, keepalive = 0, log = self.vswitch.node.log,
    on_switch = function(dp)
      dp:config { miss_send_len = 0 }   -- else it is sent all that controllers are
      dp:on("close", function() ended(self, name, connection) end)
      connection.dp = dp
    end }
  if not controller then return nil, message, code end
  local limit = runtime.now() + LIMIT
  while not connection.dp and runtime.now() < limit and controller.task:status() == "waiting" do task.sleep(0.001) end
  if connection.dp then
    connection.controller, self.connections[name] = controller, connection
    return connection.dp
  end
  controller:close()
  return nil, path .. ": the bridge does not answer", "timeout"
end

local function reach(self, name)
  local known <const> = self.connections[name]
  if known and not known.dp.closed then return known.dp end
  if not self.vswitch:find("Bridge", name) then return nil, "there is no bridge " .. name, "ENOENT" end
  local dp = connect(self, name)
  if dp then return dp end
  local good, message, code = self.vswitch:apply {}
  if not good then return nil, message, code end
  return connect(self, name)
end

--- A bridge as a switch; it is waited for when its daemon starts again.
-- @tparam string name of the bridge in Open vSwitch
-- @return a datapath (see openflow/datapath.lua); or nil, message, code: "ENOENT" when there is no such bridge
function Management:open(name)
  local dp, message, code = reach(self, name)
  if not dp or not self.forgotten[name] then return dp, message, code end
  self:refresh(name)
  return reach(self, name)
end

--- Tells a bridge again what it has forgotten, if it has.
function Management:refresh(name)
  self.told[name] = nil
  if not self.forgotten[name] then return end
  self.forgotten[name] = nil
  self.restore(name)
end

--- The same of all bridges that tell() was called for.
function Management:refresh_told()
  local name = next(self.told)
  while name do
    self:refresh(name)
    name = next(self.told)
  end
end

--- Our flows of a bridge as they were sent, by the keys of their needs.
function Management:placed(name)
  self.flows[name] = self.flows[name] or {}
  return self.flows[name]
end

--- Ends the connection to a bridge that is to go.
function Management:close(name)
  self.flows[name], self.forgotten[name], self.told[name] = nil, nil, nil
  local connection <const> = self.connections[name]
  self.connections[name] = nil
  if connection then connection.controller:close() end
end

function Management:close_all()
  for name in pairs(self.connections) do self:close(name) end
  self.flows, self.forgotten, self.told = {}, {}, {}
end

--- Says that a bridge has forgotten what it was told, though its daemon lives: it is told again at the end of the
-- actions at hand.
function Management:tell(name)
  self.forgotten[name], self.told[name] = true, true
  task.spawn(self.lost, name)   -- in case that those fail
end

--- Sends messages to a bridge in one go, and waits until it has done them.
-- @tparam array messages { method of a datapath, items }
-- @return true; or nil, message, code, and the place of the first one that it refused, if it did
function Management:send(name, messages)
  local dp, message, code = self:open(name)
  if not dp then return nil, message, code end
  self.vswitch:note(name)
  for _, one in ipairs(messages) do
    local good
    good, message, code = dp[one[1]](dp, one[2])
    if not good then return nil, message, code end
  end
  local reply, errors
  reply, errors, code = dp.channel:call("barrier_request", nil, LIMIT)
  if not reply then return nil, errors, code end
  local first <const> = errors[1]
  if not first then return true end
  code = ("%s/%s"):format(first.type, first.code)
  -- Nobody else sends here, so the numbers of messages follow one another.
  return nil, ("the switch %s refuses it: %s"):format(dp.id, code), code, #messages + 1 - (reply.xid - first.xid)
end

--- What a bridge has: statistics of OpenFlow (see datapath:stats).
-- @return a list; {} where there is no such bridge
-- @raise when it should answer and does not: what it has is not known
function Management:stats(name, kind, which)
  local dp, message, code = self:open(name)
  if not dp and code == "ENOENT" then return {} end
  local list
  if dp then list, message = dp:stats(kind, which, LIMIT) end
  if not list then error(("Open vSwitch: %s"):format(message), 0) end
  return list
end

return M
