-- How many steps a call takes: each is a transaction, and a few of them are most of what a small call costs. Who gives
-- the last report makes the step with it, and phases in which nobody has anything to do are left out.
local tap <const> = require "tap"

-- The phases that a call's Change went through, and in how many transactions, the call's own included.
local function steps_of(call)
  local watch <close> = lab.state().db:watch { "Change" }
  call()
  local phases, count, last = {}, 0, nil
  for _, event in ipairs(watch:all(5)) do
    if event.new then   -- else an old one was forgotten
      count, last = count + 1, event.new
      if event.changed and event.changed.phase then phases[#phases + 1] = event.old.phase end
    end
  end
  phases[#phases + 1] = last.phase
  return phases, count
end

local function takes(phases, count, call, text)
  local seen, transactions = steps_of(call)
  tap.eq(seen, phases, text .. ": the phases")
  tap.ok(transactions >= #phases and transactions <= count, ("%s: %d transactions at most"):format(text, count), transactions)
end

local net
takes({ "make", "done" }, 2, function() net = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" } end,
  "what is only made")
takes({ "make", "done" }, 2, function() net:endpoint { name = "h1" } end, "an endpoint")
takes({ "make", "switch", "done" }, 3, function() net:update { mtu = 1400 } end, "a change in place")
takes({ "make", "switch", "sweep", "done" }, 4, function() net:update { archetype = "bridge" } end, "another archetype")
takes({ "make", "sweep", "done" }, 3, function() net:get("h1"):delete() end, "what only goes")
net:delete()

-- On two nodes one reports, the other one reports and steps; when they do it at once, the driver steps.
local tb <const> = testbed.create { nodes = 2 }
local red <const> = network.create { name = "red", archetype = "bridge", home = "pm1" }
takes({ "make", "done" }, 4, function() red:endpoint { { name = "a", node = "pm1" }, { name = "b", node = "pm2" } } end,
  "endpoints on two nodes")
takes({ "make", "sweep", "done" }, 7, function() red:delete_endpoints { "a", "b" } end, "their end")
red:delete()
tb:delete()
tap.done()
