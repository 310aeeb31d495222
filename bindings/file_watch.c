/* file.watch: changes of a file, or of what is in a directory, by inotify. */
#include "bindings/file_watch.h"

#include <errno.h>
#include <ev.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "file.watch";

enum { READ_SIZE = 4096 };

#define EVENTS (IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct watch {
	struct wait wait;		/* first: cancel_next() */
	struct ev_loop *loop;
	struct ev_io io;		/* fd -1: closed */
	struct ev_timer timer;
	size_t at, len;			/* what is not yet handed out of buf */
	double deadline;		/* of the loop's clock; below 0: none */
	bool expired, gone;
	char dir[PATH_MAX];		/* what the kernel watches */
	char name[NAME_MAX + 1];	/* of the file in it; "": all */
	char buf[READ_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
};

static void stop(struct watch *w)
{
	ev_io_stop(w->loop, &w->io);
	ev_timer_stop(w->loop, &w->timer);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct watch *w = io->data;

	(void)loop;
	(void)events;
	stop(w);
	wait_done(&w->wait);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct watch *w = timer->data;

	(void)loop;
	(void)events;
	w->expired = true;
	stop(w);
	wait_done(&w->wait);
}

static void cancel_next(struct wait *wait)
{
	stop((struct watch *)wait);
}

static const char *event_name(const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		return "lost";
	if (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		return "changed";
	return e->mask & IN_CREATE ? "created" : "removed";
}

/* The next event that is meant, or NULL when there is none in the buffer. */
static const struct inotify_event *next_buffered(struct watch *w)
{
	while (w->at < w->len) {
		const struct inotify_event *e = (const void *)(w->buf + w->at);

		w->at += sizeof(*e) + e->len;
		if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
			w->gone = true;
		else if (e->mask & IN_Q_OVERFLOW || !w->name[0] ||
			 (e->len && strcmp(e->name, w->name) == 0))
			return e;
	}
	return NULL;
}

static int push_event(lua_State *L, const struct watch *w, const struct inotify_event *e)
{
	lua_createtable(L, 0, 3);
	lua_pushstring(L, event_name(e));
	lua_setfield(L, -2, "event");
	if (!e->len)
		return 1;
	lua_pushstring(L, e->name);
	lua_setfield(L, -2, "name");
	lua_pushfstring(L, strcmp(w->dir, "/") == 0 ? "%s%s" : "%s/%s", w->dir, e->name);
	lua_setfield(L, -2, "path");
	return 1;
}

/* Tries first, waits last. Index 1 is the watch. */
static int next_event(lua_State *L, int status, lua_KContext ctx)
{
	struct watch *w = luaL_checkudata(L, 1, class_name);

	(void)status;
	(void)ctx;
	while (w->io.fd >= 0) {
		const struct inotify_event *e = next_buffered(w);
		ssize_t n;

		if (e)
			return push_event(L, w, e);
		if (w->gone)
			return nerv_fail(L, ENOENT, "%s", w->dir);
		n = read(w->io.fd, w->buf, sizeof(w->buf));
		w->at = 0;
		w->len = n > 0 ? (size_t)n : 0;
		if (n >= 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return nerv_fail(L, errno, "%s", w->dir);
		if (w->expired)
			break;
		if (w->deadline >= 0) {
			ev_timer_set(&w->timer, w->deadline - ev_now(w->loop), 0);
			ev_timer_start(w->loop, &w->timer);
		}
		ev_io_start(w->loop, &w->io);
		return task_wait(L, &w->wait, 0, next_event);
	}
	lua_pushnil(L);
	lua_pushfstring(L, w->io.fd < 0 ? "%s: the watch was closed" : "%s: no change in time", w->dir);
	lua_pushstring(L, w->io.fd < 0 ? "closed" : "timeout");
	return 3;
}

/* Waits for the next event, `seconds` (negative: for ever) from now at most. */
static int begin_next(lua_State *L, double seconds)
{
	struct watch *w = luaL_checkudata(L, 1, class_name);

	if (w->wait.task)
		return nerv_error(L, "another task waits for this watch already");
	w->expired = false;
	w->deadline = -1;
	if (seconds >= 0 && w->io.fd >= 0) {
		ev_now_update(w->loop);
		w->deadline = ev_now(w->loop) + seconds;
	}
	return next_event(L, LUA_OK, 0);
}

static double check_timeout(lua_State *L)
{
	const double seconds = luaL_optnumber(L, 2, -1);

	if (!lua_isnoneornil(L, 2) && !(seconds >= 0))
		nerv_error(L, "timeout must be 0 or more seconds");
	return seconds;
}

static int l_next(lua_State *L)
{
	struct watch *w = luaL_checkudata(L, 1, class_name);
	const double seconds = check_timeout(L);

	if (w->io.fd < 0)
		return nerv_error(L, "this watch of %s is closed", w->dir);
	lua_settop(L, 1);
	return begin_next(L, seconds);
}

/* Upvalues: the watch, the time limit. */
static int iterate(lua_State *L)
{
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	return begin_next(L, lua_tonumber(L, lua_upvalueindex(2)));
}

static int l_each(lua_State *L)
{
	const double seconds = check_timeout(L);

	lua_pushvalue(L, 1);
	lua_pushnumber(L, seconds);
	lua_pushcclosure(L, iterate, 2);
	return 1;
}

static int l_close(lua_State *L)
{
	struct watch *w = luaL_checkudata(L, 1, class_name);

	if (w->io.fd < 0)
		return 0;
	stop(w);
	close(w->io.fd);
	w->io.fd = -1;
	wait_done(&w->wait);
	return 0;
}

/* Sets dir and name from the path; 0 or negative errno. */
static int split(struct watch *w, const char *path)
{
	struct stat st;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!*path)
		return -ENOENT;
	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		name = "";
		len = strlen(path);
		while (len > 1 && path[len - 1] == '/')
			len--;
	} else if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		return -ENOENT;
	}
	if (len >= sizeof(w->dir) || strlen(name) >= sizeof(w->name))
		return -ENAMETOOLONG;
	memcpy(w->dir, path, len);
	if (!len)
		w->dir[0] = slash ? '/' : '.';
	memcpy(w->name, name, strlen(name));
	return 0;
}

