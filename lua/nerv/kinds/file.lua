-- A small file that a service of ours reads. Files of several owners may lie in one directory.
local file <const> = require "nerv.file"

local function base(node) return node.run_dir .. "/files" end

-- `dir` is part of a path under ${run}/files; an owner's name may hold slashes.
local function path(p, node)
  return ("%s/%s/%s"):format(base(node), (p.dir:gsub("/", "+")), p.name)
end

-- The service that reads the file starts again, when all at hand is done. New files it must see by itself, as by
-- inotify.
local function notify(p, node)
  if p.reload then node.supervisor:reload(p.reload) end
end

local function write(list, node)
  local made = {}
  for i, action in ipairs(list) do
    local p = action.need.p
    local where = path(p, node)
    local dir = where:match("^(.*)/")
    local good, message, code = made[dir] or file.mkdir(dir, { parents = true })
    made[dir] = true
    if good then good, message, code = file.write(where, p.text, { atomic = true, mode = 420 }) end
    if not good then return nil, message, code, i end
    if action.old then notify(p, node) end
  end
  return true
end

return {
  name = "file", text = "a small file that a service reads", class = "call", rank = 70,
  properties = {
    dir = { type = "string", doc = "directory under ${run}/files", required = true },
    name = { type = "string", doc = "name in it", required = true },
    text = { type = "bytes", doc = "what it holds", required = true },
    reload = { doc = "service that starts again when it is changed or removed: { id =, name = }" },
  },
  key = function(p) return p.dir .. "/" .. p.name end,
  mark = path,
  create = write,
  change = write,
  remove = function(list, node)
    for _, action in ipairs(list) do
      local p = action.need.p
      local where = p.path or path(p, node)
      file.remove(where)
      file.remove((where:match("^(.*)/")))   -- once it is empty
      notify(p, node)
    end
    return true
  end,
  read = function(p, _, node)
    local text = file.read(path(p, node))
    return text and { dir = p.dir, name = p.name, text = text, reload = p.reload, after = p.after } or nil
  end,
  list = function(_, node)
    local found = {}
    for _, dir in ipairs(file.list(base(node)) or {}) do
      for _, name in ipairs(file.list(base(node) .. "/" .. dir) or {}) do
        local where = ("%s/%s/%s"):format(base(node), dir, name)
        found[#found + 1] = { key = where, p = { dir = dir, name = name, path = where } }
      end
    end
    return found
  end,
}
