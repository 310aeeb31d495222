/* OpenFlow 1.3 messages as tables: which items a structure has, in wire order. One entry is all that an item needs:
 * encoding, decoding, checks of what is given, help and completion are made from it.
 *
 * Constant data, from the OpenFlow Switch Specification 1.3.5; section numbers in the comments are its. No Lua.
 */
#ifndef NERV_BINDINGS_OPENFLOW_LAYOUT_H
#define NERV_BINDINGS_OPENFLOW_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OFP_VERSION = 4,		/* OpenFlow 1.3 */
	OFP_HEAD = 8,
	OFP_MOST = 65535,		/* bytes of a message */
};

enum ofp_type {
	OFP_HELLO, OFP_ERROR, OFP_ECHO_REQUEST, OFP_ECHO_REPLY, OFP_EXPERIMENTER, OFP_FEATURES_REQUEST,
	OFP_FEATURES_REPLY, OFP_GET_CONFIG_REQUEST, OFP_GET_CONFIG_REPLY, OFP_SET_CONFIG, OFP_PACKET_IN,
	OFP_FLOW_REMOVED, OFP_PORT_STATUS, OFP_PACKET_OUT, OFP_FLOW_MOD, OFP_GROUP_MOD, OFP_PORT_MOD, OFP_TABLE_MOD,
	OFP_MULTIPART_REQUEST, OFP_MULTIPART_REPLY, OFP_BARRIER_REQUEST, OFP_BARRIER_REPLY,
	OFP_QUEUE_GET_CONFIG_REQUEST, OFP_QUEUE_GET_CONFIG_REPLY, OFP_ROLE_REQUEST, OFP_ROLE_REPLY,
	OFP_GET_ASYNC_REQUEST, OFP_GET_ASYNC_REPLY, OFP_SET_ASYNC, OFP_METER_MOD,
	OFP_TYPES
};

enum ofp_kind {
	OFP_PAD,		/* `size` zero bytes */
	OFP_NUMBER,		/* of `size` bytes, unsigned */
	OFP_NAMED,		/* the same, where some numbers have names; others stay numbers */
	OFP_FLAGS,		/* bits with names: { name = true } */
	OFP_MAC,
	OFP_TEXT,		/* `size` bytes, filled up with NUL */
	OFP_DURATION,		/* seconds and nanoseconds, 4 bytes each: a number of seconds */
	OFP_BYTES,		/* up to the end of the structure */
	OFP_LENGTH,		/* 2 bytes: of the structure that it is in */
	OFP_SPAN,		/* 2 bytes: of the list that comes next */
	OFP_STRUCT,		/* another structure */
	OFP_LIST,		/* of structures up to the end, or as long as the span says */
	OFP_VARIANTS,		/* the same, each begins with its type and length, 2 bytes each */
	OFP_MATCH,
	OFP_OXM,		/* one field without a mask, of set_field */
	OFP_INSTRUCTIONS,	/* up to the end; their names stand beside those of the other items */
	OFP_ERROR_CODE,		/* type and code, 2 bytes each */
	OFP_VERSIONS,		/* of hello: the list of versions in its elements */
};

struct ofp_name {
	const char *name;	/* NULL ends the array */
	uint64_t value;		/* of flags: the bit's number */
};

struct ofp_item {
	enum ofp_kind kind;
	uint8_t size;		/* bytes; of OFP_TEXT: units of 16 bytes */
	const char *name;
	const char *text;	/* one line: meaning and unit */
	const struct ofp_name *names;
	const struct ofp_layout *of;		/* OFP_STRUCT, OFP_LIST */
	const struct ofp_layout *const *variants;	/* OFP_VARIANTS: NULL ends */
	uint64_t otherwise;	/* when it is not given */
	bool required;
	bool quiet;		/* not told of when it is `otherwise` */
};

struct ofp_layout {
	const char *name;
	const char *text;
	const struct ofp_item *items;	/* ends with an item of kind OFP_PAD and size 0 */
	uint16_t type;		/* of a variant */
	uint8_t align;		/* its length is filled up to a multiple; 0: as it comes */
};

/* By enum ofp_type; NULL: a message that is not known. */
extern const struct ofp_layout *const ofp_messages[OFP_TYPES];

struct ofp_multipart {
	const char *name;	/* NULL ends the array */
	uint16_t type;
	const struct ofp_layout *request;
	const struct ofp_layout *reply;
	bool list;		/* the reply is any number of `reply` */
};
extern const struct ofp_multipart ofp_multiparts[];

struct ofp_error_type {
	const char *name;	/* NULL ends the array */
	uint16_t type;
	const struct ofp_name *codes;
};
extern const struct ofp_error_type ofp_errors[];

extern const struct ofp_name ofp_ports[], ofp_tables[];
extern const struct ofp_layout *const ofp_actions[];
extern const struct ofp_layout ofp_other_instruction;

/* The name of a number or the number of a name; NULL and false when there is none. */
const char *ofp_name_of(const struct ofp_name *names, uint64_t value);
bool ofp_value_of(const struct ofp_name *names, const char *name, uint64_t *value);

const struct ofp_multipart *ofp_multipart_named(const char *name);
const struct ofp_multipart *ofp_multipart_numbered(uint16_t type);

/* The message's number, or -1. */
int ofp_type_named(const char *name);

static inline bool ofp_ends(const struct ofp_item *i)
{
	return i->kind == OFP_PAD && !i->size;
}

#endif
