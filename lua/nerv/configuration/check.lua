--- The check of a configuration: everything that can be known before anything is changed. Each message names the
-- file and the place in its table: "lab.lua: networks.blue.endpoints.h2.node: unknown node 'pm3'".
local allocation <const> = require "nerv.allocation"
local archetypes <const> = require "nerv.archetype"
local attachment <const> = require "nerv.attachment"
local context <const> = require "nerv.context"
local draft <const> = require "nerv.draft"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local options <const> = require "nerv.options"
local registry <const> = require "nerv.registry"
local suggest <const> = require "nerv.suggest"
local testbed <const> = require "nerv.testbed"
local text <const> = require "nerv.configuration.text"

local M = {}

--- The version of the format that is written and understood.
M.VERSION = 1

-- How deep values may be nested.
local DEPTH <const> = 8

local Check = {}
Check.__index = Check

function Check:fail(path, message, ...)
  registry.fail(("%s: %s%s"):format(self.what, path ~= "" and path .. ": " or "", message:format(...)))
end

local function place(path, key)
  key = tostring(key)
  if not key:find("^[%w_-]+$") then return ("%s[%q]"):format(path, key) end
  return path == "" and key or path .. "." .. key
end

-- Text, numbers, booleans and tables of these, without metatables and cycles.
function Check:plain(path, value, depth)
  local kind = type(value)
  if kind == "table" then
    if getmetatable(value) ~= nil or depth > DEPTH then self:fail(path, "plain data is expected") end
    for key, part in pairs(value) do self:plain(place(path, key), part, depth + 1) end
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    self:fail(path, "plain data is expected, not a %s", kind)
  end
end

-- The entries of a table that is keyed by names, in their order.
function Check:names(path, t, what)
  if type(t) ~= "table" then self:fail(path, "a table of %s is expected", what) end
  for name in pairs(t) do
    if not context.valid_name(name) then
      self:fail(place(path, name), "a name is expected for each of the %s", what)
    end
    if type(t[name]) ~= "table" then self:fail(place(path, name), "a table of options is expected") end
  end
  return text.sorted(t)
end

-- The values that an entry gives, each checked by its description.
-- @return the options as given, and with defaults
function Check:options(path, entry, description, others)
  local given = {}
  for _, key in ipairs(options.sorted_keys(entry)) do
    local option, value = description[key], entry[key]
    if not others[key] then
      if not option then
        self:fail(place(path, key), "unknown option%s", suggest(key, options.sorted_keys(description),
          "; there are " .. table.concat(options.sorted_keys(description), ", ")))
      end
      local good, message = options.check_value(option, value)
      if not good then self:fail(place(path, key), "%s", message) end
      given[key] = value
    end
  end
  local values = {}
  for key, option in pairs(description) do
    values[key] = options.value(option, given[key])
    if values[key] == nil then values[key] = option.default end
    if values[key] == nil and option.required then self:fail(path, "option '%s' is missing (%s)", key, option.doc) end
  end
  return given, values
end

-- The text that runs, for an archetype that the network has already.
function Check:definition(path, name, entry)
  local row = self.state:network(name)
  if row and not row.doomed and row.archetype == entry.archetype then
    local def, message = archetypes.by_digest(row.digest, self.state:archetypes())
    if not def then self:fail(path, "%s", message) end
    return def
  end
  if entry.archetype == nil then
    self:fail(path, "the archetype is missing; there are %s", table.concat(archetypes.list(), ", "))
  end
  local def, message = draft.archetype(self.state, entry.archetype)
  if not def then self:fail(place(path, "archetype"), "%s", message) end
  return def
end

function Check:node(path, name)
  if name == nil then return lab.here() end
  if not context.valid_name(name) then self:fail(path, "the name of a node is expected") end
  if not self.nodes[name] then
    self:fail(path, "unknown node '%s'%s", name, suggest(name, options.sorted_keys(self.nodes)))
  end
  return name
end

local NETWORK_KEYS <const> = { archetype = true, home = true, endpoints = true }
local ENDPOINT_KEYS <const> = { node = true }

-- Addresses and MAC addresses that are given must fit and exist once, and enough must be left for the others.
function Check:unique(path, net)
  local picker = self.picker
  for _, fixed in ipairs { true, false } do
    for _, ep in ipairs(net.endpoints) do
      local where = place(place(path, "endpoints"), ep.name)
      for key, option in pairs(net.def.endpoint) do
        local range = option.allocate and net.values[option.allocate]
        local value, message = true, nil
        if range and fixed and ep.options[key] then
          value, message = picker:fixed_address(net.name, range, ep.options[key])
        elseif range and not fixed and not ep.options[key] then
          value, message = picker:address(net.name, range)
        end
        if not value then self:fail(place(where, key), "%s", message) end
      end
      if fixed and ep.options.mac then
        local good, message = picker:fixed_mac(ep.options.mac)
        if not good then self:fail(place(where, "mac"), "%s", message) end
      end
    end
  end
