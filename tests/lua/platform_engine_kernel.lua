-- The engine with a kind that makes links of this kernel: what fails half-way leaves nothing, and what is not ours stays.
local tap <const> = require "tap"
local batch <const> = require "nerv.batch"
local engine <const> = require "nerv.engine"
local kinds <const> = require "nerv.kinds"
local kernel <const> = require "support.kernel"
local needs <const> = require "nerv.needs"
local system <const> = require "support.system"

local NAME <const> = "k" .. digest.random(3)

kinds.define { name = "test_pair", class = "kernel", rank = 10,
  properties = { name = { doc = "name", required = true }, broken = { doc = "whether its second half fails" } },
  key = function(p) return p.name end,
  create = function(p)
    return { { "link.add", { kind = "veth", name = p.name, peer = { name = p.name .. "p" } } },
      { "link.set", { name = p.broken and "no-such-link" or p.name, up = true } } }
  end,
  settle = function(p) return { { "link.set", { name = p.name, alias = "settled" } } } end,
  remove = function(p) return { { "link.delete", { name = p.name } } } end,
  read = function(p, snapshot) return snapshot:link(nil, p.name) and p or nil end }

local e <const> = engine.new { name = "here" }
local function plan(f) return assert(e:plan("o", f and assert(needs.of("o", f)) or {})) end
local function there(name) return link.get { name = name } ~= nil end

local _ <close> = setmetatable({}, { __close = function()
  for _, name in ipairs { NAME, NAME .. "a", NAME .. "b" } do link.delete { name = name } end
end })

local good, message = e:apply_all(plan(function(need)
  need.test_pair { name = NAME .. "a" }
  need.test_pair { name = NAME .. "b", broken = true }
end))
tap.ok(good == nil and message:find("create test_pair " .. NAME .. "b: link.set no%-such%-link"), "the second one fails half-way", message)
tap.eq({ there(NAME .. "a"), there(NAME .. "b") }, { true, false }, "the first one is there, of the second one nothing")
tap.eq(link.get { name = NAME .. "a" }.alias, nil, "nothing is waited for")
tap.ok(e:apply_all(plan(nil)) and not there(NAME .. "a"), "all goes again")

assert(link.add { kind = "veth", name = NAME, peer = { name = NAME .. "x" } })
local index <const> = link.get { name = NAME }.index
good, message = e:apply_all(plan(function(need) need.test_pair { name = NAME } end))
tap.ok(good == nil and message:find "File exists", "a name that somebody else has", message)
tap.eq(link.get { name = NAME }.index, index, "what was there is not taken away")

link.delete { name = NAME }
local begun = 0
assert(e:apply_all(plan(function(need)
  for _, name in ipairs { NAME .. "a", NAME .. "b" } do need.test_pair { name = name } end
end)))
for _, name in ipairs { NAME .. "a", NAME .. "b" } do
  if link.get { name = name }.alias == "settled" then begun = begun + 1 end
end
tap.eq(begun, 2, "of all that is made it is waited until it works")
link.set { name = NAME .. "a", alias = "" }
assert(e:apply_all(plan(function(need) need.test_pair { name = NAME .. "a" } end)))
tap.eq(link.get { name = NAME .. "a" }.alias, nil, "not of what is there")

-- A borrowed interface is a port that forwards when the kind has settled. The kernel's link watch gets to it within a
-- second, not at once, when it seems to lead nowhere else: one whose other end has the same index elsewhere.
local interface <const> = kinds.get "interface"
local lent <const>, elsewhere <const>, INDEX <const> = NAME .. "i", NAME .. "e", "7000"
local run_dir <close> = system.directory()
local node <const> = { run_dir = run_dir.path, seen = {}, log = tap.note }
assert(netns.add { path = elsewhere })
local _ <close> = setmetatable({}, { __close = function() kernel.forget(elsewhere) end })
assert(link.add { kind = "bridge", name = NAME, up = true })
local forwards = 0
for _ = 1, 5 do
  kernel.sh("ip", "link", "add", lent, "index", INDEX, "type", "veth", "peer", lent, "index", INDEX, "netns", elsewhere)
  assert(link.set { name = lent, netns = elsewhere, up = true })
  local p <const> = { id = "o", name = lent, up = true, master = NAME }
  assert(interface.create({ { need = { p = p } } }, node))
  assert(batch.run(interface.settle and interface.settle(p, node) or {}))
  local port <const> = kernel.find(json.decode(kernel.sh("bridge", "-j", "link")), "ifname", lent)
  if port.state == "forwarding" then forwards = forwards + 1 end
  assert(interface.remove({ { need = { p = p } } }, node))
  assert(link.delete { name = lent })
end
tap.eq(forwards, 5, "a borrowed interface forwards when it has settled")
tap.done()
