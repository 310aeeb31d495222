/* The Lua module `ovsdb`: database handles. */
#include "bindings/ovsdb_handle.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/ovsdb_index.h"
#include "bindings/ovsdb_value.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char db_class[] = "ovsdb";

static void close_db(struct db *db)
{
	if (db->open)
		snprintf(db->session.reason, sizeof(db->session.reason), "closed on this side");
	db->open = false;
	ovsdb_session_close(&db->session);
	ovsdb_watch_close_all(&db->watches);
	wait_done(&db->connecting);
}

static int l_close(lua_State *L)
{
	close_db(luaL_checkudata(L, 1, db_class));
	return 0;
}

static void cancel_connecting(struct wait *w)
{
	struct db *db = (struct db *)((char *)w - offsetof(struct db, connecting));

	close_db(db);
}

/* An unknown table in the options of connect() is the caller's mistake. */
static void check_tables(lua_State *L, const struct ovsdb_session *s)
{
	const char *name, *near;

	if (strcmp(s->code, OVSDB_UNKNOWN_TABLE) != 0)
		return;
	name = ovsdb_session_missing_table(s);
	near = nearest_name(name, s->schema->table_names);
	nerv_error(L, near ? "ovsdb.connect: database \"%s\" has no table \"%s\"; the nearest is \"%s\""
			   : "ovsdb.connect: database \"%s\" has no table \"%s\"",
		   s->database, name, near);
}

static int connect_failed(lua_State *L, struct db *db)
{
	const struct ovsdb_session *s = &db->session;
	const char *remote = field_string(L, 1, "remote", "");

	lua_pushfstring(L, "connect to %s: %s", remote, s->reason);
	return ovsdb_fail(L, s->code[0] ? s->code : errno_name(s->err), lua_tostring(L, -1));
}

static int finish_connect(lua_State *L, int status, lua_KContext ctx)
{
	struct db *db = lua_touserdata(L, (int)ctx);
	int n;

	(void)status;
	if (db->session.state == OVSDB_READY) {
		db->open = true;
		lua_pushvalue(L, (int)ctx);
		return 1;
	}
	check_tables(L, &db->session);
	n = connect_failed(L, db);
	close_db(db);
	return n;
}

/* The names in the array at `idx`, NULL-terminated, in a userdata that is pushed. */
static const char **list_tables(lua_State *L, int idx)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
	const char **names = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(*names), 0);

	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_rawgeti(L, idx, i) != LUA_TSTRING)
			nerv_error(L, "ovsdb.connect: 'tables' must be an array of names");
		names[i - 1] = lua_tostring(L, -1);	/* the array keeps it */
		lua_pop(L, 1);
	}
	names[n] = NULL;
	return names;
}

static void read_options(lua_State *L, struct ovsdb_options *o)
{
	int err;

	o->remote = field_string(L, 1, "remote", "");
	o->database = field_string(L, 1, "database", "");
	o->timeout = field_number(L, 1, "timeout", 10);
	o->probe = field_number(L, 1, "probe", 5);
	o->reconnect = field_boolean(L, 1, "reconnect", true);
	if (!(o->timeout > 0) || !(o->probe >= 0))
		nerv_error(L, "ovsdb.connect: 'timeout' must be above 0, 'probe' 0 or more");
	if (!ovsdb_is_id(o->database))
		nerv_error(L, "ovsdb.connect: \"%s\" is no name of a database: letters, digits and '_', no digit first",
			   o->database);
	err = ovsdb_remote_check(o->remote);
	if (err == -EINVAL)
		nerv_error(L, "ovsdb.connect: \"%s\" is no remote; give \"unix:PATH\", or \"tcp:ADDRESS:PORT\" or "
			   "\"ssl:ADDRESS:PORT\" with a numeric address",
			   o->remote);
	if (err)
		nerv_error(L, "ovsdb.connect: the path in \"%s\" is longer than the 107 bytes that a socket's may have",
			   o->remote);
	if (lua_getfield(L, 1, "tls") == LUA_TTABLE) {
		o->tls.ca = field_string(L, -1, "ca", NULL);
		o->tls.certificate = field_string(L, -1, "certificate", NULL);
		o->tls.key = field_string(L, -1, "key", NULL);
	} else if (!strncmp(o->remote, "ssl:", 4)) {
		nerv_error(L, "ovsdb.connect: \"%s\" needs the option 'tls'", o->remote);
	}
	if (field_present(L, 1, "tables")) {
		lua_getfield(L, 1, "tables");
		o->tables = list_tables(L, lua_gettop(L));
	}
}

