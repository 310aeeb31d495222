/* OpenFlow messages to Lua tables, by the layouts. */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/openflow_wire.h"

static const char cut[] = "a message that is cut";

static void push_flags(lua_State *L, const struct ofp_item *item, uint64_t bits)
{
	char other[16];

	lua_createtable(L, 0, 0);
	for (unsigned int i = 0; bits >> i; i++) {
		const char *name = ofp_name_of(item->names, i);

		if (!(bits >> i & 1))
			continue;
		snprintf(other, sizeof(other), "bit_%u", i);
		lua_pushboolean(L, true);
		lua_setfield(L, -2, name ? name : other);
	}
}

/* The keys `type` and `code`, by name as far as they have one; pushes the type. */
static void push_error(lua_State *L, const uint8_t *bytes)
{
	uint64_t type = ofp_get(bytes, 2), code = ofp_get(bytes + 2, 2);
	const struct ofp_error_type *e = ofp_errors;

	while (e->name && e->type != type)
		e++;
	ofp_push_named(L, e->codes, code);
	lua_setfield(L, -2, "code");
	if (e->name)
		lua_pushstring(L, e->name);
	else
		lua_pushinteger(L, (lua_Integer)type);
}

static bool decode_versions(lua_State *L, struct ofp_reader *r)
{
	lua_Integer n = 0;

	lua_newtable(L);
	while (ofp_left(r) >= 4) {
		size_t length = (size_t)ofp_get(r->at + 2, 2), whole = (length + 7) / 8 * 8;

		if (length < 4 || length > ofp_left(r))
			return ofp_fault(r, "an element of hello whose length does not fit");
		for (size_t i = 4; ofp_get(r->at, 2) == 1 && i + 4 <= length; i += 4)
			for (unsigned int bit = 0; bit < 32; bit++)
				if (ofp_get(r->at + i, 4) >> bit & 1) {
					lua_pushinteger(L, (lua_Integer)((i - 4) * 8 + bit));
					lua_rawseti(L, -2, ++n);
				}
		r->at += whole < ofp_left(r) ? whole : ofp_left(r);
	}
	if (!n) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
	return true;
}

bool ofp_decode_list(lua_State *L, struct ofp_reader *r, const struct ofp_layout *of)
{
	lua_createtable(L, 1, 0);
	for (lua_Integer i = 1; r->at < r->end; i++) {
		lua_createtable(L, 0, 4);
		if (!ofp_decode_items(L, r, of))
			return false;
		lua_rawseti(L, -2, i);
	}
	return true;
}

static size_t item_size(const struct ofp_item *i)
{
	return i->kind == OFP_TEXT ? i->size * 16u : i->size;
}

/* Pushes the value, which is there as far as item_size() goes; nil when it is not told of. */
static bool push_item(lua_State *L, struct ofp_reader *r, const struct ofp_item *i)
{
	const uint8_t *b = r->at;
	uint64_t v = i->size && i->size <= 8 ? ofp_get(b, i->size) : 0;

	r->at += item_size(i);
	switch (i->kind) {
	case OFP_NUMBER:
	case OFP_NAMED:
		if (i->quiet && v == i->otherwise)
			lua_pushnil(L);
		else
			ofp_push_named(L, i->names, v);
		return true;
	case OFP_FLAGS:
		push_flags(L, i, v);
		return true;
	case OFP_MAC:
		ofp_push_mac(L, b);
		return true;
	case OFP_TEXT:
		lua_pushlstring(L, (const char *)b, strnlen((const char *)b, item_size(i)));
		return true;
	case OFP_DURATION:
		lua_pushnumber(L, (double)ofp_get(b, 4) + (double)ofp_get(b + 4, 4) * 1e-9);
		return true;
	case OFP_BYTES:
		lua_pushlstring(L, (const char *)b, ofp_left(r));
		r->at = r->end;
		return true;
	case OFP_ERROR_CODE:
		push_error(L, b);
		return true;
	case OFP_STRUCT:
		lua_newtable(L);
		return ofp_decode_items(L, r, i->of);
	case OFP_LIST:
		return ofp_decode_list(L, r, i->of);
	case OFP_VARIANTS:
		return ofp_decode_variants(L, r, i->variants);
	case OFP_MATCH:
		return ofp_decode_match(L, r);
	case OFP_OXM:
		return ofp_decode_field(L, r);
	case OFP_VERSIONS:
		return decode_versions(L, r);
	case OFP_PAD:
	case OFP_LENGTH:
	case OFP_SPAN:
	case OFP_INSTRUCTIONS:
		break;
	}
	lua_pushnil(L);
	return true;
}

/* A structure that is being read. */
struct structure {
	struct ofp_reader own;	/* ends where the structure does */
	const uint8_t *start, *end;	/* of what holds it */
	size_t span;
	bool spanned;		/* the next list is `span` bytes long */
	bool ended;		/* it has said where it ends */
};

/* The length of the structure, or of its next list. */
static bool read_length(struct structure *s, enum ofp_kind kind)
{
	size_t length = (size_t)ofp_get(s->own.at, 2);

	s->own.at += 2;
	if (kind == OFP_SPAN) {
		s->span = length;
		s->spanned = true;
		return true;
	}
	if (length < (size_t)(s->own.at - s->start) || length > (size_t)(s->end - s->start))
		return ofp_fault(&s->own, "a structure whose length does not fit");
	s->own.end = s->start + length;
	return s->ended = true;
}

