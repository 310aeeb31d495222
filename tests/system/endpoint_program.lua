-- Programs of endpoints: in the background with streams, on a terminal, here and on another node; what ends
-- them; statistics and pings.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local terminal_test <const> = require "support.terminal"

local tb <const> = testbed.create { nodes = 2 }
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local h1 <const>, h2 <const> = net:get "h1", net:get "h2"

local function gone(pid, seconds) return tap.eventually(seconds or 5, function() return not process.exists(pid) end) end
local function sub_groups(ep)
  local path = ("%s/nerv-%s/endpoints/%s"):format(cgroup.root(), node.get(ep.node).instance, ep.id)
  local count = 0
  for _, name in ipairs(file.list(path) or {}) do
    if file.stat(path .. "/" .. name .. "/cgroup.procs") then count = count + 1 end
  end
  return count
end

for where, place in pairs { endpoint = h1, ["endpoint of another node"] = h2, node = node.get "pm1" } do
  local function title(text) return where .. ": " .. text end
  local p = expect(place:spawn("sh", "-c", "echo one; read line; echo \"got $line\"; echo two >&2; exit 7"))
  tap.ok(p:running() and process.exists(p.pid) and p.stdout:read_line() == "one", title "a program runs while we do other things")
  tap.eq({ p:wait(0.05) }, { nil, "sh: it runs still", "timeout" }, title "a wait with a limit")
  p.stdin:write "input\n"
  tap.eq({ p.stdout:read_line(), p.stderr:read_line() }, { "got input", "two" }, title "its streams")
  local ended = table.pack(p:wait(5))
  tap.ok(ended[1] == nil and ended[2] == "sh: exit status 7" and ended[3] == "EXIT" and ended[4].exit == 7, title "its end", ended)
  tap.eq({ p:running(), (p.stdout:read()), (p:kill()) }, { false }, title "afterwards")
  p = expect(place:spawn("cat"))
  p.stdin:close()
  tap.eq(p:wait(5), { ok = true, exit = 0 }, title "the end of its input")
  for signal, name in pairs { TERM = "SIGTERM", INT = "SIGINT", [9] = "SIGKILL" } do
    p = expect(place:spawn("sleep", "1000"))
    tap.ok(p:kill(signal) and select(3, p:wait(5)) == name, title("ended by " .. name))
  end
  p = expect(place:spawn { argv = { "sh", "-c", "pwd; echo $WORD" }, cwd = "/usr", env = { WORD = "set" } })
  tap.eq({ p.stdout:read_line(), p.stdout:read_line() }, { "/usr", "set" }, title "directory and variables")
  local missing = table.pack(place:spawn "no-such-program")
  tap.ok(missing[1] == nil and missing[2]:find "no%-such%-program" and missing[3] == "ENOENT", title "a program that is not there", missing)

  -- Much on one stream that nobody reads.
  p = expect(place:spawn("sh", "-c", "head -c 900000 /dev/zero; echo end >&2"))
  tap.eq(p.stderr:read_line(), "end", title "a stream that nobody reads does not hold up the other")
  tap.ok(p:wait(5), title "nor the end")
  local bytes, chunk = 0, p.stdout:read()
  while chunk do
    bytes, chunk = bytes + #chunk, p.stdout:read()
  end
  tap.eq(bytes, 900000, title "and can be read afterwards")
  p = expect(place:spawn("sh", "-c", "head -c 5000000 /dev/zero; echo end >&2"))
  tap.eq({ p:wait(0.3) }, { nil, "sh: it runs still", "timeout" }, title "very much holds it up")
  bytes = 0
  repeat
    chunk = p.stdout:read()
    bytes = bytes + #(chunk or "")
  until not chunk
  tap.ok(bytes == 5000000 and p:wait(5), title "until it is read", bytes)
  p = expect(place:spawn { argv = { "sh", "-c", "head -c 5000000 /dev/zero" }, stdout = "null", stdin = "null" })
  tap.ok(p:wait(10) and not p.stdout and not p.stdin, title "not where nobody wants it")

  -- Much input that it does not read.
  p = expect(place:spawn("sh", "-c", "sleep 0.5; wc -c; echo end >&2"))
  p.stdin:write(("x"):rep(3000000))
  p.stdin:close()
  tap.eq({ p.stdout:read_line(), p:wait(5) }, { "3000000", { ok = true, exit = 0 } }, title "much input arrives when it is read")
  p = expect(place:spawn("sleep", "1008"))
  local writer = task.spawn(function() return p.stdin:write(("x"):rep(30000000)) end)
  tap.ok(not writer:join(0.5) and p:kill "INT" and select(3, p:wait(5)) == "SIGINT", title "input that nobody reads does not hold up a signal")
  writer:cancel()
  p = expect(place:spawn("sleep", "1009"))
  writer = task.spawn(function() return p.stdin:write(("x"):rep(30000000)) end)
  writer:join(0.2)
  p:close()
  tap.ok(gone(p.pid), title "nor the end")
  writer:cancel()

  -- What it started ends with it, when we leave it.
  p = expect(place:spawn("sh", "-c", "sleep 1001 & echo $!; trap '' HUP TERM; sleep 1002"))
  local child = tonumber(p.stdout:read_line())
  tap.ok(process.exists(child) and process.exists(p.pid), title "a program with a child, that takes no hint")
  p:close()
  tap.ok(gone(p.pid) and gone(child), title "both end when it is closed")
  do
    local scoped <close> = expect(place:spawn("sleep", "1003"))
    child = scoped.pid
  end
  tap.ok(gone(child), title "one goes with its scope")
  p = expect(place:spawn("sh", "-c", "sleep 1004 >/dev/null 2>&1 & echo $!"))
  child = tonumber(p.stdout:read_line())
  tap.ok(p:wait(5) and process.exists(child), title "what a program that ends leaves behind runs on")
  process.adopt(child):kill "KILL"
