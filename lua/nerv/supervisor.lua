--- Supervision of services: start, readiness, restart with back-off, stop, adoption.
--
-- Each service lives in a cgroup of its own, which holds all its descendants and by whose path
-- the next agent finds it. A file beside its log names the main process.
local process <const> = require "nerv.process"
local cgroup <const> = require "nerv.cgroup"
local file <const> = require "nerv.file"
local json <const> = require "nerv.json"
local task <const> = require "nerv.task"
local runtime <const> = require "nerv.runtime"
local stream <const> = require "nerv.stream"
local needs <const> = require "nerv.needs"
local tail <const> = require "nerv.tail"

local Supervisor = {}
Supervisor.__index = Supervisor
local M = {}

-- Seconds: how long, and how often at first and later, it is looked whether a service is ready.
local READY_LIMIT <const>, READY_LOOK <const>, READY_LOOK_MOST <const> = 20, 0.001, 0.01
-- Seconds that one gets to end and to start again, when what it has read has changed.
local RELOAD_LIMIT <const> = 5
local BACKOFF_FIRST <const>, BACKOFF_MAX <const> = 0.2, 10
-- Bytes of a log that are kept before it begins anew; as many again are kept of what was before.
local LOG_MOST <const> = 1 << 20
-- Lines of its log that are repeated in the agent's.
local QUOTED <const> = 20
-- So many times the last wait a service must have lived to be started again as if it had never died.
local STEADY <const> = 3

--- @tparam table node see agent.lua: run_dir, cgroup, substitute(text), namespace_path(netns)
function M.new(node)
  return setmetatable({ node = node, services = {} }, Supervisor)
end

local function id_of(p) return (p.id:gsub("/", "+")) .. "." .. p.name end

function Supervisor:paths(p)
  local id = id_of(p)
  return { id = id, record = self.node.run_dir .. "/services/" .. id .. ".json",
    log = self.node.run_dir .. "/log/" .. id .. ".log", cgroup = self.node.cgroup .. "/services/" .. id }
end

local function command(self, p)
  local argv = {}
  for i, word in ipairs(p.argv) do argv[i] = self.node.substitute(word) end
  return argv
end

local function spawn(self, service)
  local p = service.p
  local good, message, code = cgroup.create(service.paths.cgroup)
  if not good then return nil, message, code end
  local child
  child, message, code = process.spawn { argv = command(self, p), add_env = p.env or {},
    netns = p.netns and self.node.namespace_path(p.netns) or nil, cgroup = service.paths.cgroup,
    stdin = "null", stdout = { file = service.paths.log, append = true },
    stderr = { file = service.paths.log, append = true }, session = true, user = p.user,
    capabilities = p.capabilities }
  if not child then return nil, message, code end
  file.write(service.paths.record, json.encode { pid = child.pid, owner = p.id, name = p.name,
    kind = p.kind or "service", argv = command(self, p) }, { atomic = true })
  service.child = child
  return true
end

-- Whether a process has bound UDP ports, in the namespace in which it is.
local function has_bound(pid, ports)
  local bound = {}
  for _, family in ipairs { "udp", "udp6" } do
    local text = file.read(("/proc/%d/net/%s"):format(pid, family)) or ""
    for port in text:gmatch "\n *%d+: %x+:(%x+)" do bound[tonumber(port, 16)] = true end
  end
  for _, port in ipairs(ports) do
    if not bound[port] then return false end
  end
  return true
end

local function is_ready(self, service)
  local p = service.p
  if p.ports and not has_bound(service.child.pid, p.ports) then return false end
  local s = p.ready and stream.connect { path = self.node.substitute(p.ready), timeout = 1 }
  if s then s:close() end
  return not p.ready or s ~= nil
end

-- Ready: its ports are bound, its socket answers. Without any: it lives.
local function wait_ready(self, service)
  local limit, pause = runtime.now() + READY_LIMIT, READY_LOOK
  while not is_ready(self, service) do
    if service.ended or runtime.now() > limit then
      return nil, ("service %s is not ready: %s"):format(service.p.name,
        tail.last_line(service.paths.log, service.from)
        or service.p.ready and "its socket does not answer" or "its ports are not bound"), "timeout"
    end
    task.sleep(pause)
    pause = math.min(2 * pause, READY_LOOK_MOST)
  end
  return true
end

local function ended_text(status)
  if status.signal then return "was ended by " .. status.name end
  return status.exit and "ended with status " .. status.exit or "is gone"
end

-- The next wait after a death: it grows while a service does not outlive it by far.
local function back_off(delay, lived)
  return lived > STEADY * delay and BACKOFF_FIRST or math.min(delay * 2, BACKOFF_MAX)
end

