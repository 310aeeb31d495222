/* The bodies of OpenFlow's multipart messages (7.3.5): what is asked for and what is told. */
#include "bindings/openflow_layouts.h"

#define NAMES(...) ((const struct ofp_name[]){ __VA_ARGS__, { NULL, 0 } })
#define ITEMS(...) ((const struct ofp_item[]){ __VA_ARGS__, { 0 } })
#define BODY(id, ...) static const struct ofp_layout id = { .name = #id, .items = ITEMS(__VA_ARGS__) }

#define ITEM_TABLE { OFP_NAMED, 1, "table", "number of the table", ofp_tables }
#define ITEM_DURATION { OFP_DURATION, 8, "duration", "how long it is there, seconds" }
#define ITEM_COUNT(name, text) { OFP_NUMBER, 8, name, text }
#define ITEM_NUMBER(name, text) { OFP_NUMBER, 4, name, text }

BODY(nothing, { 0 });
BODY(flow_request,
	{ OFP_NAMED, 1, "table", "number of the table; by default all", ofp_tables, .otherwise = 255 },
	{ OFP_PAD, 3 },
	{ OFP_NAMED, 4, "out_port", "only flows that output to this port", ofp_ports, .otherwise = 0xffffffff },
	{ OFP_NAMED, 4, "out_group", "only flows that give to this group", ofp_groups, .otherwise = 0xffffffff },
	{ OFP_PAD, 4 },
	ITEM_COUNT("cookie", "only flows with this cookie, as far as cookie_mask says"),
	ITEM_COUNT("cookie_mask", "bits of the cookie that must be equal; by default 0"),
	{ OFP_MATCH, 0, "match", "only flows that match at least these fields" });
BODY(port_request,
	{ OFP_NAMED, 4, "port", "number of the port; by default all", ofp_ports, .otherwise = 0xffffffff },
	{ OFP_PAD, 4 });
BODY(queue_request,
	{ OFP_NAMED, 4, "port", "number of the port; by default all", ofp_ports, .otherwise = 0xffffffff },
	{ OFP_NAMED, 4, "queue", "number of the queue; by default all", ofp_queues, .otherwise = 0xffffffff });
BODY(group_request,
	{ OFP_NAMED, 4, "group", "number of the group; by default all", ofp_groups, .otherwise = 0xfffffffc },
	{ OFP_PAD, 4 });
BODY(meter_request,
	{ OFP_NAMED, 4, "meter", "number of the meter; by default all", ofp_meters, .otherwise = 0xffffffff },
	{ OFP_PAD, 4 });

BODY(desc,
	{ OFP_TEXT, 16, "manufacturer", "who made it" },
	{ OFP_TEXT, 16, "hardware", "what it is" },
	{ OFP_TEXT, 16, "software", "its version" },
	{ OFP_TEXT, 2, "serial", "its serial number" },
	{ OFP_TEXT, 16, "datapath", "its name for people" });
BODY(flow,
	{ OFP_LENGTH, 2 },
	ITEM_TABLE,
	{ OFP_PAD, 1 },
	ITEM_DURATION,
	{ OFP_NUMBER, 2, "priority", "of the flow" },
	{ OFP_NUMBER, 2, "idle_timeout", "seconds, or 0" },
	{ OFP_NUMBER, 2, "hard_timeout", "seconds, or 0" },
	{ OFP_FLAGS, 2, "flags", "as they were given", ofp_flow_flags },
	{ OFP_PAD, 4 },
	ITEM_COUNT("cookie", "of the flow"),
	ITEM_COUNT("packets", "that it has matched"),
	ITEM_COUNT("bytes", "that it has matched"),
	{ OFP_MATCH, 0, "match", "of the flow" },
	{ OFP_INSTRUCTIONS });
BODY(aggregate,
	ITEM_COUNT("packets", "that the flows have matched"),
	ITEM_COUNT("bytes", "that the flows have matched"),
	ITEM_NUMBER("flows", "how many there are"),
	{ OFP_PAD, 4 });
BODY(table,
	ITEM_TABLE,
	{ OFP_PAD, 3 },
	ITEM_NUMBER("flows", "how many there are"),
	ITEM_COUNT("lookups", "frames that came to it"),
	ITEM_COUNT("matched", "frames that matched a flow"));
BODY(port,
	{ OFP_NAMED, 4, "port", "its number", ofp_ports },
	{ OFP_PAD, 4 },
	ITEM_COUNT("rx_packets", "received"),
	ITEM_COUNT("tx_packets", "sent"),
	ITEM_COUNT("rx_bytes", "received"),
	ITEM_COUNT("tx_bytes", "sent"),
	ITEM_COUNT("rx_dropped", "frames dropped when received"),
	ITEM_COUNT("tx_dropped", "frames dropped when sent"),
	ITEM_COUNT("rx_errors", "errors when receiving"),
	ITEM_COUNT("tx_errors", "errors when sending"),
	ITEM_COUNT("rx_frame_errors", "alignment errors"),
	ITEM_COUNT("rx_over_errors", "overruns"),
	ITEM_COUNT("rx_crc_errors", "checksum errors"),
	ITEM_COUNT("collisions", "collisions"),
	ITEM_DURATION);
