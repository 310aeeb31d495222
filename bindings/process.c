/* The Lua module `process`, and handles of processes. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bindings/process_buffers.h"
#include "bindings/process_child.h"
#include "bindings/process_options.h"
#include "bindings/process_run.h"
#include "bindings/process_signals.h"
#include "bindings/process_spawn.h"
#include "bindings/stream.h"
#include "shell/registry.h"

static const char class_name[] = "process";

/* A full userdata; its user values are 1 the table of fields (pid, streams) and 2 the
 * child. Dropping it leaves the process alone. */
struct handle {
	struct child *child;
};

/* Pushes a handle of the child at `idx`, with its table of fields at the top. */
static void push_handle(lua_State *L, int idx)
{
	struct handle *h;

	idx = lua_absindex(L, idx);
	h = lua_newuserdatauv(L, sizeof(*h), 2);
	h->child = child_check(L, idx);
	luaL_setmetatable(L, class_name);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, 2);
	lua_newtable(L);
	lua_pushinteger(L, h->child->pid);
	lua_setfield(L, -2, "pid");
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, -3, 1);
}

/* Our end of a pipe or terminal as a stream in the table on top. */
static void add_stream(lua_State *L, struct spawn *sp, int which, const char *key)
{
	struct stream *s;
	char name[96];

	if (sp->fds[which] < 0)
		return;
	s = stream_new(L);
	snprintf(name, sizeof(name), "%s of process %d", key, sp->child->pid);
	if (!stream_attach(s, sp->fds[which], name))
		spawn_take(sp, which);
	s->terminal = which == FD_NEAR_TERMINAL;
	lua_setfield(L, -2, key);
}

static int finish_spawn(lua_State *L, int status, lua_KContext idx)
{
	struct spawn *sp = spawn_check(L, (int)idx);

	(void)status;
	lua_getiuservalue(L, (int)idx, 2);
	push_handle(L, -1);
	add_stream(L, sp, FD_NEAR_IN, "stdin");
	add_stream(L, sp, FD_NEAR_OUT, "stdout");
	add_stream(L, sp, FD_NEAR_ERR, "stderr");
	add_stream(L, sp, FD_NEAR_TERMINAL, "pty");
	lua_pop(L, 1);
	return 1;
}

static int l_spawn(lua_State *L)
{
	static const struct stdio_defaults defaults = { { "inherit", "inherit", "inherit" } };

	return spawn_begin(L, &defaults, finish_spawn);
}

static int l_adopt(lua_State *L)
{
	lua_Integer pid = lua_tointeger(L, 1);
	int ret;

	if (pid < 1 || pid > INT_MAX)
		return nerv_error(L, "process.adopt: a process id is 1 or more");
	ret = child_adopt(L, (pid_t)pid);
	if (ret)
		return nerv_fail(L, ret, "process %d", (int)pid);
	push_handle(L, -1);
	lua_pop(L, 1);
	return 1;
}

static struct handle *check_handle(lua_State *L)
{
	return luaL_checkudata(L, 1, class_name);
}

static int finish_wait(lua_State *L, int status, lua_KContext ctx)
{
	struct child *c = check_handle(L)->child;

	(void)status;
	(void)ctx;
	if (c->ended) {
		child_push_status(L, c);
		return 1;
	}
	lua_pushnil(L);
	lua_pushfstring(L, "process %d: still running after %f s", c->pid, lua_tonumber(L, 2));
	lua_pushliteral(L, "timeout");
	return 3;
}

static int l_wait(lua_State *L)
{
	double seconds = luaL_optnumber(L, 2, -1);

	if (!lua_isnoneornil(L, 2) && !(seconds >= 0))
		return nerv_error(L, "process:wait: timeout must be 0 or more");
	return child_wait(L, check_handle(L)->child, seconds, 0, finish_wait);
}

