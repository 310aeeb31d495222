/* The runtime: loop, Lua state, interruption, output. */
#include "shell/runtime.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shell/output.h"
#include "shell/prompt.h"
#include "shell/registry.h"
#include "shell/task_private.h"
#include "shell/worker_private.h"

/* For the signal handler alone, which has no other way to reach the runtime. */
static struct runtime *the_runtime;

double runtime_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_sigint(int signo)
{
	(void)signo;
	if (the_runtime->terminal.lent)
		return;
	the_runtime->interrupted = 1;
	ev_async_send(the_runtime->loop, &the_runtime->interrupt_async);
}

/* Runs every 1000 instructions: a busy loop can be interrupted, a sandboxed one ends. */
static void on_count(lua_State *L, lua_Debug *ar)
{
	struct runtime *rt = runtime_of(L);

	(void)ar;
	if (rt->running && (rt->interrupted || rt->insist == rt->running)) {
		rt->interrupted = 0;
		if (rt->was_interrupted)
			rt->insist = rt->running;
		rt->was_interrupted = true;
		if (rt->insist)	/* at each instruction, so that it reaches the one behind a pcall */
			lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
		lua_pushliteral(L, "interrupted");
		lua_error(L);
	}
	if (rt->running && rt->running->deadline > 0 && runtime_now() > rt->running->deadline) {
		lua_sethook(L, on_count, LUA_MASKCOUNT, 1);	/* as above */
		luaL_error(L, "it ran for longer than it may");
	}
	if (rt->deadline > 0 && runtime_now() > rt->deadline)
		luaL_error(L, "it ran for longer than it may");
}

/* A wait that is cancelled inside a pcall would be followed by the next wait. */
static void insist(struct runtime *rt, struct task *task)
{
	rt->insist = task;
	if (task->co)
		lua_sethook(task->co, on_count, LUA_MASKCOUNT, 1);
}

static void on_interrupt(struct ev_loop *loop, struct ev_async *watcher, int events)
{
	struct runtime *rt = watcher->data;

	(void)loop;
	(void)events;
	if (!rt->interrupted)
		return;
	rt->interrupted = 0;
	if (rt->foreground) {
		if (rt->was_interrupted)
			insist(rt, rt->foreground);
		rt->was_interrupted = true;
		task_cancel(rt->foreground, "interrupted");
	} else if (rt->prompt) {
		prompt_interrupt(rt->prompt);
	}
}

static int l_print(lua_State *L)
{
	int n = lua_gettop(L);
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_addchar(&b, '\n');
	luaL_pushresult(&b);
	fwrite(lua_tostring(L, -1), 1, lua_rawlen(L, -1), stdout);
	return 0;
}

static int l_warn(lua_State *L)
{
	fprintf(stderr, "%s\n", luaL_checkstring(L, 1));
	return 0;
}

static int l_has_terminal(lua_State *L)
{
	lua_pushboolean(L, isatty(STDERR_FILENO));
	return 1;
}

static int l_status(lua_State *L)
{
	if (isatty(STDERR_FILENO))
		output_status(runtime_of(L), luaL_optstring(L, 1, ""));
	return 0;
}

static void cancel_exit(struct wait *w)
{
	(void)w;
}

static int after_exit(lua_State *L, int status, lua_KContext ctx)
{
	(void)L;
	(void)status;
	(void)ctx;
	return 0;	/* not reached: runtime_run() abandons the task */
}

/* os.exit: leaves in order, so that labs end and the terminal is restored. */
static int l_exit(lua_State *L)
{
	struct runtime *rt = runtime_of(L);
	struct wait *w;

	lua_settop(L, 1);
	w = lua_newuserdatauv(L, sizeof(*w), 0);
	rt->exit_code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
	rt->has_exit_code = true;
	ev_break(rt->loop, EVBREAK_ALL);
	memset(w, 0, sizeof(*w));
	w->cancel = cancel_exit;
	return task_wait(L, w, 0, after_exit);
}

/* What a sandboxed call may take of memory beyond what is there, bytes. */
#define LIMITED_MEMORY ((size_t)256 << 20)

/* Lua's allocator (lua_Alloc): what it is refused it asks for again when it has collected its garbage. */
static void *allocate(void *data, void *old, size_t old_size, size_t size)
{
	struct runtime *rt = data;
	void *block;

	if (!old)
		old_size = 0;	/* it tells what the block is for */
	if (size == 0) {
		free(old);
		rt->memory -= old_size;
		return NULL;
	}
	if (rt->memory_limit && size > old_size && size - old_size > rt->memory_limit - rt->memory)
		return NULL;
	block = realloc(old, size);
	if (block)
		rt->memory += size - old_size;
	return block;
}

/* limited(seconds, f, ...): calls f where it cannot yield, and ends it after `seconds`, or when it
 * takes too much memory. Returns what pcall returns. Archetypes run in it. */
