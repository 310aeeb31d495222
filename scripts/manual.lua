-- The manual pages, as roff: nervsh scripts/manual.lua DIRECTORY
--
-- The prose is Markdown: scripts/man/NAME.SECTION.md, whose first line is "# NAME - what it is". What the program
-- itself knows is put in for a line <!-- insert: WHAT -->, WHAT being one of:
--   FILE.md                a whole file, without its title
--   FILE.md: HEADING       the text below one of its headings
--   options of PROGRAM     from what PROGRAM --help says
--   exit status            from what nervsh --help says
--   settings               of an agent's file
--   commands, modules, archetypes, needs, types     from the registry
local archetypes <const> = require "nerv.archetype"
local command <const> = require "nerv.command"
local kinds <const> = require "nerv.kinds"
local options <const> = require "nerv.options"
local paths <const> = require "nerv.paths"
local reference <const> = require "nerv.reference"

local OUTPUT <const> = arg[1] or error("usage: nervsh scripts/manual.lua DIRECTORY", 0)
local ROOT <const> = arg[0]:match("^(.*)/scripts/[^/]*$") or "."

local function read(name) return assert(file.read(ROOT .. "/" .. name)) end

local special <const> = { ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["`"] = "\\(ga", ["^"] = "\\(ha",
  ["~"] = "\\(ti" }

-- Text to be read as it stands.
local function literal(text) return (text:gsub("[\\%-'`^~]", special)) end

local function prose(text) return (text:gsub("\\", "\\e")) end

-- A line of its own: no request, whatever it begins with.
local function line(text) return (text:gsub("^([.'])", "\\&%1")) end

