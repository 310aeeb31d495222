/* The options of process.spawn and process.run: everything but stdin, stdout, stderr. */
#include "bindings/process_options.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bindings/process_netns.h"

#define FALLBACK_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct arg pty_fields[] = {
	{ "rows", ARG_INTEGER, false, "height in characters; by default 24", NULL },
	{ "cols", ARG_INTEGER, false, "width in characters; by default 80", NULL },
	{ 0 }
};

#define COMMON_OPTIONS \
	{ "argv", ARG_TABLE, true, "the program and its arguments; a bare name is sought in PATH", NULL }, \
	{ "env", ARG_TABLE, false, "the whole environment {NAME=value}; by default this program's", NULL }, \
	{ "add_env", ARG_TABLE, false, "variables to set on top of it; false removes one", NULL }, \
	{ "cwd", ARG_STRING, false, "working directory", NULL }, \
	{ "netns", ARG_NETNS, false, "network namespace to run in", NULL }, \
	{ "mount_sys", ARG_BOOLEAN, false, "with netns: a private /sys that shows that namespace", NULL }, \
	{ "cgroup", ARG_STRING, false, "directory of a cgroup2 to be born into", NULL }, \
	{ "stdin", ARG_ANY, false, "\"inherit\", \"null\", \"pipe\", a stream (it moves) or {file=}", NULL }, \
	{ "stdout", ARG_ANY, false, "the same; {file=, append=true} appends", NULL }, \
	{ "stderr", ARG_ANY, false, "the same, or \"stdout\"", NULL }, \
	{ "user", ARG_ANY, false, "name or number of the user to become", NULL }, \
	{ "group", ARG_ANY, false, "name or number of the group; by default the user's", NULL }, \
	{ "capabilities", ARG_TABLE, false, "list of those to keep, as {\"net_admin\"}; all others go", NULL }, \
	{ "session", ARG_BOOLEAN, false, "true starts a session of its own (setsid)", NULL }, \
	{ "pdeathsig", ARG_ANY, false, "signal that it gets when this program ends", NULL }, \
	{ "umask", ARG_INTEGER, false, "mask of its new files' permissions", NULL }

const struct arg process_spawn_options[] = {
	COMMON_OPTIONS,
	{ "pty", ARG_ANY, false, "true or {rows=, cols=}: runs on a terminal of its own", pty_fields },
	{ 0 }
};

const struct arg process_run_options[] = {
	COMMON_OPTIONS,
	{ "input", ARG_BYTES, false, "what it reads from stdin", NULL },
	{ "limit", ARG_INTEGER, false,
	  "bytes of output, of each kind, past which it is killed; by default 64 MiB", NULL },
	{ 0 }
};

int process_signal(lua_State *L, int idx)
{
	const char *names[NSIG + 1], *name, *near;
	int n = 0;

	if (lua_isinteger(L, idx)) {
		lua_Integer sig = lua_tointeger(L, idx);

		if (sig < 1 || sig >= NSIG)
			nerv_error(L, "a signal's number is 1 to %d, not %lld", NSIG - 1, sig);
		return (int)sig;
	}
	if (lua_type(L, idx) != LUA_TSTRING)
		return nerv_error(L, "a signal is a name or a number, not %s",
				  luaL_tolstring(L, idx, NULL));
	name = lua_tostring(L, idx);
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int sig = 1; sig < NSIG; sig++) {
		if (!sigabbrev_np(sig))
			continue;
		if (strcmp(name, sigabbrev_np(sig)) == 0)
			return sig;
		names[n++] = sigabbrev_np(sig);
	}
	names[n] = NULL;
	near = nearest_name(name, names);
	return nerv_error(L, near ? "there is no signal '%s'; did you mean '%s'?"
				  : "there is no signal '%s'", name, near);
}

void process_anchor(lua_State *L, int idx)
{
	lua_getiuservalue(L, idx, 1);
	lua_insert(L, -2);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

/* An array of `n` pointers and a NULL that lives as long as the spawn at `idx`. */
static char **pointers(lua_State *L, int idx, size_t n)
{
	char **array = lua_newuserdatauv(L, (n + 1) * sizeof(*array), 0);

	memset(array, 0, (n + 1) * sizeof(*array));
	process_anchor(L, idx);
	return array;
}

/* The string or number on top, as a string that stays as long as the spawn; pops it. */
static char *keep_string(lua_State *L, int idx, const char *what)
{
	const char *s;
	size_t len;

	if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
		nerv_error(L, "%s must be a string, not %s", what, luaL_tolstring(L, -1, NULL));
	s = lua_tolstring(L, -1, &len);
	if (strlen(s) != len)
		nerv_error(L, "%s holds a NUL byte", what);
	process_anchor(L, idx);
	return (char *)(uintptr_t)s;	/* exec takes what it does not change as non-const */
}

static void read_argv(lua_State *L, int idx, struct spawn *sp)
{
	lua_Integer n;
	char **argv;

	lua_getfield(L, 1, "argv");
	n = luaL_len(L, -1);
	if (n < 1)
		nerv_error(L, "argv must hold the program's name at least");
	argv = pointers(L, idx, (size_t)n);
	for (lua_Integer i = 0; i < n; i++) {
		lua_geti(L, -1, i + 1);
		argv[i] = keep_string(L, idx, "each of argv");
	}
	if (!argv[0][0])
		nerv_error(L, "the program's name is empty");
	sp->plan.argv = argv;
	lua_pop(L, 1);
}

/* Copies {NAME=value} from the table on top into the one below it; pops the former. */
static void merge_env(lua_State *L)
{
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (!*name || strchr(name, '=') || strlen(name) != lua_rawlen(L, -2))
			nerv_error(L, "'%s' cannot be the name of a variable", name);
		lua_pushvalue(L, -2);
		if (lua_isboolean(L, -2) && !lua_toboolean(L, -2))
			lua_pushnil(L);
		else
			lua_pushvalue(L, -2);
		lua_settable(L, -6);
	}
	lua_pop(L, 1);
}

