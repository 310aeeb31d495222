/* Users, groups and capabilities as they are named in options.
 *
 * Look-ups read the machine's databases (nsswitch) and are as quick as these are.
 * All functions with a lua_State raise when a name is unknown.
 */
#ifndef NERV_BINDINGS_PROCESS_USER_H
#define NERV_BINDINGS_PROCESS_USER_H

#include <lua.h>
#include <stdint.h>
#include <sys/types.h>

struct user {
	uid_t uid;
	gid_t gid;		/* the user's own; for a bare number equal to it */
	gid_t groups[256];	/* supplementary ones */
	int group_count;
};

/* The option `key` of the table at `idx`: a name or a number. */
void user_option(lua_State *L, int idx, const char *key, struct user *user);
gid_t user_group_option(lua_State *L, int idx, const char *key);

/* The list of capability names in the option `key` ("net_admin", "CAP_NET_ADMIN") as a
 * set of bits. */
uint64_t user_capabilities_option(lua_State *L, int idx, const char *key);

#endif
