-- OpenFlow: what is given wrongly raises, and says where, why and what is near; bytes that are no message are refused.
local tap <const> = require "tap"
local encode <const>, decode <const> = openflow_codec.encode, openflow_codec.decode

-- The message, or the items of a flow_mod; the end of the error, plainly.
local function refused(message, items, want)
  if type(message) == "table" then message, items, want = "flow_mod", message, items end
  local good, text = pcall(encode, message, items)
  tap.ok(not good and text:find(want, 1, true) and text:find "^%S*openflow_misuse.lua:%d+: ", want, text)
end

refused("flow_mode", {}, "unknown message 'flow_mode'; did you mean 'flow_mod'?")
refused({ prority = 4 }, "flow_mod: unknown option 'prority'; did you mean 'priority'?")
refused({ 4 }, "flow_mod: unknown option '1'")
refused({ gototable = 4 }, "flow_mod: unknown option 'gototable'; did you mean 'goto_table'?")
refused({ priority = 65536 }, "flow_mod: priority: an integer of 16 bits is expected, not '65536'")
refused({ priority = -1 }, "flow_mod: priority: an integer of 16 bits is expected, not '-1'")
refused({ priority = 1.5 }, "flow_mod: priority: an integer of 16 bits is expected, not '1.5'")
refused({ cookie = "0x10000000000000000" }, "flow_mod: cookie: an integer of 64 bits")
refused({ table = "al" }, "flow_mod: table: an integer of 8 bits or one of \"all\" is expected, not 'al'; did you mean 'all'?")
refused({ command = "ad" }, "did you mean 'add'?")
refused({ flags = { "send_flow_rem" } }, "flow_mod: flags: unknown flag '1'; it is { send_flow_rem = true }, by name")
refused({ flags = { send_flow_rm = true } }, "did you mean 'send_flow_rem'?")
refused({ flags = "send_flow_rem" }, "flow_mod: flags: a table such as { send_flow_rem = true } is expected")

refused({ match = 5 }, "flow_mod: match: a table of fields is expected, not '5'")
refused({ match = { in_prot = 1 } }, "flow_mod: match: unknown field 'in_prot'; did you mean 'in_port'?")
refused({ match = { 1 } }, "flow_mod: match: unknown field '1'")
refused({ match = { ipv4_src = "10.0.0.1" } }, "flow_mod: match.ipv4_src: needs eth_type = 0x0800 beside it")
refused({ match = { eth_type = 0x86dd, ipv4_src = "10.0.0.1" } }, "match.ipv4_src: needs eth_type = 0x0800 beside it")
refused({ match = { eth_type = 0x806, ip_dscp = 1 } }, "match.ip_dscp: needs eth_type = 0x0800 or 0x86dd beside it")
refused({ match = { eth_type = 0x800, ip_proto = 17, tcp_dst = 1 } }, "match.tcp_dst: needs ip_proto = 6 beside it")
refused({ match = { eth_type = 0x800, ip_proto = 58, icmpv6_type = 135, ipv6_nd_tll = "02:00:00:00:00:01" } },
  "match.ipv6_nd_tll: needs icmpv6_type = 136 beside it")
refused({ match = { in_phy_port = 1 } }, "match.in_phy_port: needs in_port beside it")
refused({ match = { vlan_vid = "none", vlan_pcp = 1 } }, "match.vlan_pcp: needs vlan_vid beside it")
refused({ match = { eth_type = 0x800, ipv4_src = "10.0.0.1/8" } },
  "match.ipv4_src: '10.0.0.1/8' has bits that its mask leaves out")
