-- A neighbour of a link that needs not be asked for: the hardware address of an IP address. Or,
-- without one, an address that the link answers for.
local link_kind <const> = require "nerv.kinds.link"
local netns_kind <const> = require "nerv.kinds.netns"

-- NDA_PROTOCOL of what NERV adds (kernel 5.3 and later), as of routes.
local PROTOCOL <const> = 0x6e

local function where(p, node)
  local link = p.link
  return { link = link_kind.ifname(link.p, node), address = p.address, proxy = not p.mac or nil,
    netns = link.netns and netns_kind.path(link.netns.p, node) or nil }
end

local function wanted(p, node)
  local op = where(p, node)
  op.mac, op.protocol = p.mac, PROTOCOL
  return op
end

return {
  name = "neighbour", text = "a hardware address that a link knows, or an address that it answers for",
  class = "kernel", rank = 50,
  properties = {
    link = { need = { "link", "interface" }, doc = "interface that it is reached by", required = true },
    address = { type = "address", doc = "its IPv4 or IPv6 address", required = true },
    mac = { type = "mac", doc = "its MAC address; without one the link answers for the address" },
  },
  key = function(p) return ("%s %s%s"):format(rawget(p.link, "key"), p.address, p.mac and "" or " proxy") end,
  container = function(p) return p.link end,
  create = function(p, node) return { { "neighbour.replace", wanted(p, node) } } end,
  change = function(_, new, node) return { { "neighbour.replace", wanted(new, node) } } end,
  remove = function(p, node)
    local op = p.at or where(p, node)
    op.missing_ok = true
    return { { "neighbour.delete", op } }
  end,
  read = function(p, snapshot, node)
    local w = where(p, node)
    for _, have in ipairs(snapshot:neighbours(w.netns, w.link, w.proxy)) do
      if have.address == p.address and (have.state == "permanent" or have.proxy) then
        return { link = p.link, address = p.address, mac = have.mac, after = p.after }
      end
    end
    return nil
  end,
  mark = function(p, node)
    local w = where(p, node)
    return ("%s %s %s"):format(w.netns, w.link, w.address)
  end,
  list = function(snapshot)
    local function ours(have) return have.protocol == PROTOCOL end
    local function describe(path, have)
      return ("%s %s %s"):format(path, have.link, have.address),
        { link = have.link, address = have.address, proxy = have.proxy }
    end
    local found = snapshot:in_namespaces("neighbours", ours, describe)
    local proxies = snapshot:in_namespaces("proxies", ours, describe)
    return table.move(proxies, 1, #proxies, #found + 1, found)
  end,
}
