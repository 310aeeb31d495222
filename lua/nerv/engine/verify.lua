--- Reads back what the system has: after an action that failed, when somebody else may have changed something, when an
-- agent starts. What is found differs from what the engine remembers, and the next plan mends it.
local needs <const> = require "nerv.needs"
local kinds <const> = require "nerv.kinds"
local batch <const> = require "nerv.batch"
local snapshot <const> = require "nerv.snapshot"
local planning <const> = require "nerv.engine.planning"
local traits <const> = require "nerv.engine.traits"

local M = {}

-- Notes what the system has of the need of an action that failed.
local function look_again(self, action, snap)
  local need, owner = action.need, action.owner
  local entry = self.have[need.key]
  local owners = entry and entry.owners or { [owner] = true }
  local kind = kinds.get(need.kind)
  local p = self:read(need, snap)
  if entry then self:forget(entry.need) end
  for name in pairs(p and owners or {}) do self:note(needs.make(need.kind, p, name), name) end
  local debris = not p and kind.debris and kind.debris(need.p, snap, self.node)
  if debris then batch.run(debris) end
end

--- Reads back what actions that failed were about, before anything is planned on it.
-- @return true; or nil and a message while that cannot be told
function M.clear_doubts(self)
  if #self.doubtful == 0 then return true end
  local snap = snapshot.new(self.node)
  while #self.doubtful > 0 do
    local good, message = pcall(look_again, self, self.doubtful[#self.doubtful], snap)
    if not good then return nil, tostring(message) end
    table.remove(self.doubtful)
  end
  return true
end

local function oldest_first(a, b) return a.sequence < b.sequence end

-- Makes or changes what the system has lost or has otherwise.
local function make_again(self, entries)
  local snap, actions = snapshot.new(self.node), {}
  for _, entry in ipairs(entries) do
    local p = self:read(entry.need, snap)
    if not p or not traits.same(p, entry.need.p) then
      actions[#actions + 1] = { verb = p and "change" or "create", need = entry.need, old = entry.need,
        owner = next(entry.owners) }
    end
  end
  return self:apply(planning.merge { { make = {}, switch = actions, sweep = {} } }.switch)
end

--- Makes again what the system has lost of the needs that are there and of which f(need) is true.
-- @return true; or nil, message, and the owners, whose next plans look again
function M.restore(self, f)
  local entries, owners = {}, {}
  for _, entry in pairs(self.have) do
    if f(entry.need) then entries[#entries + 1] = entry end
  end
  table.sort(entries, oldest_first)
  for i, entry in ipairs(entries) do owners[i] = next(entry.owners) end
  local called, good, message = pcall(make_again, self, entries)
  if called and good then return true end
  for i, entry in ipairs(entries) do self:doubt { need = entry.need, owner = owners[i] } end
  return nil, tostring(called and message or good), owners
end

--- The first need of a set that stands for something which NERV did not make and which is gone.
-- @return the need and why, or nil
function M.lost(self, set)
  for _, need in ipairs(set) do
    local kind = kinds.get(need.kind)
    if kind.look then
      local there, message = kind.look(need.p, self.node)
      if not there then return need, message end
    end
  end
end

--- Whether an owner has something that rests on what NERV did not make.
function M.has_foreign(self, owner)
  for _, entry in pairs(self.foreign) do
    if entry.owners[owner] then return true end
  end
  return false
end

-- Whether a need is in, on or of another one.
local function rests_on(need, other)
  for _, value in pairs(need.p) do
    if needs.is_need(value) and (value.key == other.key or rests_on(value, other)) then return true end
  end
  return false
end

--- Reads what the owner wants back from the system, so that a plan that follows repairs what
-- somebody else changed.
function M.verify(self, owner, set, snap)
  snap = snap or snapshot.new(self.node)
  local lost, gone = M.lost(self, set), {}
  for _, need in ipairs(set) do
    local kind = kinds.get(need.kind)
    local entry = self.have[need.key]
    -- Where a namespace was there may be a stranger's, with things of the same names.
    local hidden = lost and rests_on(need, lost)
    -- What was on a link that is gone is not on the one that takes its place; a part of it may linger for a moment.
    local p = not hidden and not traits.of_holder(need, gone) and self:read(need, snap) or nil
    if not p then gone[need.key] = true end
    local owners = traits.copy(entry and entry.owners or {})
    owners[owner] = true   -- of a shared one it may be known by another owner's
    if entry then self:forget(entry.need) end
    for name in pairs(p and owners or {}) do self:note(needs.make(need.kind, p, name), name) end
    if p then self.have[need.key].drifted = not traits.same(p, need.p) end
    local clear = not p and (not hidden or kind.name == "link") and kind.debris
    local debris, others
    if clear then debris, others = clear(need.p, snap, self.node) end
    if debris then batch.run(debris) end
    if others then snap:forget() end
  end
end

-- What kinds know the needs by that are there: kind -> mark -> true.
local function marks(self)
  local known = {}
  for _, entry in pairs(self.have) do
    local kind = kinds.get(entry.need.kind)
    local mark = kind.mark and kind.mark(entry.need.p, self.node) or kind.key(entry.need.p)
    known[kind.name] = known[kind.name] or {}
    known[kind.name][mark] = true
  end
  return known
end

--- Everything that carries this instance's mark and is none of the needs that were read back.
-- @return array of { kind =, found = what the kind's list() gave }, in the order of removal
function M.strangers(self, snap)
  local result, known, going = {}, marks(self), {}
  for _, name in ipairs(kinds.names()) do
    local good, kind = pcall(kinds.get, name)   -- a researcher's file may be faulty
    if not good then self.node.log(("kind %s: %s"):format(name, kind)) end
    for _, found in ipairs(good and kind.list and kind.list(snap, self.node) or {}) do
      if not (known[name] and known[name][found.key]) then
        result[#result + 1] = { kind = kind, found = found }
        if name == "netns" then going[found.key] = true end
      end
    end
  end
  for i = #result, 1, -1 do   -- what a namespace takes along
    if going[result[i].found.within] then table.remove(result, i) end
  end
  table.sort(result, function(a, b) return a.kind.rank > b.kind.rank end)
  return result
end

return M
