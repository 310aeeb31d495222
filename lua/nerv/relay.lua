--- Carries connections of switches from a Unix socket to a controller: a program of its own, run in a network
-- namespace, so that who can reach the file reaches a server there. Open vSwitch connects to controllers so. On the
-- way frames get the checksums that Open vSwitch leaves out; see bindings/openflow_finish.c.
local openflow_codec <const> = require "nerv.openflow_codec"
local protocol <const> = require "nerv.protocol"
local runtime <const> = require "nerv.runtime"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

-- Seconds that the first client waits for a server that is just starting, and later ones; between two attempts.
local START <const>, PATIENCE <const>, AGAIN <const> = 3, 0.9, 0.02
-- Seconds before the next client is accepted when one could not be.
local PAUSE <const> = 0.1

local function reach(host, port, seconds)
  local limit = runtime.now() + seconds
  local server
  repeat
    server = stream.connect { host = host, port = port, timeout = PATIENCE }
    if not server then task.sleep(AGAIN) end
  until server or runtime.now() > limit
  return server
end

local function carry(client, host, port)
  local server = reach(host, port, PATIENCE)
  if server then protocol.relay(client, server, openflow_codec.finish_frames) else client:close() end
end

--- Serves until it is ended; from when the server answers, or has not for some seconds.
-- @tparam string path of the Unix socket
-- @tparam string host address of the server
-- @tparam integer port
return function(path, host, port)
  local first = reach(host, port, START)
  if first then first:close() end
  local listener = assert(stream.listen { path = path, mode = 384 })
  while true do
    local client = listener:accept()
    if client then task.spawn(carry, client, host, port) else task.sleep(PAUSE) end
  end
end
