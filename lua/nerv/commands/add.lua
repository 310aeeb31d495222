-- `add`: endpoints.
local assignment <const> = require "nerv.command.assignment"
local live <const> = require "nerv.prompt.live"
local inspect <const> = require "nerv.command.inspect"
local operations <const> = require "nerv.command.operations"
local options <const> = require "nerv.options"

-- One for each name, all with the same options.
local function specs_of(net, words)
  local names, given = assignment.split(words)
  if not names[1] then return nil, "the name of an endpoint is expected" end
  local values, message = assignment.read(given, operations.endpoint_options(net.name))
  if not values then return nil, message end
  local specs = {}
  for i, name in ipairs(names) do specs[i] = options.join(values, { name = name }) end
  return specs
end

-- For completion.
local function known_options(words)
  return live.definition(words[2]) and operations.endpoint_options(words[2])
end

return {
  name = "add", text = "add endpoints to a network; OPTION=VALUE words set their options, 'help ARCHETYPE' lists them",
  args = { { name = "network", type = "network", required = true, text = "whose" },
    { name = "endpoints", type = "rest", mixed = true, pairs = known_options,
      text = "NAME ... OPTION=VALUE ..., node=NODE" } },
  options = { dry_run = operations.DRY_RUN },
  columns = operations.columns(inspect.LINE),
  example = "add blue h3 h4",
  run = function(a)
    local specs, message = specs_of(a.network, a.endpoints)
    if not specs then return nil, message end
    if a.dry_run then return a.network:plan("endpoint", specs) end
    local rows = a.network:endpoint(specs)
    for i, e in ipairs(rows) do rows[i] = inspect.line(e) end
    return rows
  end,
}