end

function Check:endpoint(path, name, entry, net)
  local description = options.join(net.def.endpoint, attachment.OPTIONS)
  local node = self:node(place(path, "node"), entry.node)
  local given, values = self:options(path, entry, description, ENDPOINT_KEYS)
  local problem = attachment.problem(values)
  if problem then self:fail(path, "%s", problem) end
  return { name = name, node = node, options = given, values = values }
end

function Check:network(path, name, entry)
  local net = { name = name, def = self:definition(path, name, entry), endpoints = {}, path = path }
  net.archetype = net.def.name
  net.options, net.values = self:options(path, entry, net.def.network, NETWORK_KEYS)
  local problem = archetypes.problem(net.def, net.values)
  if problem then self:fail(path, "%s", problem) end
  net.home = self:node(place(path, "home"), entry.home)
  local inner = place(path, "endpoints")
  for i, ep in ipairs(entry.endpoints == nil and {} or self:names(inner, entry.endpoints, "endpoints")) do
    if net.archetype == "testbed" then self:fail(inner, "a testbed has no endpoints") end
    net.endpoints[i] = self:endpoint(place(inner, ep), ep, entry.endpoints[ep], net)
  end
  self:unique(path, net)
  return net
end

-- A testbed's nodes, before all else is checked: other entries name them. Those that come must not be there; on those
-- that go nothing may stay.
function Check:testbed(path, name, entry)
  local def = self:definition(path, name, entry)
  local _, wanted = self:options(path, entry, def.network, NETWORK_KEYS)
  local net, former = network.get(name), nil
  if net and net.archetype == "testbed" then former = net.options end
  local problem = testbed.problem(former, wanted)
  if problem then self:fail(path, "%s", problem) end
  local _, was = testbed.names(former)
  for _, node in ipairs((testbed.names(wanted))) do
    if self.nodes[node] or not was[node] and self.state:node(node) then
      self:fail(path, "node '%s' exists", node)
    end
    self.nodes[node] = true
  end
end

-- The nodes that there will be: those of the testbeds in the file, and those that belong to none.
function Check:find_nodes(conf, keep)
  for _, row in ipairs(self.state:list "Node") do self.nodes[row.name] = true end
  for _, net in ipairs(network.list()) do
    local stays = keep and not conf.networks[net.name]
    for _, node in ipairs(net.archetype == "testbed" and not stays and testbed.names(net.options) or {}) do
      self.nodes[node] = nil
    end
  end
  for _, name in ipairs(text.sorted(conf.networks)) do
    local entry = conf.networks[name]
    if entry.archetype == "testbed" then self:testbed(place("networks", name), name, entry) end
  end
  for _, net in ipairs(keep and network.list() or {}) do
    for _, node in ipairs(conf.networks[net.name] and {} or net.nodes) do
      if not self.nodes[node] then self:fail("networks", "node '%s' cannot go: network %s is on it", node, net.name) end
    end
  end
end

--- Checks a configuration.
-- @tparam table conf what a file returned
-- @tparam string what names it in messages
-- @tparam ?boolean keep networks that it does not name stay
-- @return array of { name, def, home, options, values, path, endpoints = array of { name, node, options, values } }:
-- `options` as given, `values` with defaults
-- @raise when anything is wrong
function M.run(conf, what, keep)
  local state = lab.state()
  local self = setmetatable({ what = what, state = state, nodes = {},
    picker = allocation.new() }, Check)
  self:plain("", conf, 0)
  for key in pairs(conf) do
    if key ~= "version" and key ~= "networks" then
      self:fail(place("", key), "unknown entry%s", suggest(key, { "version", "networks" }))
    end
  end
  if conf.version ~= nil and conf.version ~= M.VERSION then
    self:fail("version", "%s is expected, not %s", M.VERSION, tostring(conf.version))
  end
  if conf.networks == nil then self:fail("", "the table 'networks' is missing") end
  local names = self:names("networks", conf.networks, "networks")
  self:find_nodes(conf, keep)
  local list = {}
  for i, name in ipairs(names) do list[i] = self:network(place("networks", name), name, conf.networks[name]) end
  return list
end

return M