static int l_kill(lua_State *L)
{
	struct child *c = check_handle(L)->child;
	int sig = lua_isnoneornil(L, 2) ? SIGTERM : process_signal(L, 2);
	int ret = child_kill(c, sig);

	if (ret)
		return nerv_fail(L, ret, "process %d", c->pid);
	lua_pushboolean(L, true);
	return 1;
}

static int l_running(lua_State *L)
{
	lua_pushboolean(L, !child_poll(check_handle(L)->child));
	return 1;
}

static int l_resize(lua_State *L)
{
	struct child *c = check_handle(L)->child;
	lua_Integer rows = lua_tointeger(L, 2), cols = lua_tointeger(L, 3);
	struct winsize size;
	struct stream *s;

	if (rows < 1 || rows > 65535 || cols < 1 || cols > 65535)
		return nerv_error(L, "process:resize: rows and cols must be 1 to 65535");
	lua_getiuservalue(L, 1, 1);
	lua_getfield(L, -1, "pty");
	s = stream_test(L, -1);
	if (!s)
		return nerv_error(L, "process %d has no terminal of ours", c->pid);
	memset(&size, 0, sizeof(size));
	size.ws_row = (unsigned short)rows;
	size.ws_col = (unsigned short)cols;
	if (ioctl(stream_check(L, -1)->fd, TIOCSWINSZ, &size))
		return nerv_fail(L, errno, "%s", s->name);
	lua_pushboolean(L, true);
	return 1;
}

static int l_tostring(lua_State *L)
{
	struct child *c = check_handle(L)->child;

	lua_pushfstring(L, "process %d%s", c->pid, c->ended ? " (ended)" : "");
	return 1;
}

/* Upvalue 1: the methods. Fields come first. */
static int index_handle(lua_State *L)
{
	check_handle(L);
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) != LUA_TNIL)
		return 1;
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	return 1;
}

static int l_self(lua_State *L)
{
	lua_pushinteger(L, getpid());
	return 1;
}

static int l_uid(lua_State *L)
{
	lua_pushinteger(L, geteuid());
	return 1;
}

static int l_exists(lua_State *L)
{
	lua_Integer pid = lua_tointeger(L, 1);

	lua_pushboolean(L, pid > 0 && pid <= INT_MAX && child_exists((pid_t)pid));
	return 1;
}

static int l_exe(lua_State *L)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

	if (n < 0)
		return nerv_fail(L, errno, "/proc/self/exe");
	lua_pushlstring(L, path, (size_t)n);
	return 1;
}

static int l_getenv(lua_State *L)
{
	lua_pushstring(L, getenv(lua_tostring(L, 1)));
	return 1;
}

static const struct arg wait_args[] = {
	{ "timeout", ARG_NUMBER, false, "longest time to wait, in seconds; by default for ever", NULL },
	{ 0 }
};
static const struct arg kill_args[] = {
	{ "signal", ARG_ANY, false, "name (\"HUP\") or number; by default TERM", NULL }, { 0 }
};
static const struct arg resize_args[] = {
	{ "rows", ARG_INTEGER, true, "height in characters", NULL },
	{ "cols", ARG_INTEGER, true, "width in characters", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "wait", l_wait, wait_args,
	  "waits for the end; returns {exit=n}, {signal=n, name=\"SIGKILL\"} or {gone=true}",
	  "local p = process.spawn{ argv = { \"sh\", \"-c\", \"exit 7\" } }\n"
	  "print(p:wait(5).exit)" },
	{ "kill", l_kill, kill_args, "sends a signal; returns true",
	  "local p = process.spawn{ argv = { \"sleep\", \"60\" } }\n"
	  "p:kill \"TERM\"\n"
	  "print(p:wait().name)" },
	{ "running", l_running, NULL, "returns whether it has not ended",
	  "local p = process.spawn{ argv = { \"sleep\", \"60\" } }\n"
	  "print(p:running())\n"
	  "p:kill \"KILL\"" },
	{ "resize", l_resize, resize_args, "sets the size of its terminal; returns true",
	  "local p = process.spawn{ argv = { \"cat\" }, pty = { rows = 24, cols = 80 } }\n"
	  "p:resize(50, 132)\n"
	  "p:kill()" },
	{ 0 }
};

