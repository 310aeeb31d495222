-- Two labs and a daemon on one machine, with equal names of networks and endpoints and equal addresses, each with a
-- gateway, DHCP, DNS, a way out and a switch: what is done in one, up to its end, is nothing to the others.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"
local system <const> = require "support.system"

local have, why = nftables.supported()
if not have then
  tap.skip("two labs and a daemon, each with a gateway", why)
  tap.done()
  return
end

-- Outside: a machine behind `wan`, and what the switches have for ports.
local outside <const> = "outside" .. digest.random(2)
local _ <close> = setmetatable({}, { __close = function() kernel.forget(outside) end })
assert(netns.add { path = outside, lo_up = true })
for _, name in ipairs { "wan", "port1", "port2", "port3" } do
  assert(link.add { kind = "veth", name = name, up = true, peer = { name = name, netns = outside } })
  assert(link.set { name = name, netns = outside, up = true })
end
assert(address.add { link = "wan", address = "198.51.100.1/24", netns = outside })

local place <close> = system.directory()
local Side = {}
Side.__index = Side

local function side(name, number) return setmetatable({ name = name, number = number, state = system.state() }, Side) end

--- Runs Lua in a shell of it.
function Side:lua(code) return system.nervsh({ "-e", code }, { env = self.state.env }) end

function Side:says(code, want, text)
  local result = self:lua(code)
  return tap.ok(result.exit == 0 and result.stdout == want and result.stderr == "", ("%s: %s"):format(self.name, text), result, want)
end

function Side:run_dir() return require("nerv.context").run_dir(self.state.id) end
function Side:netns(name) return ("%s/ns/blue%s"):format(self:run_dir(), name) end
function Side:agent() return crash.agent(self:run_dir()) end

local function has_agent(one, former)
  return tap.eventually(20, function()
    local pid = one:agent()
    return pid and pid ~= former and pid
  end)
end

-- A lab lives as long as this shell.
function Side:start_lab()
  self.shell = assert(process.spawn { argv = { process.exe(), "-e", "lab.state() sleep(1000)" }, add_env = self.state.env, stdin = "null" })
  return has_agent(self)
end

-- A service, with its configuration and its ports.
function Side:start_daemon()
  local config = system.write(place.path, "nerv.lua", ([[
return { node = "here", share = "127.0.0.1:6640", listen = "127.0.0.1:6650", tls = "%s/tls/here" }]]):format(place.path))
  self.daemon = assert(process.spawn { argv = { process.exe(), "--agent", "--config", config }, add_env = self.state.env, stdin = "null",
    stderr = { file = place.path .. "/log", append = true } })
  return has_agent(self)
end

