--- One call of the Standard API: a transaction with the rows and a Change, then the wait for
-- its end.
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"
local driver <const> = require "nerv.driver"
local json <const> = require "nerv.json"
local progress <const> = require "nerv.progress"
local registry <const> = require "nerv.registry"
local state_module <const> = require "nerv.state"
local suggest <const> = require "nerv.suggest"

local M = {}

-- Seconds without any sign of progress after which a call gives up: more than a node needs to be found stale
-- and a deputy to undo the Change.
local PATIENCE <const> = 18
-- Seconds at most in one phase, while the agents at work on it live.
local PHASE_LIMIT <const> = 300

local serial = 0

-- The order of the Changes, for people and for agents that work through several.
local function next_serial(state)
  for _, change in pairs(state.rows.Change) do serial = math.max(serial, change.serial) end
  serial = serial + 1
  return serial
end

-- The nodes that are still at work on it.
local function waiting_for(change)
  local waiting = {}
  for _, node in ipairs(change.nodes) do
    if not driver.has_reported(change, node) then waiting[#waiting + 1] = node end
  end
  return waiting
end

-- The phase, and who is still at work on it.
local function describe(change)
  local waiting = waiting_for(change)
  return ("%s: %s%s"):format(change.text, change.phase, #waiting > 0 and " on " .. table.concat(waiting, ", ") or "")
end

-- Whose agents should have done something: those at work on it; when there are none the one that drives.
local function silent(change)
  local waiting = waiting_for(change)
  return ("node %s does not answer"):format(table.concat(#waiting > 0 and waiting or change.nodes, ", "))
end

-- Grows with each step of a Change, and while the agents that are at work on it live.
local function signs(state, change)
  local sum = 0
  for _, name in ipairs(waiting_for(change)) do
    local row = state:node(name)
    sum = sum + (row and row.seen or 0)
  end
  return ("%s %d %d"):format(change.phase, #change.nodes - #waiting_for(change), sum)
end

-- Waits for a sign of progress of the Changes, by this process's own time: one that is stopped waits no less.
local Patience = {}
Patience.__index = Patience

local function new_patience() return setmetatable({ waited = 0, in_phase = 0 }, Patience) end

-- Looks at a Change after some time.
-- @return whether to wait on
function Patience:look(state, change)
  local now = runtime.now()
  local passed = math.min(now - (self.looked or now), 1.5)
  self.looked, self.waited, self.in_phase = now, self.waited + passed, self.in_phase + passed
  local phase, sign = change.phase, signs(state, change)
  if phase ~= self.phase then self.in_phase = 0 end
  if sign ~= self.sign then self.waited = 0 end
  self.phase, self.sign = phase, sign
  return self.waited < PATIENCE and self.in_phase < PHASE_LIMIT
end

--- Waits until a row's running Change has ended.
-- @raise when it does not end
function M.wait_idle(state, find_row)
  local patience = new_patience()
  while true do
    local row = find_row()
    local running = row and state:running(row)
    if not running then return row end
    if not patience:look(state, running) then
      registry.fail(("%s: a change still runs: %s; %s"):format(row.name, running.text, silent(running)))
    end
    task.sleep(0.005)
  end
end

-- Ends a call that nobody brings forward: what was begun is undone as soon as somebody can, or goes on when
-- it is past that.
local function give_up(state, change)
  local why = silent(change)
  if not state.db:connected() then
    registry.fail(("%s: the database %s does not answer: the outcome is not known"):format(change.text, state.remote))
  end
  if driver.give_up(state, change, why) then
    registry.fail(("%s: %s: what it began is undone when it does"):format(change.text, why))
  end
  if change.phase == "undo" then
    registry.fail(("%s: %s: it is undone there when it does: %s"):format(change.text, why, change.error))
  end
  registry.fail(("%s: %s: the outcome is that it is done when it does (phase %s)"):format(change.text, why,
    change.phase))
end

local function wait_end(state, uuid, watch)
  local patience = new_patience()
  local _ <close> = progress.start(function() return describe(state.rows.Change[uuid]) end)
  while true do
    local change = state.rows.Change[uuid]
    if not change then registry.fail("the change vanished from the database") end
    if state_module.ENDED[change.phase] then return change end
    if not patience:look(state, change) then give_up(state, change) end
    local _, _, code = watch:all(1)
    if code == "closed" then registry.fail(change.text .. ": this shell has left its lab") end
  end
end

-- The connection was lost in the middle of the transaction that was sent at `began`: the uuid of the Change, if it
-- was done.
local function find_done(state, row, began)
  while not state.db:connected() and runtime.now() - began < PATIENCE do task.sleep(0.02) end
  if not state.db:connected() then
    registry.fail(("%s: the database %s does not answer: the outcome is not known"):format(row.text, state.remote))
  end
  for uuid, change in pairs(state.rows.Change) do
    if change.serial == row.serial and change.text == row.text and change.objects == row.objects then
      return uuid
    end
  end
end

--- Raises unless each node is known and active; for a removal, known.
function M.require_active(state, names, removal)
  for _, name in ipairs(names) do
    local row = state:node(name)
    if not row then
      local known = {}
      for i, node in ipairs(state:sorted "Node") do known[i] = node.name end
      registry.fail(("unknown node '%s'%s"):format(name,
        suggest(name, known, "; there are " .. table.concat(known, ", "))))
    end
    if row.state ~= "active" and not removal then
      registry.fail(("node %s is %s: it cannot take part; node.forget(%q) removes it"):format(name,
        row.state, name))
    end
  end
end

--- Carries a draft out. `build()` makes it from the replica, and again when a race was lost:
--   text        what the call is, beginning with its verb
--   objects     array of { table =, owner =, verb =, node =, before = }
--   nodes       names of the concerned nodes
--   operations  of the transaction; they may name the Change's row "change"
--   again       whether to draft anew what was changed meanwhile, instead of raising
-- @return the uuid of the Change
-- @raise when the draft is refused or undone
function M.run(state, build)
  local watch <close> = state.db:watch { "Change" }
  for attempt = 1, 20 do
    local draft = build()
    M.require_active(state, draft.nodes, draft.text:find("^delete") ~= nil)
    local operations = draft.operations
    local row = { text = draft.text, objects = json.encode(draft.objects), nodes = draft.nodes,
      phase = "make", serial = next_serial(state) }
    operations[#operations + 1] = { op = "insert", table = "Change", uuid_name = "change", row = row }
    local began = runtime.now()
    local results, message, code
    do
      local _ <close> = state:reserve(operations)
      results, message, code = state:transact(operations)
    end
    local uuid = results and results[#operations].uuid or code == "closed" and find_done(state, row, began)
    if uuid then
      local change = wait_end(state, uuid, watch)
      if change.phase == "undone" then
        registry.fail(("%s: %s"):format(draft.text, change.error))
      end
      return uuid
    end
    local lost = code == "timed out" or code == "referential integrity violation"
    if lost and not draft.again then registry.fail(draft.text .. ": changed meanwhile") end
    if code == "timeout" then
      registry.fail(("%s: %s: the outcome is not known"):format(draft.text, message))
    end
    if not lost and code ~= "constraint violation" and not (code == "closed" and state.db:connected()) then
      registry.fail(draft.text .. ": " .. message)
    end
    task.sleep(0.001 * attempt)   -- somebody took a name or a number: pick again
  end
  registry.fail("changed meanwhile, again and again")
end

return M
