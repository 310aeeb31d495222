/* Children: processes whose death is awaited by pidfd. */
#include "bindings/process_child.h"

#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/runtime.h"

static const char class_name[] = "process.child";

/* Address as key in the Lua registry: a table {[pid] = child} of those that live. */
static const char living_key;

struct child_waiter {
	struct wait wait;
	struct child_waiter *next;
	struct child *child;
	struct ev_loop *loop;
	struct ev_timer timer;
};

static void wake_waiters(struct child *c)
{
	struct child_waiter *w;

	while ((w = c->waiters)) {
		c->waiters = w->next;
		ev_timer_stop(w->loop, &w->timer);
		wait_done(&w->wait);
	}
}

/* The entry of `pid` in the table of the living, unless another child has it now. */
static void forget(struct child *c)
{
	lua_State *L = c->rt->L;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &living_key);
	lua_rawgeti(L, -1, c->pid);
	if (lua_touserdata(L, -1) == c) {
		lua_pushnil(L);
		lua_rawseti(L, -3, c->pid);
	}
	lua_pop(L, 2);
}

/* The pidfd says that the process has ended. */
static void end_child(struct child *c)
{
	siginfo_t info;
	int ret;

	memset(&info, 0, sizeof(info));
	do
		ret = waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG);
	while (ret && errno == EINTR);
	if (!ret && info.si_pid) {
		c->status_known = true;
		c->code = info.si_code;
		c->status = info.si_status;
	}
	ev_io_stop(c->rt->loop, &c->io);
	close(c->pidfd);
	c->pidfd = -1;
	c->ended = true;
	wake_waiters(c);
	forget(c);
}

static void on_end(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	(void)events;
	end_child(io->data);
}

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

bool child_poll(struct child *c)
{
	if (!c->ended && c->pidfd >= 0 && has_ended(c->pidfd))
		end_child(c);
	return c->ended;
}

/* A pidfd of a process that has not ended: one that waits to be reaped does not count. */
static int open_living(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return errno == EINVAL ? -ESRCH : -errno;	/* EINVAL: a thread's number */
	if (!has_ended(pidfd))
		return pidfd;
	close(pidfd);
	return -ESRCH;
}

bool child_exists(pid_t pid)
{
	int pidfd = open_living(pid);

	if (pidfd >= 0)
		close(pidfd);
	return pidfd >= 0;
}

struct child *child_new(lua_State *L)
{
	struct child *c = lua_newuserdatauv(L, sizeof(*c), 0);

	memset(c, 0, sizeof(*c));
	c->rt = runtime_of(L);
	c->pidfd = -1;
	ev_init(&c->io, on_end);
	c->io.data = c;
	luaL_setmetatable(L, class_name);
	return c;
}

void child_watch(lua_State *L, int idx, pid_t pid, int pidfd)
{
	struct child *c = luaL_checkudata(L, idx, class_name), *former;

	idx = lua_absindex(L, idx);
	c->pid = pid;
	c->pidfd = pidfd;
	ev_io_set(&c->io, pidfd, EV_READ);
	ev_io_start(c->rt->loop, &c->io);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &living_key);
	/* A process with this number has died, and the loop has not seen it yet. */
	lua_rawgeti(L, -1, pid);
	former = lua_touserdata(L, -1);
	if (former && former != c)
		end_child(former);
	lua_pushvalue(L, idx);
	lua_rawseti(L, -3, pid);
	lua_pop(L, 2);
}

int child_adopt(lua_State *L, pid_t pid)
{
	struct child *c;
	int pidfd;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &living_key);
	lua_rawgeti(L, -1, pid);
	lua_remove(L, -2);
	c = lua_touserdata(L, -1);
	if (c && !child_poll(c))
		return 0;
	lua_pop(L, 1);
	c = child_new(L);
	pidfd = open_living(pid);
	if (pidfd < 0) {
		lua_pop(L, 1);
		return pidfd;
	}
	c->adopted = true;
	child_watch(L, -1, pid, pidfd);
	return 0;
}

struct child *child_check(lua_State *L, int idx)
{
	return luaL_checkudata(L, idx, class_name);
}

static void unlink_waiter(struct child_waiter *w)
{
	struct child_waiter **link = &w->child->waiters;

	while (*link && *link != w)
		link = &(*link)->next;
	if (*link)
		*link = w->next;
	ev_timer_stop(w->loop, &w->timer);
}

static void cancel_wait(struct wait *w)
{
	unlink_waiter((struct child_waiter *)w);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct child_waiter *w = timer->data;

	(void)loop;
	(void)events;
	unlink_waiter(w);
	wait_done(&w->wait);
}

int child_wait(lua_State *L, struct child *c, double seconds, lua_KContext ctx, lua_KFunction k)
{
	struct child_waiter *w;

	if (child_poll(c))
		return k(L, LUA_OK, ctx);
	w = lua_newuserdatauv(L, sizeof(*w), 0);
	memset(w, 0, sizeof(*w));
	w->child = c;
	w->loop = c->rt->loop;
	w->wait.cancel = cancel_wait;
	w->next = c->waiters;
	c->waiters = w;
	ev_timer_init(&w->timer, on_timeout, seconds > 0 ? seconds : 0, 0);
	w->timer.data = w;
	if (seconds >= 0) {
		ev_now_update(w->loop);
		ev_timer_start(w->loop, &w->timer);
	}
	return task_wait(L, &w->wait, ctx, k);
}

void child_push_status(lua_State *L, const struct child *c)
{
	lua_createtable(L, 0, 2);
	if (!c->status_known) {
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "gone");
		return;
	}
	lua_pushinteger(L, c->status);
	if (c->code == CLD_EXITED) {
		lua_setfield(L, -2, "exit");
		return;
	}
	lua_setfield(L, -2, "signal");
	if (sigabbrev_np(c->status))
		lua_pushfstring(L, "SIG%s", sigabbrev_np(c->status));
	else
		lua_pushfstring(L, "SIGRTMIN+%d", c->status - SIGRTMIN);
	lua_setfield(L, -2, "name");
}

int child_kill(struct child *c, int sig)
{
	if (c->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0) ? -errno : 0;
}

static int collect(lua_State *L)
{
	struct child *c = luaL_checkudata(L, 1, class_name);

	if (c->pidfd < 0)
		return 0;
	ev_io_stop(c->rt->loop, &c->io);
	close(c->pidfd);
	c->pidfd = -1;
	return 0;
}

void child_class_open(lua_State *L)
{
	if (luaL_newmetatable(L, class_name)) {
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__gc");
		lua_newtable(L);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &living_key);
	}
	lua_pop(L, 1);
	/* The library's loop reaps every child when SIGCHLD comes, and would take the
	 * status away; and with SIGCHLD ignored the kernel keeps none. */
	signal(SIGCHLD, SIG_DFL);
}
