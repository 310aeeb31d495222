-- OVSDB: what a wrong or malicious server sends ends the connection with a clear reason.
local tap <const> = require "tap"
local ovsdb <const> = require "nerv.ovsdb"

-- Serves one connection: waits for bytes, answers with the next line of the script. SLOW
-- sends byte by byte, MORE does not wait for bytes first, NUL stands for a NUL byte.
local SERVER <const> = [=[
use IO::Socket::UNIX;
my ($path, $script, $log) = @ARGV;
alarm 60;
my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 4) or die;
open(my $lines, "<", $script) or die;
open(my $out, ">", $log) or die;
my $c = $listener->accept or die;
while (my $line = <$lines>) {
  chomp $line;
  unless ($line =~ s/^MORE //) {
    sysread($c, my $got, 1 << 20) or last;
    syswrite($out, "$got\n");
  }
  $line =~ s/NUL/\0/g;
  if ($line =~ s/^SLOW //) { syswrite($c, $_) and select(undef, undef, undef, 0.0005) for split //, $line; }
  else { syswrite($c, $line); }
}
if (sysread($c, my $got, 1 << 20)) { syswrite($out, "$got\n"); }
unlink $path;
]=]

local pipe = io.popen("mktemp -d")
local dir <const> = pipe:read("l")
pipe:close()
local _ <close> = setmetatable({}, { __close = function() os.execute("rm -r " .. dir) end })

local function write(name, text)
  local file <close> = assert(io.open(dir .. "/" .. name, "w"))
  file:write(text)
end
write("server.pl", SERVER)

