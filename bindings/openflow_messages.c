/* OpenFlow's messages but for multipart ones (7.3, 7.4, 7.5). */
#include "bindings/openflow_layouts.h"

#define NAMES(...) ((const struct ofp_name[]){ __VA_ARGS__, { NULL, 0 } })
#define ITEMS(...) ((const struct ofp_item[]){ __VA_ARGS__, { 0 } })

const struct ofp_name ofp_tables[] = { { "all", 255 }, { NULL, 0 } };
const struct ofp_name ofp_meters[] = {
	{ "slowpath", 0xfffffffd }, { "controller", 0xfffffffe }, { "all", 0xffffffff }, { NULL, 0 }
};
const struct ofp_name ofp_group_types[] = {
	{ "all", 0 }, { "select", 1 }, { "indirect", 2 }, { "ff", 3 }, { NULL, 0 }
};
const struct ofp_name ofp_flow_flags[] = {
	{ "send_flow_rem", 0 }, { "check_overlap", 1 }, { "reset_counts", 2 }, { "no_pkt_counts", 3 },
	{ "no_byt_counts", 4 }, { NULL, 0 }
};
const struct ofp_name ofp_meter_flags[] = {
	{ "kbps", 0 }, { "pktps", 1 }, { "burst", 2 }, { "stats", 3 }, { NULL, 0 }
};

static const struct ofp_name port_config[] = {
	{ "port_down", 0 }, { "no_recv", 2 }, { "no_fwd", 5 }, { "no_packet_in", 6 }, { NULL, 0 }
};
static const struct ofp_name port_features[] = {
	{ "10mb_hd", 0 }, { "10mb_fd", 1 }, { "100mb_hd", 2 }, { "100mb_fd", 3 }, { "1gb_hd", 4 }, { "1gb_fd", 5 },
	{ "10gb_fd", 6 }, { "40gb_fd", 7 }, { "100gb_fd", 8 }, { "1tb_fd", 9 }, { "other", 10 }, { "copper", 11 },
	{ "fiber", 12 }, { "autoneg", 13 }, { "pause", 14 }, { "pause_asym", 15 }, { NULL, 0 }
};
static const struct ofp_name capabilities[] = {
	{ "flow_stats", 0 }, { "table_stats", 1 }, { "port_stats", 2 }, { "group_stats", 3 }, { "ip_reasm", 5 },
	{ "queue_stats", 6 }, { "port_blocked", 8 }, { NULL, 0 }
};
static const struct ofp_name fragments[] = {
	{ "normal", 0 }, { "drop", 1 }, { "reasm", 2 }, { NULL, 0 }
};
static const struct ofp_name miss_lengths[] = { { "whole", 0xffff }, { NULL, 0 } };
static const struct ofp_name in_reasons[] = {
	{ "no_match", 0 }, { "action", 1 }, { "invalid_ttl", 2 }, { NULL, 0 }
};
static const struct ofp_name removed_reasons[] = {
	{ "idle_timeout", 0 }, { "hard_timeout", 1 }, { "delete", 2 }, { "group_delete", 3 }, { "meter_delete", 4 },
	{ NULL, 0 }
};
static const struct ofp_name port_reasons[] = { { "add", 0 }, { "delete", 1 }, { "modify", 2 }, { NULL, 0 } };
static const struct ofp_name flow_commands[] = {
	{ "add", 0 }, { "modify", 1 }, { "modify_strict", 2 }, { "delete", 3 }, { "delete_strict", 4 }, { NULL, 0 }
};
static const struct ofp_name commands[] = { { "add", 0 }, { "modify", 1 }, { "delete", 2 }, { NULL, 0 } };
static const struct ofp_name roles[] = {
	{ "nochange", 0 }, { "equal", 1 }, { "master", 2 }, { "slave", 3 }, { NULL, 0 }
};

