/* The protocols that packets are parsed and built with. */
#include <netinet/in.h>

#include "bindings/packet_protocol.h"

#define NUMBER(name, bit, bits, text, ...) { name, PACKET_NUMBER, bit, bits, text, __VA_ARGS__ }
#define MAC(name, bit, text, ...) { name, PACKET_MAC, bit, 48, text, __VA_ARGS__ }
#define IPV4(name, bit, text, ...) { name, PACKET_IPV4, bit, 32, text, __VA_ARGS__ }
#define IPV6(name, bit, text, ...) { name, PACKET_IPV6, bit, 128, text, __VA_ARGS__ }
#define CHECKSUM(bit) \
	{ "checksum", PACKET_NUMBER, bit, 16, "Internet checksum", .role = PACKET_CHECKSUM }
#define PORTS \
	NUMBER("src_port", 0, 16, "port of the sender", .required = true), \
	NUMBER("dst_port", 16, 16, "port of the receiver", .required = true)

enum {
	ETHERTYPE_LEAST = 0x600,	/* smaller numbers are lengths (IEEE 802.3) */
	SPACE_IP = PACKET_IPV4_PROTOCOL | PACKET_IPV6_NEXT,
	IP_IN_IP = 4,
};

static uint32_t number16(const uint8_t *b)
{
	return (uint32_t)b[0] << 8 | b[1];
}

/* -- Ethernet and tags -- */

static size_t ethernet_extent(const uint8_t *h)
{
	return number16(h + 12) < ETHERTYPE_LEAST ? 14 + number16(h + 12) : PACKET_UNKNOWN;
}

static const struct packet_field ethernet_fields[] = {
	MAC("dst", 0, "MAC address of the receiver", .required = true),
	MAC("src", 48, "MAC address of the sender", .required = true),
	NUMBER("ethertype", 96, 16, "what follows; below 1536 it is the payload's length in bytes",
	       .role = PACKET_NEXT),
	{ 0 }
};

static const struct packet_protocol ethernet = {
	.name = "ethernet", .text = "Ethernet II and IEEE 802.3, without the frame check sequence",
	.fields = ethernet_fields, .least = 14, .space = PACKET_ETHERTYPE, .extent = ethernet_extent,
};

static size_t vlan_extent(const uint8_t *h)
{
	return number16(h + 2) < ETHERTYPE_LEAST ? 4 + number16(h + 2) : PACKET_UNKNOWN;
}

static const struct packet_field vlan_fields[] = {
	NUMBER("priority", 0, 3, "priority code point, 0 to 7"),
	{ "dei", PACKET_BOOLEAN, 3, 1, "drop eligible" },
	NUMBER("id", 4, 12, "VLAN identifier, 0 to 4095", .required = true),
	NUMBER("ethertype", 16, 16, "what follows", .role = PACKET_NEXT),
	{ 0 }
};

static const struct packet_protocol vlan = {
	.name = "vlan", .text = "IEEE 802.1Q tag; of two, the outer one is a service tag (802.1ad)",
	.fields = vlan_fields, .least = 4, .space = PACKET_ETHERTYPE, .extent = vlan_extent,
	.keys = { { PACKET_ETHERTYPE, 0x8100 }, { PACKET_ETHERTYPE, 0x88a8 }, { PACKET_ETHERTYPE, 0x9100 } },
};

/* -- ARP (RFC 826) -- */

static bool arp_usual(const uint8_t *h)
{
	return h[4] == 6 && h[5] == 4;
}

static size_t arp_length(const uint8_t *h)
{
	return arp_usual(h) ? 28 : 8;
}

static const struct packet_field arp_fields[] = {
	NUMBER("hardware_type", 0, 16, "1 is Ethernet", .otherwise = 1),
	NUMBER("protocol_type", 16, 16, "ethertype of the addresses asked for", .otherwise = 0x800),
	NUMBER("hardware_length", 32, 8, "bytes of a hardware address; unless 6, addresses are payload",
	       .otherwise = 6),
	NUMBER("protocol_length", 40, 8, "bytes of a protocol address; unless 4, addresses are payload",
	       .otherwise = 4),
	NUMBER("operation", 48, 16, "1 request, 2 reply", .otherwise = 1),
	MAC("sender_mac", 64, "hardware address of the sender", .required = true, .present = arp_usual),
	IPV4("sender_ip", 112, "IPv4 address of the sender", .required = true, .present = arp_usual),
	MAC("target_mac", 144, "hardware address asked for; by default zero", .present = arp_usual),
	IPV4("target_ip", 192, "IPv4 address asked for", .required = true, .present = arp_usual),
	{ 0 }
};

static const struct packet_protocol arp = {
	.name = "arp", .text = "address resolution", .fields = arp_fields, .least = 8, .length = arp_length,
	.keys = { { PACKET_ETHERTYPE, 0x806 } },
};

