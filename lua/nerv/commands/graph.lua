-- `graph`: a picture of the lab.
local file <const> = require "nerv.file"
local graph <const> = require "nerv.command.graph"

return {
  name = "graph", text = "draw nodes, networks and endpoints, in graphviz's DOT or as SVG",
  args = { { name = "file", type = "file", text = "where to; by default to standard output" } },
  options = { format = { type = "choice", choices = { "dot", "svg" }, short = "f",
    doc = "by default svg for a file of that ending, else dot" } },
  example = "graph",
  run = function(a)
    local to_file = a.file and a.file ~= "-"
    local format = a.format or to_file and a.file:find("%.svg$") and "svg" or "dot"
    local text, message = graph[format]()
    if not text then return nil, message end
    if not to_file then return (text:gsub("\n$", "")) end
    local good
    good, message = file.write(a.file, text)
    if not good then return nil, message end
  end,
}
