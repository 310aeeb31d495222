-- Supervision: back-off, logs that stay small, `service list`, `log -f`, what a service manager is told.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

-- An archetype whose service writes and dies as it is told by a file.
local dir <const> = system.directory()
local _ <close> = dir
system.write(dir.path, "talker.lua", [[
return archetype { name = "talker", summary = "a service that talks", network = {
    file = { type = "file", required = true, doc = "what to run" }, ready = { type = "string", doc = "its socket" },
    second = { type = "file", doc = "what comes after it, and is never ready" } },
  on_network = function(need, net)
    need.service { name = "talk", argv = { "sh", net.file }, ready = net.ready }
    if net.second then need.service { name = "second", argv = { "sh", net.second }, ready = "${run}/none" } end
  end, on_endpoint = function() end }]])
local script <const> = system.write(dir.path, "talk.sh", "echo hello; exec sleep 1000")
local state <const> = system.state()
local _ <close> = state
state.env.NERV_PATH = dir.path
local function shell(code) return system.nervsh({ "-e", code }, { env = state.env }) end
tap.eq(shell(([[network.create { name = "n", archetype = "talker", file = %q }
  require("nerv.protocol").call(lab.connection().socket, { call = "keep" })]]):format(script)).exit, 0, "a lab that stays")

local function rows() return json.decode(system.nervsh({ "-c", "service list -f json" }, { env = state.env }).stdout) or {} end
local function talker()
  for _, row in ipairs(rows()) do if row.name == "n.talk" then return row end end
end
local first <const> = talker()
tap.ok(first and first.state == "running" and first.restarts == 0 and process.exists(first.pid), "service list", first)

-- It dies: it comes back, later and later.
process.adopt(first.pid):kill "KILL"
local began <const> = runtime.now()
tap.ok(tap.eventually(10, function() local now = talker() return now and now.restarts == 1 and now.pid ~= first.pid end), "a service that dies comes back")
tap.ok(runtime.now() - began < 5, "soon", runtime.now() - began)
file.write(script, "echo short life")
process.adopt(talker().pid):kill "KILL"
tap.ok(tap.eventually(15, function() local now = talker() return now and now.restarts >= 3 end), "one that ends at once is started again")
tap.ok(runtime.now() - began > 0.2 + 0.4 + 0.8, "less and less often", runtime.now() - began)
tap.like(system.nervsh({ "-c", "log n.talk" }, { env = state.env }).stdout, "^hello\nhello\nshort life\nshort life\n", "its log")

-- With another option it is another process: what the former one said stays, and who follows the log sees it go on.
local other <const> = system.write(dir.path, "other.sh", "echo other; exec sleep 1000")
file.write(script, "echo former; exec sleep 1000")
local function log() return system.nervsh({ "-c", "log -n 100 n.talk" }, { env = state.env }).stdout end
tap.ok(tap.eventually(30, function() return log():find "former\n$" end), "it says something else")
local follower <const> = process.spawn { argv = { process.exe(), "-c", "log -f -n 1 n" }, add_env = state.env, stdin = "null", stdout = "pipe" }
tap.eq(follower.stdout:read_line(), "former", "its log is followed")
local before <const> = talker()
tap.eq(shell(("network.get('n'):update { file = %q }"):format(other)).exit, 0, "its option changes")
tap.ok(talker().pid ~= before.pid and not process.exists(before.pid), "it is another process", talker())
tap.ok(tap.eventually(10, function() return log():find "former\nother\n$" end), "what it said before is kept", log())
tap.eq(follower.stdout:read_line(), "other", "and followed on")
follower:kill "INT"
follower:wait(10)

tap.ok(shell(("network.get('n'):update { file = %q }"):format(script)).exit == 0 and tap.eventually(10, function()
  return log():find "former\nother\nformer\n$" end), "and back", log())

-- One that does not start is undone, and what both said is kept.
local dying <const> = system.write(dir.path, "dying.sh", "echo no luck; exit 1")
tap.like(shell(("network.get('n'):update { file = %q, ready = '${run}/none' }"):format(dying)).stderr,
  "service talk is not ready: no luck", "one that does not start")
tap.ok(tap.eventually(10, function() return log():find "other\nformer\nno luck\nformer\n$" end), "its words stay", log())
local run <const> = shell "print(lab.connection().hello.run_dir)".stdout:match "%S+"

-- The log stays small.
file.write(script, "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exec sleep 1000")
process.adopt(talker().pid):kill "KILL"
tap.ok(tap.eventually(30, function()
  local text = system.nervsh({ "-c", "log -n 1 n.talk" }, { env = state.env }).stdout
  local now, former = file.stat(run .. "/log/n.talk.log"), file.stat(run .. "/log/n.talk.log.1")
  return now and former and now.size < 1 << 20 and former.size > 3000000 and text
end), "a large log begins anew")
tap.eq(system.nervsh({ "-c", "log -n 1 n.talk" }, { env = state.env }).stdout, "last\n", "and shows what was before")

-- One that is taken back when another one fails: what both said is in the agent's log.
local failed <const> = shell(("network.create { name = 'm', archetype = 'talker', file = %q, second = %q }"):format(other, dying))
tap.ok(failed.exit == 1 and failed.stderr:find "service second is not ready: no luck", "a network that cannot be made", failed)
local said <const> = file.read(state.path .. "/agent.log")
tap.like(said, "service m%.second said last:\n  no luck\n", "the agent's log has what the one said that failed")
tap.like(said, "service m%.talk said last:\n  other\n", "and the one that was taken back")
tap.eq({ file.stat(run .. "/log/m.second.log") ~= nil, file.stat(run .. "/log/m.talk.log") ~= nil }, { false, false }, "their own have gone")
shell [[network.get("n"):delete()]]
tap.eq(talker(), nil, "gone with its network")
tap.ok(not file.stat(run .. "/log/n.talk.log") and not file.stat(run .. "/log/n.talk.log.1"), "and its log", file.list(run .. "/log"))
local pid <const> = tonumber(shell "print(lab.connection().hello.pid)".stdout:match "%d+")
process.adopt(pid):kill "TERM"

-- A service manager is told when the agent is ready, and when it ends.
local notes <const> = dir.path .. "/notify"
local manager <const> = process.spawn { stdin = "null", stdout = "pipe", argv = { "perl", "-MSocket", "-e", [[
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0); bind($s, sockaddr_un($ARGV[0])); $| = 1; print "bound\n";
  for (1..2) { recv($s, my $text, 4096, 0); print "$text;\n" }]], notes } }
tap.eq(manager.stdout:read_line(), "bound", "a socket as systemd has it")
local daemon <const> = process.spawn { argv = { process.exe(), "--agent", "--temporary", "--node", "x", "--state", dir.path .. "/daemon" },
  add_env = { NOTIFY_SOCKET = notes }, stdin = "null" }
tap.eq(manager.stdout:read_line(), "READY=1", "ready")
tap.like(manager.stdout:read_line(), "^STATUS=node x, database unix:.*/db.sock;$", "and what it is")
daemon:kill "TERM"
tap.eq(manager.stdout:read_line(), "STOPPING=1;", "it ends")
tap.eq({ daemon:wait(20).exit, manager:wait(5).exit }, { 0, 0 }, "both have ended")
tap.done()
