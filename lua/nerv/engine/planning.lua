--- Plans: the differences between what is wanted and what is there, as lists of actions in the order in which they
-- are applied. Nothing here touches the system.
local needs <const> = require "nerv.needs"
local kinds <const> = require "nerv.kinds"
local task <const> = require "nerv.task"
local traits <const> = require "nerv.engine.traits"
local claims_of <const>, of_holder <const> = traits.claims, traits.of_holder

local M = {}

--- The phases of a change, in their order.
M.PHASES = { "make", "switch", "sweep" }

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

local function other_owner(entry, owner)
  for name in pairs(entry.owners) do
    if name ~= owner then return name end
  end
end

local function newest_first(a, b) return a.sequence > b.sequence end

-- A plan while it is made: { engine =, owner =, set =, plan =, and by key of needs
--   removed  the entry of what is not wanted any more
--   taken    true: it goes early, because another one claims what it has
--   renewed  the phase in which it is made anew; lost: true: it goes with one of those }
local function begin(engine, owner, set)
  local draft = { engine = engine, owner = owner, set = set, removed = {}, taken = {}, renewed = {}, lost = {} }
  draft.plan = { make = {}, switch = {}, sweep = {} }
  local wanted = {}
  for _, need in ipairs(set) do wanted[need.key] = true end
  for key, entry in pairs(engine.owned[owner] or {}) do
    if not wanted[key] then draft.removed[key] = entry end
  end
  return draft
end

local function add(draft, phase, verb, need, more)
  local action = more or {}
  action.verb, action.need, action.owner = verb, need, draft.owner
  table.insert(draft.plan[phase], action)
end

-- Notes what an owner loses with a need that is made anew: the removal of each, which is none of its own.
local function lose(draft, need, phase)
  local entries = {}
  for key, entry in pairs(draft.engine.owned[draft.owner] or {}) do
    if not draft.lost[key] and of_holder(entry.need, { [need.key] = true }) then entries[#entries + 1] = entry end
  end
  table.sort(entries, newest_first)
  for _, entry in ipairs(entries) do
    draft.lost[entry.need.key] = true
    lose(draft, entry.need, phase)
    add(draft, phase, "remove", entry.need, { implied = true })
  end
end

-- Takes what a need claims from those that have it and go, or change.
-- @return whether there are some: it is made after that; or nil and a message
local function make_way(draft, need, entry)
  local waits = false
  for _, claim in ipairs(claims_of(need)) do
    local holder = draft.engine.claims[claim]
    if holder and holder ~= entry then
      local key = holder.need.key
      local goes = draft.removed[key]
      if not goes and not gives_up(draft.set, holder, claim) then
        return nil, ("%s: %s is taken by %s"):format(need.key, claim, next(holder.owners))
      end
      if goes and not draft.taken[key] then
        draft.taken[key] = true
        add(draft, "switch", "remove", holder.need)
      end
      waits = true
    end
  end
  return waits
end

-- Changes what is there, or makes it anew where that cannot be.
-- @return true; or nil and a message
local function alter(draft, need, entry)
  local other = other_owner(entry, draft.owner)
  if other then return nil, ("%s is shared with %s, with other properties"):format(need.key, other) end
  -- What somebody else changed, or an agent left half made, is in the way of what hangs on it.
  local phase = entry.drifted and "make" or "switch"
  if not differs_in_fixed(kinds.get(need.kind), entry.need.p, need.p) then
    add(draft, phase, "change", need, { old = entry.need })
    return true
  end
  lose(draft, entry.need, phase)
  draft.renewed[need.key] = phase
  add(draft, phase, "remove", entry.need)
  add(draft, phase, "create", need)
  return true
end

-- @return true; or nil and a message
local function add_wanted(draft, need)
  local entry = draft.engine.have[need.key]
  local kind = kinds.get(need.kind)
  local waits, message = make_way(draft, need, entry)
  if waits == nil then return nil, message end
  local with_holder = next(draft.renewed) and of_holder(need, draft.renewed)
  if with_holder and (not entry or draft.lost[need.key]) then
    draft.renewed[need.key] = with_holder
    add(draft, with_holder, "create", need)
  elseif not entry then
    add(draft, waits and "switch" or kind.phase or "make", "create", need)
  elseif not entry.owners[draft.owner] and not kind.shared then
    return nil, ("%s belongs to %s"):format(need.key, next(entry.owners))
  elseif not traits.same(entry.need.p, need.p) then
    return alter(draft, need, entry)
  elseif not entry.owners[draft.owner] then
    add(draft, "make", "share", entry.need)
  end
  return true
end

local function in_order_of_removal(a, b)
  local ra, rb = kinds.get(a.need.kind).rank, kinds.get(b.need.kind).rank
  if ra ~= rb then return ra > rb end
  return newest_first(a, b)
end

-- What goes when its container goes needs no removal of its own.
local function implied(need, removed)
  local kind = kinds.get(need.kind)
  local container = kind.container and kind.container(need.p)
  return container and removed[rawget(container, "key")] ~= nil
end

local function add_removals(draft)
  local gone = {}
  for _, entry in pairs(draft.removed) do gone[#gone + 1] = entry end
  table.sort(gone, in_order_of_removal)
  for _, entry in ipairs(gone) do
    local need = entry.need
    if next(entry.owners, next(entry.owners)) then
      add(draft, "sweep", "unshare", need)
    elseif not draft.taken[need.key] and not draft.lost[need.key] then
      add(draft, "sweep", "remove", need, { implied = implied(need, draft.removed) })
    end
  end
end

--- The differences between what an owner wants and what it has.
-- @tparam table self the engine
-- @tparam string owner
-- @tparam table set needs in the order of their wish; {} for none
-- @return { make = {actions}, switch = {...}, sweep = {...} }, or nil and a message.
-- An action is { verb = "create" | "change" | "remove", need =, old =, owner = }
function M.plan(self, owner, set)
  local draft = begin(self, owner, set)
  for _, need in ipairs(set) do
    local good, message = add_wanted(draft, need)
    if not good then return nil, message end
  end
  add_removals(draft)
  return draft.plan
end

-- Verbs that change who owns a need, and nothing in the system.
local bookkeeping <const> = { share = true, unshare = true }

--- Whether an action changes who owns a need, and nothing in the system.
function M.is_bookkeeping(action) return bookkeeping[action.verb] ~= nil end

--- Actions as users see them: { verb, kind, key, owner }; what goes with its container is
-- not listed.
function M.describe(actions)
  local list = {}
  for _, action in ipairs(actions) do
    if not action.implied and not M.is_bookkeeping(action) then
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

return M