/* Pushes a closed handle. */
static struct db *new_db(lua_State *L)
{
	struct db *db = lua_newuserdatauv(L, sizeof(*db), 3);

	memset(db, 0, sizeof(*db));
	ovsdb_session_init(&db->session, &ovsdb_handle_events);
	db->rt = runtime_of(L);
	db->connecting.cancel = cancel_connecting;
	luaL_setmetatable(L, db_class);
	lua_newtable(L);
	lua_setiuservalue(L, -2, OVSDB_VALUE_ROWS);
	lua_newtable(L);
	lua_setiuservalue(L, -2, OVSDB_VALUE_INDEXES);
	ovsdb_live_set(L, -1);
	return db;
}

static int l_connect(lua_State *L)
{
	struct ovsdb_options o = { 0 };
	struct db *db;
	int n;

	read_options(L, &o);
	db = new_db(L);
	if (lua_isyieldable(L) && ovsdb_session_open(&db->session, db->rt->loop, &o)) {
		n = connect_failed(L, db);
		close_db(db);
		return n;
	}
	return task_wait(L, &db->connecting, lua_gettop(L), finish_connect);
}

static int l_connected(lua_State *L)
{
	struct db *db = lua_touserdata(L, 1);

	if (db->session.state == OVSDB_READY) {
		lua_pushboolean(L, true);
		return 1;
	}
	lua_pushboolean(L, false);
	lua_pushstring(L, db->session.reason[0] ? db->session.reason : "closed");
	lua_pushstring(L, db->open && db->session.err == -ETIMEDOUT ? "timeout" : "closed");
	return 3;
}

/* Pushes the set of the names in the array at `idx`. */
static void push_table_set(lua_State *L, struct db *db, int idx)
{
	const struct ovsdb_schema *schema = db->session.schema;
	lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
	const char *name, *near;

	lua_newtable(L);
	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_rawgeti(L, idx, i) != LUA_TSTRING)
			nerv_error(L, "watch: give an array of names of tables");
		name = lua_tostring(L, -1);
		near = ovsdb_schema_table(schema, name) ? NULL : nearest_name(name, schema->table_names);
		if (near)
			nerv_error(L, "watch: database \"%s\" has no table \"%s\"; the nearest is \"%s\"",
				   schema->name, name, near);
		if (!ovsdb_schema_table(schema, name) || !ovsdb_session_monitors(&db->session, name))
			nerv_error(L, "watch: table \"%s\" is not monitored by this connection", name);
		lua_pushboolean(L, true);
		lua_rawset(L, -3);
	}
}

static int l_watch(lua_State *L)
{
	struct db *db = ovsdb_check_open(L);
	int tables = 0;

	if (!lua_isnoneornil(L, 2)) {
		push_table_set(L, db, 2);
		tables = lua_gettop(L);
	}
	ovsdb_watch_open(L, &db->watches, 1, tables);
	return 1;
}

static int l_changes(lua_State *L)
{
	struct db *db = ovsdb_check_open(L);

	lua_settop(L, 1);
	if (lua_getiuservalue(L, 1, OVSDB_VALUE_WATCH) == LUA_TNIL) {
		ovsdb_watch_open(L, &db->watches, 1, 0);
		lua_pushvalue(L, -1);
		lua_setiuservalue(L, 1, OVSDB_VALUE_WATCH);
	}
	return ovsdb_watch_wait(L, lua_gettop(L), -1, true);
}

