-- A meter of a bridge of Open vSwitch: the rate of the frames of flows that go through it. It counts kbit/s unless its
-- flags say packets; without the flag `burst` the switch chooses how much may come at once.
local numbered <const> = require "nerv.openflow.numbered"
local options <const> = require "nerv.options"

local function usual(items)
  local flags <const>, bands <const> = options.join(items.flags or {}), {}
  if not flags.pktps then flags.kbps = true end
  for i, band in ipairs(items.bands or {}) do
    bands[i] = options.join(band)
    if not flags.burst then bands[i].burst = nil end
  end
  return { meter = items.meter, flags = flags, bands = bands }
end

return numbered { name = "meter", text = "a meter of an Open vSwitch bridge: a rate, for flows", rank = 91, late = 4,
  items = { "meter", "flags", "bands" }, statistics = "meter_config", usual = usual }
