-- Plays many switches to an OpenFlow controller, whose packet_ins go between two of their hosts.
-- Usage: nervsh tests/bench/packet_in_load.lua SOCKET SWITCHES SECONDS     prints packet_outs a second
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local played <const> = require "played_switches"

local WINDOW <const>, HOSTS <const> = 64, 32

local function mac(switch, host) return "\2\0" .. (">I2I2"):pack(switch, host) end

-- One frame from each host to the next one.
local batches <const> = {}
local function batch(switch)
  if batches[switch] then return batches[switch] end
  local all = {}
  for i = 1, WINDOW do
    local from = i % HOSTS
    local to = (i + 1) % HOSTS
    all[i] = openflow_codec.encode("packet_in", { match = { in_port = from + 1 }, reason = "no_match", total_len = 64,
      data = mac(switch, to) .. mac(switch, from) .. "\8\0" .. ("\0"):rep(50) })
  end
  batches[switch] = table.concat(all)
  return batches[switch]
end

print(math.floor(played.rate { path = arg[1], switches = tonumber(arg[2]), seconds = tonumber(arg[3]), window = WINDOW,
  batch = batch }))
