--- New texts for networks that run: archetype.reload, and archetype.watch, which does so on save.
local archetypes <const> = require "nerv.archetype"
local change <const> = require "nerv.change"
local draft <const> = require "nerv.draft"
local file <const> = require "nerv.file"
local lab <const> = require "nerv.lab"
local registry <const> = require "nerv.registry"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

local watches   -- while archetypes are watched: array of { watch =, task = }

-- What a network would run with the new archetype: itself, or its own composed of it.
-- @return the archetype, or nil when nothing changes
local function successor(state, row, new)
  local def = draft.definition(state, row)
  if def.name ~= new.name then def = archetypes.recompose(def, new, state:archetypes()) end
  if def.name == new.name then def = new end
  return def.digest ~= row.digest and def or nil
end

-- Without the place that registry.fail put before it: several go into one message.
local function bare(message)
  local _, place = pcall(registry.fail, "")
  message = tostring(message)
  return message:sub(1, #place) == place and message:sub(#place + 1) or message
end

-- Plans one network's update, and does it unless this is a dry run.
local function update(state, name, def, dry_run, operations)
  local plan = draft.plan(draft.update(state, name, {}, def))
  if not dry_run then change.run(state, function() return draft.update(state, name, {}, def) end) end
  for _, operation in ipairs(plan) do
    operation.network = name
    operations[#operations + 1] = operation
  end
end

-- Whether an archetype is that of a name, or composed of it.
local function has(def, name, texts)
  if not def or def.name == name then return def ~= nil end
  for _, digest in pairs(def.uses) do
    if has(archetypes.by_digest(digest, texts), name, texts) then return true end
  end
  return false
end

-- What to say where there is no file, though networks may have been made from one.
local function no_file(state, name, message)
  local users, texts = {}, state:archetypes()
  for _, row in ipairs(state:sorted "Network") do
    if has(archetypes.by_digest(row.digest, texts), name, texts) then users[#users + 1] = row.name end
  end
  if #users == 0 then return message end
  return ("there is no file %s.lua in %s; what uses it keeps the text that it has: %s"):format(name,
    table.concat(archetypes.path(), ", "), table.concat(users, ", "))
end

--- Gives an archetype's text, as its file is now, to the networks that use it, in one Change each.
-- @return operations, names of the networks, array of what went wrong
local function reload(name, dry_run)
  local state = lab.state()
  local new, message, code = archetypes.load(name)
  if not new then
    registry.fail("archetype.reload: " .. (code == "ENOENT" and no_file(state, name, message) or message))
  end
  local operations, done, failures = {}, {}, {}
  for _, row in ipairs(state:sorted "Network") do
    local network_name = row.name   -- the row is live
    local good, problem = pcall(function()
      local def = not row.doomed and successor(state, row, new)
      if not def then return end
      update(state, network_name, def, dry_run, operations)
      done[#done + 1] = network_name
    end)
    if not good then
      problem = bare(problem):gsub("^update network [^:]+: ", "")
      failures[#failures + 1] = ("network %s: %s"):format(network_name, problem)
    end
  end
  return operations, done, failures
end

function M.reload(name, options)
  local operations, _, failures = reload(name, options.dry_run)
  if #failures > 0 then
    registry.fail(("archetype.reload %s: %s"):format(name, table.concat(failures, "; ")))
  end
  return operations
end

-- Whether a network runs the archetype, or one composed of it.
local function in_use(name)
  for _, row in pairs(lab.state().rows.Archetype) do
    if row.name == name then return true end
  end
  return false
end

local function log(text, ...) runtime.log("nervsh: " .. text:format(...)) end

local function on_save(name)
  local good, message = pcall(function()
    if not in_use(name) then return end
    local _, done, failures = reload(name, false)
    if #done > 0 then log("archetype %s: updated %s", name, table.concat(done, ", ")) end
    if #failures > 0 then log("archetype %s: %s", name, table.concat(failures, "; ")) end
  end)
  if not good then log("%s", message) end
end

local function follow(watch)
  for event in watch:each() do
    local name = event.event == "changed" and event.name:match("^(.+)%.lua$")
    if name then on_save(name) end
    if event.event == "lost" then
      for _, each in ipairs(archetypes.list()) do on_save(each) end
    end
  end
end

local function stop()
  for _, one in ipairs(watches or {}) do
    one.watch:close()
    one.task:cancel()
  end
  watches = nil
end

local function start()
  lab.state()
  watches = {}
  for _, dir in ipairs(archetypes.path()) do
    local watch, message, code = file.watch(dir)
    if watch then
      watches[#watches + 1] = { watch = watch, task = task.spawn(follow, watch) }
    elseif code ~= "ENOENT" then
      stop()
      registry.fail("archetype.watch: " .. message)
    end
  end
end

function M.watch(on)
  if on == false then
    stop()
  elseif not watches then
    start()
  end
  return on ~= false
end

return M
