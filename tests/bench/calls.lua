-- call_ms_p50, call_ms_p99: how long `net:endpoint{}` and then `ep:delete()` take in a shell, one at a time, more than the
-- bare loop for the same objects. Neither waits for the end of namespaces, which the kernel brings about by itself.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local bare <const> = require "bare"

-- Turn by turn so many calls of each.
local BLOCKS <const>, CALLS <const> = measure.rounds(15, 2), measure.rounds(20, 5)
local MTU <const> = 1500

local dir <const> = expect(file.temp_dir "nerv-calls.")
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.64.0.0/16", mtu = MTU }
expect(link.add { kind = "bridge", name = "bare-bridge", forward_delay = 0, mtu = MTU, up = true })
local one <const> = { dir = dir, bridge = "bare-bridge", group = 77777, mtu = MTU, alias = "bare:00000000",
  list = "one 02:00:00:00:00:01 10.64.255.1/16\n" }

local function call_nerv()
  local began = runtime.now()
  net:endpoint({ name = "one" }):delete()
  return runtime.now() - began
end

local function call_bare() return bare.create(one) + bare.drop(one) end

local ours <const>, theirs <const> = {}, {}
for i = 1, 2 * BLOCKS do
  local call, list = call_nerv, ours
  if i % 2 == 0 then call, list = call_bare, theirs end
  for _ = 1, CALLS do list[#list + 1] = call() * 1e3 end
  bare.settle()
end

net:delete()
expect(link.delete { name = "bare-bridge" })
file.remove_tree(dir)

local results <const>, wanted <const> = {}, {}
for _, name in ipairs(arg) do wanted[name] = true end
local function more(share) return measure.quantile(ours, share) - measure.quantile(theirs, share) end
for name, shares in pairs { call_ms_p50 = { 0.25, 0.5, 0.75 }, call_ms_p99 = { 0.98, 0.99, 1 } } do
  local at = shares[2]
  results[name] = wanted[name] and { low = more(shares[1]), value = more(at), high = more(shares[3]), count = #ours,
    note = ("%.1f ms, bare %.1f ms"):format(measure.quantile(ours, at), measure.quantile(theirs, at)) } or nil
end
measure.hand_over(results)
