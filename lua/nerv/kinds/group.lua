-- A group of a bridge of Open vSwitch: buckets of actions, of which frames take all, one, or the first that is alive.
-- Buckets of a select group share alike, unless they say otherwise: by OpenFlow a bucket without weight gets nothing.
local numbered <const> = require "nerv.openflow.numbered"
local options <const> = require "nerv.options"

local function usual(items)
  if items.type ~= "select" then return items end
  local buckets <const> = {}
  for i, bucket in ipairs(items.buckets) do
    buckets[i] = options.join(bucket, { weight = bucket.weight and bucket.weight > 0 and bucket.weight or 1 })
  end
  return options.join(items, { buckets = buckets })
end

return numbered { name = "group", text = "a group of an Open vSwitch bridge: buckets of actions, for flows", rank = 92,
  late = 5, items = { "group", "type", "buckets" }, statistics = "group_desc", usual = usual }
