/* nervsh: the Lua search path, the main task and the exit status. */
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/options.h"
#include "shell/runtime.h"
#include "shell/task_private.h"

#ifndef NERV_DATADIR
#define NERV_DATADIR "/usr/share/nerv"
#endif

/* The `arg` table as in lua(1): 0 is the script, its arguments follow. */
static void set_script(lua_State *L, int argc, char **argv)
{
	lua_newtable(L);
	for (int i = optind; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i - optind);
	}
	lua_setglobal(L, "arg");
}

/* Where lua/ and archetypes/ lie: above the build directory in a source tree, else
 * below the prefix that the program was installed to. */
static void find_data(char *dir, size_t size)
{
	static const char *const places[] = { "", "/share/nerv" };
	char exe[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	snprintf(dir, size, "%s", NERV_DATADIR);
	if (n <= 0)
		return;
	exe[n] = '\0';
	for (int up = 0; up < 3 && (slash = strrchr(exe, '/')); up++) {
		*slash = '\0';
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(path, sizeof(path), "%s%s/lua/nerv/start.lua", exe, places[i]);
			if (access(path, R_OK) == 0) {
				path[strlen(path) - strlen("/lua/nerv/start.lua")] = '\0';
				snprintf(dir, size, "%s", path);
				return;
			}
		}
	}
}

/* Gives the file a chunk name that tells NERV's own functions from a user's. */
static const char bootstrap[] =
	"local options, actions, dir = ...\n"
	"local file = assert(io.open(dir .. '/lua/nerv/start.lua'))\n"
	"local text = file:read('a')\n"
	"file:close()\n"
	"return assert(load(text, '@nerv:start.lua'))(options, actions, dir)\n";

static int exit_status(struct runtime *rt, struct task *main_task)
{
	if (rt->has_exit_code)
		return rt->exit_code;
	if (!main_task->failed)
		return EXIT_SUCCESS;
	if (rt->was_interrupted)
		return EXIT_INTERRUPTED;
	fprintf(stderr, "nervsh: %s\n", main_task->message);
	return EXIT_FAILURE;
}

/* Verdicts are given, which may clean up. A lab that this shell began ends with it, and
 * before it: the next command finds the machine clean. Returns the exit status: a check or
 * a scenario that failed makes a success a failure. */
static int leave(struct runtime *rt, int status)
{
	static const char text[] =
		"local status = ...\n"
		"for _, name in ipairs { 'nerv.scenario', 'nerv.checks', 'nerv.lab' } do\n"
		"  local module = package.loaded[name]\n"
		"  if module then status = module.leave(status) or status end\n"
		"end\n"
		"return status\n";
	lua_State *L = rt->L;
	struct task *task;
	int at;

	rt->has_exit_code = rt->was_interrupted = false;
	rt->insist = NULL;
	if (luaL_loadbuffer(L, text, sizeof(text) - 1, "@nerv:leave") != LUA_OK)
		return EXIT_FAILURE;
	lua_pushinteger(L, status);
	task_spawn(L, 1, "leave");
	at = lua_gettop(L);
	task = lua_touserdata(L, at);
	rt->foreground = task;
	runtime_run(rt, task);
	if (rt->has_exit_code)
		return rt->exit_code;
	if (task->failed)
		return rt->was_interrupted ? EXIT_INTERRUPTED : status ? status : EXIT_FAILURE;
	lua_getiuservalue(L, at, 2);	/* its results */
	lua_rawgeti(L, -1, 1);
	return (int)lua_tointeger(L, -1);
}

static int run(struct runtime *rt, int argc, char **argv)
{
	lua_State *L = rt->L;
	char dir[2 * PATH_MAX];
	struct task *main_task;
	int status;

	lua_newtable(L);
	lua_newtable(L);
	status = options_read(L, argc, argv);
	if (status >= 0)
		return status;
	set_script(L, argc, argv);
	find_data(dir, sizeof(dir));
	if (luaL_loadbuffer(L, bootstrap, sizeof(bootstrap) - 1, "@nerv:bootstrap") != LUA_OK)
		return EXIT_FAILURE;
	lua_insert(L, 1);
	lua_pushstring(L, dir);
	task_spawn(L, 3, "main");
	main_task = lua_touserdata(L, -1);
	main_task->quiet = true;
	rt->foreground = main_task;
	runtime_run(rt, main_task);
	status = exit_status(rt, main_task);
	fflush(stdout);
	status = leave(rt, status);
	fflush(stdout);
	return status;
}

int main(int argc, char **argv)
{
	struct runtime rt;
	int status;

	if (runtime_init(&rt)) {
		fputs("nervsh: cannot start: out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	status = run(&rt, argc, argv);
	runtime_finish(&rt);
	return status;
}
