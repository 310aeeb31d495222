-- `log`: what agents and services say.
local log <const> = require "nerv.command.log"
local put <const> = require "nerv.put"

-- Lines with the name of their log before them, where there are several.
local function printer(sources)
  return function(source, text)
    if #sources > 1 then text = text:gsub("[^\n]*\n", function(one) return source.label .. ": " .. one end) end
    put(text)
  end
end

return {
  name = "log", text = "show the end of the log of an agent, or of the services of a network",
  args = { { name = "name", type = "string", names = { "node", "network" },
    text = "a node, network or service; by default this node" } },
  options = { follow = { type = "boolean", short = "f", doc = "go on with what comes, until Ctrl-C" },
    lines = { type = "count", default = 20, short = "n", doc = "how many lines of each" } },
  example = "log -n 5",
  run = function(a)
    local sources, message = log.find(a.name)
    if not sources then return nil, message end
    local show = printer(sources)
    if a.follow then
      return nil, select(2, log.follow(sources, a.lines, show))
    end
    for _, source in ipairs(sources) do
      local text
      text, message = log.tail(source, a.lines)
      if not text then return nil, message end
      if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
      show(source, text)
    end
  end,
}
