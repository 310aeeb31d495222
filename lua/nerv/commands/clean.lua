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
    local rows, cleaned, problems = {}, require("nerv.lab").clean()
    for i, dir in ipairs(cleaned) do rows[i] = { removed = dir } end
    if #problems > 0 then return nil, table.concat(problems, "; ") end
    return rows
  end,
}
