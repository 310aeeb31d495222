--- Open vSwitch of a node: daemons of its own, under the supervisor, from the first need of them to the last; or the
-- system's, of which only what carries our mark is ever touched.
--
-- Two ovs-vswitchd do not fit into one network namespace: their datapaths have the same name. So a machine whose system
-- runs one uses that, by `ovs = "system"` in the agent's settings.
--
-- In user space frames of another end of a veth come with the checksum of their TCP left to the device, and go on so:
-- whoever gets them drops them. Our own daemon reads and writes what the kernel knows of that ("userspace-tso"), 4.1
-- Gbit/s within a node with two cores. A system's daemon may have been started without it; then the other ends compute
-- checksums themselves ("checksum off"), 0.4 Gbit/s.
local config <const> = require "nerv.config"
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local link <const> = require "nerv.link"
local looks <const> = require "nerv.openflow.looks"
local ovsdb <const> = require "nerv.ovsdb"
local process <const> = require "nerv.process"
local runtime <const> = require "nerv.runtime"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

local Vswitch = {}
Vswitch.__index = Vswitch
local M = {}

-- Where Debian's packages have the schema and the system's daemons their sockets.
local SCHEMA <const> = "/usr/share/openvswitch/vswitch.ovsschema"
local SYSTEM_DIR <const> = "/run/openvswitch"
local TABLES <const> = { "Open_vSwitch", "Bridge", "Port", "Interface", "Controller", "QoS" }
-- Seconds that the daemons get to do what the database says, and to be there again when they died.
local LIMIT <const> = 30
-- Seconds that a daemon which was killed may take to be gone.
local DYING <const> = 2
-- Device of every datapath in user space.
local USER_DEVICE <const> = "ovs-netdev"
-- Bytes that may wait at each port and on the way out of our own daemon in user space. The kernel's default holds two
-- or three of the large frames that come with offloads: measured across nodes at 1 Gbit/s, 0.86 of it with 30,000
-- frames sent again in 3 s, and 0.98 with none.
local BUFFER <const> = 8 << 20
-- Names of our two services, in the order of their start.
local SERVICES <const> = { "database", "daemon" }
-- How often our daemon says how its interfaces and controllers are, in milliseconds. It says so at once when it is told
-- another interval: so there are two.
local INTERVAL <const>, OTHER_INTERVAL <const> = "60000", "60001"
-- Seconds that it takes to write what it says.
local WRITING <const> = 0.02

--- @tparam table node see agent/node.lua
function M.new(node)
  local system = context.options.ovs == "system"
  local own = node.run_dir .. "/ovs"
  return setmetatable({ node = node, system = system, dir = system and SYSTEM_DIR or own,
    sockets = system and SYSTEM_DIR .. "/nerv-" .. node.instance or own, renewed = {} }, Vswitch)
end

--- The row of the whole switch, once there is a connection.
function Vswitch:root() return (select(2, next(self.db.rows.Open_vSwitch))) end

local function has_module() return file.stat "/sys/module/openvswitch" ~= nil end

-- "system" where the kernel has a datapath, else "netdev".
local function probe_datapath()
  if not has_module() then process.run { argv = { "modprobe", "-q", "openvswitch" }, stderr = "null" } end
  return has_module() and "system" or "netdev"
end

--- The type of datapath of this node's bridges: "system" in the kernel, "netdev" in user space.
function Vswitch:datapath()
  self.datapath_type = self.datapath_type or probe_datapath()
  return self.datapath_type
end

function Vswitch:in_user_space() return self:datapath() == "netdev" end

--- How TCP is made to work: "kernel", "userspace-tso" or "checksum off".
function Vswitch:offload()
  if not self:in_user_space() then return "kernel" end
  return self:root().other_config["userspace-tso-enable"] == "true" and "userspace-tso" or "checksum off"
end

local function answers(path)
  local connection = file.stat(path) and stream.connect { path = path, timeout = 1 }
  if connection then connection:close() end
  return connection and true or false
end

--- Connects to the database if it runs; one that dies comes back, and the connection with it.
-- @return true; nil, message, code when there is none
function Vswitch:connect()
  local path = self.dir .. "/db.sock"
  if not self.db then
    if not answers(path) then return nil, ("no Open vSwitch answers at %s"):format(path), "ENOENT" end
    local db, message, code = ovsdb.connect { remote = "unix:" .. path, database = "Open_vSwitch",
      tables = TABLES }
    if not db then return nil, message, code end
    self.db, self.by = db, {}
    for _, name in ipairs { "Bridge", "Port", "Interface" } do self.by[name] = db:by(name, { "name" }) end
  end
  local limit = runtime.now() + LIMIT
  while not self.db:connected() and runtime.now() < limit do task.sleep(0.02) end
  local connected, why = self.db:connected()
  if not connected then return nil, why, "timeout" end
  return true
