-- OpenFlow's messages: what Open vSwitch reads in them, and that they come back as they were.
local tap <const> = require "tap"

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function printed(bytes)
  local result = assert(process.run { argv = { "ovs-ofctl", "ofp-print", hex(bytes) } })
  return ((result.stdout .. result.stderr):gsub("%s+", " "))
end

-- Whether everything that is in `part` is in `whole`.
local function holds(whole, part)
  if type(part) ~= "table" then return whole == part end
  if type(whole) ~= "table" then return false end
  for k, v in pairs(part) do
    if not holds(whole[k], v) then return false, k end
  end
  return true
end

local seen <const>, seen_statistics <const> = {}, {}

-- A message; a text that Open vSwitch prints for it, blanks made one; whether decoding gives something else.
local function try(message, items, want, otherwise)
  local bytes = openflow_codec.encode(message, items, 7)
  tap.ok(printed(bytes):find(want, 1, true), ("%s: Open vSwitch reads %s"):format(message, want), printed(bytes))
  local back = assert(openflow_codec.decode(bytes))
  tap.ok(otherwise or holds(back, items or {}), message .. " comes back", back)
  tap.ok(back.message == message and back.xid == 7, message .. " has its name and number")
  tap.ok(openflow_codec.encode(message, back, 7) == bytes, message .. " is encoded again to the same bytes")
  seen[message] = true
  if items and items.stats then seen_statistics[items.stats .. " " .. message] = true end
end

try("hello", { versions = { 1, 4 } }, "version bitmap: 0x01, 0x04")
try("error", { type = "flow_mod_failed", code = "table_full", data = openflow_codec.encode "barrier_request" },
  "OFPFMFC_TABLE_FULL")
try("error", { type = 12, code = 3, data = openflow_codec.encode "barrier_request" }, "OFPMMFC_UNKNOWN_METER", true)
for _, message in ipairs { "echo_request", "echo_reply" } do try(message, { data = "abc" }, "61 62 63") end
try("experimenter", { experimenter = 0x2320, exp_type = 5, data = "abcd" }, "vendor 0x2320, subtype 5")
for _, message in ipairs { "features_request", "get_config_request", "barrier_request", "barrier_reply",
    "get_async_request" } do
  try(message, nil, "OFPT_" .. message:upper())
end
try("features_reply", { datapath_id = 5, n_buffers = 1, n_tables = 2, auxiliary_id = 3,
    capabilities = { flow_stats = true, port_blocked = true, ip_reasm = true } },
  "dpid:0000000000000005 n_tables:2, n_buffers:1, auxiliary_id:3 capabilities: FLOW_STATS IP_REASM PORT_BLOCKED")
try("get_config_reply", { miss_send_len = 128, fragments = "reasm" }, "frags=reassemble miss_send_len=128")
try("set_config", { miss_send_len = 77, fragments = "drop" }, "frags=drop miss_send_len=77")
try("packet_in", { match = { in_port = 3, metadata = 5 }, table = 2, cookie = 9, reason = "invalid_ttl", total_len = 14,
    data = "\2\0\0\0\0\1\2\0\0\0\0\2\8\6" },
  "table_id=2 cookie=0x9 total_len=14 metadata=0x5,in_port=3 (via invalid_ttl) data_len=14 (unbuffered)")
try("flow_removed", { match = { in_port = 3 }, reason = "hard_timeout", table = 1, cookie = 5, priority = 4,
    duration = 3.5, idle_timeout = 1, hard_timeout = 2, packets = 7, bytes = 8 },
  "priority=4,in_port=3 reason=hard table_id=1 cookie:0x5 duration3.500s idle1 hard2 pkts7 bytes8")
local port <const> = { port = 3, mac = "02:00:00:00:00:03", name = "eth3", config = { no_recv = true },
  state = { link_down = true, live = true }, current = { ["10mb_hd"] = true, autoneg = true },
  advertised = { fiber = true }, supported = { pause = true }, peer = { ["1tb_fd"] = true }, speed = 1000,
  max_speed = 2000 }
local PORT <const> = "3(eth3): addr:02:00:00:00:00:03 config: NO_RECV state: LINK_DOWN LIVE current: 10MB-HD AUTO_NEG "
  .. "advertised: FIBER supported: AUTO_PAUSE peer: 1TB-FD speed: 1 Mbps now, 2 Mbps max"
try("port_status", { reason = "modify", port = port }, "MOD: " .. PORT)
try("packet_out", { in_port = 3, actions = { { output = 2 } }, data = "abcdefghijklmnopqrst" },
  "in_port=3 actions=output:2 data_len=20")
