/* Options that only some kinds of link have, and those of a bridge's ports.
 *
 * One list for each kind says name, coding, attribute and limits of its options. It
 * yields the fields that help shows, the attributes that are sent, and the values
 * of link.get, so that what is wanted and what is found have the same names.
 */
#ifndef NERV_BINDINGS_LINK_OPTION_H
#define NERV_BINDINGS_LINK_OPTION_H

#include <linux/if_bridge.h>
#include <linux/if_link.h>

#include "bindings/link_op.h"
#include "bindings/op_lua.h"

/* How an option is coded in its attribute. */
enum link_coding {
	CODED_FLAG8, CODED_FLAG32,	/* a boolean */
	CODED_UINT8, CODED_UINT16, CODED_UINT32,
	CODED_NET16,			/* 16 bits in network order */
	CODED_CENTI32,			/* seconds in 1/100 s */
	CODED_ADDRESS,			/* IPv4, and in the attribute `six` IPv6 */
	CODED_WORD8, CODED_WORD32,	/* a word */
	CODED_OWNER,			/* a user or group; never sent by rtnetlink */
};

#define ARG_OF_FLAG8 ARG_BOOLEAN
#define ARG_OF_FLAG32 ARG_BOOLEAN
#define ARG_OF_UINT8 ARG_INTEGER
#define ARG_OF_UINT16 ARG_INTEGER
#define ARG_OF_UINT32 ARG_INTEGER
#define ARG_OF_NET16 ARG_INTEGER
#define ARG_OF_CENTI32 ARG_NUMBER
#define ARG_OF_ADDRESS ARG_STRING
#define ARG_OF_WORD8 ARG_STRING
#define ARG_OF_WORD32 ARG_STRING
#define ARG_OF_OWNER ARG_ANY

struct link_option {
	const char *name;
	enum link_coding coding;
	uint16_t attr, six;
	uint32_t min, max;
	const struct word *words;
};

/* O(name, coding, attribute, attribute for IPv6, least, greatest, words, text) */
#define BRIDGE_OPTIONS(O) \
	O(stp, FLAG32, IFLA_BR_STP_STATE, 0, 0, 0, NULL, "of a bridge: spanning tree protocol") \
	O(priority, UINT16, IFLA_BR_PRIORITY, 0, 0, 65535, NULL, \
	  "of a bridge: priority in the spanning tree; low becomes the root") \
	O(forward_delay, CENTI32, IFLA_BR_FORWARD_DELAY, 0, 0, 30, NULL, \
	  "of a bridge: forward delay, seconds; from 2 with stp") \
	O(hello_time, CENTI32, IFLA_BR_HELLO_TIME, 0, 1, 10, NULL, \
	  "of a bridge: time between its messages of the spanning tree, seconds") \
	O(max_age, CENTI32, IFLA_BR_MAX_AGE, 0, 6, 40, NULL, \
	  "of a bridge: life of such a message, seconds") \
	O(ageing, CENTI32, IFLA_BR_AGEING_TIME, 0, 0, 1000000, NULL, \
	  "of a bridge or vxlan: life of a learned address, seconds; of a vxlan whole ones") \
	O(group_fwd_mask, UINT16, IFLA_BR_GROUP_FWD_MASK, 0, 0, 65535, NULL, \
	  "of a bridge: which of the addresses 01:80:c2:00:00:0X it forwards, bit X for each; " \
	  "the kernel refuses 0 to 2") \
	O(mcast_snooping, FLAG8, IFLA_BR_MCAST_SNOOPING, 0, 0, 0, NULL, \
	  "of a bridge: multicast snooping") \
	O(mcast_querier, FLAG8, IFLA_BR_MCAST_QUERIER, 0, 0, 0, NULL, \
	  "of a bridge: asks for members of multicast groups itself") \
	O(vlan_filtering, FLAG8, IFLA_BR_VLAN_FILTERING, 0, 0, 0, NULL, \
	  "of a bridge: looks at VLAN tags, where the kernel can")

/* Those of a vxlan that may be changed later, and the others. */
#define VXLAN_OPTIONS(O) \
	O(remote, ADDRESS, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, 0, 0, NULL, \
	  "of a vxlan: where frames to unknown addresses go, a host or a multicast group") \
	O(source, ADDRESS, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, 0, 0, NULL, \
	  "of a vxlan: its own address, from which it sends") \
	O(learning, FLAG8, IFLA_VXLAN_LEARNING, 0, 0, 0, NULL, \
	  "of a vxlan: learns which address is behind which host; by default it does") \
	O(ttl, UINT8, IFLA_VXLAN_TTL, 0, 0, 255, NULL, \
	  "of a vxlan: time to live of what it sends; 0: the kernel's default") \
	O(tos, UINT8, IFLA_VXLAN_TOS, 0, 0, 255, NULL, \
	  "of a vxlan: type of service of what it sends; 1: that of the packet inside")
#define VXLAN_FIXED(O) \
	O(id, UINT32, IFLA_VXLAN_ID, 0, 0, 16777215, NULL, \
	  "of a vxlan: its network identifier, 0 to 16777215; of a vlan: its tag, 1 to 4094") \
	O(port, NET16, IFLA_VXLAN_PORT, 0, 1, 65535, NULL, \
	  "of a vxlan: UDP port of the other side; by default 4789") \
	O(udp_checksum, FLAG8, IFLA_VXLAN_UDP_CSUM, 0, 0, 0, NULL, \
	  "of a vxlan: sends UDP checksums over IPv4, too; by default it does")
#define VXLAN_AGEING(O) \
	O(ageing, UINT32, IFLA_VXLAN_AGEING, 0, 0, 1000000, NULL, "")

