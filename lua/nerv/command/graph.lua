--- A picture of the lab in the language DOT of graphviz: a box for each node, in it the networks' bridges, their
-- endpoints, and the NVE that joins them to the other nodes; or one network with all that it is made of.
local graph_network <const> = require "nerv.command.graph_network"
local inspect <const> = require "nerv.command.inspect"
local network <const> = require "nerv.network"
local node <const> = require "nerv.node"
local process <const> = require "nerv.process"

local M = {}

local quoted <const> = graph_network.quoted

local function bridge_id(net, where) return quoted(("%s@%s"):format(net.name, where)) end

local function nve_id(where) return quoted("nve@" .. where) end

-- The bridges of a node and what hangs on them.
local function network_lines(lines, net, n, joined)
  local function add(...) lines[#lines + 1] = "    " .. (...):format(select(2, ...)) end
  local bridge = bridge_id(net, n.name)
  add("%s [shape=box, label=%s];", bridge, quoted(net.name .. "\n" .. net.archetype))
  for _, e in ipairs(net:endpoints()) do
    if e.node == n.name then
      local id = quoted(e.id)
      add("%s [label=%s];", id, quoted(e.name .. "\n" .. (inspect.address(e) or e.kind)))
      add("%s -- %s;", id, bridge)
    end
  end
  for name, port in pairs(joined and net.ports or {}) do
    add("%s -- %s [label=%s];", bridge, nve_id(n.name), quoted(("%s %d"):format(name, port.tag)))
  end
end

local function is_on(net, where)
  for _, name in ipairs(net.nodes) do
    if name == where then return true end
  end
  return false
end

local function node_lines(lines, n, networks)
  local joined, title = #n.egress > 0, n.state == "active" and n.name or ("%s (%s)"):format(n.name, n.state)
  lines[#lines + 1] = ("  subgraph %s {"):format(quoted("cluster " .. n.name))
  lines[#lines + 1] = ("    label=%s;"):format(quoted(title))
  if joined then lines[#lines + 1] = ("    %s [shape=diamond, label=\"NVE\"];"):format(nve_id(n.name)) end
  for _, net in ipairs(networks) do
    if net.archetype ~= "testbed" and is_on(net, n.name) then network_lines(lines, net, n, joined) end
  end
  lines[#lines + 1] = "  }"
end

-- All networks.
local function overview()
  local networks <const> = network.list()
  local lines, outside = { "graph nerv {", "  node [fontname=sans]; edge [fontname=sans]; graph [fontname=sans];" }, {}
  for _, n in ipairs(node.list()) do
    node_lines(lines, n, networks)
    for _, port in ipairs(n.egress) do
      outside[#outside + 1] = ("  %s -- \"outside\" [label=%s];"):format(nve_id(n.name), quoted(port.interface))
    end
  end
  if #outside > 0 then lines[#lines + 1] = "  \"outside\" [shape=box, style=rounded, label=\"trunk\"];" end
  table.move(outside, 1, #outside, #lines + 1, lines)
  lines[#lines + 1] = "}\n"
  return table.concat(lines, "\n")
end

--- The picture as text in DOT.
-- @tparam ?table net the network that is drawn in detail; by default all are drawn
-- @return text; or nil and a message
function M.dot(net)
  if net then return graph_network.dot(net) end
  return overview()
end

--- The picture as SVG, which graphviz draws.
-- @tparam ?table net as for dot()
-- @return text; or nil, message, code
function M.svg(net)
  local text, problem = M.dot(net)
  if not text then return nil, problem end
  local result, message, code = process.run { argv = { "dot", "-Tsvg" }, input = text }
  if code == "ENOENT" then return nil, "graphviz is not installed (Debian: apt-get install graphviz)", code end
  if not result then return nil, message, code end
  if result.exit ~= 0 then return nil, "dot: " .. result.stderr:match("[^\n]*"), "EXIT" end
  return result.stdout
end

return M
