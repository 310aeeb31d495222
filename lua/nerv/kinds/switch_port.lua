-- A port of a P4 switch: a link of ours, or an existing interface by name.
local link_kind <const> = require "nerv.kinds.link"

local function interface(p, node)
  return p.link and link_kind.ifname(p.link.p, node) or p.interface
end

local function each(list, node, f)
  for i, action in ipairs(list) do
    local sw, message, code = node.open_switch(action.need.p.switch)
    local good
    if sw then good, message, code = f(sw, action.need.p, node) end
    if not good then return nil, message, code, i end
  end
  return true
end

return {
  name = "switch_port", text = "a port of a P4 switch", class = "call", rank = 80,
  properties = {
    switch = { doc = "name of the switch", required = true },
    number = { doc = "port number, from 0 to 510", required = true },
    link = { doc = "interface of ours" },
    interface = { doc = "name of an existing interface" },
  },
  late = function() return 1 end,
  key = function(p) return ("%s %d"):format(p.switch, p.number) end,
  fixed = { "link", "interface" },
  claims = function(p)
    return { p.interface and "interface " .. p.interface
      or ("interface %s of switch %s"):format(rawget(p.link, "key"), p.switch) }
  end,
  create = function(list, node)
    return each(list, node, function(sw, p) return sw:add_port(interface(p, node), p.number) end)
  end,
  remove = function(list, node)
    return each(list, node, function(sw, p)
      local good, message, code = sw:remove_port(p.number)
      local ports = not good and sw:ports()
      if not ports then return good, message, code end
      for _, port in ipairs(ports) do
        if port.number == p.number then return good, message, code end
      end
      return true   -- its interface went first
    end)
  end,
  list = function(_, node)
    local found = {}
    for name, sw in pairs(node.switches) do
      for _, port in ipairs(sw:ports() or {}) do
        found[#found + 1] = { key = ("%s %d"):format(name, port.number),
          p = { switch = name, number = port.number } }
      end
    end
    return found
  end,
  read = function(p, snapshot, node)
    local port = snapshot:switch_port(p.switch, p.number)
    if not port or port.interface == interface(p, node) then return port and p end
    return { switch = p.switch, number = p.number, interface = port.interface, after = p.after }
  end,
}
