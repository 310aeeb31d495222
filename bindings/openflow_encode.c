/* Lua tables to OpenFlow messages, by the layouts. */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#include "bindings/openflow_wire.h"
#include "shell/registry.h"

static void put_flags(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_item *item)
{
	const char *names[32];
	char hint[80];
	uint64_t bits = 0, bit;
	size_t n = 0;

	if (lua_isinteger(w->L, -1)) {
		ofp_put(w, item->size, ofp_check_number(w, path, item->size * 8u, NULL));
		return;
	}
	if (!lua_istable(w->L, -1))
		ofp_misuse(w, path, "a table such as { %s = true } is expected, not '%.60s'", item->names->name,
			   luaL_tolstring(w->L, -1, NULL));
	for (lua_pushnil(w->L); lua_next(w->L, -2); lua_pop(w->L, 1)) {
		const char *name = lua_type(w->L, -2) == LUA_TSTRING ? lua_tostring(w->L, -2) : "";
		unsigned int number;

		if (sscanf(name, "bit_%2u", &number) == 1 && number < item->size * 8u) {
			bit = number;
		} else if (!ofp_value_of(item->names, name, &bit)) {
			for (const struct ofp_name *i = item->names; i->name && n < 31; i++)
				names[n++] = i->name;
			names[n] = NULL;
			lua_pushvalue(w->L, -2);
			ofp_misuse(w, path, "unknown flag '%.60s'; it is { %s = true }, by name%s",
				   luaL_tolstring(w->L, -1, NULL), item->names->name,
				   ofp_hint(hint, sizeof(hint), name, names));
		}
		if (lua_toboolean(w->L, -1))
			bits |= 1ull << bit;
	}
	ofp_put(w, item->size, bits);
}

