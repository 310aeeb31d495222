/* The Lua class of locks on files. */
#include "bindings/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/registry.h"

static const char class_name[] = "file.lock";

struct lock {
	int fd;		/* -1: closed */
};

/* Whether the open file is the one that the path names: a former holder may have
 * removed it between our open and our lock. */
static bool still_there(int fd, const char *path)
{
	struct stat ours, now;

	return !fstat(fd, &ours) && !stat(path, &now) && ours.st_dev == now.st_dev &&
	       ours.st_ino == now.st_ino;
}

/* The locked file's descriptor or negative errno. */
static int take(const char *path)
{
	for (int tries = 0; tries < 100; tries++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), err;

		if (fd < 0)
			return -errno;
		if (!flock(fd, LOCK_EX | LOCK_NB)) {
			if (still_there(fd, path))
				return fd;
			close(fd);
			continue;
		}
		err = errno;
		close(fd);
		return -err;
	}
	return -EAGAIN;
}

static int write_pid(int fd)
{
	return ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0 ? -errno : 0;
}

static long holder(const char *path)
{
	char text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

static int push_held(lua_State *L, const char *path)
{
	long pid = holder(path);

	lua_pushnil(L);
	if (pid > 0)
		lua_pushfstring(L, "%s: locked by process %d", path, (int)pid);
	else
		lua_pushfstring(L, "%s: locked by another process", path);
	lua_pushliteral(L, "EWOULDBLOCK");
	if (pid <= 0)
		return 3;
	lua_pushinteger(L, pid);
	return 4;
}

int file_l_lock(lua_State *L)
{
	const char *path = lua_tostring(L, 1);
	struct lock *l = lua_newuserdatauv(L, sizeof(*l), 0);
	int ret;

	l->fd = -1;
	luaL_setmetatable(L, class_name);
	ret = take(path);
	if (ret == -EWOULDBLOCK)
		return push_held(L, path);
	if (ret < 0)
		return nerv_fail(L, ret, "%s", path);
	l->fd = ret;
	ret = write_pid(l->fd);
	return ret ? nerv_fail(L, ret, "%s", path) : 1;
}

static int l_close(lua_State *L)
{
	struct lock *l = luaL_checkudata(L, 1, class_name);

	if (l->fd < 0)
		return 0;
	/* Explicitly: a child between clone and exec has the descriptor, too. */
	flock(l->fd, LOCK_UN);
	close(l->fd);
	l->fd = -1;
	return 0;
}

static const struct fn methods[] = {
	{ "close", l_close, NULL, "gives the lock up; the file stays",
	  "local dir = file.temp_dir \"nerv-\"\n"
	  "local lock = file.lock(dir .. \"/lock\")\n"
	  "lock:close()\n"
	  "file.remove_tree(dir)" },
	{ 0 }
};

void file_lock_open(lua_State *L)
{
	registry_class(L, class_name, "a lock on a file, held until it is closed", methods, l_close);
}
