-- `nodes`: the machines that run NERV.
return {
  name = "nodes", text = "list the nodes",
  columns = { "name", "state", "egress" },
  example = "nodes -f json",
  run = function()
    local rows = {}
    for i, n in ipairs(require("nerv.node").list()) do
      local egress = {}
      for j, port in ipairs(n.egress) do egress[j] = port.interface .. "=" .. port.mode end
      rows[i] = { name = n.name, state = n.state, egress = egress }
    end
    return rows
  end,
}
