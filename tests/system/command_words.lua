-- sh, time, source, log, and commands as the program's own words: what they print and their exit status.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local tb <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local dir <const> = system.directory()

local function run(...) return system.nervsh { ... } end

local function is(words, status, out, err, text)
  local r = system.nervsh(words)
  tap.ok(r.exit == status and r.stdout:find("^" .. out .. "$") and r.stderr:find("^" .. err .. "$"), text or table.concat(words, " "), r)
end

-- the program's own words
is({ "net", "list", "-f", "csv" }, 0, "name,.*\nblue,ip,pm1,.*", "")
is({ "ep", "blue", "-f", "json" }, 0, "%[\n.*blue:h2.*%]\n", "")
is({ "pingall", "blue" }, 0, ".*0%% lost %(2 of 2 answered%)\n", "")
is({ "net", "show", "bleu" }, 1, "", "nervsh: net: there is no network 'bleu'; did you mean 'blue'%?\n")
is({ "sh", "exit 7" }, 7, "", "nervsh: sh: exit status 7\n")
is({ "nte" }, 1, "", "nervsh: cannot read nte: No such file or directory, and no command; did you mean 'net'%?\n")
is({ "./nodes" }, 1, "", "nervsh: cannot read %./nodes: No such file or directory\n", "a path is no command")
is({ "-e", "x = 1", "sh", "echo it is; exit 3" }, 3, "it is\n", "nervsh: sh: exit status 3\n", "after code")
file.write(dir.path .. "/nodes", "print('a script')")
local here = process.run { argv = { process.exe(), "nodes" }, cwd = dir.path }
tap.eq({ here.exit, here.stdout }, { 0, "a script\n" }, "a file of that name comes first")
file.mkdir(dir.path .. "/net")
here = process.run { argv = { process.exe(), "net", "-f", "csv" }, cwd = dir.path }
tap.ok(here.exit == 0 and here.stdout:find "^name,", "a directory does not", here)

-- sh
is({ "-c", "sh echo 'a  b' | tr a-z A-Z; exit 0" }, 0, "A  B\n", "", "sh: a line of the shell, as it was typed")
is({ "-c", "sh echo out; echo err >&2; false" }, 1, "out\n", "err\nnervsh: sh: exit status 1\n", "its streams and status")
is({ "-c", "sh -c 'exit 5'" }, 5, "", "nervsh: sh: exit status 5\n", "sh with options of its own")
is({ "-c", "sh kill -KILL $$" }, 137, "", "nervsh: sh: was ended by SIGKILL\n")
is({ "-c", "sh no-such-program" }, 127, "", ".*not found\nnervsh: sh: exit status 127\n")
is({ "-c", "sh" }, 1, "", "nervsh: sh: argument 'line' is missing %(the command line%)\n")
is({ "sh", "echo", "a  b", "c;d" }, 0, "a  b c;d\n", "", "words stay words")
local fresh <const> = system.state()
local without = system.nervsh({ "-c", "sh echo x" }, { env = fresh.env })
tap.eq({ without.exit, without.stdout, file.list(fresh.path) }, { 0, "x\n", { "instance" } }, "it starts no agent")

-- statuses
is({ "-c", "h1 false" }, 1, "", "nervsh: false: exit status 1\n")
is({ "-c", "h2 sh -c 'exit 7'" }, 7, "", "nervsh: sh: exit status 7\n")

