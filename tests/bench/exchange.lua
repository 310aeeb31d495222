-- exchange_lost: echo frames that are lost, of 1000 a second between two nodes, while a network goes ip -> sdn -> etarch
-- -> ip. Nothing but messages of workspaces passes an etarch network: to it and from it these are sent, and what is lost
-- on the way to it includes that both ends register and enter the workspace.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local lost_during <const> = require "echo"

local ROUNDS <const> = measure.rounds(10, 2)
local STEPS <const> = { "sdn", "etarch", "ip" }
-- An end asks so often until there is a DTSA.
local ASK <const> = { timeout = 0.02, tries = 1000 }

local bed <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local eps <const> = net:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" } }

local function register(i, title)
  return expect(entity.register { title = title, netns = eps[i].netns, timeout = ASK.timeout, tries = ASK.tries })
end

-- Both ends in a workspace, as soon as there is somebody to ask.
local function enter(round, room)
  local other <const> = spawn(function() return register(2, "b" .. round) end)
  local a <close> = register(1, "a" .. round)
  expect(a:create(room))
  local b <close> = other:wait()
  expect(b:attach(room))
end

local function step(round, archetype)
  local room <const> = "room " .. round
  return lost_during(eps[1], eps[2], function()
    local entered <const> = archetype == "etarch" and spawn(enter, round, room)
    net:update { archetype = archetype }
    if entered then entered:wait() end
  end, archetype ~= "sdn" and etcp.label(room) or nil)
end

local samples <const>, by_step <const> = {}, { sdn = {}, etarch = {}, ip = {} }
for round = 1, ROUNDS do
  samples[round] = 0
  for _, archetype in ipairs(STEPS) do
    local lost <const>, sent <const> = step(round, archetype)
    by_step[archetype][round] = lost
    samples[round] = samples[round] + lost
    measure.progress("round %d of %d: to %s, %d of %d frames lost", round, ROUNDS, archetype, lost, sent)
  end
end
net:delete()
bed:delete()

local notes <const> = {}
for i, archetype in ipairs(STEPS) do
  local lost <const> = by_step[archetype]
  notes[i] = ("to %s %.0f (worst %d)"):format(archetype, measure.median(lost), math.max(table.unpack(lost)))
end
measure.hand_over { exchange_lost = measure.result(samples, table.concat(notes, ", ")) }
