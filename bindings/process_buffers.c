#include "bindings/process_buffers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/registry.h"

/* Whether it is a packet socket, with both buffers set now; a negative errno. */
static int enlarge(int pidfd, int number, int bytes)
{
	int domain = AF_UNSPEC, ret;
	socklen_t size = sizeof(domain);
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	if (fd < 0)
		return errno == EBADF ? 0 : -errno;	/* closed meanwhile */
	ret = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_PACKET) {
		ret = 1;
		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
		    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			ret = -errno;
	}
	close(fd);
	return ret;
}

/* The number of packet sockets, or a negative errno. */
static int enlarge_all(int pidfd, DIR *dir, int bytes)
{
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir))) {
		char *end;
		long number = strtol(entry->d_name, &end, 10);
		int ret = *end ? 0 : enlarge(pidfd, (int)number, bytes);

		if (ret < 0)
			return ret;
		count += ret;
	}
	return count;
}

int process_l_packet_buffers(lua_State *L)
{
	lua_Integer pid = lua_tointeger(L, 1), bytes = lua_tointeger(L, 2);
	char path[64];
	DIR *dir = NULL;
	int pidfd = -1, ret;

	if (pid < 1 || pid > INT_MAX || bytes < 1 || bytes > INT_MAX / 2)
		return nerv_error(L, "process.packet_buffers: a process and 1 to %d bytes are expected", INT_MAX / 2);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (pidfd >= 0)
		dir = opendir(path);
	ret = dir ? enlarge_all(pidfd, dir, (int)bytes) : -errno;
	if (dir)
		closedir(dir);
	if (pidfd >= 0)
		close(pidfd);
	if (ret < 0)
		return nerv_fail(L, ret, "packet sockets of process %d", (int)pid);
	lua_pushinteger(L, ret);
	return 1;
}
