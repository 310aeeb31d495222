--- The interfaces of a node's endpoints, as the system has them now.
local kinds <const> = require "nerv.kinds"
local snapshot <const> = require "nerv.snapshot"

local M = {}

-- Kinds of need that an endpoint's interface is; what shapes a port beside it is none.
local is_interface <const> = {
  link = function(p) return p.kind ~= "ifb" end,
  interface = function() return true end,
}

-- The end that is looked at: the one in the node's own namespace, whose carrier tells of the other one, too.
local function near_end(kind, p, node)
  return p.netns and p.peer and kind.peer_place(p, node) or kind.place(p, node)
end

local function state_of(have)
  if not have then return "missing" end
  if not have.up then return "down" end
  return have.carrier and "up" or "no carrier"
end

local function shown(owner, need, node, snap)
  local kind, p = kinds.get(need.kind), need.p
  local near = near_end(kind, p, node)
  local have = snap:link(near.netns, near.name)
  local far = p.netns and p.peer and kind.place(p, node)
  return { owner = owner, kind = p.kind or need.kind, interface = far and far.name or near.name,
    peer = far and near.name or nil, bridge = have and have.master or nil, mtu = have and have.mtu or nil,
    state = state_of(have) }
end

--- @tparam table agent
-- @tparam ?string network only its endpoints
-- @return array of { owner, kind, interface, peer, bridge, mtu, state }, by owner and interface; `peer` is the end on
-- the node of what is in a namespace
function M.list(agent, network)
  local snap, list = snapshot.new(agent.node), {}
  for _, entry in pairs(agent.engine.have) do
    local need = entry.need
    local wanted = is_interface[need.kind] and is_interface[need.kind](need.p)
    for owner in pairs(wanted and entry.owners or {}) do
      local net = owner:match("^([^:]+):")
      if net and (not network or net == network) then
        list[#list + 1] = shown(owner, need, agent.node, snap)
      end
    end
  end
  table.sort(list, function(a, b)
    if a.owner ~= b.owner then return a.owner < b.owner end
    return a.interface < b.interface
  end)
  return list
end

return M
