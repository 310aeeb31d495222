-- The link monitor: events, waiting, cancelling, closing, overflow.
local tap <const> = require "tap"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local batch <const> = require "nerv.batch"
local task <const> = require "nerv.task"

local N <const> = "nltm"

local function clean()
  if netns.exists(N) then netns.delete{ path = N } end
end

--- The next event of a link that `pick` accepts.
local function await(monitor, pick)
  for _ = 1, 100 do
    local e = assert(monitor:next())
    if e.link and pick(e) then return e end
  end
end

local function test_events()
  local monitor <close> = assert(link.monitor{ netns = N })
  assert(link.add{ kind = "bridge", name = "m-br", netns = N, up = true })
  assert(link.add{ kind = "veth", name = "m0", netns = N, master = "m-br", alias = "nlt", up = true,
    peer = { name = "m1", netns = N } })
  local e = await(monitor, function(v) return v.link.name == "m0" and v.link.master and v.link.alias end)
  tap.eq({ e.event, e.link.kind, e.link.master, e.link.alias }, { "new", "veth", "m-br", "nlt" },
    "a new link, as link.get")
  assert(link.delete{ name = "m0", netns = N })
  e = await(monitor, function(v) return v.event == "delete" and v.link.name == "m0" end)
  tap.ok(e and e.link.index > 0, "its end")
end

local function test_wait()
  local monitor = assert(link.monitor{ netns = N })
  local got
  local waiter = task.spawn(function() got = await(monitor, function(e) return e.link.name == "w0" end) end)
  task.sleep(0.02)
  tap.raises(function() monitor:next() end, "another task waits already", "one waits at a time")
  assert(link.add{ kind = "veth", name = "w0", netns = N, peer = { name = "w1", netns = N } })
  waiter:wait()
  tap.eq(got and got.link.name, "w0", "a waiting task is woken")
  assert(link.delete{ name = "w0", netns = N })

  waiter = task.spawn(function() while assert(monitor:next()) do end end)  -- luacheck: ignore
  task.sleep(0.05)
  waiter:cancel()
  tap.raises(function() waiter:wait() end, "cancel", "a waiting task is cancelled")
  assert(link.add{ kind = "veth", name = "w2", netns = N, peer = { name = "w3", netns = N } })
  tap.ok(await(monitor, function(e) return e.link.name == "w2" end), "the monitor still works")

  local results
  waiter = task.spawn(function()
    repeat results = { monitor:next() } until not results[1]
  end)
  task.sleep(0.05)
  monitor:close()
  waiter:wait()
  tap.eq({ results[2], results[3] }, { "link.monitor: closed", "closed" }, "closing wakes who waits")
  monitor:close()
  tap.raises(function() monitor:next() end, "closed", "a closed monitor raises")
end

local function test_overflow()
  local monitor <close> = assert(link.monitor{ netns = N })
  local items = {}
  for i = 1, 20000 do items[i] = { "link.set", { name = "w2", netns = N, mtu = 1000 + i % 2 } } end
  tap.eq(batch.run(items), 20000, "more changes than the socket holds")
  local lost
  for _ = 1, 20010 do
    local e = monitor:next()
    if e.event == "lost" then lost = true break end
  end
  tap.ok(lost, "the loss is told")
  assert(link.set{ name = "w2", netns = N, mtu = 1234 })
  local found
  for _ = 1, 10 do
    local e = monitor:next()
    found = e.link and e.link.mtu == 1234
    if found then break end
  end
  tap.ok(found, "what comes after the loss is told, stale events are not")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = N })
  tap.eq(select(3, link.monitor{ netns = "nltm-none" }), "ENOENT", "a namespace that is missing")
  test_events()
  test_wait()
  test_overflow()
  local forgotten = link.monitor()
  tap.ok(forgotten, "without options: here")
  forgotten = nil  -- luacheck: ignore
  collectgarbage()
end)
clean()
if not good then error(problem, 0) end
tap.done()