refused({ match = { eth_type = 0x800, ipv4_src = "10.0.0.1/33" } }, "an IPv4 address, or with a mask \"value/mask\"")
refused({ match = { eth_type = 0x800, ipv4_src = "fd00::1" } }, "an IPv4 address")
refused({ match = { eth_type = 0x800, ipv4_src = 5 } }, "an IPv4 address")
refused({ match = { eth_type = "0x0880/0xffff" } }, "match.eth_type: it takes no mask: '0x0880/0xffff'")
refused({ match = { eth_src = "02:00:00:00:00" } }, "an address such as \"02:00:00:00:00:01\"")
refused({ match = { eth_src = "02:00:00:00:00:0g" } }, "an address such as \"02:00:00:00:00:01\"")
refused({ match = { eth_type = {} } }, "match.eth_type: an integer of 16 bits is expected")
refused({ match = { in_port = "contoller" } }, "did you mean 'controller'?")
refused({ match = { vlan_vid = 4096 } }, "match.vlan_vid: an integer of 12 bits is expected")
refused({ match = { vlan_vid = "4096" } }, "0 to 4095, \"none\" or \"any\"")
refused({ match = { ["oxm:0001:0"] = "xyz" } }, "hexadecimal bytes are expected")
refused({ match = { ["oxm:0001:0"] = "01/0203" } }, "value and mask differ in length")
refused({ match = { ["oxm:8000:0"] = "01" } }, "unknown field 'oxm:8000:0'")

refused({ actions = { output = 1 } }, "flow_mod: actions: a list is expected: { { output = ... } }")
refused({ actions = "drop" }, "flow_mod: actions: a list is expected, not 'drop'")
refused({ actions = { { output = 1 }, { outptu = 1 } } }, "flow_mod: actions[2]: unknown 'outptu'; did you mean 'output'?")
refused({ actions = { "pop_vlna" } }, "did you mean 'pop_vlan'?")
refused({ actions = { "group" } }, "flow_mod: actions[1]: 'group' needs a value: { group = ... }")
refused({ actions = { 5 } }, "flow_mod: actions[1]: a table such as { output = ... } is expected, not '5'")
refused({ actions = { {} } }, "flow_mod: actions[1]: a table such as { output = ... } is expected")
refused({ actions = { { output = 1, maxlen = 3 } } }, "flow_mod: actions[1]: unknown option 'maxlen'; did you mean 'max_len'?")
refused({ actions = { { set_field = { eth_src = "02:00:00:00:00:01", eth_dst = "02:00:00:00:00:01" } } } },
  "flow_mod: actions[1].set_field: exactly one field is expected")
refused({ actions = { { set_field = { metadata = "1/1" } } } }, "actions[1].set_field.metadata: a value without a mask")
refused({ actions = { { set_field = 5 } } }, "actions[1].set_field: a table of one field is expected")
refused({ write_actions = { { group = "al" } } }, "flow_mod: write_actions[1].group: ")
refused({ write_metadata = "5/" }, "write_metadata: an integer or \"value/mask\" is expected, not '5/'")
refused({ goto_table = 256 }, "goto_table: an integer of 8 bits is expected, not '256'")

refused("group_mod", {}, "group_mod: 'group' is missing (its number; \"all\" for delete)")
refused("group_mod", { group = 1, type = "fff" }, "did you mean 'ff'?")
refused("group_mod", { group = 1, buckets = { { weigth = 1 } } },
  "group_mod: buckets[1]: unknown option 'weigth'; did you mean 'weight'?")
refused("group_mod", { group = 1, buckets = { 5 } }, "group_mod: buckets[1]: a table is expected, not '5'")
refused("group_mod", { group = 1, buckets = { { actions = { { output = -1 } } } } }, "buckets[1].actions[1].output: ")
refused("meter_mod", { meter = 1, bands = { { drp = 1 } } }, "meter_mod: bands[1]: unknown 'drp'; did you mean 'drop'?")
refused("port_mod", { port = 1 }, "port_mod: 'mac' is missing")
refused("packet_out", { data = 5 }, "packet_out: data: a string is expected")
refused("packet_out", { data = ("x"):rep(65530) }, "packet_out: more than the 65535 bytes that a message may have")
refused("multipart_request", { stats = "flwo" }, "unknown statistics 'flwo'; did you mean 'flow'?")
refused("multipart_request", { stats = "port", table = 1 }, "multipart_request: unknown option 'table'")
refused("multipart_reply", { stats = "desc", serial = ("x"):rep(32) }, "32 bytes are more than the 31")
refused("error", { type = "bad_match", code = "bad_len2" }, "did you mean 'bad_len'?")
refused("hello", { versions = { 40 } }, "hello: versions[1]: an integer of 5 bits is expected")