end

--- Whether its database answers now.
function Vswitch:answers() return self.db ~= nil and self.db:connected() == true end

--- The rows of a table, {} when Open vSwitch does not run here.
-- @raise when it should run and does not answer: what it has is not known
function Vswitch:rows(table_name)
  local good, message, code = self:connect()
  if good then return self.db.rows[table_name] end
  if code ~= "ENOENT" then error("Open vSwitch: " .. message, 0) end
  return {}
end

--- The row of a name in table Bridge, Port or Interface, or nil.
-- @raise as rows()
function Vswitch:find(table_name, name)
  self:rows(table_name)
  return self.db and select(2, next(self.by[table_name][name] or {})) or nil
end

local function paths(dir)
  return { file = dir .. "/conf.db", socket = dir .. "/db.sock", control = dir .. "/ovsdb-server.ctl",
    daemon = dir .. "/ovs-vswitchd.ctl" }
end

-- What this node has once, of no network. The daemon would read all routes and links anew whenever a link comes or
-- goes.
local function service(self, name)
  local p = paths(self.dir)
  local quiet <const> = { "--no-chdir", "-vconsole:warn", "-vsyslog:off", "-vfile:off" }
  local argv = { "ovs-vswitchd", "unix:" .. p.socket, "--unixctl=" .. p.daemon, "--disable-system-route" }
  if name == "database" then
    argv = { "ovsdb-server", p.file, "--remote=punix:" .. p.socket, "--unixctl=" .. p.control }
  end
  table.move(quiet, 1, #quiet, #argv + 1, argv)
  return { id = "vswitch", name = name, kind = "vswitch", argv = argv, stop = 5, env = { OVS_RUNDIR = self.dir },
    ready = name == "database" and p.socket or p.daemon }
end

-- An empty database: what is wanted is known, and what a former one holds may be wanted no more.
local function make_database(p)
  file.remove(p.file)
  local result, message, code = process.run { argv = { "ovsdb-tool", "create", p.file, SCHEMA } }
  if not result then return nil, message, code end
  if result.exit ~= 0 then return nil, "ovsdb-tool: " .. result.stderr:match("[^\n]*"), "EXIT" end
  return true
end

-- Certificates for controllers at "ssl:" addresses, when the node has any.
local function tls_operations()
  local tls = config.tls()
  if not file.stat(tls.certificate) then return {} end
  return { { op = "insert", table = "SSL", uuid_name = "tls",
    row = { ca_cert = tls.ca, certificate = tls.certificate, private_key = tls.key } } }
end

-- The first row, before the daemon reads it: that it knows offloads cannot be told later.
local function fill(self)
  if self:root() then return true end
  local operations = tls_operations()
  operations[#operations + 1] = { op = "insert", table = "Open_vSwitch", row = {
    ssl = operations[1] and ovsdb.named "tls" or nil, external_ids = { ["system-id"] = self.node.instance },
    other_config = { ["userspace-tso-enable"] = tostring(self:in_user_space()),
      ["stats-update-interval"] = INTERVAL } } }
  local good, message, code = self.db:transact(operations)
  if not good then return nil, message, code end
  return true
end

-- Whether some process has a device of a datapath in user space open: it outlives a daemon that was killed.
local function is_open(name)
  local have = link.get { name = name }
  return have ~= nil and have.carrier
end

-- Devices that a daemon of ours left when it was killed. Each bridge has a socket in its directory.
local function remove_devices(dir)
  for _, entry in ipairs(file.list(dir) or {}) do
    local name = entry == "conf.db" and USER_DEVICE or entry:match("^(.+)%.mgmt$")
    if name and link.get { name = name } and not is_open(name) then link.delete { name = name } end
  end
end

-- Whether another daemon has a datapath here; one of ours that was killed may need a moment to die.
local function other_there(self)
  local limit = runtime.now() + DYING
  local there
  repeat
    if self:in_user_space() then there = is_open(USER_DEVICE) else there = answers(SYSTEM_DIR .. "/db.sock") end
    if there then task.sleep(0.02) end
  until not there or runtime.now() > limit
  return there
end

