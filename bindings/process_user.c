/* Users, groups and capabilities as they are named in options. */
#include "bindings/process_user.h"

#include <grp.h>
#include <lauxlib.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shell/registry.h"

/* In the order of their numbers (linux/capability.h). */
static const char *const capability_names[] = {
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid",
	"setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast",
	"net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
	"sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write",
	"audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm",
	"block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore", NULL
};

static void user_by_name(lua_State *L, const char *name, struct user *user)
{
	struct passwd pw, *found;
	char buf[4096];

	if (getpwnam_r(name, &pw, buf, sizeof(buf), &found) || !found)
		nerv_error(L, "there is no user '%s' on this machine", name);
	user->uid = pw.pw_uid;
	user->gid = pw.pw_gid;
	user->group_count = sizeof(user->groups) / sizeof(user->groups[0]);
	if (getgrouplist(name, pw.pw_gid, user->groups, &user->group_count) < 0)
		nerv_error(L, "user '%s' is in too many groups", name);
}

static lua_Integer id_option(lua_State *L, const char *key)
{
	lua_Integer id = lua_tointeger(L, -1);

	if (!lua_isinteger(L, -1) || id < 0 || id >= UINT32_MAX)
		nerv_error(L, "%s must be a name or a number, not %s", key,
			   luaL_tolstring(L, -1, NULL));
	return id;
}

void user_option(lua_State *L, int idx, const char *key, struct user *user)
{
	memset(user, 0, sizeof(*user));
	if (lua_getfield(L, idx, key) == LUA_TSTRING)
		user_by_name(L, lua_tostring(L, -1), user);
	else
		user->uid = user->gid = (uid_t)id_option(L, key);
	lua_pop(L, 1);
}

gid_t user_group_option(lua_State *L, int idx, const char *key)
{
	struct group gr, *found;
	char buf[16 * 1024];
	gid_t gid;

	if (lua_getfield(L, idx, key) == LUA_TSTRING) {
		if (getgrnam_r(lua_tostring(L, -1), &gr, buf, sizeof(buf), &found) || !found)
			nerv_error(L, "there is no group '%s' on this machine", lua_tostring(L, -1));
		gid = gr.gr_gid;
	} else {
		gid = (gid_t)id_option(L, key);
	}
	lua_pop(L, 1);
	return gid;
}

static int capability_number(lua_State *L, const char *name)
{
	const char *bare = strncasecmp(name, "cap_", 4) == 0 ? name + 4 : name;
	const char *near;

	for (int i = 0; capability_names[i]; i++)
		if (strcasecmp(bare, capability_names[i]) == 0)
			return i;
	near = nearest_name(bare, capability_names);
	return nerv_error(L, near ? "there is no capability '%s'; did you mean '%s'?"
				  : "there is no capability '%s'", name, near);
}

uint64_t user_capabilities_option(lua_State *L, int idx, const char *key)
{
	uint64_t set = 0;
	lua_Integer n;

	lua_getfield(L, idx, key);
	n = luaL_len(L, -1);
	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_geti(L, -1, i) != LUA_TSTRING)
			nerv_error(L, "%s must be a list of names", key);
		set |= (uint64_t)1 << capability_number(L, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return set;
}
