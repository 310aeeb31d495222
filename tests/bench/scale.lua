-- scale_add: one endpoint added to a network of 900 that are on the node already, beside the same objects made by
-- the bare loop on a bridge that has 900, too. Both stand there while both are measured, turn by turn.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local bare <const> = require "bare"

local COUNT <const> = measure.rounds(900, 50)
local ROUNDS <const> = measure.rounds(40, 4)
local MTU <const> = 1500

local dir <const> = expect(file.temp_dir "nerv-scale.")
local function loop(name, group)
  expect(file.mkdir(dir .. "/" .. name))
  return { dir = dir .. "/" .. name, bridge = "bare-bridge", group = group, mtu = MTU, alias = "bare:00000000" }
end

local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.64.0.0/16", mtu = MTU }
expect(link.add { kind = "bridge", name = "bare-bridge", forward_delay = 0, mtu = MTU, up = true })
local specs <const> = {}
for i = 1, COUNT do specs[i] = { name = "e" .. i } end
net:endpoint(specs)
local many <const>, one <const> = loop("many", 77777), loop("one", 77778)
many.list = bare.list_of(net:endpoints(), 16)
one.list = "one 02:00:00:00:00:01 10.64.255.1/16\n"
bare.create(many)

local samples <const>, ours <const>, theirs <const> = {}, {}, {}
for i = 1, ROUNDS do
  for _, nerv in ipairs { i % 2 == 0, i % 2 == 1 } do
    if nerv then
      local began = runtime.now()
      local ep = net:endpoint { name = "one" }
      ours[i] = runtime.now() - began
      ep:delete()
      bare.settle()
    else
      theirs[i] = bare.create(one)
      bare.delete(one)
    end
  end
  samples[i] = ours[i] / theirs[i]
end
measure.progress("an endpoint beside %d: NERV %.1f ms, bare %.1f ms", COUNT, measure.median(ours) * 1e3,
  measure.median(theirs) * 1e3)

bare.delete(many)
net:delete()
expect(link.delete { name = "bare-bridge" })
file.remove_tree(dir)
local result <const> = measure.result(samples, ("%.1f ms, bare %.1f ms"):format(measure.median(ours) * 1e3,
  measure.median(theirs) * 1e3))
result.value = measure.median(ours) / measure.median(theirs)
measure.hand_over { scale_add = result }
