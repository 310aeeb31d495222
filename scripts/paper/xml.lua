--- XML text: what is put together here is well-formed, whatever bytes come in.
local M = {}

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
local UNKNOWN <const> = "\u{FFFD}"

-- Text in UTF-8, with a mark in the place of each byte that is none.
local function clean(text)
  local parts, at = {}, 1
  while true do
    local good, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, good and #text or bad - 1)
    if good then return table.concat(parts) end
    parts[#parts + 1] = UNKNOWN
    at = bad + 1
  end
end

--- A value as text of a document or an attribute. What XML cannot hold becomes a mark.
function M.escape(value)
  local text <const> = clean(tostring(value)):gsub("[%z\1-\8\11\12\14-\31]", UNKNOWN)
  return (text:gsub("\u{FFFE}", UNKNOWN):gsub("\u{FFFF}", UNKNOWN):gsub("[&<>\"']", ENTITIES))
end

--- One element.
-- @tparam string name
-- @tparam ?table attributes name -> value, in the order of their names
-- @tparam ?string inner XML; none makes an empty element
function M.element(name, attributes, inner)
  local names, parts = {}, { "<" .. name }
  for attribute in pairs(attributes or {}) do names[#names + 1] = attribute end
  table.sort(names)
  for _, attribute in ipairs(names) do
    parts[#parts + 1] = (' %s="%s"'):format(attribute, M.escape(attributes[attribute]))
  end
  parts[#parts + 1] = inner and (">%s</%s>"):format(inner, name) or "/>"
  return table.concat(parts)
end

return M
