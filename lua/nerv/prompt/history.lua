--- The inputs of former sessions, kept in a file that several shells share.
--
-- One entry a line; the further lines of an entry begin with a tab. An entry itself never begins with
-- a blank: such inputs are not kept, as in other shells.
local file <const> = require "nerv.file"
local prompt <const> = require "nerv.prompt"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"

local M = {}

-- Entries that are kept; a file with so many more is cut at the start of a shell.
local MOST <const>, SLACK <const> = 10000, 1000

-- Seconds to wait for another shell that is writing.
local LOCK_LIMIT <const> = 1

local last       -- what was kept last
local silenced   -- true: the file cannot be written, and that has been said

--- The file: $NERV_HISTORY, else below $XDG_STATE_HOME or ~/.local/state; nil when there shall be none.
function M.path()
  local path = os.getenv("NERV_HISTORY")
  if path then return path ~= "" and path or nil end
  local state, home = os.getenv("XDG_STATE_HOME"), os.getenv("HOME")
  if not state or state == "" then state = home and home ~= "" and home .. "/.local/state" end
  return state and state .. "/nervsh/history" or nil
end

local function locked(path, f)
  local limit = runtime.now() + LOCK_LIMIT
  local lock = file.lock(path .. ".lock")
  while not lock and file.stat(path .. ".lock") and runtime.now() < limit do
    task.sleep(0.01)
    lock = file.lock(path .. ".lock")
  end
  local good, message = f()
  if lock then lock:close() end
  return good, message
end

local function entries_of(text)
  local entries = {}
  for line in text:gmatch("[^\n]+") do
    local more = line:match("^\t(.*)")
    if more and #entries > 0 then
      entries[#entries] = entries[#entries] .. "\n" .. more
    elseif not more then
      entries[#entries + 1] = line
    end
  end
  return entries
end

local function line_of(entry) return entry:gsub("\n", "\n\t") .. "\n" end

local function rewrite(path, entries)
  local lines = {}
  for i = math.max(1, #entries - MOST + 1), #entries do lines[#lines + 1] = line_of(entries[i]) end
  return file.write(path, table.concat(lines), { mode = 384, atomic = true })
end

--- Reads the file into the prompt's history.
function M.load()
  local path = M.path()
  local text = path and file.read(path)
  if not text then return end
  local entries = entries_of(text)
  if #entries > MOST + SLACK then
    locked(path, function()
      entries = entries_of(file.read(path) or text)
      return rewrite(path, entries)
    end)
  end
  for i = math.max(1, #entries - MOST + 1), #entries do prompt.remember(entries[i]) end
  last = entries[#entries]
end

local function append(path, text)
  if not file.stat(path) then
    file.mkdir(path:match("^(.*)/") or ".", { parents = true, mode = 448 })
  end
  return locked(path, function() return file.write(path, line_of(text), { mode = 384, append = true }) end)
end

--- Keeps an input, unless it begins with a blank or repeats the one before it.
function M.add(text)
  if text == last or text:find("^%s") then return end
  last = text
  prompt.remember(text)
  local path = M.path()
  if not path or silenced then return end
  local good, message = append(path, text)
  if not good then
    silenced = true
    runtime.log("the history is not kept: " .. message)
  end
end

return M
