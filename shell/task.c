/* Tasks: the scheduler. */
#include "shell/task.h"

#include <stdio.h>
#include <string.h>

#include "shell/output.h"
#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/task_private.h"

const char task_class[] = "task";

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

bool task_can_wait(lua_State *L)
{
	struct task *t = runtime_of(L)->running;

	return t && t->co == L && lua_isyieldable(L);
}

void task_check_wait(lua_State *L)
{
	if (!task_can_wait(L))
		nerv_error(L, "this call waits, and here nothing can wait: not inside a task");
}

int task_wait(lua_State *L, struct wait *w, lua_KContext ctx, lua_KFunction k)
{
	struct task *t = runtime_of(L)->running;

	if (!task_can_wait(L)) {
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
	if (rt->ready_head)
		return;
	ev_idle_stop(loop, &rt->ready_idle);
	output_flush(rt);
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

void task_spawn(lua_State *from, int nargs, const char *name)
{
	struct runtime *rt = runtime_of(from);
	struct task *t = lua_newuserdatauv(from, sizeof(*t), 2);
	lua_State *co;

	memset(t, 0, sizeof(*t));
	t->rt = rt;
	t->cancel_reason = "canceled";
	snprintf(t->name, sizeof(t->name), "%s", name);
	luaL_setmetatable(from, task_class);
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
