--- The end of a message about a word that is not known.
local registry <const> = require "nerv.registry"

--- @tparam any word what was given
-- @tparam table names the valid ones
-- @tparam ?string otherwise what to say when none is near; by default nothing
-- @return "; did you mean 'NAME'?", or `otherwise`
return function(word, names, otherwise)
  local near = registry.nearest(tostring(word), names)
  return near and ("; did you mean '%s'?"):format(near) or otherwise or ""
end
