-- A kernel setting in a namespace of ours.
local netns_kind <const> = require "nerv.kinds.netns"

local function set(p, node, value)
  return { { "sysctl.set", { netns = netns_kind.path(p.netns.p, node), name = p.name,
    value = tostring(value) } } }
end

return {
  name = "sysctl", text = "a kernel setting in a namespace", class = "kernel", rank = 15,
  properties = {
    netns = { need = { "netns", "foreign_netns" }, doc = "namespace it is set in", required = true },
    name = { type = "string", doc = "name with dots, as sysctl(8) has it", required = true },
    value = { doc = "value", required = true },
    otherwise = { doc = "value that it gets when it is not wanted any more; by default it keeps its own" },
  },
  key = function(p) return p.netns.id .. " " .. p.name end,
  container = function(p) return p.netns end,
  create = function(p, node) return set(p, node, p.value) end,
  change = function(_, new, node) return set(new, node, new.value) end,
  remove = function(p, node) return p.otherwise ~= nil and set(p, node, p.otherwise) or {} end,
  read = function(p, snapshot, node)
    local value = snapshot:sysctl(netns_kind.path(p.netns.p, node), p.name)
    if value == nil then return nil end
    return { netns = p.netns, name = p.name, after = p.after, otherwise = p.otherwise,
      value = value == tostring(p.value) and p.value or value }
  end,
}