int file_l_watch(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	struct watch *w = lua_newuserdatauv(L, sizeof(*w), 0);
	int ret, fd;

	memset(w, 0, sizeof(*w));
	w->io.fd = -1;
	luaL_setmetatable(L, class_name);
	ret = split(w, path);
	if (ret)
		return nerv_fail(L, ret, "%s", path);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return nerv_fail(L, errno, "inotify");
	w->loop = runtime_of(L)->loop;
	w->wait.cancel = cancel_next;
	ev_io_init(&w->io, on_readable, fd, EV_READ);
	ev_init(&w->timer, on_timeout);
	w->io.data = w->timer.data = w;
	if (inotify_add_watch(fd, w->dir, EVENTS) < 0)
		return nerv_fail(L, errno, "%s", w->dir);
	return 1;
}

static const struct arg timeout_args[] = {
	{ "timeout", ARG_NUMBER, false, "longest wait for a change, in seconds; by default for ever", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "next", l_next, timeout_args,
	  "waits for a change; returns {event=, name=, path=}: \"changed\" (written and closed, or put in its "
	  "place), \"created\", \"removed\", or \"lost\" (without a name: more came than the kernel keeps)",
	  "local path <const> = os.tmpname()\n"
	  "local w <close> = file.watch(path)\n"
	  "file.write(path, \"new\")\n"
	  "print(w:next(1).event)\n"
	  "file.remove(path)" },
	{ "each", l_each, timeout_args,
	  "returns an iterator of changes, for a `for`; it ends when none comes in time, or at close",
	  "local w <close> = file.watch(\"/tmp\")\n"
	  "for change in w:each(0.01) do print(change.event, change.path) end" },
	{ "close", l_close, NULL, "ends the watch; who waits hears of it",
	  "local w = file.watch(\"/tmp\")\n"
	  "w:close()" },
	{ 0 }
};

void file_watch_open(lua_State *L)
{
	registry_class(L, class_name, "changes of files as they happen", methods, l_close);
}
