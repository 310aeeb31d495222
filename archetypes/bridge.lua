-- A layer-2 network: an Ethernet bridge on each node, joined to the others by the NVE.
-- It assumes nothing about what the frames carry.
return archetype {
  name = "bridge",
  summary = "Ethernet network on a bridge; no addresses, any protocol",
  ports = { "data" },

  network = {
    mtu = { type = "mtu", default = 1500, doc = "largest payload of a frame, in bytes" },
    stp = { type = "boolean", default = false, doc = "spanning tree protocol, for loops that you build" },
  },
  endpoint = {
    loopback = { type = "boolean", default = false, doc = "bring up `lo` in the endpoint's namespace" },
    ipv6 = { type = "boolean", default = false, doc = "turn IPv6 on in the endpoint's namespace" },
  },

  on_network = function(need, net)
    local bridge = need.link { kind = "bridge", name = "bridge", mtu = net.mtu, stp = net.stp, up = true }
    if net.edge and net.ports.data then
      local near = need.link { kind = "veth", name = "nve", mtu = net.mtu, up = true,
        peer = { master = bridge, up = true } }
      local port = need.switch_port { switch = "nve", number = net.ports.data.number, link = near }
      need.entry { switch = "nve", table = "ingress_ports", key = { net.ports.data.number },
        action = "to_tag", data = { net.ports.data.tag, net.edge.port }, after = { port } }
      need.entry { switch = "nve", table = "tags", key = { net.edge.port, net.ports.data.tag },
        action = "to_port", data = { net.ports.data.number }, after = { port } }
    end
    return { bridge = bridge }
  end,

  on_endpoint = function(need, net, ep)
    return need.attachment { master = net.made.bridge, mtu = net.mtu, loopback = ep.loopback, ipv6 = ep.ipv6 }
  end,
}
