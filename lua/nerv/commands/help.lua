-- `help`: explains.
return {
  name = "help", text = "explain a command, archetype, module, function, object or kind of need",
  args = { { name = "topic", type = "string", names = function() return require("nerv.help").topics() end,
    text = "what to explain; by default an overview" } },
  example = "help ip",
  run = function(a) require("nerv.help")(a.topic) end,
}
