-- What the parts of the engine ask of a need and of its kind.
local needs <const> = require "nerv.needs"
local kinds <const> = require "nerv.kinds"

local M = {}

--- What it excludes, as texts.
function M.claims(need)
  local kind = kinds.get(need.kind)
  return kind.claims and kind.claims(need.p) or {}
end

function M.copy(t)
  local copy = {}
  for k, v in pairs(t) do copy[k] = v end
  return copy
end

local function without_after(p)
  if p.after == nil then return p end
  local copy = M.copy(p)
  copy.after = nil
  return copy
end

--- Whether two tables of properties are the same but for what they come after.
function M.same(a, b) return needs.equal(without_after(a), without_after(b)) end

--- The value of one of the needs that this one is in or on, and is lost with.
function M.of_holder(need, values)
  local kind = kinds.get(need.kind)
  local container, link = kind.container and kind.container(need.p), need.p.link
  return container and values[rawget(container, "key")] or needs.is_need(link) and values[rawget(link, "key")] or nil
end

return M
