/* The Lua module `cgroup`. */
#include <errno.h>
#include <ev.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bindings/cgroup_tree.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const double kill_limit = 5, remove_limit = 1;	/* seconds */

static int fail_root(lua_State *L, int err)
{
	lua_pushnil(L);
	if (err == -ENOENT)
		lua_pushliteral(L, "cgroup: no cgroup2 is mounted");
	else if (err == -EROFS)
		lua_pushliteral(L, "cgroup: no mounted cgroup2 is writable");
	else
		lua_pushfstring(L, "cgroup: /proc/self/mountinfo: %s", strerror(-err));
	lua_pushstring(L, errno_name(err));
	return 3;
}

/* Replaces argument 1 by the absolute path that it means. 0, or the number of results
 * of a failure. */
static int resolve(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	char root[PATH_MAX];
	int ret;

	for (const char *p = path; *p; p += strcspn(p, "/"), p += *p == '/')
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
			return nerv_error(L, "cgroup: a path may not hold '..': %s", path);
	if (*path == '/')
		return 0;
	ret = cgroup_find_root(root, sizeof(root));
	if (ret)
		return fail_root(L, ret);
	lua_pushfstring(L, *path ? "%s/%s" : "%s", root, path);
	lua_replace(L, 1);
	return 0;
}

static int fail_path(lua_State *L, int err)
{
	const char *path = lua_tostring(L, 1);

	if (err == -EINVAL) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: is not in a cgroup2", path);
		lua_pushliteral(L, "EINVAL");
		return 3;
	}
	return nerv_fail(L, err, "cgroup %s", path);
}

static int l_root(lua_State *L)
{
	char root[PATH_MAX];
	int ret = cgroup_find_root(root, sizeof(root));

	if (ret)
		return fail_root(L, ret);
	lua_pushstring(L, root);
	return 1;
}

static int l_create(lua_State *L)
{
	int ret = resolve(L);

	if (ret)
		return ret;
	ret = cgroup_make(lua_tostring(L, 1));
	if (ret)
		return fail_path(L, ret);
	lua_settop(L, 1);
	return 1;
}

static int add_name(void *data, const char *name)
{
	lua_State *L = data;

	lua_pushstring(L, name);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return 0;
}

static int add_pid(void *data, pid_t pid)
{
	lua_State *L = data;

	lua_pushinteger(L, pid);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return 0;
}

static int l_list(lua_State *L)
{
	int ret = resolve(L);

	if (ret)
		return ret;
	ret = cgroup_check(lua_tostring(L, 1));
	if (!ret) {
		lua_newtable(L);
		ret = cgroup_each_child(lua_tostring(L, 1), add_name, L);
	}
	return ret ? fail_path(L, ret) : 1;
}

static int l_pids(lua_State *L)
{
	int ret = resolve(L);

	if (ret)
		return ret;
	ret = cgroup_check(lua_tostring(L, 1));
	if (!ret) {
		lua_newtable(L);
		ret = cgroup_each_pid(lua_tostring(L, 1), add_pid, L);
	}
	return ret ? fail_path(L, ret) : 1;
}

static int l_populated(lua_State *L)
{
	int ret = resolve(L);

	if (ret)
		return ret;
	ret = cgroup_check(lua_tostring(L, 1));
	if (!ret)
		ret = cgroup_is_populated(lua_tostring(L, 1));
	if (ret < 0)
		return fail_path(L, ret);
	lua_pushboolean(L, ret);
	return 1;
}

/* Waits for a group to be empty. The kernel's notice (inotify on cgroup.events) is not
 * used: a user may have 128 such instances only, and processes end within milliseconds. */
struct emptying {
	struct wait wait;
	struct ev_loop *loop;
	struct ev_timer timer;
	double pause, until;
};

static void on_pause(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct emptying *e = timer->data;

	(void)loop;
	(void)events;
	wait_done(&e->wait);
}

static void cancel_emptying(struct wait *w)
{
	struct emptying *e = (struct emptying *)w;

	ev_timer_stop(e->loop, &e->timer);
}

/* Starts the next pause, each longer than the one before; false when time is over. */
static bool pause_emptying(struct emptying *e)
{
	ev_now_update(e->loop);
	if (ev_now(e->loop) >= e->until)
		return false;
	if (e->pause < 0.05)
		e->pause *= 2;
	ev_timer_set(&e->timer, e->pause, 0);
	ev_timer_start(e->loop, &e->timer);
	return true;
}

static int push_survivors(lua_State *L)
{
	luaL_Buffer b;
	lua_Integer n;

	lua_newtable(L);
	cgroup_each_pid(lua_tostring(L, 1), add_pid, L);
	n = (lua_Integer)lua_rawlen(L, -1);
	luaL_buffinit(L, &b);
	for (lua_Integer i = 1; i <= n && i <= 20; i++) {
		char text[24];

		lua_rawgeti(L, 3, i);
		snprintf(text, sizeof(text), " %lld", lua_tointeger(L, -1));
		lua_pop(L, 1);
		luaL_addstring(&b, text);
	}
	luaL_pushresult(&b);
	lua_pushnil(L);
	lua_pushfstring(L, "cgroup %s: processes have not ended within %f s:%s", lua_tostring(L, 1),
			kill_limit, lua_tostring(L, -2));
	lua_pushliteral(L, "timeout");
	return 3;
}

