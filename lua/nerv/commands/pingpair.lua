-- `pingpair`: two endpoints ping each other.
local inspect <const> = require "nerv.command.inspect"
local traffic <const> = require "nerv.command.traffic"

return {
  name = "pingpair", text = "let two endpoints ping each other; fails when one does not answer",
  args = { { name = "a", type = "endpoint", text = "the one; by default the first of the first network" },
    { name = "b", type = "endpoint", text = "the other; by default the second" } },
  options = { count = { type = "count", default = 1, short = "c", doc = "requests for each direction" } },
  columns = traffic.PING,
  render = function(records)
    local lines = {}
    for i, r in ipairs(records) do
      lines[i] = ("%s -> %s  %s\n"):format(r.source, r.target, r.ok and ("%g ms"):format(r.rtt_ms) or r.error)
    end
    return table.concat(lines)
  end,
  example = "pingpair h1 h2 -f json",
  run = function(a)
    if a.a and not a.b then return nil, "two endpoints are expected, or none" end
    local one, other = a.a, a.b
    if not one then one, other = traffic.first_two() end
    if not one then return nil, other end
    for _, e in ipairs { one, other } do
      if not inspect.address(e) then return nil, ("endpoint %s has no address"):format(e.id) end
    end
    local records, failed = traffic.ping({ { one, other }, { other, one } }, a.count)
    if failed > 0 then return records, ("%d of 2 without answer"):format(failed) end
    return records
  end,
}
