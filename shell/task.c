/* Tasks: the scheduler, and the Lua module `task`. */
#include "shell/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/task_private.h"

static const char class_name[] = "task";

struct runtime *runtime_of(lua_State *L)
{
	return *(struct runtime **)lua_getextraspace(L);
}

static void make_ready(struct task *t)
{
	struct runtime *rt = t->rt;

	if (t->ready)
		return;
	t->ready = true;
	t->ready_next = NULL;
	if (rt->ready_tail)
		rt->ready_tail->ready_next = t;
	else
		rt->ready_head = t;
	rt->ready_tail = t;
	ev_idle_start(rt->loop, &rt->ready_idle);
}

void wait_done(struct wait *w)
{
	struct task *t = w->task;

	if (!t)
		return;
	w->task = NULL;
	t->wait = NULL;
	make_ready(t);
}

static int after_wait(lua_State *L, int status, lua_KContext ctx)
{
	struct task *t = runtime_of(L)->running;

	(void)ctx;
	if (t->cancelled) {
		t->cancelled = false;
		return luaL_error(L, "%s", t->cancel_reason);
	}
	return t->k(L, status, t->ctx);
}

static bool can_wait(lua_State *L)
{
	struct task *t = runtime_of(L)->running;

	return t && t->co == L && lua_isyieldable(L);
}

void task_check_wait(lua_State *L)
{
	if (!can_wait(L))
		nerv_error(L, "this call waits, and here nothing can wait: not inside a task");
}

int task_wait(lua_State *L, struct wait *w, lua_KContext ctx, lua_KFunction k)
{
	struct task *t = runtime_of(L)->running;

	if (!can_wait(L)) {
		w->cancel(w);
		task_check_wait(L);
	}
	w->task = t;
	t->wait = w;
	t->k = k;
	t->ctx = ctx;
	return lua_yieldk(L, 0, 0, after_wait);
}

/* No event is waited for: resume() finds no wait and makes the task ready again. */
int task_breathe(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
	struct task *t = runtime_of(L)->running;

	task_check_wait(L);
	t->k = k;
	t->ctx = ctx;
	return lua_yieldk(L, 0, 0, after_wait);
}

void task_cancel(struct task *t, const char *reason)
{
	struct wait *w = t->wait;

	if (t->done)
		return;
	t->cancelled = true;
	t->cancel_reason = reason;
	if (w) {
		w->cancel(w);
		wait_done(w);
	}
}

static void unlink_task(struct task *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		t->rt->tasks = t->next;
	if (t->next)
		t->next->prev = t->prev;
}

/* Keeps the `n` values on top of the coroutine as the task's results. */
static void keep_results(struct task *t, int n)
{
	lua_State *L = t->rt->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, t->anchor);
	lua_createtable(L, n, 1);
	for (int i = n; i >= 1; i--) {
		lua_xmove(t->co, L, 1);
		lua_rawseti(L, -2, i);
	}
	lua_pushinteger(L, n);
	lua_setfield(L, -2, "n");
	lua_setiuservalue(L, -2, 2);
	lua_pop(L, 1);
}

static void report(struct task *t)
{
	char text[sizeof(t->message) + sizeof(t->name) + 32];

	snprintf(text, sizeof(text), "error in task %s: %s\n", t->name, t->message);
	fputs(text, stderr);
}

static bool internal(const char *source)
{
	return strncmp(source, "@nerv:", 6) == 0;
}

/* The error value on top of `co`: its message; then the user's functions that led to
 * it, when there are several; all functions when the fault lies in NERV's own files. */
static void describe_error(lua_State *co, char *buf, size_t size)
{
	const char *message = luaL_tolstring(co, -1, NULL);
	bool ours = strncmp(message, "nerv:", 5) == 0;
	size_t used = (size_t)snprintf(buf, size, "%s", message), first = used;
	int frames = 0;
	lua_Debug ar;

	lua_pop(co, 1);
	for (int level = 0; used < size && lua_getstack(co, level, &ar); level++) {
		lua_getinfo(co, "Sln", &ar);
		if (ar.currentline <= 0 || (internal(ar.source) && !ours))
			continue;
		frames++;
		used += (size_t)snprintf(buf + used, size - used, "\n  %s:%d: in %s", ar.short_src,
					 ar.currentline, ar.name ? ar.name : "main chunk");
	}
	if (frames < 2)
		buf[first < size ? first : size - 1] = '\0';
}

/* What is left to do when a task has ended, however it did. */
static void release_task(struct task *t)
{
	lua_State *L = t->rt->L;
	struct wait *w;

	unlink_task(t);
	while ((w = t->waiters)) {
		t->waiters = ((struct joiner *)w)->next;
		wait_done(w);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, t->anchor);
	lua_pushnil(L);
	lua_setiuservalue(L, -2, 1);	/* a handle that is kept does not keep the stack */
	lua_pop(L, 1);
	t->co = NULL;
	luaL_unref(L, LUA_REGISTRYINDEX, t->anchor);	/* `t` may be collected from here on */
}

