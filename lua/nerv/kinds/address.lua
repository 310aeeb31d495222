-- An IP address on a link.
local link_kind <const> = require "nerv.kinds.link"
local netns_kind <const> = require "nerv.kinds.netns"

-- IFA_PROTO of what NERV adds (kernel 5.18 and later); 0-3 belong to the kernel.
local PROTO <const> = 0x6e

local function where(p, node)
  local link = p.link
  return { link = link_kind.ifname(link.p, node), address = p.address,
    netns = link.netns and netns_kind.path(link.netns.p, node) or nil }
end

return {
  name = "address", text = "an IP address on a link", class = "kernel", rank = 40,
  properties = {
    link = { need = { "link", "interface" }, doc = "interface that has it", required = true },
    address = { type = "host", doc = "address and prefix length", required = true },
  },
  key = function(p) return rawget(p.link, "key") .. " " .. p.address end,
  container = function(p) return p.link end,
  create = function(p, node)
    local op = where(p, node)
    op.proto = PROTO
    if p.link.kind == "link" then node.moves:note(p.link.p) end
    return { { "address.add", op } }
  end,
  settle = function(p, node)
    local op = where(p, node)
    op.missing_ok = true
    return p.address:find(":", 1, true) and { { "address.settle", op } } or {}
  end,
  -- The kernel would take the others of the same range along, unless it is told to promote the next one. It may have
  -- gone by itself, with IPv6 in its namespace.
  remove = function(p, node)
    local op = p.at or where(p, node)
    op.missing_ok = true
    return { { "sysctl.set", { netns = op.netns, value = "1",
      name = ("net.ipv4.conf.%s.promote_secondaries"):format(op.link:gsub("%.", "/")) } }, { "address.delete", op } }
  end,
  read = function(p, snapshot, node)
    local w = where(p, node)
    for _, have in ipairs(snapshot:addresses(w.netns, w.link)) do
      if have.address == p.address then return p end
    end
    return nil
  end,
  mark = function(p, node)
    local w = where(p, node)
    return ("%s %s %s"):format(w.netns, w.link, w.address)
  end,
  list = function(snapshot)
    return snapshot:in_namespaces("addresses", function(have) return have.proto == PROTO end, function(path, have)
      return ("%s %s %s"):format(path, have.link, have.address), { link = have.link, address = have.address }
    end)
  end,
}
