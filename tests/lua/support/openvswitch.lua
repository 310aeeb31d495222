-- Open vSwitch as other programs see it: ovs-vsctl and ovs-ofctl on a node's own daemons.
local crash <const> = require "support.crash"
local kernel <const> = require "support.kernel"

local M = {}
local Switch = {}
Switch.__index = Switch

--- @tparam string run_dir of the node
-- @tparam[opt] string netns of the node
function M.of(run_dir, netns) return setmetatable({ run_dir = run_dir, dir = run_dir .. "/ovs", netns = netns }, Switch) end

--- What ovs-vsctl writes, without the last line feed.
function Switch:vsctl(...)
  return (kernel.sh("ovs-vsctl", "--timeout=10", "--db=unix:" .. self.dir .. "/db.sock", ...):gsub("\n$", ""))
end

--- What ovs-ofctl writes of a bridge.
function Switch:ofctl(command, bridge, ...)
  return kernel.sh("ovs-ofctl", "--timeout=10", command, "unix:" .. self.dir .. "/" .. bridge .. ".mgmt", ...)
end

--- The names of the bridges, of the ports of one.
function Switch:bridges()
  local list = {}
  for name in self:vsctl("list-br"):gmatch "[^\n]+" do list[#list + 1] = name end
  return list
end
function Switch:ports(bridge)
  local list = {}
  for name in self:vsctl("list-ports", bridge):gmatch "[^\n]+" do list[#list + 1] = name end
  return list
end

--- Process ids by what they are: "database", "daemon".
function Switch:pid(what) return crash.service(self.run_dir, "vswitch." .. what) end

return M
