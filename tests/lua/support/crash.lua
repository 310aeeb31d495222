-- What the tests of crashes share: the processes of a lab by their records, numbered frames between
-- two endpoints, and pictures of what a node, or a whole machine, has of an instance.
local protocol <const> = require "nerv.protocol"
local tap <const> = require "tap"

local M = {}

-- IEEE 802.1: local experiments.
local ETHERTYPE <const> = 0x88b5

--- The pid of a service by its agent's record, or nil.
function M.service(run_dir, id)
  local record = json.decode(file.read(("%s/services/%s.json"):format(run_dir, id)) or "")
  return record and record.pid
end

--- The pid of the agent that answers on a node's socket, or nil.
function M.agent(run_dir)
  local hello = protocol.call(run_dir .. "/agent.sock", { call = "hello" })
  return hello and hello.pid
end

--- Processes of this lab and of its node pm1, each a function that gives the pid.
function M.processes()
  local here = lab.connection().hello.run_dir
  local function nve_of(name)
    return function() return M.service(node.get(name).run_dir, "node " .. name .. ".nve") end
  end
  local function agent_of(name)
    return function() return M.service(here, "testbed." .. name) end
  end
  return {
    lab = function() return M.agent(here) end,
    database = function() return M.service(here, "agent.database") end,
    pm1 = agent_of "pm1", pm2 = agent_of "pm2", pm1_nve = nve_of "pm1", pm2_nve = nve_of "pm2",
  }
end

--- Sends a signal to processes, as close together as can be.
function M.signal(pids, name)
  local handles = {}
  for i, pid in ipairs(pids) do handles[i] = assert(process.adopt(pid)) end
  for _, handle in ipairs(handles) do handle:kill(name) end
end

--- Waits until every agent of the lab answers and each process is another than it was.
-- @return whether they are
function M.restarted(processes, former)
  return tap.eventually(25, function()
    for name, pid in pairs(former) do
      local now = processes[name]()
      if not now or now == pid or not process.exists(now) then return false end
    end
    for _, n in ipairs(node.list()) do
      if n.state ~= "active" or not M.agent(n.run_dir) then return false end
    end
    return lab.connection().state.db:connected()
  end)
end

-- Frames that this machine has dropped because the queue of a processor was full (net.core.netdev_max_backlog): all
-- namespaces share it, so floods of other tests fill it, too.
local function dropped()
  local sum = 0
  for line in assert(file.read "/proc/net/softnet_stat"):gmatch "[^\n]+" do
    sum = sum + tonumber(line:match "^%x+ (%x+)", 16)
  end
  return sum
end

