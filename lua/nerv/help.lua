--- help: what there is, from the same tables that check the arguments.
local api <const> = require "nerv.api"
local archetypes <const> = require "nerv.archetype"
local attachment <const> = require "nerv.attachment"
local command <const> = require "nerv.command"
local json <const> = require "nerv.json"
local kinds <const> = require "nerv.kinds"
local options <const> = require "nerv.options"
local reference <const> = require "nerv.reference"
local registry <const> = require "nerv.registry"
local terminal <const> = require "nerv.terminal"

local M = {}

-- Columns where no terminal is, and the fewest that a terminal is taken to have.
local USUAL <const>, LEAST <const> = 100, 40

-- Characters of a column that is aligned.
local WIDEST <const> = 26

local function width()
  local rows, columns = terminal.size()
  return rows and math.max(LEAST, columns) or USUAL
end

local function join(parts) return table.concat(parts, "\n") end

-- A text behind a head, its further lines below its first one; below the head where that takes half of the columns.
local function wrapped(head, text)
  local columns <const> = width()
  local indent, first = utf8.len(head:match("[^\n]*$")), head
  if indent > columns // 2 then
    indent = #head:match("^ *") + 4
    first = head:gsub(" *$", "") .. "\n" .. (" "):rep(indent)
  end
  local lines, line = {}, nil
  for word in text:gmatch("%S+") do
    if line and indent + utf8.len(line) + 1 + utf8.len(word) > columns then
      lines[#lines + 1] = line
      line = nil
    end
    line = line and line .. " " .. word or word
  end
  lines[#lines + 1] = line
  return first .. table.concat(lines, "\n" .. (" "):rep(indent))
end

-- Rows of { column, ..., text }: the columns aligned, the text wrapped behind them; below one that is too wide.
local function table_of(rows, indent)
  local widths = {}
  for _, row in ipairs(rows) do
    for i = 1, #row - 1 do
      local wide = utf8.len(row[i])
      if wide <= WIDEST then widths[i] = math.max(widths[i] or 0, wide) end
    end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local head, before = indent, #indent
    for j = 1, #row - 1 do
      before = before + (widths[j] or 0) + 2
      head = head .. row[j] .. (" "):rep(before - utf8.len(head .. row[j]))
    end
    if utf8.len(head) > before then head = head:gsub(" *$", "") .. "\n" .. (" "):rep(before) end
    lines[i] = wrapped(head, row[#row])
  end
  return join(lines)
end

-- Rows of arguments, those of tables within them below.
local function argument_rows(f)
  local rows = {}
  for i, a, depth in reference.arguments(f) do
    rows[i] = { ("  "):rep(depth) .. a.name, reference.type_of(a), a.text .. reference.remark(a) }
  end
  return rows
end

local function option_rows(description)
  local rows = {}
  for i, name in ipairs(options.sorted_keys(description)) do
    local o = description[name]
    rows[i] = { name, reference.type_of(o), o.doc .. reference.remark(o) }
  end
  return rows
end

-- A heading with rows below it; nothing where there are none.
local function section(parts, heading, rows)
  if #rows == 0 then return end
  parts[#parts + 1] = heading .. ":"
  parts[#parts + 1] = table_of(rows, "  ")
end

local function example(parts, text)
  if not text then return end
  parts[#parts + 1] = "example:"
  parts[#parts + 1] = "  " .. text:gsub("\n", "\n  ")
end

local function function_text(f)
  local parts = { wrapped(reference.signature(f) .. ": ", f.text) }
  if #f.args > 0 then parts[2] = table_of(argument_rows(f), "  ") end
  example(parts, f.example)
  return join(parts)
end

-- Options as they are typed.
local function command_options(spec)
  local rows = {}
  for i, name in ipairs(options.sorted_keys(spec.options)) do
    local o = spec.options[name]
    rows[i] = { (o.short and ("-%s, "):format(o.short) or "") .. command.option_word(name),
      o.type == "boolean" and "" or reference.type_of(o), o.doc .. reference.remark(o) }
  end
  return rows
end

local function command_text(name)
  local spec <const>, f <const> = command.get(name), reference.entry("command " .. name).functions[1]
  local parts = { wrapped(reference.usage(f) .. ": ", f.text) }
  if #spec.args > 0 then parts[2] = table_of(argument_rows(spec), "  ") end
  section(parts, "options", command_options(spec))
  if type(spec.columns) == "table" then parts[#parts + 1] = wrapped("columns: ", table.concat(spec.columns, ", ")) end
  example(parts, f.example)
  return join(parts)
end

local function function_rows(entry)
  local rows = {}
  for i, f in ipairs(entry.functions) do rows[i] = { reference.signature(f), f.text } end
  return rows
end

local function field_rows(entry)
  local rows = {}
  for i, name in ipairs(options.sorted_keys(entry.fields)) do rows[i] = { name, entry.fields[name] } end
  return rows
end

-- A module, a class, or the global functions.
local function entry_text(entry)
  local parts = { wrapped(("%s %s: "):format(entry.what, entry.name), entry.text) }
  section(parts, entry.what == "class" and "methods" or "functions", function_rows(entry))
  section(parts, "fields", field_rows(entry))
  return join(parts)
end

local function archetype_text(name)
  local def, message = archetypes.load(name)
  if not def then return ("archetype %s: %s"):format(name, message) end
  local parts = { wrapped(("archetype %s: "):format(name), def.summary) }
  section(parts, "network options", option_rows(def.network))
  section(parts, "endpoint options", option_rows(def.endpoint))
  if not def.internal then section(parts, "options of every endpoint", option_rows(attachment.OPTIONS)) end
  return join(parts)
end

local function kind_text(name)
  local kind, rows = kinds.get(name), {}
  for i, p in ipairs(options.sorted_keys(kind.properties)) do
    local property <const> = kind.properties[p]
    rows[i] = { p, property.need and table.concat(property.need, "|") or property.fields and "table"
      or reference.type_of(property) or "",
      property.doc .. reference.remark(property) }
  end
  return join { wrapped(("need.%s{...}: "):format(name), kind.text or "a kind of need"), table_of(rows, "  ") }
end

local function each(names, text_of)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = text_of(name) end
  return parts
end

local function named_rows(entries)
  local rows = {}
  for i, entry in ipairs(entries) do rows[i] = { entry.name, entry.text } end
  return rows
end

--- What has no entry of its own.
local chapters <const> = {
  commands = { "the commands, with a line each", function()
    return table_of(named_rows(reference.entries "command"), "")
  end },
  modules = { "the modules, with a line each", function()
    return table_of(named_rows(reference.entries "module"), "")
  end },
  classes = { "what objects have methods", function()
    return table_of(named_rows(reference.entries "class"), "")
  end },
  archetypes = { "the kinds of networks, with a line each", function()
    local rows = {}
    for i, name in ipairs(archetypes.list()) do
      local def, message = archetypes.load(name)
      rows[i] = { name, def and def.summary or message }
    end
    return table_of(rows, "")
  end },
  needs = { "what archetypes ask for: the kinds of need and their properties", function()
    return table.concat(each(kinds.names(), kind_text), "\n\n")
  end },
  types = { "what values arguments and options take", function()
    local rows = {}
    for i, name in ipairs(options.type_names()) do rows[i] = { name, options.type_text(name) } end
    return table_of(rows, "")
  end },
  programs = { "programs that take an endpoint's name for its address", function()
    return wrapped("", table.concat(command.programs, ", "))
  end },
}

local function names_of(entries)
  local names = {}
  for i, entry in ipairs(entries) do names[i] = entry.name end
  return table.concat(names, " ")
end

local function overview()
  local groups <const> = { lua = {}, c = {} }
  local in_c <const> = {}
  for _, name in ipairs(registry.modules()) do in_c[name] = true end
  for _, entry in ipairs(reference.entries "module") do
    table.insert(in_c[entry.name] and groups.c or groups.lua, entry)
  end
  local tools = {}
  for _, entry in ipairs(reference.entries "globals") do
    for _, f in ipairs(entry.functions) do tools[#tools + 1] = f end
  end
  return join {
    wrapped("", "A line is a command when its first word is one, or an endpoint; everything else is Lua."), "",
    wrapped("Commands:   ", names_of(reference.entries "command")),
    wrapped("            ", "ENDPOINT PROGRAM ARGUMENTS runs a program in an endpoint; @NAME is an address"),
    wrapped("Archetypes: ", table.concat(archetypes.list(), " ")),
    wrapped("Platform:   ", names_of(groups.lua)),
    wrapped("Globals:    ", names_of(tools)),
    wrapped("Primitives: ", names_of(groups.c)), "",
    wrapped("", "help \"net\" explains a command, help \"ip\" an archetype, help \"link\" a module, "
      .. "help \"link.add\" or help(link.add) a function, help(h1) an object. Also: help \""
      .. table.concat(options.sorted_keys(chapters), "\", \"") .. "\"."),
  }
end

-- Every name, and the functions that return its text: "link" is a module and a kind of need.
local function index()
  local found = {}
  local function add(name, text_of, ...)
    local args <const> = table.pack(...)
    found[name] = found[name] or {}
    table.insert(found[name], function() return text_of(table.unpack(args)) end)
  end
  for name, chapter in pairs(chapters) do add(name, chapter[2]) end
  for _, entry in ipairs(reference.entries()) do
    if entry.what == "command" then
      add(entry.name, command_text, entry.name)
    else
      add(entry.name, entry_text, entry)
      for _, f in ipairs(entry.functions) do add(f.full, function_text, f) end
    end
  end
  for _, name in ipairs(archetypes.list()) do add(name, archetype_text, name) end
  for _, name in ipairs(kinds.names()) do
    add(name, kind_text, name)
    add("need." .. name, kind_text, name)
  end
  return found
end

local function texts(list)
  return table.concat(each(list, function(text_of) return text_of() end), "\n\n")
end

-- Those functions whose name without module or class is the word.
local function by_last_part(found, word)
  local full = {}
  for name in pairs(found) do
    if name:match("[.:]([^.:]+)$") == word then full[#full + 1] = name end
  end
  table.sort(full)
  return full
end

-- The names that are nearest to a word; of a function its last part counts, too.
local function nearest(found, word)
  local set, near = {}, {}
  for name in pairs(found) do set[name], set[name:match("[^.:]+$")] = true, true end
  local names = options.sorted_keys(set)
  for _, best in ipairs { registry.nearest(word, names) } do
    for _, name in ipairs(found[best] and { best } or by_last_part(found, best)) do near[#near + 1] = name end
  end
  return table.move(near, 1, 5, 1, {})
end

local function topic_text(word)
  local found = index()
  if found[word] then return texts(found[word]) end
  for _, other in ipairs { (word:gsub("%.", ":")), (word:gsub(":", ".")) } do
    if found[other] then return texts(found[other]) end
  end
  local functions = by_last_part(found, word)
  if #functions > 0 then
    return table.concat(each(functions, function(name) return texts(found[name]) end), "\n\n")
  end
  local near = nearest(found, word)
  if #near == 0 then near = nearest(found, word:match("[^.:]*$")) end
  registry.fail(("help: nothing is known of '%s'%s"):format(word, #near == 0 and "; help() lists what there is"
    or ("; did you mean '%s'?"):format(table.concat(near, "' or '"))))
end

-- The module that a table is.
local function module_of(value)
  reference.load_all()
  for key, described in pairs(registry.describe()) do
    if described.holder == value or package.loaded["nerv." .. key] == value then return reference.entry(key) end
  end
end

local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return type(value) == "table" and not getmetatable(value) and json.encode(value) or tostring(value)
end

-- The options of an archetype that a network or an endpoint has, with their values as they are now.
local function option_values(value, class)
  local net = class == "network" and value or class == "endpoint" and require("nerv.network").get(value.network)
  local def = net and archetypes.load(net.archetype)
  local rows = {}
  for i, row in ipairs(def and option_rows(def[class]) or {}) do rows[i] = { row[1], shown(value[row[1]]), row[3] } end
  return rows
end

-- What an object is, and its fields' values as they are now.
local function object_text(value)
  local class = (getmetatable(value) or {}).__name
  local entry = type(class) == "string" and reference.entry("class " .. class)
  if not entry then return nil end
  local rows = {}
  for i, row in ipairs(field_rows(entry)) do
    local good, now = pcall(function() return value[row[1]] end)
    rows[i] = { row[1], good and shown(now) or "", row[2] }
  end
  local parts = { ("%s: %s, %s"):format(tostring(value), class, entry.text) }
  section(parts, "fields", rows)
  section(parts, "options", option_values(value, class))
  section(parts, "methods", function_rows(entry))
  return join(parts)
end

--- The names that help knows.
function M.topics() return options.sorted_keys(index()) end

--- The text of what help() prints.
function M.text(topic)
  if topic == nil then return overview() end
  if type(topic) == "string" then
    local variable = rawget(_G, topic)
    return object_text(variable) or topic_text(topic)
  end
  if type(topic) == "function" then
    reference.load_all()
    local name = registry.names()[topic]
    if name then return topic_text(name) end
  end
  local entry = type(topic) == "table" and module_of(topic)
  if entry then return entry_text(entry) end
  return object_text(topic) or registry.fail(("help: nothing is known of %s"):format(tostring(topic)))
end

api.module("help", "explains: help() is an overview, help(topic) tells of a name, a function or an object", M, {
  text = { text = "returns the text that help prints",
    args = { { name = "topic", type = "any", text = "a name, a function or an object; by default the overview" } },
    example = "print(help.text(\"ip\"))\nprint(help.text(link.add))\nprint(help.text(h1))" },
  topics = { internal = true },
})
registry.describe("help").call = { args = { { name = "topic", type = "any", names = M.topics } } }

return setmetatable(M, {
  __name = "module",
  __tostring = function() return "module help: " .. registry.describe("help").text end,
  __call = function(_, topic) print(M.text(topic)) end,
})
