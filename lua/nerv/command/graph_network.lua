--- One network in graphviz's DOT, as its rows want it: on each node its bridges and switches, what it runs there and in
-- which of the networks that it is composed of, its endpoints, and how the nodes are joined; of an ETArch network the
-- entities and workspaces, too.
local desired <const> = require "nerv.desired"
local inspect <const> = require "nerv.command.inspect"
local lab <const> = require "nerv.lab"
local node <const> = require "nerv.node"
local options <const> = require "nerv.options"
local store <const> = require "nerv.etarch.store"

local M = {}
local Picture <const> = {}
Picture.__index = Picture

--- A text as DOT has it.
function M.quoted(text) return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"' end
local quoted <const> = M.quoted

-- One thing of the picture, in the part of the network and on the node where it is.
function Picture:vertex(where, part, id, class, label)
  local place <const> = self.places[where]
  place[part] = place[part] or {}
  table.insert(place[part], ("%s [class=%s, label=%s, %s];"):format(quoted(id), quoted(class), quoted(label),
    self.shapes[class]))
end

function Picture:edge(a, b, class, label, more)
  self.edges[#self.edges + 1] = ("%s -- %s [class=%s%s%s];"):format(quoted(a), quoted(b), quoted(class),
    label and ", label=" .. quoted(" " .. label .. " ") or "", more or "")
end

local function filled(shape, color) return ("shape=%s, style=filled, fillcolor=%q"):format(shape, color) end

Picture.shapes = {
  bridge = filled("box", "#fdf0d5"), switch = filled("box3d", "#fdf0d5"), station = filled("component", "#e3f4e1"),
  endpoint = filled("ellipse", "#dfeefb"), nve = filled("diamond", "#eeeeee"), entity = "shape=plain",
  workspace = "shape=ellipse, style=dashed", outside = "shape=box, style=rounded",
}

-- The program that a command line means, as a person would call it.
local function program(argv)
  if argv[1] ~= "${exe}" then return argv[1]:match "[^/]*$" end
  if argv[2] ~= "-e" then return (argv[2]:match "[^/]*$":gsub("%.lua$", "")) end
  return argv[3]:match "require%W+[%w.]-(%w+)['\"]" or "nervsh"
end

-- What of a set belongs to a namespace, by its key: `what(need)` says which namespace and what of it.
local function by_namespace(set, what)
  local found = setmetatable({}, { __index = function() return {} end })
  for _, need in ipairs(set) do
    local ns, value = what(need)
    if ns then
      found[ns.key] = rawget(found, ns.key) or {}
      table.insert(found[ns.key], value)
    end
  end
  return found
end