static int l_by(lua_State *L)
{
	const struct db *db = ovsdb_check_open(L);
	const char *name = lua_tostring(L, 2);
	const struct ovsdb_table *t = db->session.schema ? ovsdb_schema_table(db->session.schema, name) : NULL;
	int n = (int)lua_rawlen(L, 3);

	if (!t)
		return nerv_error(L, "ovsdb:by: there is no table \"%s\"", name);
	lua_settop(L, 3);
	lua_createtable(L, n, 0);	/* nobody else has it */
	for (int i = 1; i <= n; i++) {
		if (lua_rawgeti(L, 3, i) != LUA_TSTRING || !ovsdb_schema_column(t, lua_tostring(L, -1)))
			return nerv_error(L, "ovsdb:by: item %d of columns is no column of table \"%s\"", i, name);
		lua_rawseti(L, 4, i);
	}
	lua_getiuservalue(L, 1, OVSDB_VALUE_INDEXES);
	lua_getiuservalue(L, 1, OVSDB_VALUE_ROWS);
	ovsdb_index_open(L, 5, 6, name, 4);
	return 1;
}

static int l_tostring(lua_State *L)
{
	struct db *db = luaL_checkudata(L, 1, db_class);

	if (!db->open)
		lua_pushliteral(L, "ovsdb (closed)");
	else
		lua_pushfstring(L, "ovsdb %s at %s (%s)", db->session.database, db->session.remote,
				db->session.state == OVSDB_READY ? "connected" : "not connected");
	return 1;
}

/* Upvalue: the table of methods. */
static int l_index(lua_State *L)
{
	if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "rows") == 0)
		lua_getiuservalue(L, 1, OVSDB_VALUE_ROWS);
	else
		lua_rawget(L, lua_upvalueindex(1));
	return 1;
}

static int l_named(lua_State *L)
{
	const char *name = lua_tostring(L, 1);

	if (!ovsdb_is_id(name))
		return nerv_error(L, "ovsdb.named: \"%s\" is no name: letters, digits and '_', no digit first", name);
	lua_pushfstring(L, "@%s", name);
	return 1;
}

static const struct arg lock_args[] = {
	{ "name", ARG_STRING, true, "name of the lock: letters, digits and '_'", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "transact", ovsdb_l_transact,
	  (const struct arg[]){
		  { "operations", ARG_TABLE, true,
		    "array of { op = \"insert\", table = ..., row = ... } and the like (RFC 7047 section 5.2; times in seconds)",
		    NULL },
		  { 0 } },
	  "runs operations as one transaction; returns an array of results, or nil, a message, the server's error "
	  "and the number of the operation that failed",
	  OVSDB_EXAMPLE
	  "local results = assert(db:transact { { op = \"select\", table = \"Node\", where = {}, columns = { \"name\" } } })\n"
	  "for _, row in ipairs(results[1].rows) do print(row.name) end" },
	{ "watch", l_watch,
	  (const struct arg[]){
		  { "tables", ARG_TABLE, false, "array of names; by default all monitored tables", NULL },
		  { 0 } },
	  "returns a queue of what changes from now on",
	  OVSDB_EXAMPLE
	  "local watch <close> = db:watch { \"Network\" }\n"
	  "blue:update { mtu = 1400 }\n"
	  "local event = watch:next()\n"
	  "print(event.table, event.new.options)" },
	{ "changes", l_changes, NULL,
	  "waits for changes and returns an array of all since the last call; the first call begins to watch",
	  OVSDB_EXAMPLE
	  "local changes = task.spawn(db.changes, db)\n"
	  "task.sleep(0)\n"
	  "blue:update { mtu = 1400 }\n"
	  "print(#changes:wait())" },
	{ "lock", ovsdb_l_lock, lock_args,
	  "asks for a lock, now and after each reconnect; returns whether it is owned already",
	  OVSDB_EXAMPLE
	  "print(db:lock \"example\")\n"
	  "db:unlock \"example\"" },
	{ "unlock", ovsdb_l_unlock, lock_args, "gives a lock up, or no longer waits for it; returns true",
	  OVSDB_EXAMPLE
	  "db:lock \"example\"\n"
	  "assert(db:unlock \"example\")" },
	{ "has_lock", ovsdb_l_has_lock, lock_args, "returns whether the lock is owned at the moment",
	  OVSDB_EXAMPLE
	  "db:lock \"example\"\n"
	  "print(db:has_lock \"example\")" },
	{ "by", l_by,
	  (const struct arg[]){
		  { "table", ARG_STRING, true, "name of a monitored table", NULL },
		  { "columns", ARG_TABLE, true, "array of names of its columns whose values are texts", NULL },
		  { 0 } },
	  "returns rows by the values of columns, these joined by \"\\0\": a table { [values] = { [uuid] = row } } that follows "
	  "`rows` by itself; the same one each time",
	  OVSDB_EXAMPLE
	  "local by_name = db:by(\"Node\", { \"name\" })\n"
	  "print(next(by_name[lab.here()]))" },
	{ "connected", l_connected, NULL,
	  "returns true; or false, the reason, and \"timeout\" when the server is there and does not answer, else \"closed\"",
	  OVSDB_EXAMPLE
	  "print(db:connected())" },
	{ "close", l_close, NULL, "ends the connection; calls under way return nil, a message and \"closed\"" },
	{ 0 }
};

