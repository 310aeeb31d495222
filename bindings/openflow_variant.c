/* Lists whose elements say what they are: actions, bands; and instructions (7.2.4). */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/openflow_wire.h"
#include "shell/registry.h"

enum { VARIANT_HEAD = 4 };

static bool is_bare(const struct ofp_layout *l)
{
	return l->items->kind == OFP_PAD;
}

static int refuse(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *const *variants,
		  const char *given)
{
	const char *names[32];
	char hint[80];
	size_t n = 0;

	for (; variants[n]; n++)
		names[n] = variants[n]->name;
	names[n] = NULL;
	return ofp_misuse(w, path, "unknown '%.60s'%s", given, ofp_hint(hint, sizeof(hint), given, names));
}

/* "pop_vlan" */
static const struct ofp_layout *find_bare(struct ofp_writer *w, const struct ofp_path *path,
					  const struct ofp_layout *const *variants)
{
	const char *name = lua_tostring(w->L, -1);
	const struct ofp_layout *const *v = variants;

	while (*v && strcmp((*v)->name, name) != 0)
		v++;
	if (!*v)
		refuse(w, path, variants, name);
	if (!is_bare(*v))
		ofp_misuse(w, path, "'%s' needs a value: { %s = ... }", name, name);
	return *v;
}

/* { output = 1 } */
static const struct ofp_layout *find_named(struct ofp_writer *w, const struct ofp_path *path,
					   const struct ofp_layout *const *variants)
{
	const struct ofp_layout *const *v = variants;
	const char *given = "";

	for (; *v; v++) {
		int type = lua_getfield(w->L, -1, (*v)->name);

		lua_pop(w->L, 1);
		if (type != LUA_TNIL)
			return *v;
	}
	lua_pushnil(w->L);
	if (lua_next(w->L, -2))
		given = lua_type(w->L, -2) == LUA_TSTRING ? lua_tostring(w->L, -2) : "";
	if (*given)
		refuse(w, path, variants, given);
	ofp_misuse(w, path, "a table such as { %s = ... } is expected", variants[0]->name);
	return NULL;
}

static void put_variant(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *const *variants)
{
	const struct ofp_layout *l = NULL;
	const char *bare[2] = { NULL, NULL };
	size_t start = w->n;

	if (lua_type(w->L, -1) == LUA_TSTRING)
		l = find_bare(w, path, variants);
	else if (lua_istable(w->L, -1))
		l = find_named(w, path, variants);
	else
		ofp_misuse(w, path, "a table such as { %s = ... } is expected, not '%.60s'", variants[0]->name,
			   luaL_tolstring(w->L, -1, NULL));
	ofp_put(w, 2, l->type);
	ofp_put(w, 2, 0);
	bare[0] = l->name;
	if (lua_istable(w->L, -1))
		ofp_encode_items(w, path, lua_gettop(w->L), l, is_bare(l) ? bare : NULL);
	else
		ofp_room(w, l->items->size);
	ofp_room(w, (8 - (w->n - start) % 8) % 8);
	ofp_set(w->bytes + start + 2, 2, w->n - start);
}

