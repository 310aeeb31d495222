-- `exit`: leaves the shell.
return {
  name = "exit", text = "leave the shell",
  args = { { name = "status", type = "integer", text = "the exit status; by default 0" } },
  run = function(a) os.exit(a.status or 0) end,
}
