-- The figures of traffic: what passes through NERV, beside what the nodes' own link carries and what
-- plain Linux bridges carry. Usage: traffic.lua 100mbit|1gbit|open FIGURE...
--
-- Runs that are compared are made one after the other within a round, in turned order every second
-- round, and the figure is the median of the ratios within rounds: the machine's speed changes.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local bridges <const> = require "bridges"

local SECONDS <const> = measure.rounds(5, 1)
local PORT <const> = 5201
local UDP_RATE <const> = "90M"            -- of 100 Mbit/s
local UDP_PAYLOAD <const> = 1400

local link <const> = arg[1]
-- Without a limit the machine itself is measured, whose speed changes most.
local TCP_ROUNDS <const> = measure.rounds(link == "open" and 16 or 7, 2)   -- who is second in a round is faster
local UDP_ROUNDS <const> = measure.rounds(9, 2)
local wanted <const> = {}
for i = 2, #arg do wanted[arg[i]] = true end

local servers <const> = {}

-- A way from one namespace to another, with a server at its far end.
local function way(from, to, address)
  servers[#servers + 1] = expect(process.spawn { netns = to, stdout = "null", stderr = "null", pdeathsig = "KILL",
    argv = { "iperf3", "-s", "-p", PORT } })
  return { from = from, address = address }
end

-- One run of iperf3; the server may be busy with the end of the last one.
local function iperf(w, ...)
  local argv = { "iperf3", "-J", "-c", w.address, "-p", PORT, "-t", SECONDS, ... }
  local report
  measure.wait_until("iperf3 to " .. w.address, function()
    local result = expect(process.run { netns = w.from, argv = argv })
    report = json.decode(result.stdout)
    return result.exit == 0 and report and not report.error
  end, 10 + 2 * SECONDS)
  return report["end"]
end

local function tcp(w) return { mbit = iperf(w).sum_received.bits_per_second / 1e6 } end

local function udp(w)
  local sum = iperf(w, "-u", "-b", UDP_RATE, "-l", UDP_PAYLOAD).sum
  expect(sum.packets > 0, "iperf3 sent nothing to " .. w.address)
  return { loss = sum.lost_percent, jitter = sum.jitter_ms }
end

-- Rounds over some ways: array of { name of the way = what `one` gives }.
local function rounds(what, count, ways, names, one, show)
  local all = {}
  for i = 1, count do
    local round, shown = {}, {}
    for j = 1, #names do
      local name = names[i % 2 == 1 and j or #names + 1 - j]
      round[name] = one(ways[name])
      shown[j] = name .. " " .. show(round[name])
    end
    measure.progress("%s, %s, round %d of %d: %s", link, what, i, count, table.concat(shown, ", "))
    all[i] = round
  end
  return all
end

local function ratios(all, field, below, above)
  local list, amounts = {}, {}
  for i, round in ipairs(all) do
    list[i] = round[above or "nerv"][field] / round[below][field]
    amounts[i] = round[below][field]
  end
  return list, measure.median(amounts)
end

local function tcp_figures(results, ways)
  local suffix = link == "open" and "open" or link:match("^%d+%a")
  local open, bridge = wanted["tcp_ratio_" .. suffix], link == "open" and wanted.tcp_ratio_bridge
  if not open and not bridge and not ways.sdn then return end
  -- NERV in the middle: it stands beside both that it is compared with.
  local names <const> = {}
  local function run(name, wanted_too) names[#names + 1] = wanted_too and name or nil end
  run("raw", open or ways.sdn and not ways.ovs)
  run("sdn", ways.sdn and not ways.ovs)
  run("nerv", open or bridge)
  run("bridge", bridge)
  run("ovs", ways.ovs)
  run("sdn", ways.ovs)
  local all = rounds("TCP", TCP_ROUNDS, ways, names, tcp, function(r) return ("%.1f Mbit/s"):format(r.mbit) end)
  local function figure(name, below, above)
    local list, amount = ratios(all, "mbit", below, above)
    results[name] = measure.result(list, ("%s %.0f Mbit/s"):format(below, amount))
  end
  if open then figure("tcp_ratio_" .. suffix, "raw") end
  if bridge then figure("tcp_ratio_bridge", "bridge") end
  if ways.ovs then figure("sdn_tcp_ratio_ovs", "ovs", "sdn")
  elseif ways.sdn then figure("sdn_tcp_ratio_" .. suffix, "raw", "sdn") end
end

local function udp_figures(results, ways)
  if not wanted.udp_loss_100m and not wanted.udp_jitter_ratio_100m then return end
  local all = rounds("UDP", UDP_ROUNDS, ways, { "raw", "nerv" }, udp,
    function(r) return ("loss %.3f %% jitter %.4f ms"):format(r.loss, r.jitter) end)
  local loss, more = {}, {}
  for i, round in ipairs(all) do
    loss[i] = round.nerv.loss - round.raw.loss
    more[i] = round.nerv.jitter - round.raw.jitter
  end
  if wanted.udp_loss_100m then results.udp_loss_100m = measure.result(loss) end
  if wanted.udp_jitter_ratio_100m then
    local list, amount = ratios(all, "jitter", "raw")
    results.udp_jitter_ratio_100m = measure.result(list, ("raw %.4f ms, NERV %+.4f ms"):format(amount,
      measure.median(more)))
    results.udp_jitter_ratio_100m.more_ms = measure.median(more)
  end
end

local tb <const> = testbed.create { nodes = 2, rate = link ~= "open" and link or nil }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
local h <const> = net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local ways <const> = {
  raw = way(tb:netns "pm1", tb:netns "pm2", tb:address "pm2"),
  nerv = way(h[1].netns, h[2].netns, h[2].address),
}
local sdn <const> = wanted["sdn_tcp_ratio_" .. (link:match("^%d+%a") or "ovs")]
  and network.create { name = "green", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1" }
if sdn then
  local ends <const> = sdn:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
  ways.sdn = way(ends[1].netns, ends[2].netns, ends[2].address)
end
local others <const> = { bridge = wanted.tcp_ratio_bridge and bridges.create() or nil,
  ovs = wanted.sdn_tcp_ratio_ovs and bridges.create(true) or nil }
for name, plain in pairs(others) do ways[name] = way(plain.from, plain.to, plain.address) end

local results <const> = {}
tcp_figures(results, ways)
udp_figures(results, ways)

for _, server in ipairs(servers) do
  server:kill()
  server:wait(5)
end
for _, plain in pairs(others) do plain.delete() end
if sdn then sdn:delete() end
net:delete()
tb:delete()
measure.hand_over(results)
