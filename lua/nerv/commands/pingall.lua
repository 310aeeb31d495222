-- `pingall`: who reaches whom.
local traffic <const> = require "nerv.command.traffic"

local function all_pairs(groups)
  local list = {}
  for _, group in ipairs(groups) do
    for _, from in ipairs(group.endpoints) do
      for _, to in ipairs(group.endpoints) do
        if from.name ~= to.name then list[#list + 1] = { from, to } end
      end
    end
  end
  return list
end

local function own_name(id) return id:match(":(.*)") end

-- One line for each source, with an X for each target that does not answer.
local function matrix(records)
  local lines, of, network = {}, {}, nil
  for _, r in ipairs(records) do
    local net = r.source:match("^[^:]+")
    if net ~= network then
      lines[#lines + 1] = "network " .. net
      network = net
    end
    if not of[r.source] then
      lines[#lines + 1] = own_name(r.source) .. " ->"
      of[r.source] = #lines
    end
    local at = of[r.source]
    lines[at] = lines[at] .. " " .. (r.ok and own_name(r.target) or "X")
  end
  return lines
end

local function summary(records)
  local got = 0
  for _, r in ipairs(records) do got = got + (r.ok and 1 or 0) end
  local lost = #records > 0 and 100 * (#records - got) / #records or 0
  return ("%.4g%% lost (%d of %d answered)"):format(lost, got, #records)
end

return {
  name = "pingall", text = "let every endpoint ping every other one of its network; fails when one does not answer",
  args = { { name = "network", type = "network", text = "only this one; by default all" } },
  options = { count = { type = "count", default = 1, short = "c", doc = "requests for each pair" } },
  columns = traffic.PING,
  render = function(records)
    local lines = matrix(records)
    for _, why in ipairs(records.skipped or {}) do lines[#lines + 1] = why .. ": skipped" end
    lines[#lines + 1] = summary(records)
    return table.concat(lines, "\n") .. "\n"
  end,
  example = "pingall blue",
  run = function(a)
    local groups, skipped = traffic.reachable(a.network and { a.network } or require("nerv.network").list())
    local records, failed = traffic.ping(all_pairs(groups), a.count)
    records.skipped = skipped
    if failed > 0 then return records, ("%d of %d pairs without answer"):format(failed, #records) end
    return records
  end,
}
