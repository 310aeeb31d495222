-- `apply`: the system as a file says.
local configuration <const> = require "nerv.configuration"
local operations <const> = require "nerv.command.operations"
local options <const> = require "nerv.options"
local records <const> = require "nerv.command.records"

local COLUMNS <const> = { "change", table.unpack(operations.COLUMNS) }

local function where(list)
  local nodes = {}
  for _, op in ipairs(list) do nodes[op.node] = true end
  return table.concat(options.sorted_keys(nodes), ", ")
end

-- One line a Change; a plan has its operations below each.
local function render(rows, a)
  local lines = {}
  for _, change in ipairs(rows.changes) do
    local count = #change.operations
    lines[#lines + 1] = ("%s: %d operation%s%s\n"):format(change.text, count, count == 1 and "" or "s",
      count > 0 and " on " .. where(change.operations) or "")
    if a.dry_run and count > 0 then
      local list = records.text(operations.COLUMNS, change.operations):gsub("^[^\n]*\n", "")
      lines[#lines + 1] = "  " .. list:gsub("\n(.)", "\n  %1")
    end
  end
  return #lines > 0 and table.concat(lines) or "nothing to change\n"
end

return {
  name = "apply", text = "make all networks and endpoints equal to a file: create, change, delete what differs",
  args = { { name = "file", type = "file", required = true, text = "as 'export' prints it; - is standard input" } },
  options = { dry_run = operations.DRY_RUN,
    keep = { type = "boolean", short = "k", doc = "leave networks alone that the file does not name" } },
  columns = COLUMNS, render = render,
  run = function(a)
    local changes, message = configuration.apply(a.file, { dry_run = a.dry_run, keep = a.keep })
    if not changes then return nil, message end
    local rows = { changes = changes }
    for _, change in ipairs(changes) do
      for _, op in ipairs(change.operations) do rows[#rows + 1] = options.join(op, { change = change.text }) end
    end
    return rows
  end,
}
