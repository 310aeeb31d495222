-- An ETArch network: entities with titles, workspaces that they enter, and no addresses. It is an `sdn` network whose
-- controller is the agent of the Domain Title Service (DTSA). Only EtherType 0x0880 crosses its switches.

-- Where relays tell the DTSA when their switches have looked their caches through.
local LOOK_PORT <const> = 6654

return archetype {
  name = "etarch",
  summary = "ETArch: entities with titles in workspaces, without addresses",
  uses = { "sdn" },
  ports = { "control", "data" },

  network = {
    policy = { type = "choice", choices = { "open", "strict" }, default = "open",
      doc = "who enters a workspace that is not public: open: anybody; strict: whom its owner admits" },
    rate = { type = "rate", doc = "bits per second that workspaces may ask for together; by default any" },
    dialect = { type = "choice", choices = { "d3", "d3a" }, default = "d3",
      doc = "what entities get that do not say which dialect they speak: d3: messages as they were sent; d3a: with " ..
        "the workspace's label as source, and everybody as destination" },
    absence = { type = "duration", default = 30,
      doc = "how long entities keep their titles when their port, its link or its switch is gone" },
    control = { type = "cidr4", default = "192.168.255.0/24",
      doc = "addresses between the DTSA and the switches, which nobody else sees" },
    mtu = { type = "mtu", default = 1500, doc = "largest payload of a frame, in bytes" },
  },

  on_network = function(need, net)
    local name <const> = net.path:match "^[^/]+"
    local program <const> = "require('nerv.etarch.dtsa').run { network = %q, title = %q, db = '${db}', " ..
      "node = '${node}', policy = %q, rate = %s, dialect = %q, absence = %s, address = '${address}', " ..
      "port = tonumber '${port}', look_port = %d }"
    local sdn = need.network { archetype = "sdn", name = "sdn", ports = { control = "control", data = "data" },
      control = net.control, mtu = net.mtu, fail_mode = "secure", controller_user = "root", probe = 1, announce = false,
      controller_name = "DTSA", look_port = LOOK_PORT, controller = { "${exe}", "-e", program:format(name, name,
        net.policy, net.rate and net.rate // 1000, net.dialect, net.absence, LOOK_PORT) } }
    return { sdn = sdn }
  end,

  on_endpoint = function(_, net) return net.made.sdn:endpoint {} end,
}
