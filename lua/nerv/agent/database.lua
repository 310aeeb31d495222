--- The database of a node that was given none: an ovsdb-server of its own under the supervisor, with a file in the
-- state directory, and a good copy of that file beside it.
--
-- The copy is made when the agent has adopted what the rows want, and when it has been quiet after a change; it is
-- compacted, which reads every record. A file that is gone or broken is left as it is: the agent refuses to start,
-- and `nervsh --agent --restore` puts the copy in its place.
local config <const> = require "nerv.config"
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local instance <const> = require "nerv.instance"
local json <const> = require "nerv.json"
local process <const> = require "nerv.process"
local protocol <const> = require "nerv.protocol"
local runtime <const> = require "nerv.runtime"
local state_module <const> = require "nerv.state"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

local M = {}

-- Its name among the agent's services.
local SERVICE <const> = { id = "agent", name = "database" }
-- Seconds between two looks whether it answers, and in which a new one is not looked at.
local LOOK <const>, RESPITE <const> = 0.5, 10
-- Seconds without a change before a copy is made, and the longest time between two under steady change.
local QUIET <const>, BUSY <const> = 2, 60

local function paths(state_dir)
  local base = state_dir .. "/nerv.db"
  return { file = base, copy = base .. ".good", new = base .. ".new", schema = state_dir .. "/nerv.ovsschema" }
end

local function tool(...)
  local result, message, code = process.run { argv = { "ovsdb-tool", ... } }
  if not result then return nil, message, code end
  if result.exit ~= 0 then return nil, "ovsdb-tool: " .. result.stderr:match("[^\n]*"), "EXIT" end
  return result.stdout
end

-- Reads every record of a file, and writes it without its history.
local function compact(from, to)
  if file.stat(to) then file.remove(to) end
  return tool("compact", from, to)
end

-- Whether the file only lacks the end of its last record: the machine stopped while that was written, and nobody
-- has been told that it was. The server leaves it away.
local function is_torn(path, message)
  local offset = message:find("End of file", 1, true) and tonumber(message:match("starting at offset (%d+)"))
  local text = offset and file.read(path)
  return text ~= nil and not text:find("\nOVSDB JSON ", offset + 1, true)
end

