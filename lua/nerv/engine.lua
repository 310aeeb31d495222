--- The engine: compares what is wanted with what is there, orders the differences, applies
-- them. Create, update, delete, repair after a crash and the exchange of archetypes are all
-- this one operation.
--
-- The engine remembers what the system has (`have`), by key, as long as the agent runs; it is
-- filled from the system itself at start and by verify(). Its parts: planning.lua finds the differences,
-- apply.lua makes them, verify.lua reads back.
local needs <const> = require "nerv.needs"
local kinds <const> = require "nerv.kinds"
local planning <const> = require "nerv.engine.planning"
local apply <const> = require "nerv.engine.apply"
local verify <const> = require "nerv.engine.verify"
local traits <const> = require "nerv.engine.traits"
local claims_of <const> = traits.claims

local Engine = {}
Engine.__index = Engine
local M = {}

Engine.plan = planning.plan
Engine.apply, Engine.apply_all = apply.apply, apply.apply_all
Engine.verify, Engine.lost, Engine.has_foreign = verify.verify, verify.lost, verify.has_foreign
Engine.restore, Engine.strangers, Engine.clear_doubts = verify.restore, verify.strangers, verify.clear_doubts

--- @tparam table node what kinds need of the node: see agent.lua
-- @return an engine. Its entries are { need =, owners = name -> true, sequence =, drifted = };
--   have     key -> entry; owned: owner -> key -> entry; claims: text -> entry
--   foreign, switches, controllers: key -> entry, of those that the agent looks after meanwhile
--   doubtful actions of which it is not known whether they were done
function M.new(node)
  return setmetatable({ node = node, have = {}, owned = {}, claims = {}, foreign = {}, switches = {}, controllers = {},
    doubtful = {}, sequence = 0 }, Engine)
end

--- The system has a need, and an owner wants it.
function Engine:note(need, owner)
  local entry = self.have[need.key]
  if not entry then
    self.sequence = self.sequence + 1
    entry = { owners = {}, sequence = self.sequence }
    self.have[need.key] = entry
  end
  entry.need = need
  entry.owners[owner] = true
  if kinds.get(need.kind).look then self.foreign[need.key] = entry end
  if need.kind == "switch" then self.switches[need.key] = entry end
  if need.kind == "controller" then self.controllers[need.key] = entry end
  self.owned[owner] = self.owned[owner] or {}
  self.owned[owner][need.key] = entry
  for _, claim in ipairs(claims_of(need)) do self.claims[claim] = entry end
end

--- The system has it no more.
function Engine:forget(need)
  local entry = self.have[need.key]
  if not entry then return end
  self.have[need.key], self.foreign[need.key] = nil, nil
  self.switches[need.key], self.controllers[need.key] = nil, nil
  for owner in pairs(entry.owners) do
    self.owned[owner][need.key] = nil
    if next(self.owned[owner]) == nil then self.owned[owner] = nil end
  end
  for _, claim in ipairs(claims_of(need)) do
    if self.claims[claim] == entry then self.claims[claim] = nil end
  end
end

--- An action has been done.
function Engine:done(action)
  if action.verb == "remove" then
    self:forget(action.need)
  elseif action.verb == "unshare" then
    local entry = self.have[action.need.key]
    entry.owners[action.owner] = nil
    self.owned[action.owner][action.need.key] = nil
  else
    if action.old then self:forget(action.old) end
    self:note(action.need, action.owner)
  end
end

--- An action that failed may have been done in part, or whole when only the answer did not come.
function Engine:doubt(action) table.insert(self.doubtful, action) end

--- Properties with the values of their placeholders, once the needs that those belong to are there.
-- @return properties (the same table when there is no placeholder); or nil and a message
function Engine:resolve(p)
  local resolved
  for name, value in pairs(p) do
    if needs.is_placeholder(value) then
      resolved = resolved or traits.copy(p)
      local kind = kinds.get(value.need.kind)
      local fact = kind.fact(value.need.p, value.field, self.node)
      if fact == nil then return nil, ("%s is not known"):format(value.text) end
      resolved[name] = fact
    end
  end
  return resolved or p
end

--- What the system has of a need; a placeholder's value that is right reads as the placeholder.
function Engine:read(need, snap)
  local wanted = self:resolve(need.p)
  local p = wanted and kinds.get(need.kind).read(wanted, snap, self.node)
  if not p or wanted == need.p then return p or nil end
  p = traits.copy(p)
  for name, value in pairs(need.p) do
    if needs.is_placeholder(value) and p[name] == wanted[name] then p[name] = value end
  end
  return p
end

return M
