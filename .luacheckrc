-- What luacheck must know: which globals each kind of Lua file has.
std = "lua54"
max_line_length = 120
self = false                -- a method need not use `self`

-- Every global of the shell: the modules of bindings/ and shell/ and those that lua/nerv/start.lua names.
local shell = {}
local function add_all(command, pattern)
  local pipe = io.popen(command)
  for name in pipe:read("*a"):gmatch(pattern) do shell[#shell + 1] = name end
  pipe:close()
end
add_all("cat bindings/*.c shell/*.c", "NERV_MODULE%(([%w_]+)")
add_all("cat lua/nerv/start.lua", "([%w_]+) = \"nerv%.")
add_all("grep 'tools <const> =' lua/nerv/start.lua", "\"([%w_]+)\"")

files["scripts/**/*.lua"] = { read_globals = shell }
files["tests/**/*.lua"] = { read_globals = shell, max_line_length = 168 }

-- An archetype runs in an environment of its own: see lua/nerv/archetype.lua.
files["archetypes/*.lua"] = {
  std = { read_globals = {
    "archetype", "assert", "cidr", "error", "ipairs", "math", "next", "pairs", "select", "string", "table",
    "tonumber", "tostring", "type", "utf8",
  } },
}

-- It completes globals, and makes some for that.
files["tests/lua/complete.lua"] = { globals = { "fruit", "object", "trap", "text_value", "many" } }
