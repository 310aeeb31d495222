--- What the system has now, read once for each namespace or switch and then looked up: for
-- verification and for an agent that starts.
local file <const> = require "nerv.file"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local route <const> = require "nerv.route"
local filter <const> = require "nerv.filter"
local neighbour <const> = require "nerv.neighbour"
local qdisc <const> = require "nerv.qdisc"
local sysctl <const> = require "nerv.sysctl"
local netns <const> = require "nerv.netns"
local nftables <const> = require "nerv.nftables"

local Snapshot = {}
Snapshot.__index = Snapshot
local M = {}

-- Namespaces that are remembered at a time: who looks at one is done with it soon, and there may be thousands.
local NAMESPACES <const> = 16

function M.new(node)
  return setmetatable({ node = node, cache = {}, recent = {}, at = 0 }, Snapshot)
end

--- Reads anew what is asked for from now on.
function Snapshot:forget() self.cache, self.recent = {}, {} end

-- What has been read of a namespace or switch, or of the node (nil).
local function place_of(self, where)
  local place = self.cache[where or ""]
  if place then return place end
  place = {}
  self.cache[where or ""] = place
  if where and where:find("/", 1, true) then
    place.gone = not netns.exists(where)
    self.at = self.at % NAMESPACES + 1
    if self.recent[self.at] then self.cache[self.recent[self.at]] = nil end
    self.recent[self.at] = where
  end
  return place
end

-- Reads by `f` at first use. A namespace or switch that is not there has nothing.
function Snapshot:once(what, where, f)
  local place = place_of(self, where)
  if not place[what] then place[what] = not place.gone and f() or {} end
  return place[what]
end

function Snapshot:links(ns)
  return self:once("links", ns, function() return link.list { netns = ns } end)
end

function Snapshot:link(ns, name)
  local index = self:once("links by name", ns, function()
    local by_name = {}
    for _, have in ipairs(self:links(ns)) do by_name[have.name] = have end
    return by_name
  end)
  return index[name]
end

--- Paths of this instance's namespaces.
function Snapshot:namespaces()
  return self:once("namespaces", nil, function() return netns.list(self.node.run_dir .. "/ns") or {} end)
end

-- What another instance made in a namespace of ours, that of a testbed's node.
local function of_another(self, ns, name)
  local have = self:link(ns, name)
  return have and have.alias and have.alias:find("^nerv:") and not self.node.owner_of_alias(have.alias)
end

-- What namespaces have of one thing: all of a link's namespace.
local lists <const> = {
  addresses = function(ns) return address.list { netns = ns } end,
  routes = function(ns) return route.list { netns = ns } end,
  neighbours = function(ns) return neighbour.list { netns = ns } end,
  proxies = function(ns) return neighbour.list { netns = ns, proxy = true } end,
  qdiscs = function(ns) return qdisc.list { netns = ns } end,
}

function Snapshot:all(what, ns)
  return self:once(what, ns, function() return lists[what](ns) end)
end

--- What this instance's namespaces have of one thing, for the list() of a kind.
-- @tparam string what "addresses", "routes", "neighbours", "proxies"
-- @tparam function ours whether one carries NERV's number
-- @tparam function describe of path and object: its mark, and what the operation that removes it takes
-- @return what a list() returns
function Snapshot:in_namespaces(what, ours, describe)
  local found = {}
  for _, path in ipairs(self:namespaces()) do
    for _, have in ipairs(self:all(what, path)) do
      if ours(have) and not of_another(self, path, have.link) then
        local key, at = describe(path, have)
        at.netns = path
        found[#found + 1] = { key = key, within = path, p = { at = at } }
      end
    end
  end
  return found
end

local function of_link(all, name)
  local found = {}
  for _, have in ipairs(all) do
    if have.link == name then found[#found + 1] = have end
  end
  return found
end

function Snapshot:addresses(ns, name)
  return of_link(self:all("addresses", ns), name)
end

function Snapshot:neighbours(ns, name, proxy)
  return of_link(self:all(proxy and "proxies" or "neighbours", ns), name)
end

function Snapshot:routes(ns)
  return self:all("routes", ns)
end

function Snapshot:qdiscs(ns, name)
  return of_link(self:all("qdiscs", ns), name)
end

--- Objects of nftables by "FAMILY TABLE", as nftables.list gives them.
function Snapshot:nftables(ns)
  return self:once("nftables", ns, function()
    local tables = {}
    for _, object in ipairs(nftables.list { netns = ns } or {}) do
      local _, o = next(object)
      local name = o.family .. " " .. (o.table or o.name)
      tables[name] = tables[name] or {}
      table.insert(tables[name], object)
    end
    return tables
  end)
end

function Snapshot:filters(ns, name)
  return self:once("filters " .. name, ns, function()
    return filter.list { netns = ns, link = name, parent = "ingress" } or {}
  end)
end

function Snapshot:sysctl(ns, name)
  local values = self:once("sysctl " .. name, ns, function()
    return { (sysctl.get { netns = ns, name = name }) }
  end)
  return values[1]
end

--- The connection to a switch; nil when there is none.
-- @raise when it is there and does not answer: what it holds is not known
function Snapshot:switch(name)
  return self:once("switch", name, function()
    local sw, message = self.node.open_switch(name)
    if not sw and file.stat(("%s/%s.sock"):format(self.node.run_dir, name)) then error(message, 0) end
    return { sw = sw }
  end).sw
end

function Snapshot:switch_port(name, number)
  local sw = self:switch(name)
  if not sw then return nil end
  local index = self:once("ports", name, function()
    local by_number = {}
    for _, port in ipairs(assert(sw:ports())) do by_number[port.number] = port end
    return by_number
  end)
  return index[number]
end

function Snapshot:entry(name, table_name, key)
  local sw = self:switch(name)
  if not sw then return nil end
  local index = self:once("entries " .. name, table_name, function()
    local by_key = {}
    for _, e in ipairs(assert(sw.tables[table_name]:dump())) do
      by_key[table.concat(e.key, ",")] = e
    end
    return by_key
  end)
  return index[key]
end

return M
