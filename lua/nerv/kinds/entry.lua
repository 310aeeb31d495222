-- An entry of a P4 table.
local function text(values)
  local parts = {}
  for i, v in ipairs(values) do parts[i] = tostring(v) end
  return table.concat(parts, ",")
end

-- Calls f(table, actions) for each run of actions on the same table of the same switch.
local function by_table(list, node, f)
  local i = 1
  while i <= #list do
    local p = list[i].need.p
    local run = {}
    while list[i + #run] and list[i + #run].need.p.table == p.table
      and list[i + #run].need.p.switch == p.switch do
      run[#run + 1] = list[i + #run]
    end
    local sw, message, code = node.open_switch(p.switch)
    if not sw then return nil, message, code, i end
    local good, offset
    good, message, code, offset = f(sw.tables[p.table], run)
    if not good then return nil, message, code, i + (offset or 1) - 1 end
    i = i + #run
  end
  return true
end

-- Handles by key; or nil, message, code.
local function handles(t)
  local entries, message, code = t:dump()
  if not entries then return nil, message, code end
  local found = {}
  for _, e in ipairs(entries) do found[text(e.key)] = e.handle end
  return found
end

return {
  name = "entry", text = "an entry of a P4 table", class = "call", rank = 90,
  properties = {
    switch = { doc = "name of the switch", required = true },
    table = { doc = "name of the table", required = true },
    key = { doc = "list of match values", required = true },
    action = { doc = "name of the action", required = true },
    data = { doc = "list of the action's parameters", default = {} },
  },
  late = function() return 1 end,
  key = function(p) return ("%s %s %s"):format(p.switch, p.table, text(p.key)) end,
  create = function(list, node)
    return by_table(list, node, function(t, run)
      local entries = {}
      for i, action in ipairs(run) do entries[i] = action.need.p end
      return t:add_many(entries)
    end)
  end,
  change = function(list, node)
    return by_table(list, node, function(t, run)
      local known, why, errno = handles(t)
      if not known then return nil, why, errno end
      for i, action in ipairs(run) do
        local p = action.need.p
        local good, message, code = t:modify { handle = known[text(p.key)], action = p.action, data = p.data }
        if not good then return nil, message, code, i end
      end
      return true
    end)
  end,
  remove = function(list, node)
    return by_table(list, node, function(t, run)
      local known, why, errno = handles(t)
      if not known then return nil, why, errno end
      for i, action in ipairs(run) do
        local handle = known[text(action.need.p.key)]
        if handle then
          local good, message, code = t:delete(handle)
          if not good then return nil, message, code, i end
        end
      end
      return true
    end)
  end,
  list = function(_, node)
    local found = {}
    for name, sw in pairs(node.switches) do
      for table_name, t in pairs(sw.tables) do
        for _, e in ipairs(t:dump() or {}) do
          found[#found + 1] = { key = ("%s %s %s"):format(name, table_name, text(e.key)),
            p = { switch = name, table = table_name, key = e.key } }
        end
      end
    end
    return found
  end,
  read = function(p, snapshot)
    local e = snapshot:entry(p.switch, p.table, text(p.key))
    return e and { switch = p.switch, table = p.table, key = p.key, action = e.action,
      data = e.data, after = p.after } or nil
  end,
}
