-- An Open vSwitch in user space with a database and a run directory of its own, and hosts on it: namespaces; and that of
-- a node.
local crash <const> = require "support.crash"
local tap <const> = require "tap"

local M = {}
local Ovs = {}
Ovs.__index = Ovs

local function run(dir, ...)
  local result = assert(process.run { argv = { ... }, add_env = { OVS_RUNDIR = dir } })
  if result.exit ~= 0 then error(table.concat({ ... }, " ") .. ": " .. result.stderr, 3) end
  return result.stdout
end

local function daemon(dir, ...)
  return assert(process.spawn { argv = { ... }, add_env = { OVS_RUNDIR = dir }, stdin = "null",
    stdout = { file = dir .. "/log", append = true }, stderr = "stdout" })
end

local QUIET <const> = { "--no-chdir", "-vconsole:warn", "-vfile:off", "-vsyslog:off" }

--- What `ovs-vsctl ...` writes.
function Ovs:vsctl(...) return run(self.dir, "ovs-vsctl", "--db=" .. self.database, "--timeout=20", ...) end

--- What `ovs-ofctl -O OpenFlow13 ...` writes.
function Ovs:ofctl(...) return run(self.dir, "ovs-ofctl", "-O", "OpenFlow13", ...) end

--- Adds a bridge; with a controller it forwards nothing by itself.
function Ovs:bridge(name, controller)
  self:vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "protocols=OpenFlow13",
    "fail_mode=secure", "other_config:disable-in-band=true")
  if controller then
    self:vsctl("set-controller", name, controller, "--", "set", "controller", name, "max_backoff=1000",
      "inactivity_probe=5000")
  end
end

--- Adds a host with an address: a namespace whose interface `eth0` is the bridge's port `port`. What it sends has
-- whole checksums: a switch in user space forwards no others.
function Ovs:host(bridge, name, port, ip)
  assert(netns.add { path = name, lo_up = true })
  self.hosts[#self.hosts + 1] = name
  assert(link.add { kind = "veth", name = name .. "p", up = true, peer = { name = "eth0", netns = name, up = true } })
  assert(process.run { argv = { "ethtool", "-K", "eth0", "tx", "off" }, netns = name })
  assert(address.add { link = "eth0", address = ip .. "/24", netns = name })
  self:vsctl("add-port", bridge, name .. "p", "--", "set", "interface", name .. "p",
    "ofport_request=" .. port)
end

--- Whether one host reaches the other, within a second.
function M.ping(from, ip)
  local result = assert(process.run { argv = { "ping", "-n", "-c1", "-W1", ip }, netns = from })
  return result.exit == 0
end

local function stop(child)
  if not child:wait(10) then
    child:kill "KILL"
    child:wait()
  end
end

function Ovs:__close()
  for _, name in ipairs(self.hosts) do netns.delete { path = name } end
  -- Its tap interfaces go only when it is told so.
  process.run { argv = { "ovs-appctl", "-t", self.dir .. "/v.ctl", "exit", "--cleanup" } }
  stop(self.vswitchd)
  self.server:kill "TERM"
  stop(self.server)
  file.remove_tree(self.dir)
end

--- Starts ovs-vswitchd, in the place of one that has died.
function Ovs:start_daemon()
  self.vswitchd = daemon(self.dir, "ovs-vswitchd", self.database, "--unixctl=" .. self.dir .. "/v.ctl", table.unpack(QUIET))
end

--- Starts it; `local ovs <close> = ...`. `dir` holds its sockets: an OpenFlow listener must lie there.
-- @tparam[opt] string dir by default a new one
function M.start(dir)
  dir = dir or file.temp_dir "ovs-"
  run(dir, "ovsdb-tool", "create", dir .. "/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
  local self = setmetatable({ dir = dir, database = "unix:" .. dir .. "/db.sock", hosts = {} }, Ovs)
  self.server = daemon(dir, "ovsdb-server", "--remote=punix:" .. dir .. "/db.sock", "--unixctl=" .. dir .. "/db.ctl",
    dir .. "/conf.db", table.unpack(QUIET))
  assert(tap.eventually(10, function() return stream.connect { path = dir .. "/db.sock" } end), "ovsdb-server does not start")
  run(dir, "ovs-vsctl", "--db=" .. self.database, "--no-wait", "init")
  self:start_daemon()
  return self
end

-- A node's own.
local Node = setmetatable({}, { __index = Ovs })
Node.__index = Node

--- The Open vSwitch of a node, by its run directory.
function M.of(run_dir)
  local dir = run_dir .. "/ovs"
  return setmetatable({ dir = dir, database = "unix:" .. dir .. "/db.sock", run_dir = run_dir }, Node)
end

--- What `ovs-vsctl ...` writes, without the last line feed.
function Node:vsctl(...) return (Ovs.vsctl(self, ...):gsub("\n$", "")) end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

function Node:bridges() return lines(self:vsctl "list-br") end
function Node:ports(bridge) return lines(self:vsctl("list-ports", bridge)) end

--- Process id of the "database" or the "daemon", or nil.
function Node:pid(what) return crash.service(self.run_dir, "vswitch." .. what) end

return M
