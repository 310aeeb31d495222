/* Conversion of values. */
#include "bindings/ovsdb_value.h"

#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shell/registry.h"

bool ovsdb_is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else if (!isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return text[36] == '\0';
}

bool ovsdb_is_id(const char *text)
{
	if (*text != '_' && !isalpha((unsigned char)*text))
		return false;
	while (*text == '_' || isalnum((unsigned char)*text))
		text++;
	return *text == '\0';
}

/* The second element of a pair such as ["set", ...] whose first is `tag`; or NULL. */
static json_t *tagged(const json_t *json, const char *tag)
{
	const char *first = json_string_value(json_array_get(json, 0));

	if (json_array_size(json) != 2 || !first || strcmp(first, tag) != 0)
		return NULL;
	return json_array_get(json, 1);
}

static const char *push_uuid(lua_State *L, const json_t *json)
{
	const char *text = json_string_value(tagged(json, "uuid"));

	if (!text || !ovsdb_is_uuid(text))
		return "not a uuid";
	lua_pushlstring(L, text, 36);
	return NULL;
}

static const char *push_atom(lua_State *L, enum ovsdb_atom type, const json_t *json)
{
	switch (type) {
	case OVSDB_INTEGER:
		if (!json_is_integer(json))
			return "not an integer";
		lua_pushinteger(L, json_integer_value(json));
		return NULL;
	case OVSDB_REAL:
		if (!json_is_number(json))
			return "not a number";
		lua_pushnumber(L, json_number_value(json));
		return NULL;
	case OVSDB_BOOLEAN:
		if (!json_is_boolean(json))
			return "not a boolean";
		lua_pushboolean(L, json_is_true(json));
		return NULL;
	case OVSDB_STRING:
		if (!json_is_string(json))
			return "not a string";
		lua_pushlstring(L, json_string_value(json), json_string_length(json));
		return NULL;
	case OVSDB_UUID:
		return push_uuid(L, json);
	case OVSDB_NONE:
		break;
	}
	return "of no type";
}

static const char *push_map(lua_State *L, const struct ovsdb_column *c, const json_t *json)
{
	const json_t *pairs = tagged(json, "map"), *pair;
	const char *why;
	size_t i;

	if (!json_is_array(pairs))
		return "not a map";
	lua_createtable(L, 0, (int)json_array_size(pairs));
	json_array_foreach(pairs, i, pair) {
		int top = lua_gettop(L);

		why = json_array_size(pair) == 2 ? push_atom(L, c->key, json_array_get(pair, 0))
						 : "not a map";
		if (!why)
			why = push_atom(L, c->value, json_array_get(pair, 1));
		if (why) {
			lua_settop(L, top - 1);
			return why;
		}
		lua_rawset(L, -3);
	}
	return NULL;
}

