-- `history`: what this session has run.
local file <const> = require "nerv.file"

-- The inputs that went well, as a file for `source`; the command itself is none of them.
local function script(session)
  local lines = { "# nervsh session: run it with `source`, or `nervsh source FILE`" }
  for _, input in ipairs(session) do
    if input.good and not input.text:find("^%s*!?%s*history%f[^%w_]") then lines[#lines + 1] = input.text end
  end
  return table.concat(lines, "\n") .. "\n"
end

return {
  name = "history", text = "show what this session has run, or save what went well as a file for 'source'",
  args = { { name = "action", type = "choice", choices = { "list", "save" }, text = "what to do; by default list" },
    { name = "file", type = "file", text = "where to save" } },
  columns = { "number", "good", "text" },
  render = function(rows)
    local lines = {}
    for i, row in ipairs(rows) do
      lines[i] = ("%4d%s %s\n"):format(row.number, row.good and " " or "!", row.text:gsub("\n", "\n      "))
    end
    return table.concat(lines)
  end,
  example = "history",
  run = function(a)
    local session = require("nerv.prompt.repl").session()
    if a.action ~= "save" then
      if a.file then return nil, "list takes no file; 'history save FILE' saves" end
      local rows = {}
      for i, input in ipairs(session) do rows[i] = { number = i, good = input.good, text = input.text } end
      return rows
    end
    if not a.file then return nil, "save to which file?" end
    local good, message = file.write(a.file, script(session))
    if not good then return nil, message end
  end,
}
