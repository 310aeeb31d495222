--- The interfaces of a node's endpoints, as the system has them now.
local link <const> = require "nerv.kinds.link"
local snapshot <const> = require "nerv.snapshot"

local M = {}

-- The end that is looked at: the one in the node's own namespace, whose carrier tells of the other one, too.
local function near_end(p, node)
  local peer = p.peer
  local e = p.netns and peer and { name = link.peer_name(p, node), ns = peer.netns } or
    { name = link.ifname(p, node), ns = p.netns }
  return e.name, e.ns and node.namespace_path(e.ns) or nil
end

local function state_of(have)
  if not have then return "missing" end
  if not have.up then return "down" end
  return have.carrier and "up" or "no carrier"
end

-- An existing interface that an endpoint has is as it is; what shapes one is no interface of the endpoint.
local function is_interface(need)
  return need.kind == "interface" or need.kind == "link" and need.p.kind ~= "ifb"
end

local function shown(owner, need, node, snap)
  local p = need.p
  if need.kind == "interface" then
    local have = snap:link(nil, p.name)
    return { owner = owner, kind = have and have.kind, interface = p.name, bridge = have and have.master,
      mtu = have and have.mtu, state = state_of(have) }
  end
  local name, where = near_end(p, node)
  local have = snap:link(where, name)
  local inside = p.netns and p.peer
  return { owner = owner, kind = p.kind, interface = link.ifname(p, node), peer = inside and name or nil,
    bridge = have and have.master or nil, mtu = have and have.mtu or nil, state = state_of(have) }
end

--- @tparam table agent
-- @tparam ?string network only its endpoints
-- @return array of { owner, kind, interface, peer, bridge, mtu, state }, by owner and interface; `peer` is the end
-- on the node of what is in a namespace
function M.list(agent, network)
  local snap, list = snapshot.new(agent.node), {}
  for _, entry in pairs(agent.engine.have) do
    for owner in pairs(is_interface(entry.need) and entry.owners or {}) do
      local net = owner:match("^([^:]+):")
      if net and (not network or net == network) then
        list[#list + 1] = shown(owner, entry.need, agent.node, snap)
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
