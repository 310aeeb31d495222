/* Queues of events and those who wait for them. */
#include "bindings/ovsdb_watch.h"

#include <ev.h>
#include <lauxlib.h>
#include <string.h>

#include "bindings/ovsdb_timing.h"
#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/task.h"

static const char watch_class[] = "ovsdb.watch";
static const char waiter_class[] = "ovsdb.waiter";
static const char live_key[] = "ovsdb.live";

enum { VALUE_HANDLE = 1, VALUE_QUEUE, VALUE_TABLES };

/* A task that waits for events. */
struct ovsdb_watch_waiter {
	struct wait wait;
	struct ovsdb_watch_waiter *next;
	struct ovsdb_watch *watch;	/* on the waiting function's stack; NULL: not in its list */
	struct ev_loop *loop;
	struct ev_timer timer;
	int idx;			/* of the watch on the stack */
	double ends;			/* ovsdb_now() at its time limit; 0: none */
	bool all;
	bool expired;
};

void ovsdb_live_set(lua_State *L, int idx)
{
	idx = lua_absindex(L, idx);
	if (!luaL_getsubtable(L, LUA_REGISTRYINDEX, live_key)) {
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "v");
		lua_setfield(L, -2, "__mode");
		lua_setmetatable(L, -2);
	}
	lua_pushvalue(L, idx);
	lua_rawsetp(L, -2, lua_touserdata(L, idx));
	lua_pop(L, 1);
}

bool ovsdb_live_get(lua_State *L, const void *address)
{
	lua_getfield(L, LUA_REGISTRYINDEX, live_key);
	if (lua_rawgetp(L, -1, address) == LUA_TNIL) {
		lua_pop(L, 2);
		return false;
	}
	lua_remove(L, -2);
	return true;
}

void ovsdb_watch_open(lua_State *L, struct ovsdb_watch **list, int handle, int tables)
{
	struct ovsdb_watch *w;

	handle = lua_absindex(L, handle);
	tables = tables ? lua_absindex(L, tables) : 0;
	w = lua_newuserdatauv(L, sizeof(*w), 3);
	memset(w, 0, sizeof(*w));
	luaL_setmetatable(L, watch_class);
	lua_pushvalue(L, handle);
	lua_setiuservalue(L, -2, VALUE_HANDLE);
	lua_newtable(L);
	lua_setiuservalue(L, -2, VALUE_QUEUE);
	if (tables) {
		lua_pushvalue(L, tables);
		lua_setiuservalue(L, -2, VALUE_TABLES);
	}
	ovsdb_live_set(L, -1);
	w->next = *list;
	w->list = list;
	*list = w;
}

static void forget_waiter(struct ovsdb_watch_waiter *waiter)
{
	struct ovsdb_watch_waiter **link;

	ev_timer_stop(waiter->loop, &waiter->timer);
	if (!waiter->watch)
		return;
	link = &waiter->watch->waiters;
	while (*link != waiter)
		link = &(*link)->next;
	*link = waiter->next;
	waiter->watch = NULL;
}

static void wake_waiters(struct ovsdb_watch *w)
{
	struct ovsdb_watch_waiter *waiter;

	while ((waiter = w->waiters)) {
		forget_waiter(waiter);
		wait_done(&waiter->wait);
	}
}

static void close_watch(struct ovsdb_watch *w)
{
	struct ovsdb_watch **link = w->list;

	if (!link)
		return;
	while (*link != w)
		link = &(*link)->next;
	*link = w->next;
	w->list = NULL;
	w->next = NULL;
	wake_waiters(w);
}

void ovsdb_watch_close_all(struct ovsdb_watch **list)
{
	while (*list)
		close_watch(*list);
}

void ovsdb_watch_wake(struct ovsdb_watch *list)
{
	for (; list; list = list->next) {
		if (list->head < list->tail)
			wake_waiters(list);
	}
}

