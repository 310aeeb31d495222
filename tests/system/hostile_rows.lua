-- Who can write the database can write anything: an agent survives any row, says what is wrong, and goes on with the rest.
local tap <const> = require "tap"
local system <const> = require "support.system"

local seed <const> = tonumber(os.getenv "NERV_SEED") or os.time()
math.randomseed(seed)
tap.note("NERV_SEED=" .. seed)
local ROUNDS <const> = 60 * math.tointeger(tonumber(os.getenv "NERV_ROUNDS" or 1))

local good <const> = network.create { name = "good", archetype = "ip", subnet = "10.1.0.0/24" }
local h <const> = good:endpoint { { name = "h1" }, { name = "h2" } }
h[1]:ping(h[2])
local empty <const> = system.inventory()
local state <const> = lab.state()
local agent <const> = lab.connection().hello.pid

local function one_of(list) return list[math.random(#list)] end
local function noise(n)
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(math.random(32, 126)) end
  return table.concat(bytes)
end

-- Values of each type of column that no agent writes.
local texts <const> = { "", " ", "../../etc", "/", "a/b:c", "good", "good:h1", ("x"):rep(300), ("y"):rep(70000), "\n\t", "%s%n", "null", "[]",
  "5", "\"x\"", "{", "{\"subnet\": 5}", "{\"subnet\": \"10.9.0.0/99\"}", "{\"mtu\": -1}", "{\"mtu\": 1e400}", "{\"kind\": \"tap\", \"interface\": \"../x\"}",
  "{\"kind\": \"link\", \"interface\": \"lo\"}", "{\"kind\": \"veth\", \"netns\": \"/proc/1/ns/net\", \"interface\": \"eth0\"}", "{\"rate\": []}",
  "{\"egress\": {\"lo\": \"shared\"}}", "{\"egress\": 7}", "{\"address\": \"10.1.0.2\"}", ("["):rep(3000), "return archetype {}",
  "return archetype { name = 'x', summary = 'x', on_network = function() while true do end end, on_endpoint = function() end }",
  "local s = 'x' while true do s = s .. s end", "error('x')", "return 5", "\27Lua", "make", "switch", "sweep", "undo", "done", "done ", "active", "stale" }
local function value(kind)
  if kind == "string" then return math.random(4) == 1 and noise(math.random(40)) or one_of(texts) end
  if kind == "integer" then return one_of { 0, -1, 1, 4095, 1 << 31, math.maxinteger, math.mininteger } end
  return one_of { true, false }
end

-- Columns that hold plain values, by table, from the schema itself.
local plain <const> = {}
for name, description in pairs(require("nerv.schema").tables) do
  plain[name] = {}
  for column, kind in pairs(description.columns) do
    if type(kind.type) == "string" then plain[name][column] = kind.type end
  end
end

local function row_of(table_name, given)
  local row = {}
  for column, kind in pairs(plain[table_name]) do row[column] = value(kind) end
  for column, v in pairs(given or {}) do row[column] = v end
  return row
end

-- Each writes something hostile; they return the operations.
local attacks <const> = {
  function() return { { op = "insert", table = "Network", row = row_of("Network") } } end,
  function()   -- of an archetype that is there, with odd options
    return { { op = "insert", table = "Network", row = row_of("Network", { name = "evil" .. math.random(1000), doomed = false,
      archetype = "ip", digest = state:network("good").digest, home = lab.here(), parked = "{}" }) } }
  end,
  function()
    return { { op = "insert", table = "Archetype", row = row_of("Archetype", { digest = "d" .. math.random(1e6) }), uuid_name = "a" } }
  end,
  function()
    return { { op = "insert", table = "Endpoint", row = row_of("Endpoint", { network = state:network("good")._uuid, doomed = false,
      node = one_of { lab.here(), "", noise(5) } }) } }
  end,
  function() return { { op = "insert", table = "Node", row = row_of("Node") } } end,
  function() return { { op = "insert", table = "Status", row = row_of("Status") } } end,
  function() return { { op = "insert", table = "Service", row = row_of("Service", { node = one_of { lab.here(), "x" } }) } } end,
  function() return { { op = "insert", table = "Switch", row = row_of("Switch", { node = one_of { lab.here(), "x" } }) } } end,
  function()
    return { { op = "insert", table = "Change", row = row_of("Change", { nodes = one_of { { lab.here() }, {}, { "nobody" } },
      phase = one_of { "make", "switch", "sweep", "undo", noise(4), "" }, objects = one_of { "[]", "{}", "5", "[5]", "[{}]", "",
        '[{"table":"Network","owner":"good","verb":"update","before":{"nonsense":1}}]', '[{"table":"Nonsense","owner":7,"verb":[]}]',
        '[{"table":"Endpoint","owner":"good:h9","verb":"create","node":"x"}]', noise(20) } }) } }
  end,
}

local refused, taken = 0, 0
for round = 1, ROUNDS do
  local operations = one_of(attacks)()
  if state:transact(operations) then taken = taken + 1 else refused = refused + 1 end
  if round % 10 == 0 then
    local ping = h[1]:ping(h[2])
    tap.ok(ping and process.exists(agent) and lab.connection().hello.pid == agent, ("after %d rows the agent lives and its network works"):format(round))
  end
end
tap.note(("%d rows were taken, %d refused by the schema"):format(taken, refused))

-- It still does its work beside them.
local function works(text)
  local done, message = timeout(30, pcall, function()
    local n = network.create { name = "more", archetype = "ip", subnet = "10.2.0.0/24" }
    local e = n:endpoint { { name = "a" }, { name = "b" } }
    expect(e[1]:ping(e[2]))
    n:delete()
  end)
  tap.ok(done, text, message, done or (file.read(lab.connection().hello.state_dir .. "/agent.log") or ""):sub(-1500))
end

-- Each of these texts as what an endpoint is to be.
for i, text in ipairs(texts) do
  state:transact { { op = "insert", table = "Endpoint", row = row_of("Endpoint", { name = "e" .. i, doomed = false,
    network = state:network("good")._uuid, node = lab.here(), mac = "02:00:00:00:01:" .. ("%02x"):format(i), options = text,
    allocated = text }) } }
end
works "another network can be made and deleted meanwhile"

-- All of it taken away again: what it was is gone, too.
local mine <const> = { good = true }
local operations <const> = {}
for _, name in ipairs { "Change", "Status", "Service", "Switch" } do operations[#operations + 1] = { op = "delete", table = name, where = {} } end
for uuid, row in pairs(state.rows.Network) do
  if not mine[row.name] then operations[#operations + 1] = { op = "delete", table = "Network", where = { { "_uuid", "==", uuid } } } end
end
for uuid, row in pairs(state.rows.Endpoint) do
  if row.name ~= "h1" and row.name ~= "h2" then operations[#operations + 1] = { op = "delete", table = "Endpoint", where = { { "_uuid", "==", uuid } } } end
end
for uuid, row in pairs(state.rows.Node) do
  if row.name ~= lab.here() then operations[#operations + 1] = { op = "delete", table = "Node", where = { { "_uuid", "==", uuid } } } end
end
for uuid, row in pairs(state.rows.Archetype) do
  if row.digest:sub(1, 1) == "d" and #row.digest < 60 then
    operations[#operations + 1] = { op = "delete", table = "Archetype", where = { { "_uuid", "==", uuid } } }
  end
end
local cleared, message = state:transact(operations)
tap.ok(cleared, "the rows go again", message)
works "and then, too"
tap.eq(good:verify(), {}, "the network is as it is wanted")
tap.ok(h[1]:ping(h[2]), "and works")
system.same_inventory(empty, nil, "nothing else is left")
tap.done()
