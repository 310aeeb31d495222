-- `plan`: what a command would do.
local command <const> = require "nerv.command"

local function plannable()
  local names = {}
  for _, name in ipairs(command.names()) do
    if command.get(name).options.dry_run then names[#names + 1] = name end
  end
  return table.concat(names, ", ")
end

return {
  name = "plan", text = "show what a command would do to the nodes, without doing it",
  args = { { name = "command", type = "rest", command = true,
    text = "a command that changes networks, and its words" } },
  example = "plan delete blue",
  run = function(a)
    local words = { table.unpack(a.command) }
    local name = table.remove(words, 1)
    local spec = name and command.get(name)
    if not spec or not spec.options.dry_run then
      local what = name and ("'%s' cannot be planned; "):format(name) or ""
      return nil, what .. "one of these is expected: " .. plannable()
    end
    table.insert(words, 1, "--dry-run")
    return nil, nil, command.run_words(name, words)
  end,
}
