-- What NERV did not make survives whatever NERV does beside it: bridges, veths, filters, an Open vSwitch
-- with its database, a container engine with its packet filters and settings, namespaces, cgroups, processes and
-- files, some of which look like NERV's own. Another lab that runs: see side_by_side.lua.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"
local crash <const> = require "support.crash"
local docker_like <const> = require "support.docker_like"
local kernel <const> = require "support.kernel"

-- Nobody else's names: 6 hex digits of chance.
local TAG <const> = digest.random(3)
local function named(what) return "f" .. what .. TAG end

local place <close> = system.directory()
local made <const> = {}       -- functions that take away, newest last
local function take_away()
  while #made > 0 do
    local good, message = table.remove(made)()
    if good == nil and message then tap.note("taking away: " .. tostring(message)) end
  end
end
local _ <close> = setmetatable({}, { __close = take_away })
local function undo(f, ...)
  local arguments = table.pack(...)
  made[#made + 1] = function() return f(table.unpack(arguments, 1, arguments.n)) end
end

local function run(...)
  local result = assert(process.run { argv = { ... } })
  if result.exit ~= 0 then error(table.concat({ ... }, " ") .. ": " .. result.stderr) end
  return result.stdout
end

local watched <const> = { [named "br"] = true }
local function add_veth(options)
  options.kind = "veth"
  watched[options.name], watched[options.peer.name] = true, true
  assert(link.add(options))
  undo(link.delete, { name = options.name })
end

-- A bridge with two ports, addresses on it, a filter on a port and a shaped one.
local bridge <const>, port1 <const>, port2 <const> = named "br", named "p", named "q"
assert(link.add { kind = "bridge", name = bridge, up = true })
undo(link.delete, { name = bridge })
add_veth { name = port1, master = bridge, up = true, peer = { name = named "x", up = true } }
add_veth { name = port2, master = bridge, up = true, mtu = 1400, peer = { name = named "y", mtu = 1400 } }
assert(address.add { link = bridge, address = "198.51.100.1/28" })
assert(address.add { link = named "x", address = "203.0.113.9/30" })
run("tc", "qdisc", "add", "dev", port1, "clsact")
run("tc", "filter", "add", "dev", port1, "ingress", "bpf", "bytecode", "1,6 0 0 0,")
run("tc", "filter", "add", "dev", port1, "egress", "prio", "7", "bpf", "bytecode", "1,6 0 0 0,")
assert(qdisc.add { link = port2, kind = "tbf", rate = 5000000, burst = 20000, latency = 0.05 })

-- Two that the switch will use as ports to the outside, one with filters of its own.
local filtered <const>, plain <const> = named "m", named "n"
add_veth { name = filtered, up = true, peer = { name = named "o", up = true } }
add_veth { name = plain, up = true, peer = { name = named "r", up = true } }
run("tc", "qdisc", "add", "dev", filtered, "clsact")
run("tc", "filter", "add", "dev", filtered, "ingress", "prio", "9", "bpf", "bytecode", "1,6 0 0 0,")
run("tc", "filter", "add", "dev", filtered, "egress", "prio", "9", "bpf", "bytecode", "1,6 0 0 4294967295,")

-- A container engine, and packet filters of others with names like ours.
local engine <const> = docker_like.start()
undo(engine.remove, engine)
for _, name in ipairs(engine.links) do watched[name] = true end
local tables <const> = {}
if nftables.supported() then
  tables[1], tables[2] = "ip nerv-0badcafe-10.1.0.0/24", "ip6 nerv-" .. TAG
  for _, name in ipairs(tables) do
    assert(nftables.run { commands = ("add table %s; add chain %s out { type filter hook output priority 0; }; add rule %s out accept")
      :format(name, name, name) })
    undo(nftables.run, { commands = "delete table " .. name })
  end
end

-- Veths that look like ours: another instance's alias, no instance at all.
add_veth { name = named "a", alias = "nerv:0badcafe:blue:h1", group = 0x40001234, peer = { name = named "b" } }
add_veth { name = named "c", alias = "nerv:", peer = { name = named "d", alias = "nervous" } }

-- Namespaces: a named one with an interface, and one of Open vSwitch.
local ns <const>, ovs_ns <const> = named "ns", named "ovs"
for _, name in ipairs { ns, ovs_ns } do
  assert(netns.add { path = name, lo_up = true })
  undo(netns.delete, { path = name })
end
add_veth { name = named "e", peer = { name = "inner", netns = ns, up = true } }
assert(address.add { netns = ns, link = "inner", address = "10.1.0.2/24" })

-- Open vSwitch with a database, a directory and a namespace of its own.
local ovs <const> = place.path .. "/ovs"
local function ovs_run(...)
  local result = assert(process.run { argv = { ... }, add_env = { OVS_RUNDIR = ovs }, netns = ovs_ns })
  if result.exit ~= 0 then error(table.concat({ ... }, " ") .. ": " .. result.stderr) end
  return result.stdout
end
local function daemon(...)
  local child = assert(process.spawn { argv = { ... }, add_env = { OVS_RUNDIR = ovs }, netns = ovs_ns,
    stdin = "null", stdout = { file = ovs .. "/log", append = true }, stderr = "stdout" })
  undo(function()
    child:kill "TERM"
    if not child:wait(10) then child:kill "KILL" end
  end)
  return child
end
file.mkdir(ovs)
run("ovsdb-tool", "create", ovs .. "/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
daemon("ovsdb-server", "--remote=punix:" .. ovs .. "/db.sock", "--unixctl=" .. ovs .. "/db.ctl", "--no-chdir",
  "-vconsole:warn", "-vfile:off", "-vsyslog:off", ovs .. "/conf.db")
local database <const> = "unix:" .. ovs .. "/db.sock"
assert(tap.eventually(10, function() return stream.connect { path = ovs .. "/db.sock" } end), "ovsdb-server does not start")
ovs_run("ovs-vsctl", "--db=" .. database, "--no-wait", "init")
local vswitchd <const> = daemon("ovs-vswitchd", database, "--unixctl=" .. ovs .. "/v.ctl", "--no-chdir",
  "-vconsole:warn", "-vfile:off", "-vsyslog:off")
ovs_run("ovs-vsctl", "--db=" .. database, "--timeout=20", "add-br", "fovs", "--", "set", "bridge", "fovs",
  "datapath_type=netdev", "external_ids:nerv=0badcafe", "--", "add-port", "fovs", "tap1", "--", "set",
  "interface", "tap1", "type=internal")
ovs_run("ovs-ofctl", "add-flow", "fovs", "priority=7,ip,actions=drop")

-- A cgroup with a process in it, and one that is named like ours.
local group <const>, alike <const> = cgroup.root() .. "/" .. named "cg", cgroup.root() .. "/nerv-" .. named "cg"
for _, path in ipairs { group, alike } do
  assert(cgroup.create(path))
  undo(cgroup.remove, path)
end
local sleeper <const> = assert(process.spawn { argv = { "sleep", "1000" }, cgroup = group, netns = ns })
undo(function()
  sleeper:kill "KILL"
  sleeper:wait()
end)

-- Files in NERV's run directory: loose ones, a directory named like an instance, and one that points
-- to a state directory which is no lab's.
local root <const> = require("nerv.context").run_root()
file.mkdir(root, { parents = true })
local foreign_state <const> = system.write(place.path, "state", "not a directory\n")
for name, text in pairs { [named "file"] = "text\n", ["0badcafe"] = false, ["0badf00d"] = foreign_state .. "\n",
  [named "dir"] = foreign_state .. "\n" } do
  local path = root .. "/" .. name
  if name ~= named "file" then
    file.mkdir(path)
    undo(file.remove_tree, path)
    path = path .. "/state"
  else
    undo(file.remove, path)
  end
  file.write(path, text or "/nonexistent\n")
end

local function link_lines(lines, where)
  local ours = {}
  for _, l in ipairs(link.list { netns = where }) do
    if where or watched[l.name] then
      ours[#ours + 1] = l
      lines[#lines + 1] = ("link %s index %d kind %s mac %s mtu %d up %s carrier %s master %s group %d alias %s"):format(
        l.name, l.index, l.kind, l.mac, l.mtu, l.up, l.carrier, l.master, l.group, l.alias)
    end
  end
  for _, l in ipairs(ours) do
    for _, a in ipairs(address.list { netns = where }) do
      if a.link == l.name then lines[#lines + 1] = ("address %s on %s"):format(a.address, l.name) end
    end
  end
end

-- Counts of packets are no part of what something is.
local function without_counts(text)
  return (text:gsub("n_packets=%d+", ""):gsub("n_bytes=%d+", ""):gsub("duration=[%d.]+s", "")
    :gsub("idle_age=%d+", ""))
end

local function picture()
  local lines = {}
  link_lines(lines)
  link_lines(lines, ns)
  link_lines(lines, ovs_ns)
  for _, name in ipairs { port1, port2, filtered, plain } do
    lines[#lines + 1] = run("tc", "qdisc", "show", "dev", name)
    lines[#lines + 1] = run("tc", "filter", "show", "dev", name, "ingress")
    lines[#lines + 1] = run("tc", "filter", "show", "dev", name, "egress")
  end
  for _, line in ipairs(engine:lines()) do lines[#lines + 1] = line end
  for _, name in ipairs(tables) do lines[#lines + 1] = run("nft", "-a", "list", "table", table.unpack({ name:match "(%S+) (%S+)" })) end
  lines[#lines + 1] = ovs_run("ovs-vsctl", "--db=" .. database, "show")
  lines[#lines + 1] = ovs_run("ovs-vsctl", "--db=" .. database, "list", "bridge")
  lines[#lines + 1] = without_counts(ovs_run("ovs-ofctl", "dump-flows", "fovs"))
  for _, name in ipairs { ns, ovs_ns } do
    lines[#lines + 1] = ("namespace %s inode %d"):format(name, file.stat("/run/netns/" .. name).ino)
  end
  for _, path in ipairs { group, alike } do
    lines[#lines + 1] = ("cgroup %s inode %d processes %d"):format(path, file.stat(path).ino, #cgroup.pids(path))
  end
  lines[#lines + 1] = ("processes %s %s"):format(sleeper:running(), vswitchd:running())
  for _, name in ipairs { named "file", "0badcafe/state", "0badf00d/state", named "dir" .. "/state" } do
    local stat = file.stat(root .. "/" .. name)
    lines[#lines + 1] = ("file %s inode %d mtime %s %q"):format(name, stat.ino, stat.mtime, file.read(root .. "/" .. name))
  end
  lines[#lines + 1] = file.read(foreign_state)
  return lines
end

-- A flow's or a link's first moments are over when two looks agree.
local before
assert(tap.eventually(10, function()
  local former = before
  before = picture()
  return former and table.concat(former) == table.concat(before)
end), "the foreign things do not come to rest")

tap.ok(engine:works(), "the containers reach each other")

local function survives(text) return crash.same_picture(before, picture(), text .. ": everything foreign is as it was") end

-- The lab, beside it all.
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/16" }
local specs = {}
for i = 1, 60 do specs[i] = { name = "h" .. i } end
blue:endpoint(specs)
survives "a network with endpoints"

-- Now that the network's group and names are known: veths in that group and with nearly such names.
local ours <const> = link.list { alias_prefix = "nerv:" .. lab.connection().hello.instance .. ":blue:h1" }[1]
add_veth { name = named "g", group = lab.state():network("blue").link_group, alias = "somebody's", up = true,
  peer = { name = named "h", group = lab.state():network("blue").link_group, up = true } }
add_veth { name = ours.name:sub(1, -2) .. (ours.name:sub(-1) == "0" and "1" or "0"), alias = named "alike",
  peer = { name = named "i" } }
assert(tap.eventually(5, function() return link.get { name = named "g" }.running end))
before = picture()

-- A network with all that it may have, and as another archetype; `plain` is a foreign interface.
local white <const> = network.create { name = "white", archetype = "ip", subnet = "172.29.0.0/24", subnet6 = "fd00:1::/64",
  gateway = true, dhcp = true, dns = true, uplink = plain, uplink_address = "198.51.100.33/24", uplink_router = "198.51.100.40",
  routes = { ["10.9.0.0/16"] = "172.29.0.7" } }
white:endpoint { { name = "w1" }, { name = "w2" } }
survives "a network with gateway and uplink, and with the engine's addresses"
-- The engine's filter may be in the way, where it sees bridged frames: README says which rule lets them through.
local h1 <const>, h2 <const> = blue:get "h1", blue:get "h2"
if not h1:ping(h2) then
  tap.like(file.read(lab.connection().hello.state_dir .. "/agent.log"), "the packet filter sees what passes bridges [^\n]*table ip ",
    "the agent's log says that it is")
  local way <const> = kernel.ours(nil, lab.connection().hello.instance, "blue", "bridge").ifname
  local chain <const> = engine.tables[2]:match "%S+$"
  local said <const> = run("nft", "-a", "-e", "insert", "rule", "ip", chain, "FORWARD", "iifname", way, "oifname", way, "accept")
  tap.ok(h1:ping(h2), "with a rule for its bridge a network's endpoints reach each other")
  run("nft", "delete", "rule", "ip", chain, "FORWARD", "handle", said:match "handle (%d+)")
end
white:update { inbound = true, dns = false, mtu = 1400, uplink_address = "198.51.100.34/24", routes = {} }
survives "it is changed"
white:update { archetype = "bridge" }
survives "it is exchanged for another one"
white:update { archetype = "ip" }
survives "and back"

local names = {}
for i = 1, 50 do names[i] = "h" .. i end
blue:delete_endpoints(names)
survives "endpoints deleted"
local bed = testbed.create { nodes = 2 }
local red = network.create { name = "red", archetype = "ip", subnet = "10.1.0.0/24", home = "pm1" }
red:endpoint { { name = "r1", node = "pm1" }, { name = "r2", node = "pm2" }, { name = "r3" } }
tap.ok(red:get("r1"):ping(red:get "r2"), "a testbed's endpoints reach each other")
survives "a testbed"

local processes = crash.processes()
local former = { lab = processes.lab(), pm1 = processes.pm1() }
crash.signal({ former.lab, former.pm1 }, "KILL")
tap.ok(crash.restarted(processes, former), "agents killed and started again")
survives "agents killed"
tap.eq(#blue:verify() + #red:verify() + #white:verify(), 0, "nothing had to be mended")
white:delete()
survives "it is deleted"

-- A lab that died beside this one while its switch had foreign interfaces for ports, and `clean`.
do
  local state <close> = system.state()
  local dead = system.nervsh({ "-e", ([[
    local crash = require "support.crash"
    node.here():update { egress = { %s = "shared", %s = "dedicated" } }
    local net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
    net:endpoint { { name = "h1" }, { name = "h2" } }
    local anatomy = crash.anatomy()
    print(json.encode(anatomy))
    io.stdout:flush()
    table.insert(anatomy.pids, process.self())
    crash.signal(anatomy.pids, "KILL")
    sleep(10)]]):format(filtered, plain) }, { env = state.env })
  local anatomy = json.decode(dead.stdout)
  tap.eq(dead.name or dead.signal, "SIGKILL", "another lab is killed")
  tap.ok(run("tc", "filter", "show", "dev", plain, "ingress") ~= "", "its switch's filters are there still")
  local cleaned = system.nervsh { "-c", "clean" }
  tap.eq(cleaned.stdout, "removed " .. state.path .. "\n", "clean removes that lab and nothing else")
  crash.all_gone(anatomy, 5, "nothing of that lab is left")
  survives "clean"
end

red:delete()
bed:delete()
blue:delete()
survives "everything deleted"

-- The switch takes foreign interfaces as its ports, and gives them back.
local here <const> = node.here()
local function edge(egress)
  here:update { egress = egress }
  local green = network.create { name = "green", archetype = "bridge" }
  green:endpoint { name = "e1" }
  local before_crash = processes.lab()
  crash.signal({ before_crash, crash.service(here.run_dir, "node " .. here.name .. ".nve") }, "KILL")
  tap.ok(crash.restarted(processes, { lab = before_crash }), "agent and switch killed and started again")
  tap.eq(#green:verify(), 0, "nothing had to be mended")
  local filters = run("tc", "filter", "show", "dev", filtered, "ingress")
  tap.ok(filters:find("pref 9 ", 1, true), "the foreign filter is there beside the switch's own", filters)
  return green
end
local green = edge { [filtered] = "shared", [plain] = "dedicated" }
green:delete()
here:update { egress = {} }
survives "the switch's ports given back"
edge { [filtered] = "dedicated", [plain] = "shared" }

local anatomy <const> = crash.anatomy()
lab.leave()
crash.all_gone(anatomy, 5, "nothing of NERV is left")
survives "the lab ended"
tap.ok(engine:works(), "the containers reach each other still")
local left = {}
for _, name in ipairs(file.list(root)) do
  if name ~= "0badcafe" and name ~= "0badf00d" and not name:find(TAG, 1, true) then left[#left + 1] = name end
end
if os.getenv "NERV_RUN" then tap.eq(left, {}, "the run directory holds the foreign files only") end

take_away()
tap.done()
