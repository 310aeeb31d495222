--- Where an endpoint is on its node, as the system has it: for programs, statistics and captures.
local attachment <const> = require "nerv.attachment"
local foreign <const> = require "nerv.kinds.foreign_netns"
local kinds <const> = require "nerv.kinds"
local netns_kind <const> = require "nerv.kinds.netns"
local qdisc <const> = require "nerv.qdisc"
local link <const> = require "nerv.link"

local M = {}

local function row_of(agent, owner)
  local net, name = owner:match("^([^:]+):(.+)$")
  local ep = net and agent.view:endpoint(net, name)
  if not ep then return nil, ("node %s has no endpoint %s"):format(agent.name, owner), "ENOENT" end
  return ep
end

--- The namespace in which an endpoint's programs run.
-- @return path; or nil, message, code
function M.namespace(agent, owner)
  local ep, message, code = row_of(agent, owner)
  if not ep then return nil, message, code end
  local kind = ep.options.kind
  if not attachment.has_namespace(kind) then
    return nil, ("endpoint %s is a %s: no program runs in it"):format(owner, kind), "EINVAL"
  end
  if kind ~= "veth" then return netns_kind.path({ id = owner }, agent.node) end
  local path = attachment.path(ep.options.netns)
  local there
  there, message = foreign.look { path = path, identity = ep.allocated.identity }
  if not there then return nil, ("endpoint %s: %s"):format(owner, message), "ENOENT" end
  return path
end

-- The needs by which an endpoint is joined to its network: the first of each sort.
local function attachment_of(agent, owner)
  local found, order = {}, {}
  for _, entry in pairs(agent.engine.owned[owner] or {}) do order[#order + 1] = entry end
  table.sort(order, function(a, b) return a.sequence < b.sequence end)
  for _, entry in ipairs(order) do
    local need = entry.need
    local sort = need.kind == "interface" and "port" or need.kind == "link" and
      (need.p.kind == "ifb" and "shaper" or need.p.kind == "veth" and need.p.netns and "inside" or "port")
    if sort and not found[sort] then found[sort] = need end
  end
  return found
end

--- The interfaces of an endpoint.
-- @return { inside = its own end, port = the end on the node, shaper = what arrivals go through }, each
--   { name =, netns = }, where there is one; or nil, message, code
function M.interfaces(agent, owner)
  local _, message, code = M.namespace(agent, owner)
  if code == "ENOENT" then return nil, message, code end
  local found, places = attachment_of(agent, owner), {}
  for sort, need in pairs(found) do places[sort] = kinds.get(need.kind).place(need.p, agent.node) end
  if found.inside then places.port = kinds.get("link").peer_place(found.inside.p, agent.node) end
  if not places.port then return nil, ("endpoint %s has no interface now"):format(owner), "ENODEV" end
  return places
end

-- What the kernel counts at an interface, and what its queues dropped.
local function counters(place)
  if not place then return nil end
  local have, message, code = link.get { name = place.name, netns = place.netns }
  if not have then return nil, message, code end
  local queue_drops = 0
  for _, one in ipairs(qdisc.list { link = place.name, netns = place.netns } or {}) do
    if one.parent == "root" and one.stats then queue_drops = queue_drops + one.stats.drops end
  end
  have.stats.queue_drops, have.stats.up, have.stats.carrier = queue_drops, have.up, have.carrier
  return have.stats
end

--- What an endpoint has received and sent, as it sees it.
-- @return { interface, up, carrier, rx_packets, rx_bytes, rx_dropped, rx_errors, tx_... };
--   or nil, message, code
function M.stats(agent, owner)
  local places, message, code = M.interfaces(agent, owner)
  if not places then return nil, message, code end
  local port
  port, message, code = counters(places.port)
  if not port then return nil, message, code end
  local inside, shaper = counters(places.inside), counters(places.shaper)
  local seen, from, to = inside or port, inside and "rx" or "tx", inside and "tx" or "rx"
  local result = { interface = (places.inside or places.port).name, up = seen.up, carrier = seen.carrier }
  for _, what in ipairs { "packets", "bytes", "errors", "dropped" } do
    result["rx_" .. what] = seen[from .. "_" .. what]
    result["tx_" .. what] = seen[to .. "_" .. what]
  end
  -- What was dropped on the way: towards the endpoint at its port, from it where it is shaped.
  result.rx_dropped = result.rx_dropped + port.queue_drops + (inside and port.tx_dropped or 0)
  result.tx_dropped = result.tx_dropped + (inside and inside.queue_drops or 0) + (shaper and shaper.queue_drops or 0)
  return result
end

return M
