-- A network namespace of an endpoint or network. Its path carries its owner.
local netns <const> = require "nerv.netns"
local cgroup <const> = require "nerv.cgroup"
local file <const> = require "nerv.file"

local function path(p, node)
  return p.path or node.run_dir .. "/ns/" .. (p.id:gsub("/", "+"))
end

return {
  name = "netns", class = "kernel", rank = 10, path = path,
  properties = {
    id = { doc = "owner; by default who wants it" },
    loopback = { doc = "bring up `lo`", default = false },
    ipv6 = { doc = "leave IPv6 on in it", default = false },
  },
  key = function(p) return p.id end,
  mark = path,
  facts = { "path" },
  fact = function(p, _, node) return path(p, node) end,

  create = function(p, node)
    local ops = { { "netns.add", { path = path(p, node), lo_up = p.loopback } } }
    if not p.ipv6 then   -- before any link of it goes up; "all" sets "default" too
      ops[2] = { "sysctl.set", { netns = path(p, node), name = "net.ipv6.conf.all.disable_ipv6", value = "1" } }
    end
    return ops
  end,
  change = function(old, new, node)
    local ops = {}
    if old.loopback ~= new.loopback then
      ops[#ops + 1] = { "link.set", { netns = path(new, node), name = "lo", up = new.loopback } }
    end
    if old.ipv6 ~= new.ipv6 then
      ops[#ops + 1] = { "sysctl.set", { netns = path(new, node), name = "net.ipv6.conf.all.disable_ipv6",
        value = new.ipv6 and "0" or "1" } }
    end
    return ops
  end,
  -- What runs in it goes first: a process would keep the namespace alive without a name.
  release = function(p, node)
    local group = node.cgroup .. "/endpoints/" .. (p.id:gsub("/", "+"))
    if file.stat(group) then
      cgroup.kill(group)
      cgroup.remove(group)
    end
  end,
  remove = function(p, node) return { { "netns.delete", { path = path(p, node) } } } end,

  read = function(p, snapshot, node)
    local where = path(p, node)
    if not netns.exists(where) then return nil end
    local lo = snapshot:link(where, "lo")
    return { id = p.id, loopback = lo ~= nil and lo.up, ipv6 = snapshot:sysctl(where,
      "net.ipv6.conf.all.disable_ipv6") ~= "1", after = p.after }
  end,
  -- By name: an agent that died at the wrong moment left a file that is no namespace (any more).
  list = function(_, node)
    local found = {}
    for _, name in ipairs(file.list(node.run_dir .. "/ns") or {}) do
      local id, where = name:gsub("+", "/"), node.run_dir .. "/ns/" .. name
      found[#found + 1] = { owner = id, key = where, p = { id = id, path = where } }
    end
    return found
  end,
}
