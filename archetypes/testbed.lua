-- Namespaces that play physical machines, a switch between them, and an agent in each. It is a
-- network like any other, so that the engine makes it, repairs it and takes it away.
return archetype {
  name = "testbed",
  summary = "emulated nodes on one machine, joined by a trunk switch",
  network = {
    count = { type = "count", default = 2, doc = "number of nodes" },
    rate = { type = "rate", doc = "bits per second of each node's trunk link; by default unshaped" },
    prefix = { type = "name", default = "pm", doc = "the nodes' names begin with it" },
    egress = { type = "choice", choices = { "shared", "dedicated" }, default = "shared",
      doc = "mode of the nodes' NVEs at the trunk; in the rows of the nodes that testbed.create makes" },
  },

  on_network = function(need, net)
    local trunk = need.netns { id = net.name .. "/trunk" }
    local switch = need.link { id = trunk.id, kind = "bridge", name = "trunk", netns = trunk, up = true }
    for i = 1, net.count do
      local name = net.prefix .. i
      local dir = "${run}/nodes/" .. name
      local machine = need.netns { id = net.name .. "/" .. name, loopback = true }
      local nic = need.link { kind = "veth", name = "trunk0", netns = machine, up = true,
        peer = { name = name, netns = trunk, master = switch, up = true } }
      need.address { link = nic, address = ("192.0.2.%d/24"):format(i) }
      if net.rate then
        need.qdisc { link = nic, rate = net.rate }
        need.qdisc { link = nic, side = "peer", rate = net.rate }
      end
      local instance = need.instance { dir = dir }
      need.service { name = name, netns = machine, after = { instance, nic },
        argv = { "${exe}", "--agent", "--temporary", "--node", name, "--db", "${db}", "--state", dir } }
    end
  end,

  on_endpoint = function()
    error("a testbed has no endpoints: create networks on its nodes")
  end,
}