/* -- IPv4 (RFC 791) -- */

static const char *ipv4_fault(const uint8_t *h)
{
	return h[0] >> 4 == 4 ? NULL : "its version is not 4";
}

static size_t ipv4_extent(const uint8_t *h)
{
	return number16(h + 2);
}

static bool ipv4_later_fragment(const uint8_t *h)
{
	return number16(h + 6) & 0x1fff;
}

static bool ipv4_fragment(const uint8_t *h)
{
	return number16(h + 6) & 0x3fff;
}

static const uint8_t *ipv4_addresses(const uint8_t *h, size_t *n)
{
	*n = 8;
	return h + 12;
}

static const char *const ipv4_flags[] = { "reserved", "df", "mf", NULL };

static const struct packet_field ipv4_fields[] = {
	NUMBER("version", 0, 4, "4", .otherwise = 4),
	NUMBER("header_length", 4, 4, "bytes of the header, with its options", .role = PACKET_HEADER_LENGTH,
	       .scale = 4),
	NUMBER("dscp", 8, 6, "differentiated services code point"),
	NUMBER("ecn", 14, 2, "explicit congestion notification"),
	NUMBER("total_length", 16, 16, "bytes of header and payload", .role = PACKET_LENGTH),
	NUMBER("id", 32, 16, "identification of the fragments of a packet"),
	{ "flags", PACKET_FLAGS, 48, 3, "{ df = do not fragment, mf = more fragments follow }",
	  .flags = ipv4_flags },
	NUMBER("fragment_offset", 51, 13, "bytes of the packet that lie before this fragment", .scale = 8),
	NUMBER("ttl", 64, 8, "hops that are left", .otherwise = 64),
	NUMBER("protocol", 72, 8, "what follows", .role = PACKET_NEXT),
	CHECKSUM(80),
	IPV4("src", 96, "address of the sender", .required = true),
	IPV4("dst", 128, "address of the receiver", .required = true),
	{ "options", PACKET_RAW, 160, 0, "raw options; a multiple of 4 bytes", .quiet = true },
	{ 0 }
};

static const struct packet_protocol ipv4 = {
	.name = "ipv4", .text = "Internet Protocol, version 4", .fields = ipv4_fields, .least = 20, .unit = 4,
	.space = PACKET_IPV4_PROTOCOL, .cover = PACKET_SUM_HEADER, .fault = ipv4_fault, .extent = ipv4_extent,
	.opaque = ipv4_later_fragment, .partial = ipv4_fragment, .addresses = ipv4_addresses,
	.keys = { { PACKET_ETHERTYPE, 0x800 }, { SPACE_IP, IP_IN_IP } },
};

/* -- IPv6 and its extension headers (RFC 8200) -- */

static const char *ipv6_fault(const uint8_t *h)
{
	return h[0] >> 4 == 6 ? NULL : "its version is not 6";
}

/* A jumbogram's length is in a hop-by-hop option (RFC 2675). */
static size_t ipv6_extent(const uint8_t *h)
{
	return !number16(h + 4) && h[6] == IPPROTO_HOPOPTS ? PACKET_UNKNOWN : 40 + number16(h + 4);
}

static const uint8_t *ipv6_addresses(const uint8_t *h, size_t *n)
{
	*n = 32;
	return h + 8;
}

static const struct packet_field ipv6_fields[] = {
	NUMBER("version", 0, 4, "6", .otherwise = 6),
	NUMBER("dscp", 4, 6, "differentiated services code point"),
	NUMBER("ecn", 10, 2, "explicit congestion notification"),
	NUMBER("flow_label", 12, 20, "label of the flow"),
	NUMBER("payload_length", 32, 16, "bytes behind this header", .role = PACKET_LENGTH),
	NUMBER("next_header", 48, 8, "what follows", .role = PACKET_NEXT),
	NUMBER("hop_limit", 56, 8, "hops that are left", .otherwise = 64),
	IPV6("src", 64, "address of the sender", .required = true),
	IPV6("dst", 192, "address of the receiver", .required = true),
	{ 0 }
};

static const struct packet_protocol ipv6 = {
	.name = "ipv6", .text = "Internet Protocol, version 6", .fields = ipv6_fields, .least = 40,
	.space = PACKET_IPV6_NEXT, .uncounted = 40, .fault = ipv6_fault, .extent = ipv6_extent,
	.addresses = ipv6_addresses, .keys = { { PACKET_ETHERTYPE, 0x86dd }, { SPACE_IP, IPPROTO_IPV6 } },
};