#define MACVLAN_OPTIONS(O) \
	O(mode, WORD32, IFLA_MACVLAN_MODE, 0, 0, 0, macvlan_modes, \
	  "of a macvlan or macvtap: private, vepa, bridge, passthru or source")

#define VLAN_FIXED(O) \
	O(id, UINT16, IFLA_VLAN_ID, 0, 1, 4094, NULL, "")

#define TUN_FIXED(O) \
	O(owner, OWNER, IFLA_TUN_OWNER, 0, 0, 0, NULL, \
	  "of a tap or tun: name or number of the user who may open it") \
	O(owner_group, OWNER, IFLA_TUN_GROUP, 0, 0, 0, NULL, \
	  "of a tap or tun: name or number of the group that may open it") \
	O(vnet_header, FLAG8, IFLA_TUN_VNET_HDR, 0, 0, 0, NULL, \
	  "of a tap or tun: a virtio header before each frame, for checksum and segmentation " \
	  "offload") \
	O(multi_queue, FLAG8, IFLA_TUN_MULTI_QUEUE, 0, 0, 0, NULL, \
	  "of a tap or tun: it may be opened several times, a queue each")
#define TUN_FOUND(O) \
	O(persistent, FLAG8, IFLA_TUN_PERSIST, 0, 0, 0, NULL, "")

#define PORT_OPTIONS(O) \
	O(state, WORD8, IFLA_BRPORT_STATE, 0, 0, 0, port_states, \
	  "disabled, listening, learning, forwarding or blocking; without stp it may be set to " \
	  "disabled and back, with stp it can only be read") \
	O(priority, UINT16, IFLA_BRPORT_PRIORITY, 0, 0, 63, NULL, \
	  "priority among the bridge's ports in the spanning tree; low wins") \
	O(cost, UINT32, IFLA_BRPORT_COST, 0, 1, 65535, NULL, "cost of its path in the spanning tree") \
	O(learning, FLAG8, IFLA_BRPORT_LEARNING, 0, 0, 0, NULL, "learns the addresses behind it") \
	O(flood, FLAG8, IFLA_BRPORT_UNICAST_FLOOD, 0, 0, 0, NULL, \
	  "gets frames to addresses that the bridge does not know") \
	O(mcast_flood, FLAG8, IFLA_BRPORT_MCAST_FLOOD, 0, 0, 0, NULL, \
	  "gets frames to groups that the bridge does not know") \
	O(bcast_flood, FLAG8, IFLA_BRPORT_BCAST_FLOOD, 0, 0, 0, NULL, "gets broadcast frames") \
	O(isolated, FLAG8, IFLA_BRPORT_ISOLATED, 0, 0, 0, NULL, \
	  "exchanges nothing with other isolated ports") \
	O(hairpin, FLAG8, IFLA_BRPORT_MODE, 0, 0, 0, NULL, \
	  "may get frames back that came from it") \
	O(guard, FLAG8, IFLA_BRPORT_GUARD, 0, 0, 0, NULL, \
	  "is disabled when a message of the spanning tree comes from it") \
	O(root_block, FLAG8, IFLA_BRPORT_PROTECT, 0, 0, 0, NULL, "never leads to the root") \
	O(neigh_suppress, FLAG8, IFLA_BRPORT_NEIGH_SUPPRESS, 0, 0, 0, NULL, \
	  "the bridge answers for neighbours that it knows instead of asking here") \
	O(group_fwd_mask, UINT16, IFLA_BRPORT_GROUP_FWD_MASK, 0, 0, 65535, NULL, \
	  "which of the addresses 01:80:c2:00:00:0X it takes to forward, bit X for each") \
	O(locked, FLAG8, IFLA_BRPORT_LOCKED, 0, 0, 0, NULL, \
	  "only addresses in the forwarding database may send through it")

#define LINK_OPTION_FIELD(name, coding, attr, six, min, max, words, text) \
	{ #name, ARG_OF_##coding, false, text, NULL },

/* Entries of a table of struct arg: what link.set takes, and what link.add takes besides. */
#define LINK_CHANGE_FIELDS \
	BRIDGE_OPTIONS(LINK_OPTION_FIELD) VXLAN_OPTIONS(LINK_OPTION_FIELD) \
	MACVLAN_OPTIONS(LINK_OPTION_FIELD)
#define LINK_FIXED_FIELDS \
	VXLAN_FIXED(LINK_OPTION_FIELD) TUN_FIXED(LINK_OPTION_FIELD)

extern const struct arg link_port_fields[];

/* A kind of link as NERV names it. */
struct link_kind {
	const char *name;
	const char *driver;		/* the kernel's name of it */
	const char *module;		/* that has it */
	const struct link_option *options;	/* ends with a name of NULL */
	bool needs_parent;		/* in IFLA_LINK */
	uint16_t parent_attr;		/* it may have one, in this attribute of its data; or 0 */
};

extern const struct link_kind link_kinds[];	/* ends with a name of NULL */

/* The kind of that name, or NULL. */
const struct link_kind *link_kind_find(const char *name);

/* The options in the table of `c` for a link of kind `name`, and its parent; raises when
 * one belongs to other kinds, and when one is missing that the kind needs. */
void link_options_compile(const struct compile *c, struct link_add_op *o);

/* The same for a link whose kind will be known when the change is made: an entry for
 * each kind that has all of these options. */
const struct link_values *link_options_compile_any(const struct compile *c);

/* The option `bridge_port`; NULL when it is absent. */
const struct link_value *link_port_compile(const struct compile *c);

/* Sets in the table on top what `data` (IFLA_INFO_DATA, or NULL) says of a link of that
 * kind. */
void link_options_push(lua_State *L, const char *kind, struct nlattr *data);

/* Sets `bridge_port` in the table on top. */
void link_port_push(lua_State *L, struct nlattr *data);

#endif
