--- Adoption: what an agent that starts does with what a former one left, and one that comes back
-- from a long sleep with what happened meanwhile.
local batch <const> = require "nerv.batch"
local engine <const> = require "nerv.engine"
local link <const> = require "nerv.link"
local link_group <const> = require "nerv.link_group"
local link_kind <const> = require "nerv.kinds.link"
local snapshot <const> = require "nerv.snapshot"

local M = {}

-- The network of an owner as marks carry it: "blue" of "blue:h1" and of "blue/lan".
local function network_of(owner) return (owner:match("^[^:/]*")) end

local function apply(self, wanted)
  local plan, message = self:plan(wanted)
  if not plan then return nil, message end
  return self.engine:apply_all(plan)
end

-- The switch comes first: what it holds can be read only while it runs.
local function adopt_node(self)
  local own, message = self:node_wanted()
  if not own then return nil, message end
  local snap = snapshot.new(self.node)
  self.engine:verify(own[1].owner, own[1].set, snap)
  return apply(self, own)
end

-- Reads back what the networks want.
-- @return name -> what it wants; name -> why that cannot be told
local function read_networks(self)
  local snap = snapshot.new(self.node)
  local wanted, broken = {}, {}
  for _, net in ipairs(self.state:list "Network") do
    local message
    wanted[net.name], message = self:wanted(self.view, { { table = "Network", owner = net.name } })
    if not wanted[net.name] then broken[net.name] = message end
    for _, one in ipairs(wanted[net.name] or {}) do self.engine:verify(one.owner, one.set, snap) end
  end
  return wanted, broken
end

-- Whether it may be wanted by a network that nobody can evaluate.
local function spared(found, broken)
  if found.owner then return broken[network_of(found.owner)] ~= nil end
  return next(broken) ~= nil
end

-- Links go together: one alone takes the kernel 25-36 ms.
local function remove(self, kind, list)
  if kind.name == "link" then
    local names = {}
    for i, found in ipairs(list) do names[i] = found.name end
    return link.delete_many { names = names, group = link_group.random() }
  end
  local operations, actions = {}, {}
  for i, found in ipairs(list) do
    actions[i] = { need = { p = found.p } }
    if kind.release then kind.release(found.p, self.node) end
    if kind.name == "netns" then
      local parts = link_kind.removal_of_parts(found.p.path)
      table.move(parts, 1, #parts, #operations + 1, operations)
    end
    if kind.class == "kernel" then
      local more = kind.remove(found.p, self.node)
      table.move(more, 1, #more, #operations + 1, operations)
    end
  end
  if kind.class ~= "kernel" then return kind.remove(actions, self.node) end
  local first, problem = 1, nil
  while operations[first] do   -- one that fails does not spare the others
    local good, message, _, index = batch.run(table.move(operations, first, #operations, 1, {}))
    if good then break end
    first, problem = first + index, message
  end
  return not problem or nil, problem
end

-- What carries our mark and is wanted by nobody, kind by kind, in the order of removal.
local function remove_strangers(self, broken)
  local order, by_kind = {}, {}
  for _, stranger in ipairs(self.engine:strangers(snapshot.new(self.node))) do
    local kind = stranger.kind
    if not spared(stranger.found, broken) then
      if not by_kind[kind] then order[#order + 1] = kind end
      by_kind[kind] = by_kind[kind] or {}
      table.insert(by_kind[kind], stranger.found)
    end
  end
  for _, kind in ipairs(order) do
    local good, message = remove(self, kind, by_kind[kind])
    if not good then
      self.node.log(("what is left, %s %s and others: %s"):format(kind.name, by_kind[kind][1].key, message))
    end
  end
  self.node.supervisor:sweep()
end

--- Reads the node's own needs and those of each network and endpoint back, takes away what carries
-- our mark and is wanted by nobody, and mends the rest. What nobody can evaluate stays as it is.
-- @return true, or nil and a message
function M.run(self)
  self.engine = engine.new(self.node)
  self.networks, self.adopted_amid = {}, {}
  for uuid in pairs(self.state.rows.Change) do self.adopted_amid[uuid] = true end
  local good, message = adopt_node(self)
  if not good then return nil, message end
  local wanted, broken = read_networks(self)
  remove_strangers(self, broken)
  for name, sets in pairs(wanted) do
    good, message = apply(self, self:without_lost(sets, {}))
    if not good then broken[name] = message end
  end
  for name, why in pairs(broken) do
    self.node.log(("network %s: %s"):format(name, why))
    self:retry_later { { owner = name } }
  end
  return true
end

return M
