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
      if agent then agent:close() else M.clean_remains(id) end
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

local function remove_data_planes(run_dir)
  local nerv_nve = require("nerv.paths").libexec() .. "/nerv-nve"
  for _, name in ipairs(file.list(run_dir .. "/bpf") or {}) do
    process.run { argv = { nerv_nve, "--remove", "--pin", run_dir .. "/bpf/" .. name } }
  end
end

--- Removes what a dead agent's instance left outside of its state directory: processes, links, namespaces, data
-- planes, its run directory.
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
  for _, name in ipairs(file.list(run_dir .. "/nodes") or {}) do M.clean(run_dir .. "/nodes/" .. name) end
  remove_data_planes(run_dir)
  for _, path in ipairs(netns.list(run_dir .. "/ns") or {}) do
    batch.run(link_kind.removal_of_parts(path))
    netns.delete { path = path }
  end
  interface.restore_all(run_dir)
  require("nerv.agent.vswitch").clean(id, run_dir)
  local state_dir = (file.read(run_dir .. "/state") or ""):match("^[^\n]+")
  remove_links(id, state_dir and seed_of(state_dir))
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
-- @return whether it was one
function M.clean_dead(state_dir)
  if not file.stat(state_dir .. "/temporary") then return false end
  local lock = file.lock(state_dir .. "/lock")
  if not lock then return false end
  local dead = not M.has_shell(state_dir)
  if dead then M.clean(state_dir) end
  lock:close()
  return dead
end

-- The run directory of the lab whose testbed a node belongs to.
local function parent(state_dir)
  local root = context.run_root() .. "/"
  return state_dir:sub(1, #root) == root and root .. state_dir:sub(#root + 1):match("^[^/]+") or nil
end

--- Removes all such labs of this machine; a testbed's nodes go with their lab.
-- @return array of the state directories that were cleaned
function M.clean_all_dead()
  local cleaned = {}
  for _, id in ipairs(file.list(context.run_root()) or {}) do
    local state_dir = (file.read(context.run_dir(id) .. "/state") or ""):match("^[^\n]+")
    local lab = state_dir and parent(state_dir)
    if state_dir and not (lab and file.stat(lab)) and M.clean_dead(state_dir) then
      cleaned[#cleaned + 1] = state_dir
    end
  end
  return cleaned
end

return M
