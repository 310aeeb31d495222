-- A network interface. Logical names are derived into interface names of at most 15
-- characters; an interface of ours carries an alias with instance and owner.
--
-- A veth is one need with two ends: the main one (name, netns, mac, up) and its peer. The end
-- in the node's own namespace is the one that carries the alias and the link group.
local digest <const> = require "nerv.digest"
local link <const> = require "nerv.link"
local netns_kind <const> = require "nerv.kinds.netns"

local M = { name = "link", text = "a network interface; a veth with both of its ends", class = "kernel", rank = 20 }

M.properties = {
  id = { type = "string", doc = "owner; by default who wants it" },
  kind = { type = "string", doc = "veth, bridge, tap, or another type of link that the kernel knows", required = true },
  name = { type = "string", doc = "name: inside a namespace as it stands, else the interface's name is derived from it",
    required = true },
  interface = { type = "interface", doc = "in the node's namespace: the interface's name, instead of a derived one" },
  netns = { need = { "netns", "foreign_netns" }, doc = "namespace it is in; by default the node's own" },
  mac = { type = "mac", doc = "MAC address" },
  mtu = { type = "mtu", doc = "MTU in bytes" },
  up = { type = "boolean", doc = "whether it is up", default = false },
  master = { doc = "bridge it is a port of" },
  stp = { type = "boolean", doc = "of a bridge: spanning tree protocol" },
  sink = { type = "boolean", default = false, doc = "a bridge that drops all: it holds ports of Open vSwitch, which " ..
    "in user space leaves their frames to this node's own stack, too" },
  peer = { doc = "of a veth: the other end { name, netns, mac, master, up }", fields = { name = { type = "string" },
    netns = { need = { "netns", "foreign_netns" } }, mac = { type = "mac" }, master = {}, up = { type = "boolean" } } },
  parent = { type = "string", doc = "of a macvlan: the interface of the node that it is a part of" },
  owner = { type = "user", doc = "of a tap: user who may open it" },
  owner_group = { type = "user", doc = "of a tap: group that may open it" },
  vnet_header = { type = "boolean", doc = "of a tap: frames carry a virtio header" },
  multi_queue = { type = "boolean", doc = "of a tap: it may be opened several times" },
  announced = { doc = "of an endpoint's: whether its network is told, by reverse ARP, ARP and neighbour " ..
    "advertisements, when it comes to have a MAC or IP address that was another's", default = false },
  group = { doc = "link group, which lets many be deleted at once" },
}
M.fixed = { "kind", "interface", "parent", "owner", "owner_group", "vnet_header", "multi_queue" }
M.facts = { "ifindex" }

function M.key(p)
  return p.netns and p.netns.id .. "/" .. p.name or p.id .. "/" .. p.name
end

local function master_key(master) return type(master) == "table" and master.key or master or "" end

-- From one bridge to another.
local function moves(old, new)
  return master_key(old.master) ~= master_key(new.master)
    or master_key((old.peer or {}).master) ~= master_key((new.peer or {}).master)
end

function M.late(action) return action.verb == "change" and moves(action.old.p, action.need.p) and 2 or nil end

--- What one bridge at a time can claim of a link.
function M.port_claim(key, side) return ("port %s %s"):format(key, side) end

-- A sink leaves the claim to Open vSwitch.
local function is_claimed(master) return master ~= nil and not (type(master) == "table" and master.sink) end

