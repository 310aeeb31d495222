-- The monitor: events of every subject, waiting, time limits, cancelling, closing, overflow.
local tap <const> = require "tap"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local route <const> = require "nerv.route"
local rule <const> = require "nerv.rule"
local neighbour <const> = require "nerv.neighbour"
local fdb <const> = require "nerv.fdb"
local monitor <const> = require "nerv.monitor"
local batch <const> = require "nerv.batch"
local task <const> = require "nerv.task"

local N <const> = "nltm"

local function clean()
  if netns.exists(N) then netns.delete{ path = N } end
end

--- The next event of a link that `pick` accepts.
local function await(m, pick)
  for _ = 1, 100 do
    local e = assert(m:next())
    if e.link and pick(e) then return e end
  end
end

local function test_events()
  local m <close> = assert(monitor.open{ only = { "link" }, netns = N })
  assert(link.add{ kind = "bridge", name = "m-br", netns = N, up = true })
  assert(link.add{ kind = "veth", name = "m0", netns = N, master = "m-br", alias = "nlt", up = true,
    peer = { name = "m1", netns = N } })
  local e = await(m, function(v) return v.link.name == "m0" and v.link.master and v.link.alias end)
  tap.eq({ e.event, e.link.kind, e.link.master, e.link.alias }, { "new", "veth", "m-br", "nlt" },
    "a new link, as link.get")
  assert(link.delete{ name = "m0", netns = N })
  e = await(m, function(v) return v.event == "delete" and v.link.name == "m0" end)
  tap.ok(e and e.link.index > 0, "its end")
end

local function test_wait()
  local m = assert(monitor.open{ only = { "link" }, netns = N })
  local got
  local waiter = task.spawn(function() got = await(m, function(e) return e.link.name == "w0" end) end)
  task.sleep(0.02)
  tap.raises(function() m:next() end, "another task waits for its events already", "one waits at a time")
  assert(link.add{ kind = "veth", name = "w0", netns = N, peer = { name = "w1", netns = N } })
  waiter:wait()
  tap.eq(got and got.link.name, "w0", "a waiting task is woken")
  assert(link.delete{ name = "w0", netns = N })

  waiter = task.spawn(function() while assert(m:next()) do end end)  -- luacheck: ignore
  task.sleep(0.05)
  waiter:cancel()
  tap.raises(function() waiter:wait() end, "cancel", "a waiting task is cancelled")
  assert(link.add{ kind = "veth", name = "w2", netns = N, peer = { name = "w3", netns = N } })
  tap.ok(await(m, function(e) return e.link.name == "w2" end), "the monitor still works")

  local results
  waiter = task.spawn(function()
    repeat results = { m:next() } until not results[1]
  end)
  task.sleep(0.05)
  m:close()
  waiter:wait()
  tap.eq({ results[2], results[3] }, { "monitor: closed", "closed" }, "closing wakes who waits")
  m:close()
  tap.raises(function() m:next() end, "closed", "a closed monitor raises")
end

--- The first event in which `subject` is what the fields of `want` say; other events pass.
local function sees(m, event, subject, want, text)
  local last
  for e in m:events(5) do
    if e.subject == subject then
      local same = e.event == event
      for k, v in pairs(want) do same = same and e[subject][k] == v end
      if same then return tap.ok(true, text) end
      last = e
    end
  end
  tap.ok(false, text, last)
end

local function test_subjects()
  local m <close> = assert(monitor.open{ netns = N })
  assert(link.add{ kind = "veth", name = "s0", netns = N, up = true, master = "m-br", peer = { name = "s1", up = true } })
  assert(address.add{ link = "s1", netns = N, address = "10.1.0.1/24" })
  sees(m, "new", "link", { name = "s0", kind = "veth", master = "m-br" }, "a link")
  sees(m, "new", "address", { address = "10.1.0.1/24", link = "s1", family = 4 }, "an address")
  assert(route.add{ to = "10.2.0.0/16", via = "10.1.0.9", netns = N })
  sees(m, "new", "route", { to = "10.2.0.0/16", via = "10.1.0.9", link = "s1", type = "unicast" }, "a route")
  assert(rule.add{ priority = 77, table = 5, netns = N })
  sees(m, "new", "rule", { priority = 77, table = 5, action = "lookup" }, "a rule")
  assert(neighbour.add{ link = "s1", netns = N, address = "10.1.0.9", mac = "02:00:00:00:00:09" })
  sees(m, "new", "neighbour", { address = "10.1.0.9", link = "s1", state = "permanent" }, "a neighbour")
  assert(fdb.add{ link = "s0", netns = N, mac = "02:00:00:00:00:09" })
  sees(m, "new", "fdb", { mac = "02:00:00:00:00:09", link = "s0", master = "m-br", state = "static" }, "an entry of a bridge")
  assert(neighbour.delete{ link = "s1", netns = N, address = "10.1.0.9" })
  sees(m, "delete", "neighbour", { address = "10.1.0.9" }, "a neighbour goes")
  assert(rule.delete{ priority = 77, netns = N })
  sees(m, "delete", "rule", { priority = 77 }, "a rule goes")
  assert(address.delete{ link = "s1", netns = N, address = "10.1.0.1/24" })
  sees(m, "delete", "address", { address = "10.1.0.1/24" }, "an address goes")
  assert(link.delete{ name = "s0", netns = N })
  sees(m, "delete", "link", { name = "s0" }, "a link goes")