local function start_own(self)
  local p = paths(self.dir)
  if not self.db and not answers(p.socket) then
    if not answers(p.daemon) and other_there(self) then
      return nil, "another Open vSwitch runs in this network namespace: `ovs = \"system\"` in the agent's settings " ..
        "uses it", "EBUSY"
    end
    if not answers(p.daemon) then remove_devices(self.dir) end
    local good, message, code = file.mkdir(self.dir, { parents = true, mode = 488 })
    if good then good, message, code = make_database(p) end
    if not good then return nil, message, code end
  end
  for _, name in ipairs(SERVICES) do
    local good, message, code = self.node.supervisor:start(service(self, name))
    if good and name == "database" then good, message, code = self:connect() end
    if good and name == "database" then good, message, code = fill(self) end
    if not good then return nil, message, code end
  end
  return true
end

-- What ports have so that the daemon leaves the shaping of their interfaces alone: it would take it away. The row is
-- nobody's part, so it has an owner of its own.
local HANDS_OFF <const>, QOS_OWNER <const> = "linux-noop", "qos"

--- The row of table QoS that ports of ours refer to.
function Vswitch:hands_off()
  for _, row in pairs(self:rows "QoS") do
    if self:owner_of(row) == QOS_OWNER then return row._uuid end
  end
end

local function make_hands_off(self)
  if self:hands_off() then return true end
  return self:apply { { op = "insert", table = "QoS", row = { type = HANDS_OFF,
    external_ids = self:mark(QOS_OWNER) } } }
end

