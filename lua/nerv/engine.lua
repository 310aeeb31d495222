--- The engine: compares what is wanted with what is there, orders the differences, applies
-- them. Create, update, delete, repair after a crash and the exchange of archetypes are all
-- this one operation.
--
-- The engine remembers what the system has (`have`), by key, as long as the agent runs; it is
-- filled from the system itself at start and by verify().
local link_group <const> = require "nerv.link_group"
local needs <const> = require "nerv.needs"
local kinds <const> = require "nerv.kinds"
local batch <const> = require "nerv.batch"
local snapshot <const> = require "nerv.snapshot"
local task <const> = require "nerv.task"

local Engine = {}
Engine.__index = Engine
local M = {}

--- The phases of a change, in their order.
M.PHASES = { "make", "switch", "sweep" }

-- A batch of this many operations is compiled without the loop noticing.
local BATCH <const> = 400

--- @tparam table node what kinds need of the node: see agent.lua
function M.new(node)
  return setmetatable({ node = node, have = {}, owned = {}, claims = {}, foreign = {}, switches = {}, controllers = {},
    doubtful = {}, sequence = 0 }, Engine)
end

local function claims_of(need)
  local kind = kinds.get(need.kind)
  return kind.claims and kind.claims(need.p) or {}
end

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

local function differs_in_fixed(kind, old, new)
  for _, field in ipairs(kind.fixed) do
    if not needs.equal(old[field], new[field]) then return true end
  end
  return kind.change == nil
end

-- Whether what an owner wants of a holder no longer makes the claim.
local function gives_up(set, holder, claim)
  local wanted = set.by_key[holder.need.key]
  if not wanted then return false end
  for _, kept in ipairs(claims_of(wanted)) do
    if kept == claim then return false end
  end
  return true
end

local function table_copy(t)
  local copy = {}
  for k, v in pairs(t) do copy[k] = v end
  return copy
end

local function without_after(p)
  if p.after == nil then return p end
  local copy = table_copy(p)
  copy.after = nil
  return copy
end

local function same(a, b) return needs.equal(without_after(a), without_after(b)) end

local function other_owner(entry, owner)
  for name in pairs(entry.owners) do
    if name ~= owner then return name end
  end
end

-- What goes when its container goes needs no removal of its own.
local function implied(need, removed)
  local kind = kinds.get(need.kind)
  local container = kind.container and kind.container(need.p)
  return container and removed[rawget(container, "key")] ~= nil
end

-- The value of one of the needs that this one is in or on, and is lost with.
local function of_holder(need, values)
  local kind = kinds.get(need.kind)
  local container, link = kind.container and kind.container(need.p), need.p.link
  return container and values[rawget(container, "key")] or needs.is_need(link) and values[rawget(link, "key")] or nil
end

local function newest_first(a, b) return a.sequence > b.sequence end

