-- process: network namespaces, cgroups, users and capabilities. Needs root.
local tap <const> = require "tap"

local function fds()
  return #file.list("/proc/self/fd")
end
local function code(_, _, c) return c end
local function out(options)
  local r = assert(process.run(options))
  return (r.stdout .. r.stderr):gsub("%s+$", "")
end

process.run { argv = { "true" } }
local before <const> = fds()

-- namespaces
local name <const> = "P-" .. digest.random(4)
assert(process.run { argv = { "ip", "netns", "add", name } }.exit == 0)
local _ <close> = setmetatable({}, { __close = function() os.execute("ip netns del " .. name) end })
process.run { argv = { "ip", "link", "add", "p-inside", "type", "dummy" }, netns = name }
process.run { argv = { "ip", "link", "add", "p-inside", "type", "veth" }, netns = name }
local own = out { argv = { "readlink", "/proc/self/ns/net" } }
local there = out { argv = { "readlink", "/proc/self/ns/net" }, netns = name }
tap.ok(own ~= there, "by name: another namespace", own, there)
tap.eq(out { argv = { "readlink", "/proc/self/ns/net" }, netns = "/run/netns/" .. name }, there, "by path")
local p = assert(process.spawn { argv = { "sleep", "60" }, netns = name })
tap.eq(out { argv = { "readlink", "/proc/self/ns/net" }, netns = p.pid }, there, "by process id")
p:kill("KILL") p:wait()
tap.like(out { argv = { "ip", "-br", "link" }, netns = name }, "p%-inside", "it sees the links there")
tap.eq(out { argv = { "ls", "/sys/class/net" }, netns = name }:find("p-inside", 1, true), nil, "/sys is the node's")
tap.like(out { argv = { "ls", "/sys/class/net" }, netns = name, mount_sys = true }, "p%-inside",
  "with mount_sys /sys shows the namespace")
tap.eq(file.stat("/sys/class/net/p-inside"), nil, "and ours is as it was")

-- cgroups
local root, message = cgroup.root()
if not root then
  tap.skip("cgroups", message)
else
  local group = assert(cgroup.create("nerv-p-" .. digest.random(4)))
  p = assert(process.spawn { argv = { "sleep", "60" }, cgroup = group })
  tap.eq(cgroup.pids(group), { p.pid }, "a process is born into its cgroup")
  tap.like(file.read("/proc/" .. p.pid .. "/cgroup"), "0::/" .. group:match("[^/]+$"):gsub("%-", "%%-") .. "\n",
    "the kernel says so")
  tap.ok(cgroup.kill(group), "kill")
  tap.eq(p:wait().name, "SIGKILL", "it was killed")
  tap.eq(process.run({ argv = { "sh", "-c", "exit 5" }, cgroup = group }).exit, 5,
    "a cgroup that was killed can be used again")
  tap.like(process.run({ argv = { "cat", "/proc/self/cgroup" }, cgroup = group }).stdout, "0::/nerv%-p%-", "and is")
  tap.eq(code(process.spawn { argv = { "no-such-program" }, cgroup = group }), "ENOENT", "a failed spawn in a cgroup")
  tap.eq({ cgroup.remove(group) }, { true }, "leaves nothing in it")
  tap.eq(code(process.spawn { argv = { "true" }, cgroup = group }), "ENOENT", "a missing cgroup")
  tap.eq(code(process.spawn { argv = { "true" }, cgroup = "/tmp" }), "EBADF", "no cgroup at all")
end

-- users and capabilities
if process.uid() ~= 0 then
  tap.skip("users", "not root")
else
  local status = { "sh", "-c", "id -u; id -g; id -G; grep -E '^Cap(Eff|Prm|Amb|Bnd)' /proc/self/status | tr '\\t' ' '" }
  local text = out { argv = status, user = "nobody" }
  tap.like(text, "^65534\n65534\n65534\n", "user by name")
  tap.like(text, "CapEff: 0000000000000000", "without capabilities")
  text = out { argv = status, user = 12345, group = "daemon", capabilities = { "net_admin", "CAP_NET_RAW" } }
  tap.like(text, "^12345\n1\n1\n", "user by number, group by name")
  tap.like(text,
    "CapPrm: 0000000000003000\nCapEff: 0000000000003000\nCapBnd: 0000000000003000\nCapAmb: 0000000000003000",
    "named capabilities are kept, in all sets")
  text = out { argv = status, capabilities = { "net_admin" } }
  tap.like(text, "^0\n0\n", "root keeps being root")
  tap.like(text, "CapPrm: 0000000000001000\nCapEff: 0000000000001000\nCapBnd: 0000000000001000",
    "with fewer capabilities")
  text = out { argv = status, capabilities = {} }
  tap.like(text, "CapPrm: 0000000000000000", "or none")
  text = out { argv = { "sh", "-c", "ip link set lo up; ip -br link show lo" }, netns = name, user = "nobody",
    capabilities = { "net_admin" } }
  tap.like(text, "UP", "net_admin works in a namespace, for nobody")
  text = out { argv = { "sh", "-c", "ip link set lo down" }, netns = name, user = "nobody" }
  tap.like(text, "not permitted", "and without it does not")
end

-- death signal
do
  local text = ([[
    local p = process.spawn { argv = { "sleep", "60" }, pdeathsig = "KILL", stdout = "null", stderr = "null" }
    local q = process.spawn { argv = { "sleep", "60" }, stdout = "null", stderr = "null" }
    print(p.pid, q.pid)]])
  local a, b = out { argv = { process.exe(), "-e", text } }:match("(%d+)%s+(%d+)")
  tap.ok(tap.eventually(5, function() return not process.exists(math.tointeger(a)) end),
    "pdeathsig: it dies with its parent")
  tap.ok(process.exists(math.tointeger(b)), "without it lives on")
  local left = assert(process.adopt(math.tointeger(b)))
  left:kill("KILL") left:wait()
end

collectgarbage() collectgarbage()
tap.eq(fds(), before, "no descriptor is left open")
tap.done()
