/* The Lua module `json`. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "bindings/json_scan.h"
#include "bindings/json_write.h"
#include "shell/registry.h"

static const char scan_class[] = "nerv.json.scan";

static int l_encode(lua_State *L)
{
	bool sorted = lua_istable(L, 2) && field_boolean(L, 2, "sorted", false);
	bool pretty = lua_istable(L, 2) && field_boolean(L, 2, "pretty", false);

	luaL_checkany(L, 1);
	json_write(L, 1, sorted, pretty);
	return 1;
}

static int collect_scan(lua_State *L)
{
	json_scan_free(luaL_checkudata(L, 1, scan_class));
	return 0;
}

/* Pushes the value of an event that is one; null is nil. */
static void push_scalar(lua_State *L, const struct json_scan *s, enum json_event event)
{
	lua_Integer whole;

	switch (event) {
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, event == JSON_TRUE);
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, s->integer);
		break;
	case JSON_NUMBER:
		if (lua_numbertointeger(s->number, &whole) && (double)whole == s->number)
			lua_pushinteger(L, whole);
		else
			lua_pushnumber(L, s->number);
		break;
	case JSON_STRING:
	case JSON_KEY:
		lua_pushlstring(L, s->string, s->length);
		break;
	default:
		lua_pushnil(L);
	}
}

/* Builds the value on the stack: each open object or array has there its table, and its
 * key: a name, or the number of elements so far. Returns false at an error. */
static bool build(lua_State *L, struct json_scan *s, bool keep_null)
{
	const int base = lua_gettop(L);

	for (;;) {
		const enum json_event event = json_scan_next(s);

		switch (event) {
		case JSON_ERROR:
			lua_settop(L, base);
			return false;
		case JSON_END:
			return true;
		case JSON_KEY:
			lua_pop(L, 1);
			push_scalar(L, s, event);
			continue;
		case JSON_OBJECT:
		case JSON_ARRAY:
			luaL_checkstack(L, 6, "json.decode");
			lua_newtable(L);
			lua_pushinteger(L, 0);
			continue;
		case JSON_OBJECT_END:
		case JSON_ARRAY_END:
			lua_pop(L, 1);
			break;
		default:
			push_scalar(L, s, event);
			if (event == JSON_NULL && (keep_null || lua_gettop(L) == base + 1)) {
				lua_pop(L, 1);
				lua_pushlightuserdata(L, NULL);
			}
		}
		if (lua_gettop(L) == base + 1)
			continue;	/* the whole value */
		if (lua_isinteger(L, -2)) {
			lua_pushinteger(L, lua_tointeger(L, -2) + 1);
			lua_replace(L, -3);
		}
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
}

static int l_decode(lua_State *L)
{
	struct json_scan *s;
	size_t length;
	const char *text = lua_tolstring(L, 1, &length);
	int line, column;

	lua_settop(L, 2);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	json_scan_begin(s, text, length);
	luaL_setmetatable(L, scan_class);
	if (build(L, s, lua_istable(L, 2) && field_boolean(L, 2, "null", false))) {
		json_scan_free(s);
		return 1;
	}
	json_scan_place(s, &line, &column);
	lua_pushnil(L);
	lua_pushfstring(L, "json.decode: line %d, column %d: %s", line, column, s->why);
	lua_pushliteral(L, "EINVAL");
	return 3;
}

static int l_array(lua_State *L)
{
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_setmetatable(L, JSON_ARRAY_CLASS);
	return 1;
}

static const struct arg encode_args[] = {
	{ "value", ARG_ANY, false, "nil, booleans, numbers, strings, and tables of them", NULL },
	{ "options", ARG_TABLE, false, "how",
	  (const struct arg[]){
		  { "sorted", ARG_BOOLEAN, false, "names in their order: equal values give equal texts", NULL },
		  { "pretty", ARG_BOOLEAN, false, "for people: sorted, a value a line, indented", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg decode_args[] = {
	{ "text", ARG_BYTES, true, "one value, as RFC 8259 has it", NULL },
	{ "options", ARG_TABLE, false, "how",
	  (const struct arg[]){
		  { "null", ARG_BOOLEAN, false, "keep null as json.null; by default it is nil", NULL }, { 0 } } },
	{ 0 }
};
static const struct arg array_args[] = {
	{ "table", ARG_TABLE, false, "by default a new one", NULL }, { 0 }
};

static const struct fn json_functions[] = {
	{ "encode", l_encode, encode_args,
	  "returns the text of a value; a table with the keys 1 to n is an array, another one (or an empty one) an "
	  "object; raises what JSON has not, with its place",
	  "print(json.encode({ name = \"h1\", ports = { 1, 2 } }, { pretty = true }))" },
	{ "decode", l_decode, decode_args,
	  "returns the value of a text; whole numbers are integers; or nil, what is wrong at which line and column, "
	  "\"EINVAL\"",
	  "print(json.decode('{ \"a\": [1, 2.5] }').a[2])\n"
	  "print(json.decode '{ \"a\": tru }')" },
	{ "array", l_array, array_args, "marks a table as an array, for json.encode when it is empty; returns it",
	  "print(json.encode{ list = json.array() })" },
	{ 0 }
};

static int init(lua_State *L)
{
	if (luaL_newmetatable(L, scan_class)) {
		lua_pushcfunction(L, collect_scan);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	json_write_open(L);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	return 1;
}

NERV_MODULE(json, .name = "json", .text = "JSON texts; json.null is JSON's null",
	    .functions = json_functions, .init = init);
