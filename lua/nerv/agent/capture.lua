--- The agent's side of the call `capture`: frames of an interface of this node go to a shell as
-- records of a pcap file, as they come.
--
-- What the shell has not taken yet waits in the connection and then in the packet socket, where
-- the kernel drops, and counts, what finds no room: nothing is gathered here.
local captures <const> = require "nerv.capture"
local json <const> = require "nerv.json"
local kinds <const> = require "nerv.kinds"
local options <const> = require "nerv.options"
local place <const> = require "nerv.agent.place"
local packet <const> = require "nerv.packet"
local protocol <const> = require "nerv.protocol"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

-- What a call holds: whoever may use the socket may send anything.
local REQUEST <const> = options.join(captures.OPTIONS, { call = { type = "string", doc = "capture" },
  owner = { type = "string", doc = "an endpoint's or network's; by default the node itself" } })

-- Frames that are taken from the socket at a time.
local BATCH <const> = 256

-- The links that an endpoint or network has here, as the engine made them.
local function links_of(agent, owner)
  local entries, needs = {}, {}
  for _, entry in pairs(agent.engine.owned[owner] or {}) do
    if entry.need.kind == "link" or entry.need.kind == "interface" then entries[#entries + 1] = entry end
  end
  table.sort(entries, function(a, b) return a.sequence < b.sequence end)
  for i, entry in ipairs(entries) do needs[i] = entry.need end
  return needs
end

-- Whether a network's frames pass Open vSwitch: that has no interface that all of them pass.
local function is_on_ovs(agent, owner)
  for _, entry in pairs(agent.engine.owned[owner] or {}) do
    if entry.need.kind == "ovs_bridge" then return true end
  end
end

-- An endpoint's interface is the one that it was given first, unless another is named; a network's
-- is its bridge.
local function interface_of(agent, request)
  if not request.owner then
    if request.interface then return request.interface end
    return nil, "an interface or an owner is wanted", "EINVAL"
  end
  local is_endpoint <const> = request.owner:find(":", 1, true)
  if is_endpoint then
    local _, message, code = place.namespace(agent, request.owner)
    if code == "ENOENT" then return nil, message, code end
  end
  if not request.interface and is_on_ovs(agent, request.owner) then
    return nil, ("%s is on Open vSwitch: capture an endpoint, or an interface that you name"):format(request.owner),
      "EINVAL"
  end
  for _, need in ipairs(links_of(agent, request.owner)) do
    local where = kinds.get(need.kind).place(need.p, agent.node)
    if request.interface == where.name or not request.interface and (is_endpoint or need.p.kind == "bridge") then
      return where.name, where.netns
    end
  end
  return nil, ("%s has no interface %s here"):format(request.owner, request.interface or "that frames pass"), "ENODEV"
end

local function open(agent, given)
  local request, problem = options.check("capture", REQUEST, given)
  problem = problem or captures.problem(request)
  if problem then return nil, problem, "EINVAL" end
  local interface, where, code = interface_of(agent, request)
  if not interface then return nil, where, code end
  local socket
  socket, where, code = packet.open { link = interface, netns = where, filter = request.filter,
    promiscuous = request.promiscuous }
  if not socket then return nil, where, code end
  return { socket = socket, interface = interface, packets = 0, bytes = 0, ends = request.seconds and
    runtime.now() + request.seconds, most = request.count or math.huge, snaplen = request.snaplen }
end

-- Sends what comes within `seconds`, `most` frames at most. True when something came.
local function pass_on(capture, connection, seconds, most)
  local records, count, code = capture.socket:records(seconds, math.min(BATCH, most), capture.snaplen)
  if not records then return nil, count, code end
  capture.packets, capture.bytes = capture.packets + count, capture.bytes + #records - 16 * count
  return connection:write_frame(protocol.STDOUT, records)
end

-- Until the capture's end, or an error. @return nothing; or message, code
local function pump(capture, connection)
  while capture.packets < capture.most do
    local left = capture.ends and capture.ends - runtime.now()
    if left and left <= 0 then return end
    local good, message, code = pass_on(capture, connection, left, capture.most - capture.packets)
    if not good and code ~= "timeout" then return message, code end
  end
end

-- What has arrived by now and is still in the socket.
local function drain(capture, connection)
  local counts = capture.socket:statistics()
  local left = math.min(counts and counts.received - counts.dropped - capture.packets or 0,
    capture.most - capture.packets)
  while left > 0 do
    local before = capture.packets
    if not pass_on(capture, connection, 0, left) then return end
    left = left - (capture.packets - before)
  end
end

local function is_stop(kind, payload)
  local message = kind == protocol.CONTROL and json.decode(payload)
  return type(message) == "table" and message.stop
end

--- @tparam table agent
-- @tparam table request owner = an endpoint's or network's, or nil; interface =, filter =, count =, seconds =,
--   snaplen =, promiscuous =
-- @return what was captured; or nil, message, code
function M.serve(agent, request, connection)
  local capture, message, code = open(agent, request)
  if not capture then return nil, message, code end
  local socket <close> = capture.socket
  protocol.send(connection, { started = true, interface = capture.interface, linktype = socket:linktype() })
  local gone, stopped = false, false
  local pumping = task.spawn(pump, capture, connection)
  local following = task.spawn(function()
    local kind, payload
    repeat kind, payload = connection:read_frame() until not kind or is_stop(kind, payload)
    gone, stopped = not kind, kind ~= nil
    pumping:cancel()
  end)
  pumping:join()
  following:cancel()
  if gone then return end
  if stopped then
    drain(capture, connection)
  else
    message, code = pumping:wait()
    if message then return nil, message, code end
  end
  local counts = socket:statistics() or { dropped = 0 }
  return { packets = capture.packets, bytes = capture.bytes, dropped = counts.dropped }
end

return M
