-- Rounds of faults on three nodes: kills and stops of agents, the driver of Changes, switches, database,
-- services and calling shell while networks change. See support/faults.lua.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local faults <const> = require "support.faults"

local ROUNDS <const> = math.min(25 * tonumber(os.getenv "NERV_ROUNDS" or "1"), 200)

local bed <const> = testbed.create { nodes = 3 }
faults.run(faults.place(bed), ROUNDS)

local anatomy <const> = crash.anatomy()
bed:delete()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
tap.done()
