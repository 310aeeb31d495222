--- Puts bridges of Open vSwitch back that somebody else has taken away (`ovs-vsctl del-br`), with ports, controllers
-- and flows. The daemon's database tells at once that one is gone; what this agent itself has taken away is no need any
-- more by the time that nobody works on the system.
local kind <const> = require "nerv.kinds.ovs_bridge"
local kinds <const> = require "nerv.kinds"
local needs <const> = require "nerv.needs"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

-- Seconds between two looks when nothing has told that there is something to see, and while there is something to do.
local LOOK <const>, LOOK_AGAIN <const> = 5, 0.5
-- Seconds before a bridge is made again that is taken away again and again, first and at most; and so many times the
-- last wait it must have been there to be made as if for the first time.
local FIRST <const>, MOST <const>, STEADY <const> = 1, 60, 3

-- The bridges that are needed and are not there, while the daemon's database answers: name there -> key of the need.
local function find_lost(agent)
  local node, found = agent.node, {}
  for _, entry in pairs(node.vswitch:answers() and agent.engine.have or {}) do
    local need = entry.need
    local name = need.kind == kind.name and kind.ifname(need.p, node)
    if name and not node.vswitch:find("Bridge", name) then found[name] = need.key end
  end
  return found
end

-- Whether a need is that bridge, or one of what it has. What it is told comes later: see management.lua.
local function is_of(need, bridge, node)
  if kinds.get(need.kind).can_be then return false end
  local its = need.kind == kind.name and need or need.p.bridge
  return needs.is_need(its) and its.kind == kind.name and kind.ifname(its.p, node) == bridge
end

-- Makes a bridge again with all that it had, once its daemon is there and nobody else works on the system: by then it
-- may be there again, or not needed any more.
-- @return whether the daemon was there
local function remake(agent, bridge)
  if not agent.node.vswitch:apply {} or agent.closing then return false end
  agent:exclusive(function()
    local key = agent.engine:clear_doubts() and find_lost(agent)[bridge]
    if not key or agent.closing then return end
    agent.node.log(("%s: somebody has taken the bridge away: it is made again"):format(key))
    local management = agent.node.vswitch.management
    management:close(bridge)   -- that was to the former one
    management:tell(bridge)
    agent:restore(bridge, function(need) return is_of(need, bridge, agent.node) end)
  end)
  return true
end

--- When bridges may be made again. Holds no timer: `now` is given.
-- @return {due(name, now), made(name, now)}
function M.back_off()
  local known = {}   -- name -> { at = when it was made last, delay = from then on }
  return {
    due = function(name, now)
      local last = known[name]
      return not last or now >= last.at + last.delay
    end,
    made = function(name, now)
      local last = known[name]
      for other, one in pairs(known) do
        if now - one.at > STEADY * MOST then known[other] = nil end
      end
      local again = last and now - last.at <= (STEADY + 1) * last.delay
      known[name] = { at = now, delay = again and math.min(2 * last.delay, MOST) or FIRST }
    end,
  }
end

-- @return whether one is still away
local function look(agent, waits)
  local lost = find_lost(agent)
  for name in pairs(lost) do
    if waits.due(name, runtime.now()) and remake(agent, name) then
      waits.made(name, runtime.now())
      lost[name] = nil
    end
  end
  return next(lost) ~= nil
end

--- Looks until it is cancelled.
-- @tparam table agent see agent.lua
function M.run(agent)
  local waits = M.back_off()
  while not agent.closing do
    local vswitch = agent.node.vswitch
    local watch <close> = vswitch:answers() and vswitch.db:watch { "Bridge" } or nil
    local good, some = pcall(look, agent, waits)   -- a database may be gone in the middle
    if not good and tostring(some):find "canceled$" then error(some, 0) end
    if not good then agent.node.log("bridges: " .. tostring(some)) end
    if watch and good and not some then watch:all(LOOK) else task.sleep(LOOK_AGAIN) end
  end
end

return M
