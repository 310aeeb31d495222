-- The benchmarks: measures, writes a table to stdout and the values to a file.
-- Usage: nervsh tests/bench/bench.lua OUT.json [FIGURE]...     by default all figures
--
-- Each group of figures is measured by a script of its own in a nervsh of its own: with an instance of its own,
-- in a network namespace of its own. Its run directory is a tmpfs, as /run is on real machines: on ext4, which
-- does not use an inode again for 5 s, endpoints that come and go would become slower and slower.
-- Exit status 0 also when a figure is missed; 1 when one could not be measured. NERV_BENCH_QUICK=1 makes short
-- runs that only show that everything works.
local here <const> = arg[0]:match("^(.*)/[^/]*$")
package.path = here .. "/?.lua;" .. package.path
local measure <const> = require "measure"

local function at_least(limit)
  return { text = (">= %g"):format(limit), holds = function(r) return r.value >= limit end }
end

local function at_most(limit)
  return { text = ("<= %g"):format(limit), holds = function(r) return r.value <= limit end }
end

-- Jitter is some microseconds: a ratio alone would judge noise.
local jitter <const> = { text = "<= 1.5 or 0.02 ms more",
  holds = function(r) return r.value <= 1.5 or r.more_ms <= 0.02 end }

local times_bare <const> = { text = "<= 3 times bare", holds = function(r) return r.value <= 3 * r.bare_s end }
local none_starved <const> = { text = "no node starved", holds = function(r) return r.starved == 0 end }
local reported <const> = { text = "report", holds = function() return true end }

local FIGURES <const> = {
  { name = "tcp_ratio_100m", by = "traffic.lua 100mbit", reach = at_least(0.99) },
  { name = "udp_loss_100m", by = "traffic.lua 100mbit", reach = at_most(0.01) },
  { name = "udp_jitter_ratio_100m", by = "traffic.lua 100mbit", reach = jitter },
  { name = "sdn_tcp_ratio_100m", by = "traffic.lua 100mbit", reach = at_least(0.99) },
  { name = "sdn_tcp_ratio_1g", by = "traffic.lua 1gbit", reach = at_least(0.98) },
  { name = "tcp_ratio_1g", by = "traffic.lua 1gbit", reach = at_least(0.99) },
  { name = "tcp_ratio_open", by = "traffic.lua open", reach = at_least(0.80) },
  { name = "tcp_ratio_bridge", by = "traffic.lua open", reach = at_least(0.93) },
  { name = "sdn_tcp_ratio_ovs", by = "traffic.lua open", reach = at_least(0.95) },
  { name = "create_ratio_1000", by = "endpoints.lua", reach = at_most(1.5) },
  { name = "delete_ratio_1000", by = "endpoints.lua", reach = at_most(1.5) },
  { name = "scale_add", by = "scale.lua", reach = at_most(2.5) },
  { name = "create_10k_s", by = "large.lua", reach = times_bare },
  { name = "rss_mb_agent_10k", by = "large.lua", reach = at_most(150) },
  { name = "nodes_100_s", by = "nodes.lua", reach = none_starved },
  { name = "switch_lost_1", by = "switch.lua 1", reach = at_most(5) },
  { name = "switch_lost_2", by = "switch.lua 2", reach = at_most(5) },
  { name = "exchange_lost", by = "exchange.lua", reach = reported },
  { name = "mixed_networks_s", by = "mixed.lua", reach = reported },
  { name = "call_ms_p50", by = "calls.lua", reach = at_most(15) },
  { name = "call_ms_p99", by = "calls.lua", reach = at_most(40) },
  { name = "loop_stall_ms", by = "stall.lua", reach = at_most(50) },
  { name = "mininet_ratio_100", by = "mininet.lua", reach = at_least(10) },
  { name = "start_ms", by = "start.lua", reach = at_most(20) },
  { name = "rss_mb_shell", by = "prompt.lua", reach = at_most(20) },
  { name = "complete_ms", by = "prompt.lua", reach = at_most(30) },
  { name = "entries_per_s", by = "entries.lua", reach = at_least(20000) },
  { name = "packet_in_per_s", by = "packet_in.lua", reach = at_least(30000) },
  { name = "etarch_register_ms_p99", by = "etarch.lua", reach = at_most(5) },
  { name = "etarch_attach_ms_p99", by = "etarch.lua", reach = at_most(10) },
  { name = "etarch_first_ms_p99", by = "etarch.lua", reach = reported },
  { name = "etarch_three_ms_p99", by = "etarch.lua", reach = reported },
  { name = "etarch_registers_per_s", by = "etarch.lua", reach = at_least(5000) },
  { name = "etarch_trunk_copies", by = "etarch.lua", reach = at_most(1) },
}

