-- Tells the network where a MAC address is now: when what a network has once moves to another node, bridges and
-- switches in between would go on sending to the former one until they forget it, after minutes.
local announcements <const> = require "nerv.announce"
local link_kind <const> = require "nerv.kinds.link"
local packet <const> = require "nerv.packet"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

-- Seconds for which it is told: the one before goes some time later, and speaks until then.
local DURATION <const> = 20
-- Each pause is the least one or this share of the time so far, so that what is lost lasts a fraction of the change.
local LEAST <const>, SHARE <const> = 0.02, 0.1

local function announce(place, mac)
  local socket <close> = packet.open { netns = place.netns, link = place.name, protocol = 1 }
  if not socket then return end   -- it went at once
  local began, bytes = runtime.now(), announcements.place_frame(mac)
  while runtime.now() - began < DURATION and socket:send(bytes) do
    task.sleep(math.max(LEAST, SHARE * (runtime.now() - began)))
  end
end

return {
  name = "announcement", text = "tells the network where a MAC address is now", class = "call", rank = 65,
  properties = {
    link = { need = { "link", "interface" }, doc = "whose MAC address it is", required = true },
    mac = { type = "mac", doc = "the address", required = true },
  },
  key = function(p) return rawget(p.link, "key") end,
  container = function(p) return p.link end,
  create = function(list, node)
    for _, action in ipairs(list) do
      local p = action.need.p
      task.spawn(announce, link_kind.place(p.link.p, node), p.mac)
    end
    return true
  end,
  change = function() return true end,
  remove = function() return true end,
  -- What has been told stays told while the link lives.
  read = function(p, snapshot, node)
    local place = link_kind.place(p.link.p, node)
    return snapshot:link(place.netns, place.name) and p or nil
  end,
}
