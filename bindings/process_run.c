/* process.run: starts a program, feeds it, collects what it writes, waits for its end. */
#include "bindings/process_run.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/process_child.h"
#include "bindings/process_options.h"
#include "bindings/process_spawn.h"
#include "shell/runtime.h"

static const char class_name[] = "process.run";

enum { CHUNK = 64 * 1024, DEFAULT_LIMIT = 64 * 1024 * 1024 };

struct run {
	struct ev_loop *loop;
	struct child *child;
	struct ev_io io[3];		/* on our ends of stdin, stdout, stderr; -1 closed */
	struct buffer bytes[3];		/* what is to be written; what has been read */
	bool piped[3];
	size_t limit;
	int error;			/* why the process was killed */
	char name[64];
};

static void close_end(struct run *r, int i)
{
	if (r->io[i].fd < 0)
		return;
	ev_io_stop(r->loop, &r->io[i]);
	close(r->io[i].fd);
	r->io[i].fd = -1;
}

static void give_up(struct run *r, int error)
{
	r->error = error;
	child_kill(r->child, SIGKILL);
}

static void on_input(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct run *r = io->data;
	struct buffer *b = &r->bytes[0];
	ssize_t n = write(io->fd, buffer_bytes(b), buffer_length(b));

	(void)loop;
	(void)events;
	if (n >= 0)
		buffer_consume(b, (size_t)n);
	else if (errno == EAGAIN || errno == EINTR)
		return;
	if (n < 0 || !buffer_length(b))	/* a program that reads no more is no error */
		close_end(r, 0);
}

/* Reads once; whether bytes came. */
static bool collect_some(struct run *r, int i)
{
	struct buffer *b = &r->bytes[i];
	char *to = buffer_reserve(b, CHUNK);
	ssize_t n = to ? read(r->io[i].fd, to, CHUNK) : -1;

	if (!to) {
		give_up(r, ENOMEM);
		close_end(r, i);
	} else if (n > 0) {
		buffer_added(b, (size_t)n);
		if (buffer_length(b) > r->limit) {
			give_up(r, EMSGSIZE);
			close_end(r, i);
		}
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_end(r, i);
	}
	return n > 0;
}

static void on_output(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct run *r = io->data;

	(void)loop;
	(void)events;
	collect_some(r, io == &r->io[1] ? 1 : 2);
}

/* What the program wrote is in the pipe when it ends; those it left behind may write on,
 * so no more is taken than the pipe holds. */
static void drain(struct run *r, int i)
{
	int most = r->io[i].fd >= 0 ? fcntl(r->io[i].fd, F_GETPIPE_SZ) : 0;
	size_t until = buffer_length(&r->bytes[i]) + (size_t)(most > 0 ? most : 0);

	while (r->io[i].fd >= 0 && buffer_length(&r->bytes[i]) < until && collect_some(r, i))
		;
	close_end(r, i);
}

/* At the call's end; when an error ends it, the program still runs. */
static int collect(lua_State *L)
{
	struct run *r = luaL_checkudata(L, 1, class_name);

	if (r->child)
		child_kill(r->child, SIGKILL);
	r->child = NULL;
	for (int i = 0; i < 3; i++) {
		close_end(r, i);
		buffer_free(&r->bytes[i]);
	}
	return 0;
}

static int finish(lua_State *L, int status, lua_KContext idx)
{
	static const char *const keys[] = { NULL, "stdout", "stderr" };
	struct run *r = luaL_checkudata(L, (int)idx, class_name);

	(void)status;
	for (int i = 1; i < 3; i++)
		drain(r, i);
	if (r->error)
		return nerv_fail(L, r->error, "the output of %s", r->name);
	child_push_status(L, r->child);
	for (int i = 1; i < 3; i++) {
		if (!r->piped[i])
			continue;
		lua_pushlstring(L, buffer_bytes(&r->bytes[i]), buffer_length(&r->bytes[i]));
		lua_setfield(L, -2, keys[i]);
	}
	return 1;
}

/* The program runs: from here on the pipes are the collector's. */
static int run_go(lua_State *L, int status, lua_KContext spawn_idx)
{
	struct spawn *sp = spawn_check(L, (int)spawn_idx);
	struct run *r = lua_newuserdatauv(L, sizeof(*r), 0);
	int idx = lua_gettop(L);
	const char *input;
	size_t len;

	(void)status;
	memset(r, 0, sizeof(*r));
	r->loop = sp->loop;
	for (int i = 0; i < 3; i++) {
		ev_init(&r->io[i], i ? on_output : on_input);
		r->io[i].fd = -1;
		r->io[i].data = r;
	}
	luaL_setmetatable(L, class_name);
	r->child = sp->child;
	snprintf(r->name, sizeof(r->name), "%s", sp->plan.argv[0]);
	lua_toclose(L, idx);
	r->limit = (size_t)field_integer(L, 1, "limit", DEFAULT_LIMIT);
	lua_getfield(L, 1, "input");
	input = luaL_optlstring(L, -1, "", &len);
	if (buffer_append(&r->bytes[0], input, len))
		return luaL_error(L, "not enough memory");
	lua_pop(L, 1);
	for (int i = 0; i < 3; i++) {
		int fd = spawn_take(sp, FD_NEAR_IN + i);

		if (fd < 0)
			continue;
		fcntl(fd, F_SETFL, O_NONBLOCK);
		r->piped[i] = true;
		ev_io_set(&r->io[i], fd, i ? EV_READ : EV_WRITE);
		ev_io_start(r->loop, &r->io[i]);
	}
	return child_wait(L, r->child, -1, idx, finish);
}

int process_l_run(lua_State *L)
{
	struct stdio_defaults defaults = { { "null", "pipe", "pipe" } };

	if (field_present(L, 1, "input")) {
		if (field_present(L, 1, "stdin"))
			return nerv_error(L, "process.run: give either stdin or input");
		defaults.kind[0] = "pipe";
	}
	if (field_integer(L, 1, "limit", 0) < 0)
		return nerv_error(L, "process.run: limit must be 0 or more");
	return spawn_begin(L, &defaults, run_go);
}

void process_run_open(lua_State *L)
{
	if (luaL_newmetatable(L, class_name)) {
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__gc");
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__close");
	}
	lua_pop(L, 1);
}
