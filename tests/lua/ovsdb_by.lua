-- OVSDB: indexes over the replica follow its rows: what comes, changes and goes, at once and after a lost connection.
local tap <const> = require "tap"
local servers <const> = require "support.ovsdb_server"
local ovsdb <const> = require "nerv.ovsdb"

local server <close> = servers.start()
local function connect() return assert(ovsdb.connect { remote = server.remote, database = "TEST" }) end
local db <close> = connect()

local function insert(name, comment, to)
  return assert((to or db):transact { { op = "insert", table = "Host", row = { name = name, comment = comment } } })[1].uuid
end
local function update(uuid, row)
  assert(db:transact { { op = "update", table = "Host", where = { { "_uuid", "==", uuid } }, row = row } })
end
local function delete(uuid, from)
  assert((from or db):transact { { op = "delete", table = "Host", where = { { "_uuid", "==", uuid } } } })
end
-- The names in a group.
local function names(group)
  local list = {}
  for uuid, row in pairs(group or {}) do
    tap.ok(rawequal(row, db.rows.Host[uuid]), row.name .. " is the replica's row")
    list[#list + 1] = row.name
  end
  table.sort(list)
  return list
end

local a <const> = insert("a", "x")
local by_comment <const>, by_both <const> = db:by("Host", { "comment" }), db:by("Host", { "comment", "name" })
tap.eq(names(by_comment.x), { "a" }, "an index has what was there before")
tap.ok(rawequal(by_comment, db:by("Host", { "comment" })), "the same columns, the same index")
tap.ok(not rawequal(by_both, by_comment), "others, another one")

local b <const> = insert("b", "x")
tap.eq(names(by_comment.x), { "a", "b" }, "rows of the same value are together")
tap.eq(names(by_both["x\0b"]), { "b" }, "values of several columns are joined by NUL")
update(b, { comment = "y" })
tap.eq({ names(by_comment.x), names(by_comment.y), by_both["x\0b"] }, { { "a" }, { "b" } }, "a row moves with its value")
tap.eq(names(by_both["y\0b"]), { "b" }, "in each index")
update(b, { count = 7 })
tap.eq(names(by_comment.y), { "b" }, "and stays when another column changes")
delete(a)
tap.eq(by_comment.x, nil, "a group without rows is none")
tap.eq(#names(db:by("Host", { "tags" })), 0, "what is no text is in no group")
assert(db:transact { { op = "delete", table = "Host", where = { { "name", "==", "b" } } },
  { op = "insert", table = "Host", row = { name = "b", comment = "y" } } })
tap.eq(names(by_both["y\0b"]), { "b" }, "one goes and another one of the same values comes in one transaction")

local watch <close> = db:watch { "Log" }
local kept <const>, gone <const> = insert("kept", "k"), insert("gone", "g")
server:kill()
repeat until assert(watch:next(5)).lost
server:start()
local other <close> = connect()
delete(gone, other)
assert(other:transact { { op = "update", table = "Host", where = { { "_uuid", "==", kept } }, row = { comment = "l" } } })
insert("new", "l", other)
repeat until assert(watch:next(15)).connected
tap.ok(tap.eventually(5, function() return #names(by_comment.l) == 2 end), "what happened meanwhile is seen")
tap.eq({ names(by_comment.l), by_comment.g, by_comment.k }, { { "kept", "new" } }, "all of it")

tap.raises(function() db:by("Nothing", { "name" }) end, "no table \"Nothing\"", "an unknown table")
tap.raises(function() db:by("Host", { "nothing" }) end, "item 1 of columns is no column", "an unknown column")
tap.raises(function() db:by("Host", { "name", 7 }) end, "item 2 of columns", "what is no name")
tap.done()
