-- The home of a network moves: make before break, so that whoever talks to the gateway goes on, wherever he is.
-- With sanitizers in check-long only.
local tap <const> = require "tap"

local bed <const> = testbed.create { nodes = 3 }
local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24", subnet6 = "fd00:1::/64", home = "pm1",
  gateway = true, dns = true, dhcp = true }
local h <const> = blue:endpoint { { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" }, { name = "h3", node = "pm3" } }

-- The longest time without an answer, in seconds.
local function longest_gap(text)
  local last, gap, count = nil, 0, 0
  for at in text:gmatch "%[([%d.]+)%] %d+ bytes" do
    at = tonumber(at)
    gap, last, count = math.max(gap, last and at - last or 0), at, count + 1
  end
  return gap, count
end

local function gateway_on(name) return file.stat(node.get(name).run_dir .. "/ns/blue+lan:gateway") ~= nil end

local function move(to)
  local pings = {}
  for i, ep in ipairs(h) do
    for j, target in ipairs { "10.1.0.1", "fd00:1::1" } do
      assert(tap.eventually(5, function() return ep:ping(target) end))
      pings[#pings + 1] = { ep = ep, target = target, run = task.spawn(function()
        local result = table.pack(ep:run("ping", "-D", "-i", "0.02", "-w", "3", target))
        return (result[1] or result[4]).stdout
      end), i, j }
    end
  end
  sleep(0.5)
  local began = runtime.now()
  blue:update { home = to }
  local took = runtime.now() - began
  for _, one in ipairs(pings) do
    local text = one.run:wait()
    local gap, count = longest_gap(text)
    tap.ok(count > 80 and gap < 0.5, ("%s and %s: %d answers, none for %.2f s at most (the call took %.2f s)"):format(one.ep.id,
      one.target, count, gap, took), text:sub(-300))
  end
end
move "pm3"
tap.eq({ blue.home, gateway_on "pm1", gateway_on "pm3" }, { "pm3", false, true }, "the gateway is on the new home alone")
move "pm2"
tap.eq(blue:verify(), {}, "nothing differs")
blue:delete()
bed:delete()
tap.done()
