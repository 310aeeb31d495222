-- pingall, pingpair, iperf: across two nodes, with one that does not answer, and without the program.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm2" } }
local red <const> = network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/24" }
red:endpoint { { name = "h1" }, { name = "r2" } }
local bare <const> = network.create { name = "bare", archetype = "bridge" }
bare:endpoint { name = "b1" }

local function run(line, options) return system.nervsh({ "-c", line }, options) end

local function bad(line, pattern)
  local result = run(line)
  tap.ok(result.exit == 1 and result.stderr:find("nervsh: " .. pattern .. "[^\n]*\n$"), line, result, pattern)
  return result
end

-- all reach all of their own network
local result = run "pingall"
tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "network blue\nh1 -> h2 h3\nh2 -> h1 h3\nh3 -> h1 h2\nnetwork red\nh1 -> r2\nr2 -> h1\n" ..
  "bare:b1 has no address: skipped\n0% lost (8 of 8 answered)\n", "" }, "pingall")
result = run "pingall -f json"
local rows <const> = json.decode(result.stdout)
tap.eq({ #rows, rows[1].source, rows[1].target, rows[1].ok, rows[1].address }, { 8, "blue:h1", "blue:h2", true, "10.1.0.3" }, "its records")
for _, row in ipairs(rows) do tap.ok(row.rtt_ms and row.rtt_ms > 0 and not row.error, row.source .. " reaches " .. row.target, row) end
tap.eq(#json.decode(run("pingall red -f json").stdout), 2, "one network")
tap.eq(run("pingall bare").stdout, "bare:b1 has no address: skipped\n0% lost (0 of 0 answered)\n", "nobody to ping")
tap.eq(#commands.pingall(), 8, "from Lua")
bad("pingall green", "pingall: there is no network 'green'")
bad("pingall -c 0", "pingall: count '0': an integer from 1 to 1000")

-- one does not answer
blue:get("h3"):run("ip", "link", "set", "eth0", "down")
result = bad("pingall", "pingall: 4 of 8 pairs without answer")
tap.eq(result.stdout, "network blue\nh1 -> h2 X\nh2 -> h1 X\nh3 -> X X\nnetwork red\nh1 -> r2\nr2 -> h1\n" ..
  "bare:b1 has no address: skipped\n50% lost (4 of 8 answered)\n", "an X for each that is not reached")
result = run "pingall blue -f json"
tap.ok(result.exit == 1 and json.decode(result.stdout)[2].ok == false and json.decode(result.stdout)[2].error:find "does not reach 10%.1%.0%.4",
  "the records say why", result)
local got = table.pack(commands.pingall(blue))
tap.eq({ got[1], got[2], got[3], #got[4] }, { nil, "4 of 6 pairs without answer", "failed", 6 }, "from Lua: nil, the message, the records")
result = bad("pingpair blue:h2 h3", "pingpair: 2 of 2 without answer")
tap.like(result.stdout, "blue:h3 %-> blue:h2  blue:h3: [^\n]*[Nn]etwork is unreachable", "ping's own words")
blue:get("h3"):run("ip", "link", "set", "eth0", "up")

-- pairs
result = run "pingpair"
tap.ok(result.exit == 0 and result.stdout:find "^blue:h1 %-> blue:h2  [%d.]+ ms\nblue:h2 %-> blue:h1  [%d.]+ ms\n$", "pingpair: the first two", result)
local pair <const> = json.decode(run("pingpair red:h1 r2 -c 3 -f json").stdout)
tap.eq({ #pair, pair[1].source, pair[2].source, pair[1].ok }, { 2, "red:h1", "red:r2", true }, "two that are named")
bad("pingpair h3", "pingpair: two endpoints are expected, or none")
bad("pingpair h3 b1", "pingpair: endpoint bare:b1 has no address")
bad("pingpair h3 h9", "pingpair: there is no endpoint 'h9'")

-- throughput
local function measure(line)
  local r = run("iperf " .. line .. " -t 1 -f json")
  tap.ok(r.exit == 0 and r.stderr == "", "iperf " .. line, r)
  return (json.decode(r.stdout) or {})[1] or {}
end
local m = measure "blue:h1 blue:h2"
tap.ok(m.protocol == "tcp" and m.source == "blue:h1" and m.target == "blue:h2" and m.received_bits_s > 1e6 and m.sent_bits_s >= m.received_bits_s
  and m.retransmits and m.seconds >= 0.9, "TCP across nodes", m)
m = measure "blue:h1 blue:h2 --reverse --rate 5mbit"
tap.ok(m.source == "blue:h2" and m.target == "blue:h1" and m.received_bits_s > 3e6 and m.received_bits_s < 7e6, "the other way round, at a rate", m)
m = measure "blue:h1 blue:h2 --udp --rate 10mbit --port 7000"
tap.ok(m.protocol == "udp" and m.sent_bits_s > 8e6 and m.sent_bits_s < 12e6 and m.jitter_ms and m.lost_percent and not m.retransmits, "UDP", m)
m = measure "--udp"
tap.ok(m.source == "blue:h1" and m.target == "blue:h2" and m.sent_bits_s < 2e6, "the first two, UDP at its own rate", m)
result = run "iperf red:h1 r2 --seconds 1"
tap.ok(result.exit == 0 and result.stdout:find "^red:h1 %-> red:r2  TCP in [%d.]+ s: [%d.]+ [GMk]bit/s received, [%d.]+ [GMk]bit/s sent, %d+ retransmits\n$",
  "for people", result)
bad("iperf h3 b1", "iperf: endpoint bare:b1 has no address")
bad("iperf h3", "iperf: two endpoints are expected, or none")
bad("iperf h3 r2 --rate fast", "iperf: rate 'fast': bad rate")
bad("iperf h3 r2 --seconds 0", "iperf: seconds '0': an integer from 1 to 1000")
local own <const> = spawn(function() return blue:get("h2"):run("iperf3", "-s", "-1") end)
tap.eventually(3, function() return blue:get("h2"):run("grep", "-qi", ":1451", "/proc/net/tcp6") end)
measure "blue:h1 blue:h2 -R"
tap.ok(own:join(5), "a server that somebody runs there serves, too")

-- what is interrupted leaves nothing running
local job = spawn(function() return run "iperf blue:h1 blue:h2 -t 30" end)
tap.ok(tap.eventually(5, function() return blue:get("h1"):run("pgrep", "-f", "^iperf3 -c") end), "iperf3 runs in the endpoint")
job:cancel()
job:join()
tap.ok(tap.eventually(5, function() return blue:get("h1"):run("sh", "-c", "! pgrep -f '^iperf3 -[cs] '") end), "and ends with its command")

-- a node without iperf3
local other <const> = system.state()
local bin <const> = system.directory()
for _, program in ipairs { "ovsdb-server", "ovsdb-tool", "sh" } do
  local found = process.run { argv = { "/bin/sh", "-c", "command -v " .. program } }
  file.symlink(found.stdout:match "[^\n]+", bin.path .. "/" .. program)
end
result = system.nervsh({ "-e", "network.create{ name = 'n', archetype = 'ip', subnet = '10.9.0.0/24' }:endpoint{ { name = 'a' }, { name = 'b' } }",
  "-c", "iperf a b" }, { env = { NERV_STATE = other.path, PATH = bin.path } })
tap.ok(result.exit == 1 and result.stderr:find "^nervsh: iperf: iperf3 is not installed on node [^\n]*\n$", "without iperf3", result)

blue:delete()
red:delete()
bare:delete()
tb:delete()
file.remove_tree(bin.path)
tap.eq(run("pingall").stdout, "0% lost (0 of 0 answered)\n", "an empty lab")
bad("pingpair", "pingpair: no network has two endpoints with addresses")
bad("iperf", "iperf: no network has two endpoints with addresses")
require("nerv.instance").clean(other.path)
tap.done()
