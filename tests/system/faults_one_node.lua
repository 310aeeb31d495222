-- Rounds of faults on one node: kills and stops of agent, switch, database, services and calling shell
-- while networks change. See support/faults.lua.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local faults <const> = require "support.faults"

local ROUNDS <const> = math.min(25 * tonumber(os.getenv "NERV_ROUNDS" or "1"), 200)

-- A port to the outside, so that the node runs a switch.
assert(link.add { kind = "veth", name = "up0", peer = { name = "up1" } })
node.here():update { egress = { up0 = "shared" } }
faults.run(faults.place(), ROUNDS)

local anatomy <const> = crash.anatomy()
lab.leave()
crash.all_gone(anatomy, 5, "nothing is left")
assert(link.delete { name = "up0" })
tap.done()
