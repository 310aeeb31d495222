-- Machines on a cable, as far as one can play them: each has a network, a mount namespace and a /run of its own; the
-- database of the first one and the agents' calls go over TLS.
local tap <const> = require "tap"
local system <const> = require "support.system"

local M = {}
local Machine = {}
Machine.__index = Machine

local function machine(place, name, number)
  local self = setmetatable({ name = name, number = number, place = place, netns = place .. "/netns-" .. name,
    log = place .. "/log-" .. name, tls = place .. "/tls/" .. name, state = place .. "/" .. name }, Machine)
  assert(netns.add { path = self.netns, lo_up = true })
  -- It holds the mount namespace, whoever of the others dies.
  self.holder = assert(process.spawn { netns = self.netns, stdin = "null",
    argv = { "unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && exec sleep infinity" } })
  assert(tap.eventually(10, function() return self:command("grep", "-q", " /run tmpfs ", "/proc/self/mounts").exit == 0 end))
  return self
end

local Pair = {}
Pair.__index = Pair

--- Two machines "a" and "b" with their cable; they go with the scope.
-- @return { a =, b =, path = a directory that both see } with the method close()
function M.pair()
  local pair = setmetatable({ path = system.temporary "machines" }, Pair)
  assert(file.mkdir(pair.path))
  assert(process.run { argv = { "scripts/make-ca", pair.path .. "/tls", "a", "b" } }.exit == 0)
  pair.a, pair.b = machine(pair.path, "a", 1), machine(pair.path, "b", 2)
  assert(link.add { name = "wire", kind = "veth", netns = pair.a.netns, up = true, peer = { name = "wire", netns = pair.b.netns } })
  assert(link.set { name = "wire", netns = pair.b.netns, up = true })
  for _, one in ipairs { pair.a, pair.b } do
    assert(address.add { link = "wire", address = ("192.0.2.%d/24"):format(one.number), netns = one.netns })
  end
  return pair
end

--- Ends both; it may be called again.
-- @return whether their agents ended by themselves
function Pair:close()
  local ended = true
  if self.closed then return ended end
  self.closed = true
  for _, one in ipairs { self.b, self.a } do ended = one:close() and ended end
  file.remove_tree(self.path)
  return ended
end
Pair.__close = Pair.close

-- Runs on the machine, with none of our own places in its environment.
local function options(self, argv, env)
  local o = { argv = { "nsenter", "-t", tostring(self.holder.pid), "-m", "-n", table.unpack(argv) },
    add_env = { NERV_RUN = false, NERV_STATE = false, NERV_PATH = false } }
  for key, value in pairs(env or {}) do o.add_env[key] = value end
  return o
end

--- Runs a program on the machine to its end.
function Machine:command(...) return assert(process.run(options(self, { ... }))) end

--- Starts the machine's agent and waits until it answers; the first machine shares its database.
-- @tparam[opt] table env variables
function Machine:start(env)
  local argv = { process.exe(), "--agent", "--temporary", "--node", self.name, "--state", self.state, "--tls", self.tls,
    "--listen", ("192.0.2.%d:6650"):format(self.number) }
  table.move(self.number == 1 and { "--share", "192.0.2.1:6640" } or { "--db", "ssl:192.0.2.1:6640" }, 1, 2, #argv + 1, argv)
  local o = options(self, argv, env)
  o.stdin, o.stderr = "null", { file = self.log, append = true }
  self.agent = assert(process.spawn(o))
  -- A shell would start an agent of its own where none answers yet.
  return tap.eventually(20, function()
    return self:command("grep", "-q", "/agent.sock", "/proc/net/unix").exit == 0
  end)
end

--- Runs Lua in a shell beside the agent.
-- @tparam[opt] table more { tls = directory of certificates, env = }
function Machine:lua(code, more)
  more = more or {}
  return assert(process.run(options(self, { process.exe(), "--state", self.state, "--tls", more.tls or self.tls, "-e", code }, more.env)))
end

-- Ends the agent, which takes along what it made, and the machine.
function Machine:close()
  local agent = self.agent
  if agent then agent:kill "TERM" end
  local ended = not agent or agent:wait(20)
  self.holder:kill "KILL"
  self.holder:wait()
  netns.delete { path = self.netns }
  return ended
end

return M
