-- `net`: the networks.
return {
  name = "net", text = "list the networks",
  args = { { name = "action", type = "choice", choices = { "list" }, text = "what to do; by default list" } },
  columns = { "name", "archetype", "home", "nodes", "endpoints", "state" },
  example = "net list -f json",
  run = function()
    local rows = {}
    for i, n in ipairs(require("nerv.network").list()) do
      rows[i] = { name = n.name, archetype = n.archetype, home = n.home, nodes = n.nodes,
        endpoints = #n:endpoints(), state = n.state }
    end
    return rows
  end,
}
