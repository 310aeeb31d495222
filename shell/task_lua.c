/* The Lua module `task`. */
#include <string.h>

#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/task_private.h"

static int collect(lua_State *L)
{
	struct task *t = luaL_checkudata(L, 1, task_class);

	if (!t->done && t->started)
		task_cancel(t, "canceled");
	return 0;
}

static int l_spawn(lua_State *L)
{
	char name[TASK_NAME];

	task_function_name(L, 1, name);
	task_spawn(L, lua_gettop(L) - 1, name);
	return 1;
}

/* Seconds that a task which breathes may keep the loop. */
static const double slice = 0.005;

static int after_breath(lua_State *L, int status, lua_KContext ctx)
{
	(void)L;
	(void)status;
	(void)ctx;
	return 0;
}

static int l_breathe(lua_State *L)
{
	struct runtime *rt = runtime_of(L);

	if (runtime_now() - rt->resumed < slice || !task_can_wait(L))
		return 0;
	return task_breathe(L, 0, after_breath);
}

/* Removes a joiner from its task's list, whether or not it is in there. */
static void forget_joiner(struct joiner *j)
{
	struct wait **link = &j->target->waiters;

	while (*link && *link != &j->wait)
		link = &((struct joiner *)*link)->next;
	if (*link)
		*link = j->next;
	ev_timer_stop(j->loop, &j->timer);
}

static void cancel_join(struct wait *w)
{
	forget_joiner((struct joiner *)w);
}

static void on_join_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct joiner *j = timer->data;

	(void)loop;
	(void)events;
	forget_joiner(j);
	wait_done(&j->wait);
}

static int finish_join(lua_State *L, int status, lua_KContext ctx)
{
	struct joiner *j = lua_touserdata(L, (int)ctx);

	(void)status;
	ev_timer_stop(j->loop, &j->timer);
	lua_pushboolean(L, j->target->done);
	return 1;
}

/* Sleeps until the task at index 1 has ended, at most `seconds` (negative: for ever). */
static int join(lua_State *L, double seconds, lua_KFunction k)
{
	struct task *t = lua_touserdata(L, 1);
	struct joiner *j = lua_newuserdatauv(L, sizeof(*j), 0);

	memset(j, 0, sizeof(*j));
	j->target = t;
	j->loop = t->rt->loop;
	j->wait.cancel = cancel_join;
	j->next = t->waiters;
	t->waiters = &j->wait;
	ev_timer_init(&j->timer, on_join_timeout, seconds >= 0 ? seconds : 0, 0);
	j->timer.data = j;
	if (seconds >= 0) {
		ev_now_update(j->loop);
		ev_timer_start(j->loop, &j->timer);
	}
	return task_wait(L, &j->wait, lua_gettop(L), k);
}

static int l_join(lua_State *L)
{
	struct task *t = lua_touserdata(L, 1);

	if (t->done) {
		lua_pushboolean(L, true);
		return 1;
	}
	return join(L, luaL_optnumber(L, 2, -1), finish_join);
}

static int push_results(lua_State *L, int status, lua_KContext ctx)
{
	struct task *t = lua_touserdata(L, 1);
	lua_Integer n;

	(void)status;
	(void)ctx;
	lua_getiuservalue(L, 1, 2);
	lua_getfield(L, -1, "n");
	n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	if (t->failed) {
		lua_rawgeti(L, -1, 1);
		return lua_error(L);
	}
	luaL_checkstack(L, (int)n, "too many results");
	for (lua_Integer i = 1; i <= n; i++)
		lua_rawgeti(L, -(int)i, i);
	return (int)n;
}

static int l_wait(lua_State *L)
{
	struct task *t = lua_touserdata(L, 1);

	if (t == t->rt->running)
		return nerv_error(L, "task:wait: a task cannot wait for itself");
	return t->done ? push_results(L, LUA_OK, 0) : join(L, -1, push_results);
}

static int l_cancel(lua_State *L)
{
	struct task *t = lua_touserdata(L, 1);

	if (t == t->rt->running)
		return luaL_error(L, "canceled");
	t->quiet = true;
	task_cancel(t, "canceled");
	return 0;
}

static int l_limit(lua_State *L)
{
	struct task *t = lua_touserdata(L, 1);
	double seconds = lua_tonumber(L, 2);

	if (!(seconds >= 0))
		return nerv_error(L, "task:limit: seconds must be 0 or more");
	t->deadline = runtime_now() + seconds;
	return 0;
}

