-- OVSDB: watches, waits, locks, lost connections.
local tap <const> = require "tap"
local servers <const> = require "support.ovsdb_server"
local ovsdb <const> = require "nerv.ovsdb"
local task <const> = require "nerv.task"

local server <close> = servers.start("--remote=ptcp:0:127.0.0.1")
local function connect(options)
  options = options or {}
  options.remote, options.database = options.remote or server.remote, "TEST"
  return assert(ovsdb.connect(options))
end
local function insert(db, name, more)
  local row = more or {}
  row.name = name
  return assert(db:transact { { op = "insert", table = "Host", row = row } })[1].uuid
end
local function update(db, uuid, row)
  return assert(db:transact { { op = "update", table = "Host", where = { { "_uuid", "==", uuid } }, row = row } })
end

-- Watches.
do
  local a <close> = connect()
  local b <close> = connect()
  local hosts <close> = b:watch { "Host" }
  local logs <close> = b:watch { "Log" }
  local uuid = insert(a, "w1", { tags = { "x" } })
  local event = hosts:next(5)
  tap.eq({ event.table, event.uuid, event.old, event.new.name, event.changed }, { "Host", uuid, nil, "w1", nil },
    "an insert")
  update(a, uuid, { count = 4, comment = "c" })
  event = hosts:next(5)
  tap.eq({ event.old, event.new.count, event.changed }, { { count = 0 }, 4, { count = true, comment = true } },
    "a modification")
  tap.ok(rawequal(event.new, b.rows.Host[uuid]), "new is the row of the replica")
  assert(a:transact { { op = "delete", table = "Host", where = { { "_uuid", "==", uuid } } } })
  event = hosts:next(5)
  tap.eq({ event.old.name, event.old.count, event.new, b.rows.Host[uuid] }, { "w1", 4 }, "a deletion")
  local _, message, code = logs:next(0.05)
  tap.eq({ _, code }, { nil, "timeout" }, "a watch on one table sees nothing of the others")
  tap.like(message, "in time", "a time-out says so")
  tap.eq({ select(3, logs:next(0)) }, { "timeout" }, "0 only looks")

  local reader = task.spawn(function() return b:changes() end)
  sleep(0)
  assert(a:transact { { op = "insert", table = "Log", row = { serial = 1 } }, { op = "insert", table = "Log",
    row = { serial = 2 } } })
  tap.eq(#reader:wait(), 2, "changes() returns all of a transaction")
  tap.eq(#logs:all(5), 2, "so does all()")
  assert(a:transact { { op = "delete", table = "Log", where = {} } })
  tap.eq(logs:next(5).old ~= nil and #logs:all(5), 1, "all() after next() returns the rest")

  local waiting = task.spawn(function() return logs:next() end)
  sleep(0)
  logs:close()
  tap.eq({ select(3, waiting:wait()) }, { "closed" }, "a closed watch ends who waits on it")
  waiting = task.spawn(function() return hosts:next() end)
  sleep(0)
  waiting:cancel()
  tap.raises(function() waiting:wait() end, "canceled", "a reader can be cancelled")
  waiting = task.spawn(function() return hosts:next() end)
  sleep(0)
  b:close()
  tap.eq({ select(3, waiting:wait()) }, { "closed" }, "closing the handle closes its watches")
end

-- Generations: one of two writers loses.
do
  local a <close> = connect()
  local b <close> = connect { remote = "tcp:127.0.0.1:" .. server:port() }
  local uuid = insert(a, "race", { count = 1 })
  local function set(db, from, to)
    return db:transact {
      { op = "wait", table = "Host", where = { { "_uuid", "==", uuid } }, columns = { "count" }, ["until"] = "==",
        rows = { { count = from } }, timeout = 0 },
      { op = "update", table = "Host", where = { { "_uuid", "==", uuid } }, row = { count = to } },
    }
  end
  tap.ok(set(a, 1, 2), "the first writer wins")
  local _, _, code, index = set(b, 1, 3)
  tap.eq({ code, index }, { "timed out", 1 }, "the second is told (over TCP)")
  tap.eq(a.rows.Host[uuid].count, 2, "and has changed nothing")
  local waiter = task.spawn(function()
    return b:transact { { op = "wait", table = "Host", where = { { "_uuid", "==", uuid } }, columns = { "count" },
      ["until"] = "==", rows = { { count = 9 } }, timeout = 5 }, { op = "comment", comment = "there" } }
  end)
  sleep(0.05)
  update(a, uuid, { count = 9 })
  tap.ok(waiter:wait(), "a wait ends when its condition comes true")
end

-- Time limits and cancelling.
do
  local db <close> = connect { timeout = 0.2 }
  local other <close> = connect()
  local uuid = insert(db, "slow", { count = 1 })
  local forever = { { op = "wait", table = "Host", where = { { "_uuid", "==", uuid } }, columns = { "count" },
    ["until"] = "==", rows = { { count = 77 } } }, { op = "update", table = "Host", where = {},
      row = { comment = "late" } } }
  local _, _, code = db:transact(forever)
  tap.eq(code, "timeout", "a call takes no longer than it may")
  local good, message = pcall(timeout, 0.05, function() return other:transact(forever) end)
  tap.ok(good == false or message == nil, "timeout() ends a transaction", message)
  local started = task.spawn(function() return other:transact(forever) end)
  sleep(0.02)
  started:cancel()
  tap.raises(function() started:wait() end, "canceled", "a transaction can be cancelled")
  update(db, uuid, { count = 77 })
  update(other, uuid, { load = 1 })
  tap.eq(other.rows.Host[uuid].comment, nil, "and the server has dropped it")
end

-- Locks.
do
  local a <close> = connect()
  local b <close> = connect()
  local events <close> = b:watch()
  tap.eq(a:lock "nerv", true, "a free lock is owned at once")
  tap.eq(a:lock "nerv", true, "asking twice is no error")
  tap.eq(b:lock "nerv", false, "a second one waits")
  tap.eq({ a:has_lock "nerv", b:has_lock "nerv" }, { true, false }, "has_lock")
  tap.ok(a:transact { { op = "assert", lock = "nerv" } }, "assert by the owner")
  tap.eq({ select(3, b:transact { { op = "assert", lock = "nerv" } }) }, { "not owner", 1 }, "assert by another")
  a:close()
  tap.eq(events:next(5), { lock = "nerv", owned = true }, "the lock passes on when its owner's connection ends")
  tap.eq(b:has_lock "nerv", true, "and is owned")
  tap.eq(b:unlock "nerv", true, "unlock")
  tap.eq(b:has_lock "nerv", false, "is owned no more")
  local c <close> = connect()
  tap.eq(c:lock "nerv", true, "another one may have it")
  tap.raises(function() c:lock "a b" end, "no name", "a bad name")
end

-- The server dies and comes back.
do
  local db <close> = connect()
  local gone, kept = insert(db, "gone"), insert(db, "kept", { count = 1 })
  local row = db.rows.Host[kept]
  local events <close> = db:watch { "Host" }
  local logs <close> = db:watch { "Log" }
  db:lock "again"
  tap.eq(logs:next(5), { lock = "again", owned = true }, "a lock that is granted at once is an event too")
  events:next(5)
  local uuid = kept
  local pending = task.spawn(function()
    return db:transact { { op = "wait", table = "Host", where = { { "_uuid", "==", uuid } }, columns = { "count" },
      ["until"] = "==", rows = { { count = 5 } } } }
  end)
  sleep(0.02)
  server:kill()
  tap.eq(logs:next(5).lost, true, "the loss is an event")
  tap.eq(logs:next(5), { lock = "again", owned = false }, "the lock is lost with it")
  tap.eq(db:has_lock "again", false, "has_lock knows")
  tap.eq({ select(3, pending:wait()) }, { "closed" }, "a pending transaction returns")
  local up, reason = db:connected()
  tap.eq({ up, type(reason) }, { false, "string" }, "connected() says no, and why")
  local _, message, code = db:transact { { op = "comment", comment = "x" } }
  tap.eq(code, "closed", "a transaction without a connection fails at once")
  tap.like(message, "not connected", "and says why")
  tap.eq(db.rows.Host[kept].name, "kept", "the replica stays")

  server:start()
  local other <close> = connect()
  assert(other:transact { { op = "delete", table = "Host", where = { { "_uuid", "==", gone } } } })
  update(other, kept, { count = 2 })
  local new = insert(other, "new")
  other:close()

  local seen, by_uuid, rows = {}, {}, 0   -- that the lock is held again may be told before or after the rows
  repeat
    local event = assert(events:next(15))
    seen[#seen + 1] = event
    if event.uuid then by_uuid[event.uuid], rows = event, rows + 1 end
  until rows == 3
  tap.eq({ seen[1].lost, seen[2].lock, seen[3].connected }, { true, "again", true }, "lost, then connected")
  tap.eq(by_uuid[gone].old.name, "gone", "a row that went meanwhile")
  tap.eq({ by_uuid[kept].old, by_uuid[kept].changed }, { { count = 1 }, { count = true } },
    "a row that changed meanwhile")
  tap.ok(rawequal(row, db.rows.Host[kept]) and row.count == 2, "keeps its identity")
  tap.eq(by_uuid[new].new.name, "new", "a row that came meanwhile")
  tap.ok(tap.eventually(5, function() return db:has_lock "again" end), "the lock is asked for again")
  tap.ok(db:transact { { op = "assert", lock = "again" } }, "and held")
end

-- A server that hangs is noticed; one that does not come back is given up when told so.
do
  local db <close> = connect { probe = 0.2, reconnect = false }
  local quiet <close> = connect { probe = 0.05 }
  local events <close> = db:watch()
  sleep(0.5)
  tap.eq({ db:connected(), quiet:connected() }, { true, true }, "a silent server that answers probes lives")
  server:signal("STOP")
  local event = events:next(5)
  server:signal("CONT")
  tap.ok(event.lost and event.reason:find("silent"), "a hanging server is noticed", event)
  tap.eq({ select(3, events:next()) }, { "closed" }, "without reconnect that is the end")
  tap.eq({ select(3, db:transact { { op = "abort" } }) }, { "closed" }, "of everything")
  server:signal("STOP")
  local _, message, code = ovsdb.connect { remote = server.remote, database = "TEST", timeout = 0.1 }
  server:signal("CONT")
  tap.eq(code, "timeout", "a connect takes no longer than it may")
  tap.like(message, "does not answer", "and says so")
end
tap.raises(function() coroutine.wrap(function() connect() end)() end, "not inside a task", "outside of a task")
tap.done()
