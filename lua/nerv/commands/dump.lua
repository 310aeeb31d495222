-- `dump`: everything of networks and endpoints.
local inspect <const> = require "nerv.command.inspect"

return {
  name = "dump", text = "show networks and their endpoints in detail",
  args = { { name = "network", type = "network", text = "which one; by default all" } },
  columns = inspect.NETWORK,
  render = function(rows) return inspect.text("network", inspect.NETWORK, rows) end,
  example = "dump blue",
  run = function(a)
    local rows = a.network and { a.network } or require("nerv.network").list()
    for i, net in ipairs(rows) do rows[i] = inspect.network(net) end
    return rows
  end,
}