-- time
is({ "-c", "time h1 echo x" }, 0, "x\n", "%d+%.%d%d%d s\n")
is({ "-c", "time h2 sh -c 'exit 7'" }, 7, "", "nervsh: sh: exit status 7\n%d+%.%d%d%d s\n", "time passes the status on")
is({ "-c", "time print(1 + 1)" }, 0, "2\n", "%d+%.%d%d%d s\n", "time of Lua")
is({ "-c", "time 'a' .. \"b's\"" }, 0, "ab's\n", "%d+%.%d%d%d s\n", "time of an expression, quotes and all")
is({ "-c", "time sleep(0.3)" }, 0, "", "0%.[34]%d+ s\n", "the time is right")
is({ "-c", "time error('no', 0)" }, 1, "", "%d+%.%d%d%d s\nnervsh: no\n", "of what fails")
is({ "-c", "time x x" }, 1, "", "%d+%.%d%d%d s\nnervsh: time:1: syntax error[^\n]*\n")
is({ "-c", "time" }, 1, "", "nervsh: time: argument 'line' is missing[^\n]*\n")
tap.eq({ commands.time "h1 false" }, { nil, "exit status 1", "EXIT", { exit = 1 } }, "time from Lua")

-- source
local function source(text, status, out, err, title)
  local path = system.write(dir.path, "lines", text)
  is({ "source", path }, status, out, (err:gsub("FILE", function() return (path:gsub("%p", "%%%0")) end)), title)
end
source("# a comment\n\nh1 echo one\nx = {\n  2,\n  3 }\nprint(#x)\n!h2 echo three\n  =x[2]\nnet -f csv\n", 0,
  "one\n2\nthree\n3\nname,.*blue.*", "", "commands, Lua over several lines, values")
source("y = network\n  .get 'blue'\n  :get 'h1'\nlocal z = y.name\nz\n", 0, "h1\n", "", "a statement that goes on, a local that lasts")
source("h1 true\n\nh1 sh -c 'exit 7'\nh1 echo never\n", 7, "", "nervsh: sh: exit status 7\nnervsh: source: FILE:3: exit status 7\n",
  "it stops at the first that fails, with its status")
source("h1 true\nh9 true\n", 1, "", "nervsh: FILE:2: [^\n]*\n", "and says where")
source("x = 1\n\nx.y.z = 1\n", 1, "", "nervsh: FILE:3: attempt to index a n[^\n]*\n", "in Lua, too")
source("x = {\n1,\n", 1, "", "nervsh: FILE:%d+: [^\n]*<eof>\n", "what is not complete")
source("", 0, "", "", "an empty file")
source("source /no/such\n", 1, "", "nervsh: FILE:1: source: /no/such: No such file or directory\n", "a file within a file")
is({ "source", "/no/such" }, 1, "", "nervsh: source: /no/such: No such file or directory\n", "a file that is not there")
is({ "source" }, 1, "", "nervsh: source: argument 'file' is missing[^\n]*\n")

-- log
is({ "log", "nve" }, 0, ".*pm1 node pm1%.nve: nerv%-nve: .*pm2 node pm2%.nve: .*", "")
is({ "log", "node pm2.nve", "-n", "1" }, 0, "nerv%-nve: [^\n]*\n", "", "one log, one line")
is({ "log", "pm2.nve", "-n", "1" }, 0, "nerv%-nve: [^\n]*\n", "", "by the end of its name")
is({ "log", "blue" }, 1, "", "nervsh: log: network blue runs no services: there is no log\n")
is({ "log", "pm3" }, 1, "", "nervsh: log: there is no node, network or service 'pm3'; did you mean 'pm[12]'%?\n")
is({ "log", "-n", "0" }, 1, "", "nervsh: log: lines '0': an integer from 1 to 1000 is expected\n")
local agent_log <const> = lab.connection().hello.run_dir .. "/log/testbed.pm1.log"
local many = {}
for i = 1, 30000 do many[i] = ("line %d"):format(i) end
file.write(agent_log, table.concat(many, "\n") .. "\n")
is({ "log", "pm1", "-n", "2" }, 0, "line 29999\nline 30000\n", "", "the end of a node's own log")
tap.eq(select(2, run("log", "pm1", "-n", "1000").stdout:gsub("\n", "")), 1000, "a thousand lines of it")
file.write(agent_log, "short")
is({ "log", "pm1" }, 0, "short\n", "", "a line that has no end")
local follower = process.spawn { argv = { process.exe(), "log", "-f", "pm1" }, stdout = "pipe", stderr = "pipe" }
local seen = ""
local reader = task.spawn(function()
  for bytes in function() return follower.stdout:read() end do seen = seen .. bytes end
end)
local function append(text)
  local f = io.open(agent_log, "a")
  f:write(text)
  f:close()
