--- The settings of an agent that is a machine's daemon: a file, by default /etc/nerv/nerv.lua, that returns a table;
-- what the command line says goes before it. A lab has none unless `--config` names one.
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local options <const> = require "nerv.options"

local M = {}

--- The file that a daemon reads when it is there.
M.DEFAULT = "/etc/nerv/nerv.lua"

--- What the file may hold.
M.OPTIONS = {
  node = { type = "name", doc = "name of this node; by default the host's name" },
  db = { type = "string", doc = "database of several nodes: \"unix:PATH\", \"tcp:ADDRESS:PORT\" or "
    .. "\"ssl:ADDRESS:PORT\"; by default one of this node's own" },
  share = { type = "string", doc = "\"ADDRESS:PORT\" at which this node's own database serves others, with TLS" },
  listen = { type = "string", doc = "\"ADDRESS:PORT\" at which the agent answers shells on other nodes, with TLS" },
  ovs = { type = "choice", choices = { "own", "system" }, default = "own",
    doc = "Open vSwitch: one of the node's own while a network needs it, or the system's, where one runs" },
  tls = { type = "file", default = "/etc/nerv/tls", doc = "directory of ca.pem, certificate.pem and key.pem" },
}

-- A table of plain values: the file sees nothing of the shell.
local function read(path)
  local text, message = file.read(path)
  if not text then return nil, message end
  local chunk
  chunk, message = load(text, "@" .. path, "t", {})
  if not chunk then return nil, message end
  local good, values = pcall(chunk)
  if not good then return nil, values end
  return options.check(path, M.OPTIONS, values)
end

--- Completes the command line's options from the file.
-- @raise when the file cannot be read or holds what it may not
function M.load()
  local given <const> = context.options
  local daemon <const> = not given.lab and not given.temporary
  local path = given.config or daemon and file.stat(M.DEFAULT) and M.DEFAULT
  local values = {}
  if path then
    local message
    values, message = read(path)
    if not values then error(message, 0) end
  end
  for name, value in pairs(values) do
    if given[name] == nil then given[name] = value end
  end
end

--- The files for TLS of a directory; of the one that the options or the environment name.
-- @return { ca =, certificate =, key = }
function M.tls()
  local dir = context.options.tls or os.getenv("NERV_TLS") or M.OPTIONS.tls.default
  return { ca = dir .. "/ca.pem", certificate = dir .. "/certificate.pem", key = dir .. "/key.pem" }
end

return M
