/* Listening sockets for the Thrift server. */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KIND (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static int bound_port(int fd)
{
	union {
		struct sockaddr a;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u = { 0 };
	socklen_t len = sizeof(u);

	if (getsockname(fd, &u.a, &len))
		return 0;
	return ntohs(u.a.sa_family == AF_INET6 ? u.in6.sin6_port : u.in.sin_port);
}

int nve_listen_tcp(const char *address, int *port, struct nve_error *e)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *ai = NULL;
	char service[16];
	int fd, one = 1, ret;

	snprintf(service, sizeof(service), "%d", *port);
	if (getaddrinfo(address, service, &hints, &ai))
		return nve_fail(e, -EINVAL, "'%s' is no IPv4 or IPv6 address", address);
	fd = socket(ai->ai_family, KIND, 0);
	ret = fd < 0 ? -errno : 0;
	if (!ret && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || bind(fd, ai->ai_addr, ai->ai_addrlen) ||
		     listen(fd, 128)))
		ret = -errno;
	freeaddrinfo(ai);
	if (ret) {
		if (fd >= 0)
			close(fd);
		return nve_fail(e, ret, "%s port %d: %s", address, *port, strerror(-ret));
	}
	*port = bound_port(fd);
	return fd;
}

static int answers(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, KIND, 0), ret;

	if (fd < 0)
		return 0;
	ret = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN;
	close(fd);
	return ret;
}

/* The file's mode is right before anybody can connect: bind() makes it under the umask, listen() comes after. */
int nve_listen_unix(const char *path, struct nve_error *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, ret = 0;

	if (strlen(path) >= sizeof(a.sun_path))
		return nve_fail(e, -ENAMETOOLONG, "%s: a socket path has %zu characters at most", path, sizeof(a.sun_path) - 1);
	strcpy(a.sun_path, path);
	if (!lstat(path, &st)) {
		if (!S_ISSOCK(st.st_mode) || answers(&a))
			return nve_fail(e, -EADDRINUSE, "%s: %s", path,
					S_ISSOCK(st.st_mode) ? "another process answers there" : "is there and is no socket");
		unlink(path);
	}
	fd = socket(AF_UNIX, KIND, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || chmod(path, 0660) || listen(fd, 128))
		ret = nve_fail(e, -errno, "%s: %s", path, strerror(errno));
	if (ret && fd >= 0)
		close(fd);
	return ret ? ret : fd;
}

int nve_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;

	if (fd < 0)
		return -errno;
	/* Both fail on a Unix socket, where neither means anything. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return fd;
}
