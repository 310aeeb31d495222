-- A software-defined network: a control network, which is an `ip` network of its own, and a data network on Open
-- vSwitch, whose switches on all nodes obey one controller in the network's namespace on its home. A switch connects to
-- a Unix socket, and a relay in the network's namespace on its node carries that over the control network: so the
-- addresses of controllers are as private as those of endpoints.

-- Controllers by name, as programs; ${address} and ${port} are where they listen.
local PROGRAMS <const> = {
  ["built-in"] = { "${exe}", "${scripts}/learning-switch.lua", "${address}:${port}" },
  ["ovs-testcontroller"] = { "ovs-testcontroller", "ptcp:${port}:${address}", "--unixctl=none", "--no-chdir",
    "-vconsole:warn", "-vsyslog:off", "-vfile:off" },
}

-- A controller that somebody else runs.
local function is_address(controller)
  return type(controller) == "string" and controller:find "^%l+:.+:%d+$" ~= nil
end

-- What a command may hold: where it is to listen, and what services have (help "service").
local WORDS <const> = { "address", "port", "node", "exe", "scripts", "db", "run", "ovs", "state" }
local IS_WORD <const> = {}
for _, name in ipairs(WORDS) do IS_WORD[name] = true end

local function word_problem(word)
  if type(word) ~= "string" then return "option 'controller': the words of a command are strings" end
  for name in word:gmatch "%${(%w+)}" do
    if not IS_WORD[name] then
      return ("option 'controller': ${%s} is unknown: ${%s} are filled in"):format(name, table.concat(WORDS, "} ${"))
    end
  end
end

local function controller_problem(controller)
  if is_address(controller) then
    local scheme = controller:match "^%l+"
    return scheme ~= "tcp" and scheme ~= "ssl" and "option 'controller': an address begins with \"tcp:\" or \"ssl:\""
      or nil
  end
  if type(controller) == "table" and #controller > 0 then
    for _, word in ipairs(controller) do
      local problem <const> = word_problem(word)
      if problem then return problem end
    end
  elseif not PROGRAMS[controller] then
    return "option 'controller': \"built-in\", \"ovs-testcontroller\", a command as a list of words, or an address " ..
      "as \"tcp:192.0.2.7:6653\" is expected"
  end
end

-- A command with the address and port at which it is to listen.
local function command(net, address)
  local fill <const> = { address = address, port = ("%d"):format(net.controller_port) }
  local argv = {}
  for i, word in ipairs(PROGRAMS[net.controller] or net.controller) do argv[i] = word:gsub("%${(%l+)}", fill) end
  return argv
end

local function name_of(net)
  local controller <const> = net.controller
  return net.controller_name or type(controller) == "table" and table.concat(controller, " ") or controller
end

-- The controller's addresses, and that of a relay. One that is a part of another archetype counts from the other end of
-- the range: a network that becomes that archetype has two controllers for a while, in one LAN.
local function addresses_of(net)
  local part <const>, size <const> = net.path:find "/" ~= nil, cidr.parse(net.control).size
  local own <const> = net.node_number + 1
  return part and cidr.host(net.control, size - 2) or cidr.gateway(net.control),
    part and net.own_mac:gsub("^..", "06") or net.own_mac, cidr.host(net.control, part and size - 1 - own or own)
end

-- The network's namespace on this node, with its address in the control network: the controller's on the home, which
-- moves with it.
-- @return it, and where the controller is
local function station(need, net, control)
  local address, mac, own = addresses_of(net)
  if net.node == net.home then
    local nic = control:endpoint { name = "controller", address = address, mac = mac }
    need.announcement { link = nic.link, mac = mac }
    return nic, address
  end
  local problem = cidr.unusable(net.control, own)
  if problem then
    error(("option 'control': a larger range is needed: node %s is number %d, and %s %s"):format(net.node,
      net.node_number, own, problem))
  end
  local nic = control:endpoint { name = "relay", address = own }
  need.neighbour { link = nic.link, address = address, mac = mac }   -- also where the home has moved
  return nic, address
end

