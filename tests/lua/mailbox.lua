-- Mailboxes between tasks.
local tap <const> = require "tap"
local mailbox <const> = require "nerv.mailbox"

local box <const> = mailbox.new()
for i = 1, 3 do box:put(i) end
tap.eq(box:count(), 3, "values wait")
tap.eq({ box:take(), box:take(), box:take() }, { 1, 2, 3 }, "what was put is taken in its order")
tap.eq({ box:take(0.01) }, { nil, "timeout" }, "nothing comes")
tap.eq({ box:take(0) }, { nil, "timeout" }, "without waiting")
local taker = task.spawn(function() return box:take() end)
task.sleep(0)
box:put(false)
tap.eq(taker:wait(), false, "who waits gets what comes, false as well")
taker = task.spawn(function() return box:take_all() end)
task.sleep(0)
box:put "a"
box:put "b"
tap.eq(taker:wait(), { "a", "b" }, "all that is there")
taker = task.spawn(function() return box:take() end)
task.sleep(0)
box:close "it is over"
tap.eq({ taker:wait() }, { nil, "it is over" }, "who waits is told of the end")
box:put(1)
tap.eq({ box:take_all() }, { nil, "it is over" }, "nothing is put afterwards")

local small <const> = mailbox.new(2)
for i = 1, 5 do small:put(i) end
tap.eq({ small:take(), small:take(), small.dropped }, { 4, 5, 3 }, "the oldest give way, counted")
small:put(6)
small:close()
tap.eq({ small:take(), small:take() }, { 6, nil, "closed" }, "what is in a closed one is taken")

-- many
local big <const>, sum = mailbox.new(), 0
local reader <const> = task.spawn(function()
  for value in big.take, big do
    sum = sum + value
    if sum % 7 == 0 then task.sleep(0) end
  end
end)
for i = 1, 20000 do
  big:put(i)
  if i % 100 == 0 then task.sleep(0) end
end
big:close()
reader:wait()
tap.eq(sum, 20000 * 20001 // 2, "twenty thousand arrive")
local waiting <const> = task.spawn(function() return big:take() end)
tap.eq({ waiting:wait() }, { nil, "closed" }, "closed")
local canceled <const> = mailbox.new()
local victim <const> = task.spawn(function() return canceled:take() end)
task.sleep(0)
victim:cancel()
tap.ok(not pcall(victim.wait, victim), "who waits may be cancelled")
canceled:put(1)
tap.eq(canceled:take(0), 1, "and the next takes")
tap.done()
