-- Command lines as they are typed: what they print, and their exit status.
local tap <const> = require "tap"
local system <const> = require "support.system"

local function command(line) return system.nervsh { "-c", line } end

local tb <const> = testbed.create { nodes = 2 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
local red <const> = network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/24" }
red:endpoint { { name = "r1" }, { name = "h2" } }

local function good(line, pattern, text)
  local result = command(line)
  tap.ok(result.exit == 0 and result.stderr == "" and result.stdout:find(pattern), text or line, result, pattern)
  return result
end

local function bad(line, status, pattern, text)
  local result = command(line)
  tap.ok(result.exit == status and result.stderr:find("^nervsh: " .. pattern .. "[^\n]*\n$"), text or line, result, pattern)
end

good("nodes", "^NAME +STATE +EGRESS\n")
good("nodes", "\npm1 +active +trunk0=shared\n")
good("nodes", ("\n%s +active\n"):format(lab.here():gsub("%p", "%%%0")))
good("net", "^NAME +ARCHETYPE +HOME +NODES +ENDPOINTS +STATE\n")
good("net", "\nblue +ip +pm1 +pm1,pm2 +2 +active\n")
good("ep", "^NAME +NODE +MAC +ADDRESS +STATE\n")
good("ep", "\nblue:h1 +pm1 +02:[%x:]+ +10.1.0.2 +active\n")
good("help", "\nCommands: +add ")
good("help ip", "^archetype ip: ")
good("help link", "^module link: ")
good("help link.add", "^link.add{...}: ")
good("exit", "^$")
good("clean", "^$")
good("  nodes  ", "\npm1 ", "blanks around a command")
good("h1 ping -c1 h2", "PING 10.1.0.3 .*1 received", "an endpoint pings another one by name: that of its own network")
good("h1 ping -c1 @h2", "PING 10.1.0.3 .*1 received", "@NAME is an address")
good("r1 ping -c1 h2", "PING 10.1.0.3 .*1 received", "the other network's one pings its own")
good("blue:h1 ping -c1 blue:h2", "1 received", "by network and name")
good("r1 ping -c1 blue:h1", "PING 10.1.0.2 ", "an address of another network is an address all the same")
good("r1 echo h2 @h2 @r1", "^h2 10.1.0.3 10.1.0.2\n$", "a bare name is a word for other programs")
good("h1 echo a:b -x:y http://h2 10.1.0.3 :", "^a:b %-x:y http://h2 10.1.0.3 :\n$", "what only looks like a name stays as it is")
good("h1 true", "^$")

bad("h1 sh -c false", 1, "sh: exit status 1")
local result <const> = command "h1 ls /no-such-file"
tap.ok(result.exit == 2 and result.stderr:find "no%-such%-file" and result.stdout == "", "the program's status is the command's", result)
bad("h1 timeout 0.1 sleep 5", 124, "timeout: exit status 124")
bad("h1 timeout -s KILL 0.1 sleep 5", 137, "timeout: was ended by SIGKILL", "a signal gives 128 and its number")
bad("h1 no-such-program", 1, ".*no%-such%-program")
bad("h1", 1, "a program and its arguments are expected")
bad("h2 true", 1, "endpoint 'h2' is in networks blue and red: name it NETWORK:h2", "a name in two networks")
bad("h9 true", 1, "unknown command or endpoint 'h9'")
bad("node", 1, "unknown command or endpoint 'node'; did you mean 'nodes'?", "the nearest command is named")
bad("quite-something-else", 1, "unknown command or endpoint 'quite%-something%-else'; 'help' lists the commands")
bad("h1 ping -c1 @h9", 1, "@h9: there is no such endpoint")
bad("help brigde", 1, "help: nothing is known of 'brigde'; did you mean 'bridge'?")

-- several, and with Lua
local several <const> = system.nervsh { "-c", "nodes", "-e", "print(network.get('blue').home)", "-c", "h1 echo done" }
tap.ok(several.exit == 0 and several.stdout:find "^NAME.*\npm1\ndone\n$", "commands and code, in their order", several)
local stops <const> = system.nervsh { "-c", "h9 true", "-c", "nodes" }
tap.ok(stops.exit == 1 and stops.stdout == "", "the first that fails is the last", stops)
local code <const> = system.nervsh { "-e", "error 'no'" }
tap.eq({ code.exit, code.stderr }, { 1, "nervsh: -e:1: no\n" }, "code that raises")
local syntax <const> = system.nervsh { "-e", "x x" }
tap.ok(syntax.exit == 1 and syntax.stderr:find "^nervsh: %-e:1: syntax error[^\n]*\n$", "code that is none", syntax)
local wrong <const> = system.nervsh { "--stte", "x" }
tap.eq({ wrong.exit, wrong.stdout, wrong.stderr }, { 2, "",
  "nervsh: unknown option '--stte'; did you mean '--state'?; 'nervsh --help' lists the options\n" },
  "an unknown option")
local absent <const> = system.nervsh { "/no/such/file.lua" }
tap.ok(absent.exit == 1 and absent.stderr:find "^nervsh: cannot read /no/such/file.lua: [^\n]*\n$", "a file that is not there", absent)
local input <const> = system.nervsh({ "-" }, { input = "print(network.get('red').name, ...)" })
tap.eq({ input.exit, input.stdout }, { 0, "red\n" }, "a script on standard input")

blue:delete()
red:delete()
good("net", "^NAME +ARCHETYPE[^\n]*\ntestbed +testbed [^\n]*\n$", "what is deleted is not listed")
good("ep", "^NAME[^\n]*\n$", "so endpoints")
tb:delete()
good("nodes", ("^NAME[^\n]*\n%s +active\n$"):format(lab.here():gsub("%p", "%%%0")), "so nodes")
tap.done()
