--- The driver of Changes. Each agent has one; the one that holds the database's lock `nerv`
-- works. It moves a Change from phase to phase when all concerned nodes have reported:
--
--   make -> switch -> sweep -> done          make, switch -> undo -> undone
--
-- A node reports "PHASE", the last one that it has nothing left to do in (a phase that all are through with is left
-- out), "converged" (nothing is left in any) or "failed: WHY". A stale node counts as failed, but a removal does not
-- wait for it. Who gives the last report makes the step in the same transaction (M.with_report): a Change of one node
-- needs nobody else.
local runtime <const> = require "nerv.runtime"
local state_module <const> = require "nerv.state"
local titles <const> = require "nerv.etarch.store"

local M = {}

--- Seconds after which a node that does not renew `seen` is stale.
M.STALE = 15
-- How many ended Changes stay for the record.
local KEEP <const> = 100
-- Seconds that the holder of the lock gets before another agent acts in its place: one that is
-- stopped keeps the lock. Every step names the phase that it leaves, so two cannot both make it.
local DEPUTY <const> = 2
-- Seconds between two looks after which a driver must have slept.
local SLEPT <const> = 5

-- How far a report is; a failed one is nowhere.
local RANK <const> = { make = 1, switch = 2, sweep = 3, undo = 3, converged = 4 }

--- Whether a node is through with a Change's phase.
function M.has_reported(change, node)
  return (RANK[change.reports[node]] or 0) >= (RANK[change.phase] or 0)
end

local function is_stale(state, change, node)
  local row = state:node(node)
  return (not row or row.state ~= "active") and not M.has_reported(change, node)
end

-- How far the nodes are: "waiting", "failed" with who and why, "converged", or "reported" with the last phase that all
-- are through with.
local function progress(state, change)
  local all_converged, removal, least = true, change.text:find("^delete") ~= nil, nil
  for _, node in ipairs(change.nodes) do
    local report = change.reports[node]
    if is_stale(state, change, node) then
      -- What it has to remove it removes when it comes back.
      if not removal and (change.phase == "make" or change.phase == "switch") then
        return "failed", ("node %s is stale: its agent was not seen for %d s"):format(node, M.STALE)
      end
    elseif report and report:find("^failed") then
      if change.phase == "make" or change.phase == "switch" then
        return "failed", ("node %s: %s"):format(node, report:gsub("^failed: ", ""))
      end
    elseif not M.has_reported(change, node) then
      return "waiting"
    elseif report ~= "converged" and RANK[report] < (RANK[least] or RANK.converged) then
      least = report
    end
    if report ~= "converged" then all_converged = false end
  end
  if all_converged then return "converged" end
  return "reported", least or change.phase
end

local next_phase <const> = { make = "switch", switch = "sweep", sweep = "done", undo = "undone" }

local function endpoint_of(state, owner)
  local net, name = owner:match("^([^:]+):(.+)$")
  local network = net and state:network(net)
  return network and state:endpoint(network._uuid, name)
end

local function object_row(state, object)
  if object.table == "Endpoint" then return endpoint_of(state, object.owner) end
  if object.table == "Network" then return state:network(object.owner) end
  return state:node(object.owner)
end

