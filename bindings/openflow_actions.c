/* OpenFlow's actions (7.2.5), meter bands (7.3.4.4) and buckets (7.3.4.3). */
#include "bindings/openflow_layouts.h"

const struct ofp_name ofp_ports[] = {
	{ "in_port", 0xfffffff8 }, { "table", 0xfffffff9 }, { "normal", 0xfffffffa }, { "flood", 0xfffffffb },
	{ "all", 0xfffffffc }, { "controller", 0xfffffffd }, { "local", 0xfffffffe }, { "any", 0xffffffff },
	{ NULL, 0 }
};
const struct ofp_name ofp_groups[] = { { "all", 0xfffffffc }, { "any", 0xffffffff }, { NULL, 0 } };
const struct ofp_name ofp_queues[] = { { "all", 0xffffffff }, { NULL, 0 } };
static const struct ofp_name lengths[] = { { "whole", 0xffff }, { NULL, 0 } };

#define ACTION(id, number, ...) \
	static const struct ofp_layout action_##id = { \
		.name = #id, .type = number, .items = (const struct ofp_item[]){ __VA_ARGS__, { 0 } } }

ACTION(output, 0,
	{ OFP_NAMED, 4, "output", "sends the frame out of this port", ofp_ports, .required = true },
	{ OFP_NAMED, 2, "max_len", "bytes of a frame to the controller, or \"whole\", which is the default", lengths,
	  .otherwise = 0xffff },
	{ OFP_PAD, 6 });
ACTION(copy_ttl_out, 11, { OFP_PAD, 4, "copy_ttl_out", "copies the TTL from the next header to the outermost" });
ACTION(copy_ttl_in, 12, { OFP_PAD, 4, "copy_ttl_in", "copies the TTL from the outermost header to the next" });
ACTION(set_mpls_ttl, 15,
	{ OFP_NUMBER, 1, "set_mpls_ttl", "the MPLS TTL", .required = true }, { OFP_PAD, 3 });
ACTION(dec_mpls_ttl, 16, { OFP_PAD, 4, "dec_mpls_ttl", "decrements the MPLS TTL" });
ACTION(push_vlan, 17,
	{ OFP_NUMBER, 2, "push_vlan", "pushes a VLAN tag of this EtherType, 0x8100 or 0x88a8", .required = true },
	{ OFP_PAD, 2 });
ACTION(pop_vlan, 18, { OFP_PAD, 4, "pop_vlan", "removes the outermost VLAN tag" });
ACTION(push_mpls, 19,
	{ OFP_NUMBER, 2, "push_mpls", "pushes an MPLS header of this EtherType, 0x8847 or 0x8848", .required = true },
	{ OFP_PAD, 2 });
ACTION(pop_mpls, 20,
	{ OFP_NUMBER, 2, "pop_mpls", "removes the outermost MPLS header; the EtherType of what follows", .required = true },
	{ OFP_PAD, 2 });
ACTION(set_queue, 21,
	{ OFP_NAMED, 4, "set_queue", "the queue of the port that the frame leaves by", ofp_queues, .required = true });
ACTION(group, 22,
	{ OFP_NAMED, 4, "group", "gives the frame to this group", ofp_groups, .required = true });
ACTION(set_nw_ttl, 23,
	{ OFP_NUMBER, 1, "set_nw_ttl", "the TTL or hop limit of the IP header", .required = true }, { OFP_PAD, 3 });
ACTION(dec_nw_ttl, 24, { OFP_PAD, 4, "dec_nw_ttl", "decrements the TTL or hop limit of the IP header" });
ACTION(set_field, 25,
	{ OFP_OXM, 0, "set_field", "sets one field: { eth_dst = \"02:00:00:00:00:01\" }", .required = true });
ACTION(push_pbb, 26,
	{ OFP_NUMBER, 2, "push_pbb", "pushes a PBB header of this EtherType, 0x88e7", .required = true }, { OFP_PAD, 2 });
ACTION(pop_pbb, 27, { OFP_PAD, 4, "pop_pbb", "removes the outermost PBB header" });
ACTION(experimenter, 0xffff,
	{ OFP_NUMBER, 4, "experimenter", "whose action this is", .required = true },
	{ OFP_BYTES, 0, "data", "its bytes" });

const struct ofp_layout *const ofp_actions[] = {
	&action_output, &action_group, &action_set_field, &action_set_queue, &action_push_vlan, &action_pop_vlan,
	&action_push_mpls, &action_pop_mpls, &action_push_pbb, &action_pop_pbb, &action_set_nw_ttl, &action_dec_nw_ttl,
	&action_set_mpls_ttl, &action_dec_mpls_ttl, &action_copy_ttl_out, &action_copy_ttl_in, &action_experimenter, NULL
};

const struct ofp_layout ofp_other_instruction = {
	.name = "instruction", .align = 8, .items = (const struct ofp_item[]){
		{ OFP_NUMBER, 2, "type", "its number", .required = true },
		{ OFP_LENGTH, 2 },
		{ OFP_BYTES, 0, "data", "its bytes" },
		{ 0 } }
};

#define ITEM_RATE(band, text) \
	{ OFP_NUMBER, 4, #band, text, .required = true }, \
	{ OFP_NUMBER, 4, "burst", "kbit or packets that may come at once; with the meter's flag `burst`" }

static const struct ofp_layout band_drop = {
	.name = "drop", .type = 1, .items = (const struct ofp_item[]){
		ITEM_RATE(drop, "drops what passes this rate, kbit/s or packets/s"),
		{ OFP_PAD, 4 }, { 0 } }
};
static const struct ofp_layout band_remark = {
	.name = "dscp_remark", .type = 2, .items = (const struct ofp_item[]){
		ITEM_RATE(dscp_remark, "raises the drop precedence of what passes this rate, kbit/s or packets/s"),
		{ OFP_NUMBER, 1, "prec_level", "by so many levels" },
		{ OFP_PAD, 3 }, { 0 } }
};
static const struct ofp_layout band_experimenter = {
	.name = "experimenter_band", .type = 0xffff, .items = (const struct ofp_item[]){
		ITEM_RATE(experimenter_band, "a rate, kbit/s or packets/s"),
		{ OFP_NUMBER, 4, "experimenter", "whose band this is" },
		{ OFP_BYTES, 0, "data", "its bytes" }, { 0 } }
};

const struct ofp_layout *const ofp_bands[] = { &band_drop, &band_remark, &band_experimenter, NULL };

const struct ofp_layout ofp_bucket = {
	.name = "bucket", .align = 8, .items = (const struct ofp_item[]){
		{ OFP_LENGTH, 2 },
		{ OFP_NUMBER, 2, "weight", "share of a select group; by default 0", .quiet = true },
		{ OFP_NAMED, 4, "watch_port", "a fast failover group takes the bucket while this port is up", ofp_ports,
		  .otherwise = 0xffffffff, .quiet = true },
		{ OFP_NAMED, 4, "watch_group", "the same of a group", ofp_groups, .otherwise = 0xffffffff, .quiet = true },
		{ OFP_PAD, 4 },
		{ OFP_VARIANTS, 0, "actions", "what the bucket does", .variants = ofp_actions },
		{ 0 } }
};
