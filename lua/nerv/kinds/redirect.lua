-- All that arrives at a link goes through another one first, an ifb, which shapes it.
local kinds <const> = require "nerv.kinds"
local link_kind <const> = require "nerv.kinds.link"

local function place(p, node) return kinds.get(p.link.kind).place(p.link.p, node) end

return {
  name = "redirect", text = "all that arrives at a link goes through an ifb first", class = "kernel", rank = 40,
  properties = {
    link = { need = { "link", "interface" }, doc = "where the frames arrive", required = true },
    to = { need = { "link", "interface" }, doc = "the ifb that they go through", required = true },
  },
  key = function(p) return rawget(p.link, "key") end,
  fixed = { "to" },
  container = function(p) return p.link.kind == "link" and p.link or nil end,
  create = function(p, node)
    local from = place(p, node)
    return { { "qdisc.add", { link = from.name, netns = from.netns, kind = "ingress" } },
      { "filter.add", { link = from.name, netns = from.netns, parent = "ingress", priority = 1,
        redirect = link_kind.ifname(p.to.p, node) } } }
  end,
  remove = function(p, node)
    local from = place(p, node)
    return { { "qdisc.delete", { link = from.name, netns = from.netns, kind = "ingress" } } }
  end,
  read = function(p, snapshot, node)
    local from = place(p, node)
    for _, have in ipairs(snapshot:filters(from.netns, from.name)) do
      if have.redirect == link_kind.ifname(p.to.p, node) then return p end
    end
  end,
  -- The hook without its filter, or with one that leads nowhere.
  debris = function(p, snapshot, node)
    local from = place(p, node)
    for _, have in ipairs(snapshot:qdiscs(from.netns, from.name)) do
      if have.kind == "ingress" then
        return { { "qdisc.delete", { link = from.name, netns = from.netns, kind = "ingress" } } }
      end
    end
  end,
}
