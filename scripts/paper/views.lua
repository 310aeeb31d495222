--- Figures 5 to 7 of the paper: each network as the database has it while it runs.
local M = {}

--- Draws networks into a directory.
-- @tparam string dir
-- @tparam table networks name of the view -> network
-- @return name -> name of its file in the directory
function M.write(dir, networks)
  local views <const> = {}
  for name, net in pairs(networks) do
    local file_name <const> = ("view-%s.svg"):format(name)
    commands.graph(net, dir .. "/" .. file_name)
    views[name] = file_name
  end
  return views
end

return M
