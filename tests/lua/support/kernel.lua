-- What the kernel has, by other programs than NERV: iproute2 and /sys.
local M = {}

--- Runs a program and returns what it wrote; raises when it fails.
function M.sh(...)
  local result = assert(process.run { argv = { ... } })
  if result.exit ~= 0 then error(table.concat({ ... }, " ") .. ": " .. result.stderr, 2) end
  return result.stdout
end

--- What a command line of the shell writes, both ways.
function M.shell(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  return pipe:read("a")
end

--- The entry of a list whose `key` is `value`.
function M.find(list, key, value)
  for _, e in ipairs(list) do
    if e[key] == value then return e end
  end
end

--- Deletes namespaces, as far as they exist.
function M.forget(...)
  for _, name in ipairs { ... } do
    if netns.exists(name) then netns.delete { path = name } end
  end
end

local function within(ns, ...)
  local result = assert(process.run { argv = { ... }, netns = ns })
  return result.exit == 0 and json.decode(result.stdout) or {}
end

--- `ip -d link` of an interface: a table, or nil.
function M.link(ns, name) return within(ns, "ip", "-j", "-d", "link", "show", "dev", name)[1] end

--- Its addresses as "10.0.0.1/24", IPv4 only, in the kernel's order.
function M.addresses(ns, name)
  local found = {}
  for _, one in ipairs(within(ns, "ip", "-j", "-4", "addr", "show", "dev", name)) do
    for _, info in ipairs(one.addr_info or {}) do found[#found + 1] = ("%s/%d"):format(info["local"], info.prefixlen) end
  end
  return found
end

--- Its queueing disciplines: array of { kind, handle, parent, options }.
function M.qdiscs(ns, name) return within(ns, "tc", "-j", "qdisc", "show", "dev", name) end

--- Bits per second of the token bucket at its root, or nil.
function M.rate(ns, name)
  for _, one in ipairs(M.qdiscs(ns, name)) do
    if one.kind == "tbf" and one.root then return one.options.rate * 8 end
  end
end

--- Whether an interface's arrivals are redirected, and where: the other one's name, or nil.
function M.redirect(ns, name)
  local text = assert(process.run { argv = { "tc", "filter", "show", "dev", name, "ingress" }, netns = ns }).stdout
  return text:match("Redirect to device ([^)]+)%)")
end

--- The link of an agent that carries an endpoint's mark in its namespace, by kind.
function M.ours(ns, instance, owner, kind)
  for _, one in ipairs(within(ns, "ip", "-j", "-d", "link", "show")) do
    if one.ifalias == ("nerv:%s:%s"):format(instance, owner) and (not kind or one.linkinfo.info_kind == kind) then
      return one
    end
  end
end

return M
