-- A layer-2 network on Open vSwitch: a bridge of it on each node, joined to the others by the NVE. Without a controller
-- it switches by itself.
return archetype {
  name = "ovs",
  summary = "Ethernet network on Open vSwitch; no addresses, any protocol",
  ports = { "data" },

  network = {
    mtu = { type = "mtu", default = 1500, doc = "largest payload of a frame, in bytes" },
    controllers = { type = "list", default = {}, doc = "OpenFlow controllers that each node connects to: " ..
      "{ \"tcp:192.0.2.7:6653\" }; \"ssl:ADDRESS:PORT\" with the certificates of the node's `tls` directory" },
    fail_mode = { type = "choice", choices = { "secure", "standalone" }, default = "standalone",
      doc = "without a controller: secure forwards nothing new, standalone switches by itself" },
    probe = { type = "duration", default = 5,
      doc = "silence, 5 s or more, after which a controller is asked if it lives; after as much again it has failed" },
    announce = { type = "boolean", default = true, doc = "tell the network, by reverse ARP and what belongs to its " ..
      "addresses, when an endpoint comes to have a MAC or IP address that was another's" },
  },
  endpoint = {
    loopback = { type = "boolean", default = false, doc = "bring up `lo` in the endpoint's namespace" },
    ipv6 = { type = "boolean", default = false, doc = "turn IPv6 on in the endpoint's namespace" },
  },

  on_network = function(need, net)
    -- Known by the port that it leads to, as that of archetype `bridge` is.
    local way = net.ports.data
    local switch = need.ovs_bridge { id = way and way.id, name = way and "switch-" .. way.name or "switch" }
    if #net.controllers > 0 or net.fail_mode == "secure" then
      need.controller { bridge = switch, targets = net.controllers, fail_mode = net.fail_mode, probe = net.probe }
    end
    return { bridge = switch, crossing = need.crossing { master = switch } }
  end,

  on_endpoint = function(need, net, ep)
    return need.attachment { master = net.made.bridge, mtu = net.mtu, loopback = ep.loopback, ipv6 = ep.ipv6,
      announce = net.announce }
  end,
}
