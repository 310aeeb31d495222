-- `update`: options of a network or an endpoint, in place.
local assignment <const> = require "nerv.command.assignment"
local command <const> = require "nerv.command"
local context <const> = require "nerv.context"
local draft <const> = require "nerv.draft"
local lab <const> = require "nerv.lab"
local live <const> = require "nerv.prompt.live"
local network <const> = require "nerv.network"
local operations <const> = require "nerv.command.operations"
local records <const> = require "nerv.command.records"
local options <const> = require "nerv.options"

-- The archetype that a network has, or is to have.
local function definition(net, wanted)
  local state = lab.state()
  if wanted then return draft.archetype(state, wanted) end
  return draft.definition(state, state:network(net.name))
end

-- `OPTION=` takes an option away.
local function taken_away(given)
  local gone = {}
  for key, word in pairs(given) do
    if word == "" then gone[key], given[key] = false, nil end
  end
  return gone
end

local function update_network(net, given, dry_run)
  local gone = taken_away(given)
  local def, message = definition(net, given.archetype)
  if not def then return nil, message end
  local changes
  changes, message = assignment.read(given, options.join(operations.network_options(def),
    { archetype = draft.NETWORK.archetype }))
  if not changes then return nil, message end
  changes = options.join(changes, gone)
  if dry_run then return net:plan("update", changes) end
  return net:update(changes):operations()
end

local function update_endpoint(e, given, dry_run)
  local gone = taken_away(given)
  local changes, message = assignment.read(given, operations.endpoint_options(e.network))
  if not changes then return nil, message end
  changes = options.join(changes, gone)
  if dry_run then return e:plan(changes) end
  return e:update(changes):operations()
end

-- For completion: an endpoint's options are those of its network.
local function known_options(words)
  local def = live.definition(words[2])
  if def then return options.join(operations.network_options(def), { archetype = draft.NETWORK.archetype }) end
  local net = live.network_of(words[2])
  return net and operations.endpoint_options(net)
end

return {
  name = "update", text = "change options of a network or an endpoint while it runs, or a network's archetype",
  args = { { name = "name", type = "string", names = { "network", "endpoint" }, required = true,
      text = "a network or an endpoint" },
    { name = "options", type = "rest", mixed = true, pairs = known_options,
      text = "OPTION=VALUE ..., archetype=NAME, home=NODE; OPTION= takes it away" } },
  options = { dry_run = operations.DRY_RUN },
  columns = operations.COLUMNS,
  render = function(rows, a) return a.dry_run and records.text(operations.COLUMNS, rows) or "" end,
  example = "update blue mtu=1400",
  run = function(a)
    local names, given = assignment.split(a.options)
    if names[1] then return nil, ("OPTION=VALUE is expected, not '%s'"):format(names[1]) end
    if not next(given) then return nil, "OPTION=VALUE is expected" end
    local net = context.valid_name(a.name) and network.get(a.name)
    local e = not net and command.find_endpoint(a.name)
    if net then return update_network(net, given, a.dry_run) end
    if e then return update_endpoint(e, given, a.dry_run) end
    return nil, operations.no_such(a.name)
  end,
}