--- Sends numbered frames from one endpoint to another, about 200 a second, at least 200, until
-- :stop(), which returns how many were sent and how many of them did not come, but for as many as the machine dropped
-- meanwhile.
function M.flow(from, to)
  local function bytes_of(mac)
    return (mac:gsub(":", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
  end
  local head = bytes_of(to.mac) .. bytes_of(from.mac) .. (">I2"):pack(ETHERTYPE)
  local out = assert(packet.open { netns = from.netns, link = "eth0", protocol = 1 })
  local into = assert(packet.open { netns = to.netns, link = "eth0", protocol = ETHERTYPE })
  local flow = { sent = 0, got = 0, dropped = dropped() }
  local came, stopped = {}, false
  local sender = task.spawn(function()
    while not stopped do
      assert(out:send(head .. (">I4"):pack(flow.sent + 1) .. ("\0"):rep(42)))
      flow.sent = flow.sent + 1
      sleep(0.005)
    end
  end)
  local receiver = task.spawn(function()
    while true do
      local frame = into:recv()
      if not frame then return end
      local number = (">I4"):unpack(frame, 15)
      if not came[number] then flow.got = flow.got + 1 end
      came[number] = true
    end
  end)
  function flow:stop()
    tap.eventually(5, function() return self.sent >= 200 end)
    stopped = true
    sender:wait()
    tap.eventually(2, function() return self.got == self.sent end)
    receiver:cancel()
    receiver:join()
    out:close()
    into:close()
    local lost, excused = self.sent - self.got, dropped() - self.dropped
    if lost > 0 then tap.note(("%d frames are missing; the machine dropped %d"):format(lost, excused)) end
    return self.sent, math.max(0, lost - excused)
  end
  return flow
end

local function link_lines(lines, where)
  for _, l in ipairs(link.list { netns = where }) do
    lines[#lines + 1] = ("link %s %s index %d mac %s mtu %d up %s master %s group %d peer %s"):format(l.name,
      l.alias, l.index, l.mac, l.mtu, l.up, l.master, l.group, l.peer_index)
  end
end

--- What a node has: its links with index, address and alias, the endpoints' namespaces by their
-- inode with their interface and addresses, the switch's ports and entries with their handles.
-- @return lines
function M.picture(bed, name)
  local n, lines = node.get(name), {}
  link_lines(lines, bed:netns(name))
  for _, path in ipairs(netns.list(n.run_dir .. "/ns")) do
    local id = path:match("[^/]+$")
    lines[#lines + 1] = ("namespace %s inode %d"):format(id, file.stat(path).ino)
    local nic = link.get { netns = path, name = "eth0" }
    lines[#lines + 1] = ("  %s: eth0 index %d mac %s mtu %d up %s"):format(id, nic.index, nic.mac, nic.mtu, nic.up)
    for _, a in ipairs(address.list { netns = path }) do
      lines[#lines + 1] = ("  %s: address %s on %s"):format(id, a.address, a.link)
    end
  end
  local sw = nve.open(name)
  for _, port in ipairs(sw:ports()) do
    lines[#lines + 1] = ("port %d interface %s"):format(port.number, port.interface)
  end
  for _, t in ipairs { "tags", "ingress_ports", "uplinks" } do
    for _, e in ipairs(sw.tables[t]:dump()) do
      lines[#lines + 1] = ("entry %s %s handle %d -> %s %s"):format(t, table.concat(e.key, ","), e.handle,
        e.action, table.concat(e.data, ","))
    end
  end
  sw:close()
  for i, line in ipairs(lines) do lines[i] = name .. ": " .. line end
  return lines
end

--- Two pictures are equal; shows the lines that differ.
function M.same_picture(before, now, text)
  local count, differences = {}, {}
  for _, line in ipairs(before) do count[line] = (count[line] or 0) + 1 end
  for _, line in ipairs(now) do count[line] = (count[line] or 0) - 1 end
  for line, n in pairs(count) do
    if n ~= 0 then differences[#differences + 1] = (n > 0 and "gone: " or "new:  ") .. line end
  end
  return tap.ok(#differences == 0, text, table.unpack(differences))
end

--- Packets that the entries of a node's switch have matched, by "TABLE HANDLE".
function M.counters(name)
  local sw, counts = nve.open(name), {}
  for _, t in ipairs { "tags", "ingress_ports" } do
    for _, e in ipairs(sw.tables[t]:dump()) do
      counts[t .. " " .. e.handle] = sw.tables[t]:counter(e.handle).packets
    end
  end
  sw:close()
  return counts
end

--- Whether each counter is at least what it was.
function M.went_on(before, now)
  for key, value in pairs(before) do
    if not now[key] or now[key] < value then return false, key end
  end
  return true
end

--- What this lab is, for a look at the machine when it has gone: its instances with their
-- directories, its processes. Plain data.
function M.anatomy()
  local here = lab.connection().hello
  local result = { instances = { here.instance }, run_dirs = { here.run_dir }, state_dir = here.state_dir, pids = {} }
  local function pids_of(instance)
    for _, pid in ipairs(cgroup.pids(cgroup.root() .. "/nerv-" .. instance) or {}) do
      result.pids[#result.pids + 1] = pid
    end
  end
  result.pids[1] = here.pid
  pids_of(here.instance)
  for _, n in ipairs(node.list()) do
    if n.instance ~= here.instance then
      result.instances[#result.instances + 1] = n.instance
      result.run_dirs[#result.run_dirs + 1] = n.run_dir
      pids_of(n.instance)
    end
  end
  return result
end

--- What is left on this machine of a lab that should have gone.
-- @tparam table anatomy what M.anatomy() said of it
-- @return texts
function M.remains(anatomy)
  local left = {}
  local function add(...) left[#left + 1] = (...):format(select(2, ...)) end
  for _, instance in ipairs(anatomy.instances) do
    for _, l in ipairs(link.list { alias_prefix = "nerv:" .. instance .. ":" }) do add("link %s", l.name) end
    local group = cgroup.root() .. "/nerv-" .. instance
    if file.stat(group) then add("cgroup %s", group) end
  end
  for _, pid in ipairs(anatomy.pids) do
    if process.exists(pid) then add("process %d", pid) end
  end
  local mounts = file.read "/proc/self/mounts"
  for _, dir in ipairs(anatomy.run_dirs) do
    if mounts:find(" " .. dir .. "/", 1, true) then add("mount below %s", dir) end
    if file.stat(dir) then add("directory %s", dir) end
  end
  if file.stat(anatomy.state_dir) then add("directory %s", anatomy.state_dir) end
  return left
end

--- Nothing of the lab is left within some seconds.
function M.all_gone(anatomy, seconds, text)
  tap.eventually(seconds, function() return #M.remains(anatomy) == 0 end)
  return tap.eq(M.remains(anatomy), {}, text)
end

return M
