-- `ep`: the endpoints.
return {
  name = "ep", text = "list the endpoints",
  args = { { name = "network", type = "network", text = "whose endpoints; by default of all networks" } },
  columns = { "name", "node", "mac", "address", "state" },
  example = "ep blue -f csv",
  run = function(a)
    local rows = {}
    for _, n in ipairs(a.network and { a.network } or require("nerv.network").list()) do
      for _, e in ipairs(n:endpoints()) do
        rows[#rows + 1] = { name = e.id, node = e.node, mac = e.mac, address = e.address, state = e.state }
      end
    end
    return rows
  end,
}
