--- Directories for VLC to work in, which is not root. They lie in one of root's, each beside a file that its maker has
-- locked: so what a killed run has left is known, and goes with the next run.
local M = {}

local LOCK <const> = ".lock"

local TEMPORARY <const> = os.getenv "TMPDIR"
local ROOT <const> = (TEMPORARY and TEMPORARY ~= "" and TEMPORARY or "/tmp") .. "/nerv-paper"

-- Anybody may have made one of that name, who could lead us elsewhere.
local function is_ours()
  local have <const> = file.stat(ROOT, { link = true })
  return have and have.type == "directory" and have.uid == process.uid()
end

-- Takes a directory away with its lock, and the one of all when it was the last.
local function remove(path, lock)
  file.remove_tree(path)
  file.remove(path .. LOCK)
  lock:close()
  file.remove(ROOT)
end

--- Removes what runs have left that were killed; nothing of a run that lives.
function M.sweep()
  for _, name in ipairs(is_ours() and file.list(ROOT) or {}) do
    local path <const> = name:sub(-#LOCK) == LOCK and ROOT .. "/" .. name:sub(1, -#LOCK - 1)
    local lock <const> = path and file.lock(path .. LOCK)
    if lock then remove(path, lock) end
  end
end

--- A new directory, which goes with the scope.
-- @tparam string user whose it is
function M.directory(user)
  if file.mkdir(ROOT) then file.chmod(ROOT, 457) end   -- 0711
  expect(is_ours(), ROOT .. " is in the way")
  local path <const> = ROOT .. "/" .. digest.random(6)
  local lock <const> = expect(file.lock(path .. LOCK))
  local dir <const> = setmetatable({ path = path }, { __close = function() remove(path, lock) end })
  expect(file.mkdir(path, { mode = 448 }))
  expect(file.chown(path, { user = user }))
  return dir
end

return M