const struct ofp_layout ofp_port = {
	.name = "port", .text = "a port of a switch", .items = ITEMS(
		{ OFP_NAMED, 4, "port", "its number", ofp_ports, .required = true },
		{ OFP_PAD, 4 },
		{ OFP_MAC, 6, "mac", "its address" },
		{ OFP_PAD, 2 },
		{ OFP_TEXT, 1, "name", "its name" },
		{ OFP_FLAGS, 4, "config", "what the administrator wants of it", port_config },
		{ OFP_FLAGS, 4, "state", "how it is",
		  NAMES({ "link_down", 0 }, { "blocked", 1 }, { "live", 2 }) },
		{ OFP_FLAGS, 4, "current", "present speed and medium", port_features },
		{ OFP_FLAGS, 4, "advertised", "what it tells the other end", port_features },
		{ OFP_FLAGS, 4, "supported", "what it could do", port_features },
		{ OFP_FLAGS, 4, "peer", "what the other end tells", port_features },
		{ OFP_NUMBER, 4, "speed", "present speed, kbit/s" },
		{ OFP_NUMBER, 4, "max_speed", "highest speed, kbit/s" })
};

#define MESSAGE(id, about, ...) \
	static const struct ofp_layout message_##id = { .name = #id, .text = about, .items = ITEMS(__VA_ARGS__) }
#define EMPTY(id, about) \
	static const struct ofp_layout message_##id = { .name = #id, .text = about, .items = ITEMS({ 0 }) }

#define ITEM_COOKIE { OFP_NUMBER, 8, "cookie", "a number of the controller's own; by default 0" }
#define ITEM_TABLE { OFP_NAMED, 1, "table", "number of the table; by default 0", ofp_tables }
#define ITEM_BUFFER \
	{ OFP_NUMBER, 4, "buffer_id", "of a frame that the switch keeps", .otherwise = 0xffffffff, .quiet = true }
#define ITEMS_ROLE \
	{ OFP_NAMED, 4, "role", "nochange, equal, master or slave", roles, .required = true }, \
	{ OFP_PAD, 4 }, \
	{ OFP_NUMBER, 8, "generation", "number of the election; by default 0" }
#define ITEMS_CONFIG \
	{ OFP_NAMED, 2, "fragments", "normal, drop or reasm; by default normal", fragments }, \
	{ OFP_NAMED, 2, "miss_send_len", "bytes of a frame to the controller, or \"whole\", which is the default", \
	  miss_lengths, .otherwise = 0xffff }
#define ITEMS_ASYNC \
	{ OFP_FLAGS, 4, "packet_in", "reasons, as master or equal", in_reasons }, \
	{ OFP_FLAGS, 4, "packet_in_slave", "reasons, as slave", in_reasons }, \
	{ OFP_FLAGS, 4, "port_status", "reasons, as master or equal", port_reasons }, \
	{ OFP_FLAGS, 4, "port_status_slave", "reasons, as slave", port_reasons }, \
	{ OFP_FLAGS, 4, "flow_removed", "reasons, as master or equal", removed_reasons }, \
	{ OFP_FLAGS, 4, "flow_removed_slave", "reasons, as slave", removed_reasons }

MESSAGE(hello, "begins a connection", { OFP_VERSIONS, 0, "versions", "list of OpenFlow's version numbers: 4 is 1.3" });
MESSAGE(error, "something was refused",
	{ OFP_ERROR_CODE, 4, "type", "the kind of error; `code` is the error" },
	{ OFP_BYTES, 0, "data", "the beginning of what was refused, or a text" });
MESSAGE(echo_request, "asks whether the other end is there", { OFP_BYTES, 0, "data", "any bytes" });
MESSAGE(echo_reply, "it is there", { OFP_BYTES, 0, "data", "the same bytes" });
MESSAGE(experimenter, "a message that OpenFlow does not define",
	{ OFP_NUMBER, 4, "experimenter", "who defines it", .required = true },
	{ OFP_NUMBER, 4, "exp_type", "by the experimenter's own numbers; by default 0" },
	{ OFP_BYTES, 0, "data", "its bytes" });
EMPTY(features_request, "asks for features_reply");
MESSAGE(features_reply, "what the switch is and can do",
	{ OFP_NUMBER, 8, "datapath_id", "number of the switch" },
	{ OFP_NUMBER, 4, "n_buffers", "frames that it keeps at most" },
	{ OFP_NUMBER, 1, "n_tables", "flow tables" },
	{ OFP_NUMBER, 1, "auxiliary_id", "0 for the main connection" },
	{ OFP_PAD, 2 },
	{ OFP_FLAGS, 4, "capabilities", "what it can do", capabilities },
	{ OFP_PAD, 4 });
