/* Indexes over the replica. */
#include "bindings/ovsdb_index.h"

#include <lauxlib.h>

/* Pushes the row's key for the columns at `columns`; false (nothing is pushed) when it has none. */
static bool push_key(lua_State *L, int columns, int row)
{
	int top = lua_gettop(L), n = (int)lua_rawlen(L, columns);

	luaL_checkstack(L, 2 * n + 2, "an index");
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			lua_pushlstring(L, "\0", 1);
		lua_rawgeti(L, columns, i);
		if (lua_rawget(L, row) != LUA_TSTRING) {
			lua_settop(L, top);
			return false;
		}
	}
	lua_concat(L, lua_gettop(L) - top);
	return true;
}

/* Sets or clears the row in the index on top of the stack. */
static void place(lua_State *L, const char *uuid, int row, bool there)
{
	int index = lua_gettop(L);

	lua_getfield(L, index, "columns");
	lua_getfield(L, index, "rows");
	if (push_key(L, index + 1, row)) {
		lua_pushvalue(L, -1);
		if (lua_rawget(L, index + 2) != LUA_TTABLE) {
			lua_pop(L, 1);
			lua_createtable(L, 0, 1);
			lua_pushvalue(L, -2);
			lua_pushvalue(L, -2);
			lua_rawset(L, index + 2);
		}
		if (there)
			lua_pushvalue(L, row);
		else
			lua_pushnil(L);
		lua_setfield(L, -2, uuid);
		lua_pushnil(L);
		if (!lua_next(L, -2)) {	/* an empty group goes */
			lua_pushvalue(L, index + 3);
			lua_pushnil(L);
			lua_rawset(L, index + 2);
		}
	}
	lua_settop(L, index);
}

static void place_in_all(lua_State *L, int indexes, const char *table, const char *uuid, int row, bool there)
{
	int top = lua_gettop(L), n;

	if (lua_getfield(L, indexes, table) == LUA_TTABLE) {
		n = (int)lua_rawlen(L, top + 1);
		for (int i = 1; i <= n; i++) {
			lua_rawgeti(L, top + 1, i);
			place(L, uuid, row, there);
			lua_settop(L, top + 1);
		}
	}
	lua_settop(L, top);
}

void ovsdb_index_add(lua_State *L, int indexes, const char *table, const char *uuid, int row)
{
	place_in_all(L, indexes, table, uuid, row, true);
}

void ovsdb_index_remove(lua_State *L, int indexes, const char *table, const char *uuid, int row)
{
	place_in_all(L, indexes, table, uuid, row, false);
}

/* Whether the index on top of the stack has one of the columns. */
static bool has_column(lua_State *L, json_t *columns)
{
	int top = lua_gettop(L), n;
	bool found = false;

	lua_getfield(L, top, "columns");
	n = (int)lua_rawlen(L, -1);
	for (int i = 1; i <= n && !found; i++) {
		lua_rawgeti(L, top + 1, i);
		found = json_object_get(columns, lua_tostring(L, -1)) != NULL;
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return found;
}

bool ovsdb_index_concerned(lua_State *L, int indexes, const char *table, json_t *columns)
{
	int top = lua_gettop(L), n;
	bool found = false;

	if (lua_getfield(L, indexes, table) == LUA_TTABLE) {
		n = (int)lua_rawlen(L, top + 1);
		for (int i = 1; i <= n && !found; i++) {
			lua_rawgeti(L, top + 1, i);
			found = has_column(L, columns);
			lua_pop(L, 1);
		}
	}
	lua_settop(L, top);
	return found;
}

static bool same_columns(lua_State *L, int a, int b)
{
	int n = (int)lua_rawlen(L, a), i;
	bool same = n == (int)lua_rawlen(L, b);

	for (i = 1; same && i <= n; i++) {
		lua_rawgeti(L, a, i);
		lua_rawgeti(L, b, i);
		same = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	return same;
}

/* The index on top of the stack gets all rows that are there. */
static void fill(lua_State *L, int rows, const char *table)
{
	int index = lua_gettop(L);

	if (lua_getfield(L, rows, table) == LUA_TTABLE) {
		for (lua_pushnil(L); lua_next(L, index + 1); lua_settop(L, index + 2)) {
			lua_pushvalue(L, index);
			if (lua_type(L, index + 2) == LUA_TSTRING && lua_istable(L, index + 3))
				place(L, lua_tostring(L, index + 2), index + 3, true);
		}
	}
	lua_settop(L, index);
}

void ovsdb_index_open(lua_State *L, int indexes, int rows, const char *table, int columns)
{
	int list, n;

	luaL_checkstack(L, 16, "an index");
	luaL_getsubtable(L, indexes, table);
	list = lua_gettop(L);
	n = (int)lua_rawlen(L, list);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, list, i);
		lua_getfield(L, -1, "columns");
		if (same_columns(L, lua_gettop(L), columns)) {
			lua_getfield(L, -2, "rows");
			return;
		}
		lua_settop(L, list);
	}
	lua_createtable(L, 0, 2);
	lua_pushvalue(L, columns);
	lua_setfield(L, -2, "columns");
	lua_newtable(L);
	lua_setfield(L, -2, "rows");
	fill(L, rows, table);
	lua_pushvalue(L, -1);
	lua_rawseti(L, list, n + 1);
	lua_getfield(L, -1, "rows");
}
