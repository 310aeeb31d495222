--- Carries connections of switches from a Unix socket to a controller: a program of its own, run in a network
-- namespace, so that who can reach the file reaches a server there. Open vSwitch connects to controllers so. On the
-- way frames get the checksums that Open vSwitch leaves out; see bindings/openflow_finish.c. It also tells controllers,
-- which cannot reach Open vSwitch itself, when that has looked through what it remembers of flows.
local file <const> = require "nerv.file"
local looks <const> = require "nerv.openflow.looks"
local openflow_codec <const> = require "nerv.openflow_codec"
local protocol <const> = require "nerv.protocol"
local runtime <const> = require "nerv.runtime"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

-- Seconds that a client waits for a server that is just starting (Open vSwitch gives up after one); of one attempt,
-- since TCP sends a first packet again after a second only; between attempts.
local PATIENCE <const>, ATTEMPT <const>, AGAIN <const> = 0.9, 0.25, 0.02
-- Seconds before the next client is accepted when one could not be.
local PAUSE <const> = 0.1

local function reach(host, port)
  local limit = runtime.now() + PATIENCE
  local server, message
  repeat
    server, message = stream.connect { host = host, port = port, timeout = ATTEMPT }
    if not server then task.sleep(AGAIN) end
  until server or runtime.now() > limit
  return server, message
end

-- The last line of the log says how it is.
local said
local function say(text)
  if said ~= text then runtime.log(text) end
  said = text
end

local function carry(client, host, port)
  local server, message = reach(host, port)
  say(message or ("%s:%d answers"):format(host, port))
  if server then protocol.relay(client, server, openflow_codec.finish_frames) else client:close() end
end

-- -- the ends of looks --

-- The socket by which the daemon takes commands: ours has it in the directory of its other ones, the system's above.
local function command_socket(path)
  local own <const>, system <const> = path:match "^(.*)/[^/]*$", path:match "^(.*)/[^/]*/[^/]*$"
  if not file.stat(own .. "/ovs-vswitchd.ctl") then return looks.system_socket(system) end
  return own .. "/ovs-vswitchd.ctl"
end

-- Answers each line of a controller when a look has ended that began after it: the second end is of such a one.
local function tell(controller, path)
  while controller:read_line() do
    local socket <const> = command_socket(path)
    local good, why = looks.await_end(socket)
    if good then good, why = looks.await_end(socket) end
    if not controller:write((good and "done" or why) .. "\n") then break end
  end
  controller:close()
end

local function serve(listener, f, ...)
  while true do
    local client = listener:accept()
    if client then task.spawn(f, client, ...) else task.sleep(PAUSE) end
  end
end

--- Serves until it is ended.
-- @tparam string path of the Unix socket
-- @tparam string host address of the server
-- @tparam integer port
-- @tparam ?integer telling TCP port at which each line is answered by another, "done" or why it is not known, when Open
--   vSwitch has looked through what it remembers; a controller's change of flows makes it look
return function(path, host, port, telling)
  local listener = assert(stream.listen { path = path, mode = 384 })
  if telling then task.spawn(serve, assert(stream.listen { host = "0.0.0.0", port = telling }), tell, path) end
  serve(listener, carry, host, port)
end