try("packet_out", { buffer_id = 3 }, "in_port=CONTROLLER actions=drop buffer=0x00000003")
try("flow_mod", { table = 3, command = "modify_strict", cookie = 0x1234567890abcdef, cookie_mask = -1, idle_timeout = 1,
    hard_timeout = 2, priority = 3, out_port = 5, out_group = 6, buffer_id = 9, flags = { send_flow_rem = true,
    check_overlap = true, reset_counts = true, no_pkt_counts = true, no_byt_counts = true }, match = { in_port = 1 },
    meter = 4, actions = { { output = 1 } }, clear_actions = true, write_actions = { { output = "in_port" } },
    write_metadata = "0x5/0xf", goto_table = 5 },
  "MOD_STRICT table:3 priority=3,in_port=1 cookie:0x1234567890abcdef/0xffffffffffffffff idle:1 hard:2 buf:0x9 "
  .. "out_port:5 send_flow_rem check_overlap reset_counts no_packet_counts no_byte_counts "
  .. "actions=meter:4,output:1,clear_actions,write_actions(IN_PORT),write_metadata:0x5/0xf,goto_table:5")
tap.eq((">I4"):unpack(openflow_codec.encode("flow_mod", { out_group = 6 }), 41), 6, "flow_mod: out_group is in its place")
try("flow_mod", { write_metadata = -1 }, "write_metadata:0xffffffffffffffff")
try("flow_mod", { other_instructions = { { type = 0xffff, data = "\0\0\x23\x20abcdefgh" } } }, "OFPBIC_", true)
try("group_mod", { group = 5, type = "select", command = "modify", buckets = {
    { weight = 2, actions = { { output = 1 }, { set_field = { eth_dst = "02:00:00:00:00:01" } } } },
    { weight = 3, actions = { { output = 2 } } } } },
  "MOD group_id=5,type=select,bucket=weight:2,actions=output:1,set_field:02:00:00:00:00:01->eth_dst,"
  .. "bucket=weight:3,actions=output:2")
try("group_mod", { group = 5, type = "ff", buckets = { { watch_port = 2, actions = { { output = 2 } } },
    { watch_group = 3 } } },
  "ADD group_id=5,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_group:3,actions=drop")
try("group_mod", { group = "all", command = "delete" }, "DEL group_id=4294967292")
try("port_mod", { port = 2, mac = "02:00:00:00:00:01", config = { port_down = true }, mask = { port_down = true,
    no_fwd = true }, advertised = { ["1gb_fd"] = true } },
  "port: 2: addr:02:00:00:00:00:01 config: PORT_DOWN mask: PORT_DOWN NO_FWD advertise: 1GB-FD")
try("table_mod", { table = 2 }, "table_id=2")
try("role_request", { role = "slave", generation = 9 }, "role=secondary generation_id=9")
try("role_reply", { role = "master", generation = 9 }, "role=primary generation_id=9")
local async <const> = { packet_in = { no_match = true, action = true }, packet_in_slave = { invalid_ttl = true },
  port_status = { add = true }, port_status_slave = { delete = true, modify = true },
  flow_removed = { idle_timeout = true, delete = true }, flow_removed_slave = { hard_timeout = true } }
for _, message in ipairs { "set_async", "get_async_reply" } do
  try(message, async, "PACKET_IN: no_match action PORT_STATUS: add FLOW_REMOVED: idle delete")
  try(message, async, "PACKET_IN: invalid_ttl PORT_STATUS: delete modify FLOW_REMOVED: hard")
end
try("meter_mod", { meter = 5, flags = { kbps = true, burst = true, stats = true }, bands = { { drop = 100, burst = 20 },
    { dscp_remark = 50, burst = 3, prec_level = 1 } } },
  "ADD meter=5 kbps burst stats bands= type=drop rate=100 burst_size=20 type=dscp_remark rate=50 burst_size=3 "
  .. "prec_level=1")

local function request(items, want) try("multipart_request", items, want) end
local function reply(items, want) try("multipart_reply", items, want) end

local flows <const> = { table = 2, out_port = 3, out_group = 4, cookie = 5, cookie_mask = 6, match = { in_port = 1 } }
for _, kind in ipairs { "flow", "aggregate" } do
  request(require("nerv.options").join(flows, { stats = kind }), "table=2 out_port=3 in_port=1")
end
request({ stats = "port", port = 3 }, "OFPST_PORT request (OF1.3) (xid=0x7): port_no=3")
request({ stats = "queue", port = 3, queue = 4 }, "port=3 queue=4")
request({ stats = "group", group = 4 }, "group_id=4")
request({ stats = "meter", meter = 3 }, "meter=3")
request({ stats = "meter_config" }, "meter=all")
for _, kind in ipairs { "desc", "table", "group_desc", "group_features", "meter_features", "port_desc" } do
  request({ stats = kind }, "OFPST_" .. kind:upper() .. " request (OF1.3) (xid=0x7):")
end
request({ stats = "experimenter", experimenter = 5, exp_type = 6, data = "abcd" }, "00 00 00 05 00 00 00 06-61 62 63 64")

reply({ stats = "desc", manufacturer = "m", hardware = "h", software = "s", serial = "n", datapath = "d" },
  "Manufacturer: m Hardware: h Software: s Serial Num: n DP Description: d")
