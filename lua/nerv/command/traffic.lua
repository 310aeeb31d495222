--- Measurements between endpoints: who reaches whom, and how fast.
local attachment <const> = require "nerv.attachment"
local inspect <const> = require "nerv.command.inspect"
local json <const> = require "nerv.json"
local progress <const> = require "nerv.progress"
local task <const> = require "nerv.task"
local runtime <const> = require "nerv.runtime"

local M = {}

-- How many pings run at a time.
local AT_ONCE <const> = 16

-- Calls f with each of a list, some at a time. Cancelled with its caller.
local function each(list, f)
  local at, workers = 0, setmetatable({}, { __close = function(self)
    for _, worker in ipairs(self) do worker:cancel() end
  end })
  local all <close> = workers
  local function work()
    while at < #list do
      at = at + 1
      f(list[at])
    end
  end
  for i = 1, math.min(AT_ONCE, #list) do all[i] = task.spawn(work) end
  for i = 1, #all do all[i]:wait() end
end

-- Why nobody pings an endpoint, or nil.
local function unreachable(e)
  if not inspect.address(e) then return ("%s has no address"):format(e.id) end
  if not attachment.has_namespace(e.kind) then return ("%s is a %s"):format(e.id, e.kind) end
end

--- The endpoints of networks that have an address and run programs.
-- @tparam table networks array
-- @return array of { network, endpoints }, array of texts: what the others lack
function M.reachable(networks)
  local groups, skipped = {}, {}
  for _, net in ipairs(networks) do
    local group = {}
    for _, e in ipairs(net:endpoints()) do
      local why = unreachable(e)
      table.insert(why and skipped or group, why or e)
    end
    groups[#groups + 1] = { network = net.name, endpoints = group }
  end
  return groups, skipped
end

--- Two endpoints that one would measure between: the first two with addresses of the first network that has two.
-- @return two endpoints, or nil and a message
function M.first_two()
  for _, group in ipairs((M.reachable(require("nerv.network").list()))) do
    if #group.endpoints >= 2 then return group.endpoints[1], group.endpoints[2] end
  end
  return nil, "no network has two endpoints with addresses"
end

--- What a ping's record holds, in this order.
M.PING = { "source", "target", "address", "ok", "rtt_ms", "error" }

--- Pings between pairs.
-- @tparam table pairs array of { from endpoint, to endpoint }
-- @tparam[opt=1] integer count requests for each
-- @return array of { source, target, address, ok, rtt_ms, error }, in the pairs' order; how many failed
function M.ping(list, count)
  local records, work, answered, failed = {}, {}, 0, 0
  for i, pair in ipairs(list) do work[i] = { i, pair[1], pair[2] } end
  local _ <close> = progress.start(function()
    return ("ping: %d of %d pairs, %d without answer"):format(answered + failed, #list, failed)
  end)
  each(work, function(one)
    local from, to <const> = one[2], one[3]
    local address = inspect.address(to)
    local answer, message = from:ping(address, count)
    records[one[1]] = { source = from.id, target = to.id, address = address, ok = answer ~= nil,
      rtt_ms = answer and answer.rtt_ms, error = not answer and message or nil }
    if answer then answered = answered + 1 else failed = failed + 1 end
  end)
  return records, failed
end

-- Seconds in which the server must answer.
local SERVER_LIMIT <const> = 5

local function run_iperf(e, words)
  local result, message, code, status = e:run("iperf3", table.unpack(words))
  local report = json.decode((result or status or {}).stdout or "") or {}
  if result and not report.error then return report end
  if code == "ENOENT" then
    return nil, ("iperf3 is not installed on node %s (Debian: apt-get install iperf3)"):format(e.node or e.name), code
  end
  return nil, ("%s: %s"):format(e.id or e.name, report.error or message), code
end

-- The server serves one test and ends. It listens a moment after it was started; who comes before is refused.
local function measure(from, to, port, words)
  local problem
  local server <close> = task.spawn(function()
    local report, message = run_iperf(to, { "-s", "-1", "-J", "-p", port })
    problem = not report and message or nil
  end)
  local limit = runtime.now() + SERVER_LIMIT
  while true do
    local report, message, code = run_iperf(from, words)
    if report then
      server:join(SERVER_LIMIT)
      return report
    end
    if problem then return nil, problem end
    if code == "ENOENT" or not message:find("refused", 1, true) or runtime.now() > limit then return nil, message end
    task.sleep(0.02)
  end
end

--- One run of iperf3.
-- @param from,to who sends and who receives: endpoints or nodes
-- @tparam string address of the receiver
-- @tparam table o { udp =, rate = bits/s, length = bytes of a datagram, seconds =, reverse = the other way round,
-- port = }
-- @return what iperf3 says of the whole run, as "end" in its report; or nil and a message
function M.run_iperf(from, to, address, o)
  local words = { "-c", address, "-J", "-t", o.seconds, "-p", o.port, "--connect-timeout", SERVER_LIMIT * 1000 }
  local function add(...) table.move({ ... }, 1, select("#", ...), #words + 1, words) end
  if o.udp then add "-u" end
  if o.reverse then add "-R" end
  if o.rate then add("-b", ("%d"):format(o.rate)) end
  if o.length then add("-l", o.length) end
  local report, message = measure(from, to, o.port, words)
  return report and report["end"], message
end

--- What an iperf's record holds, in this order.
M.IPERF = { "source", "target", "protocol", "seconds", "sent_bits_s", "received_bits_s", "retransmits", "jitter_ms",
  "lost_percent" }

local function whole(number) return number and math.floor(number + 0.5) end

--- Throughput by iperf3, of what the sender sends and the receiver gets.
-- @tparam table o { udp =, rate = bits/s, seconds =, reverse = the other way round, port = }
-- @return { source, target, protocol, seconds, sent_bits_s, received_bits_s, and retransmits or jitter_ms and
-- lost_percent }; or nil and a message
function M.iperf(from, to, o)
  if not inspect.address(to) then return nil, ("endpoint %s has no address"):format(to.id) end
  local sum, message = M.run_iperf(from, to, inspect.address(to), o)
  if not sum then return nil, message end
  local sent, received = sum.sum_sent or sum.sum, sum.sum_received or sum.sum
  local source, target = from.id, to.id
  if o.reverse then source, target = target, source end
  return { source = source, target = target, protocol = o.udp and "udp" or "tcp", seconds = sent.seconds,
    sent_bits_s = whole(sent.bits_per_second), received_bits_s = whole(received.bits_per_second),
    retransmits = sent.retransmits, jitter_ms = o.udp and sum.sum.jitter_ms or nil,
    lost_percent = o.udp and sum.sum.lost_percent or nil }
end

return M
