-- The same script twice in the same state directory: the same names of interfaces, addresses, MAC addresses and tags.
-- And a lab whose state directory was removed under it is no hindrance for the next one there.
local tap <const> = require "tap"
local system <const> = require "support.system"

local SCRIPT <const> = [[
  local bed = testbed.create { nodes = 2 }
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
  local red = network.create { name = "red", archetype = "bridge" }
  blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm2" } }
  blue:delete_endpoints { "h1" }
  blue:endpoint { { name = "h4", node = "pm1" } }
  red:endpoint { { name = "h1" }, { name = "a-name-that-is-too-long-for-an-interface" } }
  local lines = {}
  local function add(...) lines[#lines + 1] = (...):format(select(2, ...)) end
  local function links(where, ns)
    for _, l in ipairs(expect(link.list { netns = ns })) do
      if l.name ~= "lo" then add("%s link %s mac %s", where, l.name, l.mac) end
    end
  end
  for _, n in ipairs(node.list()) do
    local ns = n.name:find "^pm" and bed:netns(n.name) or nil
    for _, l in ipairs(link.list { netns = ns, alias_prefix = "nerv:" .. n.instance .. ":" }) do
      add("%s link %s mac %s", n.name, l.name, l.mac)
    end
    if ns then links(n.name, ns) end
  end
  links("trunk", bed:netns "trunk")
  for _, net in ipairs { blue, red } do
    add("%s tag %d port %d", net.name, net.ports.data.tag, net.ports.data.number)
    for _, e in ipairs(net:endpoints()) do
      add("%s address %s mac %s", e.id, e.address or "none", e.mac)
      links(e.id, e.netns)
    end
  end
  table.sort(lines)
  print(table.concat(lines, "\n"))
]]

local first_place <const>, other_place <const> = system.directory(), system.directory()

local function run(directory)
  local result = system.nervsh({ "-e", SCRIPT }, { env = { NERV_STATE = directory.path .. "/state" } })
  tap.ok(result.exit == 0 and result.stderr == "", "the script runs", result.stderr)
  return result.stdout
end

local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

local first <const> = run(first_place)
tap.ok(count(first, " link ") >= 20, "it has links", first)
tap.eq(run(first_place), first, "the same script in the same state directory makes the same")
local other <const> = run(other_place)
tap.ok(other ~= first, "in another state directory the names of interfaces are others")
local function rest(text) return (text:gsub("[^\n]* link [^\n]*\n", "")) end
tap.eq(rest(other), rest(first), "tags, addresses and MAC addresses of endpoints are the same there, too")
for mac in first:gmatch "mac (%S+)" do
  if not mac:find "^0[26]:" then tap.ok(false, "a MAC address that the kernel chose", mac) end
end

local holders = {}
for holder, mac in first:gmatch "([^\n]* link %S+) mac (%S+)" do
  if (holders[mac] or holder) ~= holder then tap.ok(false, "one MAC address for two links", holder, holders[mac]) end
  holders[mac] = holder
end

-- The state directory goes while all processes are killed.
local lost <const> = { NERV_STATE = other_place.path .. "/lost" }
local NET <const> = [[
  local net = network.create { name = "blue", archetype = "bridge" }
  net:endpoint { name = "h1" }
]]
local result = system.nervsh({ "-e", NET .. [[
  local agent = lab.connection().hello
  print(agent.instance)
  io.stdout:flush()
  process.adopt(agent.pid):kill "KILL"
  process.adopt(process.self()):kill "KILL"
  sleep(10)]] }, { env = lost })
local id <const> = result.stdout:match "%x+"
tap.ok(#link.list { alias_prefix = ("nerv:%s:"):format(id) } > 0, "a lab that was killed leaves links", result)
file.remove_tree(lost.NERV_STATE)
result = system.nervsh({ "-e", NET .. "print(#net:verify())" }, { env = lost })
tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "0\n", "" }, "the next one there makes the same anew")
tap.eq(link.list { alias_prefix = ("nerv:%s:"):format(id) }, {}, "nothing is left of the former one")
tap.ok(not file.stat(require("nerv.context").run_dir(id)), "nor its run directory")
tap.eq(file.list(first_place.path), {}, "no state is left")
file.remove_tree(first_place.path)
file.remove_tree(other_place.path)
tap.done()
