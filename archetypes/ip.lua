-- An IP network: a bridge, and addresses for each endpoint. What the network itself answers is an
-- endpoint of its own, in a namespace on the network's home: router, DHCP and DNS.

-- Whether something of the network answers on its home.
local function has_gateway(net) return net.gateway or net.dhcp or net.dns end

-- The static routes in a fixed order, of one family or of both (nil), as the kernel writes them.
local function static_routes(net, family)
  local list = {}
  for range, via in pairs(net.routes) do
    local r = cidr.parse(range)
    if not family or r.family == family then
      list[#list + 1] = { to = cidr.host(range, 0) .. "/" .. r.prefix, via = cidr.address(via) }
    end
  end
  table.sort(list, function(a, b) return a.to < b.to end)
  return list
end

-- What is wrong with the static routes, or nil.
local function routes_problem(net)
  for range, via in pairs(net.routes) do
    local r, message = cidr.parse(range)
    if not r then return "option 'routes': " .. message end
    if r.prefix == 0 then return "option 'routes': gateway = true makes the default route" end
    local inside = r.family == 4 and net.subnet or r.family == 6 and net.subnet6
    if not inside or not cidr.contains(inside, via) then
      return ("option 'routes': %s: the next router must be an address in the network's range, not %s"):format(range,
        tostring(via))
    end
  end
end

local function forwarders_problem(net)
  for _, server in ipairs(net.forwarders) do
    local good, message = cidr.address(server)
    if not good then return "option 'forwarders': " .. message end
  end
end

-- Both families alike: the range, its gateway, and the endpoint's address.
local function families(net, ep)
  local list = {}
  for _, f in ipairs { { "subnet", "address" }, { "subnet6", "address6" } } do
    local range = net[f[1]]
    if range then
      list[#list + 1] = { range = range, prefix = cidr.prefix(range), gateway = cidr.gateway(range),
        address = ep and ep[f[2]], v6 = f[1] == "subnet6" }
    end
  end
  return list
end

local function address(need, nic, ip, family)
  need.address { link = nic.link, address = ip .. "/" .. family.prefix, after = { nic.ipv6 or nil } }
end

-- The routes of somebody in the network; who is the next router has them his own way.
local function add_routes(need, net, nic, own)
  for _, route in ipairs(static_routes(net)) do
    if route.via ~= own.address and route.via ~= own.address6 then
      need.route { netns = nic.netns, to = route.to, via = route.via, link = nic.link, after = { nic.ipv6 or nil } }
    end
  end
end

-- The way out: a part of an interface of the home, inside the gateway's namespace. So the node's own addresses are as
-- far away as any other machine's, and two networks may use the same addresses inside.
local function uplink(need, net, nic)
  local way = need.link { kind = "macvlan", name = "uplink", parent = net.uplink, netns = nic.netns, up = true }
  for _, f in ipairs(families(net)) do
    local own, router = net.uplink_address, net.uplink_router
    if f.v6 then own, router = net.uplink_address6, net.uplink_router6 end
    if own then
      local outer = need.address { link = way, address = own, after = { nic.ipv6 or nil } }
      if router then need.route { netns = nic.netns, to = "default", via = router, link = way, after = { outer } } end
      local function translate(range)
        need.nat { netns = nic.netns, subnet = range, link = way, closed = not net.inbound }
      end
      translate(f.range)
      for _, route in ipairs(static_routes(net, f.v6 and 6 or 4)) do translate(route.to) end
    end
  end
end

-- dnsmasq knows the endpoints by the files that on_member makes, one for each: it sees new ones by itself. It has no
-- socket but on the network's side: whoever is outside, beyond the uplink, finds no port of it.
local function server_command(net)
  local argv = { "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-hosts", "--no-resolv",
    "--no-ping", "--interface=eth0", "--except-interface=lo", "--bind-dynamic", "--log-facility=-", "--leasefile-ro",
    "--dhcp-authoritative", "--port=" .. (net.dns and 53 or 0) }
  local function add(fmt, ...) argv[#argv + 1] = fmt:format(...) end
  if net.dns then
    add("--hostsdir=${run}/files/%s+dns", net.path)
    add("--domain=%s", net.domain or net.name)
    add("--local=/%s/", net.domain or net.name)
    for _, server in ipairs(net.forwarders) do add("--server=%s", server) end
  end
  if not net.dhcp then return argv end
  add("--dhcp-hostsdir=${run}/files/%s+dhcp", net.path)
  add("--dhcp-option=option:mtu,%d", net.mtu)
  for _, f in ipairs(families(net)) do
    add(f.v6 and "--dhcp-range=%s,static,%d" or "--dhcp-range=%s,static", f.range:match("^[^/]+"), f.prefix)
    if f.v6 then
      argv[#argv + 1] = "--enable-ra"
      if net.dns then add("--dhcp-option=option6:dns-server,[%s]", f.gateway) end
    else
      if net.gateway then add("--dhcp-option=option:router,%s", f.gateway) else add("--dhcp-option=option:router") end
      -- Who takes these ignores the router option (RFC 3442).
      local classless = {}
      for _, route in ipairs(static_routes(net, 4)) do classless[#classless + 1] = route.to .. "," .. route.via end
      if #classless > 0 then
        if net.gateway then classless[#classless + 1] = "0.0.0.0/0," .. f.gateway end
        add("--dhcp-option=option:classless-static-route,%s", table.concat(classless, ","))
      end
      if net.dns then add("--dhcp-option=option:dns-server,%s", f.gateway) end
    end
  end
  return argv
end

-- The UDP ports of DNS, and of DHCP of each family.
local function server_ports(net)
  local ports = { net.dns and 53 or nil }
  if net.dhcp and net.subnet then ports[#ports + 1] = 67 end
  if net.dhcp and net.subnet6 then ports[#ports + 1] = 547 end
  return ports
end

-- A file of one host in a directory that dnsmasq watches. It does not forget leases of a host that is no more.
local function member_file(need, net, what, name, text)
  return need.file { dir = net.path .. "/" .. what, name = name, text = text,
    reload = net.dhcp and { id = net.path, name = "dnsmasq" } or nil }
end

-- Lines of a hosts file; `field` of a family is the address.
local function names(net, name, field, list)
  local lines = {}
  for i, f in ipairs(list) do lines[i] = ("%s %s %s.%s\n"):format(f[field], name, name, net.domain or net.name) end
  return table.concat(lines)
end

-- The router's side of the network, and what it serves.
local function gateway(need, net, lan)
  local nic = lan:endpoint { name = "gateway", mac = net.own_mac, loopback = true, ipv6 = net.subnet6 ~= nil }
  for _, f in ipairs(families(net)) do
    address(need, nic, f.gateway, f)
    if net.gateway then
      need.sysctl { netns = nic.netns, value = 1,
        name = f.v6 and "net.ipv6.conf.all.forwarding" or "net.ipv4.ip_forward" }
    end
  end
  need.announcement { link = nic.link, mac = net.own_mac }
  if net.gateway then add_routes(need, net, nic, {}) end
  if net.uplink then uplink(need, net, nic) end
  local before = { nic.link }   -- dnsmasq watches directories that are there when it starts
  local function file(what, text) before[#before + 1] = member_file(need, net, what, "gateway", text) end
  if net.dhcp then file("dhcp", "# leases of " .. net.path .. "\n") end
  if net.dns then file("dns", names(net, "gateway", "gateway", families(net))) end
  if #before > 1 then
    need.service { name = "dnsmasq", netns = nic.netns, argv = server_command(net), ports = server_ports(net),
      after = before }
  end
end

return archetype {
  name = "ip",
  summary = "IP network on a bridge; each endpoint has an address",
  uses = { "bridge" },
  ports = { "data" },

  network = {
    subnet = { type = "cidr4", doc = "IPv4 range; this or `subnet6` is needed, or both" },
    subnet6 = { type = "cidr6", doc = "IPv6 range" },
    mtu = { type = "mtu", default = 1500, doc = "largest IP packet, in bytes" },
    gateway = { type = "boolean", default = false, doc = "a router at the first address of each range" },
    dhcp = { type = "boolean", default = false, doc = "lease the endpoints' addresses by DHCP" },
    dns = { type = "boolean", default = false, doc = "answer names of endpoints at the gateway's address" },
    uplink = { type = "interface", doc = "interface of the home by which endpoints reach the outside, masqueraded" },
    uplink_address = { type = "interface4", doc = "the gateway's own address there: \"192.0.2.7/24\"" },
    uplink_router = { type = "address4", doc = "next router on that side" },
    uplink_address6 = { type = "interface6", doc = "the same for IPv6" },
    uplink_router6 = { type = "address6", doc = "the same for IPv6" },
    inbound = { type = "boolean", default = false,
      doc = "let machines outside open connections to endpoints, whose addresses they route to uplink_address" },
    routes = { type = "table", default = {}, doc = "static routes of all in the network: " ..
      "{ [\"10.9.0.0/16\"] = \"10.1.0.7\" }, the next router an address of the network; told by DHCP, too (IPv4)" },
    domain = { type = "name", doc = "of the endpoints' names; by default the network's name" },
    forwarders = { type = "table", default = {}, doc = "addresses of name servers that know other names" },
  },
  endpoint = {
    address = { type = "address4", allocate = "subnet", doc = "fixed IPv4 address; by default the next free one" },
    address6 = { type = "address6", allocate = "subnet6", doc = "fixed IPv6 address; by default the next free one" },
    default_route = { type = "boolean",
      doc = "route to the gateway; by default only in a namespace that NERV makes for the endpoint" },
  },

  check = function(net)
    if not net.subnet and not net.subnet6 then return "option 'subnet' is missing (IPv4 range), or subnet6" end
    if net.uplink and not net.gateway then return "option 'uplink' needs gateway = true" end
    if net.uplink and not net.uplink_address and not net.uplink_address6 then
      return "option 'uplink' needs uplink_address or uplink_address6"
    end
    return routes_problem(net) or forwarders_problem(net)
  end,

  on_network = function(need, net)
    local lan = need.network { archetype = "bridge", name = "lan", port = "data", mtu = net.mtu }
    if net.node == net.home and has_gateway(net) then gateway(need, net, lan) end
    return { lan = lan }
  end,

  on_endpoint = function(need, net, ep)
    local nic = net.made.lan:endpoint { loopback = true, ipv6 = net.subnet6 ~= nil }
    if not nic.link then return nic end   -- its guest gives itself the address
    local routed = ep.default_route
    if routed == nil then routed = (ep.kind or "netns") == "netns" end
    for _, f in ipairs(families(net, ep)) do
      address(need, nic, f.address, f)
      if net.gateway and routed then
        need.route { netns = nic.netns, to = "default", via = f.gateway, link = nic.link }
      end
    end
    add_routes(need, net, nic, ep)
    return nic
  end,

  on_member = function(need, net, ep)
    local list = families(net, ep)
    if net.dhcp and ep.mac then
      local line = { ep.mac }
      for _, f in ipairs(list) do line[#line + 1] = f.v6 and "[" .. f.address .. "]" or f.address end
      line[#line + 1] = ep.name
      member_file(need, net, "dhcp", ep.name, table.concat(line, ",") .. "\n")
    end
    if net.dns then member_file(need, net, "dns", ep.name, names(net, ep.name, "address", list)) end
  end,
}
