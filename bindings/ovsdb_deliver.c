/* What the session reports, on its way into Lua: the replica and the watches. */
#include "bindings/ovsdb_handle.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/ovsdb_replica.h"
#include "shell/runtime.h"

/* One notification of the server or the session, on its way into Lua. */
struct delivery {
	struct db *db;
	json_t *tables;		/* of an update or of contents */
	const char *lock;
	bool owned;
	bool ok;
};

/* Runs `f` with the handle and the delivery, protected, in the main state. False when
 * the handle is about to be collected or f raised; then db->why says what. */
static bool deliver(struct db *db, lua_CFunction f, struct delivery *d)
{
	lua_State *L = db->rt->L;
	struct ovsdb_schema *schema = ovsdb_schema_ref(db->session.schema);
	int top = lua_gettop(L);

	d->db = db;
	db->why[0] = '\0';
	if (!lua_checkstack(L, 8)) {
		snprintf(db->why, sizeof(db->why), "out of memory");
	} else if (ovsdb_live_get(L, db)) {
		/* The copy outside of the call keeps the handle until all is done. */
		lua_pushcfunction(L, f);
		lua_pushvalue(L, -2);
		lua_pushlightuserdata(L, d);
		if (lua_pcall(L, 2, 0, 0) == LUA_OK)
			d->ok = db->why[0] == '\0';
		else
			snprintf(db->why, sizeof(db->why), "%s", lua_tostring(L, -1));
		ovsdb_watch_wake(db->watches);
	}
	lua_settop(L, top);
	ovsdb_schema_unref(schema);
	return d->ok;
}

static void open_replica(lua_State *L, struct db *db, struct ovsdb_replica *r)
{
	memset(r, 0, sizeof(*r));
	r->L = L;
	r->schema = db->session.schema;
	lua_getiuservalue(L, 1, OVSDB_VALUE_ROWS);
	r->rows = lua_gettop(L);
	lua_getiuservalue(L, 1, OVSDB_VALUE_INDEXES);
	r->indexes = lua_gettop(L);
	ovsdb_sink_open(L, &r->sink, &db->watches);
}

static void note_fault(struct db *db, const struct ovsdb_replica *r, const char *why)
{
	if (why && r->column)
		snprintf(db->why, sizeof(db->why), "the server sent bad rows of table \"%s\", column \"%s\": %s",
			 r->table, r->column, why);
	else if (why)
		snprintf(db->why, sizeof(db->why), "the server sent bad rows of table \"%s\": %s",
			 r->table ? r->table : "?", why);
}

static int l_deliver_update(lua_State *L)
{
	struct delivery *d = lua_touserdata(L, 2);
	struct ovsdb_replica r;

	open_replica(L, d->db, &r);
	note_fault(d->db, &r, ovsdb_replica_update(&r, d->tables));
	return 0;
}

static void emit_flag(struct ovsdb_sink *sink, const char *flag)
{
	lua_createtable(sink->L, 0, 2);
	lua_pushboolean(sink->L, true);
	lua_setfield(sink->L, -2, flag);
	ovsdb_sink_emit(sink);
}

static int l_deliver_contents(lua_State *L)
{
	struct delivery *d = lua_touserdata(L, 2);
	const struct ovsdb_session *s = &d->db->session;
	const char *why = json_is_object(d->tables) ? NULL : "not the contents of tables";
	struct ovsdb_replica r;

	open_replica(L, d->db, &r);
	ovsdb_sink_select(&r.sink, NULL);
	emit_flag(&r.sink, "connected");
	ovsdb_replica_prune(&r);
	for (size_t i = 0; !why && i < r.schema->table_count; i++) {
		const struct ovsdb_table *t = &r.schema->tables[i];

		if (ovsdb_session_monitors(s, t->name))
			why = ovsdb_replica_contents(&r, t, json_object_get(d->tables, t->name));
	}
	note_fault(d->db, &r, why);
	return 0;
}

static int l_deliver_lost(lua_State *L)
{
	struct delivery *d = lua_touserdata(L, 2);
	struct ovsdb_sink sink;

	ovsdb_sink_open(L, &sink, &d->db->watches);
	ovsdb_sink_select(&sink, NULL);
	lua_createtable(L, 0, 2);
	lua_pushboolean(L, true);
	lua_setfield(L, -2, "lost");
	lua_pushstring(L, d->db->session.reason);
	lua_setfield(L, -2, "reason");
	ovsdb_sink_emit(&sink);
	return 0;
}

static int l_deliver_lock(lua_State *L)
{
	struct delivery *d = lua_touserdata(L, 2);
	struct ovsdb_sink sink;

	ovsdb_sink_open(L, &sink, &d->db->watches);
	ovsdb_sink_select(&sink, NULL);
	lua_createtable(L, 0, 2);
	lua_pushstring(L, d->lock);
	lua_setfield(L, -2, "lock");
	lua_pushboolean(L, d->owned);
	lua_setfield(L, -2, "owned");
	ovsdb_sink_emit(&sink);
	return 0;
}

static const char *on_contents(struct ovsdb_session *s, json_t *tables)
{
	struct db *db = (struct db *)s;
	struct delivery d = { .tables = tables };

	if (!deliver(db, l_deliver_contents, &d))
		return db->why;
	wait_done(&db->connecting);
	return NULL;
}

static const char *on_update(struct ovsdb_session *s, json_t *tables)
{
	struct db *db = (struct db *)s;
	struct delivery d = { .tables = tables };

	return deliver(db, l_deliver_update, &d) ? NULL : db->why;
}

static void on_lost(struct ovsdb_session *s)
{
	struct db *db = (struct db *)s;
	struct delivery d = { 0 };

	deliver(db, l_deliver_lost, &d);
	wait_done(&db->connecting);
	if (s->state == OVSDB_CLOSED)	/* for good: nothing will happen any more */
		ovsdb_watch_close_all(&db->watches);
}

static void on_lock(struct ovsdb_session *s, const char *name, bool owned)
{
	struct delivery d = { .lock = name, .owned = owned };

	deliver((struct db *)s, l_deliver_lock, &d);
}

const struct ovsdb_events ovsdb_handle_events = {
	.contents = on_contents,
	.update = on_update,
	.lost = on_lost,
	.lock = on_lock,
};