EMPTY(get_config_request, "asks for get_config_reply");
MESSAGE(get_config_reply, "the switch's settings", ITEMS_CONFIG);
MESSAGE(set_config, "changes the switch's settings", ITEMS_CONFIG);
MESSAGE(packet_in, "a frame for the controller",
	ITEM_BUFFER,
	{ OFP_NUMBER, 2, "total_len", "bytes of the whole frame" },
	{ OFP_NAMED, 1, "reason", "no_match, action or invalid_ttl", in_reasons },
	{ OFP_NAMED, 1, "table", "number of the table", ofp_tables },
	{ OFP_NUMBER, 8, "cookie", "of the flow" },
	{ OFP_MATCH, 0, "match", "in_port, and other fields that the frame does not show" },
	{ OFP_PAD, 2 },
	{ OFP_BYTES, 0, "data", "the frame, or its beginning" });
MESSAGE(flow_removed, "a flow is gone",
	{ OFP_NUMBER, 8, "cookie", "of the flow" },
	{ OFP_NUMBER, 2, "priority", "of the flow" },
	{ OFP_NAMED, 1, "reason", "idle_timeout, hard_timeout, delete, group_delete or meter_delete", removed_reasons },
	{ OFP_NAMED, 1, "table", "number of the table", ofp_tables },
	{ OFP_DURATION, 8, "duration", "how long it was there, seconds" },
	{ OFP_NUMBER, 2, "idle_timeout", "of the flow" },
	{ OFP_NUMBER, 2, "hard_timeout", "of the flow" },
	{ OFP_NUMBER, 8, "packets", "that it has matched" },
	{ OFP_NUMBER, 8, "bytes", "that it has matched" },
	{ OFP_MATCH, 0, "match", "of the flow" });
MESSAGE(port_status, "a port has come, gone or changed",
	{ OFP_NAMED, 1, "reason", "add, delete or modify", port_reasons },
	{ OFP_PAD, 7 },
	{ OFP_STRUCT, 0, "port", "the port", .of = &ofp_port });
MESSAGE(packet_out, "sends a frame out of the switch",
	ITEM_BUFFER,
	{ OFP_NAMED, 4, "in_port", "where the frame is taken to come from; by default controller", ofp_ports,
	  .otherwise = 0xfffffffd },
	{ OFP_SPAN, 2 },
	{ OFP_PAD, 6 },
	{ OFP_VARIANTS, 0, "actions", "what becomes of it; none: it is dropped", .variants = ofp_actions },
	{ OFP_BYTES, 0, "data", "the frame, when no buffer_id is given" });
MESSAGE(flow_mod, "adds, changes or deletes flows",
	ITEM_COOKIE,
	{ OFP_NUMBER, 8, "cookie_mask", "modify and delete: bits of the cookie that must be equal; by default 0" },
	ITEM_TABLE,
	{ OFP_NAMED, 1, "command", "add, modify, modify_strict, delete or delete_strict; by default add", flow_commands },
	{ OFP_NUMBER, 2, "idle_timeout", "the flow goes after so many seconds without a frame; by default 0: it stays" },
	{ OFP_NUMBER, 2, "hard_timeout", "the flow goes after so many seconds; by default 0: it stays" },
	{ OFP_NUMBER, 2, "priority", "the highest one that matches counts; by default 32768", .otherwise = 32768 },
	ITEM_BUFFER,
	{ OFP_NAMED, 4, "out_port", "delete: only flows that output to this port", ofp_ports, .otherwise = 0xffffffff,
	  .quiet = true },
	{ OFP_NAMED, 4, "out_group", "delete: only flows that give to this group", ofp_groups, .otherwise = 0xffffffff,
	  .quiet = true },
	{ OFP_FLAGS, 2, "flags", "send_flow_rem, check_overlap, reset_counts, no_pkt_counts, no_byt_counts",
	  ofp_flow_flags },
	{ OFP_PAD, 2 },
	{ OFP_MATCH, 0, "match", "fields that frames must have, by name; none: every frame" },
	{ OFP_INSTRUCTIONS });
MESSAGE(group_mod, "adds, changes or deletes a group",
	{ OFP_NAMED, 2, "command", "add, modify or delete; by default add", commands },
	{ OFP_NAMED, 1, "type", "all, select, indirect or ff (fast failover); by default all", ofp_group_types },
	{ OFP_PAD, 1 },
	{ OFP_NAMED, 4, "group", "its number; \"all\" for delete", ofp_groups, .required = true },
	{ OFP_LIST, 0, "buckets", "list of { actions = {...} }", .of = &ofp_bucket });
