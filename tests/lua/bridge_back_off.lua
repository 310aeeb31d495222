-- When bridges may be made again that somebody takes away again and again.
local tap <const> = require "tap"
local waits <const> = require("nerv.agent.bridges").back_off()

tap.eq({ waits.due("a", 0), waits.due("b", 0) }, { true, true }, "at once, the first time")
waits.made("a", 0)
tap.eq({ waits.due("a", 0.9), waits.due("a", 1), waits.due("b", 0) }, { false, true, true }, "after a second, then; another one at once")
local now, delays = 0, {}
for i = 1, 8 do
  while not waits.due("a", now) do now = now + 1 end
  local before <const> = now
  waits.made("a", now)
  while not waits.due("a", now) do now = now + 1 end
  delays[i] = now - before
end
tap.eq(delays, { 2, 4, 8, 16, 32, 60, 60, 60 }, "later and later, but for ever")
now = now + 300
waits.made("a", now)
tap.eq({ waits.due("a", now + 0.9), waits.due("a", now + 1) }, { false, true }, "as at first when it has been there for long")
tap.done()
