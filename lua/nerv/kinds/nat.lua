-- Address translation: what leaves a namespace by a link gets that link's address; and if `closed` only replies come
-- back by it. An nftables table of its own for each, whose name carries the instance and the range; other tables are
-- never touched.
local archetypes <const> = require "nerv.archetype"
local cidr <const> = require "nerv.cidr"
local json <const> = require "nerv.json"
local nftables <const> = require "nerv.nftables"
local link_kind <const> = require "nerv.kinds.link"
local netns_kind <const> = require "nerv.kinds.netns"

local function path(p, node) return p.netns and netns_kind.path(p.netns.p, node) or nil end

local function out(p, node)
  return type(p.link) == "string" and p.link or link_kind.ifname(p.link.p, node)
end

local function mark(node) return "nerv-" .. node.instance .. "-" end

-- The range as part of a table's name, and back.
local function table_name(subnet, node) return mark(node) .. subnet:gsub(":", "_") end
local function subnet_of(name, node)
  local subnet = name:sub(1, #mark(node)) == mark(node) and name:sub(#mark(node) + 1):gsub("_", ":")
  return subnet or nil
end

local function family(subnet) return subnet:find(":", 1, true) and "ip6" or "ip" end

-- Replies have got their inner addresses back when the chain `in` sees them.
local function closing(p, node)
  local f, t = family(p.subnet), table_name(p.subnet, node)
  return ([[
    add chain %s %s in { type filter hook prerouting priority filter; }
    add rule %s %s in iifname "%s" %s daddr %s ct state != { established, related } drop]]):format(f, t, f, t,
    out(p, node), f, p.subnet)
end

-- One operation, which the kernel does whole or not at all. To add a table that is there does nothing.
local function make(p, node)
  local f, t = family(p.subnet), table_name(p.subnet, node)
  return { { "nftables.run", { netns = path(p, node), commands = ([[
    add table %s %s
    delete table %s %s
    add table %s %s
    add chain %s %s out { type nat hook postrouting priority srcnat; }
    add rule %s %s out %s saddr %s oifname "%s" masquerade
    %s]]):format(f, t, f, t, f, t, f, t, f, t, f, p.subnet, out(p, node), p.closed and closing(p, node) or "") } } }
end

-- nft prints a range of one address as that address.
local function same_range(shown, subnet)
  local prefix = type(shown) == "table" and shown.prefix or { addr = shown }
  local r = cidr.parse(subnet)
  return (prefix.len or (r.family == 4 and 32 or 128)) == r.prefix and cidr.contains(subnet, prefix.addr)
end

-- The interface that a rule `out` of ours names, or nil when it is none.
local function leaves_by(rule, subnet)
  local from, to, verdict = table.unpack(rule.expr)
  if #rule.expr ~= 3 or not from.match or not to.match or not verdict.masquerade then return nil end
  local meta = to.match.left.meta
  return meta and meta.key == "oifname" and same_range(from.match.right, subnet) and to.match.right or nil
end

-- The same for a rule `in`.
local function closed_to(rule, subnet)
  local from, to, state, verdict = table.unpack(rule.expr)
  if #rule.expr ~= 4 or not (from.match and to.match and state.match and verdict.drop) then return nil end
  local meta, ct = from.match.left.meta, state.match.left.ct
  local replies = ct and ct.key == "state" and state.match.op == "!=" and json.encode(state.match.right)
  return meta and meta.key == "iifname" and same_range(to.match.right, subnet)
    and replies == '{"set":["established","related"]}' and from.match.right or nil
end

local CHAINS <const> = { out = { "nat", "postrouting", leaves_by }, ["in"] = { "filter", "prerouting", closed_to } }

-- What is there: the interfaces that the rules of each chain name; nil when it is not as we write it.
local function interfaces(objects, subnet)
  local found, chains = {}, {}
  for _, o in ipairs(objects) do
    local like = CHAINS[o.chain and o.chain.name or o.rule and o.rule.chain]
    if o.chain then
      if not like or o.chain.type ~= like[1] or o.chain.hook ~= like[2] then return nil end
      chains[o.chain.name] = true
    elseif o.rule then
      local name = like and not found[o.rule.chain] and like[3](o.rule, subnet)
      if not name then return nil end
      found[o.rule.chain] = name
    end
  end
  return found.out and chains["in"] == (found["in"] and true) and found or nil
end

-- What a table does, in the words of the need: `link` is "" when it is not as we write it.
local function meaning(objects, p, node)
  local found = interfaces(objects, p.subnet) or { out = "" }
  local closed = found["in"] ~= nil and (found["in"] == found.out or found["in"])
  return { netns = p.netns, subnet = p.subnet, after = p.after, closed = closed,
    link = found.out == out(p, node) and p.link or found.out }
end

return {
  name = "nat", text = "address translation of what leaves by a link", class = "kernel", rank = 55,
  properties = {
    netns = { need = { "netns", "foreign_netns" }, doc = "namespace in which it happens; by default the node's own" },
    subnet = { type = "cidr", doc = "range whose addresses are replaced", required = true },
    link = { doc = "outgoing link, or the name of an interface", required = true },
    closed = { type = "boolean", doc = "whether only replies come in to the range by that link", default = false },
  },
  key = function(p) return (p.netns and p.netns.id or "node") .. " " .. p.subnet end,
  complete = function(p)
    local range, message = cidr.parse(p.subnet)
    if not range then archetypes.complain("need.nat: " .. message) end
    if range.prefix == 0 then archetypes.complain("need.nat: a range of all addresses is none") end
  end,
  mark = function(p, node) return (path(p, node) or "") .. " " .. table_name(p.subnet, node) end,
  container = function(p) return p.netns end,
  create = make,
  change = function(_, new, node) return make(new, node) end,
  remove = function(p, node)
    local f, t = family(p.subnet), table_name(p.subnet, node)
    return { { "nftables.run", { netns = p.at or path(p, node), commands = ("add table %s %s; delete table %s %s")
      :format(f, t, f, t) } } }
  end,
  read = function(p, snapshot, node)
    local objects = snapshot:nftables(path(p, node))[family(p.subnet) .. " " .. table_name(p.subnet, node)]
    return objects and meaning(objects, p, node) or nil
  end,
  list = function(snapshot, node)
    local found = {}
    local function look(where)
      for _, o in ipairs(nftables.list { netns = where } or {}) do
        local subnet = o.table and subnet_of(o.table.name, node)
        if subnet then
          found[#found + 1] = { key = (where or "") .. " " .. o.table.name, within = where,
            p = { subnet = subnet, at = where } }
        end
      end
    end
    look(nil)
    for _, where in ipairs(snapshot:namespaces()) do look(where) end
    return found
  end,
}