--- A name in the node's namespace that was chosen by somebody can be taken; a port leaves one bridge for another.
function M.claims(p)
  local list = { p.interface and "interface " .. p.interface or nil }
  local key = "link " .. M.key(p)
  if is_claimed(p.master) then list[#list + 1] = M.port_claim(key, "main") end
  if p.peer and is_claimed(p.peer.master) then list[#list + 1] = M.port_claim(key, "peer") end
  return list
end

local alphabet <const> = "0123456789abcdefghjkmnpqrstvwxyz"

--- A name of at most 15 characters: 35 bits of a hash behind what a person recognizes.
function M.derived(node, id, name)
  local hash = tonumber(digest.sha256(node.seed .. "\0" .. id .. "\0" .. name):sub(1, 12), 16)
  local tail = {}
  for i = 1, 7 do
    local digit = hash % 32 + 1
    tail[i] = alphabet:sub(digit, digit)
    hash = hash // 32
  end
  local head = id:match("([^/:]+)$"):gsub("[^%w]", ""):sub(1, 7)
  return head .. "-" .. table.concat(tail)
end
local derived <const> = M.derived

-- Properties -> the names derived from them: a hash for each use would take most of the time of a removal.
local known_names <const> = setmetatable({}, { __mode = "k" })

local function names_of(p, node)
  local known = known_names[p]
  if not known or known.seed ~= node.seed then
    known = { seed = node.seed }
    known_names[p] = known
  end
  return known
end

--- Name of the interface itself.
function M.ifname(p, node)
  if p.interface or p.netns then return p.interface or p.name end
  local known = names_of(p, node)
  known.main = known.main or derived(node, p.id, p.name)
  return known.main
end

--- Name of a veth's other end.
function M.peer_name(p, node)
  if p.peer.name then return p.peer.name end
  local known = names_of(p, node)
  known.peer = known.peer or derived(node, p.id, p.name .. " peer")
  return known.peer
end

local function hash(text, bytes) return (digest.sha256(text):sub(1, 2 * bytes):gsub("..", ":%0")) end

-- What the MAC addresses begin with that an instance derives. Those of endpoints begin with 02.
local function mac_prefix(seed) return "06" .. hash(seed, 2) end

-- The MAC address of an end that was given none: the same one tomorrow, another one on each node.
local function derived_mac(node, p, part)
  return mac_prefix(node.seed) .. hash(node.name .. "\0" .. M.key(p) .. "\0" .. part, 3)
end

-- Whether a link that has no alias is one of ours: the kernel does not take it in the message that makes a link, and
-- an agent may die after that.
local function is_half_made(have, seed)
  return not have.alias and have.mac and have.mac:sub(1, 8) == mac_prefix(seed)
    and have.name:find("^%w*%-[" .. alphabet .. "]+$") ~= nil
end

local function path_of(ns, node) return ns and netns_kind.path(ns.p, node) or nil end

-- The master that is read back may be none of ours: then it is the name of its interface. The kernel's Open vSwitch
-- takes frames before a sink could, and ports that have no master.
local function master_name(master, node)
  if type(master) == "string" then return master ~= "" and master or nil end
  if not master or master.sink and not node.vswitch:in_user_space() then return nil end
  return M.ifname(master.p, node)
end
M.master_name = master_name

--- Of what the kernel calls a port's master, what is one: its Open vSwitch is none.
function M.real_master(name) return name ~= "ovs-system" and name or nil end

--- Where the interface is: { name =, netns = path or nil }.
function M.place(p, node) return { name = M.ifname(p, node), netns = path_of(p.netns, node) } end

--- Where a veth's other end is.
function M.peer_place(p, node) return { name = M.peer_name(p, node), netns = path_of(p.peer.netns, node) } end

local function alias(p, node) return node.alias(p.id) end

-- The two ends of a veth as the kernel is told of them: `near` is made in the message's
-- own namespace, and is the one in the node's namespace when only one is.
local function ends(p, node)
  local main = { name = M.ifname(p, node), netns = path_of(p.netns, node), mac = p.mac,
    mtu = p.mtu, up = p.up, master = master_name(p.master, node), part = "main",
    foreign = p.netns and p.netns.kind ~= "netns" }
  local peer = { name = M.peer_name(p, node), netns = path_of(p.peer.netns, node), mac = p.peer.mac,
    mtu = p.mtu, up = p.peer.up or false, master = master_name(p.peer.master, node), part = "peer" }
  if main.netns and not peer.netns then return peer, main end
  return main, peer
end

-- The least MTU with which the kernel has IPv6 on an interface.
local IPV6_MTU <const> = 1280

local function disable_ipv6(ops, e)
  if (e.mtu or IPV6_MTU) < IPV6_MTU then return end
  ops[#ops + 1] = { "sysctl.set", { netns = e.netns, value = "1",
    name = ("net.ipv6.conf.%s.disable_ipv6"):format(e.name:gsub("%.", "/")) } }
end

-- What is addressed to a bridge's own interface goes no further: it has no IPv6, but the node would hear broadcasts
-- there, and answer ARP and IPv4 for any address that it has.
-- @param lost what is_deaf() said of it, when it was deaf once
local function deafen(ops, name, lost)
  if lost == "hook" then ops[#ops + 1] = { "qdisc.delete", { link = name, kind = "ingress" } } end
  ops[#ops + 1] = { "qdisc.add", { link = name, kind = "ingress" } }
  ops[#ops + 1] = { "filter.add", { link = name, parent = "ingress", priority = 1, kind = "bpf", drop = true } }
end

-- Whether a bridge is; else nil and what there is of it: nothing, or "hook".
local function is_deaf(snapshot, name)
  local filters = snapshot:filters(nil, name)
  if #filters == 1 and filters[1].drop then return true end
  for _, have in ipairs(snapshot:qdiscs(nil, name)) do
    if have.kind == "ingress" then return nil, "hook" end
  end
  return nil, "nothing"
end

-- Frames to the link-local group addresses (IEEE 802.1D, 7.12.6) would be the node's to hear on the port itself: they
-- are forwarded like others. Bit 0 is the spanning tree's, which the bridge sees to; the kernel keeps bit 1.
local LINK_LOCAL <const> = 0xfffc

--- What a port of a bridge in the node's namespace is told when it has become one.
M.PORT = { group_fwd_mask = LINK_LOCAL }

local function guard_port(ops, e)
  if e.master and e.master ~= "" and not e.netns then
    ops[#ops + 1] = { "link.set", { name = e.name, bridge_port = M.PORT } }
  end
end

-- The last step: with it comes the mark, which the kernel does not take in the message that makes a link.
local function bring_up(ops, e, mark)
  if e.up or mark then
    ops[#ops + 1] = { "link.set", { name = e.name, netns = e.netns, up = e.up or nil, alias = mark } }
  end
end

-- The one end of what is no veth.
local function single_end(p, node)
  return { name = M.ifname(p, node), netns = path_of(p.netns, node), mac = p.mac, mtu = p.mtu, up = p.up,
    master = master_name(p.master, node) }
end

-- It is a part of an interface in the node's namespace, is made there under another name, and moves: what a crash
-- leaves in between carries the alias.
local function create_part(p, node)
  local e = single_end(p, node)
  local first = derived(node, p.id, p.name)
  local ops = { { "link.add", { kind = p.kind, name = first, parent = p.parent, mode = "bridge", alias = alias(p, node),
    mac = p.mac or derived_mac(node, p, "main"), mtu = p.mtu } } }
  disable_ipv6(ops, { name = first, mtu = p.mtu })
  ops[#ops + 1] = { "link.set", { name = first, move_to_netns = e.netns, rename = e.name } }
  bring_up(ops, e)
  return ops
end

-- Interfaces in the node's namespace never speak IPv6: else tenants reach the node. What is in a
-- namespace of ours has its namespace's setting; in another one it is turned on where it is wanted.
function M.create(p, node)
  local ops = {}
  if p.kind == "veth" then
    local near, far = ends(p, node)
    local function mac(e) return e.mac or derived_mac(node, p, e.part) end
    ops[1] = { "link.add", { kind = "veth", name = near.name, netns = near.netns, mac = mac(near),
      mtu = near.mtu, master = near.master, group = p.group,
      peer = { name = far.name, netns = far.netns, mac = mac(far), mtu = far.mtu } } }
    for _, e in ipairs { near, far } do
      if not e.netns or e.foreign then disable_ipv6(ops, e) end
    end
    if far.master then
      ops[#ops + 1] = { "link.set", { name = far.name, netns = far.netns, master = far.master } }
    end
    guard_port(ops, near)
    guard_port(ops, far)
    bring_up(ops, near, alias(p, node))
    bring_up(ops, far)
    node.moves:note(p)
    return ops
  end
  if p.parent then return create_part(p, node) end
  -- A tap lasts only when it is whole, and a tun has no MAC address.
  local mac = p.mac or p.kind ~= "tap" and p.kind ~= "tun" and derived_mac(node, p, "main") or nil
  local e = single_end(p, node)
  local name, ns, first_mtu = e.name, e.netns, p.mtu
  if p.kind == "bridge" and p.mtu then first_mtu = p.mtu < 65535 and p.mtu + 1 or p.mtu - 1 end
  ops[1] = { "link.add", { kind = p.kind, name = name, netns = ns, mac = mac, mtu = first_mtu,
    master = e.master, stp = p.stp, alias = alias(p, node),
    group = p.kind ~= "bridge" and p.group or nil, owner = p.owner, owner_group = p.owner_group,
    vnet_header = p.vnet_header, multi_queue = p.multi_queue,
    forward_delay = p.kind == "bridge" and not p.stp and 0 or nil } }
  -- A bridge takes the least MTU of its ports until it has been told one, which must be another than it has.
  if first_mtu ~= p.mtu then ops[#ops + 1] = { "link.set", { name = name, netns = ns, mtu = p.mtu } } end
  if not ns then disable_ipv6(ops, e) end
  if not ns and p.kind == "bridge" then deafen(ops, name) end
  guard_port(ops, e)
  bring_up(ops, e)
  return ops
end

-- One that is down may be what an agent left that died before it turned IPv6 off.
local function change_end(ops, old, new)
  if new.up and not old.up and not new.netns then
    disable_ipv6(ops, new)
    if old.master == new.master then guard_port(ops, new) end
  end
  local set = { name = new.name, netns = new.netns }
  local differs = false
  for _, field in ipairs { "mac", "mtu", "up" } do
    if new[field] ~= nil and old[field] ~= new[field] then
      set[field], differs = new[field], true
    end
  end
  if old.master ~= new.master then set.master, differs = new.master or "", true end
  if differs then ops[#ops + 1] = { "link.set", set } end
  if set.master then guard_port(ops, new) end
  -- Then the kernel has IPv6 on it anew.
  if not new.netns and (old.mtu or IPV6_MTU) < IPV6_MTU then disable_ipv6(ops, new) end
end

function M.change(old, new, node)
  local ops = {}
  if new.kind == "veth" then
    local old_near, old_far = ends(old, node)
    local near, far = ends(new, node)
    change_end(ops, old_near, near)
    change_end(ops, old_far, far)
    if old.mac ~= new.mac then node.moves:note(new) end
    return ops
  end
  if old.drifted then deafen(ops, M.ifname(new, node), old.drifted) end
  change_end(ops, single_end(old, node), single_end(new, node))
  if old.stp ~= new.stp then
    ops[#ops + 1] = { "link.set", { name = M.ifname(new, node), netns = path_of(new.netns, node),
      stp = new.stp } }
  end
  return ops
end

--- The kernel lets frames pass some time after a link has got its carrier. A veth gets it when the second of its ends
-- comes up, which sends at once: it is the first one, a bridge's port, that does not.
function M.settle(p, node)
  local e = p.kind == "veth" and ends(p, node) or single_end(p, node)
  return e.up and { { "link.settle", { name = e.name, netns = e.netns, missing_ok = true } } } or {}
end

--- Name and namespace of the end that is deleted; the other end goes with it. It carries the alias.
function M.removable(p, node)
  if p.kind == "veth" then
    local near = ends(p, node)
    return near.name, near.netns
  end
  return M.ifname(p, node), path_of(p.netns, node)
end

function M.remove(p, node)
  local name, ns = M.removable(p, node)
  return { { "link.delete", { name = name, netns = ns, missing_ok = true } } }
end

--- A link goes with a namespace that holds it whole. Not a part of an interface: the kernel removes a namespace's links
-- some time later, and until then has no other part of that interface with the same MAC address.
function M.container(p)
  if p.parent then return nil end
  if p.kind == "veth" then return p.netns and p.peer.netns and p.netns or nil end
  return p.netns
end

local function read_end(wanted, have, known)
  if not have then return nil end
  return {
    mac = wanted.mac and have.mac or nil,
    mtu = wanted.mtu and have.mtu or nil,
    up = have.up,
    master = M.real_master(have.master) == wanted.master and known or have.master,
  }
end

-- What is not read back: it cannot change while the link lives.
local UNREAD <const> = { "id", "kind", "name", "netns", "group", "stp", "after", "interface", "parent", "owner",
  "owner_group", "vnet_header", "multi_queue", "sink", "announced" }

local function read_veth(p, result, snapshot, node)
  local near, far = ends(p, node)
  local near_have, far_have = snapshot:link(near.netns, near.name), snapshot:link(far.netns, far.name)
  -- In somebody else's namespace another interface may have the name.
  if not near_have or not far_have or near_have.peer_index ~= far_have.index then return nil end
  local main_is_near = near.name == M.ifname(p, node)
  local m = read_end(main_is_near and near or far, main_is_near and near_have or far_have, p.master)
  local q = read_end(main_is_near and far or near, main_is_near and far_have or near_have, p.peer.master)
  result.mac, result.mtu, result.up, result.master = m.mac, m.mtu, m.up, m.master
  result.peer = { name = p.peer.name, netns = p.peer.netns, mac = q.mac, up = q.up, master = q.master }
  if p.peer.up == nil and not q.up then result.peer.up = nil end
  return result
end

function M.read(p, snapshot, node)
  -- The end that carries the alias: one without is half made, or somebody else's.
  local name, ns = M.removable(p, node)
  local marked = snapshot:link(ns, name)
  if not marked or node.owner_of_alias(marked.alias) ~= p.id then return nil end
  local result = {}
  for _, field in ipairs(UNREAD) do result[field] = p[field] end
  if p.kind == "veth" then return read_veth(p, result, snapshot, node) end
  local wanted = { mac = p.mac, mtu = p.mtu, master = master_name(p.master, node) }
  local place = M.place(p, node)
  local e = read_end(wanted, snapshot:link(place.netns, place.name), p.master)
  if not e then return nil end
  result.mac, result.mtu, result.up, result.master = e.mac, e.mtu, e.up, e.master
  if p.kind == "bridge" and not place.netns then
    local deaf, lost = is_deaf(snapshot, place.name)
    if not deaf then result.drifted = lost end
  end
  return result
end

--- The removal of what a namespace that is to go has of interfaces outside of it: see M.container.
-- @return operations
function M.removal_of_parts(path)
  local ops = {}
  for _, have in ipairs(link.list { netns = path, alias_prefix = "nerv:" } or {}) do
    if have.kind == "macvlan" then
      ops[#ops + 1] = { "link.delete", { name = have.name, netns = path, missing_ok = true } }
    end
  end
  return ops
end

--- What is in the way of a link that is not there whole: one without its alias; a veth's near end, while the other
-- one was renamed, moved, or goes with its namespace, which the kernel removes later than it says.
-- @return operations, or nil; whether the ports of a bridge lose their master by them
function M.debris(p, snapshot, node)
  local name, ns = M.removable(p, node)
  local have = snapshot:link(ns, name)
  if not have then return nil end
  local ours = p.kind == "veth" and node.owner_of_alias(have.alias) == p.id
  if not ours and not is_half_made(have, node.seed) then return nil end
  return { { "link.delete", { name = name, netns = ns } } }, p.kind == "bridge"
end

--- Names of the links in the node's namespace that an agent made which died before it could mark them.
-- @tparam table links of that namespace
-- @tparam string seed of the instance
function M.half_made(links, seed)
  local names, marked = {}, {}
  for _, have in ipairs(links) do   -- of a veth one end carries the alias
    if have.alias and have.peer_index and not have.peer_netnsid then marked[have.peer_index] = true end
  end
  for _, have in ipairs(links) do
    if not marked[have.index] and is_half_made(have, seed) then names[#names + 1] = have.name end
  end
  return names
end

-- Whatever carries this instance's alias, or should.
function M.list(snapshot, node)
  local found = {}
  for _, have in ipairs(snapshot:links()) do
    local owner = node.owner_of_alias(have.alias)
    if owner then found[#found + 1] = { owner = owner, key = have.name, name = have.name } end
  end
  for _, name in ipairs(M.half_made(snapshot:links(), node.seed)) do
    found[#found + 1] = { key = name, name = name }
  end
  return found
end

--- The interface in the node's namespace that carries the alias.
function M.mark(p, node)
  local name, ns = M.removable(p, node)
  return ns and M.key(p) or name
end

function M.fact(p, field, node)
  local have = link.get { name = M.ifname(p, node), netns = path_of(p.netns, node) }
  return have and field == "ifindex" and have.index or nil
end

return M
