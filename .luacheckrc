-- What luacheck must know: which globals each kind of Lua file has.
std = "lua54"
max_line_length = 120
self = false                -- a method need not use `self`

-- Every global of the shell: the modules of bindings/ and shell/ and those that lua/nerv/start.lua names.
local shell = {
  "address", "archetype", "batch", "cgroup", "cidr", "commands", "digest", "ethtool", "expect", "file", "help", "inet", "json",
  "lab", "link", "netns", "network", "node", "nve", "ovsdb", "packet", "pcap", "process", "prompt", "qdisc",
  "registry", "route", "runtime", "sleep", "spawn", "stream", "sysctl", "task", "testbed", "timeout",
}

files["scripts/**/*.lua"] = { read_globals = shell }
files["tests/**/*.lua"] = { read_globals = shell, max_line_length = 168 }

-- An archetype runs in an environment of its own: see lua/nerv/archetype.lua.
files["archetypes/*.lua"] = {
  std = { read_globals = {
    "archetype", "assert", "cidr", "error", "ipairs", "math", "next", "pairs", "select", "string", "table",
    "tonumber", "tostring", "type", "utf8",
  } },
}
