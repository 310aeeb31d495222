-- `export`: all networks and endpoints as a file.
local configuration <const> = require "nerv.configuration"
local file <const> = require "nerv.file"

return {
  name = "export", text = "print all networks and endpoints as a Lua table file, which 'apply' reads",
  args = { { name = "file", type = "file", text = "where to; by default to standard output" } },
  options = { pin = { type = "boolean", short = "p", doc = "addresses and MAC addresses that were chosen, too, "
    .. "so that the same come tomorrow" } },
  example = "export --pin",
  run = function(a)
    local text = configuration.text(configuration.export { pin = a.pin })
    if not a.file or a.file == "-" then return (text:gsub("\n$", "")) end
    local good, message = file.write(a.file, text, { atomic = true })
    if not good then return nil, message end
  end,
}
