/* Tasks and time: sleep, and a function that is called again and again. */
#include <string.h>

#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/task_private.h"

static void on_sleep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct sleeper *s = timer->data;

	(void)loop;
	(void)events;
	wait_done(&s->wait);
}

static void cancel_sleep(struct wait *w)
{
	struct sleeper *s = (struct sleeper *)w;

	ev_timer_stop(s->loop, &s->timer);
}

/* Pushes what the task sleeps on. */
static struct sleeper *push_sleeper(lua_State *L, double seconds)
{
	struct sleeper *s = lua_newuserdatauv(L, sizeof(*s), 0);

	memset(s, 0, sizeof(*s));
	s->loop = runtime_of(L)->loop;
	s->wait.cancel = cancel_sleep;
	ev_now_update(s->loop);
	ev_timer_init(&s->timer, on_sleep, seconds, 0);
	s->timer.data = s;
	ev_timer_start(s->loop, &s->timer);
	return s;
}

static int finish_sleep(lua_State *L, int status, lua_KContext ctx)
{
	(void)L;
	(void)status;
	(void)ctx;
	return 0;
}

int task_l_sleep(lua_State *L)
{
	double seconds = lua_tonumber(L, 1);

	if (!(seconds >= 0))
		return nerv_error(L, "sleep: seconds must be 0 or more");
	return task_wait(L, &push_sleeper(L, seconds)->wait, 0, finish_sleep);
}

static int call_go(lua_State *L, int status, lua_KContext ctx);

/* Index 1 is the interval, 2 the time of the next call, 3 the function, then its arguments:
 * `ctx` values in all. Sleeps until the next call; times that have passed are left out. */
static int sleep_go(lua_State *L, int status, lua_KContext ctx)
{
	const double interval = lua_tonumber(L, 1), now = runtime_now();
	double next = lua_tonumber(L, 2);

	(void)status;
	lua_settop(L, (int)ctx);
	if (next < now)
		next = now;
	lua_pushnumber(L, next + interval);
	lua_replace(L, 2);
	return task_wait(L, &push_sleeper(L, next - now)->wait, ctx, call_go);
}

static int call_go(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	lua_settop(L, (int)ctx);
	for (int i = 3; i <= (int)ctx; i++)
		lua_pushvalue(L, i);
	lua_callk(L, (int)ctx - 3, 0, ctx, sleep_go);
	return sleep_go(L, LUA_OK, ctx);
}

static int run_every(lua_State *L)
{
	return sleep_go(L, LUA_OK, lua_gettop(L));
}

int task_l_every(lua_State *L)
{
	const double interval = lua_tonumber(L, 1);
	char name[TASK_NAME];

	if (!(interval > 0))
		return nerv_error(L, "task.every: seconds must be more than 0");
	task_function_name(L, 2, name);
	lua_pushcfunction(L, run_every);
	lua_insert(L, 1);
	lua_pushnumber(L, runtime_now() + interval);
	lua_insert(L, 3);
	task_spawn(L, lua_gettop(L) - 1, name);
	return 1;
}
