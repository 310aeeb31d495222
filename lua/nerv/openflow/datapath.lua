--- A switch under control: what a controller does to it, and what it tells.
--
-- What its methods take is what openflow_codec.describe() says of the messages: checks, help and completion have
-- no other source.
local api <const> = require "nerv.api"
local codec <const> = require "nerv.openflow_codec"
local literal <const> = require "nerv.prompt.literal"
local options <const> = require "nerv.options"
local registry <const> = require "nerv.registry"
local suggest <const> = require "nerv.suggest"

local Datapath = { __name = "datapath" }
Datapath.__index = Datapath

local M = {}

--- What can be listened to: event -> what the function is called with.
local EVENTS <const> = {
  packet_in = "a frame: { in_port, eth_src, eth_dst, eth_type, reason, table, cookie, match, data, buffer_id }",
  port_status = "a port that came, went or changed: { reason, port }",
  flow_removed = "a flow that is gone and had the flag send_flow_rem",
  error = "what the switch has refused: { type, code, request }; barrier raises it, too",
  experimenter = "a message that OpenFlow does not define: { experimenter, exp_type, data }",
  close = "the reason why the connection has ended",
}
local EVENT_NAMES <const> = options.sorted_keys(EVENTS)

function M.new(channel, features, ports)
  local self = setmetatable({ channel = channel, id = ("%016x"):format(features.datapath_id), features = features,
    ports = {}, name = channel:info().name, handlers = {} }, Datapath)
  for _, port in ipairs(ports) do self.ports[port.port] = port end
  return self
end

function Datapath:__tostring()
  return ("datapath %s (%s)%s"):format(self.id, self.name, self.closed and " closed: " .. self.closed or "")
end

function Datapath:on(event, f)
  if not EVENTS[event] then
    registry.fail(("datapath:on: unknown event '%s'%s"):format(event, suggest(event, EVENT_NAMES,
      "; there are " .. table.concat(EVENT_NAMES, ", "))))
  end
  self.handlers[event] = f
  return self
end

local function is_cancelled(problem) return tostring(problem):find "canceled$" end

local function trace(problem) return is_cancelled(problem) and problem or debug.traceback(tostring(problem), 2) end

-- What a handler raises is told, and nobody else suffers.
local function call(self, name, handler, value)
  local good, message = xpcall(handler, trace, value)
  if good then return end
  if is_cancelled(message) then error(message, 0) end
  self.log(("openflow: switch %s: %s: %s"):format(self.id, name, message))
end

local function handle(self, event, value)
  local handler = self.handlers[event]
  if handler then call(self, event, handler, value) end
end

local function port_changed(self, event)
  local port = event.port
  self.ports[port.port] = event.reason ~= "delete" and port or nil
end

--- Calls `on_switch`, then takes the switch's events until it is gone; returns why.
function M.run(self, on_switch, log)
  local channel <const> = self.channel
  self.log = log
  call(self, "on_switch", on_switch, self)
  while true do
    local event, reason = channel:take()
    if not event then
      self.closed = reason
      handle(self, "close", reason)
      return reason
    end
    local name = event.message
    if name == "port_status" then port_changed(self, event) end
    handle(self, name, event)
  end
end

for method, message in pairs { flow = "flow_mod", group = "group_mod", meter = "meter_mod", port = "port_mod",
    packet_out = "packet_out", config = "set_config", async = "set_async", experimenter = "experimenter" } do
  Datapath[method] = function(self, items) return self.channel:send(message, items) end
end

local function refusal(e)
  local request = e.request or {}
  local name = request.message or "a message"
  request.message, request.xid = nil, nil
  return ("%s: %s/%s: %s"):format(name, e.type, e.code, literal.inline(request, 2000) or "")
end

function Datapath:barrier(timeout)
  local reply, errors, code = self.channel:call("barrier_request", nil, timeout)
  if not reply then return nil, errors, code end
  if #errors == 0 then return true end
  local texts = {}
  for i, e in ipairs(errors) do texts[i] = refusal(e) end
  registry.fail(("the switch %s refuses %s"):format(self.id, table.concat(texts, "; ")))
end

function Datapath:stats(kind, which, timeout)
  local request = options.join(which or {}, { stats = kind })
  local reply, message, code = self.channel:call("multipart_request", request, timeout)
  if not reply then return nil, message, code end
  return reply
end

function Datapath:role(role, generation)
  local reply, message, code = self.channel:call("role_request", { role = role, generation = generation })
  if not reply then return nil, message, code end
  return { role = reply.role, generation = reply.generation }
end

function Datapath:settings()
  local reply, message, code = self.channel:call("get_config_request")
  if not reply then return nil, message, code end
  return { fragments = reply.fragments, miss_send_len = reply.miss_send_len }
end

function Datapath:info() return self.channel:info() end

function Datapath:close(reason) self.channel:close(reason) end

-- Descriptions, out of the codec's.

local messages <const>, statistics <const> = codec.describe().messages, codec.describe().statistics
local STATISTICS <const> = options.sorted_keys(statistics)

local match_fields <const> = {}
for name, field in pairs(codec.fields()) do match_fields[name] = { type = "any", text = field.text } end

