/* The names of OpenFlow's errors, and looking up names. */
#include <string.h>

#include "bindings/openflow_layout.h"

#define CODES(...) ((const struct ofp_name[]){ __VA_ARGS__, { NULL, 0 } })

const struct ofp_error_type ofp_errors[] = {
	{ "hello_failed", 0, CODES({ "incompatible", 0 }, { "eperm", 1 }) },
	{ "bad_request", 1,
	  CODES({ "bad_version", 0 }, { "bad_type", 1 }, { "bad_multipart", 2 }, { "bad_experimenter", 3 },
		{ "bad_exp_type", 4 }, { "eperm", 5 }, { "bad_len", 6 }, { "buffer_empty", 7 }, { "buffer_unknown", 8 },
		{ "bad_table_id", 9 }, { "is_slave", 10 }, { "bad_port", 11 }, { "bad_packet", 12 },
		{ "multipart_buffer_overflow", 13 }) },
	{ "bad_action", 2,
	  CODES({ "bad_type", 0 }, { "bad_len", 1 }, { "bad_experimenter", 2 }, { "bad_exp_type", 3 },
		{ "bad_out_port", 4 }, { "bad_argument", 5 }, { "eperm", 6 }, { "too_many", 7 }, { "bad_queue", 8 },
		{ "bad_out_group", 9 }, { "match_inconsistent", 10 }, { "unsupported_order", 11 }, { "bad_tag", 12 },
		{ "bad_set_type", 13 }, { "bad_set_len", 14 }, { "bad_set_argument", 15 }) },
	{ "bad_instruction", 3,
	  CODES({ "unknown_inst", 0 }, { "unsup_inst", 1 }, { "bad_table_id", 2 }, { "unsup_metadata", 3 },
		{ "unsup_metadata_mask", 4 }, { "bad_experimenter", 5 }, { "bad_exp_type", 6 }, { "bad_len", 7 },
		{ "eperm", 8 }) },
	{ "bad_match", 4,
	  CODES({ "bad_type", 0 }, { "bad_len", 1 }, { "bad_tag", 2 }, { "bad_dl_addr_mask", 3 },
		{ "bad_nw_addr_mask", 4 }, { "bad_wildcards", 5 }, { "bad_field", 6 }, { "bad_value", 7 },
		{ "bad_mask", 8 }, { "bad_prereq", 9 }, { "dup_field", 10 }, { "eperm", 11 }) },
	{ "flow_mod_failed", 5,
	  CODES({ "unknown", 0 }, { "table_full", 1 }, { "bad_table_id", 2 }, { "overlap", 3 }, { "eperm", 4 },
		{ "bad_timeout", 5 }, { "bad_command", 6 }, { "bad_flags", 7 }) },
	{ "group_mod_failed", 6,
	  CODES({ "group_exists", 0 }, { "invalid_group", 1 }, { "weight_unsupported", 2 }, { "out_of_groups", 3 },
		{ "out_of_buckets", 4 }, { "chaining_unsupported", 5 }, { "watch_unsupported", 6 }, { "loop", 7 },
		{ "unknown_group", 8 }, { "chained_group", 9 }, { "bad_type", 10 }, { "bad_command", 11 },
		{ "bad_bucket", 12 }, { "bad_watch", 13 }, { "eperm", 14 }) },
	{ "port_mod_failed", 7,
	  CODES({ "bad_port", 0 }, { "bad_hw_addr", 1 }, { "bad_config", 2 }, { "bad_advertise", 3 }, { "eperm", 4 }) },
	{ "table_mod_failed", 8, CODES({ "bad_table", 0 }, { "bad_config", 1 }, { "eperm", 2 }) },
	{ "queue_op_failed", 9, CODES({ "bad_port", 0 }, { "bad_queue", 1 }, { "eperm", 2 }) },
	{ "switch_config_failed", 10, CODES({ "bad_flags", 0 }, { "bad_len", 1 }, { "eperm", 2 }) },
	{ "role_request_failed", 11, CODES({ "stale", 0 }, { "unsup", 1 }, { "bad_role", 2 }) },
	{ "meter_mod_failed", 12,
	  CODES({ "unknown", 0 }, { "meter_exists", 1 }, { "invalid_meter", 2 }, { "unknown_meter", 3 },
		{ "bad_command", 4 }, { "bad_flags", 5 }, { "bad_rate", 6 }, { "bad_burst", 7 }, { "bad_band", 8 },
		{ "bad_band_value", 9 }, { "out_of_meters", 10 }, { "out_of_bands", 11 }) },
	{ "table_features_failed", 13,
	  CODES({ "bad_table", 0 }, { "bad_metadata", 1 }, { "bad_type", 2 }, { "bad_len", 3 }, { "bad_argument", 4 },
		{ "eperm", 5 }) },
	{ "experimenter", 0xffff, (const struct ofp_name[]){ { NULL, 0 } } },
	{ NULL, 0, NULL }
};

const char *ofp_name_of(const struct ofp_name *names, uint64_t value)
{
	for (; names && names->name; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}

bool ofp_value_of(const struct ofp_name *names, const char *name, uint64_t *value)
{
	for (; names && names->name; names++) {
		if (strcmp(names->name, name) != 0)
			continue;
		*value = names->value;
		return true;
	}
	return false;
}

const struct ofp_multipart *ofp_multipart_named(const char *name)
{
	for (const struct ofp_multipart *m = ofp_multiparts; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

const struct ofp_multipart *ofp_multipart_numbered(uint16_t type)
{
	for (const struct ofp_multipart *m = ofp_multiparts; m->name; m++)
		if (m->type == type)
			return m;
	return NULL;
}

int ofp_type_named(const char *name)
{
	for (int i = 0; i < OFP_TYPES; i++)
		if (ofp_messages[i] && strcmp(ofp_messages[i]->name, name) == 0)
			return i;
	return -1;
}