-- `code`, **strong** and *emphasis*.
local function inline(text)
  local parts = {}
  for before, code in (text .. "``"):gmatch("([^`]*)`([^`]*)`") do
    before = prose(before):gsub("%*%*(%S.-)%*%*", "\\fB%1\\fR"):gsub("%*(%S[^*]*)%*", "\\fI%1\\fR")
    parts[#parts + 1] = before .. (code ~= "" and "\\fB" .. literal(code) .. "\\fR" or "")
  end
  return line(table.concat(parts))
end

-- A paragraph; the first one behind a heading needs no mark.
local function paragraph(out, text)
  if not out[#out]:find("^%.S[HS] ") then out[#out + 1] = ".PP" end
  out[#out + 1] = text
end

local function example(out, lines)
  paragraph(out, ".RS 4\n.EX")
  for _, one in ipairs(lines) do out[#out + 1] = line(literal(one)) end
  out[#out + 1] = ".EE\n.RE"
end

-- A term and what is said of it.
local function item(out, term, text)
  out[#out + 1] = ".TP\n" .. term
  out[#out + 1] = text
end

local function lines_of(text)
  local lines = {}
  for one in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = one end
  return lines
end

local function table_row(out, one)
  local cells = {}
  for cell in one:gmatch("|([^|]*)") do cells[#cells + 1] = cell:match("^%s*(.-)%s*$") end
  if one:find("^|[%s|:-]*|$") then return end
  local term <const> = cells[1]:find("`") and cells[1] or "**" .. cells[1] .. "**"
  item(out, inline(term), inline(table.concat(cells, "; ", 2, #cells - 1)))
end

local inserts   -- below: what <!-- insert: WHAT --> stands for

-- Markdown, as far as our files use it, to roff.
local function convert(text, out)
  local lines, i, in_table = lines_of(text), 1, false
  local function take_while(pattern, strip)
    local taken = {}
    while lines[i] and (lines[i]:find(pattern) or lines[i] == "" and lines[i + 1] and lines[i + 1]:find(pattern)) do
      taken[#taken + 1] = lines[i]:gsub(strip, "")
      i = i + 1
    end
    return taken
  end
  while lines[i] do
    local one = lines[i]
    local insert = one:match("^<!%-%- insert: (.-) %-%->$")
    if insert then
      inserts(insert, out)
      i = i + 1
    elseif one:find("^```") then
      local block = {}
      i = i + 1
      while lines[i] ~= "```" do
        block[#block + 1] = lines[i]
        i = i + 1
      end
      example(out, block)
      i = i + 1
    elseif one:find("^    ") then
      example(out, take_while("^    ", "^    "))
    elseif one:find("^|") then
      -- The first row is a heading.
      if in_table then table_row(out, one) end
      i, in_table = i + 1, true
    elseif one:find("^#") then
      local marks, title = one:match("^(#+)%s+(.*)$")
      out[#out + 1] = (#marks == 2 and ".SH " or ".SS ") .. '"' .. (#marks == 2 and title:upper() or title) .. '"'
      i = i + 1
    elseif one:find("^%- ") then
      local parts = { (one:gsub("^%- ", "")) }
      i = i + 1
      while lines[i] and lines[i]:find("^  %S") do
        parts[#parts + 1] = lines[i]:match("%S.*")
        i = i + 1
      end
      item(out, "\\(bu", inline(table.concat(parts, " ")))
      out[#out - 1] = ".IP \\(bu 2"
    elseif one == "" then
      i = i + 1
    else
      local parts = {}
      while lines[i] and lines[i] ~= "" and not lines[i]:find("^[|#]") and not lines[i]:find("^```")
        and not lines[i]:find("^%- ") do
        parts[#parts + 1] = lines[i]
        i = i + 1
      end
      paragraph(out, inline(table.concat(parts, " ")))
    end
    if not (lines[i] or ""):find("^|") then in_table = false end
  end
end

local function strong(text) return "\\fB" .. literal(text) .. "\\fR" end
local function variable(text) return "\\fI" .. literal(text) .. "\\fR" end

-- `  -e CODE   text` of a program's --help.
local function program_options(program, out)
  local path = program == "nervsh" and process.exe() or paths.libexec() .. "/" .. program
  local said = assert(process.run { argv = { path, "--help" } }).stdout
  for head, text in said:gmatch("\n +(%S[^\n]-)  +([^\n]+)") do
    local words = {}
    for word in head:gmatch("%S+") do
      words[#words + 1] = word:find("^%-") and strong(word) or variable(word)
    end
    item(out, table.concat(words, " "), line(prose(text)))
  end
end

-- Terms close together, indented by so many columns.
local function indented(out, columns, term, text)
  out[#out + 1] = (".PD 0\n.RS %d"):format(columns)
  item(out, term, text)
  out[#out + 1] = ".RE\n.PD"
end

local function argument_list(out, f)
  for _, a, depth in reference.arguments(f) do
    local kind = reference.type_of(a)
    indented(out, 4 + 4 * depth, strong(a.name) .. (kind ~= a.name and " " .. variable(kind) or ""),
      line(prose(a.text .. reference.remark(a))))
  end
end

local function function_list(out, functions)
  for _, f in ipairs(functions) do
    item(out, strong(reference.signature(f)), line(prose(f.text)) .. ".")
    argument_list(out, f)
    if f.example then
      out[#out + 1] = ".RS 4"
      example(out, lines_of(f.example))
      out[#out + 1] = ".RE"
    end
  end
end

local function option_list(out, described)
  for _, name in ipairs(options.sorted_keys(described)) do
    local o = described[name]
    item(out, strong(name) .. " " .. variable(reference.type_of(o)), line(prose(o.doc .. reference.remark(o))))
  end
end

local function entry_list(out, what, title)
  for _, entry in ipairs(reference.entries(what)) do
    out[#out + 1] = ('.SS "%s %s"'):format(title, entry.name)
    out[#out + 1] = line(prose(entry.text)) .. "."
    function_list(out, entry.functions)
    for _, field in ipairs(options.sorted_keys(entry.fields)) do
      item(out, "." .. strong(field), line(prose(entry.fields[field])))
      out[#out - 1] = ".TP\n\\&." .. strong(field)
    end
  end
end

local generated <const> = {
  commands = function(out)
    for _, entry in ipairs(reference.entries "command") do
      local f, spec = entry.functions[1], command.get(entry.name)
      item(out, strong(reference.usage(f)), line(prose(f.text)) .. ".")
      argument_list(out, { args = spec.args })
      for _, name in ipairs(options.sorted_keys(spec.options)) do
        local o = spec.options[name]
        indented(out, 4, (o.short and strong("-" .. o.short) .. ", " or "") .. strong(command.option_word(name))
          .. (o.type == "boolean" and "" or " " .. variable(reference.type_of(o))),
          line(prose(o.doc .. reference.remark(o))))
      end
    end
  end,
  ["exit status"] = function(out)
    local said = assert(process.run { argv = { process.exe(), "--help" } }).stdout
    paragraph(out, line(prose(said:match("Exit status: (.*)"):gsub("\n", " "))))
  end,
  modules = function(out)
    out[#out + 1] = '.SH "GLOBAL FUNCTIONS"'
    for _, entry in ipairs(reference.entries "globals") do function_list(out, entry.functions) end
    out[#out + 1] = ".SH MODULES"
    entry_list(out, "module", "Module")
    out[#out + 1] = ".SH OBJECTS"
    entry_list(out, "class", "Class")
  end,
  settings = function(out) option_list(out, require("nerv.config").OPTIONS) end,
  archetypes = function(out)
    for _, name in ipairs(archetypes.list()) do
      local def = assert(archetypes.load(name))
      out[#out + 1] = ('.SS "%s"'):format(name)
      out[#out + 1] = line(prose(def.summary)) .. ". Options of the network:"
      option_list(out, def.network)
      paragraph(out, "Options of its endpoints:")
      option_list(out, def.endpoint)
    end
  end,
  needs = function(out)
    for _, name in ipairs(kinds.names()) do
      local kind = kinds.get(name)
      out[#out + 1] = ('.SS "need.%s"'):format(name)
      out[#out + 1] = line(prose(kind.text)) .. "."
      for _, p in ipairs(options.sorted_keys(kind.properties)) do
        item(out, strong(p), line(prose(kind.properties[p].doc .. reference.remark(kind.properties[p]))))
      end
    end
  end,
  types = function(out)
    for _, name in ipairs(options.type_names()) do item(out, strong(name), line(prose(options.type_text(name)))) end
  end,
}

-- The text below a heading, up to the next one of its level.
local function below(name, heading)
  local text = "\n" .. read(name)
  local _, begins = text:find("\n## " .. heading:gsub("%p", "%%%0") .. "\n")
  if not begins then error(("%s has no heading \"%s\""):format(name, heading), 0) end
  return text:sub(begins + 1, (text:find("\n## ", begins, true) or #text + 1) - 1)
end

function inserts(what, out)
  local name, heading = what:match("^(%S+%.md): (.*)$")
  local program = what:match("^options of (%S+)$")
  if name then convert(below(name, heading), out)
  elseif what:find("%.md$") then convert(read(what):gsub("^# [^\n]*\n", ""), out)
  elseif program then program_options(program, out)
  elseif generated[what] then generated[what](out)
  else error("nothing to insert for " .. what, 0) end
end

local function page(name)
  local text <const> = read("scripts/man/" .. name)
  local title <const>, section <const> = name:match("^(.*)%.(%d)%.md$")
  local what <const>, body <const> = text:match("^# %S+ %- ([^\n]+)\n(.*)$")
  local stat <const> = file.stat(ROOT .. "/scripts/man/" .. name)
  local date <const> = os.date("!%Y-%m-%d", math.tointeger(tonumber(os.getenv "SOURCE_DATE_EPOCH") or stat.mtime // 1))
  local version <const> = process.run { argv = { process.exe(), "--version" } }.stdout:match("%S+%s*$"):match("%S+")
  local out <const> = { ('.TH %s %s %s "NERV %s" "NERV manual"'):format(title:upper(), section, date, version),
    ".nr HY 0", ".ad l", ".SH NAME\n" .. literal(title) .. " \\- " .. prose(what) }
  convert(body, out)
  assert(file.write(("%s/%s.%s"):format(OUTPUT, title, section), table.concat(out, "\n") .. "\n"))
end

assert(file.mkdir(OUTPUT, { parents = true }))
for _, name in ipairs(file.list(ROOT .. "/scripts/man")) do page(name) end
