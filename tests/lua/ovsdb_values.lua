-- OVSDB: every type of value makes the round trip; misuse is named; failures have codes.
local tap <const> = require "tap"
local servers <const> = require "support.ovsdb_server"
local ovsdb <const> = require "nerv.ovsdb"

local server <close> = servers.start()
local db <close> = assert(ovsdb.connect { remote = server.remote, database = "TEST" })

tap.ok(db:connected(), "connected")
tap.like(tostring(db), "TEST.*connected", "tostring says what it is")
tap.eq(db.rows, { Host = {}, Port = {}, Log = {} }, "monitored tables are there from the start")

-- Every type.
local full <const> = {
  name = "h\u{e4}\"1\\", count = math.mininteger, load = 0.1, up = true, comment = "one\ntwo", limit = math.maxinteger,
  kind = "large", tags = { "a", "b", "c" }, numbers = { -1, 7 }, options = { k = "v", [""] = "" },
  queues = { [0] = 1.5, [9] = -2.0 },
}
local results, message, code = db:transact {
  { op = "insert", table = "Port", row = { name = "p1" }, uuid_name = "p1" },
  { op = "insert", table = "Port", row = { name = "p2" }, uuid_name = "p2" },
  { op = "insert", table = "Host", row = {
    name = full.name, count = full.count, load = full.load, up = full.up, comment = full.comment,
    limit = full.limit, kind = full.kind, tags = full.tags, numbers = full.numbers, options = full.options,
    queues = full.queues, ports = { ovsdb.named "p1", { uuid_name = "p2" } }, by_name = { first = "@p1" } } },
}
tap.ok(results, "insert of all types", message, code)
local uuid <const> = results[3].uuid
local row <const> = db.rows.Host[uuid]
tap.eq(#uuid, 36, "an insert returns the uuid")
for name, value in pairs(full) do tap.eq(row[name], value, "column " .. name .. " comes back") end
tap.eq(math.type(row.count), "integer", "integer columns are integers")
tap.eq(math.type(row.queues[9]), "float", "real values are floats")
tap.eq(row._uuid, uuid, "a row holds its uuid")
tap.eq(row.by_name, { first = results[1].uuid }, "a map of references")
table.sort(row.ports)
local ports <const> = { results[1].uuid, results[2].uuid }
table.sort(ports)
tap.eq(row.ports, ports, "a set of references to rows of the same transaction")
tap.eq(row.peer, nil, "an empty optional column is nil")
tap.eq(db.rows.Port[results[1].uuid].name, "p1", "the replica has the effects when transact returns")

-- Update, clear, select, delete.
results = assert(db:transact {
  { op = "update", table = "Host", where = { { "_uuid", "==", uuid } },
    row = { comment = {}, tags = {}, options = {}, load = 3, peer = uuid, limit = 5.0 } },
  { op = "select", table = "Host", where = { { "name", "==", full.name } }, columns = { "_uuid", "load", "tags" } },
  { op = "select", table = "Host", where = { { "limit", "<", 5 } } },
  { op = "comment", comment = "why" },
})
tap.eq(results, { { count = 1 }, { rows = { { _uuid = uuid, load = 3.0, tags = {} } } }, { rows = {} }, {} },
  "results of update, select and comment")
tap.eq({ row.comment, row.tags, row.options, row.load, row.peer, row.limit }, { nil, {}, {}, 3.0, uuid, 5 },
  "the row changed in place")
tap.ok(rawequal(row, db.rows.Host[uuid]), "a row keeps its identity")

local function mutate(...)
  return db:transact { { op = "mutate", table = "Host", where = { { "_uuid", "==", uuid } }, mutations = { ... } } }
end
assert(mutate({ "count", "+=", 10 }, { "tags", "insert", "x" }, { "tags", "insert", { "y", "z" } },
  { "options", "insert", { a = "1", b = "2", c = "3" } }, { "queues", "delete", { 0 } }, { "numbers", "*=", 2 }))
tap.eq({ row.count, row.tags, row.options, row.queues, row.numbers },
  { math.mininteger + 10, { "x", "y", "z" }, { a = "1", b = "2", c = "3" }, { [9] = -2.0 }, { -2, 14 } }, "mutations")
assert(mutate({ "options", "delete", { "a" } }, { "options", "delete", { b = "2", c = "other" } },
  { "tags", "delete", { "x", "y" } }))
tap.eq({ row.options, row.tags }, { { c = "3" }, { "z" } }, "mutations that delete keys, pairs and elements")

-- The world says no.
local NOWHERE <const> = "00000000-0000-0000-0000-000000000001"
local _, index
_, message, code, index = db:transact {
  { op = "comment", comment = "x" },
  { op = "update", table = "Host", where = {}, row = { kind = "huge" } },
}
tap.eq({ code, index }, { "constraint violation", 2 }, "an enumeration is kept by the server")
tap.like(message, "TEST.*operation 2.*huge", "the message says what and where")
_, message, code, index = db:transact { { op = "insert", table = "Host", row = { name = full.name } } }
tap.eq({ _, code, index }, { nil, "constraint violation", nil }, "a unique index is kept")
tap.like(message, "identical values", "with the server's reason")
_, _, code = db:transact { { op = "update", table = "Host", where = {}, row = { ports = { NOWHERE } } } }
tap.eq(code, "referential integrity violation", "a reference to nothing is refused")
_, _, code = db:transact { { op = "insert", table = "Log", row = {} }, { op = "abort" } }
tap.eq({ code, next(db.rows.Log) }, { "aborted", nil }, "abort")
_, _, code, index = db:transact { { op = "assert", lock = "nobody" } }
tap.eq({ code, index }, { "not owner", 1 }, "assert without the lock")

-- Misuse.
local function raises(operation, pattern, text)
  tap.raises(function() db:transact { operation } end, pattern, text)
end
raises({ op = "insert", table = "Hots", row = {} }, "ovsdb_values.lua:%d+:.*no table \"Hots\".*nearest is \"Host\"",
  "an unknown table, at the caller's line")
raises({ op = "insert", table = "Host", row = { nmae = "x" } },
  "no column \"nmae\".*nearest is \"name\"", "an unknown column")
raises({ op = "insert", table = "Host", row = { name = 5 } }, "\"name\".*a string, not 5", "a number for a string")
raises({ op = "insert", table = "Host", row = { count = 1.5 } },
  "\"count\".*an integer, not 1.5", "a fraction for an integer")
raises({ op = "insert", table = "Host", row = { load = 0 / 0 } }, "finite", "not a number")
raises({ op = "insert", table = "Host", row = { tags = { k = 1 } } },
  "an array %(set of string%)", "a table for an array")
raises({ op = "insert", table = "Host", row = { options = "x" } },
  "a table %(map of string to string%), not \"x\"", "a string for a map")
raises({ op = "insert", table = "Host", row = { peer = "x" } }, "a uuid", "no uuid")
raises({ op = "insert", table = "Host", row = { name = "a\0b" } }, "NUL", "a NUL byte")
raises({ op = "insert", table = "Host", row = { name = "\xff" } }, "UTF%-8", "bytes that are no text")
raises({ op = "insert", table = "Host", row = { _uuid = uuid } }, "set by the server", "a column of the server's")
raises({ op = "inser", table = "Host" }, "no operation \"inser\".*\"insert\"", "an unknown operation")
raises({ op = "delete", table = "Host" }, "'where' is missing.*all rows", "a delete that does not say which")
raises({ op = "delete", table = "Host", were = {} }, "takes no 'were'.*'where'", "an unknown field")
raises({ op = "delete", table = "Host", where = { { "name", "=", "x" } } },
  "does not know \"=\"", "an unknown condition")
raises({ op = "delete", table = "Host", where = { { "name", "==" } } }, "has no value", "a condition without a value")
raises({ op = "mutate", table = "Host", where = {}, mutations = { { "count", "+=", "1" } } },
  "an integer, not \"1\"", "a mutation by a string")
tap.raises(function() db:transact {} end, "no operation", "an empty transaction")
tap.raises(function() db:watch { "Hosts" } end, "nearest is \"Host\"", "a watch on an unknown table")
tap.raises(function() ovsdb.named "1x" end, "no name", "a bad name of a row")
tap.raises(function() ovsdb.connect { remote = server.remote, database = "TEST", tables = { "Prot" } } end,
  "no table \"Prot\".*\"Port\"", "an unknown table to monitor")
tap.raises(function() ovsdb.connect { remote = "tcp:localhost:1", database = "TEST" } end, "numeric address",
  "a remote that is none")
tap.raises(function() ovsdb.connect { remote = server.remote, database = "TEST", tables = 5 } end, "tables",
  "a wrong option")

-- No such thing.
_, _, code = ovsdb.connect { remote = server.remote, database = "NONE" }
tap.eq({ _, code }, { nil, "unknown database" }, "an unknown database")
_, message, code = ovsdb.connect { remote = server.remote .. "x", database = "TEST" }
tap.eq({ _, code }, { nil, "ENOENT" }, "no server")
tap.like(message, "socketx: No such file", "and its name is said")
_, _, code = ovsdb.connect { remote = "tcp:127.0.0.1:1", database = "TEST" }
tap.eq(code, "ECONNREFUSED", "no server over TCP")

-- Some tables only.
do
  local part <close> = assert(ovsdb.connect { remote = server.remote, database = "TEST", tables = { "Log" } })
  assert(part:transact {
    { op = "insert", table = "Log", row = { text = "t", serial = 1 } },
    { op = "insert", table = "Host", row = { name = "unseen" } },
  })
  tap.eq(part.rows.Host, nil, "a table that is not monitored")
  tap.eq(select(2, next(part.rows.Log)).text, "t", "a table that is")
  tap.raises(function() part:watch { "Host" } end, "not monitored", "a watch on what is not monitored")
end

assert(db:transact { { op = "delete", table = "Host", where = {} } })
tap.eq({ next(db.rows.Host), next(db.rows.Port) }, {}, "deleted rows leave the replica, with what only they refer to")
db:close()
db:close()
tap.like(tostring(db), "closed", "a closed handle says so")
tap.raises(function() db:transact { { op = "abort" } } end, "closed", "and refuses")
tap.eq(db:connected(), false, "and is not connected")
tap.done()
