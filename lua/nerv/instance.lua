--- Instances: how one begins, and how everything that a dead one left is removed.
local batch <const> = require "nerv.batch"
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local interface <const> = require "nerv.kinds.interface"
local cgroup <const> = require "nerv.cgroup"
local digest <const> = require "nerv.digest"
local link <const> = require "nerv.link"
local link_group <const> = require "nerv.link_group"
local link_kind <const> = require "nerv.kinds.link"
local netns <const> = require "nerv.netns"
local process <const> = require "nerv.process"
local runtime <const> = require "nerv.runtime"
local stream <const> = require "nerv.stream"

local M = {}

-- What the names of interfaces are derived from: two labs on one machine have different ones, the same lab has the
-- same tomorrow. A testbed's node lies in a run directory, whose name is a random one, and has a namespace of its own.
local function seed_of(state_dir)
  local root = context.run_root() .. "/"
  return state_dir:sub(1, #root) == root and state_dir:sub(#root + 1):match("/(.*)$") or state_dir
end

-- The state directory of an instance was removed under what it made, which would be in the way of the next one there.
local function clean_orphans(state_dir)
  for _, id in ipairs(file.list(context.run_root()) or {}) do
    local run_dir = context.run_dir(id)
    if file.read(run_dir .. "/state") == state_dir .. "\n" then
      local agent = stream.connect { path = run_dir .. "/agent.sock", timeout = 5 }
      local good, message = true, nil
      if agent then agent:close() else good, message = M.clean_remains(id) end
      if not good then runtime.log(("what %s has left: %s"):format(run_dir, message)) end
    end
  end
end

--- Opens an instance: makes the directories and takes its lock.
-- @tparam string state_dir
-- @return { id, seed, state_dir, run_dir, lock }; or nil, message, code ("EWOULDBLOCK" when an agent has it)
function M.open(state_dir)
  local good, message, code = file.mkdir(state_dir, { parents = true, mode = 448 })
  if not good then return nil, message, code end
  local lock
  lock, message, code = file.lock(state_dir .. "/lock")
  if not lock then return nil, message, code end
  if not state_dir:find("^/") then state_dir = file.realpath(state_dir) end
  local id = context.read_instance(state_dir)
  if not id then
    clean_orphans(state_dir)
    id = digest.random(4)
    good, message, code = file.write(state_dir .. "/instance", id .. "\n", { atomic = true })
    if not good then return nil, message, code end
  end
  local run_dir = context.run_dir(id)
  good, message, code = file.mkdir(run_dir .. "/ns", { parents = true, mode = 493 })
  if not good then return nil, message, code end
  file.write(run_dir .. "/state", state_dir .. "\n")
  return { id = id, seed = seed_of(state_dir), state_dir = state_dir, run_dir = run_dir, lock = lock }
end

--- The cgroup of an instance, or nil, message, code.
function M.cgroup(id)
  local root, message, code = cgroup.root()
  if not root then return nil, "services need a writable cgroup2: " .. message, code end
  return root .. "/nerv-" .. id
end

local function remove_links(id, seed)
  local names = {}
  for _, have in ipairs(link.list { alias_prefix = "nerv:" .. id .. ":" } or {}) do
    names[#names + 1] = have.name
  end
  local half_made = seed and link_kind.half_made(link.list(), seed) or {}
  table.move(half_made, 1, #half_made, #names + 1, names)
  if #names > 0 then link.delete_many { names = names, group = link_group.random() } end
end

--- Takes the data plane of a switch whose process has ended out of the kernel.
-- @tparam string pin the directory of its pins
-- @return true, or nil, message, code
function M.remove_data_plane(pin)
  local result, message, code = process.run { argv = { require("nerv.paths").libexec() .. "/nerv-nve", "--remove",
    "--pin", pin } }
  if not result then return nil, message, code end
  if result.exit == 0 then return true end
  return nil, "nerv-nve --remove: " .. result.stderr:gsub("%s+$", ""), "EXIT"
end

-- Calls f(path) for all that a directory holds, whatever becomes of the others.
-- @return true; or nil, message, code of the first one that failed
local function each(directory, f)
  local failed
  for _, name in ipairs(file.list(directory) or {}) do
    local good, message, code = f(directory .. "/" .. name)
    if not good and not failed then failed = { message, code } end
  end
  if failed then return nil, failed[1], failed[2] end
  return true
end

-- A file system of pins has files of its own beside their directories.
local function remove_pinned(path)
  local stat = file.stat(path)
  if not stat or stat.type ~= "directory" then return true end
  return M.remove_data_plane(path)
end

--- Removes what a dead agent's instance left outside of its state directory: processes, links, namespaces, data
-- planes, its run directory. That stays while a data plane, or a node of a testbed, does: the next attempt finds it.
-- @return true, or nil, message, code
function M.clean_remains(id)
  local run_dir = context.run_dir(id)
  local group = M.cgroup(id)
  if group and file.stat(group) then
    local good, message, code = cgroup.kill(group)
    if not good then return nil, message, code end
    cgroup.remove(group)
  end
  -- A testbed's nodes: their agents ran in this instance's cgroup.
  local nodes_gone, node_message, node_code = each(run_dir .. "/nodes", M.clean)
  local planes_gone, plane_message, plane_code = each(run_dir .. "/bpf", remove_pinned)
  for _, path in ipairs(netns.list(run_dir .. "/ns") or {}) do
    batch.run(link_kind.removal_of_parts(path))
    netns.delete { path = path }
  end
  interface.restore_all(run_dir)
  require("nerv.agent.vswitch").clean(id, run_dir)
  local state_dir = (file.read(run_dir .. "/state") or ""):match("^[^\n]+")
  remove_links(id, state_dir and seed_of(state_dir))
  if not nodes_gone then return nil, node_message, node_code end
  if not planes_gone then return nil, plane_message, plane_code end
  file.umount(run_dir .. "/bpf", { lazy = true })
  local good, message, code = file.remove_tree(run_dir)
  if not good and code ~= "ENOENT" then return nil, message, code end
  return true
end

--- Removes whatever a dead agent's instance left, its state directory too.
-- @tparam string state_dir
-- @tparam[opt] string id of the instance; by default what the directory says, which somebody may have removed
-- @return true, or nil, message, code
function M.clean(state_dir, id)
  id = id or context.read_instance(state_dir)
  if id then
    local good, message, code = M.clean_remains(id)
    if not good then return nil, message, code end
  end
  local good, message, code = file.remove_tree(state_dir)
  if not good and code ~= "ENOENT" then return nil, message, code end
  return true
end

--- Notes that this shell uses a lab: until it ends, nobody takes the lab for dead because its agent
-- is just being started again.
-- @return a handle to close, or nil when the directory is not ours to write
function M.attach(state_dir)
  local dir = state_dir .. "/shells"
  if not file.mkdir(dir, { parents = true, mode = 448 }) then return nil end
  return file.lock(dir .. "/" .. process.self())
end

--- The end of what attach() began.
function M.detach(state_dir, handle)
  handle:close()
  file.remove(state_dir .. "/shells/" .. process.self())
end

--- Whether a shell uses a lab; one that is just looking for a new agent does.
function M.has_shell(state_dir)
  for _, name in ipairs(file.list(state_dir .. "/shells") or {}) do
    local lock = file.lock(state_dir .. "/shells/" .. name)
    if not lock then return true end
    lock:close()
  end
  return false
end

--- Removes a lab that neither an agent nor a shell uses any more.
-- @return whether it was one and is gone, and why something of it stays, if that is so; nil while an agent has it,
-- which may be just ending
function M.clean_dead(state_dir)
  if not file.stat(state_dir .. "/temporary") then return false end
  local lock, _, code = file.lock(state_dir .. "/lock")
  if not lock and code == "EWOULDBLOCK" then return nil end
  if not lock then return false end
  local gone, message = false, nil
  if not M.has_shell(state_dir) then gone, message = M.clean(state_dir) end
  lock:close()
  return gone or false, message
end

-- The run directory of the lab whose testbed a node belongs to.
local function parent(state_dir)
  local root = context.run_root() .. "/"
  return state_dir:sub(1, #root) == root and root .. state_dir:sub(#root + 1):match("^[^/]+") or nil
end

--- Removes all such labs of this machine; a testbed's nodes go with their lab.
-- @return array of the state directories that were cleaned; array of why others stay
function M.clean_all_dead()
  local cleaned, problems = {}, {}
  for _, id in ipairs(file.list(context.run_root()) or {}) do
    local state_dir = (file.read(context.run_dir(id) .. "/state") or ""):match("^[^\n]+")
    local lab = state_dir and parent(state_dir)
    if state_dir and not (lab and file.stat(lab)) then
      local gone, message = M.clean_dead(state_dir)
      if gone then cleaned[#cleaned + 1] = state_dir end
      if message then problems[#problems + 1] = ("%s: %s"):format(state_dir, message) end
    end
  end
  return cleaned, problems
end

return M
