-- An existing namespace that an endpoint goes into: a container's, a named one. It is never made,
-- changed or deleted. A name or path is followed: what is there now is meant. A process's namespace is
-- meant only as long as it is the one that was there at first: its number may become another process's.
local attachment <const> = require "nerv.attachment"
local file <const> = require "nerv.file"
local netns <const> = require "nerv.netns"
local netns_kind <const> = require "nerv.kinds.netns"

local M = { name = "foreign_netns", text = "an existing namespace that an endpoint goes into",
  class = "call", rank = 10 }

M.properties = {
  id = { doc = "owner; by default who wants it" },
  path = { doc = "file of the namespace", required = true },
  identity = { doc = "of a process's namespace: which one it was at first" },
}
M.fixed = { "path", "identity" }

function M.key(p) return p.id end

--- What tells a namespace from every other one, after the machine's next start, too.
-- @return text, or nil and a message
function M.identity(path)
  local text = netns.identity { netns = path }
  if not text then return nil, ("namespace %s is gone"):format(path) end
  return file.read("/proc/sys/kernel/random/boot_id"):match("%S+") .. "/" .. text
end

--- @return the identity, or nil and a message when the namespace is not there
function M.look(p)
  local identity, message = M.identity(p.path)
  if identity and p.identity and identity ~= p.identity then
    return nil, ("namespace %s is gone: the process is another one now"):format(p.path)
  end
  return identity, message
end

-- Notes which namespace it is.
local function see(p, node)
  local identity, message = M.look(p)
  node.seen["foreign_netns " .. M.key(p)] = identity
  return identity, message
end

function M.create(list, node)
  for i, action in ipairs(list) do
    local identity, message = see(action.need.p, node)
    if not identity then return nil, message, "ENOENT", i end
  end
  return true
end

-- Nothing but what NERV itself started there.
function M.remove(list, node)
  for _, action in ipairs(list) do netns_kind.release(action.need.p, node) end
  return true
end

function M.read(p, _, node) return see(p, node) and p or nil end

--- The identity to be kept for a path; none for what is followed by name.
function M.kept_identity(path)
  if attachment.of_process(path) then return M.identity(path) end
end

return M
