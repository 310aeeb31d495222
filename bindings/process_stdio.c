/* The options of process.spawn and process.run: stdin, stdout, stderr and pty. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bindings/process_options.h"

static const char *const keys[] = { "stdin", "stdout", "stderr" };

static int use_file(struct spawn *sp, int i, const char *path, int flags)
{
	int fd = open(path, flags | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0644);

	if (fd < 0) {
		snprintf(sp->what, sizeof(sp->what), "%s: %.400s", keys[i], path);
		return -errno;
	}
	sp->fds[FD_FAR_IN + i] = sp->plan.stdio[i] = fd;
	sp->plan.blocking[i] = true;
	return 0;
}

static int use_pipe(struct spawn *sp, int i)
{
	int fds[2], child_end = i ? 1 : 0;

	if (pipe2(fds, O_CLOEXEC)) {
		snprintf(sp->what, sizeof(sp->what), "%s: pipe", keys[i]);
		return -errno;
	}
	sp->fds[FD_FAR_IN + i] = sp->plan.stdio[i] = fds[child_end];
	sp->fds[FD_NEAR_IN + i] = fds[!child_end];
	return 0;
}

static int use_word(lua_State *L, struct spawn *sp, int i, const char *word)
{
	static const char *const words[] = { "inherit", "null", "pipe", "stdout", NULL };
	const char *near;

	if (strcmp(word, "inherit") == 0) {
		sp->plan.stdio[i] = i;
		return 0;
	}
	if (strcmp(word, "null") == 0)
		return use_file(sp, i, "/dev/null", O_RDWR);
	if (strcmp(word, "pipe") == 0)
		return use_pipe(sp, i);
	if (strcmp(word, "stdout") == 0 && i == STDERR_FILENO) {
		sp->plan.stdio[i] = sp->plan.stdio[STDOUT_FILENO];
		return 0;
	}
	near = nearest_name(word, words);
	if (near && strcmp(near, word))
		return nerv_error(L, "%s cannot be '%s'; did you mean '%s'?", keys[i], word, near);
	return nerv_error(L, "%s cannot be '%s': it is a file as { file = NAME }, a stream, or one of inherit, null, "
			  "pipe%s", keys[i], word, i == STDERR_FILENO ? ", stdout" : "");
}

/* The file named by the table on top. */
static int use_table(lua_State *L, struct spawn *sp, int i)
{
	bool append;

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(key, "file") != 0 && strcmp(key, "append") != 0)
			nerv_error(L, "%s: a table may hold 'file' and 'append', not '%s'", keys[i], key);
	}
	if (!field_string(L, -1, "file", NULL))
		nerv_error(L, "%s: the table lacks 'file', a path", keys[i]);
	append = field_boolean(L, -1, "append", false);
	return use_file(sp, i, field_string(L, -1, "file", NULL),
			i == STDIN_FILENO ? O_RDONLY
					  : O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC));
}

/* The stream on top goes over to the child: two readers or writers of one pipe would
 * take each other's bytes, and its end would never be seen. */
static int use_stream(lua_State *L, int idx, struct spawn *sp, int i)
{
	struct stream *s = stream_check(L, -1);

	if (s->reader.task || s->writer.task)
		nerv_error(L, "%s: a task waits on the stream %s", keys[i], s->name);
	if (buffer_length(&s->in) || buffer_length(&s->out))
		nerv_error(L, "%s: the stream %s holds bytes that were read or written already",
			   keys[i], s->name);
	sp->plan.stdio[i] = s->fd;
	sp->plan.blocking[i] = true;
	sp->moved[i] = s;
	lua_pushvalue(L, -1);
	process_anchor(L, idx);
	return 0;
}

static int use_option(lua_State *L, int idx, struct spawn *sp, int i, const char *otherwise)
{
	int type = lua_getfield(L, 1, keys[i]), ret;

	if (type == LUA_TNIL)
		ret = use_word(L, sp, i, otherwise);
	else if (type == LUA_TSTRING)
		ret = use_word(L, sp, i, lua_tostring(L, -1));
	else if (type == LUA_TTABLE)
		ret = use_table(L, sp, i);
	else if (stream_test(L, -1))
		ret = use_stream(L, idx, sp, i);
	else
		ret = nerv_error(L, "%s must be a word, a stream or a table, not %s", keys[i],
				 luaL_tolstring(L, -1, NULL));
	lua_pop(L, 1);
	return ret;
}

static int size_field(lua_State *L, const char *key, int otherwise)
{
	lua_Integer n = lua_istable(L, -1) ? field_integer(L, -1, key, otherwise) : otherwise;

	if (n < 1 || n > 65535)
		nerv_error(L, "pty: %s must be 1 to 65535", key);
	return (int)n;
}

/* A new terminal; its far end is opened by descriptor (TIOCGPTPEER), so that it is found
 * in whatever mount namespace /dev/pts is. */
static int use_terminal(struct spawn *sp, const struct winsize *size)
{
	int near = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), far = -1, unlock = 0;

	snprintf(sp->what, sizeof(sp->what), "pty");
	sp->fds[FD_NEAR_TERMINAL] = near;
	if (near < 0 || ioctl(near, TIOCSPTLCK, &unlock) || ioctl(near, TIOCSWINSZ, size))
		return -errno;
	far = ioctl(near, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (far < 0)
		return -errno;
	sp->fds[FD_FAR_TERMINAL] = far;
	if (sp->plan.set_user && fchown(far, sp->plan.user.uid, (gid_t)-1))
		return -errno;
	sp->plan.terminal_fd = far;
	for (int i = 0; i < 3; i++)
		sp->plan.stdio[i] = far;
	return 0;
}

static void check_terminal_fields(lua_State *L)
{
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(key, "rows") != 0 && strcmp(key, "cols") != 0)
			nerv_error(L, "pty: a table may hold 'rows' and 'cols', not '%s'", key);
	}
}

/* Whether the options want a terminal; then with its size. */
static bool terminal_option(lua_State *L, struct winsize *size)
{
	int type = lua_getfield(L, 1, "pty");
	bool wanted = type == LUA_TTABLE || (type == LUA_TBOOLEAN && lua_toboolean(L, -1));

	if (type != LUA_TNIL && type != LUA_TTABLE && type != LUA_TBOOLEAN)
		nerv_error(L, "pty must be true or {rows=, cols=}, not %s", luaL_tolstring(L, -1, NULL));
	if (type == LUA_TTABLE)
		check_terminal_fields(L);
	if (wanted) {
		memset(size, 0, sizeof(*size));
		size->ws_row = (unsigned short)size_field(L, "rows", 24);
		size->ws_col = (unsigned short)size_field(L, "cols", 80);
	}
	lua_pop(L, 1);
	return wanted;
}

int process_stdio_options(lua_State *L, int idx, struct spawn *sp,
			  const struct stdio_defaults *defaults)
{
	struct winsize size;

	if (terminal_option(L, &size)) {
		for (int i = 0; i < 3; i++)
			if (field_present(L, 1, keys[i]))
				nerv_error(L, "%s: with pty all three are the terminal", keys[i]);
		return use_terminal(sp, &size);
	}
	for (int i = 0; i < 3; i++) {
		int ret = use_option(L, idx, sp, i, defaults->kind[i]);

		if (ret)
			return ret;
	}
	return 0;
}
