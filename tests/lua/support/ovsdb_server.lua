-- A real ovsdb-server in a directory of its own, with a small schema, for the tests.
local M = {}
local Server = {}
Server.__index = Server

local function run(command)
  local good, how, code = os.execute(command)
  if not good then error(("%s: %s %d"):format(command, how, code), 2) end
end

local function read(path)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then file:close() end
  return text
end

local SCHEMA <const> = [=[{
  "name": "TEST", "version": "1.2.3", "tables": {
    "Host": {"isRoot": true, "indexes": [["name"]], "columns": {
      "name": {"type": "string"},
      "count": {"type": "integer"},
      "load": {"type": "real"},
      "up": {"type": "boolean"},
      "comment": {"type": {"key": "string", "min": 0, "max": 1}},
      "limit": {"type": {"key": "integer", "min": 0, "max": 1}},
      "kind": {"type": {"key": {"type": "string", "enum": ["set", ["small", "large"]]}, "min": 0, "max": 1}},
      "tags": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
      "numbers": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
      "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
      "queues": {"type": {"key": "integer", "value": "real", "min": 0, "max": "unlimited"}},
      "peer": {"type": {"key": {"type": "uuid", "refTable": "Host", "refType": "weak"}, "min": 0, "max": 1}},
      "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
      "by_name": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}}}},
    "Port": {"columns": {"name": {"type": "string"}}},
    "Log": {"isRoot": true, "columns": {"text": {"type": "string"}, "serial": {"type": "integer"}}}}}
]=]

--- Starts the process; again after stop() or kill().
function Server:start(arguments)
  local command = "ovsdb-server --detach --no-chdir --pidfile=DIR/pid --log-file=DIR/log --unixctl=DIR/ctl " ..
    "--remote=punix:DIR/socket MORE DIR/db 2>DIR/err"
  run((command:gsub("DIR", self.dir):gsub("MORE", arguments or "")))
  self.pid = tonumber(read(self.dir .. "/pid"))
end

--- The TCP port that the server chose (started with --remote=ptcp:0:127.0.0.1).
function Server:port()
  return tonumber(read(self.dir .. "/log"):match("0%.0%.1:(%d+)") or read(self.dir .. "/log"):match("port (%d+)"))
end

function Server:signal(name)
  run(("kill -%s %d"):format(name, self.pid))
end

--- Kills the process and waits until it is gone.
function Server:kill()
  self:signal("KILL")
  while io.open("/proc/" .. self.pid .. "/stat") do
    local state = (read("/proc/" .. self.pid .. "/stat") or ""):match("%) (%a)")
    if not state or state == "Z" then break end
    sleep(0.01)
  end
  os.remove(self.dir .. "/pid")
  os.remove(self.socket)
  self.pid = nil
end

-- Does not wait: it may run while a failed test is being unwound.
function Server:__close()
  if self.pid then self:signal("KILL") end
  run("rm -r " .. self.dir)
end

--- Makes a database and starts its server; `local server <close> = ...`.
function M.start(arguments)
  local pipe = io.popen("mktemp -d")
  local dir = pipe:read("l")
  pipe:close()
  local self = setmetatable({ dir = dir, socket = dir .. "/socket", remote = "unix:" .. dir .. "/socket" }, Server)
  local file = assert(io.open(dir .. "/schema", "w"))
  file:write(SCHEMA)
  file:close()
  run(("ovsdb-tool create %s/db %s/schema"):format(dir, dir))
  self:start(arguments)
  return self
end

return M
