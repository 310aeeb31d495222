-- A supervised process. With other properties it is another process under the same name, whose log goes on.
local archetypes <const> = require "nerv.archetype"
local needs <const> = require "nerv.needs"

local function check_words(p)
  local function complain(text) archetypes.complain("need.service: property 'argv': " .. text) end
  if #p.argv == 0 then complain "the program's name at least is expected" end
  for i, word in ipairs(p.argv) do
    if type(word) ~= "string" and not needs.is_placeholder(word) then
      complain(("word %d: a string is expected, not a %s"):format(i, type(word)))
    end
  end
end

-- What the supervisor does for each of a list.
local function each(method)
  return function(list, node)
    for i, action in ipairs(list) do
      local good, message, code = node.supervisor[method](node.supervisor, action.need.p)
      if not good then return nil, message, code, i end
    end
    return true
  end
end

return {
  name = "service", text = "a supervised process", class = "call", rank = 60,
  properties = {
    id = { type = "string", doc = "owner; by default who wants it" },
    name = { type = "string", doc = "name, unique for its owner", required = true },
    argv = { type = "list", required = true,
      doc = "program and arguments; ${node}, ${exe}, ${scripts}, ${db}, ${run}, ${ovs} and ${state} are filled in" },
    env = { type = "table", doc = "further environment variables" },
    netns = { need = { "netns", "foreign_netns" }, doc = "namespace it runs in; by default the node's own" },
    user = { type = "user", doc = "who it runs as; by default root" },
    capabilities = { type = "list",
      doc = "those it keeps, as { \"net_admin\" }; by default root's, and none of another user" },
    ready = { type = "string", doc = "Unix socket that answers when it is ready; may hold ${run} and ${state}" },
    ports = { type = "list", doc = "UDP ports that it has bound when it is ready, in its namespace" },
    stop = { type = "seconds", doc = "seconds that it gets to end by itself", default = 5 },
  },
  key = function(p) return p.id .. "/" .. p.name end,
  complete = check_words,
  create = each "start",
  change = each "change",
  remove = each "stop",
  read = function(p, _, node) return node.supervisor:adopted(p) end,
  list = function(_, node)
    local found = node.supervisor:list "service"
    for _, one in ipairs(found) do one.key = one.p.id .. "/" .. one.p.name end
    return found
  end,
}
