-- A network namespace of an endpoint or network. Its path carries its owner.
local netns <const> = require "nerv.netns"
local cgroup <const> = require "nerv.cgroup"
local file <const> = require "nerv.file"

local IPV6_OFF <const> = "net.ipv6.conf.all.disable_ipv6"

local function path(p, node)
  return p.path or node.run_dir .. "/ns/" .. (p.id:gsub("/", "+"))
end

return {
  name = "netns", text = "a network namespace of an endpoint or network", class = "kernel", rank = 10, path = path,
  properties = {
    id = { type = "string", doc = "owner; by default who wants it" },
    loopback = { type = "boolean", doc = "bring up `lo`", default = false },
    ipv6 = { type = "boolean", doc = "whether a sysctl need turns IPv6 on in it: it is off at first", default = false },
  },
  key = function(p) return p.id end,
  mark = path,
  facts = { "path" },
  fact = function(p, _, node) return path(p, node) end,

  create = function(p, node)
    local where = path(p, node)
    -- Before any link of it goes up; "all" sets "default" too.
    local list = { { "netns.add", { path = where, lo_up = p.loopback } },
      { "sysctl.set", { netns = where, name = IPV6_OFF, value = "1" } } }
    -- What a namespace leaves that somebody has unmounted.
    if file.stat(where) and not netns.exists(where) then table.insert(list, 1, { "netns.delete", { path = where } }) end
    return list
  end,
  change = function(old, new, node)
    if old.loopback == new.loopback and (new.ipv6 or not old.drifted) then return {} end
    local list = { { "link.set", { netns = path(new, node), name = "lo", up = new.loopback } } }
    if not new.ipv6 then list[2] = { "sysctl.set", { netns = path(new, node), name = IPV6_OFF, value = "1" } } end
    -- The kernel gives a loopback that comes up its address, and leaves it there when it goes down.
    if not new.loopback then
      list[#list + 1] = { "address.delete", { netns = path(new, node), link = "lo", address = "127.0.0.1/8",
        missing_ok = true } }
    end
    return list
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
    local off = p.ipv6 or snapshot:sysctl(where, IPV6_OFF) == "1"
    return { id = p.id, loopback = lo ~= nil and lo.up, ipv6 = p.ipv6, drifted = not off or nil, after = p.after }
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
