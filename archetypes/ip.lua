-- An IPv4 network: a bridge, and an address for each endpoint.
return archetype {
  name = "ip",
  summary = "IPv4 network on a bridge; each endpoint has an address",
  uses = { "bridge" },
  ports = { "data" },

  network = {
    subnet = { type = "cidr", required = true, doc = "address range" },
    mtu = { type = "mtu", default = 1500, doc = "largest IP packet, in bytes" },
  },
  endpoint = {
    address = { type = "address", allocate = "subnet", doc = "fixed address; by default the next free one" },
    mac = { type = "mac", doc = "fixed MAC address; by default one is allocated" },
  },

  on_network = function(need, net)
    return { lan = need.network { archetype = "bridge", name = "lan", port = "data", mtu = net.mtu } }
  end,

  on_endpoint = function(need, net, ep)
    local nic = net.made.lan:endpoint { mac = ep.mac, loopback = true }
    need.address { link = nic.link, address = ep.address .. "/" .. cidr.prefix(net.subnet) }
    return nic
  end,
}