end
sleep(0.3)
append " grown\nsec"
tap.ok(tap.eventually(5, function() return seen == "short grown\n" end), "log -f: whole lines, as they come", seen)
append "ond\nthird\n"
tap.ok(tap.eventually(5, function() return seen == "short grown\nsecond\nthird\n" end), "and more", seen)
file.write(agent_log .. ".1", "short grown\nsecond\nthird\nfourth\n")
file.write(agent_log, "anew\n")
tap.ok(tap.eventually(10, function() return seen == "short grown\nsecond\nthird\nfourth\nanew\n" end), "a log that begins anew, and what it had", seen)
is({ "log", "pm1", "-n", "3" }, 0, "third\nfourth\nanew\n", "", "its end is in both")
follower:kill "INT"
tap.eq(follower:wait().exit, 130, "until it is interrupted")
reader:cancel()
local gone <const> = process.spawn { argv = { process.exe(), "log", "-f", "-n", "1", "pm1" }, stdin = "null", stdout = "pipe", stderr = "pipe" }
tap.eq(gone.stdout:read_line(), "anew", "or until the agent ends")
process.adopt(require("nerv.protocol").call(lab.socket "pm1", { call = "hello" }).pid):kill "KILL"
local r = { exit = gone:wait(20).exit, stderr = gone.stderr:read() }
tap.ok(r.exit == 1 and r.stderr == "nervsh: log: the agent of node pm1 has ended\n", "which it says", r)
tap.eventually(10, function() return require("nerv.protocol").call(lab.socket "pm1", { call = "hello" }) end)

-- a lab of one command
local alone <const> = system.state()
local ended = system.nervsh({ "create", "blue", "bridge" }, { env = alone.env })
tap.eq({ ended.exit, ended.stderr }, { 0, "nervsh: the lab has ended, and its networks with it; nervsh --keep leaves a lab running\n" },
  "one command in a lab of its own: what becomes of it")
tap.eq(system.nervsh({ "plan", "create", "blue", "bridge" }, { env = alone.env }).stderr, "", "a plan makes nothing")
ended = system.nervsh({ "--keep", "create", "blue", "bridge" }, { env = alone.env })
tap.eq({ ended.exit, ended.stderr }, { 0, "" }, "one that is kept")
ended = system.nervsh({ "-c", "delete blue", "-c", "net -f json" }, { env = alone.env })
tap.eq({ ended.exit, ended.stdout, ended.stderr }, { 0, "[]\n", "" }, "is there for the next one")
local context <const> = require "nerv.context"
local kept <const> = context.run_dir(context.read_instance(alone.path)) .. "/agent.sock"
local agent <const> = process.adopt(require("nerv.protocol").call(kept, { call = "hello" }).pid)
agent:kill "TERM"
agent:wait(10)
require("nerv.instance").clean(alone.path)

-- nobody reads any more
for _, line in ipairs { "watch -n 0.05 ep", "h1 sh -c 'while true; do echo x; sleep 0.05; done'" } do
  local head = timeout(10, process.run, { argv = { "/bin/sh", "-c", ("%s -c \"%s\" | head -n 1"):format(process.exe(), line) } })
  tap.ok(head and head.exit == 0 and #head.stdout > 0, "ends when nobody reads: " .. line, head)
end

-- interrupted
local sleeper = process.spawn { argv = { process.exe(), "-c", "h1 sleep 60" }, stderr = "pipe" }
tap.eventually(5, function() return blue:get("h1"):run("pgrep", "-f", "^sleep 60") end)
sleeper:kill "INT"
tap.eq(sleeper:wait().exit, 130, "an interrupted command")

blue:delete()
tb:delete()
tap.done()
