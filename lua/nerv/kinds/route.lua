-- A route in a namespace.
local link_kind <const> = require "nerv.kinds.link"
local netns_kind <const> = require "nerv.kinds.netns"

-- rtm_protocol of what NERV adds; values up to 0x10 and some above belong to others.
local PROTOCOL <const> = 0x6e

local function where(p, node)
  return { to = p.to, via = p.via, link = p.link and link_kind.ifname(p.link.p, node) or nil,
    netns = p.netns and netns_kind.path(p.netns.p, node) or nil, protocol = PROTOCOL }
end

return {
  name = "route", text = "a route in a namespace", class = "kernel", rank = 50,
  properties = {
    netns = { need = { "netns", "foreign_netns" }, doc = "namespace it is in; by default the node's own" },
    to = { type = "string", doc = "destination range, or \"default\"", required = true },
    via = { type = "address", doc = "next hop's address" },
    link = { need = { "link", "interface" }, doc = "outgoing interface" },
  },
  key = function(p)
    local v6 = p.to == "default" and p.via and p.via:find(":", 1, true)
    return ("%s %s%s"):format(p.netns and p.netns.id or "node", p.to, v6 and " of IPv6" or "")
  end,
  fixed = { "via", "link" },
  container = function(p) return p.netns end,
  create = function(p, node) return { { "route.add", where(p, node) } } end,
  -- It goes by itself with its link's address, or with IPv6 in its namespace.
  remove = function(p, node)
    local op = p.at or where(p, node)
    op.missing_ok = true
    return { { "route.delete", op } }
  end,
  read = function(p, snapshot, node)
    local w = where(p, node)
    for _, have in ipairs(snapshot:routes(w.netns)) do
      if have.to == p.to and have.via == p.via and (not w.link or have.link == w.link) then return p end
    end
    return nil
  end,
  mark = function(p, node)
    local w = where(p, node)
    return ("%s %s %s"):format(w.netns, w.to, w.via or w.link)
  end,
  list = function(snapshot)
    return snapshot:in_namespaces("routes", function(have) return have.protocol == PROTOCOL end, function(path, have)
      return ("%s %s %s"):format(path, have.to, have.via or have.link),
        { to = have.to, via = have.via, link = have.link, protocol = PROTOCOL }
    end)
  end,
}
