-- A layer-2 network: an Ethernet bridge on each node, joined to the others by the NVE.
-- It assumes nothing about what the frames carry.
return archetype {
  name = "bridge",
  summary = "Ethernet network on a bridge; no addresses, any protocol",
  ports = { "data" },

  network = {
    mtu = { type = "mtu", default = 1500, doc = "largest payload of a frame, in bytes" },
    stp = { type = "boolean", default = false, doc = "spanning tree protocol, for loops that you build" },
    announce = { type = "boolean", default = true, doc = "tell the network, by reverse ARP and what belongs to its " ..
      "addresses, when an endpoint comes to have a MAC or IP address that was another's" },
  },
  endpoint = {
    loopback = { type = "boolean", default = false, doc = "bring up `lo` in the endpoint's namespace" },
    ipv6 = { type = "boolean", default = false, doc = "turn IPv6 on in the endpoint's namespace" },
  },

  on_network = function(need, net)
    -- What a port of the outermost network leads to is known by that port, whatever component has it: the next
    -- archetype that has a bridge there finds this one, with all that is in it, and no frame is lost.
    local way = net.ports.data
    local bridge = need.link { id = way and way.id, kind = "bridge", name = way and "bridge-" .. way.name or "bridge",
      mtu = net.mtu, stp = net.stp, up = true }
    need.crossing { master = bridge }
    return { bridge = bridge }
  end,

  on_endpoint = function(need, net, ep)
    return need.attachment { master = net.made.bridge, mtu = net.mtu, loopback = ep.loopback, ipv6 = ep.ipv6,
      announce = net.announce }
  end,
}
