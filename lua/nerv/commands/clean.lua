-- `clean`: removes what dead labs left.
return {
  name = "clean", text = "remove what labs left whose agents are dead",
  example = "clean",
  run = function()
    local lines = {}
    for i, dir in ipairs(require("nerv.lab").clean()) do lines[i] = "removed " .. dir end
    return #lines > 0 and table.concat(lines, "\n") or nil
  end,
}