local function selected(names)
  if #names == 0 then return FIGURES end
  local known, list = {}, {}
  for i, figure in ipairs(FIGURES) do known[i], known[figure.name] = figure.name, figure end
  for i, name in ipairs(names) do
    local near = registry.nearest(name, table.move(known, 1, #FIGURES, 1, {}))
    list[i] = known[name] or registry.fail(("there is no figure '%s'%s"):format(name,
      near and ("; did you mean '%s'?"):format(near) or ""))
  end
  return list
end

-- Figures that one script measures, in the order of the list.
local function groups(figures)
  local list = {}
  for _, figure in ipairs(figures) do
    if not list[figure.by] then
      list[figure.by] = { by = figure.by, names = {} }
      list[#list + 1] = list[figure.by]
    end
    table.insert(list[figure.by].names, figure.name)
  end
  return list
end

-- A place for one script: a network namespace, and a tmpfs for all that it makes, so that nothing is left
-- however it ends.
local function make_place()
  local place = { dir = expect(file.temp_dir "nerv-bench.") }
  place.space, place.run, place.out = place.dir .. "/ns", place.dir .. "/run", place.dir .. "/out"
  expect(netns.add { path = place.space, lo_up = true })
  expect(file.mkdir(place.run))
  expect(file.mount { type = "tmpfs", target = place.run })
  return place
end

local function remove_place(place)
  file.umount(place.run, { lazy = true })
  netns.delete { path = place.space }
  file.remove_tree(place.dir)
end

-- Waits for a script; when this is interrupted, it ends the script and lets it clean up first.
local function wait_for(child)
  local good, status = pcall(child.wait, child)
  if good then return status end
  child:kill("INT")
  child:wait(60)
  return nil, status
end

-- Runs a group's script; its results by name, or nil and why not.
local function measured(group)
  local argv = { process.exe() }
  for word in group.by:gmatch("%S+") do argv[#argv + 1] = #argv == 1 and here .. "/" .. word or word end
  table.move(group.names, 1, #group.names, #argv + 1, argv)
  local place = make_place()
  local child = expect(process.spawn { argv = argv, netns = place.space, stdin = "null",
    stdout = { file = place.out }, pdeathsig = "INT",
    add_env = { NERV_STATE = place.dir .. "/state", NERV_RUN = place.run, TMPDIR = place.run } })
  local status, interruption = wait_for(child)
  local results = status and status.exit == 0 and json.decode(file.read(place.out) or "")
  local log = not results and file.read(place.dir .. "/state/agent.log")
  remove_place(place)
  if interruption then error(interruption, 0) end
  if results then return results end
  if log then io.stderr:write(log) end
  return nil, ("%s ended with %s"):format(group.by, status.exit and "status " .. status.exit or
    "signal " .. tostring(status.name))
end

local function number(value)
  return ((math.abs(value) >= 100 and "%.0f" or math.abs(value) >= 10 and "%.1f" or "%.3f"):format(value))
end

local function show(figures, results)
  local line <const> = "%-22s %10s   %-22s %-20s %-7s %s"
  print(line:format("figure", "value", "to reach", "quartiles", "", ""))
  for _, figure in ipairs(figures) do
    local r = results[figure.name]
    if r then
      print((line:format(figure.name, number(r.value), figure.reach.text, ("%s .. %s (%d)"):format(number(r.low),
        number(r.high), r.count), figure.reach.holds(r) and "ok" or "MISSED", r.note or ""):gsub("%s+$", "")))
    else
      print(line:format(figure.name, "-", figure.reach.text, "", "FAILED", "not measured"))
    end
  end
end

local out <const> = arg[1]
if not out then
  io.stderr:write("usage: bench.lua OUT.json [FIGURE]...\n")
  os.exit(2)
end
local figures <const> = selected(table.move(arg, 2, #arg, 1, {}))
local results <const>, values <const> = {}, {}
local failed = false
for _, group in ipairs(groups(figures)) do
  measure.progress("%s: %s", group.by, table.concat(group.names, ", "))
  local good, message = measured(group)
  if not good then measure.progress("%s", message) end
  for _, name in ipairs(group.names) do
    results[name] = good and good[name]
    values[name] = results[name] and results[name].value
    failed = failed or not results[name]
  end
end
expect(file.write(out, json.encode(values) .. "\n"))
show(figures, results)
if failed then os.exit(1) end
