-- OVSDB over TLS: both ends have certificates of one authority; who has not is refused, and told why.
local tap <const> = require "tap"
local servers <const> = require "support.ovsdb_server"

local dir <const> = file.temp_dir "nerv-tls-"
local function authority(name, node)
  assert(process.run { argv = { "scripts/make-ca", dir .. "/" .. name, node } }.exit == 0)
  local at <const> = ("%s/%s/%s"):format(dir, name, node)
  return { ca = at .. "/ca.pem", certificate = at .. "/certificate.pem", key = at .. "/key.pem" }
end
local ours <const>, other <const> = authority("ours", "a"), authority("other", "c")

local server <close> = servers.start(("--remote=pssl:0:127.0.0.1 --ca-cert=%s --certificate=%s --private-key=%s"):format(
  ours.ca, ours.certificate, ours.key))
local remote <const> = ("ssl:127.0.0.1:%d"):format(server:port())

local db <close> = assert(ovsdb.connect { remote = remote, database = "TEST", tls = ours })
local operations = {}
for i = 1, 3000 do
  operations[i] = { op = "insert", table = "Host", row = { name = ("n"):rep(100) .. i, count = i, tags = { ("x"):rep(200) } } }
end
tap.ok(db:transact(operations), "a transaction of a megabyte")
local second <close> = assert(ovsdb.connect { remote = remote, database = "TEST", tls = ours })
local n = 0
for _ in pairs(second.rows.Host) do n = n + 1 end
tap.eq(n, 3000, "its rows are read whole")
tap.eq(second:transact { { op = "delete", table = "Host", where = {} } }[1].count, 3000, "and deleted by another client")
tap.ok(tap.eventually(5, function() return next(db.rows.Host) == nil end), "which this one sees")

server:kill()
server:start(("--remote=pssl:%s:127.0.0.1 --ca-cert=%s --certificate=%s --private-key=%s"):format(remote:match "%d+$", ours.ca,
  ours.certificate, ours.key))
tap.ok(tap.eventually(10, function() return db:connected() and db:transact { { op = "comment", comment = "x" } } end),
  "a server that comes back is found again")

local function refused(options, pattern, text)
  options.database, options.reconnect, options.timeout = "TEST", false, 2
  local got, message, code = ovsdb.connect(options)
  tap.ok(got == nil and message:find(pattern), text, message, code)
end
refused({ remote = remote, tls = other }, "TLS: the other end's certificate: ", "a server of another authority")
refused({ remote = remote, tls = { ca = ours.ca, certificate = other.certificate, key = other.key } }, "", "a client of another authority")
refused({ remote = remote, tls = { ca = dir .. "/none", certificate = ours.certificate, key = ours.key } }, "none: No such file", "no such file")
refused({ remote = "tcp" .. remote:sub(4), tls = ours }, "", "a client without TLS")
tap.raises(function() ovsdb.connect { remote = remote, database = "TEST" } end, "needs the option 'tls'", "no files")
file.remove_tree(dir)
tap.done()