end
tap.ok(tap.eventually(3, function() return sub_groups(h1) <= 1 and sub_groups(h2) <= 1 end), "nothing is kept of programs that ended",
  sub_groups(h1), sub_groups(h2))

-- misuse
local refuses <const> = system.refuses
refuses(function() h1:spawn() end, ".*program and its arguments", "no program")
refuses(function() h1:spawn { argv = { "x" }, stdot = "null" } end, "endpoint:spawn: unknown option 'stdot'; did you mean 'stdout'", "an unknown option")
refuses(function() h1:spawn { argv = { "x" }, stdout = "file" } end, "endpoint:spawn: stdout = \"file\": one of pipe, null, inherit", "an unknown place")
do
  local p <close> = expect(h1:spawn("sleep", "1000"))
  refuses(function() p:kill "term" end, "program:kill: bad signal 'term'", "a bad signal")
  refuses(function() p:resize(10, 10) end, "program:resize: it has no terminal", "a terminal that is not there")
end

-- on a terminal of its own
do
  local p <close> = expect(h1:spawn { argv = { "sh" }, pty = { rows = 10, cols = 40 } })
  local function ask(line)
    p.stdin:write(line .. "; echo d''one\n")
    local text = ""
    repeat text = text .. (p.stdout:read() or "\ndone") until text:find "\ndone"
    return text
  end
  tap.like(ask "stty size", "10 40\r\n", "a terminal of a size")
  p:resize(33, 111)
  tap.like(ask "stty size", "33 111\r\n", "that changes")
  p.stdin:write "exit 5\n"
  tap.eq(select(4, p:wait(5)).exit, 5, "its end")
end

-- the shell ends
local pids <const> = {}
for kept, options in pairs { ["a program"] = "", ["one that is kept"] = ", keep = true" } do
  local result = system.script(([[
    local p = network.get("blue"):get("h2"):spawn { argv = { "sh", "-c", "sleep 1005 & echo $!; while sleep 0.1; do echo x; done" }%s }
    print(p.pid, p.stdout:read_line())]]):format(options))
  pids[kept] = { result.stdout:match "(%d+)%s+(%d+)" }
end
local ended, stays <const> = pids["a program"], pids["one that is kept"]
tap.ok(gone(tonumber(ended[1])) and gone(tonumber(ended[2])), "a program ends with its shell, and what it started", ended)
tap.ok(process.exists(tonumber(stays[1])) and process.exists(tonumber(stays[2])), "one that is kept does not", stays)
local killed = process.spawn { argv = { process.exe(), "-e", [[
  local p = network.get("blue"):get("h1"):spawn("sh", "-c", "sleep 1006 & echo $!; wait")
  print(p.pid, p.stdout:read_line())
  io.stdout:flush()
  sleep(100)]] }, stdout = "pipe" }
local one <const>, two <const> = killed.stdout:read_line():match "(%d+)%s+(%d+)"
killed:kill "KILL"
tap.ok(gone(tonumber(one)) and gone(tonumber(two)), "nor does a program outlive a shell that is killed")