MESSAGE(port_mod, "changes a port",
	{ OFP_NAMED, 4, "port", "its number", ofp_ports, .required = true },
	{ OFP_PAD, 4 },
	{ OFP_MAC, 6, "mac", "its address, which must be given", .required = true },
	{ OFP_PAD, 2 },
	{ OFP_FLAGS, 4, "config", "what is to be set", port_config },
	{ OFP_FLAGS, 4, "mask", "what is to be set or cleared", port_config },
	{ OFP_FLAGS, 4, "advertised", "what to tell the other end; none: as it is", port_features },
	{ OFP_PAD, 4 });
MESSAGE(table_mod, "changes a table",
	ITEM_TABLE,
	{ OFP_PAD, 3 },
	{ OFP_NUMBER, 4, "config", "0: OpenFlow 1.3 defines nothing else" });
EMPTY(barrier_request, "asks for barrier_reply when all before it is done");
EMPTY(barrier_reply, "all before it is done");
MESSAGE(role_request, "asks for a role of the controller", ITEMS_ROLE);
MESSAGE(role_reply, "the controller's role", ITEMS_ROLE);
EMPTY(get_async_request, "asks for get_async_reply");
MESSAGE(get_async_reply, "what the switch tells by itself", ITEMS_ASYNC);
MESSAGE(set_async, "changes what the switch tells by itself", ITEMS_ASYNC);
MESSAGE(meter_mod, "adds, changes or deletes a meter",
	{ OFP_NAMED, 2, "command", "add, modify or delete; by default add", commands },
	{ OFP_FLAGS, 2, "flags", "one of kbps and pktps, for add and modify; burst, stats", ofp_meter_flags },
	{ OFP_NAMED, 4, "meter", "its number; \"all\" for delete", ofp_meters, .required = true },
	{ OFP_VARIANTS, 0, "bands", "list of { drop = RATE, burst = SIZE }", .variants = ofp_bands });
/* Their bodies are encoded and decoded by the multipart's own type. */
EMPTY(multipart_request, "asks for statistics");
EMPTY(multipart_reply, "statistics");

const struct ofp_layout *const ofp_messages[OFP_TYPES] = {
	[OFP_HELLO] = &message_hello,
	[OFP_ERROR] = &message_error,
	[OFP_ECHO_REQUEST] = &message_echo_request,
	[OFP_ECHO_REPLY] = &message_echo_reply,
	[OFP_EXPERIMENTER] = &message_experimenter,
	[OFP_FEATURES_REQUEST] = &message_features_request,
	[OFP_FEATURES_REPLY] = &message_features_reply,
	[OFP_GET_CONFIG_REQUEST] = &message_get_config_request,
	[OFP_GET_CONFIG_REPLY] = &message_get_config_reply,
	[OFP_SET_CONFIG] = &message_set_config,
	[OFP_PACKET_IN] = &message_packet_in,
	[OFP_FLOW_REMOVED] = &message_flow_removed,
	[OFP_PORT_STATUS] = &message_port_status,
	[OFP_PACKET_OUT] = &message_packet_out,
	[OFP_FLOW_MOD] = &message_flow_mod,
	[OFP_GROUP_MOD] = &message_group_mod,
	[OFP_PORT_MOD] = &message_port_mod,
	[OFP_TABLE_MOD] = &message_table_mod,
	[OFP_MULTIPART_REQUEST] = &message_multipart_request,
	[OFP_MULTIPART_REPLY] = &message_multipart_reply,
	[OFP_BARRIER_REQUEST] = &message_barrier_request,
	[OFP_BARRIER_REPLY] = &message_barrier_reply,
	[OFP_ROLE_REQUEST] = &message_role_request,
	[OFP_ROLE_REPLY] = &message_role_reply,
	[OFP_GET_ASYNC_REQUEST] = &message_get_async_request,
	[OFP_GET_ASYNC_REPLY] = &message_get_async_reply,
	[OFP_SET_ASYNC] = &message_set_async,
	[OFP_METER_MOD] = &message_meter_mod,
};
