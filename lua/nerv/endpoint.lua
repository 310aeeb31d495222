--- Endpoints: access points to a network. Made by network:endpoint{...}.
local api <const> = require "nerv.api"
local registry <const> = require "nerv.registry"
local archetypes <const> = require "nerv.archetype"
local attachment <const> = require "nerv.attachment"
local capture <const> = require "nerv.capture"
local change <const> = require "nerv.change"
local draft <const> = require "nerv.draft"
local endpoint_draft <const> = require "nerv.endpoint_draft"
local json <const> = require "nerv.json"
local lab <const> = require "nerv.lab"
local live <const> = require "nerv.prompt.live"
local options <const> = require "nerv.options"
local execute <const> = require "nerv.execute"
local program <const> = require "nerv.program"
local protocol <const> = require "nerv.protocol"

local M = {}
local Endpoint = { __name = "endpoint" }
local methods = {}
local must <const> = draft.must

local function row_of(self)
  local state = lab.state()
  local network = state:network(self.network)
  local row = network and state:endpoint(network._uuid, self.name)
  if not row then registry.fail(("endpoint '%s' has been deleted"):format(self.id)) end
  return row
end

local function options_of(row) return json.decode(row.options) or {} end

local function kind_of(row) return options_of(row).kind or "netns" end

local function node_of(row) return lab.state():node(row.node) end

-- Asks the endpoint's node.
local function ask(self, row, call)
  return must(protocol.call(must(lab.socket(row.node)), { call = call, owner = self.id }))
end

-- The name that a tap was not given its node derives.
local function interface_of(self, row)
  return options_of(row).interface or (kind_of(row) == "tap" and ask(self, row, "stats").interface or "eth0")
end

local fields <const> = {
  id = function(self) return self.network .. ":" .. self.name end,
  kind = function(self) return kind_of(row_of(self)) end,
  node = function(self) return row_of(self).node end,
  mac = function(self)
    local mac = row_of(self).mac
    return mac ~= "" and mac or nil
  end,
  netns = function(self)
    local row = row_of(self)
    local kind = kind_of(row)
    if kind == "veth" then return attachment.path(options_of(row).netns) end
    return kind == "netns" and node_of(row).run_dir .. "/ns/" .. self.id or nil
  end,
  interface = function(self) return interface_of(self, row_of(self)) end,
  stats = function(self) return (ask(self, row_of(self), "stats")) end,
  state = function(self)
    local row = row_of(self)
    local running = lab.state():running(row)
    if running then return running.phase end
    for _, status in pairs(lab.state().rows.Status) do
      if status.owner == self.id then return ("%s: %s"):format(status.state, status.error) end
    end
    return "active"
  end,
}

-- Options that the present archetype knows; what a former one was given is parked.
local function option_of(self, key)
  local row = row_of(self)
  local state = lab.state()
  local net = state:network(self.network)
  local def, message = archetypes.by_digest(net.digest, state:archetypes())
  if not def then registry.fail(message) end
  local option = attachment.OPTIONS[key] or def.endpoint[key]
  if not option then return nil end
  local range = option.allocate   -- without it what was allocated is kept for its return
  if range and not (options_of(net)[range] or (def.network[range] or {}).default) then return nil end
  local value = options_of(row)[key]
  if value == nil then value = (json.decode(row.allocated) or {})[key] end
  if value == nil then value = option.default end
  return options.value(option, value)
end

function Endpoint.__index(self, key)
  if methods[key] then return methods[key] end
  if fields[key] then return fields[key](self) end
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

-- The agent's socket, for a program.
local function program_socket(self, what)
  local row = row_of(self)
  local kind = kind_of(row)
  if not attachment.has_namespace(kind) then
    registry.fail(("endpoint:%s: %s is a %s: programs run behind its interface %s on node %s, not in it; it has " ..
      "stats, update and delete"):format(what, self.id, kind, interface_of(self, row), row.node))
  end
  return (must(lab.socket(row.node)))
end

function methods:exec(...) return execute.passing(program_socket(self, "exec"), self.id, ...) end

function methods:run(...) return execute.collecting(program_socket(self, "run"), self.id, ...) end

function methods:spawn(...) return program.start("endpoint:spawn", program_socket(self, "spawn"), self.id, ...) end

function methods:shell(...)
  local argv = { ... }
  if #argv == 0 then argv = { os.getenv("SHELL") or "/bin/sh" } end
  return execute.interactive(program_socket(self, "shell"), self.id, argv)
end

local PING <const> = {
  count = { type = "count", default = 1, doc = "how many requests" },
  interval = { type = "duration", default = 0.2, doc = "seconds between two of them" },
  size = { type = "integer", doc = "bytes of data in each; by default 56" },
  timeout = { type = "duration", default = 2, doc = "seconds to wait for an answer" },
}

-- What ping says: counts, and round-trip times in ms.
local function ping_result(text)
  local sent, received = text:match("(%d+) packets transmitted, (%d+) received")
  if not sent then return nil end
  local result = { sent = math.tointeger(sent), received = math.tointeger(received) }
  result.loss = 1 - result.received / result.sent
  local low, mean, high, deviation = text:match("= ([%d.]+)/([%d.]+)/([%d.]+)/([%d.]+) ms")
  result.min_ms, result.rtt_ms, result.max_ms, result.mdev_ms = tonumber(low), tonumber(mean), tonumber(high),
    tonumber(deviation)
  return result
