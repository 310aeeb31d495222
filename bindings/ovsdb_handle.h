/* The database handle of Lua, shared by ovsdb.c, ovsdb_deliver.c and ovsdb_request.c;
 * nobody else includes it. */
#ifndef NERV_BINDINGS_OVSDB_HANDLE_H
#define NERV_BINDINGS_OVSDB_HANDLE_H

#include <lua.h>
#include <stdbool.h>

#include "bindings/ovsdb_session.h"
#include "bindings/ovsdb_watch.h"
#include "shell/task.h"

struct runtime;

/* User values of a handle: the replica, the watch behind db:changes(), the indexes of ovsdb_index.h. */
enum { OVSDB_VALUE_ROWS = 1, OVSDB_VALUE_WATCH, OVSDB_VALUE_INDEXES };

/* A full userdata. */
struct db {
	struct ovsdb_session session;	/* first: the session's callbacks cast back */
	struct runtime *rt;
	struct wait connecting;
	struct ovsdb_watch *watches;
	bool open;		/* from the end of connect() to close() */
	char why[200];		/* what is wrong with the notification under way */
};

/* The handle at index 1; raises when it is closed. */
struct db *ovsdb_check_open(lua_State *L);

/* Pushes nil, `text`, `code`; returns 3. */
int ovsdb_fail(lua_State *L, const char *code, const char *text);

/* Makes the class of calls under way; once for each Lua state. */
void ovsdb_request_init(lua_State *L);

/* How a handle's session reports. All of it runs in the main state, protected. */
extern const struct ovsdb_events ovsdb_handle_events;

/* Methods of the handle. */
int ovsdb_l_transact(lua_State *L);
int ovsdb_l_lock(lua_State *L);
int ovsdb_l_unlock(lua_State *L);
int ovsdb_l_has_lock(lua_State *L);

#endif
