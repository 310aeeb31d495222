/* Watches: queues of events about a database handle, for any number of readers.
 *
 * A watch is a full userdata that sits in the list of its handle; its user values are
 * the handle (which it keeps alive), the queue, and the set of table names that it
 * wants (nil: all). Events are plain tables, shared by all watches that take them.
 *
 * Nothing in C keeps a watch or a handle alive. A callback of the loop that has only
 * the pointer gets the userdata from a weak table (ovsdb_live_get) and holds it on the
 * stack while it works: then no collection in between can take it away.
 */
#ifndef NERV_BINDINGS_OVSDB_WATCH_H
#define NERV_BINDINGS_OVSDB_WATCH_H

#include <lua.h>
#include <stdbool.h>

/* How the examples of handles and watches begin: with the database of a lab. */
#define OVSDB_EXAMPLE \
	"local db <close> = assert(ovsdb.connect { remote = lab.connection().hello.db, database = \"NERV\" })\n"

struct ovsdb_watch_waiter;

struct ovsdb_watch {
	struct ovsdb_watch *next;
	struct ovsdb_watch **list;	/* of the handle; NULL: closed, or the handle is */
	struct ovsdb_watch_waiter *waiters;
	lua_Integer head, tail;		/* events are at head + 1 ... tail of the queue */
	bool match;			/* see ovsdb_sink_select() */
};

/* Makes the class; once for each Lua state. */
void ovsdb_watch_init(lua_State *L);

/* Remembers the full userdata at `idx` under its address. */
void ovsdb_live_set(lua_State *L, int idx);

/* Pushes the userdata of that address. False (nothing is pushed) when it is gone or is
 * about to be finalised. */
bool ovsdb_live_get(lua_State *L, const void *address);

/* Pushes a new watch in `list` on the handle at `handle`; `tables` is the index of a set
 * {name = true}, or 0 for all. */
void ovsdb_watch_open(lua_State *L, struct ovsdb_watch **list, int handle, int tables);

/* Waits for events of the watch at `idx`: the oldest one, or with `all` an array of all.
 * Negative `seconds`: for ever. Call as `return ovsdb_watch_wait(...);`. */
int ovsdb_watch_wait(lua_State *L, int idx, double seconds, bool all);

/* Resumes the readers of watches that have events or are closed. */
void ovsdb_watch_wake(struct ovsdb_watch *list);

/* The handle closes: readers get what is queued, then "closed". */
void ovsdb_watch_close_all(struct ovsdb_watch **list);

/* Where events of one notification go: the watches of a list, held on the stack. */
struct ovsdb_sink {
	lua_State *L;
	int targets;	/* stack index of an array of watches */
	int count;
	bool wanted;	/* whether a watch takes events of the selected table */
};

/* Pushes one value, which stays until the sink is done with. */
void ovsdb_sink_open(lua_State *L, struct ovsdb_sink *sink, struct ovsdb_watch **list);

/* The events that follow are about `table`; NULL: about the connection, for all. */
void ovsdb_sink_select(struct ovsdb_sink *sink, const char *table);

/* Queues the event on top of the stack and pops it. */
void ovsdb_sink_emit(struct ovsdb_sink *sink);

#endif
