-- Figures of ETArch: how long an entity waits for an answer over two nodes, what a message to many costs the trunk, and
-- how many registrations a second one DTSA takes into the database: from switches that are played, and beside it through
-- a real Open vSwitch.
local here <const> = arg[0]:match("^(.*)/[^/]*$")
package.path = here .. "/?.lua;" .. package.path
local measure <const> = require "measure"

local SWITCHES <const>, MEMBERS <const> = 16, 8
local bed <const> = testbed.create { nodes = 2 }

-- What requests of an endpoint begin with.
local function header_of(where)
  local mac <const> = link.get({ name = "eth0", netns = where }).mac
  return "DTS\0\0\0" .. mac:gsub("(%x%x):?", function(digits) return string.char(tonumber(digits, 16)) end) .. "\8\x80"
end

-- Milliseconds from requests to their answers, on one socket.
local function request_times(where, count, request_of)
  local header <const> = header_of(where)
  local socket <close> = expect(packet.open { link = "eth0", netns = where, protocol = 0x0880 })
  local samples = {}
  for i = 1, count do
    local request <const> = request_of(i)
    local began <const> = runtime.now()
    expect(socket:send(header .. etcp.request(request)))
    for frame, info in socket:frames(10) do
      local response = not info.outgoing and etcp.read_response(frame:sub(15))
      if response and response.request_id == request.id then
        expect(response.status == "success", request.type)
        samples[#samples + 1] = (runtime.now() - began) * 1000
        break
      end
    end
  end
  expect(#samples == count, "every request is answered")
  return samples
end

local function p99(samples, what, lost)
  measure.progress("%s: median %.2f ms, p99 %.2f ms", what, measure.median(samples), measure.quantile(samples, 0.99))
  return { value = measure.quantile(samples, 0.99), low = measure.median(samples), high = measure.quantile(samples, 1),
    count = #samples, note = ("median %.2f ms%s"):format(measure.median(samples), lost and (", %d lost"):format(lost) or
    "") }
end

local net <const> = network.create { name = "uf", archetype = "etarch", home = "pm1" }
local specs <const> = { { name = "near", node = "pm1" }, { name = "beside", node = "pm1" } }
for i = 1, MEMBERS do specs[#specs + 1] = { name = "far" .. i, node = "pm2" } end
net:endpoint(specs)
local function join(endpoint, title)
  return entity.register { title = title or endpoint, netns = net:get(endpoint).netns, timeout = 2, tries = 5 }
end

-- Answers: an entity on the node that is not the DTSA's.
local near <const>, far <const> = expect(join "near"), {}
expect(near:create "room")
for i = 1, MEMBERS do far[i] = expect(join("far" .. i)) end
local far1 <const> = net:get("far1").netns
local register <const> = request_times(far1, measure.rounds(500, 20), function(i)
  return { type = "entity_register", id = i, body = { title = "new " .. i } }
end)
local attach <const> = {}
for i, sample in ipairs(request_times(far1, measure.rounds(1000, 40), function(i)
  return { type = i % 2 == 1 and "workspace_attach" or "workspace_detach", id = i,
    body = { workspace_title = "room", entity_title = "far1" } }
end)) do
  if i % 2 == 1 then attach[#attach + 1] = sample end
end

-- Milliseconds in which a message reaches who shall have it; how many came to nobody.
local function delivery_times(count, before, receivers)
  local samples, lost = {}, 0
  for _ = 1, count do
    before()
    local began <const> = runtime.now()
    near:send("room", "a message\n")
    local all = true
    for _, one in ipairs(receivers) do all = one:receive(1) and all end
    samples[#samples + 1] = all and (runtime.now() - began) * 1000 or nil
    lost = lost + (all and 0 or 1)
  end
  return samples, lost
end

-- The first message to who has just been told that he is in; then to three members, two of them on the other node. (far1
-- has heard the answers above.)
local first <const>, first_lost <const> = delivery_times(measure.rounds(200, 20), function()
  far[2]:detach "room"
  expect(far[2]:attach "room")
end, { far[2] })
local beside <const> = expect(join("beside"))
for _, one in ipairs { beside, far[3] } do expect(one:attach "room") end
local three <const>, three_lost <const> = delivery_times(measure.rounds(500, 20), function() end, { beside, far[2], far[3] })
for _, one in ipairs { beside, far[2], far[3] } do one:detach "room" end

-- Copies on the trunk of one message to all members on the other node.
for _, one in ipairs(far) do expect(one:attach "room") end
local capture <const> = expect(node.get("pm1"):capture { interface = "trunk0", filter = "vlan " .. net.ports.data.tag })
near:send("room", "one message\n")
for _, one in ipairs(far) do expect(one:receive(5)) end
local copies = 0
for _, record in ipairs(capture:stop().packets) do
  if record.bytes:find("one message", 1, true) then copies = copies + 1 end
end

-- Registrations a second of one socket in an endpoint, by its switch, the relay and the network's DTSA.
local WINDOW <const> = 64
local function registers_through_open_vswitch(where, seconds)
  local header <const>, run <const> = header_of(where), digest.random(4)
  local socket <close> = expect(packet.open { link = "eth0", netns = where, protocol = 0x0880 })
  local sent, answered, began = 0, 0, runtime.now()
  local function ask()
    sent = sent + 1
    expect(socket:send(header .. etcp.request { type = "entity_register", id = sent,
      body = { title = ("%s %d"):format(run, sent) } }))
  end
  while runtime.now() < began + seconds do
    for _ = 1, WINDOW do ask() end            -- at first, and when answers were lost
    for frame, info in socket:frames(0.2) do
      local response = not info.outgoing and etcp.read_response(frame:sub(15))
      if response and response.status == "success" then
        answered = answered + 1
        ask()
      end
      if runtime.now() >= began + seconds then break end
    end
  end
  return answered / (runtime.now() - began)
end
local real <const> = {}
for i = 1, measure.rounds(5, 1) do
  real[i] = registers_through_open_vswitch(far1, measure.rounds(3, 0.5))
  measure.progress("registrations through an Open vSwitch, round %d: %.0f a second", i, real[i])
end

-- Registrations: a DTSA of its own, which stores for the same network.
local socket <const> = node.get("pm1").run_dir .. "/bench-dtsa"
local dtsa <const> = expect(process.spawn { argv = { process.exe(), "-e",
  ("require('nerv.etarch.dtsa').run { network = 'uf', title = 'bench', db = %q, node = 'pm1', absence = 3600, path = %q }")
    :format(lab.connection().hello.db, socket) }, pdeathsig = "TERM", stderr = "null" })
measure.wait_until("the DTSA", function() return file.stat(socket) end)
local rates = {}
for i = 1, measure.rounds(5, 1) do
  if i > 1 then sleep(0.5) end
  rates[i] = tonumber(measure.run { argv = { process.exe(), here .. "/etarch_load.lua", socket, tostring(SWITCHES),
    tostring(measure.rounds(3, 0.5)) } })
  measure.progress("registrations, round %d: %.0f a second", i, rates[i])
end
dtsa:kill()
dtsa:wait(10)
net:delete()
bed:delete()
measure.hand_over { etarch_register_ms_p99 = p99(register, "register"), etarch_attach_ms_p99 = p99(attach, "attach"),
  etarch_first_ms_p99 = p99(first, "first message", first_lost), etarch_three_ms_p99 = p99(three, "three members", three_lost),
  etarch_registers_per_s = measure.result(rates, ("%.0f through a real Open vSwitch"):format(measure.median(real))),
  etarch_trunk_copies = { value = copies, low = copies, high = copies, count = 1 } }
