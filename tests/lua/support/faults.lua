-- Rounds of faults: a call of another shell is disturbed at a random instant, then everything must be
-- as it was before the call or as the call wants it, object by object, by other eyes than NERV's.
--
-- The walk goes through states of one network, "red": each state has a picture, taken once while
-- nobody disturbs. Two bystander networks carry traffic all the time.
local crash <const> = require "support.crash"
local tap <const> = require "tap"

local M = {}

-- Seconds in which a call must end, and in which everything must be mended after it.
M.CALL_LIMIT, M.MEND_LIMIT = 20, 25

local function described(n)
  local row = node.get(n.name)
  n.instance, n.run_dir = row.instance, row.run_dir
  return n
end

--- Where rounds happen: this lab's own node, or the nodes of a testbed.
-- @return { nodes = those where the networks are, all = these and the lab's own }: { name, netns, instance, run_dir }
function M.place(bed)
  local here = described { name = lab.here() }
  local place = { nodes = bed and {} or { here }, all = { here } }
  for i, name in ipairs(bed and bed.names or {}) do
    place.nodes[i] = described { name = name, netns = bed:netns(name) }
    place.all[i + 1] = place.nodes[i]
  end
  return place
end

local function ip(where)
  local result = assert(process.run { argv = { "ip", "-j", "-d", "-batch", "-" }, netns = where,
    input = "address show\nroute show table all\n" })
  local links, routes = result.stdout:match("^(%[.-%])%s*\n(%[.*%])%s*$")
  return json.decode(links or "[]"), json.decode(routes or "[]")
end

local function add(lines, ...) lines[#lines + 1] = (...):format(select(2, ...)) end

local function has(list, word)
  for _, one in ipairs(list) do
    if one == word then return "yes" end
  end
  return "no"
end

local function kernel_lines(lines, title, where)
  local links, routes = ip(where)
  for _, l in ipairs(links) do
    add(lines, "%s link %s %s alias %s mac %s mtu %d up %s master %s kind %s", title, l.ifname, l.link or "-",
      l.ifalias or "-", l.address or "-", l.mtu, has(l.flags, "UP"), l.master or "-",
      l.linkinfo and l.linkinfo.info_kind or "-")
    for _, a in ipairs(l.addr_info or {}) do
      add(lines, "%s address %s %s/%d", title, l.ifname, a["local"] or "?", a.prefixlen or 0)
    end
  end
  for _, r in ipairs(routes) do
    local late = r.type == "local" and r.dst:find "^fe80:"   -- comes a second or two after its address
    if not late then
      add(lines, "%s route %s %s via %s dev %s table %s", title, r.type or "-", r.dst, r.gateway or "-", r.dev or "-",
        r.table or "main")
    end
  end
  local sysctls <const> = { "net.ipv4.ip_forward", "net.ipv6.conf.all.disable_ipv6" }
  for _, name in ipairs(where and sysctls or {}) do
    add(lines, "%s %s = %s", title, name, sysctl.get { netns = where, name = name })
  end
end

local function namespace_lines(lines, n)
  for _, name in ipairs(file.list(n.run_dir .. "/ns") or {}) do
    local path = n.run_dir .. "/ns/" .. name
    add(lines, "%s namespace %s", n.name, name)
    if netns.exists(path) then kernel_lines(lines, n.name .. " " .. name, path)
    else add(lines, "%s %s is no namespace", n.name, name) end
  end
end

-- What runs in the cgroups of services and endpoints: program, and the namespace it is in.
local function process_lines(lines, n)
  local base = ("%s/nerv-%s"):format(cgroup.root(), n.instance)
  for _, part in ipairs { "services", "endpoints" } do
    for _, id in ipairs(cgroup.list(("%s/%s"):format(base, part)) or {}) do
      local programs = {}
      for _, pid in ipairs(cgroup.pids(("%s/%s/%s"):format(base, part, id)) or {}) do
        local name = (file.read(("/proc/%d/comm"):format(pid)) or "?"):match("[^\n]*")
        programs[#programs + 1] = name
      end
      table.sort(programs)
      add(lines, "%s %s %s: %s", n.name, part, id, table.concat(programs, " "))
    end
  end
end

local function file_lines(lines, n)
  for _, dir in ipairs(file.list(n.run_dir .. "/files") or {}) do
    for _, name in ipairs(file.list(("%s/files/%s"):format(n.run_dir, dir)) or {}) do
      add(lines, "%s file %s/%s: %s", n.name, dir, name,
        (file.read(("%s/files/%s/%s"):format(n.run_dir, dir, name)) or "?"):gsub("\n", " "))
    end
  end
end

local function table_lines(lines, n)
  if #node.get(n.name).egress == 0 then return end
  local sw <const> = assert(nve.open(n.name))
  for _, port in ipairs(assert(sw:ports())) do add(lines, "%s port %d %s", n.name, port.number, port.interface) end
  for _, t in ipairs { "tags", "ingress_ports", "uplinks" } do
    for _, e in ipairs(assert(sw.tables[t]:dump())) do
      add(lines, "%s entry %s %s -> %s %s", n.name, t, table.concat(e.key, ","), e.action, table.concat(e.data, ","))
    end
  end
  sw:close()
end

local function sorted_json(text)
  local value = json.decode(text) or {}
  local parts = {}
  for k, v in pairs(value) do parts[#parts + 1] = k .. "=" .. tap.show(v) end
  table.sort(parts)
  return table.concat(parts, " ")
end

local rows <const> = {
  Node = function(row) return ("%s %s"):format(row.name, row.state) end,
  Network = function(row)
    return ("%s %s home %s options %s parked %s %s"):format(row.name, row.archetype, row.home,
      sorted_json(row.options), sorted_json(row.parked), row.doomed and "doomed" or "")
  end,
  Endpoint = function(row, state)
    local net = state.rows.Network[row.network]
    return ("%s:%s on %s mac %s options %s allocated %s %s"):format(net and net.name, row.name, row.node, row.mac,
      sorted_json(row.options), sorted_json(row.allocated), row.doomed and "doomed" or "")
  end,
  Allocation = function(row) return row.scope == "link group" and row.scope or row.scope .. "=" .. row.value end,
  Port = function(row) return ("%s tag %d number %d"):format(row.name, row.tag, row.number) end,
  Status = function(row) return ("%s on %s: %s %s"):format(row.owner, row.node, row.state, row.error) end,
  Service = function(row) return ("%s %s %s"):format(row.node, row.name, row.state) end,
  Switch = function(row) return ("%s %s %s"):format(row.node, row.name, row.program) end,
}

--- What the nodes and the database have, as lines: what changes by itself (indices, handles, pids, link
-- groups) is left out, so that the same thing made again gives the same line.
function M.picture(place)
  local lines, state = {}, lab.state()
  for table_name, show in pairs(rows) do
    for _, row in ipairs(state:list(table_name)) do add(lines, "row %s %s", table_name, (show(row, state))) end
  end
  for _, n in ipairs(place.all) do
    kernel_lines(lines, n.name, n.netns)
    namespace_lines(lines, n)
    process_lines(lines, n)
    file_lines(lines, n)
    table_lines(lines, n)
  end
  table.sort(lines)
  return lines
end

--- Lines that one picture has and the other has not.
function M.differences(want, have)
  local count, list = {}, {}
  for _, line in ipairs(want) do count[line] = (count[line] or 0) + 1 end
  for _, line in ipairs(have) do count[line] = (count[line] or 0) - 1 end
  for line, n in pairs(count) do
    if n ~= 0 then list[#list + 1] = (n > 0 and "gone: " or "new:  ") .. line end
  end
  table.sort(list)
  return list
end

-- The states of the network "red" and the calls that lead from one to another. `to` names what
-- there may be after the call, the last one when it succeeded: a script may make several calls.
local CREATE <const> = [[network.create { name = "red", archetype = "ip", home = N1, subnet = "10.3.0.0/24",
  gateway = true, dhcp = true, dns = true, mtu = 1500 }]]
local FILL <const> = [[network.get "red":endpoint { { name = "e1", node = N1 }, { name = "e2", node = N2 },
  { name = "e3", node = N3 } }]]
local MORE <const> = [[network.get "red":endpoint { { name = "m1", node = N1 }, { name = "m2", node = N2 },
  { name = "m3", node = N3 }, { name = "m4", node = N1 } }]]

M.CALLS = {
  { from = "none", to = { "bare", "base" }, text = "create network and endpoints", code = CREATE .. "\n" .. FILL },
  { from = "base", to = { "more" }, text = "add endpoints", code = MORE },
  { from = "more", to = { "base" }, text = "delete endpoints",
    code = [[network.get "red":delete_endpoints { "m1", "m2", "m3", "m4" }]] },
  { from = "base", to = { "tuned" }, text = "update options",
    code = [[network.get "red":update { mtu = 1400, dhcp = false }]] },
  { from = "tuned", to = { "base" }, text = "update options back",
    code = [[network.get "red":update { mtu = 1500, dhcp = true }]] },
  { from = "base", to = { "bridged" }, text = "exchange ip for bridge",
    code = [[network.get "red":update { archetype = "bridge" }]] },
  { from = "bridged", to = { "base" }, text = "exchange bridge for ip",
    code = [[network.get "red":update { archetype = "ip" }]] },
  { from = "base", to = { "moved" }, text = "move the home", code = [[network.get "red":update { home = N2 }]], nodes = 2 },
  { from = "moved", to = { "base" }, text = "move the home back",
    code = [[network.get "red":update { home = N1 }]], nodes = 2 },
  { from = "base", to = { "none" }, text = "delete network", code = [[network.get "red":delete()]] },
}
-- Only to get away from what a disturbed script left.
local FINISH <const> = { from = "bare", to = { "base" }, text = "add the first endpoints", code = FILL }

local function nodes_of(place)
  local head = {}
  for i = 1, 3 do head[i] = ("local N%d = %q"):format(i, place.nodes[(i - 1) % #place.nodes + 1].name) end
  return table.concat(head, " ") .. "\n"
end

-- A shell that makes a call: it says when it begins and how it ended.
local CALLER <const> = [[
lab.connection()
io.stdout:write "ready\n" io.stdout:flush()
local began = runtime.now()
local good, message = pcall(function() %s end)
io.stdout:write(json.encode { good = good, message = tostring(message), took = runtime.now() - began }, "\n")
io.stdout:flush()
]]

local Caller = {}
Caller.__index = Caller

function M.call(place, code)
  local child = assert(process.spawn { argv = { process.exe(), "-e", CALLER:format(nodes_of(place) .. code) },
    stdin = "null", stdout = "pipe", stderr = "inherit" })
  local caller = setmetatable({ child = child, text = "" }, Caller)
  caller.ready = caller:line(M.CALL_LIMIT) == "ready"
  caller.began = runtime.now()
  return caller
end

-- The next line that it writes; nil at its end or when the time is over.
function Caller:line(seconds)
  local reader <close> = task.spawn(function()
    while not self.text:find("\n", 1, true) do
      local bytes = self.child.stdout:read()
      if not bytes then return nil end
      self.text = self.text .. bytes
    end
    local line, rest = self.text:match("^([^\n]*)\n(.*)$")
    self.text = rest
    return line
  end)
  return reader:join(seconds) and reader:wait() or nil
end

--- How the call ended: { good, message, took }, or nil when the shell is dead or the time is over.
function Caller:result(seconds)
  local line = self:line(seconds)
  return line and json.decode(line)
end

--- Waits for the shell's end; kills it when it does not come.
function Caller:close()
  if not self.child:wait(5) then self.child:kill "KILL" end
  self.child:wait()
  self.child.stdout:close()
end

--- Walks through all states undisturbed.
-- @return pictures by state; seconds that each call takes
function M.reference(place)
  local pictures, seconds = { none = M.picture(place) }, {}
  local function go(call, state)
    local began = runtime.now()
    local good, message = pcall(load(nodes_of(place) .. call.code, "=call"))
    seconds[call.text] = runtime.now() - began
    tap.ok(good, call.text .. ", undisturbed", message)
    local picture = M.settled(place, pictures[state])
    if pictures[state] then tap.eq(M.differences(pictures[state], picture), {}, call.text .. " leads to what there was")
    else pictures[state] = picture end
  end
  go({ text = "create network", code = CREATE }, "bare")
  go(FINISH, "base")
  for _, call in ipairs(M.CALLS) do
    if call.from ~= "none" and (call.nodes or 1) <= #place.nodes then go(call, call.to[#call.to]) end
  end
  go(M.CALLS[1], "base")
  return pictures, seconds
end

--- The picture once it has come to rest: rows of services follow a moment later.
function M.settled(place, want)
  local picture = M.picture(place)
  tap.eventually(5, function()
    sleep(0.05)
    local next_one = M.picture(place)
    local still = #M.differences(picture, next_one) == 0
    picture = next_one
    return still and (not want or #M.differences(want, picture) == 0)
  end)
  return picture
end

--- The state whose picture is that of now, waiting for it.
-- @tparam table states names of those that may be
-- @return its name, or nil; seconds that it took; differences from each
function M.state(place, pictures, states, seconds)
  local began, picture = runtime.now(), nil
  local found = tap.eventually(seconds, function()
    local good, result = pcall(M.picture, place)   -- a process that is just dying, a switch that is away
    if not good then return false end
    picture = result
    for _, name in ipairs(states) do
      if #M.differences(pictures[name], picture) == 0 then return name end
    end
  end)
  local differences = {}
  for _, name in ipairs(not found and picture and states or {}) do
    differences[name] = M.differences(pictures[name], picture)
  end
  return found, runtime.now() - began, differences
end

--- Processes of a place that may be struck: name -> function that gives the pid or nil.
function M.victims(place, home)
  local here = lab.connection().hello
  local victims = { database = function() return crash.service(here.run_dir, "agent.database") end }
  for _, n in ipairs(place.all) do
    victims["agent " .. n.name] = function() return crash.agent(n.run_dir) end
    if #node.get(n.name).egress > 0 then
      victims["nve " .. n.name] = function() return crash.service(n.run_dir, "node " .. n.name .. ".nve") end
    end
  end
  victims.driver = function()
    for _, n in ipairs(node.list()) do
      local hello = require("nerv.protocol").call(n.run_dir .. "/agent.sock", { call = "hello" })
      if hello and hello.drives then return hello.pid end
    end
  end
  victims.dnsmasq = function()
    for _, n in ipairs(place.nodes) do
      local pid = crash.service(n.run_dir, home .. ".dnsmasq")
      if pid then return pid end
    end
  end
  return victims
end


-- Traffic of the bystanders: numbered raw frames in a bridge network and pings in an ip network.
local Traffic = {}
Traffic.__index = Traffic

--- Begins the bystanders' traffic.
function M.traffic(place, directory)
  local first, last = place.nodes[1].name, place.nodes[#place.nodes].name
  local green = network.create { name = "green", archetype = "bridge", home = last }
  local blue = network.create { name = "blue", archetype = "ip", subnet = "10.2.0.0/24", gateway = true, dhcp = true,
    dns = true, home = first }
  local g = green:endpoint { { name = "g1", node = first }, { name = "g2", node = last } }
  local b = blue:endpoint { { name = "b1", node = first }, { name = "b2", node = last } }
  local t = setmetatable({ log = directory .. "/ping", networks = { blue, green } }, Traffic)
  assert(b[1]:ping(b[2]))
  t.flow = crash.flow(g[1], g[2])
  t.ping = assert(process.spawn { argv = { "ping", "-n", "-i", "0.01", b[2].address }, netns = b[1].netns,
    stdin = "null", stdout = { file = t.log }, stderr = "null" })
  return t
end

function Traffic:stop()
  self.ping:kill "INT"
  self.ping:wait()
  local sent, lost = self.flow:stop()
  local text, last, longest = file.read(self.log), 0, 0
  for number in text:gmatch "icmp_seq=(%d+)" do
    number = tonumber(number)
    longest, last = math.max(longest, number - last - 1), math.max(last, number)
  end
  return { frames = sent, frames_lost = lost, pings = last, longest_gap = longest,
    summary = text:match "(%d+ packets transmitted[^\n]*)" }
end

-- What happens to the victim.
local function choose_means(random, long)
  local dice = random(100)
  if dice <= 50 then return { text = "killed", signal = "KILL" } end
  local means = { text = "stopped", signal = "STOP", seconds = random(50, 1000) / 1000,
    later = dice <= 85 and "CONT" or "KILL" }
  if long() then means.seconds, means.text = nil, "stopped until the call ends" end
  if means.later == "KILL" then means.text = means.text .. ", then killed" end
  return means
end

-- The call that has been made least often, of those that lead on from a state.
local function choose_call(state, made, place, random)
  local best = {}
  for _, call in ipairs(M.CALLS) do
    if call.from == state and (call.nodes or 1) <= #place.nodes then
      local fewest = best[1] and made[best[1].text] or 0
      local count = made[call.text] or 0
      if best[1] and count < fewest then best = {} end
      if not best[1] or count <= fewest then best[#best + 1] = call end
    end
  end
  local call = best[1] and best[random(#best)] or FINISH
  made[call.text] = (made[call.text] or 0) + 1
  return call
end

-- States in which the network may be after a call that ended like this.
local function allowed(call, result)
  local states = { table.unpack(call.to) }
  if result and result.good then return { states[#states] } end
  if result and not result.message:find("outcome", 1, true) then states[#states] = nil end
  table.insert(states, 1, call.from)
  return states
end

local function names_the_node(message, place)
  if message:find("database", 1, true) then return true end
  for _, n in ipairs(place.nodes) do
    if message:find("node " .. n.name, 1, true) then return true end
  end
  return false
end

local function signal(pid, name)
  local handle = pid and process.adopt(pid)
  if handle then handle:kill(name) end
end

-- Strikes a victim in the middle of a call.
-- @return how the call ended
local function strike(place, call, pid, means, delay)
  local caller = M.call(place, call.code)
  sleep(delay)
  pid = pid or caller.child.pid
  signal(pid, means.signal)
  local result
  if means.seconds then sleep(means.seconds) end
  if means.later and means.seconds then signal(pid, means.later) end
  result = caller:result(M.CALL_LIMIT + 15)
  local ended = runtime.now() - caller.began
  if means.later and not means.seconds then signal(pid, means.later) end
  local alive = caller.child:running()
  if pid == caller.child.pid and not means.seconds and means.later then
    result = caller:result(M.CALL_LIMIT + 15)
  end
  caller:close()
  return result, ended, alive
end

-- What the agents said last.
local function show_logs(place)
  local here = lab.connection().hello
  for i, n in ipairs(place.all) do
    local text = file.read(i == 1 and here.state_dir .. "/agent.log"
      or ("%s/log/testbed.%s.log"):format(here.run_dir, n.name)) or ""
    for line in text:sub(-3000):gmatch "[^\n]+" do tap.note(n.name .. ": " .. line) end
  end
end

--- Rounds of faults, from the state "base".
-- @tparam function random as math.random
function M.rounds(place, pictures, seconds, count, random)
  local victims, names, made, state = M.victims(place, "red"), { "shell", "shell" }, {}, "base"
  for name in pairs(victims) do names[#names + 1] = name end
  table.sort(names)
  local hits, next_long, slowest = {}, 10, 0
  for i = 1, count do
    local call = choose_call(state, made, place, random)
    local name = names[random(#names)]
    local means = choose_means(random, function()
      if name == "shell" or i < next_long then return false end
      next_long = i + 20
      return true
    end)
    local pid = victims[name] and victims[name]()
    local text = ("round %d: %s, %s %s"):format(i, call.text, name, means.text)
    local delay = random(0, 1200) / 1000 * (seconds[call.text] or 0.1)
    if name == "shell" or pid then
      local flow = place.traffic.flow
      local lost = flow.sent - flow.got
      local result, ended, alive = strike(place, call, pid, means, delay)
      if name ~= "shell" then
        tap.ok(result and ended < M.CALL_LIMIT and (result.good or names_the_node(result.message, place)),
          ("%s after %.0f ms: the call ended after %.1f s with %s"):format(text, delay * 1000, ended,
            result and (result.good and "success" or result.message) or "nothing"), result, alive)
      end
      local now, took, differences = M.state(place, pictures, allowed(call, result), M.MEND_LIMIT)
      tap.ok(now, ("%s: it is %s after %.1f s"):format(text, now or "neither as before nor as asked", took),
        differences)
      lost = flow.sent - flow.got - lost
      if lost > 2 then tap.note(("%s: %d frames are missing"):format(text, lost)) end
      slowest = math.max(slowest, took)
      hits[name] = (hits[name] or 0) + 1
      if not now then
        show_logs(place)
        return hits, slowest
      end
      state = now
    end
  end
  return hits, slowest
end

--- A generator whose seed is told and can be given.
function M.generator()
  local seed = math.tointeger(tonumber(os.getenv "NERV_SEED" or digest.random(3), os.getenv "NERV_SEED" and 10 or 16))
  tap.note("NERV_SEED=" .. seed)
  math.randomseed(seed)
  return math.random
end

--- All of it in one place: traffic, the walk, the rounds, the end.
function M.run(place, count)
  local random = M.generator()
  local directory <close> = require("support.system").directory()
  place.traffic = M.traffic(place, directory.path)
  local pictures, seconds = M.reference(place)
  local hits, slowest = M.rounds(place, pictures, seconds, count, random)
  local parts = {}
  for name, n in pairs(hits) do parts[#parts + 1] = name .. " " .. n end
  table.sort(parts)
  tap.note(("struck: %s; the slowest mending %.1f s"):format(table.concat(parts, ", "), slowest))
  local seen = place.traffic:stop()
  tap.ok(seen.frames_lost == 0, ("no raw frame of another network was lost (%d of %d)"):format(seen.frames_lost,
    seen.frames))
  tap.ok(seen.longest_gap <= 1, ("pings of another network went on: %s, longest gap %d ms"):format(seen.summary,
    seen.longest_gap * 10))
  if network.get "red" then network.get "red":delete() end
  tap.eq(M.differences(pictures.none, M.settled(place, pictures.none)), {}, "nothing leaked")
  for _, net in ipairs(place.traffic.networks) do net:delete() end
end

return M
