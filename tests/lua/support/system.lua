-- What the system tests share: child shells, what a lab has made, checks of errors and plans.
local tap <const> = require "tap"

local M = {}

--- A path that nobody has.
function M.temporary(name)
  return ("%s/%s-%s"):format(os.getenv "TMPDIR" or "/tmp", name, digest.random(6))
end
local temporary <const> = M.temporary

--- A new directory that goes with the scope.
-- @usage local dir <close> = system.directory()     dir.path
function M.directory()
  local path = temporary "system"
  assert(file.mkdir(path))
  return setmetatable({ path = path }, { __close = function() file.remove_tree(path) end })
end

--- Writes a file into a directory.
-- @return its path
function M.write(directory, name, text)
  local path = directory .. "/" .. name
  assert(file.write(path, text))
  return path
end

--- Runs nervsh to its end.
-- @tparam table words its arguments
-- @tparam[opt] table options { env = variables on top, user =, input = }
-- @return { exit =, signal =, stdout =, stderr = }
function M.nervsh(words, options)
  options = options or {}
  return assert(process.run { argv = { process.exe(), table.unpack(words) }, add_env = options.env,
    user = options.user, input = options.input })
end

--- Runs this test once more, with an archetype of the guide, archetypes/README.md, in the search path; that run returns
-- from here, the first one ends as it does.
function M.with_guide(name)
  if os.getenv "NERV_PATH" then return end
  local dir <close> = M.directory()
  M.write(dir.path, name .. ".lua",
    file.read "archetypes/README.md":match("\n```lua\n(return archetype {\n  name = \"" .. name .. "\".-)```\n"))
  local result = process.spawn { argv = { process.exe(), arg[0] }, add_env = { NERV_PATH = dir.path } }:wait()
  os.exit(result.exit or 1)
end

--- Runs a text as a script, which stderr then names "script.lua".
function M.script(text, options)
  local dir <close> = M.directory()
  local path = M.write(dir.path, "script.lua", text)
  file.chmod(dir.path, 493)   -- for another user
  local result = M.nervsh({ path }, options)
  result.stderr = result.stderr:gsub(dir.path:gsub("%p", "%%%0") .. "/", "")
  return result
end

local State = {}
State.__index = State

--- A state directory of its own, for a second lab: it goes with the scope. The instance is known
-- before the lab begins.
-- @return { path, id, env } with the method left()
function M.state()
  local state = setmetatable({ path = temporary "state", id = digest.random(4) }, State)
  state.env = { NERV_STATE = state.path }
  assert(file.mkdir(state.path))
  assert(file.write(state.path .. "/instance", state.id .. "\n"))
  return state
end

function State:__close()
  if file.stat(self.path) then require("nerv.instance").clean(self.path) end
end