-- Notes what an owner loses with a need that is made anew: the removal of each, which is none of its own.
-- @tparam table lost key -> true
local function lose(self, owner, need, list, lost)
  local entries = {}
  for key, entry in pairs(self.owned[owner] or {}) do
    if not lost[key] and of_holder(entry.need, { [need.key] = true }) then entries[#entries + 1] = entry end
  end
  table.sort(entries, newest_first)
  for _, entry in ipairs(entries) do
    lost[entry.need.key] = true
    lose(self, owner, entry.need, list, lost)
    table.insert(list, { verb = "remove", need = entry.need, owner = owner, implied = true })
  end
end

--- The differences between what an owner wants and what it has.
-- @tparam string owner
-- @tparam table set needs in the order of their wish; {} for none
-- @return { make = {actions}, switch = {...}, sweep = {...} }, or nil and a message.
-- An action is { verb = "create" | "change" | "remove", need =, old =, owner = }
function Engine:plan(owner, set)
  local plan = { make = {}, switch = {}, sweep = {} }
  local wanted, removed, gone = {}, {}, {}
  for _, need in ipairs(set) do wanted[need.key] = true end
  for key, entry in pairs(self.owned[owner] or {}) do
    if not wanted[key] then
      removed[key] = entry
      gone[#gone + 1] = entry
    end
  end
  local taken, lost, renewed = {}, {}, {}   -- renewed: key -> phase
  for _, need in ipairs(set) do
    local entry = self.have[need.key]
    local kind = kinds.get(need.kind)
    local phase = kind.phase or "make"
    -- What somebody else changed, or an agent left half made, is in the way of what hangs on it.
    local mend = entry and entry.drifted and "make" or "switch"
    for _, claim in ipairs(claims_of(need)) do
      local holder = self.claims[claim]
      if holder and holder ~= entry then
        local goes = removed[holder.need.key]
        if not goes and not gives_up(set, holder, claim) then
          return nil, ("%s: %s is taken by %s"):format(need.key, claim, next(holder.owners))
        end
        if goes and not taken[holder.need.key] then
          taken[holder.need.key] = true
          table.insert(plan.switch, { verb = "remove", need = holder.need, owner = owner })
        end
        phase = "switch"
      end
    end
    local with_holder = next(renewed) and of_holder(need, renewed)
    if with_holder and (not entry or lost[need.key]) then
      table.insert(plan[with_holder], { verb = "create", need = need, owner = owner })
      renewed[need.key] = with_holder
    elseif not entry then
      table.insert(plan[phase], { verb = "create", need = need, owner = owner })
    elseif not entry.owners[owner] and not kind.shared then
      return nil, ("%s belongs to %s"):format(need.key, next(entry.owners))
    elseif not same(entry.need.p, need.p) then
      local other = other_owner(entry, owner)
      if other then
        return nil, ("%s is shared with %s, with other properties"):format(need.key, other)
      end
      if differs_in_fixed(kind, entry.need.p, need.p) then
        lose(self, owner, entry.need, plan[mend], lost)
        renewed[need.key] = mend
        table.insert(plan[mend], { verb = "remove", need = entry.need, owner = owner })
        table.insert(plan[mend], { verb = "create", need = need, owner = owner })
      else
        table.insert(plan[mend], { verb = "change", need = need, old = entry.need, owner = owner })
      end
    elseif not entry.owners[owner] then
      table.insert(plan.make, { verb = "share", need = entry.need, owner = owner })
    end
  end
  table.sort(gone, function(a, b)
    local ra, rb = kinds.get(a.need.kind).rank, kinds.get(b.need.kind).rank
    if ra ~= rb then return ra > rb end
    return a.sequence > b.sequence
  end)
  for _, entry in ipairs(gone) do
    if next(entry.owners, next(entry.owners)) then
      table.insert(plan.sweep, { verb = "unshare", need = entry.need, owner = owner })
    elseif not taken[entry.need.key] and not lost[entry.need.key] then
      table.insert(plan.sweep, { verb = "remove", need = entry.need, owner = owner,
        implied = implied(entry.need, removed) })
    end
  end
  return plan
end

-- Verbs that change who owns a need, and nothing in the system.
local bookkeeping <const> = { share = true, unshare = true }

--- Actions as users see them: { verb, kind, key, owner }; what goes with its container is
-- not listed.
function M.describe(actions)
  local list = {}
  for _, action in ipairs(actions) do
    if not action.implied and not bookkeeping[action.verb] then
      list[#list + 1] = { verb = action.verb, kind = action.need.kind, key = action.need.key,
        owner = action.owner }
    end
    task.breathe()
  end
  return list
end

--- The same of all phases of a plan.
function M.describe_all(plan)
  local all = {}
  for _, phase in ipairs(M.PHASES) do
    local listed = M.describe(plan[phase])
    table.move(listed, 1, #listed, #all + 1, all)
  end
  return all
end

--- What two owners of several plans would both make, or claim: each plan was made without the others.
-- @return a message, or nil
function M.conflict(plans)
  local makers = {}
  local function take(what, action)
    local other = makers[what]
    makers[what] = action.owner
    if other and other ~= action.owner then
      return ("%s: %s is wanted by %s and by %s"):format(action.need.key, what, other, action.owner)
    end
  end
  for _, plan in ipairs(plans) do
    for _, phase in ipairs(M.PHASES) do
      for _, action in ipairs(plan[phase]) do
        local kind = kinds.get(action.need.kind)
        local message = action.verb == "create" and not kind.shared and take(action.need.key, action)
        for _, claim in ipairs(action.verb == "create" and kind.claims and kind.claims(action.need.p) or {}) do
          message = message or take(claim, action)
        end
        if message then return message end
      end
    end
  end
end

-- How late in its phase an action comes.
local function place_of(action)
  local late = kinds.get(action.need.kind).late
  return late and late(action) or 0
end

-- Adds actions to the lists by place, [0] first; a place before `least` counts as that.
local function sort_in(places, actions, least)
  for _, action in ipairs(actions) do
    local place = place_of(action)
    if place < least then place = 0 end
    for i = #places + 1, place do places[i] = {} end
    table.insert(places[place], action)
  end
end

local function joined(places)
  for _, late in ipairs(places) do table.move(late, 1, #late, #places[0] + 1, places[0]) end
  return places[0]
end

--- Joins the plans of several owners: all of one phase before the next; what interrupts traffic at
-- the end of phase switch; ports of Open vSwitch at the end of make, too, in one transaction; removals
-- across owners by rank, so that many links go in one message.
function M.merge(plans)
  local ranks, removals, make, switch, sweep = {}, {}, { [0] = {} }, { [0] = {} }, {}
  for _, plan in ipairs(plans) do
    sort_in(make, plan.make, 3)
    sort_in(switch, plan.switch, 1)
    for _, action in ipairs(plan.sweep) do
      local rank = kinds.get(action.need.kind).rank
      if not removals[rank] then
        ranks[#ranks + 1], removals[rank] = rank, {}
      end
      table.insert(removals[rank], action)
    end
  end
  table.sort(ranks, function(a, b) return a > b end)
  for _, rank in ipairs(ranks) do table.move(removals[rank], 1, #removals[rank], #sweep + 1, sweep) end
  return { make = joined(make), switch = joined(switch), sweep = sweep }
end

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

-- Properties with the values of their placeholders, once the needs that those belong to are there.
-- @return properties (the same table when there is no placeholder); or nil and a message
function Engine:resolve(p)
  local resolved
  for name, value in pairs(p) do
    if needs.is_placeholder(value) then
      resolved = resolved or table_copy(p)
      local kind = kinds.get(value.need.kind)
      local fact = kind.fact(value.need.p, value.field, self.node)
      if fact == nil then return nil, ("%s is not known"):format(value.text) end
      resolved[name] = fact
    end
  end
  return resolved or p
end

local function has_placeholder(p)
  for _, value in pairs(p) do
    if needs.is_placeholder(value) then return true end
  end
  return false
end

-- One operation for many links: the kernel takes 25-36 ms for each veth that is deleted alone.
local function removal_of_links(node, actions)
  local link_kind = kinds.get("link")
  local names, ops = {}, {}
  for _, action in ipairs(actions) do
    local name, ns = link_kind.removable(action.need.p, node)
    if ns then
      ops[#ops + 1] = { "link.delete", { name = name, netns = ns, missing_ok = true } }
    else
      names[#names + 1] = name
    end
    task.breathe()
  end
  if #names > 0 then
    table.insert(ops, 1, { "link.delete_many", { names = names, group = link_group.random() } })
  end
  return ops
end

local function kernel_operations(node, action, p)
  local kind = kinds.get(action.need.kind)
  if action.verb == "create" then return kind.create(p, node) end
  if action.verb == "change" then return kind.change(action.old.p, p, node) end
  return kind.remove(action.need.p, node)
end

-- The longest run of actions from `first` that one batch may hold, as operations.
function Engine:gather(actions, first)
  local ops, last_op = {}, {}
  local last = first
  local function add(list)
    for _, op in ipairs(list) do ops[#ops + 1] = op end
  end
  while actions[last] do
    local action = actions[last]
    local kind = kinds.get(action.need.kind)
    if kind.class ~= "kernel" or bookkeeping[action.verb] or #ops >= BATCH then break end
    if action.verb ~= "remove" and has_placeholder(action.need.p) then
      if last > first then break end
      local p, message = self:resolve(action.need.p)
      if not p then return nil, message end
      add(kernel_operations(self.node, action, p))
      last_op[last] = #ops
      last = last + 1
      break
    end
    if action.verb == "remove" and kind.name == "link" and not action.implied then
      local many = {}
      while actions[last] and actions[last].verb == "remove" and actions[last].need.kind == "link" do
        if not actions[last].implied then many[#many + 1] = actions[last] end
        last = last + 1
      end
      add(removal_of_links(self.node, many))
      last = last - 1
    elseif not action.implied then
      add(kernel_operations(self.node, action, action.need.p))
    end
    last_op[last] = #ops
    last = last + 1
    task.breathe()
  end
  return ops, last - 1, last_op
end

local function failure(action, message, code)
  return nil, ("%s %s: %s"):format(action.verb, action.need.key, tostring(message)), code, action
end

-- What has been made of something that then failed goes again: nobody would know of it. `index` is the number
-- of the operation that failed, `begin` of the first one of the action: when that failed, nothing is ours.
local function take_back(node, action, begin, index)
  if action.verb ~= "create" or index <= begin then return end
  local kind = kinds.get(action.need.kind)
  if kind.release then kind.release(action.need.p, node) end
  batch.run(kind.remove(action.need.p, node))
end

-- An action that failed may have been done in part, or whole when only the answer did not come.
function Engine:doubt(action) table.insert(self.doubtful, action) end

-- Notes what the system has of the need of an action that failed.
function Engine:look_again(action, snap)
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
function Engine:settle()
  if #self.doubtful == 0 then return true end
  local snap = snapshot.new(self.node)
  while #self.doubtful > 0 do
    local good, message = pcall(self.look_again, self, self.doubtful[#self.doubtful], snap)
    if not good then return nil, tostring(message) end
    table.remove(self.doubtful)
  end
  return true
end

function Engine:apply_kernel(actions, first)
  local ops, last, last_op = self:gather(actions, first)
  for i = first, ops and last or 0 do
    local kind = kinds.get(actions[i].need.kind)
    if actions[i].verb == "remove" and kind.release then kind.release(actions[i].need.p, self.node) end
    task.breathe()
  end
  if not ops then return failure(actions[first], last) end
  local good, message, code, index = true, nil, nil, #ops + 1
  if #ops > 0 then good, message, code, index = batch.run(ops) end
  for i = first, last do
    if good or (last_op[i] and last_op[i] < index) then
      self:done(actions[i])
      task.breathe()
    elseif last_op[i] then
      local begin = (last_op[i - 1] or 0) + 1
      take_back(self.node, actions[i], begin, index)
      for k = i, last do
        local begun = actions[k].verb ~= "create" or index > begin
        if begun and (k == i or last_op[k] == last_op[i]) then self:doubt(actions[k]) end
      end
      return failure(actions[i], message, code)
    end
  end
  return last + 1
end

function Engine:apply_call(actions, first)
  local action = actions[first]
  local kind = kinds.get(action.need.kind)
  local list, last = {}, first
  while actions[last] and actions[last].need.kind == action.need.kind
    and actions[last].verb == action.verb do
    local p, message = actions[last].need.p, nil
    if action.verb ~= "remove" then p, message = self:resolve(p) end
    if not p then return failure(actions[last], message) end
    if not actions[last].implied then
      list[#list + 1] = { need = { p = p }, old = actions[last].old, at = last }
    end
    last = last + 1
  end
  local good, message, code, index = true, nil, nil, nil
  if #list > 0 then good, message, code, index = kind[action.verb](list, self.node) end
  local failed = not good and list[index or 1].at or last
  for i = first, failed - 1 do self:done(actions[i]) end
  for i = failed, last - 1 do self:doubt(actions[i]) end
  if not good then return failure(actions[failed], message, code) end
  return last
end

--- All phases of a plan at once.
-- @return what Engine:apply returns
function Engine:apply_all(plan)
  for _, phase in ipairs(M.PHASES) do
    local good, message, code, action = self:apply(plan[phase])
    if not good then return nil, message, code, action end
  end
  return true
end

-- What goes with its container comes before it: where that was not removed, it is there still.
function Engine:doubt_implied(actions)
  for _, action in ipairs(actions) do
    if action.implied then self:doubt(action) end
  end
end

-- Waits until what the kernel has made works, too.
local function settle(node, actions)
  local ops = {}
  for _, action in ipairs(actions) do
    local kind = kinds.get(action.need.kind)
    local wait = (action.verb == "create" or action.verb == "change") and kind.settle
    for _, op in ipairs(wait and wait(action.need.p, node) or {}) do ops[#ops + 1] = op end
    task.breathe()
  end
  if #ops == 0 then return end
  local good, message = batch.run(ops)
  if not good then node.log(message) end
end

--- Applies actions in order; stops at the first that fails.
-- @return true; or nil, "VERB KEY: why", code, the action
function Engine:apply(actions)
  local i = 1
  while actions[i] do
    local kind = kinds.get(actions[i].need.kind)
    local next_one, message, code, action
    if bookkeeping[actions[i].verb] then
      self:done(actions[i])
      next_one = i + 1
    elseif kind.class == "kernel" then
      next_one, message, code, action = self:apply_kernel(actions, i)
    else
      next_one, message, code, action = self:apply_call(actions, i)
    end
    if not next_one then
      self:doubt_implied(actions)
      return nil, message, code, action
    end
    i = next_one
    task.sleep(0)
  end
  settle(self.node, actions)
  if self.node.applied then self.node.applied() end
  return true
end

-- What the system has of a need; a placeholder's value that is right reads as the placeholder.
function Engine:read(need, snap)
  local wanted = self:resolve(need.p)
  local p = wanted and kinds.get(need.kind).read(wanted, snap, self.node)
  if not p or wanted == need.p then return p or nil end
  p = table_copy(p)
  for name, value in pairs(need.p) do
    if needs.is_placeholder(value) and p[name] == wanted[name] then p[name] = value end
  end
  return p
end

local function oldest_first(a, b) return a.sequence < b.sequence end

-- Makes or changes what the system has lost or has otherwise.
local function make_again(self, entries)
  local snap, actions = snapshot.new(self.node), {}
  for _, entry in ipairs(entries) do
    local p = self:read(entry.need, snap)
    if not p or not same(p, entry.need.p) then
      actions[#actions + 1] = { verb = p and "change" or "create", need = entry.need, old = entry.need,
        owner = next(entry.owners) }
    end
  end
  return self:apply(M.merge { { make = {}, switch = actions, sweep = {} } }.switch)
end

--- Makes again what the system has lost of the needs that are there and of which f(need) is true.
-- @return true; or nil, message, and the owners, whose next plans look again
function Engine:restore(f)
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
function Engine:lost(set)
  for _, need in ipairs(set) do
    local kind = kinds.get(need.kind)
    if kind.look then
      local there, message = kind.look(need.p, self.node)
      if not there then return need, message end
    end
  end
end

--- Whether an owner has something that rests on what NERV did not make.
function Engine:has_foreign(owner)
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
function Engine:verify(owner, set, snap)
  snap = snap or snapshot.new(self.node)
  local lost, gone = self:lost(set), {}
  for _, need in ipairs(set) do
    local kind = kinds.get(need.kind)
    local entry = self.have[need.key]
    -- Where a namespace was there may be a stranger's, with things of the same names.
    local hidden = lost and rests_on(need, lost)
    -- What was on a link that is gone is not on the one that takes its place; a part of it may linger for a moment.
    local p = not hidden and not of_holder(need, gone) and self:read(need, snap) or nil
    if not p then gone[need.key] = true end
    local owners = table_copy(entry and entry.owners or {})
    owners[owner] = true   -- of a shared one it may be known by another owner's
    if entry then self:forget(entry.need) end
    for name in pairs(p and owners or {}) do self:note(needs.make(need.kind, p, name), name) end
    if p then self.have[need.key].drifted = not same(p, need.p) end
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
function Engine:strangers(snap)
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
