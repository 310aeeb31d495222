--- Shows in the state which switches of this node have no controller that answers: rows of table Status, owned by the
-- switch, "blue/switch-data". They go when it answers.
local kind <const> = require "nerv.kinds.controller"
local state_module <const> = require "nerv.state"
local task <const> = require "nerv.task"

local M = {}

-- Seconds between two looks, and while a controller is not there; those that each interface of the daemon adds, so that
-- looks take 0.3 % of its time, and 1 %; what it gets to say how they are.
local LOOK <const>, LOOK_AGAIN <const> = 5, 1
local LOOK_EACH <const>, LOOK_AGAIN_EACH <const>, SAYING <const> = 0.06, 0.02, 1
local STATE <const> = "no controller"

-- owner -> what is wrong
local function complaints(agent)
  local found = {}
  for _, entry in pairs(agent.engine.controllers) do
    local good, text = kind.state(entry.need.p, agent.node)
    if not good then found[kind.key(entry.need.p)] = text end
  end
  return found
end

-- Makes the rows equal to what is wrong.
local function show(agent, wrong)
  local operations, left = {}, {}
  for owner, text in pairs(wrong) do left[owner] = text end
  for _, row in ipairs(agent.state:list "Status") do
    local only = state_module.only(row)
    if row.node == agent.name and row.state == STATE and not left[row.owner] then
      operations[#operations + 1] = { op = "delete", table = "Status", where = only }
    elseif row.node == agent.name and left[row.owner] then
      if row.error ~= left[row.owner] then
        operations[#operations + 1] = { op = "update", table = "Status", where = only,
          row = { error = left[row.owner] } }
      end
      left[row.owner] = nil
    end
  end
  for owner, text in pairs(left) do
    agent.node.log(("%s has no controller: %s"):format(owner, text))
    operations[#operations + 1] = { op = "insert", table = "Status",
      row = { owner = owner, node = agent.name, state = STATE, error = text } }
  end
  if #operations > 0 then agent.state:transact(operations) end
end

--- Takes away what the state says of a switch that has just joined a controller: who made it join sees that at once.
-- @tparam string owner the switch, "blue/switch-data"
function M.joined(agent, owner)
  local operations = {}
  for _, row in ipairs(agent.state:list "Status") do
    if row.node == agent.name and row.owner == owner and row.state == STATE then
      operations[#operations + 1] = { op = "delete", table = "Status", where = state_module.only(row) }
    end
  end
  if #operations > 0 then agent.state:transact(operations) end
end

local function look(agent)
  if next(agent.engine.controllers) then agent.node.vswitch:refresh(SAYING) end
  local wrong = complaints(agent)
  show(agent, wrong)
  return next(wrong) ~= nil
end

--- Looks until it is cancelled.
-- @tparam table agent see agent.lua
function M.run(agent)
  local good, wrong
  while not agent.closing do
    local interfaces = agent.node.vswitch:interfaces()
    task.sleep(wrong and LOOK_AGAIN + interfaces * LOOK_AGAIN_EACH or LOOK + interfaces * LOOK_EACH)
    good, wrong = pcall(look, agent)   -- a database may be gone in the middle
    if not good and tostring(wrong):find("canceled$") then error(wrong, 0) end
    if not good then agent.node.log("controllers: " .. tostring(wrong)) end
  end
end

return M
