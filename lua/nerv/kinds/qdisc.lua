-- What a link sends is limited and delayed: a token bucket for the rate, the kernel's netem for
-- delay and loss; netem within the bucket where both are wanted.
local archetypes <const> = require "nerv.archetype"
local kinds <const> = require "nerv.kinds"
local link_kind <const> = require "nerv.kinds.link"

local ROOT <const>, INNER <const> = "root", "1:1"
-- Handles: each place has one of its own, because the kernel would move the discipline that has it.
local BUCKET <const>, NETEM_ROOT <const>, NETEM_INNER <const>, QUEUE <const> = "1:", "2:", "10:", "11:"

local function where(p, node)
  local l = p.link
  if p.side == "peer" then return link_kind.peer_place(l.p, node) end
  return kinds.get(l.kind).place(l.p, node)
end

-- A bucket of 2 ms, at least two full frames; a queue of 25 ms.
local LATENCY <const> = 0.025

local function bucket(p)
  return { kind = "tbf", parent = ROOT, handle = BUCKET, rate = math.tointeger(p.rate // 1),
    burst = math.tointeger(math.max(3200, p.rate * 0.002 // 8)), latency = LATENCY }
end

-- What a bucket has within it by itself. The kernel does not put it back when netem goes: all would be dropped.
local function queue(p)
  local b = bucket(p)
  return { kind = "bfifo", parent = INNER, handle = QUEUE, limit = math.tointeger(b.rate / 8 * LATENCY // 1) + b.burst }
end

-- The kernel's limit counts packets: what the line holds, and with a rate a queue as the bucket's own.
local function waiting(p)
  if not p.rate then return math.max(1000, math.ceil((p.delay or 0) * 10e9 / 8 / 1000)) end
  return math.max(100, math.ceil(((p.delay or 0) + LATENCY) * p.rate / 8 / 500))
end

local function netem(p)
  return { kind = "netem", parent = p.rate and INNER or ROOT, handle = p.rate and NETEM_INNER or NETEM_ROOT,
    delay = p.delay or 0, loss = p.loss or 0, limit = waiting(p) }
end

-- The disciplines from the outer to the inner one.
local function chain(p)
  local list = {}
  if p.rate then list[1] = bucket(p) end
  if p.delay or p.loss then list[#list + 1] = netem(p) end
  return list
end

local function operation(verb, discipline, place, more)
  local options = { link = place.name, netns = place.netns }
  for key, value in pairs(discipline) do options[key] = value end
  for key, value in pairs(more or {}) do options[key] = value end
  return { verb, options }
end

local function equal(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then return false end
  end
  return true
end

-- The kernel counts bytes, ticks of 64 ns and parts of 2^32.
local function near(wanted, have, step)
  if wanted and have and math.abs(wanted - have) < step then return wanted end
  return have
end

return {
  name = "qdisc", text = "shaping of what a link sends", class = "kernel", rank = 40,
  properties = {
    link = { need = { "link", "interface" }, doc = "interface whose sending is shaped", required = true },
    side = { doc = "\"main\" or \"peer\": which end of a veth", default = "main" },
    rate = { type = "rate", doc = "bits per second" },
    delay = { type = "duration", doc = "seconds that each packet waits" },
    loss = { type = "share", doc = "share of packets that are lost, 0 to 1" },
  },
  key = function(p) return rawget(p.link, "key") .. " " .. p.side end,
  complete = function(p)
    if not (p.rate or p.delay or p.loss) then
      archetypes.complain("need.qdisc: one of rate, delay and loss is needed")
    end
  end,
  container = function(p) return p.link.kind == "link" and p.link or nil end,
  create = function(p, node)
    local ops, place = {}, where(p, node)
    for i, discipline in ipairs(chain(p)) do ops[i] = operation("qdisc.add", discipline, place) end
    return ops
  end,
  change = function(old, new, node)
    local ops, place = {}, where(new, node)
    local have, want = chain(old), chain(new)
    for i, w in ipairs(want) do
      local h = have[i]
      if not h then   -- within the bucket there may be a queue
        ops[#ops + 1] = operation("qdisc.add", w, place, { replace = true })
      elseif h.kind ~= w.kind or h.parent ~= w.parent then   -- takes its place, and that of all within it
        ops[#ops + 1] = operation("qdisc.add", w, place, { replace = true })
        have = {}
      elseif not equal(w, h) then
        ops[#ops + 1] = operation("qdisc.set", w, place)
      end
    end
    if have[#want + 1] then ops[#ops + 1] = operation("qdisc.add", queue(new), place, { replace = true }) end
    return ops
  end,
  remove = function(p, node)
    local place = where(p, node)
    return { { "qdisc.delete", { link = place.name, netns = place.netns, parent = ROOT } } }
  end,
  read = function(p, snapshot, node)
    local place = where(p, node)
    local found = {}   -- what has not our handle is somebody else's
    for _, have in ipairs(snapshot:qdiscs(place.netns, place.name)) do
      found[("%s %s %s"):format(have.kind, have.parent, have.handle)] = have
    end
    local tbf = found[("tbf %s %s"):format(ROOT, BUCKET)]
    local emulator = found[("netem %s %s"):format(tbf and INNER or ROOT, tbf and NETEM_INNER or NETEM_ROOT)]
    if not tbf and not emulator then return nil end
    local has = emulator or {}
    return { link = p.link, side = p.side, after = p.after, rate = tbf and near(p.rate, tbf.rate, 8) or nil,
      delay = near(p.delay, has.delay ~= 0 and has.delay or nil, 1e-6),
      loss = near(p.loss, has.loss ~= 0 and has.loss or nil, 1e-6) }
  end,
  -- Somebody else's discipline is in the way; one that the kernel gave by itself has no handle.
  debris = function(p, snapshot, node)
    local place = where(p, node)
    for _, have in ipairs(snapshot:qdiscs(place.netns, place.name)) do
      if have.parent == ROOT and have.handle then
        return { { "qdisc.delete", { link = place.name, netns = place.netns, parent = ROOT } } }
      end
    end
  end,
}
