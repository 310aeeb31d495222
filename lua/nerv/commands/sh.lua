-- `sh`: a command line of the system's shell.
local process <const> = require "nerv.process"
local terminal <const> = require "nerv.terminal"

-- A line that begins with an option is meant for sh itself.
local function argv(line)
  return { "/bin/sh", "-c", line:find("^%-") and "exec /bin/sh " .. line or line }
end

return {
  name = "sh", text = "run a command line of /bin/sh on this machine; its exit status is the command's",
  args = { { name = "line", type = "line", names = "program", required = true, text = "the command line" } },
  example = "sh ip -brief link | head -n 3",
  run = function(a)
    io.stdout:flush()
    local _ <close> = terminal.there() and terminal.lend() or nil
    local child, message = process.spawn { argv = argv(a.line) }
    if not child then return nil, message end
    local _ <close> = setmetatable({}, { __close = function()
      if child:running() then child:kill("TERM") end
    end })
    local status = child:wait()
    if status.exit == 0 then return nil end
    local how = status.signal and "was ended by " .. status.name or "exit status " .. status.exit
    return nil, how, require("nerv.command").exit_status(status)
  end,
}
