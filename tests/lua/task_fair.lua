-- Tasks that are long at work let others run: task.breathe, task:limit; transactions and messages that are long.
local tap <const> = require "tap"
local servers <const> = require "support.ovsdb_server"

-- How often another task ran while a function did.
local function turns(f)
  local count, over = 0, false
  local other = task.spawn(function()
    repeat
      count = count + 1
      task.sleep(0)
    until over
  end)
  f()
  over = true
  other:wait()
  return count
end

local function work(seconds, each)
  local ends = runtime.now() + seconds
  repeat each() until runtime.now() >= ends
end

tap.ok(turns(function() work(0.1, function() end) end) <= 2, "a task at work keeps the loop")
local breaths <const> = turns(function() work(0.1, task.breathe) end)
tap.ok(breaths >= 4 and breaths <= 25, "one that breathes gives it away now and then", breaths)
tap.eq(turns(function() for _ = 1, 100 do task.breathe() end end) <= 2, true, "but not each time")
tap.eq(select("#", task.breathe()), 0, "it returns nothing")
tap.eq(({ pcall(string.gsub, "x", "x", function() work(0.01, task.breathe) end) })[1], true,
  "where nothing can wait it does nothing")
local breathing = task.spawn(function() while true do task.breathe() end end)
sleep(0.02)
breathing:cancel()
tap.like(select(2, pcall(breathing.wait, breathing)), "canceled$", "a task that breathes can be cancelled")
local closed = false
breathing = task.spawn(function()
  local _ <close> = setmetatable({}, { __close = function() closed = true end })
  while true do task.breathe() end
end)
sleep(0.01)
breathing:cancel()
breathing:join()
tap.ok(closed, "what it holds is closed")

local busy = task.spawn(function() while true do pcall(function() while true do end end) end end)
busy:limit(0.05)
local began = runtime.now()
local good, message = pcall(busy.wait, busy)
tap.ok(not good and message:find "it ran for longer than it may", "a task with a limit ends though it is busy", message)
tap.ok(runtime.now() - began < 5, "soon")
local waits = task.spawn(function() sleep(0.1) return "slept" end)
waits:limit(0.01)
began = runtime.now()
tap.ok(pcall(waits.wait, waits) ~= nil and runtime.now() - began > 0.09, "one that waits is not woken by it")
tap.raises(function() waits:limit(-1) end, "seconds must be 0 or more", "a negative limit")

-- The database.
local server <close> = servers.start()
local db <close> = assert(ovsdb.connect { remote = server.remote, database = "TEST" })
local COUNT <const> = 5000
local operations = {}
for i = 1, COUNT do
  operations[i] = { op = "insert", table = "Host", row = { name = "h" .. i, count = i, tags = { "a", "b" },
    options = { key = "value" } } }
end
local results
local count <const> = turns(function() results = assert(db:transact(operations)) end)
tap.ok(count >= COUNT / 500, "others run while a long transaction is encoded", count)
local function complete(rows)
  local found = 0
  for _, result in ipairs(results) do
    local row = rows[result.uuid]
    found = found + (row and row.name == "h" .. row.count and row.options.key == "value" and 1 or 0)
  end
  return found
end
tap.eq(complete(db.rows.Host), COUNT, "it is done, whole")
local second <close> = assert(ovsdb.connect { remote = server.remote, database = "TEST" })
tap.eq(complete(second.rows.Host), COUNT, "the contents of a long first message are whole")

-- Bad operations far behind are told as ever; a caller that goes away leaves nothing done.
operations[COUNT].row.colour = "blue"
tap.raises(function() db:transact(operations) end, "operation 5000 %(insert%): table \"Host\" has no column \"colour\"",
  "what is wrong with a late operation")
operations[COUNT].row.colour = nil
for i = 1, COUNT do operations[i].row.name = "again" .. i end
local lost = task.spawn(function() return db:transact(operations) end)
sleep(0)
sleep(0)
lost:cancel()
tap.like(select(2, pcall(lost.wait, lost)), "canceled$", "a transaction is cancelled while it is encoded")
local now = assert(db:transact { { op = "select", table = "Host", where = {}, columns = { "name" } } })
tap.eq(#now[1].rows, COUNT, "it was never sent; the next one is answered, with a long message")

-- Messages keep their order, and a connection may go while one is being parsed.
local long <const> = ("x"):rep(200000)
local uuid <const> = assert(db:transact { { op = "insert", table = "Log", row = { text = "", serial = 0 } } })[1].uuid
local watch = second:watch { "Log" }
local spy = task.spawn(function()
  local last, wrong = -1, 0
  while last < 19 do
    for _, event in ipairs(watch:all()) do
      if event.old then
        wrong = wrong + (event.old.serial > last and 0 or 1)
        last = event.old.serial
      end
    end
  end
  return wrong
end)
for i = 1, 20 do
  assert(db:transact { { op = "update", table = "Log", where = { { "_uuid", "==", uuid } },
    row = { text = i % 2 == 0 and long or "short", serial = i } } })
  tap.eventually(10, function() return second.rows.Log[uuid] and second.rows.Log[uuid].serial == i end)
end
tap.ok(spy:join(10) and spy:wait() == 0, "long and short messages arrive in their order")
for i = 0, 40 do
  local task_of = task.spawn(function() return ovsdb.connect { remote = server.remote, database = "TEST" } end)
  for _ = 1, i do sleep(0) end
  task_of:cancel()
  task_of:join()
end
tap.ok(true, "connections that go at any time")
for _ = 1, 3 do
  local one = assert(ovsdb.connect { remote = server.remote, database = "TEST" })
  task.spawn(function() db:transact { { op = "update", table = "Host", where = {}, row = { comment = long:sub(1, 100) } } } end)
  sleep(0.02)
  one:close()
end
server:kill()
tap.ok(tap.eventually(10, function() return not db:connected() end), "and a server that goes")
server:start()
tap.ok(tap.eventually(20, function() return db:connected() end), "comes back")
tap.eq(complete(db.rows.Host), COUNT, "with the same contents")
tap.done()
