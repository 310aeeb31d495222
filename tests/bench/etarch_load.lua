-- Plays many switches to a DTSA, whose packet_ins are registrations, every one of another title.
-- Usage: nervsh tests/bench/etarch_load.lua SOCKET SWITCHES SECONDS     prints answers a second
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local played <const> = require "played_switches"

local WINDOW <const> = 64
-- Titles of an earlier run are known already.
local RUN <const> = digest.random(4)

local function batch(switch, sent)
  local all = {}
  for i = 1, WINDOW do
    local frame = "DTS\0\0\0\2\0" .. (">I4"):pack(switch << 20 | sent + i) .. "\8\x80"
      .. etcp.request { type = "entity_register", id = 0, body = { title = ("%s %d %d"):format(RUN, switch, sent + i) } }
    all[i] = openflow_codec.encode("packet_in", { match = { in_port = 1 }, reason = "action", total_len = #frame,
      data = frame })
  end
  return table.concat(all)
end

print(math.floor(played.rate { path = arg[1], switches = tonumber(arg[2]), seconds = tonumber(arg[3]), window = WINDOW,
  batch = batch, ports = { { port = 1, name = "port1" } } }))
