--- What of the node's own packet filter is in the way of networks: where it sees what passes bridges, and forwards
-- nothing unless told to, endpoints of this node do not reach each other by IP. The rules are somebody else's: nothing
-- is done about it.
local nftables <const> = require "nerv.nftables"
local sysctl <const> = require "nerv.sysctl"

local M = {}

-- The kernel's settings that show bridged frames to the filter, by the families of tables that then see them.
local SETTINGS <const> = { ip = "net.bridge.bridge-nf-call-iptables", ip6 = "net.bridge.bridge-nf-call-ip6tables" }

local function sees_bridges(family)
  for of, name in pairs(SETTINGS) do
    if (family == of or family == "inet") and sysctl.get { name = name } == "1" then return true end
  end
  return false
end

--- The first chain that drops what it is not told to forward.
-- @return "table ip filter, chain FORWARD", or nil
function M.in_the_way()
  for _, object in ipairs(nftables.list {} or {}) do
    local chain = object.chain
    if chain and chain.hook == "forward" and chain.policy == "drop" and sees_bridges(chain.family) then
      return ("table %s %s, chain %s"):format(chain.family, chain.table, chain.name)
    end
  end
end

--- Says so, when there is one.
-- @tparam function log writes a line
function M.warn(log)
  local chain = M.in_the_way()
  if not chain then return end
  log(("the packet filter sees what passes bridges and drops it unless told otherwise (%s): endpoints here may not "
    .. "reach each other by IP; see \"Beside other software\" in nervsh(1)"):format(chain))
end

return M
