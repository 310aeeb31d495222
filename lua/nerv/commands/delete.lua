-- `delete`: networks and endpoints.
local command <const> = require "nerv.command"
local context <const> = require "nerv.context"
local network <const> = require "nerv.network"
local operations <const> = require "nerv.command.operations"
local records <const> = require "nerv.command.records"
local testbed <const> = require "nerv.testbed"

-- What the words name: networks, and endpoints by their network.
local function find(words)
  local nets, by_net = {}, {}
  for _, word in ipairs(words) do
    local net = context.valid_name(word) and network.get(word)
    local e = command.find_endpoint(word)
    if net and e then
      return nil, ("'%s' is a network and an endpoint: name the one %s:%s, or delete the other in Lua"):format(word,
        e.network, e.name)
    end
    if not net and not e then return nil, operations.no_such(word) end
    if net then nets[#nets + 1] = net end
    if e then
      by_net[e.network] = by_net[e.network] or {}
      table.insert(by_net[e.network], e.name)
    end
  end
  for _, net in ipairs(nets) do by_net[net.name] = nil end   -- they go with it
  return nets, by_net
end

return {
  name = "delete", text = "delete networks with all that they have, and endpoints",
  args = { { name = "names", type = "rest", mixed = true, names = { "network", "endpoint" },
    text = "networks and endpoints" } },
  options = { dry_run = operations.DRY_RUN },
  columns = operations.COLUMNS,
  render = function(rows, a) return a.dry_run and records.text(operations.COLUMNS, rows) or "" end,
  example = "delete h1 h2",
  run = function(a)
    if #a.names == 0 then return nil, "the name of a network or an endpoint is expected" end
    local nets, by_net = find(a.names)
    if not nets then return nil, by_net end
    local rows = {}
    local function add(list) table.move(list, 1, #list, #rows + 1, rows) end
    for name, endpoints in pairs(by_net) do
      local net = network.get(name)
      if a.dry_run then
        add(net:plan("delete_endpoints", endpoints))
      else
        net:delete_endpoints(endpoints)
        add(net:operations())
      end
    end
    for _, net in ipairs(nets) do
      if a.dry_run then
        add(net:plan "delete")
      else
        (testbed.get(net.name) or net):delete()
        add(net:operations())
      end
    end
    return rows
  end,
}
