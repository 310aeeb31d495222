-- The main job, as `make demo` runs it, but with short measurements: see scripts/two-nodes.lua.
local tap = require "tap"

local result = process.run { argv = { process.exe(), "scripts/two-nodes.lua", "1" } }
tap.eq(result.exit, 0, "scripts/two-nodes.lua ends with status 0")
tap.like(result.stdout, "two%-nodes: ok\n$", "its last line says ok")
tap.like(result.stdout, "blue:h1 reaches blue:h2 across nodes", "blue reaches blue")
tap.like(result.stdout, "40 flooded frames 40 came to blue:h2 and 0 to the %d+ ports of red", "and never red")
tap.like(result.stdout, "TCP Mbit/s +93.9 +40.1 +%d+%.%d +%d+%.%d", "the paper's table stands beside ours")
tap.eq(result.stderr, "", "nothing is complained about")
tap.done()
