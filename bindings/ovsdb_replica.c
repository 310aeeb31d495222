/* Applying updates to the replica. */
#include "bindings/ovsdb_replica.h"

#include <lauxlib.h>
#include <string.h>

#include "bindings/ovsdb_index.h"
#include "bindings/ovsdb_value.h"

/* Queues { table=, uuid=, old=, new=, changed= }; `old`, `now` and `changed` are stack
 * indices, or 0. */
static void emit(struct ovsdb_replica *r, const char *uuid, int old, int now, int changed)
{
	lua_State *L = r->L;

	lua_createtable(L, 0, 5);
	lua_pushstring(L, r->table);
	lua_setfield(L, -2, "table");
	lua_pushstring(L, uuid);
	lua_setfield(L, -2, "uuid");
	if (old) {
		lua_pushvalue(L, old);
		lua_setfield(L, -2, "old");
	}
	if (now) {
		lua_pushvalue(L, now);
		lua_setfield(L, -2, "new");
	}
	if (changed) {
		lua_pushvalue(L, changed);
		lua_setfield(L, -2, "changed");
	}
	ovsdb_sink_emit(&r->sink);
}

static int table_size(lua_State *L, int idx)
{
	int n = 0;

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
		n++;
	return n;
}

/* Sets and maps hold atoms only, so one level is enough. */
static bool same_value(lua_State *L, int a, int b)
{
	bool same = true;

	if (!lua_istable(L, a) || !lua_istable(L, b))
		return lua_rawequal(L, a, b);
	for (lua_pushnil(L); same && lua_next(L, a); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_rawget(L, b);
		same = lua_rawequal(L, -1, -2);
		lua_pop(L, 1);
	}
	if (!same)
		lua_pop(L, 1);	/* the key that the loop left */
	return same && table_size(L, a) == table_size(L, b);
}

/* Gives the row at `row` the column's new value; notes the former one in the tables at
 * `old` and `changed` when it differs. Returns NULL or what is wrong. */
static const char *set_column(struct ovsdb_replica *r, const struct ovsdb_table *t, const char *name,
			      json_t *value, int row, int old, bool *differs)
{
	lua_State *L = r->L;
	const struct ovsdb_column *c = ovsdb_schema_column(t, name);
	const char *why;
	int top = lua_gettop(L);

	r->column = name;
	if (!c || c->internal)
		return "an unknown column";
	if (!value)
		return "a column without a value";
	lua_pushstring(L, c->name);
	lua_rawget(L, row);
	why = ovsdb_push_value(L, c, value);
	if (why)
		return why;
	if (!same_value(L, top + 1, top + 2)) {
		*differs = true;
		lua_pushstring(L, c->name);
		lua_pushvalue(L, top + 1);
		lua_rawset(L, old);
		lua_pushstring(L, c->name);
		lua_pushboolean(L, true);
		lua_rawset(L, old + 1);
		lua_pushstring(L, c->name);
		lua_pushvalue(L, top + 2);
		lua_rawset(L, row);
	}
	lua_settop(L, top);
	r->column = NULL;
	return NULL;
}

/* The row on top of the stack is there already: `columns` names what may differ. */
static const char *modify_row(struct ovsdb_replica *r, const struct ovsdb_table *t, const char *uuid,
			      json_t *columns, json_t *now)
{
	lua_State *L = r->L;
	int row = lua_gettop(L), old = row + 1;
	bool differs = false, moves = ovsdb_index_concerned(L, r->indexes, t->name, columns);
	const char *name, *why;
	json_t *unused;

	lua_newtable(L);	/* old */
	lua_newtable(L);	/* changed */
	if (moves)
		ovsdb_index_remove(L, r->indexes, t->name, uuid, row);
	json_object_foreach(columns, name, unused) {
		why = set_column(r, t, name, json_object_get(now, name), row, old, &differs);
		if (why)
			return why;
	}
	if (moves)
		ovsdb_index_add(L, r->indexes, t->name, uuid, row);
	if (differs && r->sink.wanted)
		emit(r, uuid, old, row, old + 1);
	return NULL;
}

/* Puts a row into the table at `rows`: a new one, or the new values of one that is there. */
static const char *put_row(struct ovsdb_replica *r, const struct ovsdb_table *t, int rows,
			   const char *uuid, json_t *old, json_t *now)
{
	lua_State *L = r->L;
	const char *why;

	lua_pushstring(L, uuid);
	if (lua_rawget(L, rows) == LUA_TTABLE)
		return modify_row(r, t, uuid, old ? old : now, now);
	why = ovsdb_push_row(L, t, now);
	if (why)
		return why;
	lua_pushstring(L, uuid);
	lua_setfield(L, -2, "_uuid");
	lua_pushstring(L, uuid);
	lua_pushvalue(L, -2);
	lua_rawset(L, rows);
	ovsdb_index_add(L, r->indexes, t->name, uuid, lua_gettop(L));
	if (r->sink.wanted)
		emit(r, uuid, 0, lua_gettop(L), 0);
	return NULL;
}

