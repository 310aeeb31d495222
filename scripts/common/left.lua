--- What the lab of this shell has on the machine, to compare the end of a script with its beginning.
local M = {}

--- Names of its interfaces, namespaces, services, endpoints' programs and nodes. Its agent's own are not among them.
function M.inventory()
  local here <const> = lab.connection().hello
  local list = {}
  local function add(names, before)
    for _, name in ipairs(names or {}) do list[#list + 1] = before .. name end
  end
  for _, l in ipairs(link.list { alias_prefix = "nerv:" .. here.instance .. ":" }) do add({ l.name }, "") end
  add(netns.list(here.run_dir .. "/ns"), "")
  for _, group in ipairs { "services", "endpoints" } do
    local root <const> = ("%s/nerv-%s/%s"):format(cgroup.root(), here.instance, group)
    for _, name in ipairs(cgroup.list(root) or {}) do
      if name ~= "agent.database" then add({ name }, root .. "/") end
    end
  end
  add(file.list(here.run_dir .. "/nodes"), here.run_dir .. "/nodes/")
  return list
end

--- @raise what there is now and was not in an earlier inventory
function M.check(before)
  local known, new = {}, {}
  for _, name in ipairs(before) do known[name] = true end
  for _, name in ipairs(M.inventory()) do
    if not known[name] then new[#new + 1] = name end
  end
  expect(#new == 0, "left behind: " .. table.concat(new, ", "))
end

return M
