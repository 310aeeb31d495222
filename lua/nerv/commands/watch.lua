-- `watch`: a command again and again, on a screen of its own.
local command <const> = require "nerv.command"
local lab <const> = require "nerv.lab"
local line <const> = require "nerv.prompt.line"
local put <const> = require "nerv.put"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"
local terminal <const> = require "nerv.terminal"

-- Seconds in which changes that come together are shown together.
local TOGETHER <const> = 0.1
local HOME_AND_CLEAR <const>, TO_LINE_END <const>, TO_SCREEN_END <const> = "\27[H\27[J", "\27[K", "\27[J"

-- The text with each line cut to the width, and no more of them than fit.
local function fitted(text, rows, cols)
  local lines = {}
  for one in text:gmatch("([^\n]*)\n") do
    lines[#lines + 1] = one:sub(1, (utf8.offset(one, cols + 1) or #one + 1) - 1) .. TO_LINE_END
    if #lines == rows then break end
  end
  return table.concat(lines, "\r\n")
end

-- What returns its text takes the place of the former one; what prints by itself needs the screen clear.
local function draw(a)
  local rows, cols = terminal.size()
  local title = ("every %g s: %s"):format(a.interval, a.line)
  title = fitted(("%s%s  %s\n"):format(title, (" "):rep(cols - #title - 11), os.date "%H:%M:%S"), 1, cols)
  local spec = command.get(a.line:match("^%S+"))
  if not spec or not spec.columns then
    io.stdout:write(HOME_AND_CLEAR, title, "\r\n\n")
    return line.run(a.line, "=watch")
  end
  return command.run_line(a.line, function(text)
    io.stdout:write("\27[H", title, "\r\n", TO_LINE_END, "\n", fitted(text, rows - 3, cols), "\r\n", TO_SCREEN_END)
  end)
end

-- A command that fails may go well the next time.
local function once(a, on_screen)
  local good, status = pcall(on_screen and draw or line.run, on_screen and a or a.line, "=watch")
  put ""
  if good then return status end
  if tostring(status):find("canceled$") then error(status, 0) end
  runtime.log("nervsh: " .. tostring(status))
  return 1
end

-- Waits for the next time, or for a change of what there is.
local function pause(seconds)
  if not lab.active() then return task.sleep(seconds) end
  local watch <close> = lab.state().db:watch { "Node", "Network", "Endpoint", "Change", "Status", "Service" }
  if watch:all(seconds) then task.sleep(math.min(seconds, TOGETHER)) end
end

return {
  name = "watch", text = "show a command every few seconds, and whenever networks change, until Ctrl-C",
  args = { { name = "line", type = "line", required = true, text = "a line as typed at the prompt" } },
  options = { interval = { type = "seconds", default = 2, short = "n", doc = "seconds between two times" },
    count = { type = "count", short = "c", doc = "end after so many times" } },
  example = "watch -c 1 net",
  run = function(a)
    local on_screen, status = terminal.there(), 0
    if on_screen then io.stdout:write(HOME_AND_CLEAR) end
    for i = 1, a.count or math.maxinteger do
      if i > 1 then pause(a.interval) end
      status = once(a, on_screen)
    end
    return nil, nil, status
  end,
}