--- All that this machine has of it, with identities.
function Side:picture()
  local lines = {}
  local function add(...) lines[#lines + 1] = (...):format(select(2, ...)) end
  for _, l in ipairs(link.list { alias_prefix = "nerv:" .. self.state.id .. ":" }) do
    add("link %s index %d mac %s mtu %d up %s master %s group %d", l.name, l.index, l.mac, l.mtu, l.up, l.master, l.group)
  end
  for _, path in ipairs(netns.list(self:run_dir() .. "/ns")) do
    add("namespace %s inode %d", path, file.stat(path).ino)
    for _, l in ipairs(link.list { netns = path }) do add("%s: link %s index %d mac %s mtu %d up %s", path, l.name, l.index, l.mac, l.mtu, l.up) end
    for _, a in ipairs(address.list { netns = path }) do
      if not a.address:find "^fe80" then add("%s: address %s on %s", path, a.address, a.link) end
    end
    for _, r in ipairs(route.list { netns = path }) do add("%s: route %s %s %s", path, r.to, r.via, r.link) end
    add("%s: %s", path, assert(process.run { argv = { "nft", "-a", "list", "ruleset" }, netns = path }).stdout)
  end
  for _, pid in ipairs(cgroup.pids(cgroup.root() .. "/nerv-" .. self.state.id)) do add("process %d", pid) end
  add("agent %s", self:agent())
  for _, name in ipairs(file.list(self:run_dir())) do add("file %s inode %d", name, file.stat(self:run_dir() .. "/" .. name).ino) end
  return lines
end

--- Whether its endpoints reach each other, the gateway by its name, and the outside, which sees the side's own address.
function Side:works(text)
  local h1 = self:netns ":h1"
  local function from_h1(...) return process.run { argv = { ... }, netns = h1 } end
  local wrong = {}
  for _, target in ipairs { "10.1.0.3", "10.1.0.1", "fd00:1::3", "198.51.100.1" } do
    if from_h1("ping", "-c1", "-W2", target).exit ~= 0 then wrong[#wrong + 1] = target end
  end
  local asked   -- its server may just be starting
  local answered = tap.eventually(10, function()
    asked = from_h1("timeout", "1", "busybox", "nslookup", "-type=a", "gateway.blue", "10.1.0.1").stdout
    return asked:find "Address: 10.1.0.1\n"
  end)
  if not answered then wrong[#wrong + 1] = asked end
  local leased = from_h1("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1", "-s", "/bin/true")
  if not leased.stderr:find "lease of 10.1.0.2 obtained from 10.1.0.1" then wrong[#wrong + 1] = leased.stderr end
  return tap.eq(wrong, {}, ("%s: %s"):format(self.name, text))
end

--- Packets all the time, until stop(): how many were lost.
function Side:flow()
  local log <const> = place.path .. "/flow-" .. self.name
  local child = assert(process.spawn { argv = { "ping", "-i", "0.01", "-q", "10.1.0.3" }, netns = self:netns ":h1", stdin = "null",
    stdout = { file = log } })
  return { stop = function()
    child:kill "INT"
    child:wait()
    return file.read(log):match "(%d+) packets transmitted, (%d+) received"
  end }
end

assert(process.run { argv = { "scripts/make-ca", place.path .. "/tls", "here" } }.exit == 0)
local left <const>, right <const>, daemon <const> = side("left", 1), side("right", 2), side("daemon", 3)
local sides <const> = { left, right, daemon }
local _ <close> = setmetatable({}, { __close = function()
  for _, one in ipairs(sides) do one.state:__close() end
end })
tap.ok(left:start_lab() and right:start_lab() and daemon:start_daemon(), "two labs and a daemon begin")

local MAKE <const> = [[
network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", gateway = true, dhcp = true, dns = true,
  uplink = "wan", uplink_address = "198.51.100.1%d/24", uplink_router = "198.51.100.1" }:endpoint { { name = "h1" }, { name = "h2" } }]]
local tasks = {}
for i, one in ipairs(sides) do
  tasks[i] = task.spawn(function()
    one:says(("node.here():update { egress = { port%d = 'dedicated' } } "):format(i) .. MAKE:format(i), "", "makes its network")
  end)
end
for _, one in ipairs(tasks) do one:join() end
local VERIFY <const> = "print(#network.list(), #network.get('blue'):endpoints(), #node.list(), #network.get('blue'):verify(), "
  .. "#nve.open(lab.here()).tables.tags:dump())"
for _, one in ipairs(sides) do
  one:says(VERIFY, "1\t2\t1\t0\t1\n", "sees its own and nothing else")
  one:works "all that it has works"
end

-- Does something in one; the others stay as they are.
local function others_stay(one, text, f)
  local before = {}
  for _, other in ipairs(sides) do
    if other ~= one and not other.over then before[other] = other:picture() end
  end
  f()
  for other, picture in pairs(before) do
    crash.same_picture(picture, other:picture(), ("%s: %s: %s is as it was"):format(one.name, text, other.name))
  end
end
local function killed(one, again)
  local pid = one:agent()
  crash.signal({ pid }, "KILL")
  if again then again() end
  tap.ok(has_agent(one, pid), one.name .. ": another agent answers")
end
local EXCHANGE <const> = "local n = network.get 'blue' n:update { archetype = 'bridge' } n:update { archetype = 'ip' } "
  .. "n:endpoint { { name = 'x' }, { name = 'y' } } n:delete_endpoints { 'x', 'y' } print(#n:verify())"
local function through(one)
  others_stay(one, "exchange", function() one:says(EXCHANGE, "0\n", "exchanges, adds and deletes") end)
  one:works "works as before"
end

local flows <const> = { [right] = right:flow(), [daemon] = daemon:flow() }
through(left)
others_stay(left, "killed", function() killed(left) end)
left:says(VERIFY, "1\t2\t1\t0\t1\n", "has all that it had")
left:works "works"
others_stay(left, "delete", function() left:says("network.get('blue'):delete() " .. MAKE:format(1), "", "deletes, and makes it again") end)
others_stay(left, "clean", function()
  tap.eq(system.nervsh({ "-c", "clean" }, { env = left.state.env }).stdout, "", "clean removes none that lives")
end)
left:works "works once more"
others_stay(left, "end", function()
  left.shell:kill "KILL"
  left.shell:wait()
  tap.ok(tap.eventually(15, function() return #left.state:left() == 0 end), "the lab ends with its shell", left.state:left())
end)
left.over = true
for one, flow in pairs(flows) do
  local sent, got = flow.stop()
  tap.ok(sent and sent == got and tonumber(sent) > 20, ("%s: no packet was lost meanwhile"):format(one.name), sent, got)
end

through(right)
others_stay(daemon, "killed", function()
  killed(daemon, function()
    daemon.daemon:wait()
    daemon:start_daemon()
  end)
end)
daemon:works "works"
through(daemon)
others_stay(right, "end", function()
  right.shell:kill "TERM"
  right.shell:wait()
  tap.ok(tap.eventually(15, function() return #right.state:left() == 0 end), "the other lab ends", right.state:left())
end)
right.over = true
daemon:says(VERIFY, "1\t2\t1\t0\t1\n", "has all that it had")

-- A daemon's networks outlive it, and no lab's end or `clean` takes them away.
local function stop()
  daemon.daemon:kill "TERM"
  return daemon.daemon:wait(20)
end
tap.ok(stop(), "the daemon ends")
daemon:works "works without its agent"
tap.eq(system.nervsh({ "-c", "clean" }, { env = left.state.env }).stdout, "", "clean leaves them alone")
daemon:start_daemon()
daemon:says(VERIFY, "1\t2\t1\t0\t1\n", "comes back to all that it had")
daemon:says("network.get('blue'):delete() node.here():update { egress = {} }", "", "deletes its network")
tap.ok(stop(), "and ends")
tap.done()
