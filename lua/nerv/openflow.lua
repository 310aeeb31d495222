--- OpenFlow 1.3, the controller's side: switches connect, handlers are called with what they tell.
--
-- @usage local c = openflow.listen{ path = "/run/controller", on_switch = function(dp)
--          dp:on("packet_in", function(p) print(p.in_port, p.eth_src) end)
--          dp:flow{ priority = 0, actions = { { output = "controller" } } }
--        end }
--        c:wait()
local api <const> = require "nerv.api"
local codec <const> = require "nerv.openflow_codec"
local datapath <const> = require "nerv.openflow.datapath"
local registry <const> = require "nerv.registry"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"
local tools <const> = require "nerv.tools"

local M = {}

local VERSION <const> = 4          -- OpenFlow 1.3
local HANDSHAKE_LIMIT <const> = 10 -- seconds from the connection to the switch's features

local Controller = { __name = "controller" }
Controller.__index = Controller

function Controller:__tostring()
  return ("controller on %s%s"):format(self.where, self.listener and "" or " (closed)")
end

local function speaks(hello)
  if hello.message ~= "hello" then return nil, "it begins with " .. hello.message .. ", not with hello" end
  for _, version in ipairs(hello.versions or {}) do
    if version == VERSION then return true end
  end
  if not hello.versions and hello.version >= VERSION then return true end
  return nil, "it does not speak OpenFlow 1.3"
end

-- Hello, features, ports: returns a datapath, or nil and why there is none.
local function shake_hands(channel)
  local name <const> = channel:info().name
  channel:send("hello", { versions = { VERSION } })
  local hello, message = channel:take()
  if not hello then return nil, message end
  local good, problem = speaks(hello)
  if not good then
    channel:send("error", { type = "hello_failed", code = "incompatible", data = "OpenFlow 1.3 is expected" })
    return nil, name .. ": " .. problem
  end
  local features, ports
  features, message = channel:call("features_request", nil, HANDSHAKE_LIMIT)
  if not features then return nil, message end
  ports, message = channel:call("multipart_request", { stats = "port_desc" }, HANDSHAKE_LIMIT)
  if not ports then return nil, message end
  channel:send("set_config", { miss_send_len = "whole" })
  return datapath.new(channel, features, ports)
end

-- One switch, from its connection to its end.
local function serve(self, connection)
  local channel <close> = codec.channel(connection)
  self.channels[channel] = true
  channel:queue(self.queue)
  local dp, message, code = tools.timeout(HANDSHAKE_LIMIT, shake_hands, channel)
  if code == "timeout" then message = channel:info().name .. ": " .. message end
  if dp then
    channel:keepalive(self.keepalive)
    if dp.features.auxiliary_id == 0 then
      local former = self.switches[dp.id]
      if former then former:close "the switch has connected again" end
      self.switches[dp.id] = dp
    end
    datapath.run(dp, self.on_switch, self.log)
    if self.switches[dp.id] == dp then self.switches[dp.id] = nil end
  elseif not self.closed then
    self.log(("openflow: %s"):format(message))
  end
  self.channels[channel] = nil
end

local function secured(self, connection)
  if not self.tls then return connection end
  local files = { server = true }
  for k, v in pairs(self.tls) do files[k] = v end
  return tools.timeout(HANDSHAKE_LIMIT, connection.secure, connection, files)
end

local function accept_all(self)
  while self.listener do
    local connection, message, code = self.listener:accept()
    if connection then
      task.spawn(function()
        local secure, problem = secured(self, connection)
        if secure then return serve(self, secure) end
        self.log("openflow: " .. problem)
      end)
    elseif code == "closed" then
      return
    else
      self.log("openflow: " .. message)
      tools.sleep(0.1)
    end
  end
end

local function to_stderr(text) io.stderr:write(text, "\n") end

local function one_place(what, options)
  if (options.path == nil) == (options.port == nil) then registry.fail(what .. ": give either path or port") end
