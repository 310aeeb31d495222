/* Socket addresses from what Lua gives. */
#include "bindings/stream_address.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

void address_init(struct address *a)
{
	memset(a, 0, sizeof(*a));
	a->dir_fd = -1;
}

void address_done(struct address *a)
{
	if (a->dir_fd >= 0)
		close(a->dir_fd);
	a->dir_fd = -1;
}

static void name_by_path(struct address *a, const char *path)
{
	size_t len = strlen(path), most = sizeof(a->name) - 4;

	if (len <= most)
		snprintf(a->name, sizeof(a->name), "%s", path);
	else
		snprintf(a->name, sizeof(a->name), "...%s", path + len - most);
}

int address_unix(struct address *a, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;
	const char *base = strrchr(path, '/');
	char dir[PATH_MAX];
	int n;

	name_by_path(a, path);
	un->sun_family = AF_UNIX;
	a->len = sizeof(*un);
	if (strlen(path) < sizeof(un->sun_path)) {
		memcpy(un->sun_path, path, strlen(path) + 1);
		return *path ? 0 : -ENOENT;
	}
	if (!base || base - path >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(dir, sizeof(dir), "%.*s", base == path ? 1 : (int)(base - path), path);
	a->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (a->dir_fd < 0)
		return -errno;
	n = snprintf(un->sun_path, sizeof(un->sun_path), "/proc/self/fd/%d/%s", a->dir_fd, base + 1);
	return n < (int)sizeof(un->sun_path) ? 0 : -ENAMETOOLONG;
}

int address_tcp(struct address *a, const char *host, int port)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	char service[16];

	snprintf(a->name, sizeof(a->name), strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &found))
		return -EINVAL;
	memcpy(&a->addr, found->ai_addr, found->ai_addrlen);
	a->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

void address_peer_name(int fd, char *buf, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[64], port[16];

	if (!getpeername(fd, (struct sockaddr *)&addr, &len) && addr.ss_family != AF_UNIX &&
	    !getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
			 NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(buf, size, addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	else
		snprintf(buf, size, "client");
}