-- Takes what is ours out of a system's database: bridges, with all that is theirs, and what ports refer to.
local function leave_system(self)
  local gone = {}
  for _, row in pairs(self:connect() and self:rows "Bridge" or {}) do
    if self:owner_of(row) then gone[#gone + 1] = row._uuid end
  end
  if #gone > 0 then
    self:apply { { op = "mutate", table = "Open_vSwitch", where = { { "_uuid", "==", self:root()._uuid } },
      mutations = { { "bridges", "delete", gone } } } }
  end
  local qos = self.db and self:hands_off()   -- once no port refers to it
  if qos then self:apply { { op = "delete", table = "QoS", where = { { "_uuid", "==", qos } } } } end
end

--- Starts the daemons, or takes them over that run.
-- @return true, or nil, message, code
function Vswitch:start()
  local good, message, code
  if self.system then good, message, code = self:connect() else good, message, code = start_own(self) end
  if good then good, message, code = file.mkdir(self.sockets, { parents = true, mode = 488 }) end
  if good then good, message, code = self:apply {} end
  if good then good, message, code = make_hands_off(self) end
  if not good then return nil, message, code end
  return true
end

--- Whether the daemons have been started by this agent or taken over.
function Vswitch:runs()
  return self.db ~= nil and (self.system or self.node.supervisor:runs(service(self, "daemon")))
end

--- Takes over what a former agent left. What the database says is taken for what there is, so a daemon that has died
-- meanwhile is started again for it.
-- @return whether they run
function Vswitch:adopt()
  return self:runs() or answers(paths(self.dir).socket) and self:start() ~= nil
end

-- Removes the directory of our sockets, but for those that somebody serves: a relay that has been taken over before the
-- daemon that it is for is started again.
local function remove_dead(dir)
  for _, entry in ipairs(file.list(dir) or {}) do
    if not answers(dir .. "/" .. entry) then file.remove(dir .. "/" .. entry) end
  end
  file.remove(dir)   -- once it is empty
end

--- Ends our own daemons; leaves the system's.
function Vswitch:stop()
  self.management:close_all()
  if self.system then leave_system(self) end
  if self.db then self.db:close() end
  self.db, self.by = nil, nil
  for i = #SERVICES, 1, -1 do
    local good, message, code = true, nil, nil
    if not self.system then good, message, code = self.node.supervisor:stop(service(self, SERVICES[i])) end
    if not good then return nil, message, code end
  end
  if not self.system then remove_devices(self.dir) end
  remove_dead(self.sockets)
  return true
end

--- Removes what a dead agent's instance left in Open vSwitch, when its processes have ended: the devices of its own
-- daemons; in the system's what carries its mark.
function M.clean(id, run_dir)
  remove_devices(run_dir .. "/ovs")
  local sockets = SYSTEM_DIR .. "/nerv-" .. id
  if not file.stat(sockets) then return end
  local system = setmetatable({ dir = SYSTEM_DIR, node = { instance = id } }, Vswitch)
  leave_system(system)
  if system.db then system.db:close() end
  file.remove_tree(sockets)
end

--- The mark of what is ours in the database, and whose it is.
function Vswitch:mark(owner) return { nerv = self.node.instance .. ":" .. owner } end

--- The owner of a row that carries our mark, or nil.
function Vswitch:owner_of(row)
  local id, owner = (row.external_ids.nerv or ""):match("^(%x+):(.+)$")
  return id == self.node.instance and owner or nil
end

-- Waits until the daemon has done what configuration `number` says.
local function followed(self, watch, number)
  local limit = runtime.now() + LIMIT
  while runtime.now() < limit do
    local root = self.db:connected() and self:root()
    if root and root.cur_cfg >= number then return true end
    watch:all(0.5)
  end
  return nil, ("ovs-vswitchd has not done within %d s what the database says"):format(LIMIT), "timeout"
end

--- Runs a transaction that the daemon is to follow.
-- @return the results, the number of the configuration; or nil, message, code
function Vswitch:commit(operations)
  local good, message, code = self:connect()
  if not good then return nil, message, code end
  local root = self:root()
  if not root then return nil, "Open vSwitch has no configuration yet", "ENOENT" end
  local all = table.move(operations, 1, #operations, 1, {})
  local only = { { "_uuid", "==", root._uuid } }
  all[#all + 1] = { op = "mutate", table = "Open_vSwitch", where = only, mutations = { { "next_cfg", "+=", 1 } } }
  all[#all + 1] = { op = "select", table = "Open_vSwitch", where = only, columns = { "next_cfg" } }
  local results
  results, message, code = self.db:transact(all)
  if not results then return nil, message, code end
  return results, results[#all].rows[1].next_cfg
end

--- The same, and waits until it has.
function Vswitch:apply(operations)
  local good, message, code = self:connect()
  if not good then return nil, message, code end
  local watch <close> = self.db:watch { "Open_vSwitch" }
  local results, number
  results, number, code = self:commit(operations)
  if not results then return nil, number, code end
  good, message, code = followed(self, watch, number)
  if not good then return nil, message, code end
  return results
end

--- Notes that a bridge does other things with frames than before.
-- @tparam string bridge its name
function Vswitch:note(bridge) self.changed = bridge end

--- Waits until the daemon, which answers before, does so with all frames.
function Vswitch:look_through()
  local bridge <const> = self.changed
  self.changed = nil
  if not bridge or not self:answers() then return end
  local socket <const> = self.system and looks.system_socket(self.dir) or paths(self.dir).daemon
  local good, why = looks.through(socket, bridge)
  if not good then self.node.log("what Open vSwitch remembers of flows: " .. why) end
end

--- How many interfaces the daemon has: each costs it 0.2 ms when it is to say how its controllers are, and in user
-- space it carries no frames meanwhile.
function Vswitch:interfaces()
  local count = 0
  for _ in pairs(self:answers() and self.db.rows.Interface or {}) do count = count + 1 end
  return count
end

--- Has our own daemon say now how its controllers are, in table Controller; the system's says it when it likes.
-- @tparam number seconds that it gets
function Vswitch:refresh(seconds)
  local root = not self.system and self:answers() and self:root()
  if not root then return end
  local watch <close> = self.db:watch { "Open_vSwitch", "Controller" }
  local interval = root.other_config["stats-update-interval"] == INTERVAL and OTHER_INTERVAL or INTERVAL
  local results, number = self:commit { { op = "mutate", table = "Open_vSwitch",
    where = { { "_uuid", "==", root._uuid } }, mutations = { { "other_config", "delete", { "stats-update-interval" } },
      { "other_config", "insert", { ["stats-update-interval"] = interval } } } } }
  local limit = runtime.now() + seconds
  while results and runtime.now() < limit and self.db:connected() and self:root() do
    if self:root().cur_cfg >= number then return watch:all(WRITING) end
    watch:all(seconds)
  end
end

--- Gives the sockets that our daemon has by now the buffers that they need: those of its ports, and the one by which it
-- sends, which it opens with the first frame.
function Vswitch:enlarge_buffers()
  local pid = not self.system and self:in_user_space() and self.node.supervisor:pid(service(self, "daemon"))
  local descriptors = pid and #(file.list(("/proc/%d/fd"):format(pid)) or {})
  if not pid or self.enlarged == descriptors then return end
  local count, message = process.packet_buffers(pid, BUFFER)
  self.enlarged = count and descriptors
  if not count then self.node.log("Open vSwitch's buffers stay as they are: " .. message) end
end

--- The daemon has been started again.
function Vswitch:restarted()
  self.enlarged = nil
  if self:apply {} then self:enlarge_buffers() end
end

return M
