-- `ep`: the endpoints.
local inspect <const> = require "nerv.command.inspect"

local function list(network)
  local rows = {}
  for i, e in ipairs(inspect.endpoints(network)) do
    rows[i] = inspect.line(e)
  end
  return rows
end

return {
  name = "ep", text = "list the endpoints, or show one in detail",
  args = { { name = "network", type = "network", choices = { "show" },
      text = "whose endpoints, by default of all; or: show" },
    { name = "endpoint", type = "endpoint", text = "which one to show" } },
  columns = function(a) return a.endpoint and inspect.ENDPOINT or inspect.LINE end,
  render = function(rows, a)
    if a.endpoint then return inspect.text("endpoint", inspect.ENDPOINT, rows) end
    return require("nerv.command.records").text(inspect.LINE, rows)
  end,
  example = "ep blue -f csv",
  run = function(a)
    if a.endpoint and a.network ~= "show" then return nil, "one network is expected, or: show ENDPOINT" end
    if a.endpoint then return { inspect.endpoint(a.endpoint) } end
    if a.network == "show" then return nil, "show which endpoint? 'ep' lists them" end
    return list(a.network)
  end,
}