BODY(queue,
	{ OFP_NAMED, 4, "port", "its port", ofp_ports },
	ITEM_NUMBER("queue", "its number"),
	ITEM_COUNT("tx_bytes", "sent"),
	ITEM_COUNT("tx_packets", "sent"),
	ITEM_COUNT("tx_errors", "frames dropped"),
	ITEM_DURATION);
BODY(bucket_counts, ITEM_COUNT("packets", "that it took"), ITEM_COUNT("bytes", "that it took"));
BODY(group,
	{ OFP_LENGTH, 2 },
	{ OFP_PAD, 2 },
	{ OFP_NAMED, 4, "group", "its number", ofp_groups },
	ITEM_NUMBER("references", "flows and groups that give to it"),
	{ OFP_PAD, 4 },
	ITEM_COUNT("packets", "that it took"),
	ITEM_COUNT("bytes", "that it took"),
	ITEM_DURATION,
	{ OFP_LIST, 0, "buckets", "packets and bytes of each", .of = &bucket_counts });
BODY(group_desc,
	{ OFP_LENGTH, 2 },
	{ OFP_NAMED, 1, "type", "all, select, indirect or ff", ofp_group_types },
	{ OFP_PAD, 1 },
	{ OFP_NAMED, 4, "group", "its number", ofp_groups },
	{ OFP_LIST, 0, "buckets", "as they were given", .of = &ofp_bucket });
BODY(group_limits,
	ITEM_NUMBER("all", "of type all"),
	ITEM_NUMBER("select", "of type select"),
	ITEM_NUMBER("indirect", "of type indirect"),
	ITEM_NUMBER("ff", "of type fast failover"));
BODY(group_features,
	{ OFP_FLAGS, 4, "types", "that it has", ofp_group_types },
	{ OFP_FLAGS, 4, "capabilities", "what it can do",
	  NAMES({ "select_weight", 0 }, { "select_liveness", 1 }, { "chaining", 2 }, { "chaining_checks", 3 }) },
	{ OFP_STRUCT, 0, "max_groups", "how many groups there can be", .of = &group_limits },
	{ OFP_STRUCT, 0, "actions", "bits of the types of actions that buckets may hold", .of = &group_limits });
BODY(band_counts, ITEM_COUNT("packets", "that it took"), ITEM_COUNT("bytes", "that it took"));
BODY(meter,
	{ OFP_NAMED, 4, "meter", "its number", ofp_meters },
	{ OFP_LENGTH, 2 },
	{ OFP_PAD, 6 },
	ITEM_NUMBER("flows", "that use it"),
	ITEM_COUNT("packets", "that came to it"),
	ITEM_COUNT("bytes", "that came to it"),
	ITEM_DURATION,
	{ OFP_LIST, 0, "bands", "packets and bytes of each", .of = &band_counts });
BODY(meter_config,
	{ OFP_LENGTH, 2 },
	{ OFP_FLAGS, 2, "flags", "kbps or pktps, burst, stats", ofp_meter_flags },
	{ OFP_NAMED, 4, "meter", "its number", ofp_meters },
	{ OFP_VARIANTS, 0, "bands", "as they were given", .variants = ofp_bands });
BODY(meter_features,
	ITEM_NUMBER("max_meters", "how many there can be"),
	{ OFP_FLAGS, 4, "band_types", "that it has", NAMES({ "drop", 1 }, { "dscp_remark", 2 }) },
	{ OFP_FLAGS, 4, "capabilities", "kbps, pktps, burst, stats", ofp_meter_flags },
	{ OFP_NUMBER, 1, "max_bands", "of a meter" },
	{ OFP_NUMBER, 1, "max_color", "drop precedences" },
	{ OFP_PAD, 2 });
BODY(experimenter_body,
	{ OFP_NUMBER, 4, "experimenter", "who defines it", .required = true },
	{ OFP_NUMBER, 4, "exp_type", "by the experimenter's own numbers; by default 0" },
	{ OFP_BYTES, 0, "data", "its bytes" });

const struct ofp_multipart ofp_multiparts[] = {
	{ "desc", 0, &nothing, &desc, false },
	{ "flow", 1, &flow_request, &flow, true },
	{ "aggregate", 2, &flow_request, &aggregate, false },
	{ "table", 3, &nothing, &table, true },
	{ "port", 4, &port_request, &port, true },
	{ "queue", 5, &queue_request, &queue, true },
	{ "group", 6, &group_request, &group, true },
	{ "group_desc", 7, &nothing, &group_desc, true },
	{ "group_features", 8, &nothing, &group_features, false },
	{ "meter", 9, &meter_request, &meter, true },
	{ "meter_config", 10, &meter_request, &meter_config, true },
	{ "meter_features", 11, &nothing, &meter_features, false },
	{ "port_desc", 13, &nothing, &ofp_port, true },
	{ "experimenter", 0xffff, &experimenter_body, &experimenter_body, false },
	{ NULL, 0, NULL, NULL, false }
};