void ovsdb_sink_open(lua_State *L, struct ovsdb_sink *sink, struct ovsdb_watch **list)
{
	struct ovsdb_watch *w;
	int n = 0;

	for (w = *list; w; w = w->next)
		n++;
	sink->L = L;
	sink->count = 0;
	sink->wanted = false;
	luaL_checkstack(L, 8, "events");
	lua_createtable(L, n, 0);
	sink->targets = lua_gettop(L);
	/* Nothing is allocated from here on, so no finalizer runs that changes the list. */
	for (w = *list; w && sink->count < n; w = w->next) {
		if (ovsdb_live_get(L, w))
			lua_rawseti(L, sink->targets, ++sink->count);
	}
}

void ovsdb_sink_select(struct ovsdb_sink *sink, const char *table)
{
	lua_State *L = sink->L;
	int top = lua_gettop(L);

	sink->wanted = false;
	for (int i = 1; i <= sink->count; i++) {
		struct ovsdb_watch *w;

		lua_rawgeti(L, sink->targets, i);
		w = lua_touserdata(L, -1);
		w->match = w->list;
		if (w->match && table && lua_getiuservalue(L, -1, VALUE_TABLES) == LUA_TTABLE)
			w->match = lua_getfield(L, -1, table) != LUA_TNIL;
		sink->wanted = sink->wanted || w->match;
		lua_settop(L, top);
	}
}

