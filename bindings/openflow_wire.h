/* OpenFlow messages being written and read. Both know where they end: nothing is written or read behind it.
 *
 * A writer lies on the C stack and holds one message; what Lua gives wrongly raises, with the way to it:
 * "flow_mod: actions[2].set_field: ...". A reader judges bytes from outside: the first fault is kept, and ends it.
 */
#ifndef NERV_BINDINGS_OPENFLOW_WIRE_H
#define NERV_BINDINGS_OPENFLOW_WIRE_H

#include <lua.h>
#include <string.h>

#include "bindings/openflow_layout.h"

struct ofp_writer {
	lua_State *L;
	const char *what;	/* for messages */
	size_t n;
	uint8_t bytes[OFP_MOST];
};

/* The way to a value, on the C stack: innermost first. */
struct ofp_path {
	const struct ofp_path *up;
	const char *name;	/* NULL: item `index` of a list */
	lua_Integer index;
};

struct ofp_reader {
	const uint8_t *at, *end;
	const char *fault;	/* a literal; NULL: none yet */
};

static inline uint64_t ofp_get(const uint8_t *b, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | b[i];
	return v;
}

static inline void ofp_set(uint8_t *b, size_t size, uint64_t v)
{
	while (size--) {
		b[size] = (uint8_t)v;
		v >>= 8;
	}
}

static inline size_t ofp_left(const struct ofp_reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline bool ofp_fault(struct ofp_reader *r, const char *why)
{
	if (!r->fault)
		r->fault = why;
	return false;
}

/* Room for `size` bytes of the message, zeroed; raises when it becomes too long. */
uint8_t *ofp_room(struct ofp_writer *w, size_t size);

static inline void ofp_put(struct ofp_writer *w, size_t size, uint64_t v)
{
	ofp_set(ofp_room(w, size), size, v);
}

/* Raises "WHAT: WAY: text" at the caller's line. */
int ofp_misuse(struct ofp_writer *w, const struct ofp_path *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "; did you mean 'NAME'?" for the names that `next` gives until NULL, or "". */
const char *ofp_hint(char *buf, size_t size, const char *word, const char *const *names);

/* The number on top of the stack: an integer, a text such as "0x0880", or one of `names` (or NULL). */
uint64_t ofp_check_number(struct ofp_writer *w, const struct ofp_path *path, unsigned int bits,
			  const struct ofp_name *names);

/* The 6 bytes of the address on top of the stack. */
void ofp_check_mac(struct ofp_writer *w, const struct ofp_path *path, uint8_t mac[6]);

/* Reads decimal digits, or hexadecimal ones behind "0x", to `end`. */
bool ofp_parse_number(const char *text, const char *end, uint64_t *value);
bool ofp_parse_mac(const char *text, const char *end, uint8_t mac[6]);
void ofp_push_mac(lua_State *L, const uint8_t mac[6]);
void ofp_push_named(lua_State *L, const struct ofp_name *names, uint64_t value);

/* Writes the message whose items are in the table at `idx`, whole with its head. */
void ofp_encode(struct ofp_writer *w, enum ofp_type type, int idx, uint32_t xid);

/* Pushes the message of `n` bytes as a table: { message = NAME, xid = ... }. On a fault pushes nothing and
 * returns what is wrong, a literal. */
const char *ofp_decode(lua_State *L, const uint8_t *bytes, size_t n);

/* Adds the items of one part of a multipart reply to the table on top: its list's elements, or its fields. */
const char *ofp_decode_part(lua_State *L, const uint8_t *bytes, size_t n, lua_Integer *elements);

/* The match that the table or nil on top of the stack describes, with its filling. */
void ofp_encode_match(struct ofp_writer *w, const struct ofp_path *path);
bool ofp_decode_match(lua_State *L, struct ofp_reader *r);

/* The one field of the table on top of the stack; and back. */
void ofp_encode_field(struct ofp_writer *w, const struct ofp_path *path);
bool ofp_decode_field(lua_State *L, struct ofp_reader *r);

/* The items of a structure, from the table at `idx`; and back into the table on top. */
void ofp_encode_items(struct ofp_writer *w, const struct ofp_path *path, int idx, const struct ofp_layout *l,
		      const char *const *further);
bool ofp_decode_items(lua_State *L, struct ofp_reader *r, const struct ofp_layout *l);

/* The list of structures that is on top of the stack, or nil; and back, up to the reader's end. */
void ofp_encode_list(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *of);
bool ofp_decode_list(lua_State *L, struct ofp_reader *r, const struct ofp_layout *of);

/* The instructions that the table at `idx` names; and back into the table on top. */
void ofp_encode_instructions(struct ofp_writer *w, const struct ofp_path *path, int idx);
bool ofp_decode_instructions(lua_State *L, struct ofp_reader *r);
extern const char *const ofp_instruction_names[];

/* The list of variants on top of the stack; and back, up to the reader's end. */
void ofp_encode_variants(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *const *variants);
bool ofp_decode_variants(lua_State *L, struct ofp_reader *r, const struct ofp_layout *const *variants);

#endif
