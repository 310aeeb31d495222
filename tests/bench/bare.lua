--- The bare netlink loop (bare.c) as the measuring scripts use it.
local measure <const> = require "measure"

local M = {}
local PROGRAM <const> = measure.built "bench/bare"

--- Lines by which the loop makes what the endpoints of a network are made of.
-- @tparam table endpoints of an `ip` network
-- @tparam integer prefix length of its range
function M.list_of(endpoints, prefix)
  local lines = {}
  for i, ep in ipairs(endpoints) do lines[i] = ("%s %s %s/%d\n"):format(ep.name, ep.mac, ep.address, prefix) end
  return table.concat(lines)
end

--- Makes objects.
-- @tparam table o { dir = where the namespaces are bound, bridge =, group =, mtu =, alias =, list = lines }
-- @return the seconds that it took
function M.create(o)
  return tonumber(measure.run { argv = { PROGRAM, "create", o.dir, o.bridge, o.group, o.mtu, o.alias },
    input = o.list })
end

--- Takes away what create() made, until the kernel is done with it.
-- @return the seconds that it took
function M.delete(o) return tonumber(measure.run { argv = { PROGRAM, "delete", o.dir, o.group } }) end

--- The same, but leaves the namespaces' end to the kernel, as NERV's calls do.
function M.drop(o) return tonumber(measure.run { argv = { PROGRAM, "drop", o.dir, o.group } }) end

--- Waits until the kernel is done with all namespaces that were dropped before.
function M.settle() measure.run { argv = { PROGRAM, "settle" } } end

return M
