-- `shell`: an interactive program in an endpoint.
return {
  name = "shell", text = "run a shell, or another program, in an endpoint on this terminal",
  args = { { name = "endpoint", type = "endpoint", required = true, text = "where" },
    { name = "program", type = "rest", text = "the program and its arguments; by default $SHELL" } },
  example = "shell h1 true",
  run = function(a)
    local good, message, _, status = a.endpoint:shell(table.unpack(a.program))
    if good then return nil end
    if not (status and (status.exit or status.signal)) then return nil, message end
    return nil, message, require("nerv.command").exit_status(status)
  end,
}
