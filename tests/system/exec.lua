-- Programs in endpoints and on nodes: status, streams, input, signals, environment; here and on
-- another node.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local places <const> = { endpoint = net:get "h1", ["endpoint of another node"] = net:get "h2", node = node.get "pm1",
  ["this node"] = node.here() }

local function sh(place, text) return table.pack(place:run("sh", "-c", text)) end

for where, place in pairs(places) do
  local function title(text) return where .. ": " .. text end
  tap.eq(sh(place, "exit 0")[1], { ok = true, exit = 0, stdout = "", stderr = "" }, title "success")
  for _, status in ipairs { 1, 2, 127, 255 } do
    local got = sh(place, "exit " .. status)
    tap.ok(got[1] == nil and got[2] == "sh: exit status " .. status and got[3] == "EXIT" and got[4].exit == status
      and got[4].ok == false, title("exit status " .. status), got)
  end
  for name, number in pairs { TERM = 15, KILL = 9, SEGV = 11 } do
    local got = sh(place, "kill -" .. name .. " $$")
    tap.ok(got[1] == nil and got[2] == "sh: was ended by SIG" .. name and got[3] == "SIG" .. name and got[4].signal == number,
      title("ended by SIG" .. name), got)
  end
  tap.eq(sh(place, "echo out; echo err >&2; printf 'no newline'")[1],
    { ok = true, exit = 0, stdout = "out\nno newline", stderr = "err\n" }, title "both streams")
  tap.eq(sh(place, "echo out; echo err >&2; exit 3")[4], { ok = false, exit = 3, stdout = "out\n", stderr = "err\n" },
    title "both streams of one that fails")
  tap.eq(sh(place, "cat; echo end")[1].stdout, "end\n", title "its input is at its end")
  tap.eq(place:run("printf", "%s|", "a b", "", "*", "$HOME", "-n").stdout, "a b||*|$HOME|-n|", title "arguments arrive as they are")
  tap.eq(place:run("echo", 1, 2.5).stdout, "1 2.5\n", title "numbers are arguments, too")
  tap.eq(place:run({ "echo", "x" }).stdout, "x\n", title "arguments in a table")
  local missing = table.pack(place:run "no-such-program")
  tap.ok(missing[1] == nil and missing[2]:find "no%-such%-program" and missing[3] == "ENOENT", title "a program that is not there", missing)
  tap.eq(sh(place, "echo again")[1].stdout, "again\n", title "the next one runs")

  local bytes = sh(place, "i=0; while [ $i -lt 16 ]; do printf '\\000\\001\\377\\n'; i=$((i+1)); done")[1].stdout
  tap.eq(bytes, ("\0\1\255\n"):rep(16), title "binary output")
  local sum = sh(place, "head -c 1048576 /dev/zero | tr '\\0' '\\377'")[1].stdout
  tap.ok(#sum == 1 << 20 and not sum:find "[^\255]", title "a megabyte", #sum)
  local both = sh(place, "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero")[1]
  tap.eq({ #both.stdout, #both.stderr }, { 600000, 300000 }, title "much on both streams")
end

-- a reader that is slow: both streams wait for the same connection
for _, name in ipairs { "pm1", "pm2" } do
  local got = { stdout = 0, stderr = 0 }
  local function slow(which)
    return function(bytes)
      got[which] = got[which] + #bytes
      sleep(0.005)
    end
  end
  local argv <const> = { "sh", "-c", "head -c 2000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait" }
  local result = timeout(30, require("nerv.execute").run, lab.socket(name), { argv = argv }, { stdout = slow "stdout", stderr = slow "stderr" })
  tap.ok(result and got.stdout == 2000000 and got.stderr == 2000000, "much on both streams for a slow reader, node " .. name, got)
end

-- where it runs
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"
tap.like(h1:run("ip", "-br", "addr", "show", "eth0").stdout, "10%.1%.0%.2/24", "a program in an endpoint sees its interface")
tap.eq(h1:run("sh", "-c", "echo $NERV_ENDPOINT $NERV_NODE").stdout, "blue:h1 pm1\n", "and knows where it is")
tap.eq(h2:run("sh", "-c", "echo $NERV_ENDPOINT $NERV_NODE").stdout, "blue:h2 pm2\n", "on another node, too")
tap.like(h1:run("cat", "/proc/self/cgroup").stdout, "endpoints/blue:h1", "it is in a cgroup of the endpoint")

-- the end of what runs
local began = runtime.now()
local job = task.spawn(function() return h1:run("sleep", "100") end)
tap.eventually(3, function() return h1:run("pgrep", "-f", "^sleep 100$") end)
job:cancel()
job:join()
tap.ok(tap.eventually(3, function() return h1:run("sh", "-c", "! pgrep -f '^sleep 100$'") end), "a call that is cancelled ends its program")
tap.ok(runtime.now() - began < 5, "at once")
local _, message, code = timeout(0.3, function() return h2:run("sleep", "100") end)
tap.eq({ message, code }, { "no end within 0.3 s", "timeout" }, "a time limit")
began = runtime.now()
tap.eq(h1:run("sh", "-c", "sleep 60 & echo started").stdout, "started\n", "what goes on in the background does not hold the call up")
tap.ok(runtime.now() - began < 5, "for long", runtime.now() - began)
local pids = {}
for i, pid in ipairs(cgroup.pids(("%s/nerv-%s/endpoints/blue:h1"):format(cgroup.root(), node.get("pm1").instance))) do
  pids[i] = pid
end
tap.ok(#pids > 0, "it lives in the endpoint's cgroup", pids)
h1:delete()
for _, pid in ipairs(pids) do tap.ok(not process.exists(pid), "and ends with the endpoint") end

-- many at once
local tasks, texts = {}, {}
for i = 1, 30 do tasks[i] = task.spawn(function() return h2:run("sh", "-c", "sleep 0.2; echo " .. i).stdout end) end
for i, one in ipairs(tasks) do texts[i] = one:wait() end
local want = {}
for i = 1, 30 do want[i] = i .. "\n" end
tap.eq(texts, want, "thirty programs at once")

-- exec passes streams on
local result = system.script [[
local h = network.get("blue"):get "h2"
h:exec("sh", "-c", "echo out; echo err >&2")
local good, message, code, status = h:exec("sh", "-c", "exit 7")
print(good, message, code, status.exit)
node.here():exec("echo", "node")
]]
tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "out\nnil\tsh: exit status 7\tEXIT\t7\nnode\n", "err\n" },
  "exec passes the streams on")

-- ping
net:endpoint { name = "h3", node = "pm1" }
local h3 <const> = net:get "h3"
local answer = expect(h3:ping(h2, 3))
tap.ok(answer.sent == 3 and answer.received == 3 and answer.rtt_ms > 0 and answer.ok, "ping by endpoint", answer)
tap.ok(h3:ping(h2.address), "ping by address")
local lost = table.pack(h3:ping "10.1.0.99")
tap.ok(lost[1] == nil and lost[2] == "blue:h3 does not reach 10.1.0.99: 0 of 1 answers" and lost[3] == "unreachable", "no answer", lost)
local bare <const> = network.create { name = "bare", archetype = "bridge" }
local b1 <const> = bare:endpoint { name = "b1" }
system.refuses(function() h3:ping(b1) end, "endpoint:ping: the target has no address$", "a target with no address")
system.refuses(function() h3:ping() end, "endpoint:ping: argument 'target' is missing", "no target")
tap.like(b1:run("ip", "-br", "link", "show", "eth0").stdout, "UP", "a bridge's endpoint runs programs, too")
bare:delete()
net:delete()
tb:delete()
tap.done()