#define NEXT_HEADER NUMBER("next_header", 0, 8, "what follows", .role = PACKET_NEXT)
#define EXTENSION_LENGTH \
	NUMBER("header_length", 8, 8, "bytes of this header", .role = PACKET_HEADER_LENGTH, .scale = 8, .plus = 8)

static const struct packet_field options_fields[] = {
	NEXT_HEADER,
	EXTENSION_LENGTH,
	{ "options", PACKET_RAW, 16, 0, "raw options; with 2 bytes before a multiple of 8", .required = true },
	{ 0 }
};

static const struct packet_protocol hop_by_hop = {
	.name = "ipv6_hop_by_hop", .text = "IPv6 options for every hop", .fields = options_fields, .least = 8,
	.unit = 8, .space = PACKET_IPV6_NEXT, .keys = { { PACKET_IPV6_NEXT, IPPROTO_HOPOPTS } },
};

static const struct packet_protocol destination = {
	.name = "ipv6_destination", .text = "IPv6 options for the destination", .fields = options_fields,
	.least = 8, .unit = 8, .space = PACKET_IPV6_NEXT, .keys = { { PACKET_IPV6_NEXT, IPPROTO_DSTOPTS } },
};

/* Checksums are over the last destination, which is not in the IPv6 header yet. */
static bool routing_goes_on(const uint8_t *h)
{
	return h[3] > 0;
}

static const struct packet_field routing_fields[] = {
	NEXT_HEADER,
	EXTENSION_LENGTH,
	NUMBER("routing_type", 16, 8, "4 is segment routing", .required = true),
	NUMBER("segments_left", 24, 8, "nodes still to be visited"),
	{ "data", PACKET_RAW, 32, 0, "raw data of the type; with 4 bytes before a multiple of 8",
	  .required = true },
	{ 0 }
};

static const struct packet_protocol routing = {
	.name = "ipv6_routing", .text = "IPv6 routing header", .fields = routing_fields, .least = 8, .unit = 8,
	.space = PACKET_IPV6_NEXT, .partial = routing_goes_on, .keys = { { PACKET_IPV6_NEXT, IPPROTO_ROUTING } },
};

static bool ipv6_later_fragment(const uint8_t *h)
{
	return number16(h + 2) & 0xfff8;
}

static bool ipv6_is_fragment(const uint8_t *h)
{
	return number16(h + 2) & 0xfff9;
}

static const struct packet_field fragment_fields[] = {
	NEXT_HEADER,
	NUMBER("reserved", 8, 8, "0", .quiet = true),
	NUMBER("fragment_offset", 16, 13, "bytes of the packet that lie before this fragment", .scale = 8),
	NUMBER("reserved2", 29, 2, "0", .quiet = true),
	{ "more", PACKET_BOOLEAN, 31, 1, "more fragments follow" },
	NUMBER("id", 32, 32, "identification of the fragments of a packet"),
	{ 0 }
};

static const struct packet_protocol fragment = {
	.name = "ipv6_fragment", .text = "IPv6 fragment header", .fields = fragment_fields, .least = 8,
	.space = PACKET_IPV6_NEXT, .opaque = ipv6_later_fragment, .partial = ipv6_is_fragment,
	.keys = { { PACKET_IPV6_NEXT, IPPROTO_FRAGMENT } },
};

/* Authentication header (RFC 4302). */
static const struct packet_field authentication_fields[] = {
	NEXT_HEADER,
	NUMBER("header_length", 8, 8, "bytes of this header", .role = PACKET_HEADER_LENGTH, .scale = 4, .plus = 8),
	NUMBER("reserved", 16, 16, "0", .quiet = true),
	NUMBER("spi", 32, 32, "security parameters index", .required = true),
	NUMBER("sequence", 64, 32, "sequence number"),
	{ "data", PACKET_RAW, 96, 0, "raw check value; a multiple of 4 bytes", .quiet = true },
	{ 0 }
};

static const struct packet_protocol authentication = {
	.name = "ipv6_authentication", .text = "IPsec authentication header over IPv6",
	.fields = authentication_fields, .least = 12, .unit = 4, .space = PACKET_IPV6_NEXT,
	.keys = { { PACKET_IPV6_NEXT, IPPROTO_AH } },
};

/* -- transport -- */

static size_t udp_extent(const uint8_t *h)
{
	return number16(h + 4) ? number16(h + 4) : PACKET_UNKNOWN;	/* 0: a jumbogram's */
}

static const struct packet_field udp_fields[] = {
	PORTS,
	NUMBER("length", 32, 16, "bytes of header and payload", .role = PACKET_LENGTH),
	CHECKSUM(48),
	{ 0 }
};

static const struct packet_protocol udp = {
	.name = "udp", .text = "User Datagram Protocol", .fields = udp_fields, .least = 8,
	.cover = PACKET_SUM_PSEUDO, .zero_is_none = true, .extent = udp_extent,
	.keys = { { SPACE_IP, IPPROTO_UDP } },
};