static void own_env(lua_State *L)
{
	for (char **e = environ; e && *e; e++) {
		const char *value = strchr(*e, '=');

		if (!value)
			continue;
		lua_pushlstring(L, *e, (size_t)(value - *e));
		lua_pushstring(L, value + 1);
		lua_rawset(L, -3);
	}
}

/* Leaves the environment as a table on the stack. */
static void read_env(lua_State *L, int idx, struct spawn *sp)
{
	size_t n = 0;
	char **envp;

	lua_newtable(L);
	if (lua_getfield(L, 1, "env") == LUA_TTABLE) {
		merge_env(L);
	} else {
		lua_pop(L, 1);
		own_env(L);
	}
	if (lua_getfield(L, 1, "add_env") == LUA_TTABLE)
		merge_env(L);
	else
		lua_pop(L, 1);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		n++;
	envp = pointers(L, idx, n);
	n = 0;
	for (lua_pushnil(L); lua_next(L, -2);) {
		if (!lua_isstring(L, -1))
			nerv_error(L, "the value of %s must be a string", lua_tostring(L, -2));
		lua_pushfstring(L, "%s=", lua_tostring(L, -2));
		lua_insert(L, -2);
		lua_concat(L, 2);
		envp[n++] = keep_string(L, idx, "a variable");
	}
	sp->plan.envp = envp;
}

/* The files that may be the program, from PATH of the environment on top; pops it. */
static void read_files(lua_State *L, int idx, struct spawn *sp)
{
	const char *name = sp->plan.argv[0], *path = FALLBACK_PATH;
	char **files;
	size_t n = 1;

	if (lua_getfield(L, -1, "PATH") == LUA_TSTRING)
		path = lua_tostring(L, -1);
	for (const char *p = path; *p; p++)
		n += *p == ':';
	files = pointers(L, idx, n);
	sp->plan.files = files;
	if (strchr(name, '/')) {
		files[0] = sp->plan.argv[0];
		path = "";
	}
	for (n = 0; *path; path += *path == ':') {
		size_t len = strcspn(path, ":");

		if (len) {	/* an empty entry would mean the working directory */
			lua_pushlstring(L, path, len);
			lua_pushfstring(L, "/%s", name);
			lua_concat(L, 2);
			files[n++] = keep_string(L, idx, "PATH");
		}
		path += len;
	}
	lua_pop(L, 2);
}

static int read_places(lua_State *L, struct spawn *sp)
{
	const char *cgroup = field_string(L, 1, "cgroup", NULL);
	char path[400];
	int fd;

	if (field_present(L, 1, "netns")) {
		fd = process_netns_open(L, 1, "netns", path, sizeof(path));
		if (fd < 0) {
			snprintf(sp->what, sizeof(sp->what), "network namespace %s", path);
			return fd;
		}
		sp->plan.netns_fd = sp->fds[FD_NETNS] = fd;
		sp->plan.mount_sys = field_boolean(L, 1, "mount_sys", false);
	} else if (field_boolean(L, 1, "mount_sys", false)) {
		nerv_error(L, "mount_sys goes with netns only");
	}
	if (cgroup) {
		sp->fds[FD_CGROUP] = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (sp->fds[FD_CGROUP] < 0) {
			snprintf(sp->what, sizeof(sp->what), "cgroup %.400s", cgroup);
			return -errno;
		}
	}
	return 0;
}

static void read_rights(lua_State *L, struct exec_plan *plan)
{
	if (field_present(L, 1, "user")) {
		user_option(L, 1, "user", &plan->user);
		plan->set_user = true;
	}
	if (field_present(L, 1, "group")) {
		plan->user.gid = user_group_option(L, 1, "group");
		plan->set_group = true;
	}
	if (field_present(L, 1, "capabilities")) {
		plan->capabilities = user_capabilities_option(L, 1, "capabilities");
		plan->set_capabilities = true;
	}
}

int process_options(lua_State *L, int idx, struct spawn *sp, const struct stdio_defaults *defaults)
{
	struct exec_plan *plan = &sp->plan;
	int ret;

	read_argv(L, idx, sp);
	read_env(L, idx, sp);
	read_files(L, idx, sp);
	read_rights(L, plan);
	if (lua_getfield(L, 1, "cwd") == LUA_TSTRING)
		plan->cwd = keep_string(L, idx, "cwd");
	else
		lua_pop(L, 1);
	plan->session = field_boolean(L, 1, "session", false);
	plan->umask = (int)field_integer(L, 1, "umask", -1);
	plan->parent = getpid();
	if (lua_getfield(L, 1, "pdeathsig") != LUA_TNIL)
		plan->death_signal = process_signal(L, -1);
	lua_pop(L, 1);
	ret = read_places(L, sp);
	return ret ? ret : process_stdio_options(L, idx, sp, defaults);
}
