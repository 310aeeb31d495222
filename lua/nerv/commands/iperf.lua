-- `iperf`: throughput between two endpoints.
local traffic <const> = require "nerv.command.traffic"

local function speed(bits)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if bits >= unit[1] then return ("%.3g %sbit/s"):format(bits / unit[1], unit[2]) end
  end
  return ("%d bit/s"):format(bits)
end

return {
  name = "iperf", text = "measure the throughput from one endpoint to another by iperf3",
  args = { { name = "a", type = "endpoint", text = "who sends; by default the first of the first network" },
    { name = "b", type = "endpoint", text = "who receives; by default the second" } },
  options = {
    udp = { type = "boolean", short = "u", doc = "UDP instead of TCP" },
    rate = { type = "rate", short = "b", doc = "bits per second to send; by default what TCP can, UDP 1 Mbit/s" },
    seconds = { type = "count", default = 5, short = "t", doc = "how long" },
    reverse = { type = "boolean", short = "R", doc = "the other way round: B sends" },
    port = { type = "integer", default = 5201, short = "p", doc = "port of the server in B" },
  },
  columns = traffic.IPERF,
  render = function(records)
    local r = records[1]
    local more = r.retransmits and (", %d retransmits"):format(r.retransmits) or r.lost_percent
      and (", %.3g%% lost, jitter %.3g ms"):format(r.lost_percent, r.jitter_ms) or ""
    return ("%s -> %s  %s in %.3g s: %s received, %s sent%s\n"):format(r.source, r.target, r.protocol:upper(),
      r.seconds, speed(r.received_bits_s), speed(r.sent_bits_s), more)
  end,
  example = "iperf h1 h2 --seconds 1 -f json",
  run = function(a)
    if a.a and not a.b then return nil, "two endpoints are expected, or none" end
    local one, other = a.a, a.b
    if not one then one, other = traffic.first_two() end
    if not one then return nil, other end
    local record, message = traffic.iperf(one, other, a)
    if not record then return nil, message end
    return { record }
  end,
}
