/* Decoding of the results of transactions. */
#include "bindings/ovsdb_transact.h"

#include <lauxlib.h>

#include "bindings/ovsdb_value.h"

json_t *ovsdb_result_error(json_t *result, const json_t *params, size_t *index)
{
	size_t operations_sent = json_array_size(params) - 1, i;
	json_t *element;

	json_array_foreach(result, i, element) {
		if (json_object_get(element, "error")) {
			*index = i < operations_sent ? i + 1 : 0;
			return element;
		}
	}
	return NULL;
}

static const char *push_selected(lua_State *L, const struct ovsdb_schema *schema, json_t *op, json_t *rows)
{
	const char *name = json_string_value(json_object_get(op, "table"));
	const struct ovsdb_table *t = name ? ovsdb_schema_table(schema, name) : NULL;
	const char *why;
	json_t *row;
	size_t i;

	if (!t)	/* the schema has changed since the request */
		return "rows of an unknown table";
	lua_createtable(L, (int)json_array_size(rows), 0);
	json_array_foreach(rows, i, row) {
		why = ovsdb_push_row(L, t, row);
		if (why) {
			lua_pop(L, 1);
			return why;
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return NULL;
}

/* Pushes the result table of one operation. */
static const char *push_result(lua_State *L, const struct ovsdb_schema *schema, json_t *op, json_t *result)
{
	json_t *uuid = json_array_get(json_object_get(result, "uuid"), 1);
	json_t *count = json_object_get(result, "count");
	json_t *rows = json_object_get(result, "rows");
	const char *why;

	lua_createtable(L, 0, 1);
	if (json_is_string(uuid)) {
		lua_pushstring(L, json_string_value(uuid));
		lua_setfield(L, -2, "uuid");
	} else if (json_is_integer(count)) {
		lua_pushinteger(L, json_integer_value(count));
		lua_setfield(L, -2, "count");
	} else if (json_is_array(rows)) {
		why = push_selected(L, schema, op, rows);
		if (why) {
			lua_pop(L, 1);
			return why;
		}
		lua_setfield(L, -2, "rows");
	}
	return NULL;
}

const char *ovsdb_push_results(lua_State *L, const struct ovsdb_schema *schema, json_t *params,
			       json_t *result)
{
	size_t n = json_array_size(params) - 1;
	const char *why;

	if (json_array_size(result) < n)
		return "too few results";
	luaL_checkstack(L, 16, "results");
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		why = push_result(L, schema, json_array_get(params, i + 1), json_array_get(result, i));
		if (why) {
			lua_pop(L, 1);
			return why;
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return NULL;
}
