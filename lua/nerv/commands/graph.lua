-- `graph`: a picture of the lab, or of one network.
local command <const> = require "nerv.command"
local file <const> = require "nerv.file"
local graph <const> = require "nerv.command.graph"

-- A file's name, and not a network's.
local function is_file(word) return type(word) == "string" and (word == "-" or word:find "/" or word:find "%.%l+$") end

return {
  name = "graph", text = "draw nodes, networks and endpoints, in graphviz's DOT or as SVG",
  args = {
    { name = "network", type = "any", names = { "network" },
      text = "one network with all that it is composed of; by default all" },
    { name = "file", type = "file", text = "where to, without a network when it has a / or an ending as .svg; by "
      .. "default to standard output" },
  },
  options = { format = { type = "choice", choices = { "dot", "svg" }, short = "f",
    doc = "by default svg for a file of that ending, else dot" } },
  example = "graph blue",
  run = function(a)
    local net, path = a.network, a.file
    if is_file(net) and not path then net, path = nil, net end
    local text, message
    if type(net) == "string" then
      net, message = command.find_network(net)
      if not net then return nil, message end
    end
    local to_file = path and path ~= "-"
    local format = a.format or to_file and path:find("%.svg$") and "svg" or "dot"
    text, message = graph[format](net)
    if not text then return nil, message end
    if not to_file then return (text:gsub("\n$", "")) end
    local good
    good, message = file.write(path, text)
    if not good then return nil, message end
  end,
}
