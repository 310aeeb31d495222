--- Everything that the registry describes, in order: what help and the manual are made of.
local command <const> = require "nerv.command"
local context <const> = require "nerv.context"
local json <const> = require "nerv.json"
local options <const> = require "nerv.options"
local registry <const> = require "nerv.registry"

local M = {}

-- Described where no global's module requires it.
local MORE <const> = { "nerv.scenario" }

--- Loads all that has a description.
function M.load_all()
  for _, module in pairs(context.globals) do require(module) end
  for _, module in ipairs(MORE) do require(module) end
  for _, name in ipairs(command.names()) do command.get(name) end
end

-- The full name of a function of an entry.
local function full_name(entry, f)
  if entry.what == "class" then return entry.name .. ":" .. f end
  if entry.what == "module" then return entry.name .. "." .. f end
  return f
end

local function functions_of(entry, described)
  local list = {}
  for _, f in ipairs(options.sorted_keys(described.functions)) do
    local d = described.functions[f]
    list[#list + 1] = { name = f, full = full_name(entry, f), text = d.text, args = d.args, example = d.example }
  end
  return list
end

--- One described thing.
-- @tparam string key as in registry.describe
-- @return { what = "module", "globals", "class" or "command", name =, text =, functions = array of { name =, full =,
-- text =, args =, example = }, fields = name -> text }, or nil
function M.entry(key)
  local described = registry.describe(key)
  if not described then return nil end
  local what, name = key:match("^(%l+) (.+)$")
  local entry = { what = what or described.global and "globals" or "module", name = name or key, text = described.text,
    fields = described.fields or {} }
  entry.functions = functions_of(entry, described)
  return entry
end

--- All of them, by name.
-- @tparam ?string what only these
function M.entries(what)
  M.load_all()
  local list = {}
  for _, key in ipairs(options.sorted_keys(registry.describe())) do
    local entry = M.entry(key)
    if not what or entry.what == what then list[#list + 1] = entry end
  end
  return list
end

-- Arguments with the fields of tables among them below. What an outer table has with the same text is only named.
local function flatten(args, depth, outer, list)
  local known, again = setmetatable({}, { __index = outer }), {}
  for _, a in ipairs(args) do
    if outer[a.name] == a.text then again[#again + 1] = a.name else known[a.name] = a.text end
  end
  for _, a in ipairs(args) do
    if rawget(known, a.name) then
      list[#list + 1] = { a, depth }
      if a.fields then flatten(a.fields, depth + 1, known, list) end
    end
  end
  if #again > 0 then
    list[#list + 1] = { { name = "...", type = "rest", text = "as above: " .. table.concat(again, ", ") }, depth }
  end
  return list
end

local function takes_one_table(f) return #f.args == 1 and f.args[1].fields and f.args[1].type == "table" end

--- An iterator over a function's arguments and the fields of tables among them: number, argument, how deep it lies.
-- A table that is the only argument is not among them itself.
function M.arguments(f)
  local one <const> = takes_one_table(f) and f.args[1]
  local list <const> = flatten(one and one.fields or f.args, 0, {}, {})
  if one and one.open then list[#list + 1] = { { name = "...", type = "rest", text = one.text }, 0 } end
  return function(_, i)
    if list[i + 1] then return i + 1, list[i + 1][1], list[i + 1][2] end
  end, nil, 0
end

--- How a function is called: `endpoint:ping(target, [count])`, `link.add{...}`.
function M.signature(f)
  local names = {}
  for i, a in ipairs(f.args) do
    names[i] = a.type == "rest" and (a.name == "..." and "..." or a.name .. "...") or a.required and a.name
      or "[" .. a.name .. "]"
  end
  if takes_one_table(f) then return f.full .. "{...}" end
  return ("%s(%s)"):format(f.full, table.concat(names, ", "))
end

--- How a command is called: `iperf [A] [B] [OPTIONS]`.
function M.usage(f)
  local words = { f.name }
  for i, a in ipairs(f.args) do
    local word = a.name:upper()
    if a.fields and i == #f.args then word = "[OPTION]..."
    elseif a.type == "rest" then word = "[" .. word .. "...]"
    elseif not a.required then word = "[" .. word .. "]" end
    words[#words + 1] = word
  end
  return table.concat(words, " ")
end

--- What is said of an argument or option behind its text: " (required)", " (default 5)", or nothing.
function M.remark(a)
  if a.required then return " (required)" end
  if a.default == nil or type(a.default) == "table" and next(a.default) == nil then return "" end
  return (" (default %s)"):format(type(a.default) == "table" and json.encode(a.default) or tostring(a.default))
end

--- The type of an argument for people: the choices of a choice.
function M.type_of(a)
  if a.type == "rest" then return "..." end
  return a.choices and table.concat(a.choices, "|") or a.type
end

return M