void ofp_encode_variants(struct ofp_writer *w, const struct ofp_path *path, const struct ofp_layout *const *variants)
{
	lua_Integer n;

	if (lua_isnil(w->L, -1))
		return;
	if (!lua_istable(w->L, -1))
		ofp_misuse(w, path, "a list is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	n = (lua_Integer)lua_rawlen(w->L, -1);
	if (!n && (lua_pushnil(w->L), lua_next(w->L, -2)))
		ofp_misuse(w, path, "a list is expected: { { %s = ... } }", variants[0]->name);
	for (lua_Integer i = 1; i <= n; i++) {
		struct ofp_path here = { path, NULL, i };

		lua_geti(w->L, -1, i);
		put_variant(w, &here, variants);
		lua_pop(w->L, 1);
	}
}

static bool decode_variant(lua_State *L, struct ofp_reader *r, const struct ofp_layout *const *variants)
{
	struct ofp_reader element = { .fault = NULL };
	size_t length;
	uint64_t type;

	if (ofp_left(r) < VARIANT_HEAD)
		return ofp_fault(r, "an action or band that is cut");
	type = ofp_get(r->at, 2);
	length = (size_t)ofp_get(r->at + 2, 2);
	if (length < 8 || length % 8 || length > ofp_left(r))
		return ofp_fault(r, "an action or band whose length does not fit");
	element.at = r->at + VARIANT_HEAD;
	element.end = r->at + length;
	r->at += length;
	while (*variants && (*variants)->type != type)
		variants++;
	if (!*variants)
		return ofp_fault(r, "an action or band of an unknown type");
	if (is_bare(*variants)) {
		lua_pushstring(L, (*variants)->name);
		return true;
	}
	lua_createtable(L, 0, 2);
	return ofp_decode_items(L, &element, *variants) || ofp_fault(r, element.fault);
}

bool ofp_decode_variants(lua_State *L, struct ofp_reader *r, const struct ofp_layout *const *variants)
{
	lua_createtable(L, 1, 0);
	for (lua_Integer i = 1; r->at < r->end; i++) {
		if (!decode_variant(L, r, variants))
			return false;
		lua_rawseti(L, -2, i);
	}
	return true;
}

enum instruction {
	GOTO_TABLE = 1, WRITE_METADATA, WRITE_ACTIONS, APPLY_ACTIONS, CLEAR_ACTIONS, METER
};

const char *const ofp_instruction_names[] = {
	"actions", "write_actions", "clear_actions", "goto_table", "write_metadata", "meter", "other_instructions", NULL
};

static size_t begin_instruction(struct ofp_writer *w, enum instruction type)
{
	size_t at = w->n;

	ofp_put(w, 2, type);
	ofp_put(w, 2, 0);
	return at;
}

static void end_instruction(struct ofp_writer *w, size_t at)
{
	ofp_room(w, (8 - (w->n - at) % 8) % 8);
	ofp_set(w->bytes + at + 2, 2, w->n - at);
}

static void put_actions(struct ofp_writer *w, const struct ofp_path *path, enum instruction type)
{
	size_t at = begin_instruction(w, type);

	ofp_room(w, 4);
	ofp_encode_variants(w, path, ofp_actions);
	end_instruction(w, at);
}

/* "value/mask", or all bits. */
static void put_metadata(struct ofp_writer *w, const struct ofp_path *path)
{
	size_t at = begin_instruction(w, WRITE_METADATA), n;
	uint64_t value, mask = UINT64_MAX;
	const char *text = lua_type(w->L, -1) == LUA_TSTRING ? lua_tolstring(w->L, -1, &n) : NULL;
	const char *slash = text ? memchr(text, '/', n) : NULL;

	if (!slash)
		value = ofp_check_number(w, path, 64, NULL);
	else if (!ofp_parse_number(text, slash, &value) || !ofp_parse_number(slash + 1, text + n, &mask))
		ofp_misuse(w, path, "an integer or \"value/mask\" is expected, not '%.60s'", text);
	ofp_room(w, 4);
	ofp_put(w, 8, value);
	ofp_put(w, 8, mask);
	end_instruction(w, at);
}

static void put_one(struct ofp_writer *w, const struct ofp_path *path, enum instruction type)
{
	size_t at;

	switch (type) {
	case APPLY_ACTIONS:
	case WRITE_ACTIONS:
		return put_actions(w, path, type);
	case WRITE_METADATA:
		return put_metadata(w, path);
	case CLEAR_ACTIONS:
		if (!lua_toboolean(w->L, -1))
			return;
		at = begin_instruction(w, type);
		break;
	case GOTO_TABLE:
		at = begin_instruction(w, type);
		ofp_put(w, 1, ofp_check_number(w, path, 8, NULL));
		break;
	case METER:
		at = begin_instruction(w, type);
		ofp_put(w, 4, ofp_check_number(w, path, 32, NULL));
		break;
	default:
		return;
	}
	end_instruction(w, at);
}

/* In the order in which a switch executes them. */
void ofp_encode_instructions(struct ofp_writer *w, const struct ofp_path *path, int idx)
{
	static const struct {
		const char *name;
		enum instruction type;
	} order[] = {
		{ "meter", METER }, { "actions", APPLY_ACTIONS }, { "clear_actions", CLEAR_ACTIONS },
		{ "write_actions", WRITE_ACTIONS }, { "write_metadata", WRITE_METADATA }, { "goto_table", GOTO_TABLE },
	};
	struct ofp_path other = { path, "other_instructions", 0 };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct ofp_path here = { path, order[i].name, 0 };

		if (lua_getfield(w->L, idx, order[i].name) != LUA_TNIL)
			put_one(w, &here, order[i].type);
		lua_pop(w->L, 1);
	}
	lua_getfield(w->L, idx, "other_instructions");
	ofp_encode_list(w, &other, &ofp_other_instruction);
	lua_pop(w->L, 1);
}

