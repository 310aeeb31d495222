-- Shaping of what a link sends.
local link_kind <const> = require "nerv.kinds.link"
local netns_kind <const> = require "nerv.kinds.netns"

local function path(ns, node) return ns and netns_kind.path(ns.p, node) or nil end

local function where(p, node)
  local l = p.link
  if p.side == "peer" then
    return link_kind.peer_name(l.p, node), path(l.p.peer.netns, node)
  end
  return link_kind.ifname(l.p, node), path(l.p.netns, node)
end

return {
  name = "qdisc", text = "shaping of what a link sends", class = "kernel", rank = 40,
  properties = {
    link = { doc = "interface whose sending is shaped", required = true },
    side = { doc = "\"main\" or \"peer\": which end of a veth", default = "main" },
    rate = { doc = "bits per second", required = true },
  },
  key = function(p) return rawget(p.link, "key") .. " " .. p.side end,
  fixed = { "rate" },
  container = function(p) return p.link end,
  -- A bucket of 2 ms, at least two full frames; a queue of 25 ms.
  create = function(p, node)
    local name, ns = where(p, node)
    return { { "qdisc.add", { link = name, netns = ns, kind = "tbf", rate = math.tointeger(p.rate // 1),
      burst = math.tointeger(math.max(3200, p.rate * 0.002 // 8)), latency = 0.025 } } }
  end,
  remove = function(p, node)
    local name, ns = where(p, node)
    return { { "qdisc.delete", { link = name, netns = ns, parent = "root" } } }
  end,
  read = function(p, snapshot, node)
    local name, ns = where(p, node)
    for _, have in ipairs(snapshot:qdiscs(ns, name)) do
      if have.kind == "tbf" then
        local same = math.abs(have.rate - p.rate) < 8   -- the kernel counts bytes
        return { link = p.link, side = p.side, after = p.after, rate = same and p.rate or have.rate }
      end
    end
    return nil
  end,
}