-- a shell in an endpoint, as a person has it
do
  local t <close> = terminal_test.nervsh({}, { rows = 30, cols = 100 })
  t:prompt(20)
  t:type 'h = network.get("blue"):get "h2"'
  t:prompt()
  t:type "h:shell('sh')"
  t:see "\nh2#$"
  t:keys "stty size; echo $NERV_ENDPOINT $NERV_NODE; ip -br addr show eth0\r"
  t:see "\n30 100\nblue:h2 pm2\neth0.*10%.1%.0%.3/24"
  tap.ok(true, "a shell in an endpoint of another node, on a terminal of this size")
  t:resize(20, 70)
  t:keys "until [ \"$(stty size)\" = '20 70' ]; do sleep 0.05; done; echo now $(stty size)\r"
  t:see "now 20 70\n"
  tap.ok(true, "the size follows the terminal's")
  t:keys "sleep 1007\r"
  tap.eventually(5, function() return h2:run("pgrep", "-f", "^sleep 1007$") end)
  t:keys "\3"
  t:keys "echo after $?\r"
  t:see "after 130"
  tap.ok(true, "Ctrl-C goes to the program in it, and not to us")
  t:keys "exit 3\r"
  t:see "exit status 3"
  t:prompt()
  tap.ok(true, "its end is told, and the prompt is back")
  tap.eq(t:ask("1 + 1"), "2", "with the terminal as it was")
  t:type "h:shell('sh', '-c', 'echo $0-$1', 'zero', 'one')"
  t:see "\nzero%-one"
  tap.ok(true, "another program")
  t:prompt()
  t:keys "\4"
  tap.eq(t:wait_end().exit, 0, "Ctrl-D leaves")
end
local result <const> = process.run { argv = { process.exe(), "-e", 'network.get("blue"):get("h1"):shell("sh")' }, input = "echo $NERV_ENDPOINT; tty\n" }
tap.eq({ result.exit, result.stdout }, { 0, "blue:h1\nnot a tty\n" }, "without a terminal it takes our streams")

-- ping
local answer = expect(h1:ping(h2, { count = 5, interval = "10ms", size = 1000, timeout = 1 }))
tap.ok(answer.sent == 5 and answer.received == 5 and answer.loss == 0 and answer.min_ms <= answer.rtt_ms and answer.rtt_ms <= answer.max_ms
  and answer.mdev_ms >= 0, "a ping tells loss and times", answer)
local lost = table.pack(h1:ping("10.1.0.99", { count = 2, interval = 0.01, timeout = 0.2 }))
tap.ok(lost[1] == nil and lost[2] == "blue:h1 does not reach 10.1.0.99: 0 of 2 answers" and lost[3] == "unreachable" and lost[4].loss == 1,
  "one that is not answered", lost)
refuses(function() h1:ping(h2, { cuont = 1 }) end, "endpoint:ping: unknown option 'cuont'; did you mean 'count'", "an unknown option")
refuses(function() h1:ping(h2, { count = 0 }) end, "endpoint:ping: count = 0: ", "no request")
refuses(function() h1:ping(h2, "x") end, "endpoint:ping: count = \"x\": ", "a bad count")

-- statistics
local function counted(ep)
  local inside = link.get { netns = ep.netns, name = "eth0" }.stats
  local stats = ep.stats
  return stats.rx_packets == inside.rx_packets and stats.tx_packets == inside.tx_packets and stats.rx_bytes == inside.rx_bytes
    and stats.tx_bytes == inside.tx_bytes
end
tap.ok(tap.eventually(3, function() return counted(h1) and counted(h2) end), "what an endpoint has received and sent", h1.stats)
tap.eq({ h1.stats.interface, h1.stats.up, h1.stats.carrier }, { "eth0", true, true }, "and its interface")
local before <const> = h2.stats
expect(h1:ping(h2, { count = 10, interval = 0, size = 400 }))
local after <const> = h2.stats
tap.ok(after.rx_packets - before.rx_packets >= 10 and after.tx_packets - before.tx_packets >= 10
  and after.rx_bytes - before.rx_bytes >= 4420, "it grows as packets come and go", before, after)
h2:update { rate = "100kbit" }
h1:run("timeout", "1.5", "ping", "-q", "-l", "40", "-c", "40", "-s", "1400", h2.address)
tap.ok(h2.stats.rx_dropped > before.rx_dropped, "what a limit dropped on the way to it is counted", h2.stats)
h2:run("timeout", "1.5", "ping", "-q", "-l", "40", "-c", "40", "-s", "1400", h1.address)
tap.ok(h2.stats.tx_dropped > before.tx_dropped, "and on the way from it", h2.stats)

process.adopt(tonumber(stays[1])):kill "KILL"
net:delete()
tap.ok(gone(tonumber(stays[2])), "what was kept ends with its endpoint")
tb:delete()
tap.done()