-- Controller and relays, in the order in which each finds what it needs.
-- @return what the switch of this node is told of its controller
local function control_plane(need, net, switch)
  local control = need.network { archetype = "ip", name = "control", port = "control", subnet = net.control }
  local services, nic, address = {}, station(need, net, control)
  local argv <const> = command(net, address)
  local user <const> = net.controller ~= "built-in" and net.controller_user or nil   -- its files may be root's alone
  if net.node == net.home then
    services[1] = need.service { name = "controller", netns = nic.netns, argv = argv, user = user, capabilities = {},
      after = { nic.link } }
  end
  local socket <const> = ("${ovs}/%s.relay"):format((net.path:gsub("/", "+")))
  local code <const> = ("require 'nerv.relay' (%q, %q, %d, %s)"):format(socket, address, net.controller_port,
    net.look_port)
  services[#services + 1] = need.service { name = "relay", netns = nic.netns, capabilities = {}, ready = socket,
    after = { switch, nic.link }, argv = { "${exe}", "-e", code } }
  return { targets = { "unix:" .. socket }, address = ("%s:%d on %s"):format(address, net.controller_port, net.home),
    services = services, join = net.join, run = table.concat(argv, " ") .. " " .. (user or "") }
end

-- Both families alike: the range and the endpoint's address.
local function addresses(net, ep)
  local list = {}
  if net.subnet then list[1] = ep.address .. "/" .. cidr.prefix(net.subnet) end
  if net.subnet6 then list[#list + 1] = ep.address6 .. "/" .. cidr.prefix(net.subnet6) end
  return list
end

return archetype {
  name = "sdn",
  summary = "software-defined network: Open vSwitch on every node, obeying one OpenFlow controller",
  uses = { "ip", "ovs" },
  ports = { "control", "data" },

  network = {
    controller = { type = "any", default = "built-in", choices = { "built-in", "ovs-testcontroller" },
      doc = "\"built-in\" or \"ovs-testcontroller\", which learn; a command as a list of words, in which ${address} " ..
      "and ${port} are where it is to listen; or the address of one that runs elsewhere, which each node reaches by " ..
      "itself: \"tcp:192.0.2.7:6653\", \"ssl:...\" with the certificates of the node's `tls` directory" },
    controller_name = { type = "string", doc = "what tells the controller from others: with another name switches " ..
      "forget what the former one has told them; by default its command" },
    controller_port = { type = "integer", default = 6653, doc = "TCP port of the controller in its namespace" },
    controller_user = { type = "user", default = "nobody", doc = "who a controller that is not built in runs as" },
    look_port = { type = "integer", doc = "TCP port at which the relay of each node tells a controller when Open " ..
      "vSwitch has looked through what it remembers of flows; by default none" },
    fail_mode = { type = "choice", choices = { "secure", "standalone" }, default = "secure",
      doc = "without a controller: secure forwards nothing new, standalone switches by itself" },
    probe = { type = "duration", default = 5,
      doc = "silence, 5 s or more, after which a controller is asked if it lives; after as much again it has failed" },
    join = { type = "duration", default = 8, doc = "what switches get to join a controller that the network " ..
      "runs, else the call fails; 0: they join when they can, as one that runs elsewhere" },
    control = { type = "cidr4", default = "192.168.255.0/24",
      doc = "addresses of the control network, which nobody else sees; the controller has the first" },
    mtu = { type = "mtu", default = 1500, doc = "largest payload of a frame, in bytes" },
    subnet = { type = "cidr4", doc = "IPv4 range of the endpoints' addresses; by default they have none" },
    subnet6 = { type = "cidr6", doc = "IPv6 range of the endpoints' addresses" },
    announce = { type = "boolean", default = true, doc = "tell the network, by reverse ARP and what belongs to its " ..
      "addresses, when an endpoint comes to have a MAC or IP address that was another's" },
  },
  endpoint = {
    address = { type = "address4", allocate = "subnet", doc = "fixed IPv4 address; by default the next free one" },
    address6 = { type = "address6", allocate = "subnet6", doc = "fixed IPv6 address; by default the next free one" },
  },

  check = function(net)
    for _, name in ipairs { "controller_port", "look_port" } do
      local port = net[name]
      if port and (port < 1 or port > 65535) then return ("option '%s': 1 to 65535"):format(name) end
    end
    return controller_problem(net.controller)
  end,

  on_network = function(need, net)
    local data = need.network { archetype = "ovs", name = "data", port = "data", mtu = net.mtu,
      announce = net.announce }
    local switch = data.made.bridge
    local wanted = is_address(net.controller) and { targets = { net.controller } }
      or control_plane(need, net, switch)
    wanted.bridge, wanted.fail_mode, wanted.probe = switch, net.fail_mode, net.probe
    wanted.program = name_of(net)
    need.controller(wanted)
    return { data = data }
  end,

  on_endpoint = function(need, net, ep)
    local own = addresses(net, ep)
    local nic = net.made.data:endpoint { loopback = #own > 0, ipv6 = net.subnet6 ~= nil }
    if not nic.link then return nic end   -- its guest gives itself the address
    for _, address in ipairs(own) do
      need.address { link = nic.link, address = address, after = { nic.ipv6 or nil } }
    end
    return nic
  end,
}