/* A set of one element may come as the bare atom. */
static const char *push_set(lua_State *L, const struct ovsdb_column *c, const json_t *json)
{
	const json_t *atoms = tagged(json, "set"), *atom;
	const char *why;
	size_t i;

	lua_createtable(L, atoms ? (int)json_array_size(atoms) : 1, 0);
	if (!atoms) {
		why = push_atom(L, c->key, json);
		if (!why)
			lua_rawseti(L, -2, 1);
		else
			lua_pop(L, 1);
		return why;
	}
	json_array_foreach(atoms, i, atom) {
		why = push_atom(L, c->key, atom);
		if (why) {
			lua_pop(L, 1);
			return why;
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return NULL;
}

static const char *push_optional(lua_State *L, const struct ovsdb_column *c, const json_t *json)
{
	const json_t *atoms = tagged(json, "set");

	if (!atoms)
		return push_atom(L, c->key, json);
	if (json_array_size(atoms) == 1)
		return push_atom(L, c->key, json_array_get(atoms, 0));
	if (!json_is_array(atoms) || json_array_size(atoms) > 1)
		return "not one value or none";
	lua_pushnil(L);
	return NULL;
}

const char *ovsdb_push_value(lua_State *L, const struct ovsdb_column *column, const json_t *json)
{
	luaL_checkstack(L, 6, "a value");
	if (column->value != OVSDB_NONE)
		return push_map(L, column, json);
	if (column->max > 1)
		return push_set(L, column, json);
	return column->min ? push_atom(L, column->key, json) : push_optional(L, column, json);
}

const char *ovsdb_push_row(lua_State *L, const struct ovsdb_table *table, json_t *row)
{
	const struct ovsdb_column *c;
	const char *key, *why;
	json_t *value;

	if (!json_is_object(row))
		return "not a row";
	lua_createtable(L, 0, (int)json_object_size(row) + 1);
	json_object_foreach(row, key, value) {
		c = ovsdb_schema_column(table, key);
		why = c ? ovsdb_push_value(L, c, value) : "a row with an unknown column";
		if (why) {
			lua_pop(L, 1);
			return why;
		}
		lua_setfield(L, -2, c->name);
	}
	return NULL;
}

json_t *ovsdb_attach(lua_State *L, json_t *parent, const char *key, json_t *child)
{
	if (key ? json_object_set_new(parent, key, child) : json_array_append_new(parent, child))
		luaL_error(L, "out of memory");
	return child;
}

/* Raises: the value at `idx` does not fit. */
static int wrong_type(lua_State *L, int idx, const struct ovsdb_place *p, const char *wanted)
{
	const char *format = lua_type(L, idx) == LUA_TSTRING
				     ? "%s: column \"%s\" of table \"%s\" takes %s, not \"%s\""
				     : "%s: column \"%s\" of table \"%s\" takes %s, not %s";

	return nerv_error(L, format, p->operation, p->column->name, p->table->name, wanted,
			  luaL_tolstring(L, idx, NULL));
}

static json_t *make_string(lua_State *L, int idx, const struct ovsdb_place *p)
{
	size_t len;
	const char *s;
	json_t *json;

	if (lua_type(L, idx) != LUA_TSTRING)
		wrong_type(L, idx, p, "a string");
	s = lua_tolstring(L, idx, &len);
	if (memchr(s, '\0', len))
		nerv_error(L, "%s: the string for column \"%s\" of table \"%s\" holds a NUL byte",
			   p->operation, p->column->name, p->table->name);
	json = json_stringn(s, len);
	if (!json)
		nerv_error(L, "%s: the string for column \"%s\" of table \"%s\" is not UTF-8",
			   p->operation, p->column->name, p->table->name);
	return json;
}

/* Pushes the name when the value is { uuid_name = NAME } or "@NAME". */
static bool push_named(lua_State *L, int idx)
{
	idx = lua_absindex(L, idx);
	if (lua_istable(L, idx)) {
		lua_pushliteral(L, "uuid_name");
		if (lua_rawget(L, idx) == LUA_TSTRING)
			return true;
		lua_pop(L, 1);
	} else if (lua_type(L, idx) == LUA_TSTRING && lua_tostring(L, idx)[0] == '@') {
		lua_pushstring(L, lua_tostring(L, idx) + 1);
		return true;
	}
	return false;
}

static json_t *make_uuid(lua_State *L, int idx, const struct ovsdb_place *p)
{
	const char *text;
	json_t *json;

	if (push_named(L, idx)) {
		text = lua_tostring(L, -1);
		if (!ovsdb_is_id(text) || strlen(text) != lua_rawlen(L, -1))
			nerv_error(L, "%s: \"%s\" names no row: letters, digits and '_' only", p->operation, text);
		json = json_pack("[ss]", "named-uuid", text);
		lua_pop(L, 1);
		return json;
	}
	text = lua_type(L, idx) == LUA_TSTRING ? lua_tostring(L, idx) : NULL;
	if (!text || lua_rawlen(L, idx) != 36 || !ovsdb_is_uuid(text))
		wrong_type(L, idx, p, "a uuid, or \"@NAME\" for a row of the same transaction");
	return json_pack("[ss]", "uuid", text);
}

/* Raises, or returns a new value (NULL: memory was short) that the caller attaches
 * before it does anything else. */
static json_t *make_atom(lua_State *L, int idx, enum ovsdb_atom type, const struct ovsdb_place *p)
{
	int exact = 0;
	lua_Integer n;

	switch (type) {
	case OVSDB_INTEGER:
		n = lua_type(L, idx) == LUA_TNUMBER ? lua_tointegerx(L, idx, &exact) : 0;
		if (!exact)
			wrong_type(L, idx, p, "an integer");
		return json_integer(n);
	case OVSDB_REAL:
		if (lua_type(L, idx) != LUA_TNUMBER || !isfinite(lua_tonumber(L, idx)))
			wrong_type(L, idx, p, "a finite number");
		return json_real(lua_tonumber(L, idx));
	case OVSDB_BOOLEAN:
		if (!lua_isboolean(L, idx))
			wrong_type(L, idx, p, "true or false");
		return json_boolean(lua_toboolean(L, idx));
	case OVSDB_STRING:
		return make_string(L, idx, p);
	case OVSDB_UUID:
	case OVSDB_NONE:
		break;
	}
	return make_uuid(L, idx, p);
}

/* Whether the table at `idx` has the keys 1..n and no others. */
static bool is_array(lua_State *L, int idx)
{
	lua_Unsigned count = 0, n = lua_rawlen(L, idx);

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (!lua_isinteger(L, -2) || (lua_Unsigned)lua_tointeger(L, -2) - 1 >= n)
			n = 0;
		count++;
	}
	return count == n;
}

static json_t *attach_tagged(lua_State *L, json_t *parent, const char *key, const char *tag)
{
	json_t *outer = ovsdb_attach(L, parent, key, json_array());

	ovsdb_attach(L, outer, NULL, json_string(tag));
	return ovsdb_attach(L, outer, NULL, json_array());
}

static void encode_set(lua_State *L, int idx, const struct ovsdb_place *p, json_t *parent, const char *key)
{
	char type[64], wanted[128];
	json_t *atoms;
	lua_Integer n;

	idx = lua_absindex(L, idx);
	if (!is_array(L, idx)) {
		ovsdb_column_type(p->column, type, sizeof(type));
		snprintf(wanted, sizeof(wanted), "an array (%s)", type);
		wrong_type(L, idx, p, wanted);
	}
	atoms = attach_tagged(L, parent, key, "set");
	n = (lua_Integer)lua_rawlen(L, idx);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, idx, i);
		ovsdb_attach(L, atoms, NULL, make_atom(L, -1, p->column->key, p));
		lua_pop(L, 1);
	}
}