end

function M.listen(options)
  one_place("openflow.listen", options)
  local listener, message, code = stream.listen { path = options.path, mode = options.path and options.mode,
    group = options.path and options.group, host = options.port and options.address, port = options.port }
  if not listener then return nil, message, code end
  local self = setmetatable({ listener = listener, where = options.path or ("%s:%d"):format(options.address,
    listener:port()), on_switch = options.on_switch, keepalive = options.keepalive, queue = options.queue,
    tls = options.tls, log = options.log or to_stderr, switches = {}, channels = {} }, Controller)
  self.task = task.spawn(accept_all, self)
  return self
end

function M.connect(options)
  one_place("openflow.connect", options)
  local connection, message, code = stream.connect { path = options.path, host = options.port and options.address,
    port = options.port, timeout = HANDSHAKE_LIMIT }
  if not connection then return nil, message, code end
  local self = setmetatable({ where = options.path or ("%s:%d"):format(options.address, options.port),
    on_switch = options.on_switch, keepalive = options.keepalive, queue = options.queue,
    log = options.log or to_stderr, switches = {}, channels = {} }, Controller)
  self.task = task.spawn(serve, self, connection)
  return self
end

function Controller:wait()
  self.task:join()
end

function Controller:port() return self.listener and self.listener:port() end

function Controller:close()
  local listener <const> = self.listener
  self.listener, self.closed = nil, true
  if listener then listener:close() end
  for channel in pairs(self.channels) do channel:close() end
end

Controller.__close = Controller.close

local COMMON <const> = {
  path = { type = "file", doc = "of a Unix socket" },
  address = { type = "address", default = "127.0.0.1", doc = "numeric IP address; by default 127.0.0.1" },
  port = { type = "integer", doc = "TCP port; 6653 is OpenFlow's" },
  on_switch = { type = "function", required = true, doc = "called with each switch that is ready; it may wait" },
  keepalive = { type = "seconds", default = 5,
    doc = "a switch is asked after such a silence whether it is there, and given up after as long again; 0: never" },
  log = { type = "function", doc = "called with a line when a connection fails or a handler raises; by default it goes "
    .. "to standard error" },
  queue = { type = "integer", default = 512 * 1024,
    doc = "bytes of a switch's messages that may wait for handlers before it is held back" },
}

local LISTEN <const> = require("nerv.options").join(COMMON, {
  mode = { type = "integer", doc = "permissions of the path; by default 0660 octal" },
  group = { type = "user", doc = "group of the path" },
  tls = { type = "table", doc = "{ ca =, certificate =, key = }: files; switches connect with TLS" },
})

local EXAMPLE <const> =
  "local c <close> = assert(openflow.listen { port = 0, on_switch = function(dp) print(dp) end })\n"

api.class("controller", "listens to OpenFlow switches", Controller, {
  wait = { text = "waits until it is closed, or until the switch that it has connected to is gone",
    example = EXAMPLE .. "spawn(function() c:close() end)\nc:wait()" },
  port = { text = "returns the TCP port that it listens on", example = EXAMPLE .. "print(c:port())" },
  close = { text = "listens no more and ends the connections of its switches", example = EXAMPLE .. "c:close()" },
}, { switches = "those that are connected, by id", where = "where it listens" })

return api.module("openflow", "OpenFlow 1.3: switches under control", M, {
  listen = { text = "listens to switches; returns a controller, or nil, message, code", example = EXAMPLE .. "print(c)",
    args = { { name = "options", type = "table", required = true, text = "where, and what to do", fields = LISTEN } } },
  connect = { text = "connects to a switch that listens itself; returns a controller, or nil, message, code",
    example = "print(openflow.connect { port = 1, on_switch = print })  -- nobody is there",
    args = { { name = "options", type = "table", required = true, text = "where, and what to do", fields = COMMON } } },
})
