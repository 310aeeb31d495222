--- How an endpoint is attached to its network: what every endpoint may be given, whatever its
-- archetype, and the needs that follow from it. An archetype says where endpoints are attached:
--
--   on_endpoint = function(need, net, ep) return need.attachment { master = net.made.bridge, mtu = net.mtu } end
--
-- and this module makes of it a namespace, a tap, a veth into an existing namespace, or an existing
-- interface that is borrowed. Pure: nothing here touches the system.
local M = {}

--- Options of every endpoint. What an archetype's endpoint option would be called must not be one of them.
M.OPTIONS = {
  kind = { type = "choice", choices = { "netns", "tap", "veth", "link" },
    doc = "netns (default): a namespace of its own; tap: for a VM; veth: into an existing namespace; " ..
      "link: an existing interface, which is given back" },
  netns = { type = "netns", doc = "of a veth: the existing namespace: its name, a path or a process id" },
  interface = { type = "interface", doc = "name of its interface: by default eth0 in a namespace, derived for " ..
    "a tap; of a link: the existing one" },
  mac = { type = "mac", doc = "MAC address; by default one is allocated, and a link keeps its own" },
  mtu = { type = "mtu", doc = "MTU; by default the network's, which is the most that it may be" },
  rate = { type = "rate", doc = "bits per second, each way" },
  delay = { type = "duration", doc = "time that each packet waits, each way: seconds, or \"10ms\"" },
  loss = { type = "share", doc = "share of packets that are lost, each way: 0 to 1, or \"2%\"" },
  owner = { type = "user", doc = "of a tap: user who may open it; by default root" },
  owner_group = { type = "user", doc = "of a tap: group that may open it" },
  vnet_header = { type = "boolean", doc = "of a tap: frames carry a virtio header, for offloads" },
  multi_queue = { type = "boolean", doc = "of a tap: it may be opened several times" },
  force = { type = "boolean", doc = "of a link: also when the node's default route leaves by it" },
}

--- Those that can change while the endpoint stays.
M.CHANGEABLE = { mac = true, mtu = true, rate = true, delay = true, loss = true }

-- Options that only some kinds have.
local OF_KIND <const> = { netns = "veth", owner = "tap", owner_group = "tap", vnet_header = "tap",
  multi_queue = "tap", force = "link" }
local NEEDED <const> = { veth = "netns", link = "interface" }

--- What is wrong with an endpoint's options as a whole.
-- @tparam table values checked options
-- @return a message, or nil
function M.problem(values)
  local kind = values.kind or "netns"
  for name, needed in pairs(OF_KIND) do
    if values[name] ~= nil and kind ~= needed then
      return ("option '%s' is for kind = \"%s\", not for \"%s\""):format(name, needed, kind)
    end
  end
  local path = values.netns
  if type(path) == "string" and path:find("/", 1, true) and path:sub(1, 1) ~= "/" then
    return ("netns = %q: a name, an absolute path or a process id is expected"):format(path)
  end
  local missing = NEEDED[kind]
  if missing and values[missing] == nil then
    return ("option '%s' is missing (%s)"):format(missing, M.OPTIONS[missing].doc)
  end
end

--- Whether its node must be asked before an endpoint is written: whatever is not made of what NERV
-- itself makes.
function M.depends_on_node(values)
  return values.kind ~= nil and values.kind ~= "netns" or values.rate ~= nil or values.delay ~= nil
    or values.loss ~= nil
end

--- The options of every endpoint that one was given, mac among them.
function M.given(values)
  local given = {}
  for name in pairs(M.OPTIONS) do given[name] = values[name] end
  return given
end

--- The options that differ from what every archetype gives an endpoint.
-- @return a name, or nil
function M.special(values)
  for name in pairs(M.OPTIONS) do
    if name ~= "mac" and values[name] ~= nil and values[name] ~= "netns" then return name end
  end
end

--- Path of the namespace that an endpoint of kind veth is given.
function M.path(netns)
  if math.type(netns) == "integer" then return ("/proc/%d/ns/net"):format(netns) end
  return netns:find("/", 1, true) and netns or "/run/netns/" .. netns
end

--- Whether such a path names a process, whose number may become another's.
function M.of_process(path) return path:find("^/proc/%d+/") ~= nil end

--- Whether programs run in an endpoint of this kind.
function M.has_namespace(kind) return kind == nil or kind == "netns" or kind == "veth" end

local makers <const> = {}

-- A bridge of Open vSwitch is no link, so it is no link's master: a port of it is a need of its own, and its link is
-- in a sink; see kinds/link.lua.
local function is_ovs(master) return master.kind == "ovs_bridge" end

-- The master of a link that is to be a port of a bridge, of Linux or of Open vSwitch, which join() completes.
local function master_of(bridge) return is_ovs(bridge) and bridge.sink or bridge end

-- The rest of it, once the link is wanted.
-- @return the port: what flows name, or the link
local function join(need, master, link, side, more)
  if not is_ovs(master) then return link end
  more = more or {}
  return need.ovs_port { id = more.id, bridge = master, link = link, side = side, number = more.number }
end

local function veth_into(need, ns, ep, p, mtu)
  local link = need.link { kind = "veth", name = ep.interface or "eth0", netns = ns, mac = ep.mac, mtu = mtu, up = true,
    announced = p.announce or false, peer = { master = master_of(p.master), up = true } }
  return link, join(need, p.master, link, "peer")
