--- What a node tells the others of itself: rows of tables Switch and Service, equal to what its
-- agent runs.
local state_module <const> = require "nerv.state"

local M = {}

local function differs(row, values)
  for column, value in pairs(values) do
    if row[column] ~= value then return true end
  end
  return false
end

-- Operations that make the node's rows of a table equal to `wanted` (name -> values).
local function difference(state, table_name, node, wanted, operations)
  for _, row in ipairs(state:list(table_name)) do
    if row.node == node then
      local values = wanted[row.name]
      wanted[row.name] = nil
      if not values then
        operations[#operations + 1] = { op = "delete", table = table_name, where = state_module.only(row) }
      elseif differs(row, values) then
        operations[#operations + 1] = { op = "update", table = table_name,
          where = state_module.only(row), row = values }
      end
    end
  end
  for name, values in pairs(wanted) do
    values.node, values.name = node, name
    operations[#operations + 1] = { op = "insert", table = table_name, row = values }
  end
end

--- Brings the rows up to date; no transaction when they are.
-- @tparam table state see state.lua
-- @tparam table node see agent.lua
-- @tparam table engine whose switches are published
function M.run(state, node, engine)
  local switches, services = {}, {}
  for _, entry in pairs(engine.switches) do
    local p = entry.need.p
    switches[p.name] = { program = p.program, socket = node.run_dir .. "/" .. p.name .. ".sock" }
  end
  for id, service in pairs(node.supervisor.services) do
    services[id] = { owner = service.p.id, state = service.ended and "restarting" or "running",
      pid = service.child.pid, restarts = service.restarts }
  end
  local operations = {}
  difference(state, "Switch", node.name, switches, operations)
  difference(state, "Service", node.name, services, operations)
  if #operations > 0 then state:transact(operations) end
end

return M
