--- Layer-2 echo frames at 1000 a second between two endpoints: how many are lost while something changes. See echo.c.
local measure <const> = require "measure"

local ECHO <const> = measure.built "bench/echo"
local RATE <const> = 1000

--- Frames that are lost and sent while `f` runs, and for a moment before and after.
-- @tparam table from an endpoint
-- @tparam table to another one
-- @tparam ?string label of an ETArch workspace that both are in; by default frames go from address to address
return function(from, to, f, label)
  local echo <const> = expect(process.spawn { argv = { ECHO, from.netns, to.netns, "eth0", RATE, label }, stdin = "pipe",
    stdout = "pipe", pdeathsig = "KILL" })
  expect(echo.stdout:read_line() == "ready", "no echo comes back")
  sleep(0.2)
  f()
  sleep(0.2)
  echo.stdin:close()
  local sent <const>, lost <const> = echo.stdout:read_line():match("^(%d+) (%d+)$")
  echo:wait()
  return tonumber(lost), tonumber(sent)
end
