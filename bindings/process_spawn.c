/* Starting a process: its birth and the news of whether exec went well. */
#include "bindings/process_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/process_child.h"
#include "bindings/process_options.h"
#include "shell/runtime.h"

static const char class_name[] = "process.spawn";

static void close_fds(struct spawn *sp, int from, int to)
{
	for (int i = from; i < to; i++) {
		if (sp->fds[i] >= 0)
			close(sp->fds[i]);
		sp->fds[i] = -1;
	}
}

/* The streams stay with us after all: the child may have made them blocking. */
static void return_streams(struct spawn *sp)
{
	for (int i = 0; i < 3; i++) {
		struct stream *s = sp->moved[i];
		int flags = s && s->fd >= 0 ? fcntl(s->fd, F_GETFL) : -1;

		if (flags >= 0)
			fcntl(s->fd, F_SETFL, flags | O_NONBLOCK);
		sp->moved[i] = NULL;
	}
}

static void close_streams(struct spawn *sp)
{
	for (int i = 0; i < 3; i++) {
		if (sp->moved[i])
			stream_close(sp->moved[i]);
		sp->moved[i] = NULL;
	}
}

/* The task no longer waits for the program to run: then it shall not run. */
static void cancel_spawn(struct wait *w)
{
	struct spawn *sp = (struct spawn *)w;

	if (sp->child)
		child_kill(sp->child, SIGKILL);
	ev_io_stop(sp->loop, &sp->io);
	close_fds(sp, 0, FD_COUNT);
	return_streams(sp);
}

static int collect(lua_State *L)
{
	struct spawn *sp = luaL_checkudata(L, 1, class_name);

	if (sp->fds[FD_ERROR_READ] >= 0)
		cancel_spawn(&sp->wait);
	close_fds(sp, 0, FD_COUNT);
	return 0;
}

static void on_news(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct spawn *sp = io->data;

	(void)events;
	ev_io_stop(loop, io);
	wait_done(&sp->wait);
}

static struct spawn *spawn_new(lua_State *L)
{
	struct spawn *sp = lua_newuserdatauv(L, sizeof(*sp), 2);

	memset(sp, 0, sizeof(*sp));
	for (int i = 0; i < FD_COUNT; i++)
		sp->fds[i] = -1;
	sp->plan.netns_fd = sp->plan.terminal_fd = sp->plan.error_fd = sp->plan.join_cgroup_fd = -1;
	sp->loop = runtime_of(L)->loop;
	sp->wait.cancel = cancel_spawn;
	ev_init(&sp->io, on_news);
	sp->io.data = sp;
	luaL_setmetatable(L, class_name);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	return sp;
}

struct spawn *spawn_check(lua_State *L, int idx)
{
	return luaL_checkudata(L, idx, class_name);
}

int spawn_take(struct spawn *sp, int which)
{
	int fd = sp->fds[which];

	sp->fds[which] = -1;
	return fd;
}

static int push_failure(lua_State *L, int status, lua_KContext idx)
{
	struct spawn *sp = spawn_check(L, (int)idx);
	const char *stage = exec_stage_text(sp->news.failure.stage);
	char who[40] = "";

	(void)status;
	if (sp->plan.set_user)
		snprintf(who, sizeof(who), " as user %u", (unsigned int)sp->plan.user.uid);
	return nerv_fail(L, sp->news.failure.error, "cannot start %.200s%s%s%s", sp->what, who,
			 stage ? ": " : "", stage ? stage : "");
}

/* The pipe of news; its near end does not block. 0 or negative errno. */
static int make_news_pipe(struct spawn *sp)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	sp->news_len = 0;
	sp->fds[FD_ERROR_READ] = fds[0];
	sp->fds[FD_ERROR_WRITE] = sp->plan.error_fd = fds[1];
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK))
		return -errno;
	ev_io_set(&sp->io, fds[0], EV_READ);
	return 0;
}

/* Makes the process of the spawn at `idx`. 0 or negative errno. */
static int give_birth(lua_State *L, int idx, int cgroup_fd)
{
	struct spawn *sp = spawn_check(L, idx);
	int pidfd = -1, ret = make_news_pipe(sp);
	struct child *c;
	pid_t pid;

	if (ret)
		return ret;
	c = child_new(L);
	pid = exec_clone(cgroup_fd, &pidfd);
	if (pid == 0)
		exec_child(&sp->plan);
	close_fds(sp, FD_ERROR_WRITE, FD_ERROR_WRITE + 1);
	if (pid < 0)
		return pid;
	sp->child = c;
	child_watch(L, -1, pid, pidfd);
	lua_setiuservalue(L, idx, 2);
	return 0;
}

