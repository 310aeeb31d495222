-- Open vSwitch of the node: every bridge of it wants this, and it goes with the last one.
return {
  name = "vswitch", text = "Open vSwitch of the node, its own or the system's", class = "call", rank = 15,
  shared = true,
  properties = {},
  key = function() return "of the node" end,
  create = function(_, node)
    local good, message, code = node.vswitch:start()
    if not good then return nil, message, code, 1 end
    return true
  end,
  remove = function(_, node)
    local good, message, code = node.vswitch:stop()
    if not good then return nil, message, code, 1 end
    return true
  end,
  read = function(p, _, node) return node.vswitch:adopt() and p or nil end,
  list = function(_, node)
    return #node.supervisor:list "vswitch" > 0 and { { key = "of the node", p = {} } } or {}
  end,
}