-- What help would only repeat - fields, actions, flags - is for completion alone.
local function fields_of(items)
  local fields = {}
  for _, item in ipairs(items) do
    local field = { type = item.type, doc = item.text, required = item.required or nil,
      names = item.names and function() return item.names end }
    local inner = item.is_match and match_fields or item.items and fields_of(item.items)
    if item.is_list then field.fields = inner elseif inner then field.more = function() return inner end end
    fields[item.name] = field
  end
  return fields
end

local function described(message, text, example)
  return { text = text, example = example, args = { { name = "options", type = "table", required = true, open = true,
    text = messages[message].text, fields = fields_of(messages[message].items) } } }
end

local TIMEOUT <const> = { name = "timeout", type = "seconds", text = "longest time to wait; by default 10" }

local function join_requests()
  local all = {}
  for _, s in pairs(statistics) do
    for name, field in pairs(fields_of(s.request)) do
      field.required = nil
      all[name] = field
    end
  end
  return all
end

--- How examples begin: a switch that answers as far as they need it.
local EXAMPLE <const> = "local c <close> = assert(openflow.listen { port = 0, on_switch = function(dp)\n"

local function on_switch(code) return EXAMPLE .. "  " .. code .. "\nend })" end

api.class("datapath", "a switch that an OpenFlow controller has", Datapath, {
  on = { text = "says what is called when the switch tells something, one function for each event; returns the switch",
    example = on_switch 'dp:on("packet_in", function(p) print(p.in_port, p.eth_src, p.eth_dst) end)',
    args = { { name = "event", type = "string", required = true, names = function() return EVENT_NAMES end,
        text = table.concat(EVENT_NAMES, ", ") },
      { name = "function", type = "function", text = "called with a table, or the reason of `close`; it may wait" } } },
  flow = described("flow_mod", "adds, changes or deletes flows; returns true, or nil, message, code",
    on_switch 'dp:flow { match = { in_port = 1, eth_type = "0x0880" }, priority = 5, actions = { { output = 2 } } }'),
  group = described("group_mod", "adds, changes or deletes a group; returns true, or nil, message, code",
    on_switch 'dp:group { group = 1, type = "all", buckets = { { actions = { { output = 1 } } } } }'),
  meter = described("meter_mod", "adds, changes or deletes a meter; returns true, or nil, message, code",
    on_switch 'dp:meter { meter = 1, flags = { kbps = true }, bands = { { drop = 1000 } } }'),
  port = described("port_mod", "changes a port; returns true, or nil, message, code",
    on_switch 'dp:port { port = 1, mac = dp.ports[1].mac, mask = { port_down = true } }  -- up'),
  packet_out = described("packet_out", "sends a frame out of the switch; returns true, or nil, message, code",
    on_switch 'dp:packet_out { data = ("\\0"):rep(60), actions = { { output = "flood" } } }'),
  config = described("set_config", "changes the switch's settings; returns true, or nil, message, code",
    on_switch 'dp:config { miss_send_len = 128 }'),
  async = described("set_async", "changes what the switch tells by itself; returns true, or nil, message, code",
    on_switch 'dp:async { packet_in = { action = true } }'),
  experimenter = described("experimenter",
    "sends a message that OpenFlow does not define; returns true, or nil, message, code",
    on_switch 'dp:experimenter { experimenter = 0x2320, exp_type = 1, data = "bytes" }'),
  barrier = { text = "waits until the switch has done all before; raises what it has refused since the last barrier, "
      .. "with the request; returns true, or nil, message, code", args = { TIMEOUT },
    example = on_switch "dp:flow { actions = { { output = 1 } } }\n  dp:barrier()" },
  stats = { text = "asks for statistics; returns a list, or a table where there is one thing to tell; or nil, message, "
      .. "code",
    example = on_switch 'for _, f in ipairs(dp:stats("flow", { table = 0 })) do print(f.priority, f.packets) end',
    args = { { name = "kind", type = "string", required = true, names = function() return STATISTICS end,
        text = table.concat(STATISTICS, ", ") },
      { name = "options", type = "table", open = true, fields = join_requests(), text = "of what; by default of all" },
      TIMEOUT } },
  role = { text = "asks for a role; returns { role =, generation = }, or nil, message, code",
    example = on_switch 'print(dp:role("master", 1))',
    args = { { name = "role", type = "choice", choices = { "nochange", "equal", "master", "slave" }, required = true,
        text = "with several controllers only the master and equal ones change anything" },
      { name = "generation", type = "integer", text = "number of the election: a switch refuses older ones" } } },
  settings = { text = "returns the switch's settings, { fragments =, miss_send_len = }; or nil, message, code",
    example = on_switch "print(dp:settings().miss_send_len)" },
  info = { text = "returns counters of the connection, { received, sent, dropped, queued_bytes, unsent_bytes, name }",
    example = on_switch "print(dp:info().received)" },
  close = { text = "ends the connection; the switch may come again",
    args = { { name = "reason", type = "string", text = "for who waits for the switch" } },
    example = on_switch "dp:close()" },
}, { id = "number of the switch, 16 hexadecimal digits", name = "where it is connected from",
  ports = "its ports, number -> { port, name, mac, state ... }, as they are now",
  features = "what it can do", closed = "why the connection has ended; nil while it is there" })

return M
