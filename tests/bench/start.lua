-- start_ms: how long `nervsh -e 'x=1'` takes from its start to its end.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"

local samples = {}
for i = 1, measure.rounds(200, 20) do
  local began = runtime.now()
  measure.run { argv = { process.exe(), "-e", "x=1" } }
  samples[i] = (runtime.now() - began) * 1000
end
measure.progress("%d starts", #samples)
measure.hand_over { start_ms = measure.result(samples) }