-- What is said of an owner, or of a switch of a network, is said no more.
local function forget_status(state, owner, ops)
  for _, row in pairs(state.rows.Status) do
    if row.owner == owner or row.owner:sub(1, #owner + 1) == owner .. "/" then
      ops[#ops + 1] = { op = "delete", table = "Status", where = state_module.only(row) }
    end
  end
end

-- At the end rows of what has been deleted go (`verb`), or those of an undone creation, and allocations
-- that a changed object was given others for.
local function final_operations(state, change, verb)
  local ops = {}
  for _, object in ipairs(state_module.objects(change)) do
    local row = object.verb == verb and object_row(state, object)
    if row then
      ops[#ops + 1] = { op = "delete", table = object.table, where = state_module.only(row) }
      for _, op in ipairs(object.table == "Network" and titles.removal(row._uuid) or {}) do ops[#ops + 1] = op end
      forget_status(state, object.owner, ops)
    end
    row = verb == "delete" and object.release and object_row(state, object)
    if row then
      ops[#ops + 1] = { op = "mutate", table = object.table, where = state_module.only(row),
        mutations = { { "allocations", "delete", object.release } } }
    end
  end
  return ops
end

-- The rows as they were before.
local function undo_operations(state, change)
  local ops = {}
  for _, object in ipairs(state_module.objects(change)) do
    local row = object_row(state, object)
    if row and object.verb == "create" then
      ops[#ops + 1] = { op = "update", table = object.table, where = state_module.only(row), row = { doomed = true } }
    elseif row and object.verb == "delete" then
      ops[#ops + 1] = { op = "update", table = object.table, where = state_module.only(row), row = { doomed = false } }
    elseif row then
      ops[#ops + 1] = { op = "update", table = object.table, where = state_module.only(row), row = object.before }
    end
  end
  return ops
end

-- The operations of a step: it is made once, whoever else makes it, too.
local function step_operations(change, phase, more, message)
  local ops = { { op = "wait", table = "Change", where = state_module.only(change), columns = { "phase" },
    ["until"] = "==", rows = { { phase = change.phase } }, timeout = 0 } }
  table.move(more, 1, #more, #ops + 1, ops)
  -- Who has converged on what is now to be undone reports anew.
  ops[#ops + 1] = { op = "update", table = "Change", where = state_module.only(change),
    row = { phase = phase, error = message, reports = phase == "undo" and {} or nil } }
  return ops
end

local function advance(state, change, phase, more, message)
  local results, problem, code = state:transact(step_operations(change, phase, more, message))
  if not results and code ~= "timed out" then   -- that one: another driver was faster
    runtime.log(("change %s, from %s to %s: %s"):format(change.text, change.phase, phase, problem))
  end
  return results, problem, code
end

--- Undoes a Change that nobody brings forward, for the caller who gives it up.
-- @return whether it is to be undone now; it is not when it went on meanwhile, or too far
function M.give_up(state, change, why)
  if change.phase ~= "make" and change.phase ~= "switch" then return false end
  return advance(state, change, "undo", undo_operations(state, change), why) ~= nil
end

-- The phase that comes next, and what else is to be written with it.
local function onward(state, change, how, through)
  local phase = next_phase[through]
  if how == "converged" then phase = change.phase == "undo" and "undone" or "done" end
  if phase == "done" then return phase, final_operations(state, change, "delete") end
  if phase == "undone" then return phase, final_operations(state, change, "create") end
  return phase, {}
end

--- The step that becomes due with a node's report, for the same transaction; none while others are still at work, or
-- have failed, or are stale: those are the driver's.
-- @return operations of the step, or nil
function M.with_report(state, change, node, text)
  local reports = setmetatable({ [node] = text }, { __index = change.reports })
  local reported = setmetatable({ reports = reports }, { __index = change })
  for _, name in ipairs(change.nodes) do
    if not M.has_reported(reported, name) then return nil end
  end
  return step_operations(change, onward(state, reported, progress(state, reported)))
end

-- A deputy's memory: since when which step has been due, and whether it acts for a holder that does
-- not: then it waits no more, until somebody else makes a step.
local Patience = {}
Patience.__index = Patience

local function new_patience() return setmetatable({ before = {}, now = {} }, Patience) end

function Patience:over(change)
  local key = change._uuid .. change.phase
  self.now[key] = self.before[key] or runtime.now()
  return self.acting or runtime.now() - self.now[key] > DEPUTY
end

function Patience:next_pass() self.before, self.now = self.now, {} end

-- @tparam ?Patience patience of a deputy
local function drive_one(state, change, patience)
  if state_module.ENDED[change.phase] then return end
  local how, detail = progress(state, change)
  if how == "waiting" or patience and not patience:over(change) then return end
  if how == "failed" then
    return advance(state, change, "undo", undo_operations(state, change), detail)
  end
  return advance(state, change, onward(state, change, how, detail))
end

-- A row that nobody can make sense of ends here, and holds up nothing. The end of this task is no such row.
local function drive(state, change, patience)
  local good, results, message, code = pcall(drive_one, state, change, patience)
  if good then return results, message, code end
  if tostring(results):find("canceled$") then error(results, 0) end
  runtime.log(("change %s: %s"):format(change.text, tostring(results)))
  return advance(state, change, "undone", {}, tostring(results))
end

local function drive_for_other(state, change, patience)
  local results, _, code = drive(state, change, patience)
  if results then patience.acting = true end
  if code == "timed out" then patience.acting = false end
end

local function forget_old(state)
  local ended = {}
  for _, change in pairs(state.rows.Change) do
    if state_module.ENDED[change.phase] then ended[#ended + 1] = change end
  end
  if #ended <= 2 * KEEP then return end
  table.sort(ended, function(a, b) return a.serial < b.serial end)
  local ops = {}
  for i = 1, #ended - KEEP do
    ops[i] = { op = "delete", table = "Change", where = state_module.only(ended[i]) }
  end
  state:transact(ops)
end

-- Judges the nodes by what this process saw, with its own clock: no clocks are compared. One that
-- slept itself, or was without the database, has seen nothing.
local function watch_nodes(state, observed, limit)
  local now = runtime.now()
  if now - (observed.last or now) > SLEPT or not state.db:connected() then
    for name in pairs(observed) do observed[name] = nil end
  end
  observed.last = now
  for _, row in ipairs(state:list "Node") do
    local o = observed[row._uuid]
    if not o or o.seen ~= row.seen then
      observed[row._uuid] = { seen = row.seen, at = now }
    elseif row.state == "active" and now - o.at > limit then
      state:transact { { op = "update", table = "Node",
        where = { { "_uuid", "==", row._uuid }, { "seen", "==", row.seen } }, row = { state = "stale" } } }
    end
  end
end

--- Drives until it is cancelled or the state is closed.
function M.run(state)
  local observed, patience = {}, new_patience()
  local watch <close> = state.db:watch { "Change", "Node" }
  state.db:lock("nerv")
  while true do
    if state.db:has_lock("nerv") then
      watch_nodes(state, observed, M.STALE)
      for _, change in ipairs(state:list "Change") do drive(state, change) end
      forget_old(state)
    else
      watch_nodes(state, observed, M.STALE)
      for _, change in ipairs(state:list "Change") do drive_for_other(state, change, patience) end
    end
    patience:next_pass()
    local _, _, code = watch:all(1)   -- a second at most: nodes grow stale without an event
    if code == "closed" then return end
  end
end

return M
