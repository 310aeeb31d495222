--- The agent of a node: makes what the rows want of this node true.
--
-- Life: open the instance, start or find the database, join it as a node, adopt what a former
-- agent left, then follow the Changes. One task works on the system at a time.
local Worker <const> = require "nerv.agent.worker"
local adoption <const> = require "nerv.agent.adoption"
local bridges <const> = require "nerv.agent.bridges"
local allocation <const> = require "nerv.allocation"
local agent_node <const> = require "nerv.agent.node"
local calls <const> = require "nerv.agent.calls"
local config <const> = require "nerv.config"
local controllers <const> = require "nerv.agent.controllers"
local context <const> = require "nerv.context"
local cgroup <const> = require "nerv.cgroup"
local database <const> = require "nerv.agent.database"
local desired <const> = require "nerv.desired"
local driver <const> = require "nerv.driver"
local engine <const> = require "nerv.engine"
local planning <const> = require "nerv.engine.planning"
local file <const> = require "nerv.file"
local instance <const> = require "nerv.instance"
local ovsdb <const> = require "nerv.ovsdb"
local moves <const> = require "nerv.agent.moves"
local notify <const> = require "nerv.notify"
local packet_filter <const> = require "nerv.agent.packet_filter"
local process <const> = require "nerv.process"
local protocol <const> = require "nerv.protocol"
local runtime <const> = require "nerv.runtime"
local state_module <const> = require "nerv.state"
local stream <const> = require "nerv.stream"
local supervisor <const> = require "nerv.supervisor"
local task <const> = require "nerv.task"

local M = {}

-- Seconds between two renewals of Node.seen.
local HEARTBEAT <const> = 5
-- Seconds before a renewal that did not reach the database is tried again.
local HEARTBEAT_AGAIN <const> = 0.5
-- How often, and after how many seconds, a node tries again to write its row when others were faster.
local JOIN_TRIES <const>, JOIN_AGAIN <const> = 50, 0.02
-- Seconds within which a lab's first shell must have come.
local FIRST_SHELL <const> = 30
-- Seconds between two looks at who uses a lab.
local SHELLS_LOOK <const> = 2
-- Seconds that an agent which is to end gives the work at hand.
local CLOSE_LIMIT <const> = 10

local function log(text)
  runtime.log(("%s %s"):format(os.date("!%Y-%m-%dT%H:%M:%SZ"), text))
end

-- Answers shells on other machines.
local function listen_far(handlers)
  local host, port = protocol.host_port(context.options.listen)
  if not host then error("listen: " .. port, 0) end
  local listener, message = stream.listen { host = host, port = port }
  if not listener then error("listen: " .. message, 0) end
  local tls = config.tls()
  tls.server = true
  return listener, task.spawn(protocol.serve, listener, handlers, { tls = tls })
end

-- Gives the node a number if it has none.
-- @return operations of a transaction that writes `values` into its row
local function numbered(state, row, values)
  if row and row.number > 0 then return {} end
  local picker = allocation.new(state)
  local number, name = picker:node_number()
  values.number, values.allocations = number, { ovsdb.named(name) }
  return picker.operations
end