/* Reads what the child tells until it closes the pipe: 1 then, -EAGAIN before. */
static int read_news(struct spawn *sp)
{
	for (;;) {
		char spare;
		bool full = sp->news_len == sizeof(sp->news);
		ssize_t n = read(sp->fds[FD_ERROR_READ], full ? &spare : (char *)&sp->news + sp->news_len,
				 full ? 1 : sizeof(sp->news) - sp->news_len);

		if (n > 0 && !full)
			sp->news_len += (size_t)n;
		else if (n == 0)
			return 1;
		else if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int spawn_go(lua_State *L, int status, lua_KContext idx);

/* A cgroup that cgroup.kill was used on kills whoever is born into it from then on (seen
 * on Linux 6.18: the kernel compares kill counts of two different groups). Who joins it
 * is not killed. */
static int second_birth(lua_State *L, int status, lua_KContext idx)
{
	struct spawn *sp = spawn_check(L, (int)idx);
	int ret;

	(void)status;
	close_fds(sp, FD_ERROR_READ, FD_ERROR_READ + 1);
	sp->plan.join_cgroup_fd = sp->fds[FD_CGROUP];
	ret = give_birth(L, (int)idx, -1);
	if (!ret)
		return spawn_go(L, LUA_OK, idx);
	close_fds(sp, 0, FD_COUNT);
	return nerv_fail(L, ret, "cannot start %.200s", sp->what);
}

/* Waits for the pipe to close: by exec, or by the child's end. */
static int spawn_go(lua_State *L, int status, lua_KContext idx)
{
	struct spawn *sp = spawn_check(L, (int)idx);
	int ret = read_news(sp);

	(void)status;
	if (ret == -EAGAIN) {
		ev_io_start(sp->loop, &sp->io);
		return task_wait(L, &sp->wait, idx, spawn_go);
	}
	/* Waited for: else the dying one could keep the group busy after this call. */
	if (ret == 1 && sp->news_len == 0 && sp->fds[FD_CGROUP] >= 0 && sp->plan.join_cgroup_fd < 0)
		return child_wait(L, sp->child, 5, idx, second_birth);
	close_fds(sp, 0, FD_FAR_COUNT);
	close_fds(sp, FD_ERROR_READ, FD_ERROR_READ + 1);
	if (sp->news_len < sizeof(sp->news)) {
		close_streams(sp);
		return sp->done(L, LUA_OK, idx);
	}
	return_streams(sp);
	close_fds(sp, 0, FD_COUNT);
	/* Its cgroup can be removed when the call returns: it has gone by then. */
	return child_wait(L, sp->child, 5, idx, push_failure);
}

int spawn_begin(lua_State *L, const struct stdio_defaults *defaults, lua_KFunction done)
{
	struct spawn *sp;
	int idx, ret;

	if (!lua_isyieldable(L))
		return nerv_error(L, "a process cannot be started here: not inside a task");
	sp = spawn_new(L);
	idx = lua_gettop(L);
	lua_toclose(L, idx);	/* whatever error ends this call */
	sp->done = done;
	ret = process_options(L, idx, sp, defaults);
	if (ret) {
		close_fds(sp, 0, FD_COUNT);
		return nerv_fail(L, ret, "%s", sp->what);
	}
	snprintf(sp->what, sizeof(sp->what), "%s", sp->plan.argv[0]);
	ret = give_birth(L, idx, sp->fds[FD_CGROUP]);
	if (ret) {
		const char *cgroup = field_string(L, 1, "cgroup", NULL);

		close_fds(sp, 0, FD_COUNT);
		return nerv_fail(L, ret, cgroup ? "cannot start %.200s in cgroup %.200s"
						: "cannot start %.200s", sp->what, cgroup);
	}
	/* Always a wait, even if the program runs already: outside of a task it raises each
	 * time, not by chance. */
	ev_io_start(sp->loop, &sp->io);
	return task_wait(L, &sp->wait, idx, spawn_go);
}

void spawn_class_open(lua_State *L)
{
	if (luaL_newmetatable(L, class_name)) {
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__gc");
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__close");
	}
	lua_pop(L, 1);
}