end

function methods:ping(target, given)
  local address = type(target) == "table" and target.address or target
  if type(address) ~= "string" then registry.fail("endpoint:ping: the target has no address") end
  local o = draft.checked("endpoint:ping", PING, type(given) == "table" and given or { count = given })
  local argv = { "ping", "-n", "-c", o.count, "-W", o.timeout, "-i", o.interval }
  if o.size then table.move({ "-s", o.size }, 1, 2, #argv + 1, argv) end
  argv[#argv + 1] = address
  local answer, message, code, status = execute.collecting(program_socket(self, "ping"), self.id, argv)
  local result = ping_result((answer or status or {}).stdout or "")
  if not result then   -- it says why: no route, no network, no such name
    local why = (status or {}).stderr
    return nil, ("%s: %s"):format(self.id, why and why:match("[^\n]+") or message), code
  end
  if result.received > 0 then
    result.ok = true
    return result
  end
  return nil, ("%s does not reach %s: %d of %d answers"):format(self.id, address, result.received, result.sent),
    "unreachable", result
end

function methods:capture(given)
  return capture.start("endpoint:capture", self.id, (must(lab.socket(self.node))), self.id, given)
end

function methods:update(changes)
  local state = lab.state()
  self.last_change = change.run(state, function()
    return endpoint_draft.update(state, self.network, self.name, changes)
  end)
  return self
end

function methods:operations()
  local made = rawget(self, "last_change")
  return made and draft.performed(lab.state(), made) or {}
end

function methods:plan(changes)
  return draft.plan(endpoint_draft.update(lab.state(), self.network, self.name, changes))
end

function methods:delete()
  return require("nerv.network").get(self.network):delete_endpoints { self.name }
end

-- For completion: what the archetype knows of its endpoints.
local function archetype_options(ep)
  local def = live.definition(ep.network)
  return def and def.endpoint
end
local CHANGES <const> = { name = "options", type = "table", required = true, open = true, more = archetype_options,
  text = "mac, mtu, rate, delay, loss and options of the archetype", fields = endpoint_draft.CHANGEABLE }

api.class("endpoint", "an access point to a network", methods, {
  exec = { text = "runs a program in the endpoint, its output to ours; returns {ok=true, exit=0}, or nil, message, "
    .. "code, {exit=} or {signal=}", args = execute.ARGS, example = 'h1:exec("ping", "-c1", h2.address)' },
  run = { text = "runs a program in the endpoint and collects what it writes; returns {ok=, exit=, stdout=, stderr=}, "
    .. "or nil, message, code, the same", args = execute.ARGS,
    example = 'print(h1:run("ip", "-br", "address").stdout)' },
  spawn = { text = "starts a program in the endpoint that runs on; returns it, or nil, message, code",
    args = program.ARGS,
    example = 'local p <close> = h1:spawn("ping", h2.address)\nprint(p.stdout:read_line())' },
  shell = { text = "runs a shell or another program in the endpoint, on this terminal; returns as exec",
    args = { { name = "argv", type = "rest", text = "the program and its arguments; by default $SHELL" } } },
  ping = { text = "pings; returns {ok=true, sent=, received=, loss= 0 to 1, rtt_ms= mean, min_ms=, max_ms=, mdev_ms=}, "
    .. "or nil, message, code when there is no answer",
    args = { { name = "target", type = "any", required = true, text = "an endpoint, or an address as text" },
      { name = "options", type = "any", text = "how many requests, or {count=, interval=, size=, timeout=}; by default "
        .. "1 of 56 bytes, 0.2 s apart, 2 s for an answer" } },
    example = "print(h1:ping(h2, 3).rtt_ms)\n"
      .. "print(h1:ping(h2, { count = 5, interval = \"50ms\", size = 1000 }).loss)" },
  capture = { text = "captures what passes its interface, from now on; returns a capture, or nil, message, code",
    args = capture.ARGS,
    example = 'local c <close> = h1:capture { filter = "icmp" }\nh1:ping(h2)\nprint(#c:stop().packets)' },
  update = { text = "changes options in place, its interface stays the one it is; false takes an option away that is "
    .. "no boolean; returns the endpoint", args = { CHANGES },
    example = 'h1:update { rate = "10mbit", mtu = 1400 }\nh1:update { rate = false }' },
  plan = { text = "returns what update would do, an array of {verb=, kind=, key=, owner=, node=}, without doing it",
    args = { CHANGES }, example = "for _, operation in ipairs(h1:plan { mtu = 1300 }) do print(operation.key) end" },
  operations = { text = "returns the operations that this object's last update was, as plan returns them",
    example = "print(#h1:update { mtu = 1300 }:operations())" },
  delete = { text = "deletes the endpoint; returns true", example = "h1:delete()" },
}, { name = "its name", network = "name of its network", id = "NETWORK:NAME", node = "node on which it is",
  kind = "netns, tap, veth or link", mac = "its MAC address; nil for a link that was given none",
  netns = "path of its network namespace, where it has one",
  interface = "name of its interface: in its namespace, of a tap or link on its node",
  stats = "what it has received and sent, as it sees it: rx_ and tx_ packets, bytes, dropped, errors; interface, up, "
    .. "carrier",
  state = "active, the phase of a Change that runs, or failed and why" }, archetype_options)

return M