static void end_task(struct task *t, int status, int nres)
{
	t->done = true;
	t->failed = status != LUA_OK;
	if (t == t->rt->insist)
		t->rt->insist = NULL;
	if (t == t->rt->awaited)
		ev_break(t->rt->loop, EVBREAK_ALL);	/* this pass must not go on to wait for events */
	if (t->failed) {
		describe_error(t->co, t->message, sizeof(t->message));
		keep_results(t, 1);
		lua_resetthread(t->co);	/* runs <close>; after the traceback is taken */
		if (!t->waiters && !t->quiet)
			report(t);
	} else {
		keep_results(t, nres);
	}
	release_task(t);
}

void task_abandon(struct task *t)
{
	if (t->wait) {
		t->wait->cancel(t->wait);
		t->wait->task = NULL;
		t->wait = NULL;
	}
	t->done = true;
	keep_results(t, 0);
	lua_resetthread(t->co);
	release_task(t);
}

static void resume(struct task *t)
{
	struct runtime *rt = t->rt;
	int nargs = t->nargs, nres = 0, status;

	t->ready = false;
	if (!t->started && t->cancelled) {
		lua_settop(t->co, 0);
		lua_pushstring(t->co, t->cancel_reason);
		t->quiet = true;
		end_task(t, LUA_ERRRUN, 1);
		return;
	}
	t->started = true;
	t->nargs = 0;
	rt->running = t;
	rt->resumed = runtime_now();
	status = lua_resume(t->co, NULL, nargs, &nres);
	rt->running = NULL;
	if (status == LUA_YIELD) {
		if (!t->wait && !t->ready) {	/* a plain coroutine.yield: let others run */
			lua_pop(t->co, nres);
			make_ready(t);
		}
		return;
	}
	end_task(t, status, nres);
}

/* Runs those that are ready now; what they make ready waits for the next pass, so
 * one pass of the loop is bounded. */
static void on_prepare(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
	struct runtime *rt = watcher->data;
	struct task *t = rt->ready_head, *next;

	(void)events;
	rt->ready_head = rt->ready_tail = NULL;
	for (; t; t = next) {
		next = t->ready_next;
		resume(t);
	}
	if (!rt->ready_head)
		ev_idle_stop(loop, &rt->ready_idle);
}

static void on_idle(struct ev_loop *loop, struct ev_idle *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;	/* its being active keeps the loop from sleeping */
}

void tasks_init(struct runtime *rt)
{
	ev_prepare_init(&rt->ready_prepare, on_prepare);
	rt->ready_prepare.data = rt;
	ev_prepare_start(rt->loop, &rt->ready_prepare);
	ev_idle_init(&rt->ready_idle, on_idle);
}

static int collect(lua_State *L)
{
	struct task *t = luaL_checkudata(L, 1, class_name);

	if (!t->done && t->started)
		task_cancel(t, "canceled");
	return 0;
}

void task_spawn(lua_State *from, int nargs, const char *name)
{
	struct runtime *rt = runtime_of(from);
	struct task *t = lua_newuserdatauv(from, sizeof(*t), 2);
	lua_State *co;

	memset(t, 0, sizeof(*t));
	t->rt = rt;
	t->cancel_reason = "canceled";
	snprintf(t->name, sizeof(t->name), "%s", name);
	luaL_setmetatable(from, class_name);
	co = lua_newthread(from);	/* inherits the hook */
	lua_setiuservalue(from, -2, 1);
	lua_insert(from, -nargs - 2);
	lua_xmove(from, co, nargs + 1);
	lua_pushvalue(from, -1);
	t->anchor = luaL_ref(from, LUA_REGISTRYINDEX);
	t->co = co;
	t->nargs = nargs;
	t->next = rt->tasks;
	if (t->next)
		t->next->prev = t;
	rt->tasks = t;
	make_ready(t);
}

void task_function_name(lua_State *L, int idx, char name[TASK_NAME])
{
	lua_Debug ar;

	lua_pushvalue(L, idx);
	lua_getinfo(L, ">S", &ar);
	snprintf(name, TASK_NAME, "%s:%d", ar.short_src, ar.linedefined);
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

	if (runtime_now() - rt->resumed < slice || !can_wait(L))
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
	struct task *t = luaL_checkudata(L, 1, class_name);

	if (!t->done && t != t->rt->running) {
		t->quiet = true;
		task_cancel(t, "canceled");
	}
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct task *t = luaL_checkudata(L, 1, class_name);

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
	registry_class(L, class_name, "Lua that runs beside other Lua", methods, NULL);
	luaL_getmetatable(L, class_name);
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
