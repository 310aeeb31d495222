-- What a container engine leaves on a machine, as Docker does it: a bridge with an address, containers on it, its chains
-- in the tables that iptables uses, forwarding; and a firewall's table beside them.
local kernel <const> = require "support.kernel"
local tap <const> = require "tap"

local M = {}
local Engine = {}
Engine.__index = Engine

-- NAT, FILTER, BRIDGE and POLICY are filled in.
local RULES <const> = [[
table ip NAT {
	chain DOCKER {
		iifname "BRIDGE" counter return
		iifname != "BRIDGE" tcp dport 8080 counter dnat to 172.29.0.2:80
	}
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump DOCKER
	}
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "BRIDGE" ip saddr 172.29.0.0/16 counter masquerade
	}
}
table ip FILTER {
	chain DOCKER {
		iifname != "BRIDGE" oifname "BRIDGE" ip daddr 172.29.0.2 tcp dport 80 counter accept
	}
	chain DOCKER-USER {
		counter return
	}
	chain FORWARD {
		type filter hook forward priority filter; policy POLICY;
		counter jump DOCKER-USER
		oifname "BRIDGE" ct state related,established counter accept
		oifname "BRIDGE" counter jump DOCKER
		iifname "BRIDGE" counter accept
	}
}
table inet firewall_of_BRIDGE {
	set allowed {
		type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }
	}
	chain in {
		type filter hook input priority 10; policy accept;
		ip saddr @allowed counter accept
	}
}
]]

local function file_of(name) return "/proc/sys/" .. name:gsub("%.", "/") end

-- The names of a real engine; where the machine has one, others, and nothing is dropped that is its own.
local function names()
  local taken = link.get { name = "docker0" } ~= nil
  for _, o in ipairs(nftables.list {} or {}) do
    taken = taken or o.table and o.table.family == "ip" and (o.table.name == "nat" or o.table.name == "filter")
  end
  local tag <const> = digest.random(3)
  if taken then return { BRIDGE = "dk" .. tag, NAT = "nat" .. tag, FILTER = "filter" .. tag, POLICY = "accept" } end
  return { BRIDGE = "docker0", NAT = "nat", FILTER = "filter", POLICY = "drop" }
end

--- Makes all of it. Its range is 172.29.0.0/16.
-- @return an object with `links`, the names of its interfaces here, `lines()`, `works()` and `remove()`
function M.start()
  local chosen <const> = names()
  local bridge <const> = chosen.BRIDGE
  local self = setmetatable({ bridge = bridge, links = { bridge }, containers = {}, forwarding = file.read(file_of "net.ipv4.ip_forward"),
    settings = { "net.ipv4.ip_forward", ("net.ipv4.conf.%s.forwarding"):format(bridge), ("net.ipv4.conf.%s.route_localnet"):format(bridge),
      ("net.ipv6.conf.%s.disable_ipv6"):format(bridge) } }, Engine)
  kernel.sh("ip", "link", "add", bridge, "type", "bridge")
  kernel.sh("ip", "link", "set", bridge, "up")
  kernel.sh("ip", "addr", "add", "172.29.0.1/16", "brd", "172.29.255.255", "dev", bridge)
  file.write(file_of(self.settings[1]), "1")
  file.write(file_of(self.settings[3]), "1")
  for i = 1, 2 do
    local space, near = "cnt" .. i .. digest.random(3), "veth" .. digest.random(3)
    self.containers[i], self.links[i + 1] = space, near
    kernel.sh("ip", "netns", "add", space)
    kernel.sh("ip", "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", space)
    kernel.sh("ip", "link", "set", near, "master", bridge, "up")
    for _, words in ipairs { { "link", "set", "lo", "up" }, { "link", "set", "eth0", "up" },
      { "addr", "add", ("172.29.0.%d/16"):format(i + 1), "dev", "eth0" }, { "route", "add", "default", "via", "172.29.0.1" } } do
      kernel.sh("ip", "-n", space, table.unpack(words))
    end
  end
  local have, why = nftables.supported()
  if have then
    assert(nftables.run { commands = RULES:gsub("%u+", chosen) })
    self.tables = { "ip " .. chosen.NAT, "ip " .. chosen.FILTER, "inet firewall_of_" .. bridge }
  else
    tap.skip("an engine's packet filters", why)
  end
  return self
end

--- What its packet filters, settings and routes are.
function Engine:lines()
  local lines = {}
  for _, name in ipairs(self.tables or {}) do
    lines[#lines + 1] = kernel.sh("nft", "-a", "list", "table", table.unpack({ name:match "(%S+) (%S+)" }))
      :gsub("packets %d+ bytes %d+", "")
  end
  for _, name in ipairs(self.settings) do lines[#lines + 1] = name .. " " .. file.read(file_of(name)) end
  lines[#lines + 1] = kernel.sh("ip", "route", "show", "dev", self.bridge)
  for i = 2, #self.links do lines[#lines + 1] = kernel.sh("bridge", "-d", "link", "show", "dev", self.links[i]) end
  for _, space in ipairs(self.containers) do
    lines[#lines + 1] = kernel.sh("ip", "-4", "-n", space, "addr", "show", "dev", "eth0")
    lines[#lines + 1] = kernel.sh("ip", "-n", space, "route")
  end
  return lines
end

--- Whether a container reaches the other one and the machine.
function Engine:works()
  for _, target in ipairs { "172.29.0.3", "172.29.0.1" } do
    if process.run { argv = { "ping", "-c1", "-W2", target }, netns = self.containers[1] }.exit ~= 0 then return false, target end
  end
  return true
end

--- Takes it away.
function Engine:remove()
  for _, space in ipairs(self.containers) do netns.delete { path = space } end
  link.delete { name = self.bridge }
  for _, name in ipairs(self.tables or {}) do nftables.run { commands = "delete table " .. name } end
  file.write(file_of "net.ipv4.ip_forward", self.forwarding)
end

return M
