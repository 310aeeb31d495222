-- OpenFlow's fields and actions: each one there and back, and by os-ken, an OpenFlow library that is not ours.
local tap <const> = require "tap"

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local MAC <const>, IP4 <const>, IP6 <const>, ARP <const> = "02:00:00:00:00:01", 0x800, 0x86dd, 0x806

-- match -> the same as os-ken reads it, and as it comes back when that differs.
local matches <const> = {
  { { in_port = 7, in_phy_port = 3 }, "in_port=7 in_phy_port=3" },
  { { in_port = "local" }, "in_port=4294967294" },
  { { metadata = "0x1122/0xff22" }, "metadata=4386/65314" },
  { { metadata = -1 }, "metadata=18446744073709551615" },
  { { metadata = "0xffffffffffffffff" }, "metadata=18446744073709551615", { metadata = -1 } },
  { { eth_dst = "01:00:00:00:00:00/01:00:00:00:00:00", eth_src = MAC },
    "eth_dst=01:00:00:00:00:00/01:00:00:00:00:00 eth_src=" .. MAC },
  { { eth_dst = MAC .. "/ff:ff:ff:ff:ff:ff" }, "eth_dst=" .. MAC, { eth_dst = MAC } },
  { { eth_type = "0x0880" }, "eth_type=2176", { eth_type = 0x0880 } },
  { { vlan_vid = 5, vlan_pcp = 3 }, "vlan_vid=4101 vlan_pcp=3" },
  { { vlan_vid = "none" }, "vlan_vid=0" },
  { { vlan_vid = "any" }, "vlan_vid=4096/4096" },
  { { vlan_vid = "0x4/0x6" }, "vlan_vid=4100/4102" },
  { { vlan_vid = "raw 0x5/0xfff" }, "vlan_vid=5/4095" },
  { { vlan_vid = 0 }, "vlan_vid=4096" },
  { { eth_type = IP4, ip_dscp = 46, ip_ecn = 2, ip_proto = 6, tcp_src = 1000, tcp_dst = 80 },
    "eth_type=2048 ip_dscp=46 ip_ecn=2 ip_proto=6 tcp_src=1000 tcp_dst=80" },
  { { eth_type = IP4, ipv4_src = "10.0.0.0/8", ipv4_dst = "192.0.2.1/255.0.255.255" },
    "eth_type=2048 ipv4_src=10.0.0.0/255.0.0.0 ipv4_dst=192.0.2.1/255.0.255.255" },
  { { eth_type = IP4, ipv4_src = "10.0.0.1/32", ipv4_dst = "0.0.0.0/0" },
    "eth_type=2048 ipv4_src=10.0.0.1 ipv4_dst=0.0.0.0/0.0.0.0",
    { eth_type = IP4, ipv4_src = "10.0.0.1", ipv4_dst = "0.0.0.0/0" } },
  { { eth_type = IP4, ip_proto = 17, udp_src = 53, udp_dst = 65535 }, "eth_type=2048 ip_proto=17 udp_src=53 udp_dst=65535" },
  { { eth_type = IP4, ip_proto = 132, sctp_src = 1, sctp_dst = 2 }, "eth_type=2048 ip_proto=132 sctp_src=1 sctp_dst=2" },
  { { eth_type = IP4, ip_proto = 1, icmpv4_type = 8, icmpv4_code = 1 },
    "eth_type=2048 ip_proto=1 icmpv4_type=8 icmpv4_code=1" },
  { { eth_type = ARP, arp_op = 1, arp_spa = "10.0.0.1", arp_tpa = "10.0.0.0/24", arp_sha = MAC,
      arp_tha = "00:00:00:00:00:00/ff:ff:00:00:00:00" },
    "eth_type=2054 arp_op=1 arp_spa=10.0.0.1 arp_tpa=10.0.0.0/255.255.255.0 arp_sha=" .. MAC ..
      " arp_tha=00:00:00:00:00:00/ff:ff:00:00:00:00" },
  { { eth_type = IP6, ipv6_src = "fd00::/64", ipv6_dst = "fd00::1", ipv6_flabel = "0x12/0xff" },
    "eth_type=34525 ipv6_src=fd00::/ffff:ffff:ffff:ffff:: ipv6_dst=fd00::1 ipv6_flabel=18/255" },
  { { eth_type = IP6, ipv6_dst = "fd00::5:0/ffff::ffff:0" }, "eth_type=34525 ipv6_dst=fd00::5:0/ffff::ffff:0" },
  { { eth_type = IP6, ipv6_flabel = 0xfffff }, "eth_type=34525 ipv6_flabel=1048575" },
  { { eth_type = IP6, ipv6_flabel = "1/0xfffff" }, "eth_type=34525 ipv6_flabel=1", { eth_type = IP6, ipv6_flabel = 1 } },
  { { eth_type = IP6, ip_proto = 58, icmpv6_type = 135, icmpv6_code = 0, ipv6_nd_target = "fd00::2", ipv6_nd_sll = MAC },
    "eth_type=34525 ip_proto=58 icmpv6_type=135 icmpv6_code=0 ipv6_nd_target=fd00::2 ipv6_nd_sll=" .. MAC },
  { { eth_type = IP6, ip_proto = 58, icmpv6_type = 136, ipv6_nd_tll = MAC },
    "eth_type=34525 ip_proto=58 icmpv6_type=136 ipv6_nd_tll=" .. MAC },
  { { eth_type = 0x8847, mpls_label = 100, mpls_tc = 5, mpls_bos = 1 },
    "eth_type=34887 mpls_label=100 mpls_tc=5 mpls_bos=1" },
  { { eth_type = 0x88e7, pbb_isid = "0x50000/0xff0000" }, "eth_type=35047 pbb_isid=327680/16711680" },
  { { tunnel_id = "0x10/0xf0" }, "tunnel_id=16/240" },
  { { eth_type = IP6, ipv6_exthdr = "0x5/0x7" }, "eth_type=34525 ipv6_exthdr=5/7" },
  { { ["oxm:0001:0"] = "00000005/000000ff" }, "reg0=5/255" },
  { {}, "" },
}