-- Watches a service until it is stopped; starts it again with back-off.
local function watch(self, service)
  local delay = BACKOFF_FIRST
  while not service.stopping do
    local began = runtime.now()
    local status = service.child:wait()
    service.ended = true
    if service.stopping then return end
    if service.starting then return end
    if service.wanted_end then
      service.wanted_end = nil
    else
      service.death = ended_text(status)
      self.node.log(("service %s %s"):format(service.paths.id, service.death))
      self.node.services_changed()
      delay = back_off(delay, runtime.now() - began)
      task.sleep(delay)
    end
    if service.stopping then return end
    cgroup.kill(service.paths.cgroup)
    service.restarts = service.restarts + 1
    local good, message = spawn(self, service)
    while not good and not service.stopping do
      self.node.log(("service %s does not start: %s"):format(service.paths.id, message))
      task.sleep(BACKOFF_MAX)
      good, message = spawn(self, service)
    end
    service.ended = false
    self.node.service_restarted(service.p)
    self.node.services_changed()
  end
end

-- Ends its processes, SIGTERM first; its log and its record stay.
local function halt(self, p)
  local paths = self:paths(p)
  local service = self.services[paths.id]
  if service then
    service.stopping = true
    if not service.ended then
      service.child:kill("TERM")
      service.watcher:join(p.stop or 5)
    end
    service.watcher:cancel()
    service.ended = true
  end
  if not file.stat(paths.cgroup) then return true end
  local good, message, code = cgroup.kill(paths.cgroup)
  if not good then return nil, message, code end
  cgroup.remove(paths.cgroup)
  return true
end

local function remove_log(paths)
  file.remove(paths.log)
  file.remove(paths.log .. ".1")
end

--- Repeats in the agent's log what a service said last.
function Supervisor:quote(p)
  local paths = self:paths(p)
  local text = tail.lines(tail.of_file(paths.log, tail.size(paths.log)), QUOTED)
  if text ~= "" then
    self.node.log(("service %s said last:\n  %s"):format(paths.id, (text:gsub("\n$", ""):gsub("\n", "\n  "))))
  end
end

-- Starts a process, or takes over the one that runs, and waits until it is ready.
local function begin(self, service)
  local p, paths = service.p, service.paths
  if not self:adopt(service) then
    if file.stat(paths.cgroup) then cgroup.kill(paths.cgroup) end   -- one that has no record
    service.from = tail.size(paths.log)                             -- what others have said before is not its own
    local good, message, code = spawn(self, service)
    if not good then return nil, message, code end
  end
  service.watcher = task.spawn(watch, self, service)
  local good, message, code = wait_ready(self, service)
  service.starting = false
  if good and service.ended then good, message, code = nil, "service " .. p.name .. " ended", "closed" end
  if good then return true end
  self.services[paths.id] = service
  halt(self, p)
  return nil, message, code
end

-- Starts what this agent does not run.
local function start(self, p)
  local paths = self:paths(p)
  local service = { p = p, paths = paths, restarts = 0, starting = true }
  file.mkdir(self.node.run_dir .. "/services", { parents = true })
  file.mkdir(self.node.run_dir .. "/log", { parents = true })
  local known = file.stat(paths.log)
  local good, message, code = begin(self, service)
  self.services[paths.id] = good and service or nil
  if good then return true end
  file.remove(paths.record)
  self:quote(p)
  if not known then remove_log(paths) end
  return nil, message, code
end

--- Starts a service and waits until it is ready; takes one over that runs already.
-- @return true, or nil, message, code
function Supervisor:start(p)
  if self.services[id_of(p)] then return true end
  return start(self, p)
end

-- What another process is made of.
local PROCESS <const> = { "argv", "env", "netns", "user", "capabilities" }

local function same_process(old, new)
  for _, field in ipairs(PROCESS) do
    if not needs.equal(old[field], new[field]) then return false end
  end
  return true
end

--- Gives a service other properties: another process where it takes one, whose log goes on where the former one's
-- ended.
-- @return true, or nil, message, code
function Supervisor:change(p)
  local id = id_of(p)
  local service = self.services[id]
  if service and same_process(service.p, p) then
    service.p = p
    return true
  end
  local good, message, code = halt(self, p)
  if good then return start(self, p) end
  self.services[id] = nil
  return nil, message, code
end

--- Whether a service has been started or taken over; it may be just starting again.
function Supervisor:runs(p) return self.services[id_of(p)] ~= nil end

--- Process id of a service that has been started or taken over, or nil.
function Supervisor:pid(p)
  local service = self.services[id_of(p)]
  return service and service.child.pid
end

--- What is known of a service that does not do its work: how it died, if it did, and what it wrote last; or nil.
function Supervisor:complaint(p)
  local service = self.services[id_of(p)]
  local death, line = service and service.death, service and tail.last_line(service.paths.log, service.from)
  if not death and not line then return nil end
  return ("service %s%s%s"):format(p.name, death and " " .. death or "", line and ": " .. line or "")