reply({ stats = "flow", more = true, list = { { table = 1, duration = 1.5, priority = 2, idle_timeout = 3,
    hard_timeout = 4, flags = { send_flow_rem = true }, cookie = 5, packets = 6, bytes = 7, match = { in_port = 8 },
    actions = { { output = 9 } }, goto_table = 10 }, { match = {}, actions = {} } } },
  "flags=[more] cookie=0x5, duration=1.500s, table=1, n_packets=6, n_bytes=7, idle_timeout=3, hard_timeout=4, "
  .. "send_flow_rem priority=2,in_port=8 actions=output:9,goto_table:10 cookie=0x0, duration=0s, table=0")
reply({ stats = "aggregate", packets = 1, bytes = 2, flows = 3 }, "packet_count=1 byte_count=2 flow_count=3")
reply({ stats = "table", list = { { table = 1, flows = 2, lookups = 3, matched = 4 } } },
  "table 1: active=2, lookup=3, matched=4")
reply({ stats = "port", list = { { port = 1, rx_packets = 2, tx_packets = 3, rx_bytes = 4, tx_bytes = 5, rx_dropped = 6,
    tx_dropped = 7, rx_errors = 8, tx_errors = 9, rx_frame_errors = 10, rx_over_errors = 11, rx_crc_errors = 12,
    collisions = 13, duration = 14.25 } } },
  "port 1: rx pkts=2, bytes=4, drop=6, errs=8, frame=10, over=11, crc=12 tx pkts=3, bytes=5, drop=7, errs=9, coll=13 "
  .. "duration=14.250s")
reply({ stats = "queue", list = { { port = 1, queue = 2, tx_bytes = 3, tx_packets = 4, tx_errors = 5, duration = 6.5 } } },
  "port 1 queue 2: bytes=3, pkts=4, errors=5, duration=6.500s")
reply({ stats = "group", list = { { group = 1, references = 2, packets = 3, bytes = 4, duration = 5.5,
    buckets = { { packets = 6, bytes = 7 }, { packets = 8, bytes = 9 } } } } },
  "group_id=1,duration=5.500s,ref_count=2,packet_count=3,byte_count=4,bucket0:packet_count=6,byte_count=7,"
  .. "bucket1:packet_count=8,byte_count=9")
reply({ stats = "group_desc", list = { { group = 1, type = "ff", buckets = { { watch_port = 3,
    actions = { { output = 4 } } } } } } }, "group_id=1,type=ff,bucket=watch_port:3,actions=output:4")
reply({ stats = "group_features", types = { all = true, ff = true }, capabilities = { chaining = true },
    max_groups = { all = 1, select = 2, indirect = 3, ff = 4 }, actions = { all = 1 } },
  "Types: 0x9 Capabilities: 0x4 all group: max_groups=0x1 actions: output fast failover group: max_groups=0x4")
reply({ stats = "meter", list = { { meter = 1, flows = 2, packets = 3, bytes = 4, duration = 5.5,
    bands = { { packets = 6, bytes = 7 } } } } },
  "meter:1 flow_count:2 packet_in_count:3 byte_in_count:4 duration:5.500s bands: 0: packet_count:6 byte_count:7")
reply({ stats = "meter_config", list = { { meter = 1, flags = { pktps = true, burst = true },
    bands = { { drop = 7, burst = 8 } } } } }, "meter=1 pktps burst bands= type=drop rate=7 burst_size=8")
reply({ stats = "meter_features", max_meters = 1, band_types = { drop = true }, capabilities = { kbps = true,
    stats = true }, max_bands = 2, max_color = 3 },
  "max_meter:1 max_bands:2 max_color:3 band_types: drop capabilities: kbps stats")
reply({ stats = "port_desc", list = { port } }, PORT)
reply({ stats = "experimenter", experimenter = 5, exp_type = 6, data = "abcd" }, "00 00 00 05 00 00 00 06-61 62 63 64")

local all <const> = openflow_codec.describe()
for message in pairs(all.messages) do tap.ok(seen[message], message .. " is tried") end
for kind in pairs(all.statistics) do
  tap.ok(seen_statistics[kind .. " multipart_request"] and seen_statistics[kind .. " multipart_reply"],
    "statistics " .. kind .. " are tried both ways")
end

-- What a controller asks first of a frame stands beside it.
local p <const> = openflow_codec.decode(openflow_codec.encode("packet_in", { match = { in_port = 3 },
  data = "\2\0\0\0\0\1\2\0\0\0\0\2\8\x80rest" }))
tap.eq({ p.in_port, p.eth_dst, p.eth_src, p.eth_type }, { 3, "02:00:00:00:00:01", "02:00:00:00:00:02", 0x0880 },
  "a packet_in tells port, addresses and EtherType")
tap.eq(openflow_codec.decode(openflow_codec.encode("packet_in", { match = {}, data = "short" })).eth_src, nil,
  "but not of a frame that is too short")
tap.done()