static const struct arg spawn_args[] = {
	{ "options", ARG_TABLE, true, "what to start, and how", process_spawn_options }, { 0 }
};
static const struct arg run_args[] = {
	{ "options", ARG_TABLE, true, "what to start, and how", process_run_options }, { 0 }
};
static const struct arg pid_args[] = {
	{ "pid", ARG_INTEGER, true, "process id", NULL }, { 0 }
};
static const struct arg getenv_args[] = {
	{ "name", ARG_STRING, true, "of the variable", NULL }, { 0 }
};
static const struct arg signals_args[] = {
	{ "names", ARG_TABLE, true, "list of names, as {\"TERM\", \"HUP\"}", NULL }, { 0 }
};

static const struct fn functions[] = {
	{ "spawn", l_spawn, spawn_args,
	  "starts a program; returns a handle with pid, stdin, stdout, stderr and pty",
	  "local p = process.spawn{ argv = { \"tr\", \"a-z\", \"A-Z\" }, stdin = \"pipe\", stdout = \"pipe\" }\n"
	  "p.stdin:write \"hello\\n\"\n"
	  "p.stdin:close()\n"
	  "print(p.stdout:read_line(), p:wait().exit)" },
	{ "run", process_l_run, run_args,
	  "runs a program to its end; returns {exit= or signal=, stdout=, stderr=}",
	  "local r = process.run{ argv = { \"sort\" }, input = \"b\\na\\n\" }\n"
	  "print(r.exit, r.stdout)" },
	{ "adopt", l_adopt, pid_args, "returns a handle of a process that runs already",
	  "local p = process.spawn{ argv = { \"sleep\", \"60\" } }\n"
	  "local same = process.adopt(p.pid)\n"
	  "same:kill()\n"
	  "print(p:wait().name)" },
	{ "signals", process_l_signals, signals_args,
	  "catches signals of this program; returns an object with :next()",
	  "local s <close> = process.signals{ \"USR1\" }\n"
	  "process.run{ argv = { \"sh\", \"-c\", \"kill -USR1 $PPID\" } }\n"
	  "print(s:next())" },
	{ "self", l_self, NULL, "returns the id of this process",
	  "print(process.self())" },
	{ "packet_buffers", process_l_packet_buffers,
	  (const struct arg[]){ { "pid", ARG_INTEGER, true, "id of the process", NULL },
				{ "bytes", ARG_INTEGER, true, "of each of its packet sockets, each way", NULL },
				{ 0 } },
	  "lets more frames wait for a process that switches them itself; returns how many sockets it has for that",
	  "print(process.packet_buffers(process.self(), 1 << 20))" },
	{ "exists", l_exists, pid_args, "returns whether there is such a process, which has not ended",
	  "print(process.exists(process.self()))" },
	{ "exe", l_exe, NULL, "returns the path of this program",
	  "print(process.exe())" },
	{ "getenv", l_getenv, getenv_args, "returns a variable of the environment, or nil",
	  "print(process.getenv \"PATH\")" },
	{ "uid", l_uid, NULL, "returns the number of the user that this program acts as",
	  "print(process.uid() == 0)" },
	{ 0 }
};

static int init(lua_State *L)
{
	stream_class_open(L);
	child_class_open(L);
	spawn_class_open(L);
	process_run_open(L);
	process_signals_open(L);
	registry_class(L, class_name, "a program that was started or adopted", methods, NULL);
	luaL_getmetatable(L, class_name);
	lua_getfield(L, -1, "__index");
	lua_pushcclosure(L, index_handle, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	return 1;
}

NERV_MODULE(process, .name = "process", .text = "programs: start, feed, watch, end",
	    .functions = functions, .init = init);