void ovsdb_sink_emit(struct ovsdb_sink *sink)
{
	lua_State *L = sink->L;

	for (int i = 1; i <= sink->count; i++) {
		struct ovsdb_watch *w;

		lua_rawgeti(L, sink->targets, i);
		w = lua_touserdata(L, -1);
		if (w->match) {
			lua_getiuservalue(L, -1, VALUE_QUEUE);
			lua_pushvalue(L, -3);
			lua_rawseti(L, -2, w->tail + 1);
			w->tail++;
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Pushes the oldest event. */
static void push_first(lua_State *L, int idx, struct ovsdb_watch *w)
{
	lua_getiuservalue(L, idx, VALUE_QUEUE);
	lua_rawgeti(L, -1, ++w->head);
	lua_pushnil(L);
	lua_rawseti(L, -3, w->head);
	if (w->head == w->tail)
		w->head = w->tail = 0;
}

/* Pushes an array of all events: most often the queue itself, which a new one follows. */
static void push_all(lua_State *L, int idx, struct ovsdb_watch *w)
{
	lua_Integer n = w->tail - w->head;

	lua_newtable(L);
	lua_getiuservalue(L, idx, VALUE_QUEUE);
	if (w->head == 0) {
		lua_insert(L, -2);
		lua_setiuservalue(L, idx, VALUE_QUEUE);
	} else {
		for (lua_Integer i = 1; i <= n; i++) {
			lua_rawgeti(L, -1, w->head + i);
			lua_rawseti(L, -3, i);
		}
		lua_pop(L, 1);
		lua_newtable(L);
		lua_setiuservalue(L, idx, VALUE_QUEUE);
	}
	w->head = w->tail = 0;
}

static void on_expired(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct ovsdb_watch_waiter *waiter = timer->data;

	(void)loop;
	(void)revents;
	waiter->expired = true;
	forget_waiter(waiter);
	wait_done(&waiter->wait);
}

static void cancel_waiter(struct wait *wait)
{
	forget_waiter((struct ovsdb_watch_waiter *)wait);
}

static int push_failure(lua_State *L, const char *why, const char *code)
{
	lua_pushnil(L);
	lua_pushfstring(L, "watch: %s", why);
	lua_pushstring(L, code);
	return 3;
}

/* What is there now, or on to the next wait. Another task may have taken the event that
 * this one was woken for. */
static int look(lua_State *L, int status, lua_KContext ctx)
{
	struct ovsdb_watch_waiter *waiter = lua_touserdata(L, (int)ctx);
	struct ovsdb_watch *w = lua_touserdata(L, waiter->idx);

	(void)status;
	if (w->head < w->tail) {
		(waiter->all ? push_all : push_first)(L, waiter->idx, w);
		return 1;
	}
	if (!w->list)
		return push_failure(L, "it is closed", "closed");
	if (waiter->expired)
		return push_failure(L, "nothing happened in time", "timeout");
	waiter->watch = w;
	waiter->next = w->waiters;
	w->waiters = waiter;
	if (waiter->ends > 0) {
		double left = waiter->ends - ovsdb_now();

		ev_now_update(waiter->loop);
		ev_timer_set(&waiter->timer, left > 0 ? left : 0, 0);
		ev_timer_start(waiter->loop, &waiter->timer);
	}
	return task_wait(L, &waiter->wait, ctx, look);
}

int ovsdb_watch_wait(lua_State *L, int idx, double seconds, bool all)
{
	struct ovsdb_watch_waiter *waiter;

	idx = lua_absindex(L, idx);
	waiter = lua_newuserdatauv(L, sizeof(*waiter), 0);
	memset(waiter, 0, sizeof(*waiter));
	waiter->wait.cancel = cancel_waiter;
	waiter->loop = runtime_of(L)->loop;
	waiter->idx = idx;
	waiter->all = all;
	waiter->expired = seconds == 0;
	waiter->ends = seconds > 0 ? ovsdb_now() + seconds : 0;
	ev_timer_init(&waiter->timer, on_expired, 0, 0);
	waiter->timer.data = waiter;
	luaL_setmetatable(L, waiter_class);
	return look(L, LUA_OK, lua_gettop(L));
}

static double seconds_argument(lua_State *L, const char *name)
{
	double seconds = lua_isnoneornil(L, 2) ? -1 : lua_tonumber(L, 2);

	if (!lua_isnoneornil(L, 2) && !(seconds >= 0))
		nerv_error(L, "%s: seconds must be 0 or more", name);
	return seconds;
}

static int l_next(lua_State *L)
{
	return ovsdb_watch_wait(L, 1, seconds_argument(L, "watch:next"), false);
}

static int l_all(lua_State *L)
{
	return ovsdb_watch_wait(L, 1, seconds_argument(L, "watch:all"), true);
}

static int l_close(lua_State *L)
{
	close_watch(luaL_checkudata(L, 1, watch_class));
	return 0;
}

static int l_destroy_waiter(lua_State *L)
{
	forget_waiter(luaL_checkudata(L, 1, waiter_class));
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct ovsdb_watch *w = luaL_checkudata(L, 1, watch_class);

	lua_pushfstring(L, "ovsdb watch (%s, %I queued)", w->list ? "open" : "closed",
			(LUAI_UACINT)(w->tail - w->head));
	return 1;
}

static const struct arg seconds_args[] = {
	{ "seconds", ARG_NUMBER, false, "longest time to wait; 0 only looks; by default for ever", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "next", l_next, seconds_args,
	  "waits for an event and returns the oldest one: "
	  "{table=, uuid=, old=, new=, changed=}, {lost=true, reason=}, {connected=true} or {lock=, owned=}",
	  OVSDB_EXAMPLE
	  "local watch <close> = db:watch()\n"
	  "assert(not watch:next(0))\n"
	  "blue:update { mtu = 1400 }\n"
	  "print(watch:next().table)" },
	{ "all", l_all, seconds_args, "waits for events and returns an array of all that there are",
	  OVSDB_EXAMPLE
	  "local watch <close> = db:watch { \"Endpoint\" }\n"
	  "blue:endpoint { { name = \"a\" }, { name = \"b\" } }\n"
	  "print(#watch:all())" },
	{ "close", l_close, NULL, "ends the watch; who waits on it gets nil, a message and \"closed\"" },
	{ 0 }
};

void ovsdb_watch_init(lua_State *L)
{
	registry_class(L, watch_class, "the changes of a database's rows, in order", methods, l_close);
	registry_class(L, waiter_class, NULL, NULL, l_destroy_waiter);
	luaL_getmetatable(L, watch_class);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
