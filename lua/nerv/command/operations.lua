--- What commands that change networks have in common: the dry run, how its operations are shown, which options
-- there are.
local draft <const> = require "nerv.draft"
local endpoint_draft <const> = require "nerv.endpoint_draft"
local lab <const> = require "nerv.lab"
local options <const> = require "nerv.options"
local suggest <const> = require "nerv.suggest"

local M = {}

M.DRY_RUN = { type = "boolean", short = "n", doc = "only show what would be done" }

--- What is shown of an operation.
M.COLUMNS = { "node", "verb", "kind", "key", "owner" }

--- Columns of a command whose dry run returns operations, and which else returns records with `list`.
function M.columns(list)
  return function(a) return a.dry_run and M.COLUMNS or list end
end

--- The options of networks of an archetype, without their name.
function M.network_options(def) return options.join(def.network, { home = draft.NETWORK.home }) end

--- The options of a network's endpoints, without their name.
function M.endpoint_options(name)
  local state = lab.state()
  local description = endpoint_draft.description(draft.definition(state, state:network(name)))
  description.name = nil
  return description
end

--- What is said of a word that names neither a network nor an endpoint.
function M.no_such(word)
  local names = {}
  for _, net in ipairs(require("nerv.network").list()) do
    names[#names + 1] = net.name
    for _, e in ipairs(net:endpoints()) do names[#names + 1] = e.name end
  end
  return ("there is no network or endpoint '%s'%s"):format(word, suggest(word, names))
end

return M
