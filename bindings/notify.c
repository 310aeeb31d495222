/* The Lua module `notify`: tells a service manager of our state, by the datagrams of sd_notify(3), which its
 * manual describes for those who do without the library. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shell/registry.h"

/* 0 or negative errno. A name that begins with '@' lies in no file system. */
static int send_state(const char *name, const char *state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	int fd, ret = 0;

	if ((*name != '/' && *name != '@') || n >= sizeof(un.sun_path))
		return -EINVAL;
	memcpy(un.sun_path, name, n);
	if (*name == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int l_send(lua_State *L)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int ret;

	if (!name || !*name) {
		lua_pushboolean(L, false);
		return 1;
	}
	ret = send_state(name, lua_tostring(L, 1));
	if (ret)
		return nerv_fail(L, ret, "notify.send to %s", name);
	lua_pushboolean(L, true);
	return 1;
}

static const struct fn functions[] = {
	{ "send", l_send,
	  (const struct arg[]){
		  { "state", ARG_STRING, true, "lines of NAME=VALUE: \"READY=1\", \"STOPPING=1\", \"STATUS=text\"", NULL },
		  { 0 } },
	  "tells the service manager; returns false where there is none", "notify.send(\"READY=1\")" },
	{ 0 }
};

NERV_MODULE(notify, .name = "notify", .text = "states for a service manager (systemd)", .functions = functions);
