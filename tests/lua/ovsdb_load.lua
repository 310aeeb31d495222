-- OVSDB: many rows, many transactions under way, large messages.
local tap <const> = require "tap"
local servers <const> = require "support.ovsdb_server"
local ovsdb <const> = require "nerv.ovsdb"
local task <const> = require "nerv.task"

local server <close> = servers.start()
local db <close> = assert(ovsdb.connect { remote = server.remote, database = "TEST" })

local function count(rows)
  local n = 0
  for _ in pairs(rows) do n = n + 1 end
  return n
end

-- One transaction with 1000 rows.
local best = math.huge
for round = 1, 5 do
  local operations = {}
  for i = 1, 1000 do
    operations[i] = { op = "insert", table = "Host", row = {
      name = "h" .. round .. "_" .. i, count = i, tags = { "a", "b" }, options = { k = "v" } } }
  end
  local start = runtime.now()
  assert(db:transact(operations))
  best = math.min(best, runtime.now() - start)
end
tap.eq(count(db.rows.Host), 5000, "all rows are in the replica")
tap.note(("1000 inserts in one transaction: %.1f ms"):format(best * 1000))
tap.ok(best < 0.5, "1000 inserts in one transaction are fast", best)

-- 5000 transactions under way at once.
local tasks = {}
local start = runtime.now()
for i = 1, 5000 do
  tasks[i] = task.spawn(function()
    return assert(db:transact { { op = "insert", table = "Log", row = { text = "entry", serial = i } } })[1].uuid
  end)
end
local missing = 0
for i = 1, 5000 do
  if db.rows.Log[tasks[i]:wait()].serial ~= i then missing = missing + 1 end
end
local took = runtime.now() - start
tap.eq(missing, 0, "5000 pipelined transactions have all come back")
tap.note(("5000 pipelined transactions: %.2f s"):format(took))
tap.ok(took < 20, "in a reasonable time", took)

-- Messages of several megabytes, both ways.
local long <const> = ("\u{e4}\"\\x"):rep(800000)
local uuid = assert(db:transact { { op = "insert", table = "Log", row = { text = long } } })[1].uuid
tap.ok(db.rows.Log[uuid].text == long, "a row of 4 MB makes the round trip")
start = runtime.now()
local again <close> = assert(ovsdb.connect { remote = server.remote, database = "TEST" })
tap.note(("connect to 10,001 rows: %.1f ms"):format((runtime.now() - start) * 1000))
tap.eq({ count(again.rows.Host), count(again.rows.Log), again.rows.Log[uuid].text == long },
  { 5000, 5001, true }, "the first contents are whole")

-- Handles that nobody closes are collected with all that they hold.
for _ = 1, 20 do
  local lost = assert(ovsdb.connect { remote = server.remote, database = "TEST", tables = { "Port" } })
  lost:watch()
end
collectgarbage()
collectgarbage()
assert(db:transact { { op = "delete", table = "Host", where = {} } })
tap.eq(count(db.rows.Host), 0, "and the others go on")
tap.done()
