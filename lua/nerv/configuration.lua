--- Configurations: all networks and endpoints as one table, or a file that returns it:
--
--   return { version = 1, networks = {
--     blue = { archetype = "ip", subnet = "10.1.0.0/24", endpoints = { h1 = {}, h2 = { node = "pm2" } } },
--   } }
--
-- An entry holds the archetype, the home and the options of a network, and its endpoints with theirs. What is not
-- given has its default: home and node are the node of the shell. Values that NERV chooses, addresses and MAC
-- addresses, are whatever they are.
local allocation <const> = require "nerv.allocation"
local api <const> = require "nerv.api"
local change <const> = require "nerv.change"
local check <const> = require "nerv.configuration.check"
local drafts <const> = require "nerv.draft"
local file <const> = require "nerv.file"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local options <const> = require "nerv.options"
local plan <const> = require "nerv.configuration.plan"
local progress <const> = require "nerv.progress"
local registry <const> = require "nerv.registry"
local testbed <const> = require "nerv.testbed"
local text <const> = require "nerv.configuration.text"

local M = {}

-- Whether all nodes but this one belong to testbeds: then it need not be named, and the file fits other machines.
local function alone()
  local theirs = { [lab.here()] = true }
  for _, net in ipairs(network.list()) do
    for _, name in ipairs(net.archetype == "testbed" and testbed.names(net.options) or {}) do theirs[name] = true end
  end
  for _, row in ipairs(lab.state():list "Node") do
    if not theirs[row.name] then return false end
  end
  return true
end

-- What is given, as it was given; a rate as people write it.
local function given_options(description, given)
  local entry = {}
  for key, value in pairs(given) do
    local option = description[key]
    if option then entry[key] = option.type == "rate" and options.rate_text(value) or value end
  end
  return entry
end

-- @tparam ?table ranges with `pin`: those of the network's options
local function endpoint_entry(description, row, unnamed, ranges)
  local entry = given_options(description, json.decode(row.options) or {})
  entry.node = row.node ~= unnamed and row.node or nil
  if not ranges then return entry end
  for key, value in pairs(json.decode(row.allocated) or {}) do
    local range = description[key] and ranges[description[key].allocate]
    if range and allocation.suits(range, value) then entry[key] = value end   -- the others are parked
  end
  entry.mac = row.mac ~= "" and row.mac or nil
  return entry
end

local function network_entry(state, row, unnamed, pin)
  local def = drafts.definition(state, row)
  local entry = given_options(def.network, json.decode(row.options) or {})
  entry.archetype, entry.home = row.archetype, row.home ~= unnamed and row.home or nil
  local description = require("nerv.endpoint_draft").description(def)
  local list = state:endpoints(row._uuid)
  if #list > 0 then entry.endpoints = {} end
  for _, ep in ipairs(list) do entry.endpoints[ep.name] = endpoint_entry(description, ep, unnamed, pin and entry) end
  return entry
end

function M.export(o)
  local state = lab.state()
  local result, unnamed = { version = check.VERSION, networks = {} }, alone() and lab.here() or nil
  for _, row in ipairs(state:list "Network") do
    if not row.doomed then result.networks[row.name] = network_entry(state, row, unnamed, o.pin) end
  end
  return result
end

M.text = text.write

function M.read(path)
  local source, message, code
  if path == "-" then source = io.read "a" else source, message, code = file.read(path) end
  if not source then return nil, message, code end
  local result
  result, message = text.read(source, path == "-" and "stdin" or path)
  if not result then return nil, message, "EINVAL" end
  return result
end

-- Carries a step out, as it is wanted now: somebody may have done it meanwhile.
local function carry_out(step)
  local state <const> = lab.state()
  local done = {}
  local function run()
    local good, uuid = pcall(change.run, state, function() return step.build() or error(done, 0) end)
    if not good and uuid ~= done then error(uuid, 0) end
    step.operations = good and drafts.performed(state, uuid) or {}
  end
  if step.former or step.wanted then return testbed.around(step.name, step.former, step.wanted, run) end
  return run()
end

function M.apply(what, o)
  local name, conf = "configuration", what
  if type(what) == "string" then
    local message, code
    name = what == "-" and "stdin" or what
    conf, message, code = M.read(what)
    if not conf then return nil, message, code end
  elseif type(what) ~= "table" then
    registry.fail("configuration.apply: a table or the path of a file is expected")
  end
  local steps = plan.steps(check.run(conf, name, o.keep), name, o.keep)
  local at = 1
  local _ <close> = progress.start(function()
    return ("%s: change %d of %d: %s"):format(name, at, #steps, steps[at].text)
  end)
  for i, step in ipairs(o.dry_run and {} or steps) do
    at = i
    local how_far = #steps > 1 and (" (%d of %d changes were made)"):format(i - 1, #steps) or ""
    local good, problem = pcall(carry_out, step)
    if not good then plan.about(name, step.path, error, plan.bare(problem) .. how_far, 0) end
  end
  local result = {}
  for i, step in ipairs(steps) do result[i] = { text = step.text, operations = step.operations } end
  return result
end

return api.module("configuration", "all networks and endpoints as one table or file", M, {
  export = { text = "returns the networks and endpoints that exist as a table",
    args = { { name = "options", type = "table", text = "what of them", fields = {
      pin = { type = "boolean", default = false, doc = "addresses and MAC addresses that were chosen, too" } } } },
    example = "print(configuration.text(configuration.export()))" },
  text = { text = "returns a configuration as the text of a file, in an order that does not change",
    args = { { name = "configuration", type = "table", required = true, text = "as export returns it" } },
    example = "print(configuration.text(configuration.export { pin = true }))" },
  read = { text = "returns the table of a file, unchecked; or nil, message, code",
    args = { { name = "file", type = "file", required = true, text = "its path, or - for standard input" } },
    example = [[
local dir = file.temp_dir "export-"
file.write(dir .. "/lab.lua", configuration.text(configuration.export()))
print(configuration.read(dir .. "/lab.lua").version)
file.remove_tree(dir)]] },
  apply = { text = "makes the system equal to a configuration; returns the changes, each { text =, operations = }, "
    .. "or nil, message, code",
    args = { { name = "configuration", type = "any", required = true, text = "a table, or the path of a file" },
      { name = "options", type = "table", text = "how", fields = {
        dry_run = { type = "boolean", default = false, doc = "only plan" },
        keep = { type = "boolean", default = false, doc = "leave networks alone that it does not name" } } } },
    example = [[
local before = configuration.export()
blue:endpoint { name = "h3" }
configuration.apply(before)
print(blue:get "h3")]] },
})
