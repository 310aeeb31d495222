--- Endpoints: access points to a network. Made by network:endpoint{...}.
local api <const> = require "nerv.api"
local registry <const> = require "nerv.registry"
local archetypes <const> = require "nerv.archetype"
local capture <const> = require "nerv.capture"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local execute <const> = require "nerv.execute"
local stream <const> = require "nerv.stream"

local M = {}
local Endpoint = { __name = "endpoint" }
local methods = {}

local function row_of(self)
  local state = lab.state()
  local network = state:network(self.network)
  local row = network and state:endpoint(network._uuid, self.name)
  if not row then registry.fail(("endpoint '%s' has been deleted"):format(self.id)) end
  return row
end

local fields <const> = {
  node = function(self) return row_of(self).node end,
  mac = function(self) return row_of(self).mac end,
  netns = function(self)
    local node = lab.state():node(row_of(self).node)
    return node.run_dir .. "/ns/" .. self.id
  end,
  state = function(self)
    local row = row_of(self)
    local running = lab.state():running(row)
    return running and running.phase or "active"
  end,
}

-- Options that the present archetype knows; what a former one was given is parked.
local function option_of(self, key)
  local row = row_of(self)
  local state = lab.state()
  local def, message = archetypes.by_digest(state:network(self.network).digest, state:archetypes())
  if not def then registry.fail(message) end
  local option = def.endpoint[key]
  if not option then return nil end
  local value = (json.decode(row.options) or {})[key]
  if value == nil then value = (json.decode(row.allocated) or {})[key] end
  if value == nil then return option.default end
  return value
end

function Endpoint.__index(self, key)
  if methods[key] then return methods[key] end
  if fields[key] then return fields[key](self) end
  if key == "id" then return self.network .. ":" .. self.name end
  return option_of(self, key)
end

function Endpoint.__tostring(self) return "endpoint " .. self.id end

function Endpoint.__eq(a, b)
  return rawget(a, "name") == rawget(b, "name") and rawget(a, "network") == rawget(b, "network")
end

--- The object of an endpoint that exists.
function M.new(network, name)
  return setmetatable({ network = network, name = name }, Endpoint)
end

local function socket(self)
  local path, message = lab.socket(self.node)
  if not path then registry.fail(message) end
  return path
end

function methods:exec(...) return execute.passing(socket(self), self.id, ...) end

function methods:run(...) return execute.collecting(socket(self), self.id, ...) end

function methods:shell()
  local input <close> = stream.fd(0)
  return execute.run(socket(self), { argv = { os.getenv("SHELL") or "/bin/sh" }, owner = self.id,
    pty = true, term = os.getenv("TERM") }, { stdin = input,
    stdout = function(bytes) io.stdout:write(bytes) io.stdout:flush() end,
    stderr = function(bytes) io.stderr:write(bytes) end })
end

function methods:ping(target, count)
  local address = type(target) == "table" and target.address or target
  if type(address) ~= "string" then registry.fail("endpoint:ping: the target has no address") end
  count = count or 1
  local result, message, code, status = self:run("ping", "-n", "-c", count, "-W", "2", "-i", "0.2", address)
  local text = (result or status or {}).stdout or ""
  local sent, received = text:match("(%d+) packets transmitted, (%d+) received")
  if not result then
    if not sent then   -- it says why: no route, no network, no such name
      local why = (status or {}).stderr
      return nil, ("%s: %s"):format(self.id, why and why:match("[^\n]+") or message), code
    end
    return nil, ("%s does not reach %s: %s of %s answers"):format(self.id, address, received, sent), "unreachable"
  end
  return { ok = true, sent = tonumber(sent), received = tonumber(received),
    rtt_ms = tonumber(text:match("= [%d.]+/([%d.]+)/")) }
end

function methods:capture(given)
  return capture.start("endpoint:capture", self.id, socket(self), self.id, given)
end

function methods:delete()
  return require("nerv.network").get(self.network):delete_endpoints { self.name }
end

api.class("endpoint", "an access point to a network", methods, {
  exec = { text = "runs a program in the endpoint, its output to ours; returns {ok=true, exit=0}, or nil, message, "
    .. "code, {exit=} or {signal=}", args = execute.ARGS, example = 'h1:exec("ping", "-c1", h2.address)' },
  run = { text = "runs a program in the endpoint and collects what it writes; returns {ok=, exit=, stdout=, stderr=}, "
    .. "or nil, message, code, the same", args = execute.ARGS,
    example = 'print(h1:run("ip", "-br", "address").stdout)' },
  shell = { text = "runs a shell in the endpoint, on this terminal; returns as exec" },
  ping = { text = "pings; returns {ok=true, sent=, received=, rtt_ms=}, or nil, message, code",
    args = { { name = "target", type = "any", required = true, text = "an endpoint, or an address as text" },
      { name = "count", type = "count", text = "how many requests; by default 1" } },
    example = "print(h1:ping(h2, 3).rtt_ms)" },
  capture = { text = "captures what passes its interface, from now on; returns a capture, or nil, message, code",
    args = capture.ARGS,
    example = 'local c <close> = h1:capture { filter = "icmp" }\nh1:ping(h2)\nprint(#c:stop().packets)' },
  delete = { text = "deletes the endpoint; returns true", example = "h1:delete()" },
}, { name = "its name", network = "name of its network", id = "NETWORK:NAME", node = "node on which it is",
  mac = "its MAC address", netns = "path of its network namespace",
  state = "active, or the phase of a Change that runs" })

return M
