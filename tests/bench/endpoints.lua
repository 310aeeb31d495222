-- create_ratio_1000, delete_ratio_1000: a thousand endpoints of an `ip` network in one call, beside the
-- same kernel objects made and removed by a bare netlink loop (bare.c). Each time ends when the kernel
-- shows the end state: all is there, or all links are gone and the namespaces behind them, too.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/?.lua;" .. package.path
local measure <const> = require "measure"
local bare_loop <const> = require "bare"

local COUNT <const> = measure.rounds(1000, 100)
local ROUNDS <const> = measure.rounds(7, 2)
local BARE_ALIAS <const>, BARE_GROUP <const>, BARE_BRIDGE <const> = "bare:00000000", 77777, "bare-bridge"
local MTU <const> = 1500

local dir <const> = expect(file.temp_dir "nerv-endpoints.")
local net <const> = network.create { name = "blue", archetype = "ip", subnet = "10.64.0.0/16", mtu = MTU }
local agent <const> = lab.connection().hello
expect(link.add { kind = "bridge", name = BARE_BRIDGE, forward_delay = 0, mtu = MTU, up = true })

-- Where each of the two keeps its namespaces, and how it marks its links.
local nerv <const> = { name = "NERV", dir = agent.run_dir .. "/ns", alias = "nerv:" .. agent.instance .. ":blue:" }
local bare <const> = { name = "bare", dir = dir, alias = BARE_ALIAS .. ":" }
local loop <const> = { dir = dir, bridge = BARE_BRIDGE, group = BARE_GROUP, mtu = MTU, alias = BARE_ALIAS }

local function links_of(side) return expect(link.list { alias_prefix = side.alias }) end
local function namespaces_of(side) return expect(netns.list(side.dir)) end

local function complete(side)
  local up = 0
  for _, l in ipairs(links_of(side)) do up = up + (l.up and l.running and 1 or 0) end
  return up == COUNT and #namespaces_of(side) == COUNT
end

local function gone(side) return #links_of(side) == 0 and #namespaces_of(side) == 0 end

-- When `took` seconds were not enough for the end state, the time goes on until it is there.
local function until_shown(side, what, state, took)
  if state(side) then return took end
  local began = runtime.now()
  measure.wait_until(("all of %s to be %s"):format(side.name, what), function() return state(side) end)
  return took + runtime.now() - began
end

-- The names are known before; making them is not what is measured.
local specs <const>, names <const> = {}, {}
for i = 1, COUNT do
  names[i] = "e" .. i
  specs[i] = { name = names[i] }
end

function nerv.create()
  local began = runtime.now()
  net:endpoint(specs)
  return runtime.now() - began
end

function nerv.delete()
  local began = runtime.now()
  net:delete_endpoints(names)
  bare_loop.settle()
  return runtime.now() - began
end

function bare.create() return bare_loop.create(loop) end

function bare.delete() return bare_loop.delete(loop) end

-- A link as text, without what differs by nature: index, the names of bridges and of ends outside the
-- namespaces, the group's number, the alias, MAC addresses that the kernel chose.
local function link_text(l, inside)
  return ("%s up=%s running=%s mtu=%d master=%s group=%s alias=%s mac=%s"):format(inside and l.name or "outside", l.up,
    l.running, l.mtu, l.master ~= nil, l.group ~= 0, l.alias ~= nil, inside and l.mac or "any")
end

local function namespace_text(path, outside)
  local function setting(name, ns) return expect(sysctl.get { name = "net.ipv6.conf." .. name .. ".disable_ipv6", netns = ns }) end
  local parts = { "disable_ipv6 " .. setting("all", path) .. setting("eth0", path) }
  local peer
  for _, l in ipairs(expect(link.list { netns = path })) do
    parts[#parts + 1] = link_text(l, true)
    peer = l.peer_index and outside[l.peer_index] or peer
  end
  for _, a in ipairs(expect(address.list { netns = path })) do
    parts[#parts + 1] = ("%s on %s, scope %s, proto %s, permanent %s"):format(a.address, a.link, a.scope, a.proto,
      a.permanent)
  end
  for _, r in ipairs(expect(route.list { netns = path })) do
    parts[#parts + 1] = ("route %s %s"):format(r.to, r.link)
  end
  if peer then parts[#parts + 1] = link_text(peer, false) .. " disable_ipv6 " .. setting(peer.name) end
  table.sort(parts)
  return table.concat(parts, "\n  ")
end

-- All objects of a side: a text for each namespace with what is in it and the other end of its veth.
local function objects(side)
  local outside, list = {}, {}
  for _, l in ipairs(links_of(side)) do outside[l.index] = l end
  for i, path in ipairs(namespaces_of(side)) do list[i] = namespace_text(path, outside) end
  table.sort(list)
  return list
end

local function compare(a, b)
  for i = 1, math.max(#a, #b) do
    expect(a[i] == b[i], ("NERV and the bare loop made different things:\nNERV\n  %s\nbare\n  %s"):format(a[i], b[i]))
  end
end

-- One side's part of a round: seconds for creation and deletion, and what there was in between.
local function run(side)
  local create = until_shown(side, "there", complete, side.create())
  if side == nerv then loop.list = bare_loop.list_of(net:endpoints(), 16) end
  local made = objects(side)
  local delete = until_shown(side, "gone", gone, side.delete())
  return { create = create, delete = delete, made = made }
end

local samples <const> = { create = {}, delete = {} }
local amounts <const> = { create = {}, delete = {} }
for i = 1, ROUNDS do
  local round = {}
  for _, side in ipairs(i % 2 == 1 and { nerv, bare } or { bare, nerv }) do round[side.name] = run(side) end
  local ours <const>, theirs <const> = round.NERV, round.bare
  compare(ours.made, theirs.made)
  for what, list in pairs(samples) do
    list[i] = ours[what] / theirs[what]
    amounts[what][i] = theirs[what]
  end
  measure.progress("%d endpoints, round %d of %d: create NERV %.3f s bare %.3f s, delete NERV %.3f s bare %.3f s", COUNT,
    i, ROUNDS, ours.create, theirs.create, ours.delete, theirs.delete)
end

net:delete()
expect(link.delete { name = BARE_BRIDGE })
file.remove_tree(dir)

local results <const>, wanted <const> = {}, {}
for _, name in ipairs(arg) do wanted[name] = true end
for what, list in pairs(samples) do
  local name = what .. "_ratio_1000"
  if wanted[name] then
    results[name] = measure.result(list, ("bare %.2f s"):format(measure.median(amounts[what])))
  end
end
measure.hand_over(results)