static int init(lua_State *L)
{
	registry_class(L, db_class, "a connection to an OVSDB database; it reconnects by itself", methods, l_close);
	ovsdb_request_init(L);
	luaL_getmetatable(L, db_class);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_getfield(L, -1, "__index");
	lua_pushcclosure(L, l_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	ovsdb_watch_init(L);
	return 1;
}

static const struct arg tls_fields[] = {
	{ "ca", ARG_STRING, true, "certificates of the authority, PEM", NULL },
	{ "certificate", ARG_STRING, true, "our certificate, PEM", NULL },
	{ "key", ARG_STRING, true, "its private key, PEM", NULL },
	{ 0 }
};

static const struct arg connect_fields[] = {
	{ "remote", ARG_STRING, true,
	  "\"unix:PATH\", \"tcp:127.0.0.1:6640\", \"tcp:[::1]:6640\", or with TLS \"ssl:...\"", NULL },
	{ "tls", ARG_TABLE, false, "files for \"ssl:\"", tls_fields },
	{ "database", ARG_STRING, true, "name of the database", NULL },
	{ "tables", ARG_TABLE, false, "array of the tables to keep in `rows`; by default all", NULL },
	{ "timeout", ARG_NUMBER, false, "seconds that a connect or a call may take; default 10", NULL },
	{ "reconnect", ARG_BOOLEAN, false, "connect again when the connection is lost; default true", NULL },
	{ "probe", ARG_NUMBER, false,
	  "seconds of silence before the server is asked whether it lives; 0: never; default 5", NULL },
	{ 0 }
};

static const struct fn functions[] = {
	{ "connect", l_connect,
	  (const struct arg[]){
		  { "options", ARG_TABLE, true, "server, database and limits", connect_fields },
		  { 0 } },
	  "connects to an OVSDB server; returns a handle whose `rows` holds the monitored tables",
	  OVSDB_EXAMPLE
	  "for _, row in pairs(db.rows.Network) do print(row.name) end" },
	{ "named", l_named,
	  (const struct arg[]){
		  { "name", ARG_STRING, true, "the uuid_name of an insert of the same transaction", NULL },
		  { 0 } },
	  "returns the string that stands for that row's uuid",
	  "print(ovsdb.named \"row1\")  -- in another operation: the row that has uuid_name = \"row1\"" },
	{ 0 }
};

NERV_MODULE(ovsdb, .name = "ovsdb", .text = "client of OVSDB databases (RFC 7047)",
	    .functions = functions, .init = init);
