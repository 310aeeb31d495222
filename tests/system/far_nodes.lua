-- Two machines, as far as one can play them: each agent has a network, a mount namespace and a /run of its own; the
-- database and the agents' calls go over TLS. What a shell does for an endpoint on the other machine, and who is kept out.
local tap <const> = require "tap"

local machines <const> = require "support.machines"

local pair <close> = machines.pair()
local a <const>, b <const> = pair.a, pair.b
assert(process.run { argv = { "scripts/make-ca", pair.path .. "/others", "b" } }.exit == 0)

tap.ok(a:start(), "an agent answers", file.read(a.log))
local function nodes() return a:lua("for _, n in ipairs(node.list()) do print(n.name, n.state) end").stdout end
tap.ok(tap.eventually(20, function() return nodes():find "a\tactive" end), "the first node begins", file.read(a.log))
tap.ok(b:start(), "another one does", file.read(b.log))
tap.ok(tap.eventually(20, function() return nodes():find "b\tactive" end), "the second one joins over TLS", file.read(b.log))

local function says(machine, code, want, text)
  local result = machine:lua(code)
  tap.ok(result.exit == 0 and result.stdout:find(want), text, result)
end
says(a, [[
  for _, n in ipairs(node.list()) do n:update { egress = { wire = "shared" } } end
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
  local h = blue:endpoint { { name = "h1", node = "a" }, { name = "h2", node = "b" } }
  expect(h[1]:ping(h[2]))
  print(h[2]:run("sh", "-c", "ip -br addr show eth0; cat; exit 0").stdout)]], "10.1.0.3/24", "an endpoint on the other machine")
says(a, [[print(network.get("blue"):get("h2"):run("readlink", "/proc/self/ns/net").stdout)]], "net:%[%d+%]", "a program there")
says(b, [[local h1 = network.get("blue"):get("h1") print(h1.node, h1:ping("10.1.0.3").received)]], "^a\t1", "and from there back")
says(a, [[print(#nve.open("b").tables.tags:dump(), nve.open("b").tables.tags:dump()[1].action)]], "^1\tto_port", "the switch over there")
says(a, [[print(#network.get("blue"):verify(), #network.get("blue"):plan("delete"))]], "^0\t%d+", "verify and plan")
local status <const> = a:lua([[os.exit(select(4, network.get("blue"):get("h2"):run("sh", "-c", "exit 7")).exit)]])
tap.eq(status.exit, 7, "the status of a program comes back")
local much <const> = a:lua([[io.write(network.get("blue"):get("h2"):run("head", "-c", "3000000", "/dev/zero").stdout)]])
tap.eq(#much.stdout, 3000000, "three million bytes come back whole")

-- who is kept out
local stranger <const> = b:lua([[print(network.get("blue"):get("h1"):run("true"))]], { tls = pair.path .. "/others/b" })
tap.ok(stranger.exit ~= 0 or stranger.stdout:find "^nil", "a shell with a certificate of another authority", stranger)
local plain <const> = assert(process.run { netns = b.netns, argv = { "sh", "-c",
  "printf '\\001\\000\\000\\000\\020{\"call\":\"hello\"}' | timeout 2 busybox nc 192.0.2.1 6650 | wc -c" } })
tap.ok(tonumber(plain.stdout) < 64 and not plain.stdout:find "node", "bytes without TLS get no answer", plain)

says(a, [[network.get("blue"):delete() print(#network.list())]], "^0", "all of it is deleted")
tap.ok(pair:close(), "the agents end")
tap.done()
