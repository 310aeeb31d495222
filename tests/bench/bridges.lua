--- Two endpoints on plain Linux bridges, as a testbed's network has them but with no NVE: endpoint,
-- bridge in a namespace that plays a node, trunk bridge in one of its own, and the same in reverse.
local measure <const> = require "measure"

local M = {}

local ADDRESS <const> = "10.1.0.%d"

-- One side: the bridge in the node's namespace has the endpoint's veth and the uplink as ports.
local function side(ops, dir, i)
  local node, ep, trunk = dir .. "/node" .. i, dir .. "/ep" .. i, dir .. "/trunk"
  local function add(verb, options) ops[#ops + 1] = { verb, options } end
  for _, path in ipairs { node, ep } do
    add("netns.add", { path = path, lo_up = true })
    add("sysctl.set", { netns = path, name = "net.ipv6.conf.all.disable_ipv6", value = "1" })
  end
  add("link.add", { kind = "bridge", name = "lan", netns = node, up = true, forward_delay = 0 })
  add("link.add", { kind = "veth", name = "uplink", netns = node, master = "lan", up = true,
    peer = { name = "node" .. i, netns = trunk, master = "trunk", up = true } })
  add("link.add", { kind = "veth", name = "ep", netns = node, master = "lan", up = true,
    peer = { name = "eth0", netns = ep, up = true } })
  add("address.add", { netns = ep, link = "eth0", address = ADDRESS:format(i) .. "/24" })
end

--- Makes the two.
-- @return { from =, to = namespaces, address = of the latter, delete = f() }
function M.create()
  local dir = expect(file.temp_dir "nerv-bridges.")
  local trunk = dir .. "/trunk"
  local ops = {
    { "netns.add", { path = trunk } },
    { "sysctl.set", { netns = trunk, name = "net.ipv6.conf.all.disable_ipv6", value = "1" } },
    { "link.add", { kind = "bridge", name = "trunk", netns = trunk, up = true, forward_delay = 0 } },
  }
  side(ops, dir, 1)
  side(ops, dir, 2)
  expect(batch.run(ops))
  local plain = { from = dir .. "/ep1", to = dir .. "/ep2", address = ADDRESS:format(2) }
  function plain.delete()
    for _, path in ipairs(expect(netns.list(dir))) do expect(netns.delete { path = path }) end
    file.remove_tree(dir)
  end
  measure.wait_until("the bridges", function()
    local result = process.run { netns = plain.from, argv = { "ping", "-c1", "-W1", plain.address } }
    return result and result.exit == 0
  end)
  return plain
end

return M
