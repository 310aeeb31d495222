--- The paper's testbed: two nodes, and three networks of different architectures at once, each on both.
local left <const> = require "left"

local M = {}

-- What each network is, and the endpoints of each.
local NETWORKS <const> = {
  { name = "ip", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" },
  { name = "sdn", archetype = "sdn", subnet = "10.2.0.0/24", home = "pm1" },
  { name = "etarch", archetype = "etarch", home = "pm1" },
}
local ENDPOINTS <const> = { { name = "h1", node = "pm1" }, { name = "h2", node = "pm1" }, { name = "h3", node = "pm2" },
  { name = "h4", node = "pm2" } }

local Bed <const> = {}
Bed.__index = Bed

--- A testbed that nothing is made of yet.
function M.new() return setmetatable({ networks = {}, before = left.inventory() }, Bed) end

--- Makes it. What was made when it fails, take_down takes away.
function Bed:build(rate)
  for _, o in ipairs(NETWORKS) do expect(not network.get(o.name), ("network '%s' exists"):format(o.name)) end
  self.testbed = testbed.create { nodes = 2, rate = rate }
  for _, o in ipairs(NETWORKS) do
    local net <const> = network.create(o)
    self.networks[#self.networks + 1] = net
    self[o.name] = net
    net:endpoint(ENDPOINTS)
  end
end

--- Takes it away; nothing of it may be left.
function Bed:take_down()
  for _, net in ipairs(self.networks) do net:delete() end
  if self.testbed then self.testbed:delete() end
  left.check(self.before)
end

return M
