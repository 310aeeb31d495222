-- loop_stall_ms: the longest pause of a task that wants to run every millisecond, in the shell or in the agent, while
-- the shell makes a thousand endpoints in one call, and deletes them in another.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local protocol <const> = require "nerv.protocol"
local pulse <const> = require "nerv.pulse"

local COUNT <const> = measure.rounds(1000, 100)
local ROUNDS <const> = measure.rounds(9, 2)

local specs <const>, names <const> = {}, {}
for i = 1, COUNT do
  names[i] = "e" .. i
  specs[i] = { name = names[i] }
end
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.64.0.0/16" }
local socket <const> = lab.connection().socket

-- The longest pauses of both while `f` runs, in milliseconds.
local function pauses(f)
  local agent <close> = expect(stream.connect { path = socket })
  expect(protocol.send(agent, { call = "pauses" }))
  expect(protocol.receive(agent))
  local ours = pulse.start()
  f()
  local shell = ours:stop() * 1000
  expect(protocol.send(agent, { ends = true }))
  return shell, expect(protocol.receive(agent)).longest * 1000
end

local samples <const>, shells <const>, agents <const> = {}, {}, {}
for i = 1, ROUNDS do
  local create_shell, create_agent = pauses(function() net:endpoint(specs) end)
  local delete_shell, delete_agent = pauses(function() net:delete_endpoints(names) end)
  shells[i], agents[i] = math.max(create_shell, delete_shell), math.max(create_agent, delete_agent)
  samples[i] = math.max(shells[i], agents[i])
  measure.progress("pauses, round %d of %d: create shell %.1f ms agent %.1f ms, delete shell %.1f ms agent %.1f ms", i,
    ROUNDS, create_shell, create_agent, delete_shell, delete_agent)
end
net:delete()
measure.hand_over { loop_stall_ms = measure.result(samples, ("shell %.1f ms, agent %.1f ms"):format(
  measure.median(shells), measure.median(agents))) }
