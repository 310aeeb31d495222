/* The methods that ask the server something: transact, lock, unlock. */
#include "bindings/ovsdb_handle.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "bindings/ovsdb_transact.h"
#include "bindings/ovsdb_value.h"
#include "shell/registry.h"

static const char request_class[] = "ovsdb.request";

/* A call of a task, on its stack. */
struct request {
	struct wait wait;
	struct ovsdb_call call;
	struct ovsdb_schema *schema;
	json_t *params;		/* of a transaction: the database and the operations */
	lua_Integer next;	/* operation to encode */
	double wait_time;	/* that the operations may take, in seconds */
};

int ovsdb_fail(lua_State *L, const char *code, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text);
	lua_pushstring(L, code);
	return 3;
}

struct db *ovsdb_check_open(lua_State *L)
{
	struct db *db = lua_touserdata(L, 1);

	if (!db->open)
		nerv_error(L, "ovsdb: this connection is closed");
	return db;
}

static void request_done(struct ovsdb_call *call)
{
	struct request *r = (struct request *)((char *)call - offsetof(struct request, call));

	wait_done(&r->wait);
}

static void clear_request(struct request *r)
{
	ovsdb_call_clear(&r->call);
	json_decref(r->params);
	r->params = NULL;
	ovsdb_schema_unref(r->schema);
	r->schema = NULL;
}

static void cancel_request(struct wait *w)
{
	clear_request((struct request *)w);
}

static int l_destroy_request(lua_State *L)
{
	clear_request(luaL_checkudata(L, 1, request_class));
	return 0;
}

static struct request *new_request(lua_State *L)
{
	struct request *r = lua_newuserdatauv(L, sizeof(*r), 0);

	memset(r, 0, sizeof(*r));
	r->wait.cancel = cancel_request;
	r->call.done = request_done;
	luaL_setmetatable(L, request_class);
	return r;
}

/* The call could not be sent, or ended without an answer. */
static int request_failed(lua_State *L, const struct db *db, const char *what, int err)
{
	if (err == -ETIMEDOUT) {
		lua_pushfstring(L, "%s: no answer in time", what);
		return ovsdb_fail(L, "timeout", lua_tostring(L, -1));
	}
	if (err == -ENOTCONN || err == -ECONNRESET) {
		lua_pushfstring(L, "%s: not connected%s%s", what, db->session.reason[0] ? ": " : "",
				db->session.reason);
		return ovsdb_fail(L, "closed", lua_tostring(L, -1));
	}
	return nerv_fail(L, err, "%s", what);
}

/* The server's error; `index` is the operation's, or 0. */
static int server_failed(lua_State *L, const char *what, json_t *error, size_t index)
{
	json_t *code = json_is_object(error) ? json_object_get(error, "error") : error;
	const char *text = json_is_string(code) ? json_string_value(code) : "error";
	const char *details = json_string_value(json_object_get(error, "details"));
	int n;

	if (index)
		lua_pushfstring(L, "%s: operation %d: %s%s%s", what, (int)index, text, details ? ": " : "",
				details ? details : "");
	else
		lua_pushfstring(L, "%s: %s%s%s", what, text, details ? ": " : "", details ? details : "");
	n = ovsdb_fail(L, text, lua_tostring(L, -1));
	if (!index)
		return n;
	lua_pushinteger(L, (lua_Integer)index);
	return n + 1;
}

static int bad_results(lua_State *L, struct db *db, const char *what, const char *why)
{
	lua_pushfstring(L, "the server sent bad results: %s", why);
	ovsdb_session_doom(&db->session, lua_tostring(L, -1));
	lua_pushfstring(L, "%s: %s", what, lua_tostring(L, -1));
	return ovsdb_fail(L, "EPROTO", lua_tostring(L, -1));
}

static int push_outcome(lua_State *L, struct db *db, struct request *r)
{
	const char *what = lua_pushfstring(L, "transact on \"%s\"", r->schema->name);
	const char *why;
	json_t *error;
	size_t index = 0;

	if (r->call.err)
		return request_failed(L, db, what, r->call.err);
	if (r->call.error)
		return server_failed(L, what, r->call.error, 0);
	error = ovsdb_result_error(r->call.result, r->params, &index);
	if (error)
		return server_failed(L, what, error, index);
	why = ovsdb_push_results(L, r->schema, r->params, r->call.result);
	return why ? bad_results(L, db, what, why) : 1;
}

static int finish_transact(lua_State *L, int status, lua_KContext ctx)
{
	struct request *r = lua_touserdata(L, (int)ctx);
	int n = push_outcome(L, lua_touserdata(L, 1), r);

	(void)status;
	clear_request(r);
	return n;
}

