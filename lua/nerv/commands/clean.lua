-- `clean`: removes what dead labs left.
return {
  name = "clean", text = "remove what labs left whose agents are dead",
  columns = { "removed" },
  render = function(rows)
    local lines = {}
    for i, row in ipairs(rows) do lines[i] = "removed " .. row.removed .. "\n" end
    return table.concat(lines)
  end,
  example = "clean -f json",
  run = function()
    local rows = {}
    for i, dir in ipairs(require("nerv.lab").clean()) do rows[i] = { removed = dir } end
    return rows
  end,
}
