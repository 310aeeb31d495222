--- Logs: of agents and of services, on whichever node they are.
local context <const> = require "nerv.context"
local lab <const> = require "nerv.lab"
local node <const> = require "nerv.node"
local protocol <const> = require "nerv.protocol"
local suggest <const> = require "nerv.suggest"
local task <const> = require "nerv.task"

local M = {}

-- The network of an owner, and what is composed into it: "blue/lan:h1" belongs to blue.
local function belongs(row, name)
  return row.name == name or row.owner == name or row.owner:match("^[^/:]+") == name or row.name:match("[^.]+$") == name
    or row.name:match("[^ ]+$") == name
end

--- The logs that a name means: of a node its agent's, of a network its services', of a service its own.
-- @tparam[opt] string name by default this node
-- @return array of { node, service = id or nil, label }; or nil and a message
function M.find(name)
  name = name or lab.here()
  local may_be = context.valid_name(name)
  if may_be and node.get(name) then return { { node = name, label = name } } end
  local found, names = {}, {}
  for _, row in ipairs(lab.state():sorted "Service") do
    names[#names + 1] = row.name
    if belongs(row, name) then
      found[#found + 1] = { node = row.node, service = row.name, label = row.node .. " " .. row.name }
    end
  end
  if #found > 0 then return found end
  local network <const> = require "nerv.network"
  if may_be and network.get(name) then
    return nil, ("network %s runs no services: there is no log"):format(name)
  end
  for _, list in ipairs { node.list(), network.list() } do
    for _, one in ipairs(list) do names[#names + 1] = one.name end
  end
  return nil, ("there is no node, network or service '%s'%s"):format(name, suggest(name, names))
end

local function ask(source, lines, follow)
  local path, message = lab.socket(source.node)
  if not path then return nil, message end
  local connection
  connection, message = protocol.connect(path)
  if not connection then return nil, message end
  local reply
  reply, message = protocol.ask(path, connection,
    { call = "log", service = source.service, lines = lines, follow = follow })
  if reply then return reply.text, connection end
  connection:close()
  return nil, message
end

--- The end of a log.
-- @tparam table source one of M.find()
-- @tparam integer lines how many
-- @return text; or nil and a message
function M.tail(source, lines)
  local text, connection = ask(source, lines, false)
  if not text then return nil, connection end
  connection:close()
  return text
end

-- Calls f with whole lines.
-- @return nil and a message, when the connection has ended
local function follow_one(source, lines, f)
  local text, connection = ask(source, lines, true)
  if not text then return nil, connection end
  local _ <close> = connection
  while true do
    local whole, rest = text:match("^(.*\n)(.*)$")
    if whole then f(source, whole) end
    local kind, more = connection:read_frame()
    if not kind then return nil, ("the agent of node %s has ended"):format(source.node) end
    text = (whole and rest or text) .. more
  end
end

--- Calls f(source, text) with the end of logs and with all that comes after it, whole lines, until it is cancelled or
-- no log goes on.
-- @return nil and a message
function M.follow(sources, lines, f)
  local problem
  local all <close> = setmetatable({}, { __close = function(self)
    for _, one in ipairs(self) do one:cancel() end
  end })
  for i, source in ipairs(sources) do
    all[i] = task.spawn(function()
      local _, message = follow_one(source, lines, f)
      problem = message
    end)
  end
  for i = 1, #all do all[i]:wait() end
  return nil, problem
end

return M
