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
    local way = net.ports.data
    if net.edge and way then
      -- The outermost network's: another archetype of that moves it to its own bridge, and frames go on.
      local near = need.link { id = way.id, kind = "veth", name = "nve-" .. way.name, mtu = net.mtu, up = true,
        peer = { master = bridge, up = true } }
      local port = need.switch_port { switch = "nve", number = way.number, link = near }
      need.entry { switch = "nve", table = "ingress_ports", key = { way.number },
        action = "to_tag", data = { way.tag, net.edge.port }, after = { port } }
      need.entry { switch = "nve", table = "tags", key = { net.edge.port, way.tag },
        action = "to_port", data = { way.number }, after = { port } }
    end
    return { bridge = bridge }
  end,

  on_endpoint = function(need, net, ep)
    return need.attachment { master = net.made.bridge, mtu = net.mtu, loopback = ep.loopback, ipv6 = ep.ipv6 }
  end,
}
