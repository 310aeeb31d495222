-- A machine starts again: every namespace, link, pin, cgroup and process of the instance is gone, the state
-- directory is there. Then a database that is gone or broken: it is refused, and restored from its copy.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local faults <const> = require "support.faults"
local crash <const> = require "support.crash"

local state <const> = system.state()
local _ <close> = state
require("nerv.context").options.state = state.path
local log <const> = state.path .. "/test.log"
local db <const> = state.path .. "/nerv.db"

-- The daemon: nobody else starts it.
local agent
local function start()
  agent = assert(process.spawn { argv = { process.exe(), "--agent", "--state", state.path }, stdin = "null",
    stdout = "null", stderr = { file = log, append = true }, session = true })
  return tap.eventually(20, function() return crash.agent(require("nerv.context").run_dir(state.id)) == agent.pid end)
end

local function kill_all()
  agent:kill "KILL"
  agent:wait()
  local group = require("nerv.instance").cgroup(state.id)
  assert(cgroup.kill(group))
end

-- What the kernel forgets.
local function reboot(bed)
  local instances = { lab.connection().hello.instance }
  for _, name in ipairs(bed and bed.names or {}) do instances[#instances + 1] = node.get(name).instance end
  lab.leave()
  kill_all()
  for i = #instances, 1, -1 do require("nerv.instance").clean_remains(instances[i]) end
  return instances
end

tap.ok(start(), "a daemon")
assert(link.add { kind = "veth", name = "up0", peer = { name = "up1" } })
node.here():update { egress = { up0 = "shared" } }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64",
  gateway = true, dhcp = true, dns = true }
blue:endpoint { { name = "a" }, { name = "b", address = "10.1.0.77" }, { name = "c" } }
blue:delete_endpoints { "a" }
network.create { name = "red", archetype = "bridge" }:endpoint { { name = "r" } }
local violet <const> = network.create { name = "violet", archetype = "sdn", subnet = "10.3.0.0/24" }
violet:endpoint { { name = "v1" }, { name = "v2" } }
local bed <const> = testbed.create { nodes = 2 }
local green <const> = network.create { name = "green", archetype = "ip", subnet = "10.2.0.0/24", home = "pm1", dhcp = true }
green:endpoint { { name = "g1", node = "pm1" }, { name = "g2", node = "pm2" } }

-- Instances of a testbed's nodes are others after a reboot: their state directories were in the run directory. A device
-- of Open vSwitch has an address of chance.
local function picture()
  local lines = {}
  for _, line in ipairs(faults.picture(faults.place(bed))) do
    if not line:find "link ovs%-netdev " then lines[#lines + 1] = line:gsub("nerv:%x+:", "nerv:ID:") end
  end
  return lines
end

local function same_again(before, text)
  local differences
  tap.eventually(25, function()
    local good, now = pcall(picture)
    differences = good and faults.differences(before, now) or { tostring(now) }
    return #differences == 0
  end)
  tap.eq(differences, {}, text)
  local works = tap.eventually(10, function()
    return green:get("g1"):ping(green:get "g2") and violet:get("v1"):ping(violet:get "v2")
  end)
  tap.ok(works and blue:get("b"):ping(blue:get "c"), text .. ": and works")
end

local place <const> = faults.place(bed)
faults.settled(place)
local before <const> = picture()
local instances <const> = reboot(bed)
local left <const> = link.list { alias_prefix = "nerv:" .. instances[1] }
tap.ok(#left == 0 and not file.stat(require("nerv.context").run_dir(state.id)), "nothing of it is left", left)
tap.ok(start(), "the daemon starts again")
same_again(before, "the same networks, addresses, MAC addresses and tags")

-- Runs the agent to its end; what it says.
local function refused(...)
  local result = system.nervsh { "--agent", "--state", state.path, ... }
  return result.exit == 1 and result.stderr or ("exit %s: %s"):format(result.exit, result.stderr)
end

local function indices()
  local list = {}
  for _, l in ipairs(link.list { alias_prefix = "nerv:" .. state.id .. ":" }) do list[#list + 1] = l.name .. l.index end
  table.sort(list)
  return list
end

tap.ok(tap.eventually(10, function() return file.stat(db .. ".good") end), "there is a copy of the database")
tap.like(refused "--restore", "an agent runs on .*: end it first", "it is not put over one that is in use")

-- The copy follows what changes.
blue:endpoint { name = "late" }
local _, late = nil, blue:get("late").mac
tap.ok(tap.eventually(15, function() return (file.read(db .. ".good") or ""):find(late, 1, true) end),
  "the copy follows a change")
faults.settled(faults.place(bed))
local full <const>, links <const> = picture(), indices()

local function spoil(text, change, complaint)
  lab.leave()
  kill_all()
  change()
  local spoiled = file.read(db)
  local said = refused()
  tap.ok(said:find(complaint, 1, true) and said:find("nervsh --agent --restore --state " .. state.path, 1, true)
    and said:find(db, 1, true), text .. ": it is refused, with what helps", said)
  tap.eq(file.read(db), spoiled, text .. ": and left as it is")
  local restored = system.nervsh { "--agent", "--restore", "--state", state.path }
  tap.ok(restored.exit == 0 and restored.stdout:find(db .. " is its copy of", 1, true), text .. ": --restore", restored)
  local aside
  for _, name in ipairs(file.list(state.path)) do
    if name:find "%.broken%-" then aside = state.path .. "/" .. name end
  end
  tap.eq(aside and file.read(aside), spoiled, text .. ": the broken file is kept")
  if aside then file.remove(aside) end
  tap.ok(start(), text .. ": the daemon starts")
  same_again(full, text .. ": all is there")
  tap.eq(indices(), links, text .. ": the links on the node are the same ones")
end

spoil("gone", function() file.remove(db) end, "is gone")
spoil("a byte changed", function()
  local text = file.read(db)
  local middle = text:find("\nOVSDB JSON ", #text // 2, true) or #text // 2
  assert(file.write(db, text:sub(1, middle + 100) .. "#" .. text:sub(middle + 102)))
end, "is broken")
spoil("emptied", function() assert(file.write(db, "")) end, "is broken")

-- The end of the last record is missing: nobody was told that it was written.
lab.leave()
kill_all()
local text = file.read(db)
assert(file.write(db, text:sub(1, -20)))
tap.ok(start(), "a torn end is no reason to refuse")
same_again(full, "a torn end")

blue:delete()
network.get("red"):delete()
green:delete()
bed:delete()
lab.leave()
agent:kill "TERM"
agent:wait()
assert(link.delete { name = "up0" })
tap.done()
