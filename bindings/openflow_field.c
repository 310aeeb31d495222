/* OpenFlow's fields: numbers, widths and needs are those of table 11 and section 7.2.3.8. */
#include "bindings/openflow_field.h"

#include <string.h>

#define IPV4 { "eth_type", { 0x0800, 0x0800 } }
#define IPV6 { "eth_type", { 0x86dd, 0x86dd } }
#define IP { "eth_type", { 0x0800, 0x86dd } }
#define ARP { "eth_type", { 0x0806, 0x0806 } }
#define MPLS { "eth_type", { 0x8847, 0x8848 } }
#define PROTO(n) { "ip_proto", { n, n } }

const struct oxm_field oxm_fields[OXM_MOST] = {
	[0] = { "in_port", "port that the frame came in by", OXM_PORT, 32, false },
	[1] = { "in_phy_port", "physical port below in_port", OXM_PORT, 32, false, { "in_port", .present = true } },
	[2] = { "metadata", "what tables hand on", OXM_NUMBER, 64, true },
	[3] = { "eth_dst", "destination address", OXM_MAC, 48, true },
	[4] = { "eth_src", "source address", OXM_MAC, 48, true },
	[5] = { "eth_type", "EtherType, behind VLAN tags", OXM_NUMBER, 16, false },
	[6] = { "vlan_vid", "number of the outermost VLAN tag, \"none\", or \"any\"", OXM_VLAN, 13, true },
	[7] = { "vlan_pcp", "priority of the outermost VLAN tag", OXM_NUMBER, 3, false,
		{ "vlan_vid", .present = true } },
	[8] = { "ip_dscp", "differentiated services code point", OXM_NUMBER, 6, false, IP },
	[9] = { "ip_ecn", "congestion bits", OXM_NUMBER, 2, false, IP },
	[10] = { "ip_proto", "protocol, or IPv6's next header", OXM_NUMBER, 8, false, IP },
	[11] = { "ipv4_src", "IPv4 source", OXM_IPV4, 32, true, IPV4 },
	[12] = { "ipv4_dst", "IPv4 destination", OXM_IPV4, 32, true, IPV4 },
	[13] = { "tcp_src", "TCP source port", OXM_NUMBER, 16, false, PROTO(6) },
	[14] = { "tcp_dst", "TCP destination port", OXM_NUMBER, 16, false, PROTO(6) },
	[15] = { "udp_src", "UDP source port", OXM_NUMBER, 16, false, PROTO(17) },
	[16] = { "udp_dst", "UDP destination port", OXM_NUMBER, 16, false, PROTO(17) },
	[17] = { "sctp_src", "SCTP source port", OXM_NUMBER, 16, false, PROTO(132) },
	[18] = { "sctp_dst", "SCTP destination port", OXM_NUMBER, 16, false, PROTO(132) },
	[19] = { "icmpv4_type", "ICMP type", OXM_NUMBER, 8, false, PROTO(1) },
	[20] = { "icmpv4_code", "ICMP code", OXM_NUMBER, 8, false, PROTO(1) },
	[21] = { "arp_op", "ARP operation: 1 request, 2 reply", OXM_NUMBER, 16, false, ARP },
	[22] = { "arp_spa", "ARP source IPv4 address", OXM_IPV4, 32, true, ARP },
	[23] = { "arp_tpa", "ARP target IPv4 address", OXM_IPV4, 32, true, ARP },
	[24] = { "arp_sha", "ARP source MAC address", OXM_MAC, 48, true, ARP },
	[25] = { "arp_tha", "ARP target MAC address", OXM_MAC, 48, true, ARP },
	[26] = { "ipv6_src", "IPv6 source", OXM_IPV6, 128, true, IPV6 },
	[27] = { "ipv6_dst", "IPv6 destination", OXM_IPV6, 128, true, IPV6 },
	[28] = { "ipv6_flabel", "IPv6 flow label", OXM_NUMBER, 20, true, IPV6, .bytes = 4 },
	[29] = { "icmpv6_type", "ICMPv6 type", OXM_NUMBER, 8, false, PROTO(58) },
	[30] = { "icmpv6_code", "ICMPv6 code", OXM_NUMBER, 8, false, PROTO(58) },
	[31] = { "ipv6_nd_target", "target of neighbour discovery", OXM_IPV6, 128, true,
		 { "icmpv6_type", { 135, 136 } } },
	[32] = { "ipv6_nd_sll", "source MAC address of neighbour discovery", OXM_MAC, 48, true,
		 { "icmpv6_type", { 135, 135 } } },
	[33] = { "ipv6_nd_tll", "target MAC address of neighbour discovery", OXM_MAC, 48, true,
		 { "icmpv6_type", { 136, 136 } } },
	[34] = { "mpls_label", "MPLS label", OXM_NUMBER, 20, false, MPLS, .bytes = 4 },
	[35] = { "mpls_tc", "MPLS traffic class", OXM_NUMBER, 3, false, MPLS },
	[36] = { "mpls_bos", "1 for the last MPLS header", OXM_NUMBER, 1, false, MPLS },
	[37] = { "pbb_isid", "PBB service", OXM_NUMBER, 24, true, { "eth_type", { 0x88e7, 0x88e7 } } },
	[38] = { "tunnel_id", "number of the tunnel that the frame came by", OXM_NUMBER, 64, true },
	[39] = { "ipv6_exthdr", "bits of IPv6 extension headers", OXM_NUMBER, 9, true, IPV6 },
};

int oxm_field_named(const char *name)
{
	for (int i = 0; i < OXM_MOST; i++)
		if (oxm_fields[i].name && strcmp(oxm_fields[i].name, name) == 0)
			return i;
	return -1;
}

void oxm_prefix(uint8_t *mask, size_t size, unsigned int length)
{
	for (size_t i = 0; i < size; i++, length = length > 8 ? length - 8 : 0)
		mask[i] = length >= 8 ? 0xff : (uint8_t)(0xff00u >> length);
}
