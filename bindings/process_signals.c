/* process.signals: the signals of this program itself, as a queue. */
#include "bindings/process_signals.h"

#include <errno.h>
#include <ev.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "bindings/process_options.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "process.signals";

enum { SIGNALS_MOST = 16 };

struct signals {
	struct wait wait;
	struct ev_loop *loop;
	struct ev_signal watchers[SIGNALS_MOST];
	struct sigaction former[SIGNALS_MOST];	/* what the signal did before */
	int count;
	uint64_t pending;		/* bit n: signal n has come since it was last returned */
	bool closed;
};

static void on_signal(struct ev_loop *loop, struct ev_signal *w, int events)
{
	struct signals *s = w->data;

	(void)loop;
	(void)events;
	s->pending |= (uint64_t)1 << (w->signum - 1);
	wait_done(&s->wait);
}

static void cancel_next(struct wait *w)
{
	(void)w;	/* what comes meanwhile stays pending */
}

static int next_go(lua_State *L, int status, lua_KContext ctx)
{
	struct signals *s = luaL_checkudata(L, 1, class_name);

	(void)status;
	(void)ctx;
	for (int sig = 1; sig < NSIG; sig++) {
		uint64_t bit = (uint64_t)1 << (sig - 1);

		if (!(s->pending & bit))
			continue;
		s->pending &= ~bit;
		lua_pushstring(L, sigabbrev_np(sig));
		return 1;
	}
	if (s->closed) {
		lua_pushnil(L);
		lua_pushliteral(L, "signals: closed meanwhile");
		lua_pushliteral(L, "closed");
		return 3;
	}
	if (s->wait.task)
		return nerv_error(L, "another task waits for these signals already");
	return task_wait(L, &s->wait, 0, next_go);
}

static int l_next(lua_State *L)
{
	struct signals *s = luaL_checkudata(L, 1, class_name);

	if (s->closed)
		return nerv_error(L, "these signals are closed");
	return next_go(L, LUA_OK, 0);
}

/* The loop's own handler was there before when another object watches it, too. */
static void start_signal(struct signals *s, int i, int sig)
{
	struct sigaction now;

	sigaction(sig, NULL, &s->former[i]);
	ev_signal_init(&s->watchers[i], on_signal, sig);
	s->watchers[i].data = s;
	ev_signal_start(s->loop, &s->watchers[i]);
	sigaction(sig, NULL, &now);
	if (now.sa_handler == s->former[i].sa_handler)
		s->former[i].sa_handler = SIG_DFL;
}

/* With its last watcher the loop lets go of a signal: SIG_DFL. */
static void stop_signal(struct signals *s, int i)
{
	struct sigaction now;

	ev_signal_stop(s->loop, &s->watchers[i]);
	sigaction(s->watchers[i].signum, NULL, &now);
	if (now.sa_handler == SIG_DFL)
		sigaction(s->watchers[i].signum, &s->former[i], NULL);
}

static int l_close(lua_State *L)
{
	struct signals *s = luaL_checkudata(L, 1, class_name);

	for (int i = 0; i < s->count; i++)
		stop_signal(s, i);
	s->count = 0;
	s->closed = true;
	s->pending = 0;
	wait_done(&s->wait);
	return 0;
}

static void check_signal(lua_State *L, const struct signals *s, int sig)
{
	const char *name = sigabbrev_np(sig);

	if (sig == SIGKILL || sig == SIGSTOP || !name)
		nerv_error(L, "signal %d cannot be caught", sig);
	if (sig == SIGCHLD || sig == SIGPIPE)
		nerv_error(L, "SIG%s belongs to the runtime", name);
	for (int i = 0; i < s->count; i++)
		if (s->watchers[i].signum == sig)
			nerv_error(L, "SIG%s is named twice", name);
}

int process_l_signals(lua_State *L)
{
	lua_Integer n = luaL_len(L, 1);
	struct signals *s;

	if (n < 1 || n > SIGNALS_MOST)
		return nerv_error(L, "process.signals: name 1 to %d signals", SIGNALS_MOST);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	memset(s, 0, sizeof(*s));
	s->loop = runtime_of(L)->loop;
	s->wait.cancel = cancel_next;
	luaL_setmetatable(L, class_name);
	for (lua_Integer i = 0; i < n; i++) {
		int sig;

		lua_geti(L, 1, i + 1);
		sig = process_signal(L, -1);
		lua_pop(L, 1);
		check_signal(L, s, sig);
		start_signal(s, (int)i, sig);
		s->count++;
	}
	return 1;
}

static const struct fn methods[] = {
	{ "next", l_next, NULL, "waits for the next of these signals; returns its name, \"TERM\"",
	  "local s <close> = process.signals{ \"USR1\" }\n"
	  "process.run{ argv = { \"sh\", \"-c\", \"kill -USR1 $PPID\" } }\n"
	  "print(s:next())" },
	{ "close", l_close, NULL, "gives the signals the effect again that they had before",
	  "local s = process.signals{ \"HUP\" }\n"
	  "s:close()" },
	{ 0 }
};

void process_signals_open(lua_State *L)
{
	registry_class(L, class_name, "signals to this process, taken in turn", methods, l_close);
}
