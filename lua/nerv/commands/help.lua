-- `help`: explains.
return {
  name = "help", text = "explain a command, archetype, module or function",
  args = { { name = "topic", type = "string", text = "what to explain; by default an overview" } },
  example = "help ip",
  run = function(a) require("nerv.help")(a.topic) end,
}
