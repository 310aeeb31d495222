/* Mounting file systems, for the Lua module `file`. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/mount.h>

#include "bindings/file_lock.h"
#include "shell/registry.h"

static const struct {
	const char *name;
	unsigned long bit;
} flags[] = {
	{ "ro", MS_RDONLY },	    { "nosuid", MS_NOSUID },   { "nodev", MS_NODEV },
	{ "noexec", MS_NOEXEC },    { "remount", MS_REMOUNT }, { "bind", MS_BIND },
	{ "rec", MS_REC },	    { "private", MS_PRIVATE }, { "slave", MS_SLAVE },
	{ "shared", MS_SHARED },
};

enum { FLAG_COUNT = sizeof(flags) / sizeof(flags[0]) };

static unsigned long flag_bit(lua_State *L, const char *name)
{
	const char *names[FLAG_COUNT + 1], *near;

	for (size_t i = 0; i < FLAG_COUNT; i++) {
		if (strcmp(name, flags[i].name) == 0)
			return flags[i].bit;
		names[i] = flags[i].name;
	}
	names[FLAG_COUNT] = NULL;
	near = nearest_name(name, names);
	nerv_error(L, near ? "file.mount: there is no flag '%s'; did you mean '%s'?"
			   : "file.mount: there is no flag '%s'", name, near);
	return 0;
}

int file_l_mount(lua_State *L)
{
	const char *target = field_string(L, 1, "target", NULL);
	unsigned long bits = 0;

	if (lua_getfield(L, 1, "flags") == LUA_TTABLE) {
		lua_Integer n = luaL_len(L, -1);

		for (lua_Integer i = 1; i <= n; i++) {
			if (lua_geti(L, -1, i) != LUA_TSTRING)
				return nerv_error(L, "file.mount: flags are a list of names");
			bits |= flag_bit(L, lua_tostring(L, -1));
			lua_pop(L, 1);
		}
	}
	if (mount(field_string(L, 1, "source", "none"), target, field_string(L, 1, "type", NULL), bits,
		  field_string(L, 1, "data", NULL)))
		return nerv_fail(L, errno, "mount %s", target);
	lua_pushboolean(L, true);
	return 1;
}

int file_l_umount(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	bool lazy = lua_istable(L, 2) && field_boolean(L, 2, "lazy", false);

	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)))
		return nerv_fail(L, errno, "umount %s", path);
	lua_pushboolean(L, true);
	return 1;
}