local many <const> = {}
for i = 1, 5000 do many[i] = { output = i } end
refused({ actions = many }, "flow_mod: more than the 65535 bytes that a message may have")

-- Bytes: every message cut short anywhere, or with one byte changed, is refused or is some message. Nothing else happens.
local function judge(bytes)
  local message, text, code = decode(bytes)
  return type(message) == "table" or (code == "EPROTO" and type(text) == "string")
end

local samples <const> = {
  encode("flow_mod", { match = { in_port = 1, eth_type = 0x800, ipv4_src = "10.0.0.0/8" }, meter = 1, goto_table = 3,
    actions = { { output = 1 }, { set_field = { eth_src = "02:00:00:00:00:01" } }, "pop_vlan" }, write_metadata = "1/3" }),
  encode("group_mod", { group = 1, buckets = { { actions = { { output = 1 } } }, { actions = { "pop_vlan" } } } }),
  encode("meter_mod", { meter = 1, bands = { { drop = 1 }, { dscp_remark = 2 } } }),
  encode("packet_in", { match = { in_port = 1 }, data = ("x"):rep(20) }),
  encode("packet_out", { actions = { { output = 1 } }, data = "frame" }),
  encode("hello", { versions = { 1, 4 } }),
  encode("error", { type = "bad_match", code = "bad_len", data = "12345678" }),
  encode("multipart_reply", { stats = "flow", list = { { match = { in_port = 1 }, actions = { { output = 1 } } } } }),
  encode("multipart_reply", { stats = "group", list = { { group = 1, buckets = { {}, {} } } } }),
  encode("multipart_reply", { stats = "meter_config", list = { { meter = 1, bands = { { drop = 1 } } } } }),
  encode("multipart_reply", { stats = "port_desc", list = { { port = 1, name = "eth0" } } }),
  encode("multipart_reply", { stats = "group_desc", list = { { group = 1, buckets = { { actions = { "pop_vlan" } } } } } }),
}
local tried, wrong = 0, 0
for _, sample in ipairs(samples) do
  local function try(bytes)
    tried = tried + 1
    if not judge(bytes) then wrong = wrong + 1 end
  end
  for n = 0, #sample - 1 do
    try(sample:sub(1, n))
    if n >= 4 then try(sample:sub(1, 2) .. (">I2"):pack(n) .. sample:sub(5, n)) end
    for _, byte in ipairs { 0, 1, 4, 7, 0x7f, 0x80, 0xff } do
      try(sample:sub(1, n) .. string.char(byte) .. sample:sub(n + 2))
    end
  end
end
tap.ok(tried > 5000, ("%d messages that are cut or changed"):format(tried))
tap.eq(wrong, 0, "are refused, or are messages")
local function why(bytes) return select(2, decode(bytes)) end
tap.like(why(""), "a message whose length is wrong", "no bytes")
tap.like(why "\4\20\0\9\0\0\0\0x\0", "length is wrong", "more bytes than its length")
tap.like(why "\4\99\0\8\0\0\0\0", "unknown type", "an unknown type")
tap.like(why "\1\14\0\8\0\0\0\0", "another version", "OpenFlow 1.0")
tap.like(why(samples[1]:sub(1, 49) .. "\0\3" .. samples[1]:sub(52)), "match", "a match of another type")
tap.done()
