-- A kernel setting in a namespace of ours.
local netns_kind <const> = require "nerv.kinds.netns"

local function set(p, node)
  return { { "sysctl.set", { netns = netns_kind.path(p.netns.p, node), name = p.name,
    value = tostring(p.value) } } }
end

return {
  name = "sysctl", class = "kernel", rank = 15,
  properties = {
    netns = { doc = "namespace it is set in", required = true },
    name = { doc = "name with dots, as sysctl(8) has it", required = true },
    value = { doc = "value", required = true },
  },
  key = function(p) return p.netns.id .. " " .. p.name end,
  container = function(p) return p.netns end,
  create = set,
  change = function(_, new, node) return set(new, node) end,
  remove = function() return {} end,   -- it goes with its namespace
  read = function(p, snapshot, node)
    local value = snapshot:sysctl(netns_kind.path(p.netns.p, node), p.name)
    if value == nil then return nil end
    return { netns = p.netns, name = p.name, after = p.after,
      value = value == tostring(p.value) and p.value or value }
  end,
}
