--- Which instance this process belongs to: state directory, run directory, names.
--
-- An instance is one state directory: a daemon's /var/lib/nerv, a lab's own one, or a
-- testbed node's. Its id (8 hex digits) is part of every path and owner mark, so that
-- two labs on one machine do not see each other.
local M = { options = {} }

local RUN_ROOT <const> = os.getenv("NERV_RUN") or "/run/nerv"

--- Where instances keep their sockets, namespaces and pins.
function M.run_root() return RUN_ROOT end

--- The state directory that the command line or the environment names.
function M.state_dir()
  return M.options.state or os.getenv("NERV_STATE") or "/var/lib/nerv"
end

--- The instance id of a state directory: nil when it has none yet.
function M.read_instance(state_dir)
  local file = io.open(state_dir .. "/instance")
  if not file then return nil end
  local id = file:read("l")
  file:close()
  return id and id:match("^%x%x%x%x%x%x%x%x$")
end

--- The run directory of an instance.
function M.run_dir(instance) return RUN_ROOT .. "/" .. instance end

--- A name as users may choose it for networks, endpoints and nodes.
function M.valid_name(name)
  return type(name) == "string" and #name <= 63 and name:match("^%w[%w._-]*$") ~= nil
end

return M
