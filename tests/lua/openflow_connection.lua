-- openflow.listen and a switch that a test plays: negotiation, replies, errors, echo, a slow handler, a slow switch,
-- bytes that are no OpenFlow; and that none of it concerns the next switch.
local tap <const> = require "tap"
local complete <const> = require "nerv.prompt.complete"
local switches <const> = require "support.openflow_switch"
local system <const> = require "support.system"

local dir <close> = system.directory()
local path <const> = dir.path .. "/controller"
local known, lines = {}, {}
local function log(line) lines[#lines + 1] = line end
local function watch(dp)
  known[#known + 1] = dp
  dp:on("close", function(reason) dp.reason = reason end)
end
local controller <close> = assert(openflow.listen { path = path, on_switch = watch, keepalive = 0, queue = 65536,
  log = log })

-- The test's side of a switch, and the controller's.
local function pair(id, ports)
  local before = #known
  local switch = switches.connect(path):begin(id, ports)
  tap.ok(tap.eventually(5, function() return #known > before end), ("switch %x is ready"):format(id))
  return switch, known[#known]
end

local function ended(dp, pattern, text)
  tap.eventually(5, function() return dp.reason end)
  tap.like(dp.reason, pattern, text)
end

-- negotiation
do
  local switch <close>, dp = pair(0xabc, { { port = 3, name = "eth3" } })
  tap.eq(dp.id, "0000000000000abc", "the switch's number")
  tap.eq(dp.ports[3].name, "eth3", "its ports")
  tap.ok(controller.switches[dp.id] == dp, "the controller knows it")
  switch:send("port_status", { reason = "delete", port = { port = 3 } })
  tap.ok(tap.eventually(5, function() return not dp.ports[3] end), "a port that goes")
  switch:close()
  ended(dp, "the other end has closed", "its end")
  tap.ok(tap.eventually(5, function() return next(controller.switches) == nil end), "the controller forgets it")
  tap.eq({ dp:flow { match = {} } }, { [2] = dp.closed, [3] = "closed" }, "what is sent to it then")
  tap.eq({ dp:barrier() }, { [2] = dp.closed, [3] = "closed" }, "what is asked of it then")
  tap.like(tostring(dp), "datapath 0000000000000abc .*closed: ", "it says that it is closed")
end
do
  local switch <close> = switches.connect(path)
  switch.stream:write "\6\0\0\8\0\0\0\1"
  tap.ok(switch:expect "hello" and switch:expect "features_request", "OpenFlow 1.5 without a bitmap comes down to 1.3")
  local old <close> = switches.connect(path)
  old.stream:write "\1\0\0\8\0\0\0\1"
  local refusal = old:expect "error"
  tap.eq({ refusal.type, refusal.code, refusal.data }, { "hello_failed", "incompatible", "OpenFlow 1.3 is expected" },
    "OpenFlow 1.0 is refused")
  tap.eq(select(3, old:receive()), "closed", "and the connection ends")
  local newer <close> = switches.connect(path)
  newer.stream:write(openflow_codec.encode("hello", { versions = { 5, 6 } }))
  tap.eq(newer:expect("error").code, "incompatible", "so is one whose bitmap lacks 1.3")
  tap.ok(tap.eventually(5, function() return #lines == 2 end), "both are told of")
  tap.like(lines[2], "^openflow: client of .*/controller: it does not speak OpenFlow 1.3$", "with the reason")
end

-- bytes that are no OpenFlow end a connection, and no other one
do
  local good <close>, good_dp = pair(1)
  for what, bytes in pairs { ["HTTP"] = "GET / HTTP/1.0\r\n\r\n", ["zeros"] = ("\0"):rep(64),
      ["a length of 7"] = "\4\0\0\7\0\0\0\1", ["no hello"] = openflow_codec.encode "barrier_request",
      ["an unknown type"] = openflow_codec.encode("hello", { versions = { 4 } }) .. "\4\99\0\8\0\0\0\0",
      ["a hello that is cut"] = "\4\0\0\12\0\0\0\1\0\1\0\99", ["half a message"] = "\4\0\0\20\0\0\0\1" } do
    local bad <close> = switches.connect(path)
    bad.stream:write(bytes)
    bad.stream:shutdown()
    local message
    repeat message = bad:receive() until not message
    tap.ok(true, "it ends: " .. what)
  end
  local bad, bad_dp = pair(2)
  bad:send("packet_in", { match = { in_port = 1 }, data = ("x"):rep(60) })
  bad.stream:write "\4\10\0\16\0\0\0\0\0\0\0\0\0\0\0\0"
  ended(bad_dp, "a message that is cut", "a packet_in that is cut ends its connection")
  bad:close()
  tap.ok(timeout(5, function()
    local answer = spawn(function() good:send("barrier_reply", nil, good:expect("barrier_request").xid) end)
    return good_dp:barrier() and answer:join()
  end), "the other switch is as before")
end

-- requests and replies
do
  local switch <close>, dp = pair(3)
  local function answer(f) return spawn(function() f(switch:expect "multipart_request") end) end
  local done = answer(function(request)
    for i = 1, 3 do
      switch:send("multipart_reply", { stats = "port", more = i < 3, list = { { port = 2 * i }, { port = 2 * i + 1 } } },
        request.xid)
      switch:send("multipart_reply", { stats = "port", list = { { port = 99 } } }, request.xid + 1000)
    end
  end)
  local ports = dp:stats("port", { port = "any" })
  tap.eq({ #ports, ports[1].port, ports[6].port }, { 6, 2, 7 }, "a reply in three parts; those to others do not count")
  done:join()
  answer(function(r) switch:send("error", { type = "bad_request", code = "bad_multipart", data = "" }, r.xid) end)
  local result, message, code = dp:stats "queue"
  tap.ok(result == nil and message:find("the switch refuses multipart_request: bad_request/bad_multipart", 1, true)
    and code == "bad_request/bad_multipart", "a refusal has a name", message, code)
  answer(function() end)
  tap.eq(select(3, dp:stats("desc", nil, 0.05)), "timeout", "a switch that does not reply")
  answer(function(r) switch:send("multipart_reply", { stats = "aggregate", flows = 7 }, r.xid) end)
  tap.eq(dp:stats("aggregate").flows, 7, "one thing is a table")
  tap.raises(function() dp:stats("flow", { tabel = 1 }) end, "unknown option 'tabel'; did you mean 'table'", "misuse")
  tap.raises(function() dp:stats "flwo" end, "unknown statistics 'flwo'; did you mean 'flow'", "and of its kind")
  answer(function(r)
    local bytes = openflow_codec.encode("multipart_reply", { stats = "flow", list = { { match = {} } } }, r.xid)
    switch.stream:write(bytes:sub(1, 17) .. "\255" .. bytes:sub(19))
  end)
  tap.eq(select(3, dp:stats "flow"), "EPROTO", "a reply that is malformed")
  ended(dp, "length does not fit", "ends the connection")
end

-- errors and barriers
do
  local switch <close>, dp = pair(4)
  local errors = {}
  dp:on("error", function(e) errors[#errors + 1] = e end)
  local function barrier(...)
    local refusals <const> = { ... }
    local xid
    local task = spawn(function()
      for _, name in ipairs { "flow_mod", "group_mod" } do xid = xid or { }; xid[name] = switch:expect(name).xid end
      local request = switch:expect "barrier_request"
      for _, r in ipairs(refusals) do switch:send("error", { type = r[2], code = r[3], data = "" }, xid[r[1]]) end
      switch:send("barrier_reply", nil, request.xid)
    end)
    dp:flow { match = { in_port = 77 } }
    dp:group { group = 88 }
    local results = table.pack(pcall(dp.barrier, dp))
    task:join()
    return table.unpack(results, 1, results.n)
  end
  tap.eq({ barrier() }, { true, true }, "a barrier with nothing wrong")
  local good, message = barrier({ "flow_mod", "flow_mod_failed", "table_full" },
    { "group_mod", "group_mod_failed", "out_of_groups" })
  tap.ok(not good and message:find("openflow_connection.lua:%d+: the switch 0000000000000004 refuses flow_mod: ")
    and message:find("flow_mod_failed/table_full: {.*in_port = 77")
    and message:find("group_mod: group_mod_failed/out_of_groups: {.*group = 88"), "it raises what was refused", message)
  tap.eq({ barrier() }, { true, true }, "the next one does not tell of it again")
  tap.eq({ #errors, errors[1].request.match.in_port, errors[2].code }, { 2, 77, "out_of_groups" },
    "the handler hears of each, with the request")
  local whole <const> = openflow_codec.encode("packet_out", { data = ("x"):rep(100) })
  switch:send("error", { type = "bad_action", code = "bad_out_port", data = whole }, 4711)
  switch:send("error", { type = "bad_action", code = "bad_out_port", data = whole:sub(1, 64) }, 4712)
  tap.ok(tap.eventually(5, function() return #errors == 4 end), "errors of what is not kept")
  tap.eq({ errors[3].request.data, errors[4].request }, { ("x"):rep(100), { message = "packet_out", cut = true } },
    "tell of the request what the switch shows of it")
  local waiting = spawn(function() return dp:barrier() end)
  switch:expect "barrier_request"
  switch:close()
  tap.eq({ waiting:wait() }, { [2] = dp.closed, [3] = "closed" }, "who waits when the switch goes hears of it")
end

-- echo, while a handler does not return
do
  local switch <close>, dp = pair(5)
  local go = false
  dp:on("packet_in", function() tap.eventually(10, function() return go end) end)
  switch:send("packet_in", { match = { in_port = 1 }, data = ("x"):rep(60) })
  switch:send("echo_request", { data = "there?" }, 4711)
  local reply = timeout(5, switch.receive, switch)
  tap.eq({ reply.message, reply.data, reply.xid }, { "echo_reply", "there?", 4711 }, "an echo is answered at once")
  go = true
end

-- a handler that is slow: what waits is bounded, first the switch is held back, then frames are dropped
do
  local switch <close>, dp = pair(6)
  local go, handled, barrier = false, 0, nil
  dp:on("packet_in", function()
    handled = handled + 1
    if handled == 1 then
      tap.eventually(20, function() return go end)
      barrier = dp:barrier()
    end
  end)
  local frame <const> = openflow_codec.encode("packet_in", { match = { in_port = 1 }, data = ("x"):rep(1000) })
  local batch <const>, TOTAL <const> = frame:rep(100), 20000
  local sent = 0
  local sender = spawn(function()
    for _ = 1, TOTAL // 100 do
      switch.stream:write(batch)
      sent = sent + 100
    end
  end)
  tap.ok(tap.eventually(5, function() return dp:info().queued_bytes >= 64000 end), "the queue is full")
  tap.ok(sent < TOTAL, "the switch is held back", sent)
  tap.ok(dp:info().queued_bytes < 65536 + 2000, "the queue does not grow", dp:info().queued_bytes)
  tap.eq(dp:info().dropped, 0, "nothing is dropped yet")
  tap.ok(tap.eventually(10, function() return sent == TOTAL end), "after a second frames are dropped instead")
  sender:join()
  tap.ok(dp:info().queued_bytes < 65536 + 2000 and dp:info().dropped > TOTAL // 2, "and counted")
  local answer = spawn(function() switch:send("barrier_reply", nil, switch:expect("barrier_request").xid) end)
  go = true
  tap.ok(tap.eventually(10, function() return barrier end), "the handler's own barrier passes what waits")
  answer:join()
  tap.ok(tap.eventually(10, function() return handled + dp:info().dropped == TOTAL end), "each frame was handled or "
    .. "counted")
end
do
  local switch <close>, dp = pair(7)
  dp:on("port_status", function() tap.eventually(20, function() return dp:info().reason end) end)
  local event <const> = openflow_codec.encode("port_status", { reason = "modify", port = { port = 1 } }):rep(100)
  spawn(function() while switch.stream:write(event) do sleep(0) end end)
  tap.ok(tap.eventually(10, function() return dp:info().reason end), "events that may not be dropped end the connection")
  tap.like(dp:info().reason, "not handled as fast as they come", "and it says why")
end

-- a switch that does not read: who sends waits, others go on
do
  local switch <close>, dp = pair(8)
  local sent = 0
  local sender = spawn(function()
    while dp:packet_out { data = ("x"):rep(1000), actions = { { output = 1 } } } do sent = sent + 1 end
  end)
  local before
  tap.ok(tap.eventually(5, function()
    local same = before == sent and sent > 0
    before = sent
    return same
  end), "a switch that does not read holds the sender back")
  tap.ok(dp:info().unsent_bytes < 600000, "what is unsent is bounded", dp:info().unsent_bytes)
  switch:expect "packet_out"
  for _ = 1, 1000 do switch:receive() end
  tap.ok(tap.eventually(5, function() return sent > before end), "it goes on when the switch reads")
  local cancelled = spawn(function() dp:flow { match = {} } end)
  sleep(0)
  cancelled:cancel()
  cancelled:join()
  switch:close()
  tap.ok(sender:join(5), "and ends with the switch")
end

-- both sides write before they read: neither waits for ever
do
  local switch <close>, dp = pair(0x18)
  local handled = 0
  dp:on("packet_in", function(p)
    handled = handled + 1
    dp:packet_out { data = p.data, actions = { { output = 1 } } }
  end)
  local frame <const>, TOTAL <const> = openflow_codec.encode("packet_in", { match = { in_port = 1 },
    data = ("x"):rep(1000) }), 4000
  tap.ok(timeout(20, function()
    for _ = 1, TOTAL // 100 do switch.stream:write(frame:rep(100)) end
    return true
  end), "a switch that writes much before it reads")
  local answers = 0
  local reader <close> = spawn(function() while switch:receive() do answers = answers + 1 end end)
  tap.ok(tap.eventually(20, function() return handled + dp:info().dropped == TOTAL and answers == handled end),
    "gets an answer to each frame that was not dropped")
  tap.ok(handled > 500 and reader, "and many were not", handled)
end

-- silence
do
  local quick <close> = assert(openflow.listen { path = path .. "2", on_switch = watch, keepalive = 0.1 })
  local before = #known
  local mute <close> = switches.connect(quick.where):begin(9)
  tap.ok(tap.eventually(5, function() return #known > before end), "a switch that will be silent")
  local dp <const> = known[#known]
  ended(dp, "no answer to an echo request within 0.1 s", "is given up")
  tap.eq(mute:expect("echo_request").message, "echo_request", "after it was asked")
  local alive <close> = switches.connect(quick.where):begin(9)
  tap.ok(tap.eventually(5, function() return known[#known] ~= dp end), "one that answers")
  local answers = 0
  local task <close> = spawn(function()
    while answers < 5 do
      alive:send("echo_reply", nil, alive:expect_echo().xid)
      answers = answers + 1
    end
  end)
  tap.ok(tap.eventually(5, function() return answers == 5 end), "is asked again and again")
  tap.eq(known[#known].closed, nil, "and stays")
  task:join()
end

-- the same switch again, before its old connection is known to be gone
do
  local first <close>, first_dp = pair(10)
  local second <close>, second_dp = pair(10)
  ended(first_dp, "the switch has connected again", "the old connection ends")
  tap.eq(select(3, first:receive()), "closed", "for the switch, too")
  tap.ok(tap.eventually(5, function() return controller.switches[second_dp.id] == second_dp end), "the new one counts")
  second_dp:close "enough"
  ended(second_dp, "enough", "a connection that is closed here")
  tap.eq(select(3, second:receive()), "closed", "ends there")
end

-- a handler that raises is told of, with its line; others go on
do
  local result = system.script(([[
    local switches <const> = dofile "%s"
    local count = 0
    local c <close> = assert(openflow.listen { path = "%s3", on_switch = function(dp)
      dp:on("packet_in", function(p)
        count = count + 1
        if count == 1 then error "oh no" end
      end)
      error "not this either"
    end })
    local switch <close> = switches.connect(c.where):begin(11)
    for _ = 1, 2 do switch:send("packet_in", { match = { in_port = 1 }, data = ("x"):rep(60) }) end
    for _ = 1, 500 do if count < 2 then sleep(0.01) end end
    print(count)
  ]]):format(arg[0]:gsub("[^/]*$", "support/openflow_switch.lua"), path))
  tap.eq(result.stdout, "2\n", "after a handler has raised the next event is handled")
  tap.like(result.stderr, "switch 000000000000000b: on_switch: script.lua:8: not this either", "on_switch's error is told")
  tap.like(result.stderr, "switch 000000000000000b: packet_in: script.lua:6: oh no", "a handler's, too")
end

-- misuse
tap.raises(function() openflow.listen { on_switch = print } end, "give either path or port", "nowhere to listen")
tap.raises(function() openflow.listen { path = path, port = 5, on_switch = print } end, "give either path or port",
  "two places")
tap.raises(function() openflow.listen { path = path } end, "on_switch", "nobody to tell")
do
  local switch <close>, dp = pair(12)
  tap.raises(function() dp:on("paket_in", print) end, "unknown event 'paket_in'; did you mean 'packet_in'", "an event")
  tap.raises(function() dp:flow { match = { in_prt = 1 } } end, "openflow_connection.lua:%d+: flow_mod: match: unknown field",
    "a field")
  tap.raises(function() dp:flow() end, "table of options is expected", "nothing")
  tap.eq(dp:info().sent, 4, "nothing of it was sent")
  rawset(_G, "dp", dp)
  for text, want in pairs { ["dp:fl"] = "flow", ["dp:flow { prio"] = "priority", ["dp:flow { match = { ipv6_fl"] = "ipv6_flabel",
      ["dp:flow { actions = { { out"] = "output", ["dp:flow { flags = { send"] = "send_flow_rem",
      ["dp:flow { command = \"modify_s"] = "modify_strict", ["dp:stats(\"group_f"] = "group_features",
      ["dp:group { buckets = { { watch_g"] = "watch_group", ["dp:group { buckets = { { actions = { { set_f"] = "set_field",
      ["dp:meter { bands = { { dscp"] = "dscp_remark", ["dp:on(\"packet"] = "packet_in" } do
    tap.ok(tap.show(complete.complete(text, "")):find(want, 1, true), ("%s is completed: %s"):format(text, want))
  end
  tap.eq(switch.closed, nil, "nor has it ended")
end
do
  local tcp <close> = assert(openflow.listen { port = 0, on_switch = watch })
  local before = #known
  local switch <close> = setmetatable({ stream = assert(stream.connect { host = "127.0.0.1", port = tcp:port() }) },
    getmetatable(switches.connect(path)))
  switch:begin(13)
  tap.ok(tap.eventually(5, function() return #known > before end), "TCP")
  local passive <close> = assert(stream.listen { path = path .. "4" })
  local connected <close> = assert(openflow.connect { path = path .. "4", on_switch = watch })
  setmetatable({ stream = passive:accept() }, getmetatable(switch)):begin(14)
  tap.ok(tap.eventually(5, function() return connected.switches["000000000000000e"] end), "a switch that listens itself")
  connected:close()
  tap.ok(timeout(5, connected.wait, connected) == nil and true, "its end")
  local waiting = spawn(tcp.wait, tcp)
  tcp:close()
  tap.ok(waiting:join(5), "wait returns when the controller is closed")
  tap.eq(select(3, switch:expect_end()), "closed", "its switches hear of it")
end
do
  assert(process.run { argv = { "scripts/make-ca", dir.path .. "/tls", "a", "b" } }.exit == 0)
  local function files(name)
    local place = dir.path .. "/tls/" .. name
    return { ca = place .. "/ca.pem", certificate = place .. "/certificate.pem", key = place .. "/key.pem" }
  end
  local refused = {}
  local secret <close> = assert(openflow.listen { port = 0, on_switch = watch, tls = files "a",
    log = function(line) refused[#refused + 1] = line end })
  local function connect() return assert(stream.connect { host = "127.0.0.1", port = secret:port() }) end
  local before = #known
  local switch <close> = setmetatable({ stream = assert(connect():secure(files "b")) }, getmetatable(switches.connect(path)))
  switch:begin(15)
  tap.ok(tap.eventually(5, function() return #known > before end), "TLS")
  local dp <const> = known[#known]
  local frames = 0
  dp:on("packet_in", function(p) frames = frames + #p.data end)
  local bytes <const> = openflow_codec.encode("packet_in", { match = { in_port = 1 }, data = ("x"):rep(60000) })
  for _ = 1, 50 do switch.stream:write(bytes) end
  tap.ok(tap.eventually(10, function() return frames == 50 * 60000 end), "three million bytes over it", frames)
  connect():write(openflow_codec.encode("hello", { versions = { 4 } }))
  tap.ok(tap.eventually(5, function() return #refused > 0 end), "who speaks plainly there is refused")
end
-- many that come and go, in all states
do
  local function descriptors() return #file.list "/proc/self/fd" end
  tap.ok(tap.eventually(10, function() return next(controller.channels) == nil end), "nobody is connected")
  for _ = 1, 2 do collectgarbage() end
  local before <const> = descriptors()
  for i = 1, 200 do
    local switch <close> = switches.connect(path)
    if i % 4 == 1 then switch:begin(i) elseif i % 4 == 2 then switch:send("hello", { versions = { 4 } })
    elseif i % 4 == 3 then switch.stream:write "rubbish that is no OpenFlow" end
  end
  tap.ok(tap.eventually(10, function()
    collectgarbage()
    return next(controller.channels) == nil and next(controller.switches) == nil and descriptors() == before
  end), "two hundred that come and go leave nothing", descriptors() - before)
end
tap.eq(select(3, openflow.connect { path = path .. "5", on_switch = print }), "ENOENT", "nobody is there")
tap.done()