static void delete_row(struct ovsdb_replica *r, int rows, const char *uuid)
{
	lua_State *L = r->L;

	lua_pushstring(L, uuid);
	if (lua_rawget(L, rows) == LUA_TNIL)
		return;
	lua_pushstring(L, uuid);
	lua_pushnil(L);
	lua_rawset(L, rows);
	ovsdb_index_remove(L, r->indexes, r->table, uuid, lua_gettop(L));
	if (r->sink.wanted)
		emit(r, uuid, lua_gettop(L), 0, 0);
}

/* Pushes rows[name], made when it is not there; returns its index. */
static int open_table(struct ovsdb_replica *r, const char *name)
{
	lua_State *L = r->L;

	luaL_checkstack(L, 24, "a table of the replica");
	lua_pushstring(L, name);
	if (lua_rawget(L, r->rows) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushstring(L, name);
		lua_pushvalue(L, -2);
		lua_rawset(L, r->rows);
	}
	r->table = name;
	r->column = NULL;
	ovsdb_sink_select(&r->sink, name);
	return lua_gettop(L);
}

static const char *update_table(struct ovsdb_replica *r, const struct ovsdb_table *t, json_t *updates)
{
	int rows = open_table(r, t->name);
	const char *uuid, *why = NULL;
	json_t *update, *old, *now;

	if (!json_is_object(updates))
		return "not rows";
	json_object_foreach(updates, uuid, update) {
		old = json_object_get(update, "old");
		now = json_object_get(update, "new");
		if (!ovsdb_is_uuid(uuid) || (!old && !now))
			return "not the update of a row";
		if (now)
			why = put_row(r, t, rows, uuid, old, now);
		else
			delete_row(r, rows, uuid);
		if (why)
			return why;
		lua_settop(r->L, rows);
	}
	return NULL;
}

const char *ovsdb_replica_update(struct ovsdb_replica *r, json_t *tables)
{
	int top = lua_gettop(r->L);
	const struct ovsdb_table *t;
	const char *name, *why;
	json_t *updates;

	r->table = NULL;
	r->column = NULL;
	if (!json_is_object(tables))
		return "not an update";
	json_object_foreach(tables, name, updates) {
		t = ovsdb_schema_table(r->schema, name);
		if (!t) {
			r->table = name;
			return "an unknown table";
		}
		why = update_table(r, t, updates);
		if (why)
			return why;
		lua_settop(r->L, top);
	}
	return NULL;
}

/* Deletes the rows of the table at `rows` that are not in `wanted`. */
static void delete_others(struct ovsdb_replica *r, int rows, json_t *wanted)
{
	lua_State *L = r->L;
	const char *uuid;

	for (lua_pushnil(L); lua_next(L, rows); lua_settop(L, rows + 1)) {
		uuid = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
		if (uuid && !json_object_get(wanted, uuid))
			delete_row(r, rows, uuid);
	}
}

const char *ovsdb_replica_contents(struct ovsdb_replica *r, const struct ovsdb_table *table, json_t *rows)
{
	int top = lua_gettop(r->L), at = open_table(r, table->name);
	const char *uuid, *why;
	json_t *row, *now;

	if (rows && !json_is_object(rows))
		return "not rows";
	delete_others(r, at, rows);
	json_object_foreach(rows, uuid, row) {
		now = json_object_get(row, "new");
		if (!ovsdb_is_uuid(uuid) || !now)
			return "not the contents of a row";
		why = put_row(r, table, at, uuid, NULL, now);
		if (why)
			return why;
		lua_settop(r->L, at);
	}
	lua_settop(r->L, top);
	return NULL;
}

void ovsdb_replica_prune(struct ovsdb_replica *r)
{
	lua_State *L = r->L;
	int top = lua_gettop(L);

	for (lua_pushnil(L); lua_next(L, r->rows); lua_settop(L, top + 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;

		if (!name || ovsdb_schema_table(r->schema, name))
			continue;
		delete_others(r, open_table(r, name), NULL);
		lua_pushstring(L, name);
		lua_pushnil(L);
		lua_rawset(L, r->rows);
	}
	lua_settop(L, top);
}
