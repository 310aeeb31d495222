-- A software-defined network over two nodes whose controller is changed in place: the built-in one, ovs-testcontroller, an
-- application of os-ken, and ones that run elsewhere, by TCP and by TLS. Endpoints stay, and each controller carries TCP.
-- With sanitizers in check-long only.
local tap <const> = require "tap"
local system <const> = require "support.system"

local HERE <const> = file.realpath(arg[0]):match "^(.*)/system/"
local APP <const> = HERE .. "/lua/support/learning_switch.py"

-- Agents get the certificates of their nodes by their environment: so this program runs again, with that.
local tls <const> = os.getenv "NERV_TLS"
if not tls then
  local dir <close> = system.directory()
  local state <close> = system.state()
  local made <const> = process.run { argv = { HERE .. "/../scripts/make-ca", dir.path, "node", "controller" } }
  if made.exit ~= 0 then error(made.stderr) end
  state.env.NERV_TLS = dir.path .. "/node"
  local child <const> = process.run { argv = { process.exe(), arg[0] }, add_env = state.env }
  io.write(child.stdout)
  io.stderr:write(child.stderr)
  if child.exit ~= 0 or #state:left() > 0 then error(("status %s, left %s"):format(child.exit, tap.show(state:left()))) end
  return
end

local tb <const> = testbed.create { nodes = 2 }
local empty <const> = system.inventory(tb)
local net <const> = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", home = "pm1" }
net:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" }, { name = "c", node = "pm1", kind = "tap" } }
local a <const>, b <const> = net:get "a", net:get "b"

local function ends()
  local list = {}
  for i, ep in ipairs { a, b } do
    local l = link.get { name = "eth0", netns = ep.netns }
    list[i] = { file.stat(ep.netns).ino, l.index, l.mac, l.up, l.mtu, ep.address, ep.mac }
    for _, one in ipairs(address.list { netns = ep.netns, link = "eth0" }) do table.insert(list[i], one.address) end
  end
  list[3] = link.get { netns = tb:netns "pm1", name = net:get "c".interface }.index
  return list
end
local former <const> = ends()

local function carries(from, to)
  local server <const> = to:spawn("iperf3", "-s", "-1")
  local good <const> = tap.eventually(10, function() return from:run("iperf3", "-c", to.address, "-n", "5M") ~= nil end)
  if good then server:wait() else server:kill() end
  return good
end
local function decides(title, options)
  net:update(options)
  tap.ok(tap.eventually(15, function() return a:run("ping", "-c1", "-W1", b.address) ~= nil end), title .. ": decides on both nodes", net:facts())
  tap.ok(carries(a, b) and carries(b, a), title .. ": TCP in both directions")
  tap.eq({ ends(), net:verify() }, { former, {} }, title .. ": the endpoints are what they were, and nothing is to be mended")
  for name, facts in pairs(net:facts()) do
    tap.like(facts["blue/switch-data.controller"], "^connected to ", ("%s: %s says so"):format(title, name))
  end
end

-- Controllers elsewhere, at an address that both nodes reach.
local ADDRESS <const>, PLAIN <const>, SECRET <const> = "192.0.2.1", "6699", "6698"
local their <const> = tls:match "^(.*)/" .. "/controller/"
local function elsewhere(...)
  return assert(process.spawn { argv = { ... }, netns = tb:netns "pm1", stdin = "null", stdout = "null", stderr = "null" })
end
local plain <const> = elsewhere("ovs-testcontroller", ("ptcp:%s:%s"):format(PLAIN, ADDRESS), "--unixctl=none", "-vsyslog:off")
local secret <const> = elsewhere("osken-manager", "--ofp-listen-host", ADDRESS, "--ofp-ssl-listen-port", SECRET, "--ctl-privkey", their .. "key.pem",
  "--ctl-cert", their .. "certificate.pem", "--ca-certs", their .. "ca.pem", APP)
local OSKEN <const> = { "osken-manager", "--ofp-listen-host", "${address}", "--ofp-tcp-listen-port", "${port}", APP }

decides("built-in", {})
decides("ovs-testcontroller", { controller = "ovs-testcontroller" })
decides("os-ken", { controller = OSKEN, controller_port = 7001 })
decides("elsewhere by TCP", { controller = ("tcp:%s:%s"):format(ADDRESS, PLAIN) })
decides("elsewhere by TLS", { controller = ("ssl:%s:%s"):format(ADDRESS, SECRET) })
decides("built-in again", { controller = "built-in" })
decides("os-ken again", { controller = OSKEN })
plain:kill "KILL"
secret:kill "KILL"
net:delete()
system.same_inventory(empty, tb, "in the end nothing is left")
tb:delete()
tap.done()
