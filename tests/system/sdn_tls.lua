-- A controller at an "ssl:" address: switches show the certificate of their node, and want one of the same authority.
local tap <const> = require "tap"
local system <const> = require "support.system"

local dir <close> = system.directory()
for _, authority in ipairs { "ours", "others" } do
  local made <const> = process.run { argv = { "scripts/make-ca", dir.path .. "/" .. authority, "node", "controller" } }
  tap.eq({ made.exit, made.stderr }, { 0, "" }, "certificates of an authority")
end

-- The port is free a moment before.
local function free_port()
  local listener <close> = stream.listen { host = "127.0.0.1", port = 0 }
  return listener:port()
end
local controllers <const>, config <const> = {}, system.write(dir.path, "nerv.lua", ('return { tls = "%s/ours/node" }'):format(dir.path))
for _, authority in ipairs { "ours", "others" } do
  local port <const>, at <const> = free_port(), ("%s/%s/controller/"):format(dir.path, authority)
  controllers[authority] = port
  assert(openflow.listen { port = port, tls = { ca = at .. "ca.pem", certificate = at .. "certificate.pem", key = at .. "key.pem" },
    on_switch = function(dp) dp:flow { priority = 0, actions = { { output = "normal" } } } end })
end

local state <close> = system.state()
local script <const> = system.write(dir.path, "script.lua", [[
local net = network.create { name = "blue", archetype = "sdn", subnet = "10.1.0.0/24", controller = "ssl:127.0.0.1:" .. arg[1] }
local h = net:endpoint { { name = "a" }, { name = "b" } }
local function reaches(seconds)
  local limit = runtime.now() + seconds
  repeat local there = h[1]:ping(h[2], 1) until there or runtime.now() > limit
  return h[1]:ping(h[2], 1) ~= nil
end
print(reaches(15))
net:delete()
net = network.create { name = "red", archetype = "sdn", subnet = "10.1.0.0/24", controller = "ssl:127.0.0.1:" .. arg[2] }
h = net:endpoint { { name = "a" }, { name = "b" } }
print(reaches(3))
net:delete()]])
local result <const> = system.nervsh({ "--config", config, script, tostring(controllers.ours), tostring(controllers.others) }, { env = state.env })
tap.eq({ result.exit, result.stdout, result.stderr }, { 0, "true\nfalse\n", "" }, "a controller of the authority decides, one of another does not")
tap.eq(state:left(), {}, "nothing is left")
tap.done()
