-- `service`: the processes that agents supervise.
return {
  name = "service", text = "list the supervised processes of all nodes",
  args = { { name = "action", type = "choice", choices = { "list" }, text = "what to do; by default list" } },
  columns = { "name", "node", "owner", "state", "pid", "restarts" },
  example = "service list -f json",
  run = function()
    local rows = {}
    for i, row in ipairs(require("nerv.lab").state():sorted "Service") do
      rows[i] = { name = row.name, node = row.node, owner = row.owner, state = row.state, pid = row.pid,
        restarts = row.restarts }
    end
    return rows
  end,
}