static void encode_map(lua_State *L, int idx, const struct ovsdb_place *p, json_t *parent, const char *key)
{
	char type[64], wanted[128];
	json_t *pairs, *pair;

	idx = lua_absindex(L, idx);
	if (!lua_istable(L, idx)) {
		ovsdb_column_type(p->column, type, sizeof(type));
		snprintf(wanted, sizeof(wanted), "a table (%s)", type);
		wrong_type(L, idx, p, wanted);
	}
	pairs = attach_tagged(L, parent, key, "map");
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		pair = ovsdb_attach(L, pairs, NULL, json_array());
		ovsdb_attach(L, pair, NULL, make_atom(L, -2, p->column->key, p));
		ovsdb_attach(L, pair, NULL, make_atom(L, -1, p->column->value, p));
	}
}

/* A table stands for a set, unless it is a reference to a row. */
static bool stands_for_set(lua_State *L, int idx, const struct ovsdb_column *c)
{
	if (!lua_istable(L, idx))
		return false;
	if (c->key == OVSDB_UUID && push_named(L, idx)) {
		lua_pop(L, 1);
		return false;
	}
	return true;
}

void ovsdb_encode_value(lua_State *L, int idx, const struct ovsdb_place *place,
			enum ovsdb_shape shape, json_t *parent, const char *key)
{
	const struct ovsdb_column *c = place->column;
	bool map = c->value != OVSDB_NONE;
	bool set = c->max > 1 || c->min == 0;

	idx = lua_absindex(L, idx);
	luaL_checkstack(L, 8, "a value");
	if (map && shape == OVSDB_KEYS && lua_istable(L, idx) && is_array(L, idx))
		encode_set(L, idx, place, parent, key);
	else if (map && shape != OVSDB_SCALAR)
		encode_map(L, idx, place, parent, key);
	else if (shape != OVSDB_SCALAR && set && stands_for_set(L, idx, c))
		encode_set(L, idx, place, parent, key);
	else
		ovsdb_attach(L, parent, key, make_atom(L, idx, c->key, place));
}