static bool decode_metadata(lua_State *L, const struct ofp_reader *e)
{
	uint64_t value = ofp_get(e->at + 4, 8), mask = ofp_get(e->at + 12, 8);
	char text[64];

	if (mask == UINT64_MAX) {
		lua_pushinteger(L, (lua_Integer)value);
	} else {
		snprintf(text, sizeof(text), "0x%llx/0x%llx", (unsigned long long)value, (unsigned long long)mask);
		lua_pushstring(L, text);
	}
	lua_setfield(L, -2, "write_metadata");
	return true;
}

static bool decode_actions(lua_State *L, struct ofp_reader *e, const char *name)
{
	e->at += 4;
	if (!ofp_decode_variants(L, e, ofp_actions))
		return false;
	lua_setfield(L, -2, name);
	return true;
}

static bool decode_other(lua_State *L, struct ofp_reader *e, const uint8_t *start)
{
	e->at = start;
	if (lua_getfield(L, -1, "other_instructions") != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, "other_instructions");
	}
	lua_newtable(L);
	if (!ofp_decode_items(L, e, &ofp_other_instruction))
		return false;
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
	return true;
}

/* With the instruction's head read; `e` ends with it. */
static bool decode_instruction(lua_State *L, struct ofp_reader *e, uint64_t type)
{
	switch (type) {
	case GOTO_TABLE:
		lua_pushinteger(L, e->at[0]);
		lua_setfield(L, -2, "goto_table");
		return true;
	case METER:
		lua_pushinteger(L, (lua_Integer)ofp_get(e->at, 4));
		lua_setfield(L, -2, "meter");
		return true;
	case CLEAR_ACTIONS:
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "clear_actions");
		return true;
	case WRITE_METADATA:
		return ofp_left(e) < 20 ? ofp_fault(e, "an instruction that is cut") : decode_metadata(L, e);
	case WRITE_ACTIONS:
		return decode_actions(L, e, "write_actions");
	case APPLY_ACTIONS:
		return decode_actions(L, e, "actions");
	default:
		return decode_other(L, e, e->at - VARIANT_HEAD);
	}
}

bool ofp_decode_instructions(lua_State *L, struct ofp_reader *r)
{
	while (r->at < r->end) {
		struct ofp_reader e = { .fault = NULL };
		size_t length;
		uint64_t type;

		if (ofp_left(r) < 8)
			return ofp_fault(r, "an instruction that is cut");
		type = ofp_get(r->at, 2);
		length = (size_t)ofp_get(r->at + 2, 2);
		if (length < 8 || length % 8 || length > ofp_left(r))
			return ofp_fault(r, "an instruction whose length does not fit");
		e.at = r->at + VARIANT_HEAD;
		e.end = r->at + length;
		r->at += length;
		if (!decode_instruction(L, &e, type))
			return ofp_fault(r, e.fault);
	}
	return true;
}