--- What is left of its lab: array of texts.
function State:left()
  local left = {}
  for _, name in ipairs(file.list(self.path) or {}) do
    if name ~= "instance" then left[#left + 1] = "state " .. name end
  end
  for _, l in ipairs(link.list { alias_prefix = "nerv:" .. self.id .. ":" }) do left[#left + 1] = "link " .. l.name end
  for _, path in ipairs { require("nerv.context").run_dir(self.id), cgroup.root() .. "/nerv-" .. self.id } do
    if file.stat(path) then left[#left + 1] = path end
  end
  return left
end

-- The lines of a function, as errors name them.
local function line_pattern(f)
  local info = debug.getinfo(f, "S")
  return info.short_src:match("[^/]+$"), info.linedefined, info.lastlinedefined
end

--- The function raises one line that begins with the file and a line of the function itself and
-- goes on as the Lua pattern says.
function M.refuses(f, pattern, text)
  local source, first, last = line_pattern(f)
  local good, message = pcall(f)
  if good then return tap.ok(false, text, "nothing was raised") end
  message = tostring(message)
  local where, line, rest = message:match("([^/]*):(%d+): (.*)$")
  line = tonumber(line)
  if where ~= source or not line or line < first or line > last or message:find("\n") then
    return tap.ok(false, text, ("not one line of %s:%d: "):format(source, first) .. message)
  end
  return tap.like(rest, "^" .. pattern, text)
end

--- The script ends with 1, says nothing on stdout and one line on stderr.
function M.fails(text, line, pattern, title, options)
  local result = M.script(text, options)
  local want = ("^nervsh: script%%.lua:%d: %s[^\n]*\n$"):format(line, pattern)
  return tap.ok(result.exit == 1 and result.stdout == "" and result.stderr:find(want) ~= nil, title,
    result, want)
end

local function switch_lines(lines, name)
  if #node.get(name).egress == 0 then return end
  local sw = nve.open(name)
  for _, port in ipairs(sw:ports()) do lines[#lines + 1] = ("%s port %d"):format(name, port.number) end
  for _, t in ipairs { "tags", "ingress_ports", "uplinks" } do
    for _, entry in ipairs(sw.tables[t]:dump()) do
      lines[#lines + 1] = ("%s %s %s %s"):format(name, t, table.concat(entry.key, ","), entry.action)
    end
  end
  sw:close()
end

local function node_lines(lines, name, where)
  local n = node.get(name)
  for _, l in ipairs(link.list { netns = where, alias_prefix = "nerv:" .. n.instance .. ":" }) do
    lines[#lines + 1] = ("%s link %s %s"):format(name, l.name, l.alias)
  end
  for _, path in ipairs(netns.list(n.run_dir .. "/ns")) do lines[#lines + 1] = name .. " netns " .. path end
  for _, group in ipairs { "endpoints", "services" } do
    for _, entry in ipairs(file.list(("%s/nerv-%s/%s"):format(cgroup.root(), n.instance, group)) or {}) do
      if entry:find(":", 1, true) then lines[#lines + 1] = ("%s %s %s"):format(name, group, entry) end
    end
  end
  switch_lines(lines, name)
end

local row_names <const> = {
  Network = function(row) return row.name end,
  Endpoint = function(row)
    local network_row = lab.state().rows.Network[row.network]
    return ("%s:%s@%s"):format(network_row and network_row.name, row.name, row.node)
  end,
  Allocation = function(row) return row.scope .. "=" .. row.value end,
  Port = function(row) return row.name .. "=" .. row.tag end,
  Status = function(row) return row.owner end,
}

--- What the lab holds: rows, links, namespaces, cgroups, and its switches' ports and entries.
-- @tparam[opt] table bed the testbed, when there is one
-- @return a sorted array of texts
function M.inventory(bed)
  local lines = {}
  for table_name, show in pairs(row_names) do
    for _, row in ipairs(lab.state():list(table_name)) do
      lines[#lines + 1] = ("row %s %s"):format(table_name, show(row))
    end
  end
  node_lines(lines, lab.here())
  for _, name in ipairs(bed and bed.names or {}) do node_lines(lines, name, bed:netns(name)) end
  table.sort(lines)
  return lines
end

--- Rows of deleted objects go with the end of their change, which is seen a moment later.
function M.same_inventory(before, bed, text)
  local want = table.concat(before, "\n")
  tap.eventually(3, function() return table.concat(M.inventory(bed), "\n") == want end)
  local now = M.inventory(bed)
  local seen, extra = {}, {}
  for _, line in ipairs(before) do seen[line] = true end
  for _, line in ipairs(now) do
    if not seen[line] then extra[#extra + 1] = "new: " .. line end
    seen[line] = nil
  end
  for line in pairs(seen) do extra[#extra + 1] = "gone: " .. line end
  return tap.ok(#extra == 0, text, extra)
end

--- Operations as texts, in their order within each node.
function M.texts(operations)
  local texts = {}
  for i, op in ipairs(operations) do
    texts[i] = ("%s: %s %s of %s"):format(op.node, op.verb, op.key, op.owner)
  end
  return texts
end

--- The agent that answers now.
function M.agent_pid() return require("nerv.protocol").call(lab.connection().socket, { call = "hello" }).pid end

return M
