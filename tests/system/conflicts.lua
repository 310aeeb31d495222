-- Two calls about the same thing, the second one drafted before the first one was done: the transaction's conditions find
-- it, in each pair of calls, and whoever comes late changes nothing: he is told so, or does it anew where that is safe.
local tap <const> = require "tap"
local change <const> = require "nerv.change"
local system <const> = require "support.system"

lab.state()   -- the lab is there before the others come
local function other(code)
  local result = system.nervsh { "-e", "local blue = network.get 'blue' " .. code }
  if result.exit ~= 0 then error(result.stderr, 0) end
end

-- Makes a call, between whose drafting and writing another shell runs `code`.
-- @return whether it was done; the message; how often it was drafted
local real <const> = change.run
local function late(call, code)
  local count = 0
  function change.run(state, build)
    return real(state, function()
      local draft = build()
      count = count + 1
      if count == 1 then other(code) end
      return draft
    end)
  end
  local good, message = pcall(call)
  change.run = real
  return good, tostring(message):gsub("^%S+:%d+: ", ""), count
end

local function blue() return network.get "blue" end
local function update() blue():update { mtu = 1300 } end
local function add(spec) return function() blue():endpoint(spec) end end
local function change_h1() blue():get("h1"):update { mtu = 1200 } end
local function delete(...)
  local names <const> = { ... }
  return function() blue():delete_endpoints(names) end
end

network.create({ name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }):endpoint { { name = "h1" }, { name = "h2" } }
local function refused(text, build, code, message)
  local good, why, count = late(build, code)
  tap.ok(not good and why:find(message or "^%w[^\n]*: changed meanwhile$"), text, why, count)
  tap.eq(blue():verify(), {}, "nothing differs")
end
local OTHER <const> = "blue:update { mtu = 1400 }"
refused("an update after an update", update, OTHER)
tap.eq(blue().mtu, 1400, "the first one's counts")
refused("an update after a new endpoint", update, "blue:endpoint { name = 'h3' }")
tap.eq(link.get { netns = blue():get("h3").netns, name = "eth0" }.mtu, 1400, "which has what the others have")
refused("an update after an endpoint's end", update, "blue:get('h3'):delete()")
refused("an endpoint after an update", add { name = "x" }, "blue:update { mtu = 1350 }")
tap.eq(blue():get "x", nil, "it is not there")
refused("a change of an endpoint after an update", change_h1, OTHER)
refused("a change of an endpoint after another one", change_h1, "blue:get('h1'):update { mtu = 1250 }")
tap.eq(link.get { netns = blue():get("h1").netns, name = "eth0" }.mtu, 1250, "the first one's counts")
refused("an endpoint's end after its change", delete "h1", "blue:get('h1'):update { mtu = 1260 }")
refused("a change of an endpoint after its end", change_h1, "blue:get('h1'):delete()")
refused("an endpoint's end after its end", delete "h2", "blue:get('h2'):delete()")
refused("a network after one of its name", function() network.create { name = "red", archetype = "bridge" } end,
  "network.create { name = 'red', archetype = 'bridge' }", "network 'red' exists")
refused("an endpoint after one of its name", add { name = "h1" }, "blue:endpoint { name = 'h1' }", "endpoint 'h1' of network blue exists")
refused("an address that was given meanwhile", add { name = "h5", address = "10.1.0.77" }, "blue:endpoint { name = 'h4', address = '10.1.0.77' }",
  "10.1.0.77[^\n]*taken")
local port <const> = "port" .. digest.random(3)
assert(link.add { kind = "veth", name = port, peer = { name = port .. "p" } })
refused("a node's ports after its ports", function() node.here():update { egress = {} } end,
  ("node.here():update { egress = { %s = 'shared' } }"):format(port))
tap.eq(#node.here().egress, 1, "the first one's count")
node.here():update { egress = {} }
link.delete { name = port }

-- What is safe is done anew, from what is there now.
local function done(text, build, code, drafted)
  local good, why, count = late(build, code)
  tap.ok(good and count == drafted, ("%s: drafted %d time%s"):format(text, drafted, drafted == 1 and "" or "s"), why, count)
end
done("two endpoints whose addresses are chosen", add { name = "y1" }, "blue:endpoint { name = 'y2' }", 2)
tap.ok(blue():get("y1").address ~= blue():get("y2").address and blue():get("y1").mac ~= blue():get("y2").mac, "each has its own")
done("two with addresses of their own", add { name = "z1", address = "10.1.0.101" }, "blue:endpoint { name = 'z2', address = '10.1.0.102' }", 1)
tap.ok(blue():get("z1"):ping(blue():get "z2"), "both work")
done("the end of different endpoints", delete "z1", "blue:get('z2'):delete()", 1)
done("a network's end after a new endpoint", function() blue():delete() end, "blue:endpoint { name = 'late' }", 2)
tap.eq({ blue(), #file.list(lab.connection().hello.run_dir .. "/ns") }, { nil, 0 }, "it is gone with all of them")
network.get("red"):delete()
tap.done()
