/* Descriptors of network namespaces. */
#include "bindings/process_netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int process_netns_open(lua_State *L, int idx, const char *key, char *path, size_t size)
{
	int fd;

	if (lua_getfield(L, idx, key) == LUA_TNUMBER) {
		snprintf(path, size, "/proc/%lld/ns/net", lua_tointeger(L, -1));
	} else {
		const char *name = lua_tostring(L, -1);

		snprintf(path, size, strchr(name, '/') ? "%s" : "/run/netns/%s", name);
	}
	lua_pop(L, 1);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}
