--- The Changes that make the system equal to a configuration: which there are, in which order, and what each of them
-- does to the nodes.
local draft <const> = require "nerv.configuration.draft"
local drafts <const> = require "nerv.draft"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local registry <const> = require "nerv.registry"

local M = {}

--- A message without the caller's line that registry.fail put before it: it is raised once more.
function M.bare(message)
  local _, prefix = pcall(registry.fail, "")
  message = tostring(message)
  return message:sub(1, #prefix) == prefix and message:sub(#prefix + 1) or message
end

--- Calls f; what it raises names the entry.
function M.about(what, path, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = M.bare(results[2])
  if message:find("canceled$") then error(results[2], 0) end
  registry.fail(("%s: %s: %s"):format(what, path, message))
end

-- What later steps of a plan find when earlier ones are done: allocations that are free, and that are taken. What a
-- node knows by its number, tags and ports, is not used again at once: a node that still has it could not plan with it.
local Ahead = {}
Ahead.__index = Ahead

function Ahead:prepare(picker)
  for _, one in ipairs(self) do
    picker:assume(one.scope, one.value, one.taken or false)
  end
end

local numbers <const> = { tag = true, port = true }

function Ahead:free_rows(state, uuids)
  for _, uuid in ipairs(uuids) do
    local row = state.rows.Allocation[uuid]
    if row then
      local one = { scope = row.scope, value = row.value }
      table.insert(numbers[row.scope] and self.numbers or self, one)
    end
  end
end

-- Tells a picker, when the plan is carried out, which numbers it does without.
function Ahead:reserve(picker)
  for _, one in ipairs(self.numbers) do
    picker:assume(one.scope, one.value, true)
  end
end

function Ahead:take_rows(picker)
  for _, op in ipairs(picker.operations) do
    self[#self + 1] = { scope = op.row.scope, value = op.row.value, taken = true }
  end
end

-- Freed by the end of a draft: what endpoints that go held, and what changed ones release.
function Ahead:free_draft(state, one)
  for _, object in ipairs(one.objects) do
    if object.verb == "delete" and object.table == "Endpoint" then
      local net, name = object.owner:match("^([^:]+):(.+)$")
      self:free_rows(state, state:endpoint(state:network(net)._uuid, name).allocations)
    end
    self:free_rows(state, object.release or {})
  end
end

local function all_active(state, nodes)
  for _, name in ipairs(nodes) do
    local row = state:node(name)
    if not row or row.state ~= "active" then return false end
  end
  return true
end

-- What a Change does, where its nodes cannot be asked because they are still to come.
local function outline(one)
  local list = {}
  for i, object in ipairs(one.objects) do
    list[i] = { verb = object.verb, kind = object.table:lower(), key = object.owner, owner = object.owner,
      node = object.node or one.network.home }
  end
  return list
end

local function delete_step(state, ahead, net)
  local one = drafts.delete(state, net.name)
  local row = state:network(net.name)
  ahead:free_rows(state, row.allocations)
  for _, ep in ipairs(state:endpoints(row._uuid)) do ahead:free_rows(state, ep.allocations) end
  return { name = net.name, path = "networks." .. net.name, text = one.text, operations = drafts.plan(one),
    former = net.archetype == "testbed" and net.options or nil,
    build = function() return drafts.delete(state, net.name) end }
end

-- @return the step, or nil when there is nothing to do
local function change_step(state, ahead, wanted)
  local nodes = { wanted.home }
  for _, ep in ipairs(wanted.endpoints) do nodes[#nodes + 1] = ep.node end
  local pending = not all_active(state, nodes)
  local one, picker = draft.draft(state, wanted, { pending = pending,
    prepare = function(p) ahead:prepare(p) end })
  if not one then return nil end
  ahead:free_draft(state, one)
  ahead:take_rows(picker)
  local is_testbed, net = wanted.archetype == "testbed", network.get(wanted.name)
  return { name = wanted.name, path = wanted.path, text = one.text,
    operations = pending and outline(one) or drafts.plan(one),
    former = is_testbed and net and net.options or nil, wanted = is_testbed and wanted.values or nil,
    build = function()
      return (draft.draft(state, wanted, { prepare = function(p) ahead:reserve(p) end }))
    end }
end

-- Steps for networks that exist already, in an order in which each finds free what it wants: one that wants what
-- another has waits for it.
local function in_turn(list, make)
  local left = list
  while #left > 0 do
    local again, message = {}, nil
    for _, wanted in ipairs(left) do
      local good, problem = pcall(make, wanted)
      if not good then
        again[#again + 1] = wanted
        message = message or problem
      end
    end
    if #again == #left then error(message, 0) end
    left = again
  end
end

-- Networks by what is to be done with them.
local function sorted_out(state, wanted, keep)
  local groups, named = { gone = {}, gone_beds = {}, beds = {}, shrinking = {}, there = {}, new = {} }, {}
  for _, one in ipairs(wanted) do
    named[one.name] = true
    local there = state:network(one.name) and not state:network(one.name).doomed
    local group = there and groups.there or groups.new
    if one.archetype == "testbed" then
      local net = there and network.get(one.name)
      group = net and net.archetype == "testbed" and net.options.count > one.values.count and groups.shrinking
        or groups.beds
    end
    table.insert(group, one)
  end
  for _, net in ipairs(keep and {} or network.list()) do
    if not named[net.name] then
      table.insert(net.archetype == "testbed" and groups.gone_beds or groups.gone, net)
    end
  end
  return groups
end

--- All Changes that make the system equal to a configuration, in their order, each planned.
-- @return array of { name, path, text, operations, build = makes the draft, former, wanted = of a testbed }
function M.steps(wanted, what, keep)
  local state, steps, ahead = lab.state(), {}, setmetatable({ numbers = {} }, Ahead)
  local groups = sorted_out(state, wanted, keep)
  local function add(step) steps[#steps + 1] = step end
  local function change_one(one) add(M.about(what, one.path, change_step, state, ahead, one)) end
  local function delete_one(net) add(M.about(what, "networks." .. net.name, delete_step, state, ahead, net)) end
  for _, net in ipairs(groups.gone) do delete_one(net) end
  for _, one in ipairs(groups.beds) do change_one(one) end
  in_turn(groups.there, change_one)
  for _, one in ipairs(groups.new) do change_one(one) end
  for _, one in ipairs(groups.shrinking) do change_one(one) end
  for _, net in ipairs(groups.gone_beds) do delete_one(net) end
  return steps
end

return M