end

local function same_command(self, record, p)
  return needs.equal(record.argv, command(self, p))
end

--- Takes over a process that a former agent started.
-- @return whether there was one
function Supervisor:adopt(service)
  local record = json.decode(file.read(service.paths.record) or "")
  if not record or not file.stat(service.paths.cgroup) then return false end
  local alive = false
  for _, pid in ipairs(cgroup.pids(service.paths.cgroup) or {}) do
    alive = alive or pid == record.pid
  end
  if not alive or not same_command(self, record, service.p) then return false end
  local child = process.adopt(record.pid)
  if not child then return false end
  service.child = child
  return true
end

--- The properties of a service if it runs, for verification; nil otherwise.
function Supervisor:adopted(p)
  local paths = self:paths(p)
  if self.services[paths.id] then return self.services[paths.id].p end
  local record = json.decode(file.read(paths.record) or "")
  if not record then return nil end
  local good = self:start(p)
  return good and p or nil
end

--- Stops a service for good: SIGTERM, then the end of its cgroup. Its log goes with it.
-- @return true, or nil, message, code
function Supervisor:stop(p)
  local paths = self:paths(p)
  local good, message, code = halt(self, p)
  self.services[paths.id] = nil
  if not good then return nil, message, code end
  file.remove(paths.record)
  remove_log(paths)
  return true
end

--- Ends a service that does not do its work; it is started again.
-- @tparam table p the service, or its id and name
function Supervisor:kill(p)
  local service = self.services[id_of(p)]
  if service and not service.ended then service.child:kill("KILL") end
end

--- Says that a service has read what has changed since.
-- @tparam table p the service, or its id and name
function Supervisor:reload(p)
  local service = self.services[id_of(p)]
  if service then service.stale = true end
end

-- Waits until the next process of a service is ready. One that dies on the way is waited for no longer.
local function wait_again(self, service, restarts)
  local limit = runtime.now() + RELOAD_LIMIT
  while service.restarts == restarts or service.ended do
    if service.stopping or runtime.now() > limit then return end
    task.sleep(READY_LOOK)
  end
  local good, message = wait_ready(self, service)
  if not good then self.node.log(message) end
end

--- Starts those services again that have read what has changed since, and waits until they are ready: once for all that
-- has changed.
function Supervisor:reload_stale()
  local ended = {}
  for _, service in pairs(self.services) do
    if service.stale and not service.ended then   -- one that is dead is started again anyway
      service.wanted_end, ended[service] = true, service.restarts
      service.child:kill("TERM")
    end
    service.stale = nil
  end
  for service, restarts in pairs(ended) do wait_again(self, service, restarts) end
end

--- Keeps the logs small: one that has grown large becomes NAME.log.1, in the place of a former one. It is copied,
-- because the service holds it open: what is written at that instant may be lost.
function Supervisor:rotate()
  for _, service in pairs(self.services) do
    local log = service.paths.log
    local stat = file.stat(log)
    if stat and stat.size > LOG_MOST then
      local text = file.read(log)
      if text and file.write(log .. ".1", text, { atomic = true }) then file.write(log, "") end
    end
  end
end

--- Leaves the services running, for the next agent.
function Supervisor:release()
  for _, service in pairs(self.services) do
    service.stopping = true
    service.watcher:cancel()
  end
end

--- What has a record and is of a kind of need: array of { owner, p }. The agent's own services
-- are of no kind.
function Supervisor:list(kind)
  local found = {}
  for _, name in ipairs(file.list(self.node.run_dir .. "/services") or {}) do
    local record = json.decode(file.read(self.node.run_dir .. "/services/" .. name) or "")
    if record and record.kind == kind then
      found[#found + 1] = { owner = record.owner, p = { id = record.owner, name = record.name } }
    end
  end
  return found
end

-- Whether nobody runs a service, nor has left a record of it.
local function is_unknown(self, id)
  return not self.services[id] and not file.stat(self.node.run_dir .. "/services/" .. id .. ".json")
end

--- Removes what an agent left that died before it wrote a record, or when it had removed it: processes and logs.
function Supervisor:sweep()
  for _, id in ipairs(cgroup.list(self.node.cgroup .. "/services") or {}) do
    local group = self.node.cgroup .. "/services/" .. id
    if is_unknown(self, id) then
      cgroup.kill(group)
      cgroup.remove(group)
    end
  end
  for _, name in ipairs(file.list(self.node.run_dir .. "/log") or {}) do
    local id = name:match "^(.+)%.log$" or name:match "^(.+)%.log%.1$"
    if id and is_unknown(self, id) then file.remove(self.node.run_dir .. "/log/" .. name) end
  end
end

return M
