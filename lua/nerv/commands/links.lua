-- `links`: the interfaces of the endpoints.
local inspect <const> = require "nerv.command.inspect"

return {
  name = "links", text = "list the endpoints' interfaces as the nodes have them: bridge, state, MTU",
  args = { { name = "network", type = "network", text = "whose endpoints; by default of all networks" } },
  columns = { "name", "interface", "peer", "bridge", "node", "state", "mtu" },
  example = "links blue -f json",
  run = function(a) return inspect.links(inspect.endpoints(a.network), a.network and a.network.name) end,
}
