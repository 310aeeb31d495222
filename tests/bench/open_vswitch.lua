--- An Open vSwitch in user space as a person sets it up by hand, with no NERV.
local measure <const> = require "measure"

local M = {}
local Switch <const> = {}
Switch.__index = Switch

local SCHEMA <const> = "/usr/share/openvswitch/vswitch.ovsschema"
local QUIET <const> = { "--no-chdir", "-vconsole:off", "-vfile:off", "-vsyslog:off" }

local function run(dir, ...) return measure.run { argv = { ... }, add_env = { OVS_RUNDIR = dir } } end

local function start(self, ...)
  local argv <const> = table.move(QUIET, 1, #QUIET, select("#", ...) + 1, { ... })
  return expect(process.spawn { argv = argv, netns = self.netns, pdeathsig = "TERM", stdout = "null", stderr = "null",
    add_env = { OVS_RUNDIR = self.dir } })
end

--- Starts one.
-- @tparam string dir for its files; OpenFlow listeners must lie there
-- @tparam ?string netns where its ports are
-- @tparam ?table settings of `other_config`, before the daemon reads them: "userspace-tso-enable=true"
function M.start(dir, netns, settings)
  local self <const> = setmetatable({ dir = dir, netns = netns, db = "unix:" .. dir .. "/db" }, Switch)
  run(dir, "ovsdb-tool", "create", dir .. "/conf.db", SCHEMA)
  self.database = start(self, "ovsdb-server", "--remote=p" .. self.db, "--unixctl=" .. dir .. "/db.ctl", dir .. "/conf.db")
  measure.wait_until("ovsdb-server", function() return file.stat(dir .. "/db") end)
  run(dir, "ovs-vsctl", "--db=" .. self.db, "--no-wait", "init")
  for _, setting in ipairs(settings or {}) do
    run(dir, "ovs-vsctl", "--db=" .. self.db, "--no-wait", "set", "Open_vSwitch", ".", "other_config:" .. setting)
  end
  self.daemon = start(self, "ovs-vswitchd", self.db, "--unixctl=" .. dir .. "/v.ctl")
  return self
end

--- Runs ovs-vsctl, which waits until the daemon has done it.
function Switch:vsctl(...) return run(self.dir, "ovs-vsctl", "--db=" .. self.db, "--timeout=20", ...) end

--- Ends it, its devices included.
function Switch:stop()
  run(self.dir, "ovs-appctl", "-t", self.dir .. "/v.ctl", "exit", "--cleanup")
  self.daemon:wait(10)
  self.database:kill()
  self.database:wait(10)
end

return M