local SCHEMA <const> = [[{"id":%d,"error":null,"result":{"name":"T","version":"1.0.0","tables":{"Host":{"columns":{]] ..
  [["name":{"type":"string"},"count":{"type":"integer"},"tags":{"type":{"key":"string","min":0,"max":"unlimited"}},]] ..
  [["options":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}}]]
local UUID <const> = "550e8400-e29b-41d4-a716-446655440000"
local FULL <const> = [[{"id":2,"error":null,"result":{"Host":{"]] .. UUID ..
  [=[":{"new":{"name":"a","count":1,"tags":["set",[]],"options":["map",[]]}}}}}]=]

local number = 0
--- Connects to a server that says these lines; returns what connect returns and a function that
-- returns what the server has heard.
local function serve(...)
  number = number + 1
  local socket, log = dir .. "/s" .. number, dir .. "/log" .. number
  write("script" .. number, table.concat({ ... }, "\n") .. "\n")
  os.execute(("perl %s/server.pl %s %s/script%d %s >/dev/null 2>&1 &"):format(dir, socket, dir, number, log))
  local db, message, code
  tap.eventually(20, function()
    db, message, code = ovsdb.connect { remote = "unix:" .. socket, database = "T", reconnect = false, timeout = 20 }
    return db or (code ~= "ENOENT" and code ~= "ECONNREFUSED")
  end)
  return db, message, code, function()
    local file <close> = assert(io.open(log))
    return file:read("a")
  end
end
local schema <const> = SCHEMA:format(1)

local function refused(text, pattern, wanted, ...)
  local db, message, code = serve(...)
  tap.ok(db == nil and code == wanted and message:find(pattern), text, message, code)
end

refused("no JSON at all", "no JSON%-RPC", "EPROTO", "HTTP/1.1 400 Bad Request")
refused("bad JSON", "bad JSON", "EPROTO", [[{"id":1,]}]])
refused("a NUL byte", "bad JSON", "EPROTO", [[{"id":1,"result":"NUL"}]])
refused("deep nesting", "no JSON%-RPC", "EPROTO", ("{\"a\":"):rep(100))
refused("no schema", "no schema", "EPROTO", [[{"id":1,"error":null,"result":[]}]])
refused("a malformed column", "column \"c\" of table \"t\" is malformed", "EPROTO",
  [[{"id":1,"error":null,"result":{"name":"T","tables":{"t":{"columns":{"c":{"type":"strong"}}}}}}]])
refused("an error for a schema", "no such thing", "no such thing", [[{"id":1,"result":null,"error":"no such thing"}]])
refused("contents that are none", "not the contents of tables", "EPROTO", schema, [[{"id":2,"error":null,"result":7}]])
refused("a wrong uuid", "not the contents of a row", "EPROTO", schema,
  [[{"id":2,"error":null,"result":{"Host":{"x":{"new":{}}}}}]])
refused("a wrong type", "\"Host\".*not an integer", "EPROTO", schema,
  (FULL:gsub("\"count\":1", "\"count\":true")))
refused("an unknown column", "unknown column", "EPROTO", schema, (FULL:gsub("count", "bogus")))
refused("a map that is a set", "not a map", "EPROTO", schema, (FULL:gsub("%[\"map\",%[%]%]", "[\"set\",[]]")))
refused("an update before the contents", "nobody asked for", "EPROTO", schema,
  [[{"method":"update","id":null,"params":["nerv",{}]}]])
refused("the end of the connection", "closed the connection", "ECONNRESET", schema)

-- Once connected.
local function lost(text, pattern, line)
  local db, message = serve(schema, FULL, line)
  if not tap.ok(db, text .. ": connected", message) then return end
  local events <close> = db:watch()
  task.spawn(function() db:transact { { op = "comment", comment = "go on" } } end)
  local event = events:next(20)
  tap.ok(event and event.lost and event.reason:find(pattern), text, event)
  db:close()
end
lost("an update of an unknown table", "unknown table", [[{"method":"update","id":null,"params":["nerv",{"Hots":{}}]}]])
lost("an update without values", "\"Host\".*not the update of a row",
  [[{"method":"update","id":null,"params":["nerv",{"Host":{"]] .. UUID .. [[":{}}}]}]])
lost("a bad change of a row", "column \"count\": not an integer",

    [[{"method":"update","id":null,"params":["nerv",{"Host":{"]] .. UUID .. [[":{"old":{"count":1},"new":{"count":1.5}}}}]}]])
lost("an update that is none", "not an update", [=[{"method":"update","id":null,"params":["nerv",[]]}]=])
lost("a lock without a name", "without a name", [[{"method":"locked","id":null,"params":[]}]])

-- Answers to a transaction.
local function answer(result)
  local db <close>, message = serve(schema, FULL, [[{"id":3,"error":null,"result":]] .. result .. "}")
  if not db then return nil, message end
  return db:transact { { op = "select", table = "Host", where = {} } }
end
local _, message, code = answer("[]")
tap.eq({ _, code }, { nil, "EPROTO" }, "too few results")
tap.like(message, "too few", "and why")
_, message, code = answer([[ [{"rows":[{"count":"x"}]}] ]])
tap.eq({ _, code }, { nil, "EPROTO" }, "rows of another type")
tap.like(message, "not an integer", "and why")

-- A slow and odd but correct server.
do
  local db, why, _, heard = serve("SLOW  " .. schema:gsub("T", "\\u0054") .. " ", "SLOW " .. FULL,
    [[{"id":999,"result":{},"error":null} {"method":"hello","id":null,"params":[1]}{"method":"ec]],
    [[MORE ho","id":"e{\"1","params":["}"]}{"method":"what","id":7,"params":[]}]],
    [[{"id":3,"error":null,"result":[{}]}]])
  tap.ok(db, "a server that sends byte by byte", why)
  tap.eq(db.rows.Host[UUID].count, 1, "is understood")
  tap.ok(db:transact { { op = "comment", comment = "x" } }, "late answers and unknown notifications are ignored")
  db:close()
  local text = tap.eventually(20,
    function() return heard():find("what") == nil and heard():find("unknown method") and heard() end)
  tap.ok(text and text:find([["id":"e{\"1"]], 1, true),
    "an echo request is answered, a request that is none refused", heard())
end
tap.done()
