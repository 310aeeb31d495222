-- entries_per_s: table adds from Lua into the kernel, pipelined over one Unix socket. The switch runs
-- big.bpf.c, a program of its own whose table is large enough.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"

local COUNT <const> = measure.rounds(100000, 10000)

local function entries()
  local list = {}
  for i = 1, COUNT do list[i] = { key = { 0x020000000000 + i }, action = "to_port", data = { i % 500 } } end
  return list
end

-- A dump reads the entries out of the kernel's map.
local function check(macs)
  local there = #expect(macs:dump())
  expect(there == COUNT, ("%d of %d entries are in the kernel"):format(there, COUNT))
end

local function add_all(macs, list)
  local began = runtime.now()
  expect(macs:add_many(list))
  local took = runtime.now() - began
  check(macs)
  expect(macs:clear())
  return COUNT / took
end

local dir <const> = expect(file.temp_dir "nerv-entries.")
local socket <const>, space <const> = dir .. "/sock", dir .. "/ns"
expect(netns.add { path = space })
local switch <const> = expect(process.spawn { netns = space, pdeathsig = "TERM", argv = {
  measure.built "nerv-nve", "--log-level", "warn", "--thrift-socket", socket,
  "--objects", measure.built "bench/p4", measure.built "bench/p4/big.json" } })
measure.wait_until("the switch", function() return file.stat(socket) or not switch:running() end)
local connection <const> = expect(nve.connect(socket))

local list <const>, samples <const> = entries(), {}
for i = 1, measure.rounds(7, 2) do
  samples[i] = add_all(connection.tables.macs, list)
  measure.progress("entries, round %d: %.0f a second", i, samples[i])
end

connection:close()
switch:kill()
switch:wait(10)
expect(netns.delete { path = space })
file.remove_tree(dir)
measure.hand_over { entries_per_s = measure.result(samples) }
