-- create_10k_s, rss_mb_agent_10k: ten thousand endpoints in 20 networks on one node, a call for each network; and the
-- same by the bare loop, network by network, before.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local bare <const> = require "bare"

local NETWORKS <const>, COUNT <const> = measure.rounds(20, 2), measure.rounds(500, 20)
local MTU <const> = 1500

local dir <const> = expect(file.temp_dir "nerv-large.")
local agent <const> = lab.connection().hello

local function loop(n)
  local lines = {}
  for i = 1, COUNT do
    lines[i] = ("n%de%d 02:00:00:%02x:%02x:%02x 10.64.%d.%d/16\n"):format(n, i, n, i >> 8, i & 255, i >> 8, i & 255)
  end
  return { dir = ("%s/%d"):format(dir, n), bridge = "bare-bridge" .. n, group = 77777 + n, mtu = MTU,
    alias = "bare:00000000", list = table.concat(lines) }
end

-- The bare loop's whole time.
local function measure_bare()
  local loops, took = {}, 0
  for n = 1, NETWORKS do
    loops[n] = loop(n)
    expect(file.mkdir(loops[n].dir))
    expect(link.add { kind = "bridge", name = loops[n].bridge, forward_delay = 0, mtu = MTU, up = true })
    took = took + bare.create(loops[n])
  end
  measure.progress("bare: %d endpoints in %.1f s", NETWORKS * COUNT, took)
  for _, one in ipairs(loops) do
    bare.delete(one)
    expect(link.delete { name = one.bridge })
  end
  return took
end

local function measure_nerv()
  local nets, specs, took = {}, {}, {}
  for i = 1, COUNT do specs[i] = { name = "e" .. i } end
  local began = runtime.now()
  for n = 1, NETWORKS do
    local before = runtime.now()
    nets[n] = network.create { name = "n" .. n, archetype = "ip", subnet = "10.64.0.0/16", mtu = MTU }
    nets[n]:endpoint(specs)
    took[n] = runtime.now() - before
    measure.progress("NERV: network %d in %.1f s", n, took[n])
  end
  return runtime.now() - began, nets, took
end

-- Megabytes of the agent's memory: now, and at most.
local function memory()
  local text = expect(file.read(("/proc/%d/status"):format(agent.pid)))
  return tonumber(text:match("VmRSS:%s+(%d+)")) / 1024, tonumber(text:match("VmHWM:%s+(%d+)")) / 1024
end

local bare_took <const> = measure_bare()
local took <const>, nets <const>, each <const> = measure_nerv()
local rss <const>, peak <const> = memory()
local there <const> = expect(link.list { alias_prefix = "nerv:" .. agent.instance .. ":" })
expect(#there >= NETWORKS * COUNT, "there are only " .. #there .. " links")
for _, net in ipairs(nets) do net:delete() end
file.remove_tree(dir)

local results <const> = {
  create_10k_s = { value = took, low = took, high = took, count = 1, bare_s = bare_took,
    note = ("bare %.1f s; first network %.1f s, last %.1f s"):format(bare_took, each[1], each[#each]) },
  rss_mb_agent_10k = { value = rss, low = rss, high = rss, count = 1, note = ("at most %.0f"):format(peak) } }
local wanted <const> = {}
for _, name in ipairs(arg) do wanted[name] = results[name] end
measure.hand_over(wanted)
