--- Adoption: what an agent that starts does with what a former one left.
local batch <const> = require "nerv.batch"
local engine <const> = require "nerv.engine"
local link <const> = require "nerv.link"
local snapshot <const> = require "nerv.snapshot"

local M = {}

local function known_owners(self)
  local owners = { ["node " .. self.name] = true, agent = true }
  for _, net in ipairs(self.state:list "Network") do
    owners[net.name] = true
    for _, ep in ipairs(self.state:endpoints(net._uuid, self.name)) do
      owners[net.name .. ":" .. ep.name] = true
    end
  end
  return owners
end

-- An owner as marks carry it: the needs of a composed network are marked with its path.
local function outermost(owner) return (owner:gsub("/[^:]*", "")) end

local function remove_stranger(self, stranger)
  local kind, found = stranger.kind, stranger.found
  if kind.name == "link" then
    return link.delete { name = found.name }
  elseif kind.name == "service" then
    return self.node.supervisor:stop(found.p)
  elseif kind.class == "kernel" then
    return batch.run(kind.remove(found.p, self.node))
  end
end

--- The node's own needs first own needs, then each network and endpoint, read back and mended; then
-- whatever carries our mark and belongs to nobody goes.
function M.run(self)
  local own, message = self:node_wanted()
  if not own then return nil, message end
  local snap = snapshot.new(self.node)
  self.engine:verify(own[1].owner, own[1].set, snap)
  local plan
  plan, message = self:plan(own)
  if not plan then return nil, message end
  for _, phase in ipairs(engine.PHASES) do
    local good
    good, message = self.engine:apply(plan[phase])
    if not good then return nil, message end
  end
  for _, net in ipairs(self.state:list "Network") do
    local owners = { net.name }
    local good
    good, message = self:converge(owners, true)
    if not good then
      self.node.log(("network %s: %s"):format(net.name, message))
      self:retry_later { { owner = net.name } }
    end
  end
  local owners = known_owners(self)
  local known = setmetatable({}, { __index = function(_, owner) return owners[outermost(owner)] end })
  for _, stranger in ipairs(self.engine:strangers(known, snapshot.new(self.node))) do
    remove_stranger(self, stranger)
  end
  return true
end

return M