static void put_bytes(struct ofp_writer *w, const struct ofp_path *path, size_t most, size_t room)
{
	size_t n;
	const char *bytes;

	if (lua_type(w->L, -1) != LUA_TSTRING)
		ofp_misuse(w, path, "a string is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	bytes = lua_tolstring(w->L, -1, &n);
	if (n > most)
		ofp_misuse(w, path, "%zu bytes are more than the %zu that there is room for", n, most);
	memcpy(ofp_room(w, room ? room : n), bytes, n);
}

static void put_duration(struct ofp_writer *w, const struct ofp_path *path)
{
	double seconds = lua_tonumber(w->L, -1), whole = floor(seconds);

	if (lua_type(w->L, -1) != LUA_TNUMBER || !(seconds >= 0 && seconds <= UINT32_MAX))
		ofp_misuse(w, path, "seconds are expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	ofp_put(w, 4, (uint64_t)whole);
	ofp_put(w, 4, (uint64_t)((seconds - whole) * 1e9));
}

static void put_error_code(struct ofp_writer *w, const struct ofp_path *path, int idx)
{
	const struct ofp_error_type *e = ofp_errors;
	struct ofp_path code = { path->up, "code", 0 };
	const char *name = lua_type(w->L, -1) == LUA_TSTRING ? lua_tostring(w->L, -1) : NULL;
	uint64_t type;

	while (e->name && (name ? strcmp(e->name, name) != 0 : e->type != (uint64_t)lua_tointeger(w->L, -1)))
		e++;
	type = e->name ? e->type : ofp_check_number(w, path, 16, NULL);
	ofp_put(w, 2, type);
	lua_getfield(w->L, idx, "code");
	ofp_put(w, 2, ofp_check_number(w, &code, 16, e->codes));
	lua_pop(w->L, 1);
}

/* Bit v of the bitmaps stands for version v (7.5.1). */
static void put_versions(struct ofp_writer *w, const struct ofp_path *path)
{
	uint32_t bits = 0;
	lua_Integer n;

	if (lua_isnil(w->L, -1))
		return;
	if (!lua_istable(w->L, -1))
		ofp_misuse(w, path, "a list of numbers is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	n = luaL_len(w->L, -1);
	for (lua_Integer i = 1; i <= n; i++) {
		struct ofp_path here = { path, NULL, i };

		lua_geti(w->L, -1, i);
		bits |= 1u << ofp_check_number(w, &here, 5, NULL);
		lua_pop(w->L, 1);
	}
	ofp_put(w, 2, 1);
	ofp_put(w, 2, 8);
	ofp_put(w, 4, bits);
}

void ofp_encode_list(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *of)
{
	lua_Integer n;

	if (lua_isnil(w->L, -1))
		return;
	if (!lua_istable(w->L, -1))
		ofp_misuse(w, path, "a list is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	n = luaL_len(w->L, -1);
	for (lua_Integer i = 1; i <= n; i++) {
		struct ofp_path here = { path, NULL, i };

		if (lua_geti(w->L, -1, i) != LUA_TTABLE)
			ofp_misuse(w, &here, "a table is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
		ofp_encode_items(w, &here, lua_gettop(w->L), of, NULL);
		lua_pop(w->L, 1);
	}
}

/* The value on top, which is not nil, or which the kind does without. */
static void put_item(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_item *i, int idx)
{
	uint8_t mac[6];

	switch (i->kind) {
	case OFP_NUMBER:
	case OFP_NAMED:
		ofp_put(w, i->size, ofp_check_number(w, path, i->size * 8u, i->names));
		return;
	case OFP_FLAGS:
		return put_flags(w, path, i);
	case OFP_MAC:
		ofp_check_mac(w, path, mac);
		memcpy(ofp_room(w, 6), mac, 6);
		return;
	case OFP_TEXT:
		return put_bytes(w, path, i->size * 16u - 1, i->size * 16u);
	case OFP_DURATION:
		return put_duration(w, path);
	case OFP_BYTES:
		return put_bytes(w, path, OFP_MOST, 0);
	case OFP_STRUCT:
		if (!lua_istable(w->L, -1))
			ofp_misuse(w, path, "a table is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
		return ofp_encode_items(w, path, lua_gettop(w->L), i->of, NULL);
	case OFP_LIST:
		return ofp_encode_list(w, path, i->of);
	case OFP_VARIANTS:
		return ofp_encode_variants(w, path, i->variants);
	case OFP_MATCH:
		return ofp_encode_match(w, path);
	case OFP_OXM:
		return ofp_encode_field(w, path);
	case OFP_ERROR_CODE:
		return put_error_code(w, path, idx);
	case OFP_VERSIONS:
		return put_versions(w, path);
	case OFP_PAD:
	case OFP_LENGTH:
	case OFP_SPAN:
	case OFP_INSTRUCTIONS:
		return;
	}
}

/* What is not given: nothing at all, or the number that stands for that. */
static void put_absent(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_item *i, int idx)
{
	switch (i->kind) {
	case OFP_NUMBER:
	case OFP_NAMED:
	case OFP_FLAGS:
		return ofp_put(w, i->size, i->otherwise);
	case OFP_MAC:
	case OFP_DURATION:
		ofp_room(w, i->size);
		return;
	case OFP_TEXT:
		ofp_room(w, i->size * 16u);
		return;
	case OFP_STRUCT:
		lua_newtable(w->L);
		ofp_encode_items(w, path, lua_gettop(w->L), i->of, NULL);
		lua_pop(w->L, 1);
		return;
	case OFP_BYTES:
		return;
	default:
		return put_item(w, path, i, idx);
	}
}

static bool is_item(const struct ofp_layout *l, const char *name)
{
	for (const struct ofp_item *i = l->items; !ofp_ends(i); i++) {
		if (i->name && strcmp(i->name, name) == 0)
			return true;
		if (i->kind == OFP_ERROR_CODE && strcmp(name, "code") == 0)
			return true;
		for (const char *const *n = ofp_instruction_names; i->kind == OFP_INSTRUCTIONS && *n; n++)
			if (strcmp(*n, name) == 0)
				return true;
	}
	return false;
}

static int refuse_name(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *l)
{
	const char *names[64], *given = luaL_tolstring(w->L, -1, NULL);
	char hint[80];
	size_t n = 0;

	for (const struct ofp_item *i = l->items; !ofp_ends(i); i++) {
		if (i->name)
			names[n++] = i->name;
		for (const char *const *k = ofp_instruction_names; i->kind == OFP_INSTRUCTIONS && *k; k++)
			names[n++] = *k;
	}
	names[n] = NULL;
	return ofp_misuse(w, path, "unknown option '%.60s'%s", given, ofp_hint(hint, sizeof(hint), given, names));
}

static void check_names(struct ofp_writer *w, const struct ofp_path *path, int idx, const struct ofp_layout *l,
			const char *const *further)
{
	for (lua_pushnil(w->L); lua_next(w->L, idx); lua_pop(w->L, 1)) {
		const char *name = lua_type(w->L, -2) == LUA_TSTRING ? lua_tostring(w->L, -2) : "";
		const char *const *f = further;

		while (f && *f && strcmp(*f, name) != 0)
			f++;
		if ((f && *f) || is_item(l, name))
			continue;
		lua_pushvalue(w->L, -2);
		refuse_name(w, path, l);
	}
}

void ofp_encode_items(struct ofp_writer *w, const struct ofp_path *path, int idx, const struct ofp_layout *l,
		      const char *const *further)
{
	size_t start = w->n, length_at = 0, span_at = 0;

	luaL_checkstack(w->L, 12, "openflow");
	check_names(w, path, idx, l, further);
	for (const struct ofp_item *i = l->items; !ofp_ends(i); i++) {
		struct ofp_path here = { path, i->name, 0 };
		size_t before = w->n;

		if (i->kind == OFP_LENGTH || i->kind == OFP_SPAN) {
			*(i->kind == OFP_SPAN ? &span_at : &length_at) = w->n;
			ofp_room(w, 2);
		} else if (i->kind == OFP_PAD) {
			ofp_room(w, i->size);
		} else if (i->kind == OFP_INSTRUCTIONS) {
			ofp_encode_instructions(w, path, idx);
		} else {
			if (lua_getfield(w->L, idx, i->name) != LUA_TNIL)
				put_item(w, &here, i, idx);
			else if (i->required)
				ofp_misuse(w, path, "'%s' is missing (%s)", i->name, i->text);
			else
				put_absent(w, &here, i, idx);
			lua_pop(w->L, 1);
			if (span_at && (i->kind == OFP_VARIANTS || i->kind == OFP_LIST)) {
				ofp_set(w->bytes + span_at, 2, w->n - before);
				span_at = 0;
			}
		}
	}
	if (l->align)
		ofp_room(w, (l->align - (w->n - start) % l->align) % l->align);
	if (length_at)
		ofp_set(w->bytes + length_at, 2, w->n - start);
}

static const struct ofp_layout none = { .items = (const struct ofp_item[]){ { 0 } } };

/* The body of a multipart message: `stats` says which. */
static void put_multipart(struct ofp_writer *w, int idx, bool reply)
{
	static const char *const request_names[] = { "message", "xid", "stats", "more", NULL };
	static const char *const reply_names[] = { "message", "xid", "stats", "more", "list", NULL };
	struct ofp_path here = { NULL, "list", 0 };
	const char *names[32], *name;
	const struct ofp_multipart *m;
	char hint[80];
	size_t n = 0;

	lua_getfield(w->L, idx, "stats");
	name = luaL_tolstring(w->L, -1, NULL);
	m = ofp_multipart_named(name);
	for (const struct ofp_multipart *i = ofp_multiparts; i->name; i++)
		names[n++] = i->name;
	names[n] = NULL;
	if (!m)
		ofp_misuse(w, NULL, "unknown statistics '%.60s'%s", name, ofp_hint(hint, sizeof(hint), name, names));
	ofp_put(w, 2, m->type);
	lua_getfield(w->L, idx, "more");
	ofp_put(w, 2, (uint64_t)lua_toboolean(w->L, -1));
	ofp_put(w, 4, 0);
	lua_pop(w->L, 3);
	if (!reply || !m->list) {
		ofp_encode_items(w, NULL, idx, reply ? m->reply : m->request, request_names);
		return;
	}
	check_names(w, NULL, idx, &none, reply_names);
	lua_getfield(w->L, idx, "list");
	ofp_encode_list(w, &here, m->reply);
	lua_pop(w->L, 1);
}

void ofp_encode(struct ofp_writer *w, enum ofp_type type, int idx, uint32_t xid)
{
	static const char *const names[] = { "message", "xid", NULL };
	static const char *const hello_names[] = { "message", "xid", "version", NULL };
	static const char *const in_names[] = { "message", "xid", "in_port", "eth_dst", "eth_src", "eth_type", NULL };

	w->what = w->what ? w->what : ofp_messages[type]->name;
	w->n = 0;
	luaL_checkstack(w->L, 40, "openflow");
	ofp_put(w, 1, OFP_VERSION);
	ofp_put(w, 1, type);
	ofp_put(w, 2, 0);
	ofp_put(w, 4, xid);
	if (type == OFP_MULTIPART_REQUEST || type == OFP_MULTIPART_REPLY)
		put_multipart(w, idx, type == OFP_MULTIPART_REPLY);
	else
		ofp_encode_items(w, NULL, idx, ofp_messages[type],
				 type == OFP_HELLO ? hello_names : type == OFP_PACKET_IN ? in_names : names);
	ofp_set(w->bytes + 2, 2, w->n);
}