-- Writes this node's row: a new one, or the one that a testbed or a former agent left.
local function write_row(agent, state)
  local row = agent.state:node(agent.name)
  local values = { instance = agent.instance.id, state = state, run_dir = agent.instance.run_dir,
    seen = (row and row.seen or 0) + 1, address = context.options.listen and "ssl:" .. context.options.listen or "" }
  local operations = numbered(agent.state, row, values)
  if row then
    operations[#operations + 1] = { op = "update", table = "Node", where = state_module.only(row), row = values }
  else
    values.name, values.options = agent.name, "{}"
    operations[#operations + 1] = { op = "insert", table = "Node", row = values }
  end
  return agent.state:transact(operations)
end

-- Another node may take the same number at the same time.
local function join(agent, state)
  local results, message, code
  for _ = 1, JOIN_TRIES do
    results, message, code = write_row(agent, state)
    if results or code ~= "constraint violation" then break end
    task.sleep(JOIN_AGAIN)
  end
  return results, message, code
end

-- Makes the node as the rows want it, then says so: who sees it active can call it.
local function enter(agent)
  local called, good, message = pcall(agent.exclusive, agent, adoption.run)
  agent.adopted = called and good
  if not agent.adopted then log("adoption: " .. tostring(called and message or good)) end
  agent:publish()
  return join(agent, "active")
end

-- Renews this node's row. A node that was found stale missed Changes meanwhile; it may have slept and not know it yet.
-- One that was forgotten joins anew, with nothing that was its own. One that could not adopt what is there tries again.
-- @return whether the database has it
local function renew(agent)
  local row = agent.state:node(agent.name)
  if not row then
    local joined = agent.state.db:connected() and join(agent, "joining")
    return joined and enter(agent)
  end
  local results = agent.state:transact { { op = "update", table = "Node",
    where = { { "_uuid", "==", row._uuid }, { "state", "==", "active" } }, row = { seen = row.seen + 1 } } }
  if results and (results[1].count == 0 or not agent.adopted) and agent.state:node(agent.name) then enter(agent) end
  return results
end

-- In time, and at once when somebody changed what the row says of this node.
local function heartbeat(agent)
  local watch <close> = agent.state.db:watch { "Node" }
  local due = runtime.now() + HEARTBEAT
  while not agent.closing do
    local _, _, code = watch:all(math.max(0, due - runtime.now()))
    if code == "closed" then return end
    local row = agent.state:node(agent.name)
    if runtime.now() >= due or not row or row.state ~= "active" then
      local good = renew(agent)
      due = runtime.now() + (good and HEARTBEAT or HEARTBEAT_AGAIN)
      agent.node.supervisor:rotate()
      agent.node.vswitch:enlarge_buffers()
    end
  end
end

local function open(options)
  local inst, message, code = instance.open(context.state_dir())
  if not inst then
    error(code == "EWOULDBLOCK" and ("an agent runs already on %s"):format(context.state_dir())
      or message, 0)
  end
  local agent = setmetatable({ instance = inst, lab = options.lab or false, holders = 0,
    temporary = options.lab or options.temporary or false, networks = {}, facts = {}, journal = {},
    reported = {}, retries = {} }, Worker)
  agent.name = options.node or file.read("/proc/sys/kernel/hostname"):match("%S+")
  local group
  group, message = instance.cgroup(inst.id)
  if not group then error(message, 0) end
  agent.cgroup = group
  local good
  good, message = cgroup.create(group)
  if not good then error(message, 0) end
  if agent.temporary then file.write(inst.state_dir .. "/temporary", "") end
  file.write(inst.run_dir .. "/node", agent.name .. "\n")
  return agent
end

-- Leaves a temporary instance as if it had never been; leaves a lasting one running.
local function close(self)
  self.closing = true
  local limit = runtime.now() + CLOSE_LIMIT
  while self.busy and runtime.now() < limit do task.sleep(0.01) end
  self.busy = true   -- nobody else begins
  self.worker:cancel()
  self.worker:join(CLOSE_LIMIT)
  if not self.temporary then
    self.node.supervisor:release()
    return
  end
  local owners = {}
  for owner in pairs(self.engine.owned) do owners[#owners + 1] = { owner = owner, set = Worker.EMPTY } end
  local plan = self:plan(owners)
  for _, phase in ipairs(planning.PHASES) do
    local good, message = self.engine:apply(plan and plan[phase] or {})
    if not good then log(message) end
  end
  self.state:close()
  self.node.supervisor:release()   -- what is left, the database above all, ends with its cgroup
  local good, message = instance.clean(self.instance.state_dir, self.instance.id)
  if not good then log("what is left: " .. message) end
end

-- A lab lives while a shell uses it. One may hold the agent not yet, because it has just started it, or not yet again,
-- because it has lost the former one; it may die before it does: it has the other end of our standard input.
local function expect_shells(self, waiter)
  if file.stat("/proc/self/fd/0").type == "fifo" then
    local input <close> = stream.fd(0)
    repeat until not input:read()
  else
    task.sleep(FIRST_SHELL)
  end
  while self.lab do
    if self.holders == 0 and not instance.has_shell(self.instance.state_dir) then return waiter:cancel() end
    task.sleep(SHELLS_LOOK)
  end
end

-- A task without which the agent would be alive and of no use: when it fails the agent ends, and the next one
-- adopts what is there.
local function essential(self, waiter, f, ...)
  local arguments = table.pack(...)
  return task.spawn(function()
    local good, message = xpcall(f, function(problem)
      return problem == "canceled" and problem or debug.traceback(tostring(problem), 2)
    end, table.unpack(arguments, 1, arguments.n))
    if good or message == "canceled" then return end
    self.broken = message
    waiter:cancel()
  end)
end

-- Begins, works until it is told to end, and ends.
local function serve(self, options)
  self.remote = options.db
  self.node = agent_node.new(self, log)
  self.node.supervisor = supervisor.new(self.node)
  local good, message = true, nil
  if not self.remote then good, message = database.start(self) end
  if not good then error("database: " .. message, 0) end
  self.state, message = state_module.connect(self.remote)
  if not self.state then error("database: " .. message, 0) end
  self.view = desired.view(self.state, self.name)
  self.engine = engine.new(self.node)
  self.node.moves = moves.new(self.state, self.node)
  -- Calls wait until it has adopted what is there.
  local handlers = calls(self)
  local listener = assert(stream.listen { path = self.instance.run_dir .. "/agent.sock", mode = 432 })
  local server = task.spawn(protocol.serve, listener, handlers,
    { ready = function() while not self.finish do task.sleep(0.01) end end })
  if not self.state:node(self.name) then assert(join(self, "joining")) end
  assert(enter(self))
  local signals = process.signals { "TERM", "INT", "HUP" }
  local waiter = task.spawn(function() signals:next() end)
  self.finish = { close = function() waiter:cancel() end }
  self.worker = essential(self, waiter, self.follow, self)
  local children = { essential(self, waiter, driver.run, self.state), essential(self, waiter, heartbeat, self),
    essential(self, waiter, server.wait, server) }
  if not options.db then
    children[#children + 1] = task.spawn(database.keep, self)
    children[#children + 1] = task.spawn(database.guard, self)
  end
  children[#children + 1] = task.spawn(packet_filter.warn, log)
  children[#children + 1] = essential(self, waiter, controllers.run, self)
  children[#children + 1] = essential(self, waiter, bridges.run, self)
  local far
  if options.listen then far, children[#children + 1] = listen_far(handlers) end
  if self.lab then children[#children + 1] = task.spawn(expect_shells, self, waiter) end
  notify.send(("READY=1\nSTATUS=node %s, database %s"):format(self.name, self.remote))
  waiter:join()
  if self.broken then error(self.broken, 0) end
  notify.send "STOPPING=1"
  listener:close()
  if far then far:close() end
  for _, child in ipairs(children) do child:cancel() end
  close(self)
end

--- Runs the agent until it is told to end.
function M.run()
  config.load()
  local options = context.options
  if options.restore then return database.restore() end
  local self = open(options)
  local good, message = pcall(serve, self, options)
  if good then return end
  -- What a shell uses the next agent adopts; a lab that nobody uses any more, such as one whose directory was removed
  -- while it began, nobody would find again.
  if self.lab and not instance.has_shell(self.instance.state_dir) then instance.clean_remains(self.instance.id) end
  error(message, 0)
end

return M
