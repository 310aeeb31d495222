--- Applies plans: gathers what the kernel does into batches for a worker thread, calls the other kinds, and tells
-- the engine what has been done, and what may have been.
local link_group <const> = require "nerv.link_group"
local needs <const> = require "nerv.needs"
local kinds <const> = require "nerv.kinds"
local batch <const> = require "nerv.batch"
local task <const> = require "nerv.task"
local planning <const> = require "nerv.engine.planning"

local M = {}

-- A batch of this many operations is compiled without the loop noticing.
local BATCH <const> = 400

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
  local ops
  if action.verb == "create" then ops = kind.create(p, node)
  elseif action.verb == "change" then ops = kind.change(action.old.p, p, node)
  else ops = kind.remove(action.need.p, node) end
  if type(ops) == "table" then return ops end
  error(("%s %s: %s() of kind %s returned %s: a list of operations is expected"):format(action.verb, action.need.key,
    action.verb, kind.name, ops == nil and "nothing" or "a " .. type(ops)), 0)
end

-- The longest run of actions from `first` that one batch may hold, as operations.
local function gather(self, actions, first)
  local ops, last_op = {}, {}
  local last = first
  local function add(list)
    for _, op in ipairs(list) do ops[#ops + 1] = op end
  end
  while actions[last] do
    local action = actions[last]
    local kind = kinds.get(action.need.kind)
    if kind.class ~= "kernel" or planning.is_bookkeeping(action) or #ops >= BATCH then break end
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

local function apply_kernel(self, actions, first)
  local ops, last, last_op = gather(self, actions, first)
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

local function apply_call(self, actions, first)
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
  if not good and not message then
    message = ("%s() of kind %s returned nothing: true, or nil and a message, is expected"):format(action.verb,
      kind.name)
  end
  local failed = not good and list[index or 1].at or last
  for i = first, failed - 1 do self:done(actions[i]) end
  for i = failed, last - 1 do self:doubt(actions[i]) end
  if not good then return failure(actions[failed], message, code) end
  return last
end

-- What goes with its container comes before it: where that was not removed, it is there still.
local function doubt_implied(self, actions)
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
-- @tparam table self the engine
-- @tparam table actions one phase of a plan
-- @return true; or nil, "VERB KEY: why", code, the action
function M.apply(self, actions)
  local i = 1
  while actions[i] do
    local kind = kinds.get(actions[i].need.kind)
    local next_one, message, code, action
    if planning.is_bookkeeping(actions[i]) then
      self:done(actions[i])
      next_one = i + 1
    elseif kind.class == "kernel" then
      next_one, message, code, action = apply_kernel(self, actions, i)
    else
      next_one, message, code, action = apply_call(self, actions, i)
    end
    if not next_one then
      doubt_implied(self, actions)
      return nil, message, code, action
    end
    i = next_one
    task.sleep(0)
  end
  settle(self.node, actions)
  if self.node.applied then self.node.applied() end
  return true
end

--- All phases of a plan at once.
-- @return what apply returns
function M.apply_all(self, plan)
  for _, phase in ipairs(planning.PHASES) do
    local good, message, code, action = M.apply(self, plan[phase])
    if not good then return nil, message, code, action end
  end
  return true
end

return M