static int l_limited(lua_State *L)
{
	struct runtime *rt = runtime_of(L);
	double seconds = luaL_checknumber(L, 1), outer = rt->deadline;
	const size_t outer_memory = rt->memory_limit;
	int status;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	rt->deadline = runtime_now() + seconds;
	if (outer > 0 && outer < rt->deadline)
		rt->deadline = outer;
	if (!outer_memory)
		rt->memory_limit = rt->memory + LIMITED_MEMORY;
	status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
	rt->deadline = outer;
	rt->memory_limit = outer_memory;
	if (status == LUA_ERRMEM) {
		lua_pushliteral(L, "it took more memory than it may");
		lua_replace(L, -2);
	}
	lua_pushboolean(L, status == LUA_OK);
	lua_replace(L, 1);
	return lua_gettop(L);
}

static int l_monotonic(lua_State *L)
{
	lua_pushnumber(L, runtime_now());
	return 1;
}

static const struct fn functions[] = {
	{ "limited", l_limited,
	  (const struct arg[]){
		  { "seconds", ARG_NUMBER, true, "longest time it may run", NULL },
		  { "function", ARG_FUNCTION, true, "what to call; it may not wait", NULL },
		  { "...", ARG_REST, false, "its arguments", NULL },
		  { 0 } },
	  "calls a function that may neither wait, nor run for long, nor take more than 256 MiB of memory; "
	  "returns as pcall does",
	  "print(runtime.limited(1, string.rep, \"x\", 3))\n"
	  "print(runtime.limited(0.01, function() while true do end end))" },
	{ "has_terminal", l_has_terminal, NULL, "returns whether stderr is a terminal",
	  "print(runtime.has_terminal())" },
	{ "status", l_status,
	  (const struct arg[]){ { "text", ARG_STRING, false, "one line; none by default", NULL }, { 0 } },
	  "keeps a line below what is printed while no prompt is there; only on a terminal",
	  "runtime.status(\"step 1 of 3\")\n"
	  "runtime.status()" },
	{ "now", l_monotonic, NULL, "returns the monotonic clock, in seconds",
	  "local began = runtime.now()\n"
	  "task.sleep(0.01)\n"
	  "print(runtime.now() - began)" },
	{ "log", l_warn,
	  (const struct arg[]){ { "text", ARG_STRING, true, "one line", NULL }, { 0 } },
	  "writes a line to stderr without tearing the prompt",
	  "runtime.log(\"a line on standard error\")" },
	{ 0 }
};

NERV_MODULE(runtime, .name = "runtime", .text = "the program that runs the scripts",
	    .functions = functions);

int runtime_init(struct runtime *rt)
{
	struct sigaction sa = { .sa_handler = on_sigint };

	memset(rt, 0, sizeof(*rt));
	rt->loop = ev_default_loop(0);
	rt->L = luaL_newstate();
	if (!rt->loop || !rt->L)
		return -ENOMEM;
	*(struct runtime **)lua_getextraspace(rt->L) = rt;
	rt->memory = (size_t)lua_gc(rt->L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(rt->L, LUA_GCCOUNTB);
	lua_setallocf(rt->L, allocate, rt);
	ev_set_userdata(rt->loop, rt);
	lua_sethook(rt->L, on_count, LUA_MASKCOUNT, 1000);
	tasks_init(rt);
	workers_init(rt);
	ev_async_init(&rt->interrupt_async, on_interrupt);
	rt->interrupt_async.data = rt;
	ev_async_start(rt->loop, &rt->interrupt_async);
	the_runtime = rt;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);

	luaL_openlibs(rt->L);
	registry_open(rt->L);
	lua_register(rt->L, "print", l_print);
	lua_register(rt->L, "warn", l_warn);
	lua_getglobal(rt->L, "os");
	lua_pushcfunction(rt->L, l_exit);
	lua_setfield(rt->L, -2, "exit");
	lua_pop(rt->L, 1);
	/* The main task is an object like the others. */
	return luaL_dostring(rt->L, "require 'nerv.task'") == LUA_OK ? 0 : -ENOMEM;
}

void runtime_run(struct runtime *rt, struct task *task)
{
	rt->awaited = task;
	while (!task->done && !rt->has_exit_code)
		ev_run(rt->loop, EVRUN_ONCE);
	rt->awaited = NULL;
	while (rt->has_exit_code && rt->tasks)	/* nothing of the program runs after os.exit */
		task_abandon(rt->tasks);
	if (rt->has_exit_code) {
		rt->ready_head = rt->ready_tail = NULL;
		rt->foreground = NULL;
	}
}

static void on_finish_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;	/* it only ends a pass of the loop */
}

void runtime_finish(struct runtime *rt)
{
	struct ev_timer tick;

	ev_timer_init(&tick, on_finish_timer, 0.1, 0.1);
	ev_timer_start(rt->loop, &tick);
	/* A task may answer its cancellation by waiting for a cleanup; not for ever. */
	for (int round = 0; rt->tasks && round < 50; round++) {
		for (struct task *t = rt->tasks, *next; t; t = next) {
			next = t->next;
			t->quiet = true;
			if (round % 10 == 0)
				task_cancel(t, "canceled");
		}
		ev_run(rt->loop, EVRUN_ONCE);
	}
	ev_timer_stop(rt->loop, &tick);
	workers_finish(rt);
	output_release(rt);
	terminal_finish(&rt->terminal);
	lua_close(rt->L);
	rt->L = NULL;
	ev_loop_destroy(rt->loop);
}
