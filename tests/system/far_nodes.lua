-- Two machines, as far as one can play them: each agent has a network, a mount namespace and a /run of its own; the
-- database and the agents' calls go over TLS. What a shell does for an endpoint on the other machine, and who is kept out.
local tap <const> = require "tap"
local system <const> = require "support.system"

local dir <const> = system.directory()
local _ <close> = dir
local tls <const> = dir.path .. "/tls"
assert(process.run { argv = { "scripts/make-ca", tls, "a", "b" } }.exit == 0)
assert(process.run { argv = { "scripts/make-ca", dir.path .. "/others", "b" } }.exit == 0)

-- The cable between them.
local spaces <const> = { a = dir.path .. "/netns-a", b = dir.path .. "/netns-b" }
for _, path in pairs(spaces) do assert(netns.add { path = path, lo_up = true }) end
assert(link.add { name = "wire", kind = "veth", netns = spaces.a, up = true, peer = { name = "wire", netns = spaces.b } })
assert(link.set { name = "wire", netns = spaces.b, up = true })
assert(address.add { link = "wire", address = "192.0.2.1/24", netns = spaces.a })
assert(address.add { link = "wire", address = "192.0.2.2/24", netns = spaces.b })

local function agent(name, ...)
  local more = table.concat({ ... }, " ")
  return assert(process.spawn { netns = spaces[name], add_env = { NERV_RUN = false, NERV_STATE = false }, stdin = "null",
    stderr = { file = dir.path .. "/log-" .. name, append = true },
    argv = { "unshare", "--mount", "sh", "-c", ([[mount -t tmpfs tmpfs /run && exec %s --agent --temporary --node %s \
      --state %s/%s --tls %s/%s --listen 192.0.2.%d:6650 %s]]):format(process.exe(), name, dir.path, name, tls, name,
      name == "a" and 1 or 2, more) } })
end

-- A shell beside an agent: in its namespaces, and in no others.
local function shell_of(name, pid, code, certificate)
  return assert(process.run { add_env = { NERV_RUN = false, NERV_STATE = false },
    argv = { "nsenter", "-t", tostring(pid), "-m", "-n", process.exe(), "--state", dir.path .. "/" .. name, "--tls",
      certificate or tls .. "/" .. name, "-e", code } })
end

-- A shell would start an agent of its own where none answers yet.
local function answers(pid)
  return tap.eventually(20, function()
    return process.run { argv = { "nsenter", "-t", tostring(pid), "-m", "sh", "-c", "test -S /run/nerv/*/agent.sock" } }.exit == 0
  end)
end
local first <const> = agent("a", "--share 192.0.2.1:6640")
tap.ok(answers(first.pid), "an agent answers", file.read(dir.path .. "/log-a"))
local function nodes() return shell_of("a", first.pid, "for _, n in ipairs(node.list()) do print(n.name, n.state) end").stdout end
tap.ok(tap.eventually(20, function() return nodes():find "a\tactive" end), "the first node begins", file.read(dir.path .. "/log-a"))
local second <const> = agent("b", "--db ssl:192.0.2.1:6640")
tap.ok(answers(second.pid), "another one does", file.read(dir.path .. "/log-b"))
tap.ok(tap.eventually(20, function() return nodes():find "b\tactive" end), "the second one joins over TLS", file.read(dir.path .. "/log-b"))

local function says(name, pid, code, want, text)
  local result = shell_of(name, pid, code)
  tap.ok(result.exit == 0 and result.stdout:find(want), text, result)
end
says("a", first.pid, [[
  for _, n in ipairs(node.list()) do n:update { egress = { wire = "shared" } } end
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
  local h = blue:endpoint { { name = "h1", node = "a" }, { name = "h2", node = "b" } }
  expect(h[1]:ping(h[2]))
  print(h[2]:run("sh", "-c", "ip -br addr show eth0; cat; exit 0").stdout)]], "10.1.0.3/24", "an endpoint on the other machine")
says("a", first.pid, [[print(network.get("blue"):get("h2"):run("readlink", "/proc/self/ns/net").stdout)]], "net:%[%d+%]", "a program there")
says("b", second.pid, [[local h1 = network.get("blue"):get("h1") print(h1.node, h1:ping("10.1.0.3").received)]], "^a\t1", "and from there back")
says("a", first.pid, [[print(#nve.open("b").tables.tags:dump(), nve.open("b").tables.tags:dump()[1].action)]], "^1\tto_port", "the switch over there")
says("a", first.pid, [[print(#network.get("blue"):verify(), #network.get("blue"):plan("delete"))]], "^0\t%d+", "verify and plan")
local status <const> = shell_of("a", first.pid, [[os.exit(select(4, network.get("blue"):get("h2"):run("sh", "-c", "exit 7")).exit)]])
tap.eq(status.exit, 7, "the status of a program comes back")
local much <const> = shell_of("a", first.pid, [[io.write(network.get("blue"):get("h2"):run("head", "-c", "3000000", "/dev/zero").stdout)]])
tap.eq(#much.stdout, 3000000, "three million bytes come back whole")

-- who is kept out
local stranger <const> = shell_of("b", second.pid, [[print(network.get("blue"):get("h1"):run("true"))]], dir.path .. "/others/b")
tap.ok(stranger.exit ~= 0 or stranger.stdout:find "^nil", "a shell with a certificate of another authority", stranger)
local plain <const> = assert(process.run { argv = { "nsenter", "-t", tostring(second.pid), "-n", "sh", "-c",
  "printf '\\001\\000\\000\\000\\020{\"call\":\"hello\"}' | timeout 2 busybox nc 192.0.2.1 6650 | wc -c" } })
tap.ok(tonumber(plain.stdout) < 64 and not plain.stdout:find "node", "bytes without TLS get no answer", plain)

says("a", first.pid, [[network.get("blue"):delete() print(#network.list())]], "^0", "all of it is deleted")
for _, child in ipairs { second, first } do
  child:kill("TERM")
  tap.ok(child:wait(20), "an agent ends")
end
for _, path in pairs(spaces) do netns.delete { path = path } end
tap.done()