local actions <const> = {
  { { output = 1 }, "Output:65535:1", { max_len = "whole", output = 1 } },
  { { output = "controller", max_len = 100 }, "Output:100:4294967293" },
  { { output = "flood", max_len = "whole" }, "Output:65535:4294967291" },
  { { group = 7 }, "Group:7" },
  { { set_queue = 3 }, "SetQueue:3" },
  { { push_vlan = 0x8100 }, "PushVlan:33024" },
  { "pop_vlan", "PopVlan" },
  { { pop_vlan = true }, "PopVlan", "pop_vlan" },
  { { push_mpls = 0x8847 }, "PushMpls:34887" },
  { { pop_mpls = 0x800 }, "PopMpls:2048" },
  { { push_pbb = 0x88e7 }, "PushPbb:35047" },
  { "pop_pbb", "PopPbb" },
  { { set_nw_ttl = 9 }, "SetNwTtl:9" },
  { "dec_nw_ttl", "DecNwTtl" },
  { { set_mpls_ttl = 8 }, "SetMplsTtl:8" },
  { "dec_mpls_ttl", "DecMplsTtl" },
  { "copy_ttl_out", "CopyTtlOut" },
  { "copy_ttl_in", "CopyTtlIn" },
  { { set_field = { vlan_vid = 9 } }, "SetField:vlan_vid=4105" },
  { { set_field = { eth_src = MAC } }, "SetField:eth_src=" .. MAC },
  { { set_field = { ipv6_dst = "fd00::1" } }, "SetField:ipv6_dst=fd00::1" },
  { { set_field = { tunnel_id = 9 } }, "SetField:tunnel_id=9" },
  { { set_field = { metadata = 9 } }, "SetField:metadata=9" },
  { { experimenter = 0x2320, data = "\0\18" .. ("\0"):rep(6) }, "NXDecTtl:18" },
}

local sent, wanted = {}, {}
local seen <const> = {}
local function try(items, want, title)
  sent[#sent + 1] = hex(openflow_codec.encode("flow_mod", items, 7))
  wanted[#wanted + 1] = { want, title }
end

for _, case in ipairs(matches) do
  local match, want, back = table.unpack(case)
  local bytes = openflow_codec.encode("flow_mod", { match = match }, 7)
  tap.eq(assert(openflow_codec.decode(bytes)).match, back or match, "there and back: " .. want)
  for field in pairs(match) do seen[field] = true end
  try({ match = match }, want, "os-ken reads " .. want)
end
for field, about in pairs(openflow_codec.fields()) do
  tap.ok(seen[field], ("field %s is tried (%s)"):format(field, about.text))
end
for _, case in ipairs(actions) do
  local action, want, back = table.unpack(case)
  for _, list in ipairs { "actions", "write_actions" } do
    local bytes = openflow_codec.encode("flow_mod", { [list] = { action, "pop_vlan" } }, 7)
    tap.eq(assert(openflow_codec.decode(bytes))[list], { back or action, "pop_vlan" }, ("%s: %s"):format(list, want))
  end
  seen[want:match "^%a+":lower()] = true
  try({ actions = { action } }, want, "os-ken reads " .. want)
end
for action in pairs(openflow_codec.describe().actions) do
  tap.ok(seen[action:gsub("_", "")] or action == "experimenter", ("action %s is tried"):format(action))
end

local script <const> = arg[0]:gsub("[^/]*$", "") .. "support/openflow_check.py"
local result <const> = assert(process.run { argv = { "/usr/bin/python3", script },
  input = table.concat(sent, "\n") .. "\n" })
tap.eq(result.stderr, "", "os-ken has nothing to complain about")
local i = 0
for line in result.stdout:gmatch "([^\n]*)\n" do
  i = i + 1
  tap.eq(line, wanted[i][1], wanted[i][2])
end
tap.eq(i, #sent, "it has judged all of them")
tap.done()
