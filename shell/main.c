/* nervsh: options, the Lua search path, the main task and the exit status. */
#include <errno.h>
#include <getopt.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/task_private.h"

#ifndef NERV_DATADIR
#define NERV_DATADIR "/usr/share/nerv"
#endif

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static const char usage[] =
	"Usage: nervsh [OPTION]... [FILE [ARGUMENT]...]\n"
	"A shell and scripting environment for virtual networks of any architecture.\n"
	"\n"
	"  FILE               run a script; its arguments are in `arg` and `...`\n"
	"  -                  run standard input\n"
	"  -e CODE            run Lua code (may be repeated)\n"
	"  -c COMMAND         run one command line, as typed at the prompt\n"
	"  -l MODULE          require MODULE into a global of its name\n"
	"  -i                 prompt after the script or code\n"
	"      --agent        be the agent of this node\n"
	"      --lab          (with --agent) end when the last shell leaves\n"
	"      --temporary    (with --agent) remove everything that was made when ending\n"
	"      --keep         leave the lab running when the shell ends\n"
	"      --db REMOTE    use this database: unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT\n"
	"      --config FILE  (with --agent) settings; default /etc/nerv/nerv.lua\n"
	"      --listen ADDRESS:PORT    (with --agent) answer shells on other nodes, with TLS\n"
	"      --share ADDRESS:PORT     (with --agent) share the node's own database, with TLS\n"
	"      --tls DIR      ca.pem, certificate.pem and key.pem; default $NERV_TLS or /etc/nerv/tls\n"
	"      --state DIR    state directory; default $NERV_STATE or /var/lib/nerv\n"
	"      --node NAME    name of this node; default the host's name\n"
	"      --no-init      do not run ~/.config/nervsh/init.lua before the prompt\n"
	"      --help         show this and exit\n"
	"      --version      show the version and exit\n"
	"\n"
	"Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted; of a program that\n"
	"-c runs in an endpoint its own. A failed `check`, `expect` or scenario is a failure.\n";

enum { OPT_AGENT = 256, OPT_LAB, OPT_TEMPORARY, OPT_KEEP, OPT_DB, OPT_STATE, OPT_NODE,
       OPT_CONFIG, OPT_LISTEN, OPT_SHARE, OPT_TLS, OPT_NO_INIT, OPT_HELP, OPT_VERSION };

static const struct option options[] = {
	{ "agent", no_argument, NULL, OPT_AGENT },
	{ "lab", no_argument, NULL, OPT_LAB },
	{ "temporary", no_argument, NULL, OPT_TEMPORARY },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ "db", required_argument, NULL, OPT_DB },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "no-init", no_argument, NULL, OPT_NO_INIT },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "tls", required_argument, NULL, OPT_TLS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 }
};

static const char *option_name(int value)
{
	for (const struct option *o = options; o->name; o++)
		if (o->val == value)
			return o->name;
	return NULL;
}

static int unknown_option(const char *word)
{
	const char *names[32];
	const char *near;
	size_t n = 0;

	for (const struct option *o = options; o->name; o++)
		names[n++] = o->name;
	names[n] = NULL;
	near = strncmp(word, "--", 2) ? NULL : nearest_name(word + 2, names);
	fprintf(stderr, "nervsh: unknown option '%s'", word);
	if (near)
		fprintf(stderr, "; did you mean '--%s'?", near);
	fputs("; 'nervsh --help' lists the options\n", stderr);
	return EXIT_USAGE;
}

static void append_action(lua_State *L, const char *kind, const char *text)
{
	lua_createtable(L, 0, 2);
	lua_pushstring(L, kind);
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "text");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Fills the two tables on top of the stack: options, actions. -1, or an exit status. */
static int read_options(lua_State *L, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:e:c:l:i", options, NULL)) != -1) {
		switch (c) {
		case 'e':
			append_action(L, "code", optarg);
			break;
		case 'c':
			append_action(L, "command", optarg);
			break;
		case 'l':
			append_action(L, "module", optarg);
			break;
		case 'i':
			lua_pushboolean(L, true);
			lua_setfield(L, -3, "interactive");
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case OPT_VERSION:
			puts("nervsh " NERV_VERSION);
			return EXIT_SUCCESS;
		case OPT_DB:
		case OPT_STATE:
		case OPT_NODE:
		case OPT_CONFIG:
		case OPT_LISTEN:
		case OPT_SHARE:
		case OPT_TLS:
			lua_pushstring(L, optarg);
			lua_setfield(L, -3, option_name(c));
			break;
		case OPT_AGENT:
		case OPT_LAB:
		case OPT_TEMPORARY:
		case OPT_KEEP:
		case OPT_NO_INIT:
			lua_pushboolean(L, true);
			lua_setfield(L, -3, option_name(c));
			break;
		case ':':
			fprintf(stderr, "nervsh: option '%s' needs a value\n", argv[optind - 1]);
			return EXIT_USAGE;
		default:
			return unknown_option(argv[optind - 1]);
		}
	}
	return -1;
}

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
	status = read_options(L, argc, argv);
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