end

-- NERV configures the interface: what routers advertise is not taken.
local function ipv6_on(need, ns, link, switch)
  local deaf = need.sysctl { netns = ns, name = ("net.ipv6.conf.%s.accept_ra"):format(link.name), value = 0,
    after = { link } }
  return need.sysctl { netns = ns, name = ("net.ipv6.conf.%s.disable_ipv6"):format(switch), value = 0, otherwise = 1,
    after = { deaf } }
end

function makers.netns(need, ep, p, mtu)
  local ns = need.netns { loopback = p.loopback, ipv6 = p.ipv6 }
  local link, port = veth_into(need, ns, ep, p, mtu)
  return { netns = ns, link = link, port = port, ipv6 = p.ipv6 and ipv6_on(need, ns, link, "all") }
end

-- There only the endpoint's own interface is NERV's to set.
function makers.veth(need, ep, p, mtu)
  local ns = need.foreign_netns { path = M.path(ep.netns), identity = ep.identity }
  local link, port = veth_into(need, ns, ep, p, mtu)
  return { netns = ns, link = link, port = port, ipv6 = p.ipv6 and ipv6_on(need, ns, link, link.name) }
end

-- The bridge's end of a guest's wire must not have the guest's own address.
local function port_mac(mac)
  return mac and (mac:sub(1, 2) == "fe" and "fa" or "fe") .. mac:sub(3)
end

function makers.tap(need, ep, p, mtu)
  local tap = need.link { kind = "tap", name = "tap", interface = ep.interface, mac = port_mac(ep.mac), mtu = mtu,
    up = true, master = master_of(p.master), owner = ep.owner, owner_group = ep.owner_group,
    vnet_header = ep.vnet_header, multi_queue = ep.multi_queue }
  return { port = join(need, p.master, tap, "main") }
end

function makers.link(need, ep, p, mtu)
  local own = need.interface { name = ep.interface, mac = ep.mac, mtu = mtu, master = master_of(p.master) }
  return { port = join(need, p.master, own, "main") }
end

local function shaped(ep)
  local delay, loss = ep.delay ~= 0 and ep.delay or nil, ep.loss ~= 0 and ep.loss or nil
  return ep.rate or delay or loss, delay, loss
end

-- A veth is shaped at both ends; of another port what arrives is led through a link that is.
local function shape(need, ep, made, mtu)
  local wanted, delay, loss = shaped(ep)
  if not wanted then return end
  local function qdisc(link, side)
    need.qdisc { link = link, side = side, rate = ep.rate, delay = delay, loss = loss }
  end
  if made.link then
    qdisc(made.link)
    return qdisc(made.link, "peer")
  end
  local shaper = need.link { kind = "ifb", name = "shaper", mtu = mtu, up = true }
  qdisc(made.port)
  qdisc(shaper)
  need.redirect { link = made.port, to = shaper }
end

--- OpenFlow number of the port of an Open vSwitch bridge that leads to the other nodes: controllers know it by that.
-- Open vSwitch itself numbers ports from 1 on.
M.CROSSING = 60000

--- Joins a bridge to the other nodes, by the NVE and the network's port there, where there is a way out.
-- @tparam table net of the bridge, whose port is `data`
-- @tparam table master the bridge
-- @return the port there, as M.needs gives it; nil where there is no way out
function M.cross(need, net, master)
  local way = net.ports.data
  if not net.edge or not way then return end
  -- The outermost network's: an archetype of that with another bridge moves it there, and frames go on.
  local near = need.link { id = way.id, kind = "veth", name = "nve-" .. way.name, mtu = net.mtu, up = true,
    peer = { master = master_of(master), up = true } }
  local joined = join(need, master, near, "peer", { id = way.id, number = M.CROSSING })
  local port = need.switch_port { switch = "nve", number = way.number, link = near }
  need.entry { switch = "nve", table = "ingress_ports", key = { way.number },
    action = "to_tag", data = { way.tag, net.edge.port }, after = { port } }
  need.entry { switch = "nve", table = "tags", key = { net.edge.port, way.tag },
    action = "to_port", data = { way.number }, after = { port } }
  return joined
end

--- The needs of one attachment.
-- @tparam table need as archetypes see it
-- @tparam table ep the endpoint's options, and name, mac
-- @tparam table p { master = the link to be a port of, mtu = of the network, loopback = whether a
--   namespace of its own gets `lo`, ipv6 = whether IPv6 is on, announce = whether the network is told when the
--   endpoint comes to have an address that was another's }
-- @return { port = the need in the node's namespace, an ovs_port where the bridge is Open vSwitch's; where NERV
--   configures the endpoint's own end: link = that interface, netns = its namespace, ipv6 = what turns IPv6 on }; or
--   nil and a message
function M.needs(need, ep, p)
  if ep.mtu and p.mtu and ep.mtu > p.mtu then
    return nil, ("mtu %d is more than the network's, %d"):format(ep.mtu, p.mtu)
  end
  if is_ovs(p.master) and not M.has_namespace(ep.kind) and shaped(ep) then
    return nil, ("rate, delay and loss of a %s: Open vSwitch in user space takes frames before they are shaped"):format(
      ep.kind)
  end
  local mtu = ep.mtu or p.mtu
  local made = makers[ep.kind or "netns"](need, ep, p, mtu)
  shape(need, ep, made, mtu)
  return made
end

return M