static int l_status(lua_State *L)
{
	struct task *t = lua_touserdata(L, 1);

	lua_pushstring(L, !t->done ? (t == t->rt->running ? "running" : "waiting")
				   : t->failed ? "failed" : "done");
	return 1;
}

static int l_close(lua_State *L)
{
	struct task *t = luaL_checkudata(L, 1, task_class);

	if (!t->done && t != t->rt->running) {
		t->quiet = true;
		task_cancel(t, "canceled");
	}
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct task *t = luaL_checkudata(L, 1, task_class);

	l_status(L);
	lua_pushfstring(L, "task %s (%s)", t->name, lua_tostring(L, -1));
	return 1;
}

static int l_list(lua_State *L)
{
	struct runtime *rt = runtime_of(L);
	int i = 1;

	lua_newtable(L);
	for (struct task *t = rt->tasks; t; t = t->next) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, t->anchor);
		lua_rawseti(L, -2, i++);
	}
	return 1;
}

static const struct fn methods[] = {
	{ "wait", l_wait, NULL, "sleeps until the task has ended; returns its results or raises its error",
	  "print(task.spawn(function() return \"done\" end):wait())" },
	{ "join", l_join,
	  (const struct arg[]){
		  { "seconds", ARG_NUMBER, false, "longest time to wait; by default for ever", NULL },
		  { 0 } },
	  "sleeps until the task has ended; returns whether it has",
	  "print(task.spawn(task.sleep, 60):join(0.1))" },
	{ "cancel", l_cancel, NULL, "makes what the task waits for raise \"canceled\" in it",
	  "local t = task.spawn(task.sleep, 60)\n"
	  "t:cancel()" },
	{ "limit", l_limit,
	  (const struct arg[]){
		  { "seconds", ARG_NUMBER, true, "from now on", NULL },
		  { 0 } },
	  "raises an error in the task when it is busy with Lua after that time; one that waits is not woken",
	  "local t = task.spawn(function() while true do end end)\n"
	  "t:limit(0.1)\n"
	  "print(pcall(t.wait, t))" },
	{ "status", l_status, NULL, "returns \"running\", \"waiting\", \"done\" or \"failed\"",
	  "print(task.spawn(task.sleep, 1):status())" },
	{ 0 }
};

static int init(lua_State *L)
{
	registry_class(L, task_class, "Lua that runs beside other Lua", methods, NULL);
	luaL_getmetatable(L, task_class);
	lua_pushcfunction(L, collect);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__close");
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	return 1;
}

static const struct fn functions[] = {
	{ "spawn", l_spawn,
	  (const struct arg[]){
		  { "function", ARG_FUNCTION, true, "what the task runs", NULL },
		  { "...", ARG_REST, false, "its arguments", NULL },
		  { 0 } },
	  "starts a task; returns its handle",
	  "local sum = task.spawn(function(a, b) return a + b end, 1, 2)\n"
	  "print(sum:wait())" },
	{ "sleep", task_l_sleep,
	  (const struct arg[]){
		  { "seconds", ARG_NUMBER, true, "how long; 0 lets the others run once", NULL },
		  { 0 } },
	  "sleeps while other tasks run",
	  "task.sleep(0.1)" },
	{ "every", task_l_every,
	  (const struct arg[]){
		  { "seconds", ARG_NUMBER, true, "from one call to the next, and before the first", NULL },
		  { "function", ARG_FUNCTION, true, "what to call; while it runs no call is due", NULL },
		  { "...", ARG_REST, false, "its arguments", NULL },
		  { 0 } },
	  "starts a task that calls a function again and again, until it is cancelled or the function raises; "
	  "returns its handle",
	  "local ticks <close> = task.every(0.1, print, \"tick\")\n"
	  "task.sleep(0.35)" },
	{ "breathe", l_breathe, NULL,
	  "lets the others run when this task has kept them waiting for 5 ms; cheap enough for each turn of a loop",
	  "local sum = 0\n"
	  "for i = 1, 100000 do\n"
	  "  sum = sum + i\n"
	  "  if i % 100 == 0 then task.breathe() end\n"
	  "end" },
	{ "list", l_list, NULL, "returns the live tasks, newest first",
	  "for _, t in ipairs(task.list()) do print(t) end" },
	{ 0 }
};

NERV_MODULE(task, .name = "task", .text = "tasks: concurrent Lua on one event loop",
	    .functions = functions, .init = init);