local function written(path)
  local stat = file.stat(path)
  return stat and os.date("!%Y-%m-%dT%H:%M:%SZ", math.tointeger(stat.mtime // 1))
end

-- What to do about a file that is gone or broken.
local function advice(p, state_dir)
  if not file.stat(p.copy) then return ("there is no copy of it; remove %s to begin anew"):format(state_dir) end
  return ("'nervsh --agent --restore --state %s' puts its last good copy in its place, of %s"):format(state_dir,
    written(p.copy))
end

local function check(p, state_dir)
  if not file.stat(p.file) then
    if not file.stat(p.copy) then return true end   -- the first start
    return nil, ("%s is gone: %s"):format(p.file, advice(p, state_dir)), "ENOENT"
  end
  local good, message, code = compact(p.file, p.new)
  file.remove(p.new)
  if good or is_torn(p.file, message) then return true end
  if code ~= "EXIT" then return nil, message, code end
  return nil, ("%s is broken (%s): %s"):format(p.file, message, advice(p, state_dir)), "EBADMSG"
end

-- A file of our schema: a new one, or one of a former version brought up to this one.
local function make(p, log)
  local schema <const> = require "nerv.schema"
  file.write(p.schema, (json.encode(schema)))
  if not file.stat(p.file) then return tool("create", p.file, p.schema) end
  local version, message, code = tool("db-version", p.file)
  if not version then return nil, message, code end
  if version:match("%S+") == schema.version then return true end
  log(("the database's schema goes from version %s to %s"):format(version:match("%S+"), schema.version))
  return tool("convert", p.file, p.schema)
end

local function command(p, socket, run_dir)
  local argv = { "ovsdb-server", "--remote=punix:" .. socket, "--unixctl=" .. run_dir .. "/db.ctl",
    "--no-chdir", "-vconsole:warn", "-vsyslog:off", "-vfile:off" }
  if context.options.share then
    local host, port = protocol.host_port(context.options.share)
    if not host then return nil, port, "EINVAL" end
    local tls = config.tls()
    argv[#argv + 1] = ("--remote=pssl:%d:%s"):format(port, host:find(":", 1, true) and "[" .. host .. "]" or host)
    table.move({ "--ca-cert=" .. tls.ca, "--certificate=" .. tls.certificate, "--private-key=" .. tls.key }, 1, 3,
      #argv + 1, argv)
  end
  argv[#argv + 1] = p.file
  return argv
end

-- A server that a former agent left has the rows in its memory, whatever became of the file.
local function answers(socket)
  local connection = file.stat(socket) and stream.connect { path = socket, timeout = 1 }
  if connection then connection:close() end
  return connection and true or false
end

--- Starts the server, or takes the one over that runs.
-- @tparam table agent whose `remote` is set
-- @return true, or nil, message, code
function M.start(agent)
  local inst, p = agent.instance, paths(agent.instance.state_dir)
  local socket = inst.run_dir .. "/db.sock"
  agent.remote = "unix:" .. socket
  local good, message, code = true, nil, nil
  if not answers(socket) then
    good, message, code = check(p, inst.state_dir)
    if good then good, message, code = make(p, agent.node.log) end
  end
  if not good then return nil, message, code end
  local argv
  argv, message, code = command(p, socket, inst.run_dir)
  if not argv then return nil, message, code end
  good, message, code = agent.node.supervisor:start { id = SERVICE.id, name = SERVICE.name, kind = "agent",
    ready = socket, stop = 5, argv = argv }
  if not good then return nil, message, code end
  return file.chmod(socket, 432)   -- for the agent's group; it obeys the umask
end

--- Ends a server that is there and does not answer, so that the supervisor starts another one, until it is cancelled.
function M.guard(agent)
  while not agent.closing do
    local connected, reason, code = agent.state.db:connected()
    if not connected and code == "timeout" then
      agent.node.log(("the database does not answer, another one is started: %s"):format(reason))
      agent.node.supervisor:kill(SERVICE)
      task.sleep(RESPITE)
    end
    task.sleep(LOOK)
  end
end

local function save(agent, p)
  local good, message = compact(p.file, p.new)
  if good then good, message = file.rename(p.new, p.copy) end
  if not good then agent.node.log(("no copy of %s was made: %s"):format(p.file, message)) end
end

local function is_busy(state)
  for _, change in pairs(state.rows.Change) do
    if not state_module.ENDED[change.phase] then return true end
  end
  return false
end

--- Keeps the copy up to date until it is cancelled. What goes with its shells needs none.
function M.keep(agent)
  local p = paths(agent.instance.state_dir)
  local watch <close> = agent.state.db:watch { "Change", "Network", "Endpoint", "Archetype" }
  while not agent.closing do
    if agent.adopted and not file.stat(agent.instance.state_dir .. "/temporary") then save(agent, p) end
    watch:all()
    local began = runtime.now()
    repeat
      local news = watch:all(QUIET)
    until not news and not is_busy(agent.state) or runtime.now() - began > BUSY
  end
end

--- Puts the copy in the place of the file, which stays beside it under another name.
-- @raise when an agent or a server is at work on it, or there is no copy
function M.restore()
  local state_dir = context.state_dir()
  local inst, message, code = instance.open(state_dir)
  if not inst then
    error(code == "EWOULDBLOCK" and ("an agent runs on %s: end it first"):format(state_dir) or message, 0)
  end
  local p = paths(inst.state_dir)
  if not file.stat(p.copy) then error(("there is no copy %s"):format(p.copy), 0) end
  if answers(inst.run_dir .. "/db.sock") then
    error(("the database of %s is served still: its rows are not lost; start the agent"):format(state_dir), 0)
  end
  local good
  good, message = compact(p.copy, p.new)   -- whole, and a file of its own
  if not good then error(("%s is broken, too: %s"):format(p.copy, message), 0) end
  local aside
  if file.stat(p.file) then
    aside = ("%s.broken-%s"):format(p.file, os.date("!%Y%m%dT%H%M%SZ"))
    assert(file.rename(p.file, aside))
  end
  assert(file.rename(p.new, p.file))
  print(("%s is its copy of %s now%s"):format(p.file, written(p.copy), aside and "; the former one is " .. aside or ""))
end

return M
