--- Two endpoints on plain Linux bridges, as a testbed's network has them but with no NVE: endpoint,
-- bridge in a namespace that plays a node, trunk bridge in one of its own, and the same in reverse. Or each node's bridge
-- is one of an Open vSwitch of its own.
local measure <const> = require "measure"
local open_vswitch <const> = require "open_vswitch"

local M = {}

local ADDRESS <const> = "10.1.0.%d"

-- One side: the bridge in the node's namespace has the endpoint's veth and the uplink as ports.
local function side(ops, dir, i, lan)
  local node, ep, trunk = dir .. "/node" .. i, dir .. "/ep" .. i, dir .. "/trunk"
  local function add(verb, options) ops[#ops + 1] = { verb, options } end
  for _, path in ipairs { node, ep } do
    add("netns.add", { path = path, lo_up = true })
    add("sysctl.set", { netns = path, name = "net.ipv6.conf.all.disable_ipv6", value = "1" })
  end
  if lan then add("link.add", { kind = "bridge", name = lan, netns = node, up = true, forward_delay = 0 }) end
  add("link.add", { kind = "veth", name = "uplink", netns = node, master = lan, up = true,
    peer = { name = "node" .. i, netns = trunk, master = "trunk", up = true } })
  add("link.add", { kind = "veth", name = "ep", netns = node, master = lan, up = true,
    peer = { name = "eth0", netns = ep, up = true } })
  add("address.add", { netns = ep, link = "eth0", address = ADDRESS:format(i) .. "/24" })
end

-- The bridge of one side in an Open vSwitch, which forwards by itself. Without this setting it forwards TCP with no
-- checksum in it, and nobody takes that.
local function switch(dir, i)
  local own <const> = dir .. "/ovs" .. i
  expect(file.mkdir(own))
  local ovs <const> = open_vswitch.start(own, dir .. "/node" .. i, { "userspace-tso-enable=true" })
  ovs:vsctl("add-br", "lan", "--", "set", "bridge", "lan", "datapath_type=netdev", "--", "add-port", "lan", "uplink", "--",
    "add-port", "lan", "ep")
  return ovs
end

--- Makes the two.
-- @tparam ?boolean ovs by Open vSwitch
-- @return { from =, to = namespaces, address = of the latter, delete = f() }
function M.create(ovs)
  local dir = expect(file.temp_dir "nerv-bridges.")
  local trunk = dir .. "/trunk"
  local ops = {
    { "netns.add", { path = trunk } },
    { "sysctl.set", { netns = trunk, name = "net.ipv6.conf.all.disable_ipv6", value = "1" } },
    { "link.add", { kind = "bridge", name = "trunk", netns = trunk, up = true, forward_delay = 0 } },
  }
  for i = 1, 2 do side(ops, dir, i, not ovs and "lan" or nil) end
  expect(batch.run(ops))
  local switches <const> = ovs and { switch(dir, 1), switch(dir, 2) } or {}
  local plain = { from = dir .. "/ep1", to = dir .. "/ep2", address = ADDRESS:format(2) }
  function plain.delete()
    for _, one in ipairs(switches) do one:stop() end
    for _, name in ipairs { "node1", "node2", "ep1", "ep2", "trunk" } do
      expect(netns.delete { path = dir .. "/" .. name })
    end
    file.remove_tree(dir)
  end
  measure.wait_until("the bridges", function()
    local result = process.run { netns = plain.from, argv = { "ping", "-c1", "-W1", plain.address } }
    return result and result.exit == 0
  end)
  -- What a person gets by net.core.rmem_default and wmem_default, which are the whole machine's: at their defaults
  -- it carries half.
  for _, one in ipairs(switches) do expect(process.packet_buffers(one.daemon.pid, 8 << 20)) end
  return plain
end

return M
