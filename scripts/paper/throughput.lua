--- Section 5: how fast TCP and UDP are between two places, by iperf3.
local traffic <const> = require "nerv.command.traffic"

local M = {}

local PORT <const> = 5201
-- What the paper offered: 476190 datagrams in 60 s, its 668 MB (of 2^20 bytes), are 93.3 Mbit/s in datagrams of 1470
-- bytes; with their headers of 42 bytes and a VLAN tag 96 Mbit/s on the wire.
local UDP_LENGTH <const>, UDP_RATE <const> = 1470, 93.3e6

local function run(from, to, address, more)
  more.port = PORT
  return expect(traffic.run_iperf(from, to, address, more))
end

--- What the table of results has of a run of TCP.
-- @tparam table from,to endpoints or nodes
-- @tparam string address of the receiver
function M.tcp(from, to, address, seconds)
  local report <const> = run(from, to, address, { seconds = seconds })
  return { bits_per_second = report.sum_received.bits_per_second, seconds = report.sum_received.seconds,
    retransmits = report.sum_sent.retransmits }
end

--- The same of UDP; bits per second and bytes are those that arrived.
function M.udp(from, to, address, seconds)
  local sum <const> = run(from, to, address,
    { seconds = seconds, udp = true, rate = UDP_RATE, length = UDP_LENGTH }).sum
  local bytes <const> = (sum.packets - sum.lost_packets) * UDP_LENGTH
  return { bits_per_second = bytes * 8 / sum.seconds, seconds = sum.seconds, datagrams = sum.packets,
    lost = sum.lost_packets, jitter_ms = sum.jitter_ms, bytes = bytes }
end

return M
