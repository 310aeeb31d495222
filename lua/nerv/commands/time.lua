-- `time`: how long a command or a piece of Lua takes.
local line <const> = require "nerv.prompt.line"
local runtime <const> = require "nerv.runtime"

return {
  name = "time", text = "run a command or Lua and say on standard error how long it took",
  args = { { name = "line", type = "line", required = true, text = "a line as typed at the prompt" } },
  example = "time h1 true",
  run = function(a)
    local began = runtime.now()
    local _ <close> = setmetatable({}, { __close = function()
      io.stdout:flush()
      runtime.log(("%.3f s"):format(runtime.now() - began))
    end })
    return nil, nil, line.run(a.line, "=time")
  end,
}