/* Stack: 1 path, 2 struct emptying. */
static int kill_go(lua_State *L, int status, lua_KContext ctx)
{
	struct emptying *e = lua_touserdata(L, 2);
	int ret = cgroup_is_populated(lua_tostring(L, 1));

	(void)status;
	(void)ctx;
	if (ret == 0 || ret == -ENOENT || ret == -ENODEV) {	/* empty, or removed meanwhile */
		lua_pushboolean(L, true);
		return 1;
	}
	if (ret < 0)
		return fail_path(L, ret);
	if (!pause_emptying(e))
		return push_survivors(L);
	return task_wait(L, &e->wait, 0, kill_go);
}

/* Puts a struct emptying at index 2; the wait may last `seconds`. */
static struct emptying *emptying_new(lua_State *L, double seconds)
{
	struct emptying *e;

	lua_settop(L, 1);
	e = lua_newuserdatauv(L, sizeof(*e), 0);
	memset(e, 0, sizeof(*e));
	e->loop = runtime_of(L)->loop;
	e->wait.cancel = cancel_emptying;
	e->pause = 0.0005;
	ev_init(&e->timer, on_pause);
	e->timer.data = e;
	ev_now_update(e->loop);
	e->until = ev_now(e->loop) + seconds;
	return e;
}

static int l_kill(lua_State *L)
{
	int ret = resolve(L);

	if (ret)
		return ret;
	ret = cgroup_kill_all(lua_tostring(L, 1));
	if (ret && ret != -ENOENT)
		return fail_path(L, ret);
	emptying_new(L, kill_limit);
	return kill_go(L, LUA_OK, 0);
}

static int find_any(void *data, pid_t pid)
{
	(void)data;
	return pid;
}

/* The kernel takes a dead process out of its group a moment after its end was told:
 * when none is listed, "busy" will soon be over. */
static int remove_go(lua_State *L, int status, lua_KContext ctx)
{
	struct emptying *e = lua_touserdata(L, 2);
	const char *path = lua_tostring(L, 1);
	int ret = cgroup_remove_all(path);

	(void)status;
	(void)ctx;
	if (ret == -EBUSY && cgroup_each_pid(path, find_any, NULL) <= 0 && pause_emptying(e))
		return task_wait(L, &e->wait, 0, remove_go);
	if (ret)
		return fail_path(L, ret);
	lua_pushboolean(L, true);
	return 1;
}

static int l_remove(lua_State *L)
{
	int ret = resolve(L);

	if (ret)
		return ret;
	emptying_new(L, remove_limit);
	return remove_go(L, LUA_OK, 0);
}

static const struct arg path_args[] = {
	{ "path", ARG_STRING, true, "absolute, or below the cgroup2 that root() returns", NULL }, { 0 }
};

static const struct fn functions[] = {
	{ "root", l_root, NULL, "returns where a writable cgroup2 is mounted",
	  "print(cgroup.root())" },
	{ "create", l_create, path_args,
	  "makes a group and its parents, as far as they lack; returns its absolute path",
	  "local group = \"nerv-example-\" .. process.self()\n"
	  "cgroup.create(group)\n"
	  "cgroup.remove(group)" },
	{ "kill", l_kill, path_args,
	  "kills all processes in a group and below, and waits up to 5 s until they are gone; returns true",
	  "local group = \"nerv-example-\" .. process.self()\n"
	  "cgroup.create(group)\n"
	  "process.spawn{ argv = { \"sleep\", \"60\" }, cgroup = cgroup.root() .. \"/\" .. group }\n"
	  "cgroup.kill(group)\n"
	  "cgroup.remove(group)" },
	{ "remove", l_remove, path_args,
	  "removes a group and those below, which must hold no process; returns true",
	  "local group = \"nerv-example-\" .. process.self()\n"
	  "cgroup.create(group)\n"
	  "cgroup.remove(group)" },
	{ "pids", l_pids, path_args, "returns the ids of the processes in a group and below",
	  "local group = \"nerv-example-\" .. process.self()\n"
	  "cgroup.create(group)\n"
	  "print(#cgroup.pids(group))\n"
	  "cgroup.remove(group)" },
	{ "list", l_list, path_args, "returns the names of the groups in a group",
	  "print(#cgroup.list(cgroup.root()))" },
	{ "populated", l_populated, path_args, "returns whether a group or one below holds a process",
	  "local group = \"nerv-example-\" .. process.self()\n"
	  "cgroup.create(group)\n"
	  "print(cgroup.populated(group))\n"
	  "cgroup.remove(group)" },
	{ 0 }
};

NERV_MODULE(cgroup, .name = "cgroup", .text = "control groups: hold, count and kill processes",
	    .functions = functions);
