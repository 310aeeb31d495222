-- mininet_ratio_100: a hundred hosts with addresses on one Linux bridge, up and down, by Mininet and by nervsh: whole
-- processes, from start to end, a lab's agent and database included.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"

local COUNT <const> = measure.rounds(100, 10)
local ROUNDS <const> = measure.rounds(5, 2)

-- Each runs in namespaces of its own: `mn` ends processes by pattern when it fails. It also raises limits of the whole
-- machine, which it must not.
local ALONE <const> = { "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c" }
local NO_LIMITS <const> = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && "

local SCRIPT <const> = ([[
local specs = {}
for i = 1, %d do specs[i] = { name = "h" .. i } end
local net = network.create { name = "lan", archetype = "ip", subnet = "10.0.0.0/16" }
net:endpoint(specs)
expect(#net:endpoints() == #specs)
net:delete()
]]):format(COUNT)

local function alone(words, first)
  local argv = { table.unpack(ALONE) }
  argv[#argv + 1] = (first or "") .. 'exec "$@"'
  argv[#argv + 1] = "sh"
  table.move(words, 1, #words, #argv + 1, argv)
  local began = runtime.now()
  local result = expect(process.run { argv = argv })
  local took = runtime.now() - began
  expect(result.exit == 0, ("%s: %s"):format(words[1], result.stderr))
  return took, result
end

local function mininet()
  local took, result = alone({ "mn", "--topo", "single," .. COUNT, "--switch", "lxbr", "--controller", "none",
    "--test", "none" }, NO_LIMITS)
  expect(result.stderr:find("h" .. COUNT, 1, true) or result.stdout:find("h" .. COUNT, 1, true), "mn made no hosts")
  return took
end

local dir <const> = expect(file.temp_dir "nerv-mininet.")
local script <const> = dir .. "/hundred.lua"
expect(file.write(script, SCRIPT))
local function nervsh() return (alone { process.exe(), "--state", dir .. "/state", script }) end

local samples <const>, theirs <const>, ours <const> = {}, {}, {}
for i = 1, ROUNDS do
  if i % 2 == 1 then theirs[i], ours[i] = mininet(), nervsh() else ours[i], theirs[i] = nervsh(), mininet() end
  samples[i] = theirs[i] / ours[i]
  measure.progress("%d hosts, round %d of %d: Mininet %.2f s, nervsh %.2f s", COUNT, i, ROUNDS, theirs[i], ours[i])
end
file.remove_tree(dir)
measure.hand_over { mininet_ratio_100 = measure.result(samples, ("Mininet %.2f s, nervsh %.2f s"):format(
  measure.median(theirs), measure.median(ours))) }
