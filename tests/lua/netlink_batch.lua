-- Batches: order, the first failure, misuse, cancelling, and 1000 endpoints at once.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local address <const> = require "nerv.address"
local batch <const> = require "nerv.batch"
local task <const> = require "nerv.task"
local sh <const> = kernel.shell

local HUB <const> = "nltb-hub"
local ENDPOINTS <const> = 1000
local GROUP <const> = 0x40006e6c

local function clean()
  for _, path in ipairs(netns.list()) do
    if path:match("^/run/netns/nltb%-") then netns.delete{ path = path } end
  end
end

local function test_small()
  tap.eq(batch.run{}, 0, "an empty batch")
  tap.eq(batch.run{
    { "netns.add", { path = "nltb-x", lo_up = true } },
    { "link.add", { kind = "veth", name = "x0", netns = HUB, peer = { name = "eth0", netns = "nltb-x", up = true } } },
    { "address.add", { link = "eth0", netns = "nltb-x", address = "10.3.0.1/24" } },
    { "netns.delete", { path = "nltb-x" } },
    { "netns.add", { path = "nltb-x" } },
    { "sysctl.set", { name = "net.ipv6.conf.all.disable_ipv6", netns = "nltb-x", value = 1 } },
  }, 6, "a namespace made, used, deleted and made again")
  tap.eq(#link.list{ netns = "nltb-x" }, 1, "the new one is empty")
  tap.eq({ batch.run{
    { "link.add", { kind = "veth", name = "y0", netns = HUB, peer = { name = "y1" } } },
    { "link.set", { name = "y0", netns = HUB, up = true } },
    { "link.add", { kind = "veth", name = "y0", netns = HUB, peer = { name = "y2" } } },
    { "link.delete", { name = "y0", netns = HUB } },
  } }, { nil, "link.add y0: File exists", "EEXIST", 3 }, "it stops at the first failure and names it")
  tap.eq(link.get{ name = "y0", netns = HUB }.up, true, "what came before is done, what comes after is not")
  assert(link.delete{ name = "y0", netns = HUB })
  local items = {}
  for i = 1, 20 do items[#items + 1] = { "netns.add", { path = "nltb-m" .. i } } end
  for _ = 1, 2 do
    for i = 1, 20 do items[#items + 1] = { "link.set", { name = "lo", netns = "nltb-m" .. i, up = true } } end
  end
  for i = 1, 20 do items[#items + 1] = { "netns.delete", { path = "nltb-m" .. i } } end
  tap.eq(batch.run(items), 80, "more namespaces than are kept open")
end

local function test_misuse()
  local function refuses(items, pattern, text)
    tap.raises(function() batch.run(items) end, pattern, text)
  end
  refuses({ "link.add" }, "item 1 must be", "no table")
  refuses({ { "link.add" } }, "item 1 must be", "no options")
  refuses({ { "link.list", {} } }, "item 1: 'link.list' is no verb that a batch takes", "a verb that reads")
  refuses({ { "link.del", {} } }, "no verb", "an unknown verb")
  refuses({ { "link.delte", {} } }, "did you mean 'link.delete'%?", "the nearest verb")
  refuses({ { "link.delete", { name = "x" } }, { "link.delete", { nam = "x" } } },
    "item 2, link.delete: unknown option 'nam'; did you mean 'name'", "an unknown option")
  refuses({ { "link.delete", {} } }, "item 1, link.delete: option 'name' is missing", "an option that is missing")
  refuses({ { "link.set", { name = "x", up = 1 } } }, "up must be true or false, not 1", "a wrong type")
  refuses({ { "link.add", { kind = "veth", name = "x", peer = { nme = "y" } } } }, "unknown option 'nme'",
    "in a peer")
  refuses({ { "netns.add", { path = "nltb-never" } }, { "link.delete", { name = "sixteencharacter" } } },
    "item 2, link.delete: name \"sixteencharacter\" has 16 characters", "a value")
  tap.eq(netns.exists "nltb-never", false, "misuse is found before anything is done")
end

local function endpoint(items, i)
  local space, name = "nltb-e" .. i, "e" .. i
  local function add(verb, options) items[#items + 1] = { verb, options } end
  add("netns.add", { path = space, lo_up = true })
  add("sysctl.set", { name = "net.ipv6.conf.all.disable_ipv6", value = 1, netns = space })
  add("link.add", { kind = "veth", name = name, netns = HUB, group = GROUP, alias = "nlt:" .. i, up = true,
    peer = { name = "eth0", netns = space, mac = ("02:00:00:01:%02x:%02x"):format(i >> 8, i & 255), up = true } })
  add("link.set", { name = name, netns = HUB, master = "br0" })
  add("ethtool.set", { link = "eth0", netns = space, tx_checksum = false })
  add("address.add", { link = "eth0", netns = space, address = ("10.1.%d.%d/16"):format(i >> 8, i & 255) })
  add("route.add", { to = "default", via = "10.1.255.254", link = "eth0", netns = space })
  add("qdisc.add", { link = "eth0", netns = space, kind = "tbf", rate = 100e6 })
end

local function test_many()
  local items, pause, last, stop = {}, 0, runtime.now(), false
  for i = 1, ENDPOINTS do endpoint(items, i) end
  local ticker = task.spawn(function()
    while not stop do
      task.sleep(0.001)
      pause, last = math.max(pause, runtime.now() - last), runtime.now()
    end
  end)
  task.sleep(0.01)
  local start = runtime.now()
  local done = { batch.run(items) }
  local seconds = runtime.now() - start
  stop = true
  ticker:wait()
  tap.eq(done, { 8 * ENDPOINTS }, "8000 changes in one batch")
  tap.note(("%d endpoints in %.3f s; the loop's longest pause was %.3f s"):format(ENDPOINTS, seconds, pause))
  tap.eq(#link.list{ netns = HUB, master = "br0", group = GROUP }, ENDPOINTS, "all are ports")
  local last_space = "nltb-e" .. ENDPOINTS
  tap.like(sh("ip -n " .. last_space .. " -o -4 address show dev eth0"), "10%.1%.3%.232/16",
    "ip: the last one's address")
  tap.eq(link.get{ name = "eth0", netns = last_space }.mac, "02:00:00:01:03:e8", "its MAC address")
  tap.eq(address.list{ netns = last_space, link = "eth0" }[1].address, "10.1.3.232/16", "its address")
  start = runtime.now()
  local names = {}
  for i = 1, ENDPOINTS do names[i] = "e" .. i end
  tap.ok(link.delete_many{ names = names, group = GROUP + 1, netns = HUB }, "delete_many of all")
  tap.note(("deleted in %.3f s"):format(runtime.now() - start))
  tap.eq(link.list{ netns = HUB, kind = "veth" }, {}, "none is left")
  items = {}
  for i = 1, ENDPOINTS do items[i] = { "netns.delete", { path = "nltb-e" .. i } } end
  tap.eq(batch.run(items), ENDPOINTS, "their namespaces go in one batch")
end

local function test_cancel()
  local items = {}
  for i = 1, 50 do items[i] = { "netns.add", { path = "nltb-c" .. i } } end
  local runner = task.spawn(function() batch.run(items) end)
  task.sleep(0)
  runner:cancel()
  tap.raises(function() runner:wait() end, "cancel", "a waiting task is cancelled")
  runner = nil  -- luacheck: ignore
  collectgarbage()
  tap.ok(tap.eventually(5, function() return netns.exists "nltb-c50" end), "what was sent is done all the same")
end

clean()
local good, problem = pcall(function()
  assert(netns.add{ path = HUB })
  assert(link.add{ kind = "bridge", name = "br0", netns = HUB, up = true })
  test_small()
  test_misuse()
  test_cancel()
  test_many()
end)
clean()
if not good then error(problem, 0) end
tap.eq(sh "ip netns list | grep nltb", "", "nothing is left")
tap.done()