-- What a namespace of the network is called, its addresses, and what runs there under another name.
local function station_label(where, need, addresses, list)
  local lines <const> = { need.p.id:match "[^:]*$" }
  table.move(addresses, 1, #addresses, 2, lines)
  for _, service in ipairs(list) do
    local p <const>, state = service.p, nil
    for _, row in ipairs(lab.state():list "Service") do
      if row.node == where and row.owner == p.id and row.name:match "[^.]*$" == p.name then state = row.state end
    end
    local said <const> = program(p.argv) .. (state ~= "running" and (" (%s)"):format(state or "not running") or "")
    if said ~= lines[1] then lines[#lines + 1] = said end
  end
  return table.concat(lines, "\n")
end

local function id_of(where, need) return ("%s %s"):format(where, need.key) end

-- Bridges and switches, also by what stands for them as a master.
function Picture:bridges(where, set)
  local by_key = {}
  for _, need in ipairs(set) do
    local p <const> = need.p
    if need.kind == "ovs_bridge" or need.kind == "link" and p.kind == "bridge" and not p.sink then
      local ovs <const> = need.kind == "ovs_bridge"
      by_key[need.key] = need
      if ovs then by_key[p.sink.key] = need end
      self:vertex(where, need.part, id_of(where, need), ovs and "switch" or "bridge",
        ovs and "Open vSwitch" or "bridge")
    end
  end
  return by_key
end

-- The bridge that a link is a port of, or nil.
local function bridge_of(bridges, need)
  local p <const> = need.p
  local master <const> = p.master or p.peer and p.peer.master
  return master and bridges[master.key]
end

-- Namespaces of the network itself, with their addresses and what runs there.
function Picture:stations(where, set, bridges)
  local running <const> = by_namespace(set, function(need) return need.kind == "service" and need.p.netns, need end)
  local addresses <const> = by_namespace(set, function(need)
    if need.kind == "address" then return need.p.link.p.netns, need.p.address:match "^[^/]+" end
  end)
  for _, need in ipairs(set) do
    if need.kind == "netns" then
      self:vertex(where, need.part, id_of(where, need), "station", station_label(where, need, addresses[need.key],
        running[need.key]))
    elseif need.kind == "link" and need.p.netns then
      local bridge <const> = bridge_of(bridges, need)
      if bridge then self:edge(id_of(where, need.p.netns), id_of(where, bridge), "wire") end
    end
  end
end

-- The ways from bridges to the other nodes, by the node's NVE.
function Picture:crossings(where, net, set, bridges)
  local names, joined = {}, false
  for name, port in pairs(net.ports) do names[port.number] = ("%s %d"):format(name, port.tag) end
  for _, need in ipairs(set) do
    local bridge <const> = need.kind == "switch_port" and bridge_of(bridges, need.p.link)
    if bridge then
      self:edge(id_of(where, bridge), where .. " nve", "wire", names[need.p.number])
      joined = true
    end
  end
  if not joined then return end
  self:vertex(where, "", where .. " nve", "nve", "NVE")
  self:edge(where .. " nve", "trunk", "wire", net.edge.interface)
  self.trunk = true
end

-- Who controls the switches: what listens on the socket that they connect to, or somebody elsewhere.
function Picture:controllers(where, set)
  local listening = {}
  for _, need in ipairs(set) do
    if need.kind == "service" and need.p.ready and need.p.netns then
      listening["unix:" .. need.p.ready] = id_of(where, need.p.netns)
    end
  end
  for _, need in ipairs(set) do
    for _, target in ipairs(need.kind == "controller" and need.p.targets or {}) do
      self:edge(id_of(where, need.p.bridge), listening[target] or target, "control", "OpenFlow",
        ", style=dashed" .. (listening[target] and ", constraint=false" or ""))
      if not listening[target] then self.others[target] = "outside" end
    end
  end
end

function Picture:endpoints(where, network, view, bridges)
  for _, name in ipairs(view:endpoint_names(self.net.name)) do
    local e <const> = self.net:get(name)
    local id <const> = "endpoint " .. name
    local titles <const> = self.titles[e.mac or ""] or {}
    local lines <const> = { name, inspect.address(e) or e.kind ~= "netns" and e.kind or nil }
    table.move(titles, 1, #titles, #lines + 1, lines)
    self:vertex(where, "", id, "endpoint", table.concat(lines, "\n"))
    for _, need in ipairs(desired.endpoint(view, network, self.net.name, name) or {}) do
      local bridge <const> = (need.kind == "link" or need.kind == "interface") and bridge_of(bridges, need)
      if bridge then self:edge(id, id_of(where, bridge), "wire") end
    end
    for _, title in ipairs(titles) do self.at[title] = { id = id, label = #titles > 1 and title or nil } end
  end
end

function Picture:node(where)
  local view <const> = desired.view(lab.state(), where)
  local network <const>, message = desired.network(view, self.net.name)
  if not network then return nil, message end
  self.places[where], self.parts = {}, network.set.parts
  local bridges <const> = self:bridges(where, network.set)
  self:stations(where, network.set, bridges)
  self:crossings(where, network.net, network.set, bridges)
  self:controllers(where, network.set)
  self:endpoints(where, network, view, bridges)
  return true
end

-- The titles of an ETArch network: entities where their MAC addresses are, workspaces with who is in them.
function Picture:load_titles()
  local kept <const> = store.open(lab.state().remote, self.net.name)
  if not kept then return {} end
  local entities <const>, workspaces <const> = store.load(kept)
  kept.db:close()
  table.sort(entities, function(a, b) return a.title < b.title end)
  for _, entity in ipairs(entities) do
    self.titles[entity.mac] = self.titles[entity.mac] or {}
    table.insert(self.titles[entity.mac], entity.title)
  end
  return workspaces
end

function Picture:workspaces(list)
  for _, workspace in ipairs(list) do
    local id <const> = "workspace " .. workspace.title
    self.others[id] = "workspace"
    for _, title in ipairs(options.sorted_keys(workspace.members)) do
      local at <const> = self.at[title] or { id = "entity " .. title }
      if not self.at[title] then self.others[at.id] = "entity" end
      self:edge(id, at.id, "member", at.label, ", style=dotted")
    end
  end
end

-- The parts of the network on a node, one box in another, and what is in each.
function Picture:part_lines(lines, where, path, indent)
  local place <const> = self.places[where]
  local function add(text) lines[#lines + 1] = indent .. text end
  for _, line in ipairs(place[path] or {}) do add(line) end
  for _, inner in ipairs(options.sorted_keys(self.parts)) do
    if inner:match "^(.*)/[^/]*$" == path then
      add(("subgraph %s {"):format(quoted(("cluster %s %s"):format(where, inner))))
      add(("  class=part; labeljust=l; label=%s;"):format(quoted(("%s (%s)"):format(inner:match "[^/]*$",
        self.parts[inner]))))
      self:part_lines(lines, where, inner, indent .. "  ")
      add "}"
    end
  end
end

function Picture:lines()
  local net <const> = self.net
  local lines <const> = { "graph nerv {", "  node [fontname=sans]; edge [fontname=sans, fontsize=11]; graph " ..
    "[fontname=sans];", ("  label=%s; labelloc=t;"):format(quoted(("network %s (%s)"):format(net.name,
    net.archetype))) }
  -- What comes first here has its lines in order: nodes stand from left to right.
  if self.trunk then self.others.trunk = "outside" end
  for _, id in ipairs(options.sorted_keys(self.others)) do
    local class <const> = self.others[id]
    lines[#lines + 1] = ("  %s [class=%s, label=%s, %s];"):format(quoted(id), quoted(class),
      quoted((id:gsub("^%l+ ", "", 1))), self.shapes[class])
  end
  for _, where in ipairs(options.sorted_keys(self.places)) do
    local known <const> = node.get(where)
    local state <const> = known and known.state or "forgotten"
    lines[#lines + 1] = ("  subgraph %s {"):format(quoted("cluster " .. where))
    lines[#lines + 1] = ("    class=machine; label=%s;"):format(quoted(where .. (where == net.home and ", home" or "")
      .. (state ~= "active" and (" (%s)"):format(state) or "")))
    for _, line in ipairs(self.places[where][""] or {}) do lines[#lines + 1] = "    " .. line end
    self:part_lines(lines, where, net.name, "    ")
    lines[#lines + 1] = "  }"
  end
  for _, line in ipairs(self.edges) do lines[#lines + 1] = "  " .. line end
  lines[#lines + 1] = "}\n"
  return table.concat(lines, "\n")
end

--- The picture as text in DOT.
-- @tparam table net the network
-- @return text; or nil and a message: its archetype cannot be evaluated
function M.dot(net)
  local picture <const> = setmetatable({ net = net, places = {}, parts = {}, edges = {}, others = {}, titles = {},
    at = {} }, Picture)
  local workspaces <const> = picture:load_titles()
  for _, where in ipairs(net.nodes) do
    local good, message = picture:node(where)
    if not good and message then return nil, message end
  end
  picture:workspaces(workspaces)
  return picture:lines()
end

return M
