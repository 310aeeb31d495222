-- The state directory of another node's agent on this machine: what that agent made goes
-- when this need goes.
local instance <const> = require "nerv.instance"

return {
  name = "instance", text = "the state of another node's agent on this machine", class = "call", rank = 30,
  properties = { dir = { doc = "state directory", required = true } },
  key = function(p) return p.dir end,
  create = function(list, node)
    for _, action in ipairs(list) do
      require("nerv.file").mkdir(node.substitute(action.need.p.dir), { parents = true })
    end
    return true
  end,
  remove = function(list, node)
    for i, action in ipairs(list) do
      local good, message, code = instance.clean(node.substitute(action.need.p.dir))
      if not good then return nil, message, code, i end
    end
    return true
  end,
  read = function(p, _, node)
    return require("nerv.file").stat(node.substitute(p.dir)) and p or nil
  end,
}
