-- `create`: a network.
local assignment <const> = require "nerv.command.assignment"
local archetypes <const> = require "nerv.archetype"
local draft <const> = require "nerv.draft"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local operations <const> = require "nerv.command.operations"

local LIST <const> = { "name", "archetype", "home", "state" }

local function make(spec)
  if spec.archetype ~= "testbed" then return network.create(spec) end
  return require("nerv.testbed").create { name = spec.name, nodes = spec.count, rate = spec.rate,
    prefix = spec.prefix, egress = spec.egress }.network
end

-- For completion.
local function known_options(words)
  local def = words[3] and archetypes.load(words[3])
  return def and operations.network_options(def)
end

return {
  name = "create", text = "create a network; OPTION=VALUE words set its options, 'help ARCHETYPE' lists them",
  args = { { name = "network", type = "name", required = true, text = "its name" },
    { name = "archetype", type = "archetype", required = true, text = "its kind" },
    { name = "options", type = "rest", mixed = true, pairs = known_options, text = "OPTION=VALUE ..., home=NODE" } },
  options = { dry_run = operations.DRY_RUN },
  columns = operations.columns(LIST),
  example = "create green ip subnet=10.3.0.0/24",
  run = function(a)
    local def, message = draft.archetype(lab.state(), a.archetype)
    if not def then return nil, message end
    local names, given = assignment.split(a.options)
    if names[1] then
      return nil, ("OPTION=VALUE is expected, not '%s'; 'add' adds endpoints"):format(names[1])
    end
    local spec
    spec, message = assignment.read(given, operations.network_options(def))
    if not spec then return nil, message end
    spec.name, spec.archetype = a.network, a.archetype
    if a.dry_run then return network.plan(spec) end
    local net = make(spec)
    return { { name = net.name, archetype = net.archetype, home = net.home, state = net.state } }
  end,
}
