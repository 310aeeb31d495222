#!/usr/bin/env nervsh
-- A learning switch: the OpenFlow controller that NERV's networks have by default.
--
-- Usage: nervsh scripts/learning-switch.lua PATH | [ADDRESS:]PORT     where switches connect to

local protocol <const> = require "nerv.protocol"
local FORGET <const> = 300      -- seconds without a frame
local MOST <const> = 65536      -- addresses that are known; with more all are learned anew
-- As cookie_mask: only flows with its own cookie, 0. With one bit more Open vSwitch looks at its internal flows, too.
local OWN <const> = math.maxinteger

local function is_group(mac) return tonumber(mac:sub(2, 2), 16) % 2 == 1 end

local function learn(dp)
  local place, known = {}, 0    -- address -> port
  dp:on("packet_in", function(p)
    if not p.eth_src then return end          -- too short for a frame
    if place[p.eth_src] ~= p.in_port and not is_group(p.eth_src) then     -- new, or it has moved
      dp:flow { command = "delete", match = { eth_dst = p.eth_src }, cookie_mask = OWN }
      if known == MOST then place, known = {}, 0 end
      place[p.eth_src], known = p.in_port, known + 1
    end
    local to = not is_group(p.eth_dst) and place[p.eth_dst] or "flood"
    if to ~= "flood" and to ~= p.in_port then
      dp:flow { match = { in_port = p.in_port, eth_src = p.eth_src, eth_dst = p.eth_dst }, priority = 1,
        idle_timeout = FORGET, actions = { { output = to } } }
    end
    dp:packet_out { in_port = p.in_port, data = p.data, actions = { { output = to } } }
  end)
  dp:on("port_status", function(e)
    if e.reason == "modify" and not e.port.state.link_down then return end
    for mac, port in pairs(place) do
      if port == e.port.port then place[mac] = nil end
    end
    dp:flow { command = "delete", out_port = e.port.port, cookie_mask = OWN }
  end)
  dp:on("error", function(e) io.stderr:write(("switch %s: %s/%s\n"):format(dp.id, e.type, e.code)) end)
  dp:flow { command = "delete", table = "all", cookie_mask = OWN }
  dp:flow { priority = 0, actions = { { output = "controller" } } }
end

local where <const> = arg[1] or "6653"
local options <const> = { on_switch = learn }
if where:find("/", 1, true) then options.path = where
else options.address, options.port = protocol.host_port(where:find(":") and where or "127.0.0.1:" .. where) end
expect(openflow.listen(options)):wait()