end

local function test_only()
  local m <close> = assert(monitor.open{ only = { "address", "rule" }, netns = N })
  assert(link.set{ name = "w2", netns = N, mtu = 1401 })
  assert(rule.add{ family = 6, priority = 78, table = 6, netns = N })
  assert(address.add{ link = "w2", netns = N, address = "fd00::1/64" })
  local order = {}
  for e in m:events(0.2) do order[#order + 1] = e.event .. " " .. e.subject end
  tap.eq(order, { "new rule", "new address" }, "only what was asked for, in order")
  local begun = runtime.now()
  local value, message, code = m:next(0.05)
  tap.eq({ value, code }, { nil, "timeout" }, "a time limit")
  tap.like(message, "^monitor: no event within 0%.05 s", "says so")
  tap.ok(runtime.now() - begun >= 0.04, "waited for it")
  tap.eq(select(3, m:next(0)), "timeout", "0: do not wait")
  local busy <close> = assert(monitor.open{ only = { "fdb" }, netns = N })
  local quiet = false
  local noise = task.spawn(function()
    for i = 1, 200 do
      neighbour.replace{ link = "w2", netns = N, address = "10.1.0.9", mac = ("02:00:00:00:01:%02x"):format(i) }
      task.sleep(0.005)
    end
    quiet = true
  end)
  tap.eq(select(3, busy:next(0.1)), "timeout", "what is not wanted does not prolong the wait")
  tap.ok(not quiet, "it ends in time")
  noise:cancel()
  pcall(noise.wait, noise)
end

local function test_iterator()
  local count = 0
  for _ in monitor.open{ only = { "link" }, netns = N }:events(0.05) do count = count + 1 end
  tap.eq(count, 0, "a monitor that only the loop knows, while nothing changes")
  collectgarbage()
  local m = assert(monitor.open{ only = { "link" }, netns = N })
  local seen
  local reader = task.spawn(function()
    for e in m:events() do seen = e.link.mtu end
    return "ended"
  end)
  assert(link.set{ name = "w2", netns = N, mtu = 1002 })
  tap.ok(tap.eventually(5, function() return seen == 1002 end), "a loop in another task")
  m:close()
  tap.eq(reader:wait(), "ended", "ends when the monitor is closed")
  tap.raises(function() m:events() end, "closed", "no loop over a closed one")
end

local function test_misuse()
  local function refuses(options, pattern, text)
    tap.raises(function() monitor.open(options) end, pattern, text)
  end
  refuses({ only = { "lnik" } }, "only must be one of link, address, route, rule, neighbour, fdb, not \"lnik\"", "unknown")
  refuses({ only = { 5 } }, "item 1 is none", "a number")
  refuses({ only = {} }, "only is empty", "nothing")
  refuses({ links = true }, "unknown option 'links'", "an unknown option")
  local m <close> = assert(monitor.open{ netns = N })
  tap.raises(function() m:next(-1) end, "timeout must be 0 or more", "a negative time")
  tap.raises(function() m:next "soon" end, "timeout must be a number", "a word as time")
  tap.raises(function() m.next() end, "call it with a colon", "no monitor")
end

local function test_overflow()
  local m <close> = assert(monitor.open{ only = { "link" }, netns = N })
  local items = {}
  for i = 1, 20000 do items[i] = { "link.set", { name = "w2", netns = N, mtu = 1000 + i % 2 } } end
  tap.eq(batch.run(items), 20000, "more changes than the socket holds")
  local lost
  for _ = 1, 20010 do
    local e = m:next()
    if e.event == "lost" then lost = true break end
  end
  tap.ok(lost, "the loss is told")
  assert(link.set{ name = "w2", netns = N, mtu = 1234 })
  local found
  for _ = 1, 10 do
    local e = m:next()
    found = e.link and e.link.mtu == 1234
    if found then break end
  end
  tap.ok(found, "what comes after the loss is told, stale events are not")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N })
  tap.eq(select(3, monitor.open{ netns = "nltm-none" }), "ENOENT", "a namespace that is missing")
  test_events()
  test_wait()
  test_subjects()
  test_only()
  test_iterator()
  test_misuse()
  test_overflow()
  local forgotten = monitor.open()
  tap.ok(forgotten, "without options: here")
  forgotten = nil  -- luacheck: ignore
  collectgarbage()
end)
clean()
if not good then error(problem, 0) end
tap.done()
