--- Whether this node can have an endpoint: asked before anything of it is written, so that what cannot
-- be is refused with a reason instead of being undone.
local attachment <const> = require "nerv.attachment"
local file <const> = require "nerv.file"
local filter <const> = require "nerv.filter"
local foreign <const> = require "nerv.kinds.foreign_netns"
local interface <const> = require "nerv.kinds.interface"
local link <const> = require "nerv.link"
local netns <const> = require "nerv.netns"
local qdisc <const> = require "nerv.qdisc"
local route <const> = require "nerv.route"

-- What the kernel needs for an endpoint's limits; nil when it has all.
local function lacks_shaping(ep)
  local wants = { tbf = ep.rate ~= nil, netem = (ep.delay or 0) ~= 0 or (ep.loss or 0) ~= 0 }
  for kind, wanted in pairs(wants) do
    if wanted then
      local good, message = qdisc.supports(kind)
      if not good then
        return ("%s: %s"):format(kind == "tbf" and "rate" or "delay and loss", message)
      end
    end
  end
  if attachment.has_namespace(ep.kind) or not (wants.tbf or wants.netem) then return end
  if not link.kinds().ifb then return "rate, delay and loss of a " .. ep.kind .. ": this kernel has no ifb" end
  if not filter.kinds().u32 then return "rate, delay and loss of a " .. ep.kind .. ": this kernel has no u32 filter" end
end

local checks <const> = {}

function checks.tap(ep)
  if not file.stat "/dev/net/tun" then return nil, "there is no /dev/net/tun (module tun)" end
  if ep.interface and link.get { name = ep.interface } then
    return nil, ("interface %s exists"):format(ep.interface)
  end
  return true
end

function checks.veth(ep)
  local path = attachment.path(ep.netns)
  if not netns.exists(path) then
    return nil, ("there is no namespace %s%s"):format(path, math.type(ep.netns) == "integer" and
      " (no such process)" or "")
  end
  if netns.identity { netns = path } == netns.identity() then
    return nil, ("namespace %s is the node's own"):format(path)
  end
  local name = ep.interface or "eth0"
  if link.get { netns = path, name = name } then
    return nil, ("namespace %s has an interface %s already: name another one by `interface`"):format(path, name)
  end
  return true, foreign.kept_identity(path)
end

-- Whether traffic of the node itself leaves by an interface, or by what it is part of.
local function carries_default(have)
  for _, r in ipairs(route.list()) do
    local hops = r.nexthops or { r }
    for _, hop in ipairs(r.to == "default" and hops or {}) do
      if hop.link == have.name or have.master and hop.link == have.master then return true end
    end
  end
end

-- Whether some instance of NERV made it: itself, its other end, or what it is a port of.
local function is_nerv(have)
  local by_index, by_name = {}, {}
  for _, one in ipairs(link.list()) do by_index[one.index], by_name[one.name] = one, one end
  local peer = have.peer_index and not have.peer_netnsid and by_index[have.peer_index]
  for _, one in pairs { have, peer or nil, by_name[have.master or ""] } do
    if tostring(one.alias or ""):find("^nerv:%x+:") then return true end
  end
end

local function in_use(self, ep)
  for _, entry in pairs(self.engine.have) do
    local p = entry.need.p
    local name = entry.need.kind == "interface" and p.name or entry.need.kind == "switch_port" and p.interface
    if name == ep.interface then return next(entry.owners) end
  end
end

function checks.link(ep, self)
  local name = ep.interface
  local have = link.get { name = name }
  if not have then return nil, ("there is no interface %s"):format(name) end
  if name == "lo" or have.kind == "bridge" then
    return nil, ("%s is %s: it cannot be a bridge's port"):format(name, name == "lo" and "the loopback" or "a bridge")
  end
  if not have.mac then return nil, ("%s is no Ethernet interface"):format(name) end
  local owner = in_use(self, ep)
  if owner then return nil, ("interface %s is in use by %s"):format(name, owner) end
  if is_nerv(have) then return nil, ("interface %s is NERV's own"):format(name) end
  if not ep.force and carries_default(have) then
    return nil, ("the default route leaves by interface %s: force = true takes it nevertheless"):format(name)
  end
  return true
end

-- A discipline of somebody else would have to go.
local function foreign_discipline(ep, self)
  if ep.kind ~= "link" or not (ep.rate or ep.delay or ep.loss) then return end
  local root, hook = interface.disciplines(ep.interface)
  local record = interface.record(self.node, ep.interface, link.get { name = ep.interface })
  if record then root, hook = record.former.root, record.former.hook end
  if root or hook then
    return ("interface %s has a queueing discipline of its own (%s)"):format(ep.interface, root or hook)
  end
end

--- @tparam table self the agent
-- @tparam table ep options of attachment.lua, checked; id, and update for a change of one that exists
-- @return true and the identity of the namespace to be kept in its row; or nil and why not
return function(self, ep)
  local identity
  if not ep.update and checks[ep.kind] then
    local good
    good, identity = checks[ep.kind](ep, self)
    if not good then return nil, identity end
  end
  local message = lacks_shaping(ep) or foreign_discipline(ep, self)
  if message then return nil, message end
  return true, identity
end