static bool read_value(lua_State *L, struct structure *s, const struct ofp_item *i)
{
	struct ofp_reader part = s->own;

	if (!s->spanned || (i->kind != OFP_VARIANTS && i->kind != OFP_LIST)) {
		if (!push_item(L, &s->own, i))
			return false;
	} else {
		if (s->span > ofp_left(&s->own))
			return ofp_fault(&s->own, "a list whose length does not fit");
		part.end = part.at + s->span;
		s->own.at = part.end;
		s->spanned = false;
		if (!push_item(L, &part, i))
			return ofp_fault(&s->own, part.fault);
	}
	lua_setfield(L, -2, i->name);
	return true;
}

static bool read_item(lua_State *L, struct structure *s, const struct ofp_item *i)
{
	size_t size = item_size(i);

	if (ofp_left(&s->own) < size)
		return ofp_fault(&s->own, cut);
	switch (i->kind) {
	case OFP_PAD:
		s->own.at += size;
		return true;
	case OFP_LENGTH:
	case OFP_SPAN:
		return read_length(s, i->kind);
	case OFP_INSTRUCTIONS:
		return ofp_decode_instructions(L, &s->own);
	default:
		return read_value(L, s, i);
	}
}

bool ofp_decode_items(lua_State *L, struct ofp_reader *r, const struct ofp_layout *l)
{
	struct structure s = { .own = { r->at, r->end, NULL }, .start = r->at, .end = r->end };

	luaL_checkstack(L, 8, "openflow");
	for (const struct ofp_item *i = l->items; !ofp_ends(i); i++)
		if (!read_item(L, &s, i))
			return ofp_fault(r, s.own.fault);
	r->at = s.ended ? s.own.end : s.own.at;
	return true;
}

static const char *decode_multipart_head(lua_State *L, struct ofp_reader *r, const struct ofp_multipart **m)
{
	if (ofp_left(r) < 8)
		return cut;
	*m = ofp_multipart_numbered((uint16_t)ofp_get(r->at, 2));
	if (!*m)
		return "statistics of an unknown type";
	lua_pushstring(L, (*m)->name);
	lua_setfield(L, -2, "stats");
	if (r->at[3] & 1) {
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "more");
	}
	r->at += 8;
	return NULL;
}

static const char *decode_multipart(lua_State *L, struct ofp_reader *r, bool reply)
{
	const struct ofp_multipart *m;
	const char *fault = decode_multipart_head(L, r, &m);

	if (fault)
		return fault;
	if (!reply || !m->list)
		return ofp_decode_items(L, r, reply ? m->reply : m->request) ? NULL : r->fault;
	if (!ofp_decode_list(L, r, m->reply))
		return r->fault;
	lua_setfield(L, -2, "list");
	return NULL;
}

const char *ofp_decode_part(lua_State *L, const uint8_t *bytes, size_t n, lua_Integer *elements)
{
	struct ofp_reader r = { bytes + OFP_HEAD + 8, bytes + n, NULL };
	const struct ofp_multipart *m = n < OFP_HEAD + 8 ? NULL : ofp_multipart_numbered((uint16_t)ofp_get(bytes + 8, 2));

	if (!m)
		return "statistics of an unknown type";
	if (!m->list)
		return ofp_decode_items(L, &r, m->reply) ? NULL : r.fault;
	while (r.at < r.end) {
		lua_createtable(L, 0, 8);
		if (!ofp_decode_items(L, &r, m->reply))
			return r.fault;
		lua_rawseti(L, -2, ++*elements);
	}
	return NULL;
}

/* What a controller asks first of a frame, so that it need not take it apart. */
static void add_frame(lua_State *L)
{
	size_t n;
	const uint8_t *frame;

	lua_getfield(L, -1, "match");
	lua_getfield(L, -1, "in_port");
	lua_setfield(L, -3, "in_port");
	lua_pop(L, 1);
	lua_getfield(L, -1, "data");
	frame = (const uint8_t *)lua_tolstring(L, -1, &n);
	if (n >= 14) {
		ofp_push_mac(L, frame);
		lua_setfield(L, -3, "eth_dst");
		ofp_push_mac(L, frame + 6);
		lua_setfield(L, -3, "eth_src");
		lua_pushinteger(L, (lua_Integer)ofp_get(frame + 12, 2));
		lua_setfield(L, -3, "eth_type");
	}
	lua_pop(L, 1);
}

static const char *decode_body(lua_State *L, struct ofp_reader *r, int type)
{
	if (type == OFP_MULTIPART_REQUEST || type == OFP_MULTIPART_REPLY)
		return decode_multipart(L, r, type == OFP_MULTIPART_REPLY);
	if (!ofp_decode_items(L, r, ofp_messages[type]))
		return r->fault;
	if (type == OFP_PACKET_IN)
		add_frame(L);
	return NULL;
}

const char *ofp_decode(lua_State *L, const uint8_t *bytes, size_t n)
{
	struct ofp_reader r = { bytes + OFP_HEAD, bytes + n, NULL };
	int top = lua_gettop(L);
	const char *fault;

	luaL_checkstack(L, 12, "openflow");
	if (n < OFP_HEAD || ofp_get(bytes + 2, 2) != n)
		return "a message whose length is wrong";
	if (bytes[0] != OFP_VERSION && bytes[1] != OFP_HELLO)
		return "a message of another version than 1.3";
	if (bytes[1] >= OFP_TYPES || !ofp_messages[bytes[1]])
		return "a message of an unknown type";
	lua_createtable(L, 0, 12);
	lua_pushstring(L, ofp_messages[bytes[1]]->name);
	lua_setfield(L, -2, "message");
	lua_pushinteger(L, (lua_Integer)ofp_get(bytes + 4, 4));
	lua_setfield(L, -2, "xid");
	if (bytes[1] == OFP_HELLO) {
		lua_pushinteger(L, bytes[0]);
		lua_setfield(L, -2, "version");
	}
	fault = decode_body(L, &r, bytes[1]);
	if (fault)
		lua_settop(L, top);
	return fault;
}