static const char *const tcp_flags[] = { "ns", "cwr", "ece", "urg", "ack", "psh", "rst", "syn", "fin", NULL };

static const struct packet_field tcp_fields[] = {
	PORTS,
	NUMBER("seq", 32, 32, "sequence number"),
	NUMBER("ack", 64, 32, "acknowledgement number"),
	NUMBER("header_length", 96, 4, "bytes of the header, with its options", .role = PACKET_HEADER_LENGTH,
	       .scale = 4),
	NUMBER("reserved", 100, 3, "0", .quiet = true),
	{ "flags", PACKET_FLAGS, 103, 9, "{ syn = true, ack = true ... } of ns cwr ece urg ack psh rst syn fin",
	  .flags = tcp_flags },
	NUMBER("window", 112, 16, "receive window, not scaled", .otherwise = 65535),
	CHECKSUM(128),
	NUMBER("urgent", 144, 16, "urgent pointer", .quiet = true),
	{ "options", PACKET_RAW, 160, 0, "raw options; a multiple of 4 bytes", .quiet = true },
	{ 0 }
};

static const struct packet_protocol tcp = {
	.name = "tcp", .text = "Transmission Control Protocol", .fields = tcp_fields, .least = 20, .unit = 4,
	.cover = PACKET_SUM_PSEUDO, .keys = { { SPACE_IP, IPPROTO_TCP } },
};

/* -- ICMP (RFC 792) and ICMPv6 (RFC 4443, RFC 4861) -- */

/* Echo, timestamp, information and address mask have a number and a place in a series. */
static bool icmp_has_id(const uint8_t *h)
{
	return h[0] == 0 || h[0] == 8 || (h[0] >= 13 && h[0] <= 18);
}

static bool icmp_has_rest(const uint8_t *h)
{
	return !icmp_has_id(h);
}

static const struct packet_field icmp_fields[] = {
	NUMBER("icmp_type", 0, 8, "0 echo reply, 3 unreachable, 8 echo request, 11 time exceeded ...",
	       .required = true),
	NUMBER("code", 8, 8, "of the type"),
	CHECKSUM(16),
	NUMBER("id", 32, 16, "of queries: identifier", .present = icmp_has_id),
	NUMBER("seq", 48, 16, "of queries: sequence number", .present = icmp_has_id),
	NUMBER("rest", 32, 32, "of others: the 32 bits behind the checksum, such as an MTU",
	       .present = icmp_has_rest),
	{ 0 }
};

static const struct packet_protocol icmp = {
	.name = "icmp", .text = "control messages of IPv4", .fields = icmp_fields, .least = 8,
	.cover = PACKET_SUM_ALL, .keys = { { PACKET_IPV4_PROTOCOL, IPPROTO_ICMP } },
};

static bool icmpv6_has_id(const uint8_t *h)
{
	return h[0] == 128 || h[0] == 129;
}

static bool icmpv6_has_rest(const uint8_t *h)
{
	return !icmpv6_has_id(h);
}

/* Neighbour solicitation and advertisement. */
static bool icmpv6_has_target(const uint8_t *h)
{
	return h[0] == 135 || h[0] == 136;
}

static size_t icmpv6_length(const uint8_t *h)
{
	return icmpv6_has_target(h) ? 24 : 8;
}

static const struct packet_field icmpv6_fields[] = {
	NUMBER("icmp_type", 0, 8, "128 echo request, 129 echo reply, 135 neighbour solicitation ...",
	       .required = true),
	NUMBER("code", 8, 8, "of the type"),
	CHECKSUM(16),
	NUMBER("id", 32, 16, "of echo: identifier", .present = icmpv6_has_id),
	NUMBER("seq", 48, 16, "of echo: sequence number", .present = icmpv6_has_id),
	NUMBER("rest", 32, 32, "of others: the 32 bits behind the checksum, such as an MTU",
	       .present = icmpv6_has_rest),
	IPV6("target", 64, "of neighbour messages: the address in question", .required = true,
	     .present = icmpv6_has_target),
	{ 0 }
};

static const struct packet_protocol icmpv6 = {
	.name = "icmpv6", .text = "control messages of IPv6; options of neighbour messages are payload",
	.fields = icmpv6_fields, .least = 8, .length = icmpv6_length, .cover = PACKET_SUM_PSEUDO,
	.keys = { { PACKET_IPV6_NEXT, IPPROTO_ICMPV6 } },
};

const struct packet_protocol *const packet_protocols[] = {
	&ethernet, &vlan, &arp, &ipv4, &ipv6, &hop_by_hop, &destination, &routing, &fragment, &authentication,
	&udp, &tcp, &icmp, &icmpv6, NULL
};
