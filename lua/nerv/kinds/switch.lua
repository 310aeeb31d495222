-- A P4 switch of this node, run as a supervised nerv-nve.
local instance <const> = require "nerv.instance"
local service_kind <const> = require "nerv.kinds.service"
local needs

local function service(p)
  needs = needs or require "nerv.needs"
  return needs.make("service", { id = p.id, name = p.name, stop = 5, kind = "switch",
    argv = { "${libexec}/nerv-nve", "--objects", "${p4}", "--pin", "${run}/bpf/" .. p.name,
      "--thrift-socket", "${run}/" .. p.name .. ".sock", "${p4}/" .. p.program .. ".json" },
    ready = "${run}/" .. p.name .. ".sock" }, p.id)
end

local function each(list, node, f)
  for i, action in ipairs(list) do
    local good, message, code = f(action.need.p, node)
    if not good then return nil, message, code, i end
  end
  return true
end

local function start(p, node)
  local good, message, code = node.mount_bpf()
  if not good then return nil, message, code end
  return node.supervisor:start(service(p).p)
end

-- The data plane outlives its process, so that a crash stops no traffic; here it is meant to go.
local function stop(p, node)
  node.close_switch(p.name)
  local good, message, code = node.supervisor:stop(service(p).p)
  if not good then return nil, message, code end
  return instance.remove_data_plane(node.substitute("${run}/bpf/" .. p.name))
end

return {
  name = "switch", text = "a P4 switch, run as a supervised nerv-nve", class = "call", rank = 70,
  properties = {
    id = { doc = "owner; by default who wants it" },
    name = { doc = "name on the node", required = true },
    program = { doc = "its P4 program", default = "nve_vlan" },
  },
  key = function(p) return p.name end,
  fixed = { "program" },
  create = function(list, node) return each(list, node, start) end,
  remove = function(list, node) return each(list, node, stop) end,
  list = function(_, node)
    local found = node.supervisor:list "switch"
    for _, one in ipairs(found) do
      one.key, one.p.program = one.p.name, "nve_vlan"
    end
    return found
  end,
  read = function(p, snapshot, node)
    return service_kind.read(service(p).p, snapshot, node) and p or nil
  end,
}