static int send_transact(lua_State *L, struct db *db, struct request *r, int at)
{
	int err;

	r->call.cancellable = true;
	err = ovsdb_session_call(&db->session, &r->call, "transact", r->params, db->session.timeout + r->wait_time);
	if (err) {
		r->call.err = err;
		return finish_transact(L, LUA_OK, at);
	}
	return task_wait(L, &r->wait, at, finish_transact);
}

/* A long transaction must not stop the loop: some operations in each of its passes. */
static int encode_transact(lua_State *L, int status, lua_KContext ctx)
{
	struct request *r = lua_touserdata(L, (int)ctx);
	double wait = ovsdb_encode_operations(L, 2, r->schema, r->params, &r->next);

	(void)status;
	if (wait > r->wait_time)
		r->wait_time = wait;
	if (r->next)
		return task_breathe(L, ctx, encode_transact);
	task_check_wait(L);
	return send_transact(L, ovsdb_check_open(L), r, (int)ctx);
}

int ovsdb_l_transact(lua_State *L)
{
	struct db *db = ovsdb_check_open(L);
	struct request *r = new_request(L);

	r->schema = ovsdb_schema_ref(db->session.schema);
	r->params = json_pack("[s]", r->schema->name);
	r->next = 1;
	if (!r->params)
		return luaL_error(L, "out of memory");
	return encode_transact(L, LUA_OK, lua_gettop(L));
}

static const char *lock_argument(lua_State *L)
{
	const char *name = lua_tostring(L, 2);

	if (!ovsdb_is_id(name))
		nerv_error(L, "ovsdb: \"%s\" is no name of a lock: letters, digits and '_', no digit first", name);
	return name;
}

static int push_owned(lua_State *L, struct db *db)
{
	lua_pushboolean(L, ovsdb_session_owns(&db->session, lua_tostring(L, 2)));
	return 1;
}

static int finish_lock(lua_State *L, int status, lua_KContext ctx)
{
	struct request *r = lua_touserdata(L, (int)ctx);
	struct db *db = lua_touserdata(L, 1);
	const char *what = lua_pushfstring(L, "lock \"%s\"", lua_tostring(L, 2));

	(void)status;
	if (r->call.err)
		return request_failed(L, db, what, r->call.err);
	if (r->call.error)
		return server_failed(L, what, r->call.error, 0);
	return push_owned(L, db);
}

int ovsdb_l_lock(lua_State *L)
{
	struct db *db = ovsdb_check_open(L);
	struct request *r = new_request(L);
	const char *name = lock_argument(L);
	int at = lua_gettop(L), err;

	if (!lua_isyieldable(L))
		return task_wait(L, &r->wait, at, finish_lock);
	err = ovsdb_session_lock(&db->session, &r->call, name);
	if (err == -EALREADY || (err == -ENOTCONN && db->session.state != OVSDB_CLOSED))
		return push_owned(L, db);
	if (err)
		return request_failed(L, db, "lock", err);
	return task_wait(L, &r->wait, at, finish_lock);
}

static int finish_unlock(lua_State *L, int status, lua_KContext ctx)
{
	struct request *r = lua_touserdata(L, (int)ctx);

	(void)status;
	if (r->call.error)
		return server_failed(L, "unlock", r->call.error, 0);
	/* A connection that ended gave the lock up as well. */
	if (r->call.err && r->call.err != -ECONNRESET)
		return request_failed(L, lua_touserdata(L, 1), "unlock", r->call.err);
	lua_pushboolean(L, true);
	return 1;
}

int ovsdb_l_unlock(lua_State *L)
{
	struct db *db = ovsdb_check_open(L);
	struct request *r = new_request(L);
	const char *name = lock_argument(L);
	int at = lua_gettop(L), err;

	if (!lua_isyieldable(L))
		return task_wait(L, &r->wait, at, finish_unlock);
	err = ovsdb_session_unlock(&db->session, &r->call, name);
	if (err == -ENOENT || err == -ENOTCONN) {
		lua_pushboolean(L, true);
		return 1;
	}
	if (err)
		return request_failed(L, db, "unlock", err);
	return task_wait(L, &r->wait, at, finish_unlock);
}

int ovsdb_l_has_lock(lua_State *L)
{
	return push_owned(L, lua_touserdata(L, 1));
}

void ovsdb_request_init(lua_State *L)
{
	registry_class(L, request_class, NULL, NULL, l_destroy_request);
}
