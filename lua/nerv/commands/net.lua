-- `net`: the networks.
local inspect <const> = require "nerv.command.inspect"

local LIST <const> = { "name", "archetype", "home", "nodes", "endpoints", "state" }

local function list()
  local rows = {}
  for i, n in ipairs(require("nerv.network").list()) do
    rows[i] = { name = n.name, archetype = n.archetype, home = n.home, nodes = n.nodes,
      endpoints = #n:endpoints(), state = n.state }
  end
  return rows
end

return {
  name = "net", text = "list the networks, or show one in detail",
  args = { { name = "action", type = "choice", choices = { "list", "show" }, text = "what to do; by default list" },
    { name = "network", type = "network", text = "which one to show" } },
  columns = function(a) return a.action == "show" and inspect.NETWORK or LIST end,
  render = function(rows, a)
    if a.action == "show" then return inspect.text("network", inspect.NETWORK, rows) end
    return require("nerv.command.records").text(LIST, rows)
  end,
  example = "net list -f json",
  run = function(a)
    if a.action == "show" and not a.network then return nil, "show which network? 'net' lists them" end
    if a.action ~= "show" and a.network then return nil, "list takes no network; 'net show NAME' shows one" end
    return a.network and { inspect.network(a.network) } or list()
  end,
}
