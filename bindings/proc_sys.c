/* A mount of proc of our own, in nobody's tree. */
#include "bindings/proc_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define ROOT "/proc/"
#define USES 64		/* of a mount: a new one costs as much as some ten look-ups */

struct proc_sys {
	pthread_mutex_t lock;
	int fd;			/* the root; -1: none yet */
	unsigned int used;
};

static const char key;

static int mount_proc(void)
{
	int fd = -1, context = fsopen("proc", FSOPEN_CLOEXEC);

	if (context >= 0 && !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (context >= 0)
		close(context);
	return fd >= 0 ? fd : open(ROOT, O_PATH | O_CLOEXEC);
}

static int close_it(lua_State *L)
{
	struct proc_sys *p = lua_touserdata(L, 1);

	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	pthread_mutex_destroy(&p->lock);
	return 0;
}

struct proc_sys *proc_sys_of(lua_State *L)
{
	struct proc_sys *p;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
	p = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (p)
		return p;
	p = lua_newuserdatauv(L, sizeof(*p), 0);
	pthread_mutex_init(&p->lock, NULL);
	p->fd = -1;
	p->used = 0;
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, close_it);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
	return p;
}

/* The new one comes first: without one the old one serves on. */
static void renew(struct proc_sys *p)
{
	const int fd = mount_proc();

	if (fd < 0)
		return;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = fd;
	p->used = 0;
}

int proc_sys_open(struct proc_sys *p, const char *path, int flags)
{
	int fd;

	pthread_mutex_lock(&p->lock);
	if (p->fd < 0 || p->used >= USES)
		renew(p);
	p->used++;
	fd = p->fd < 0 ? -1 : openat(p->fd, path + strlen(ROOT), flags | O_CLOEXEC);
	fd = fd < 0 ? -errno : fd;
	pthread_mutex_unlock(&p->lock);
	return fd;
}
