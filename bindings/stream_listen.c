/* Streams: listening. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/process_user.h"
#include "bindings/stream.h"
#include "bindings/stream_address.h"
#include "bindings/stream_connect.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "stream.listener";

struct listener {
	struct wait wait;
	struct ev_io io;
	struct ev_loop *loop;
	struct address address;
	int fd;				/* -1: closed */
	bool made_path;			/* the socket's file is ours: dev and ino */
	dev_t dev;
	ino_t ino;
};

static const char *socket_path(const struct listener *l)
{
	return (const char *)&l->address.addr + sizeof(sa_family_t);	/* sun_path */
}

static void listener_close(struct listener *l)
{
	struct stat st;

	if (l->fd < 0) {
		address_done(&l->address);
		return;
	}
	ev_io_stop(l->loop, &l->io);
	if (l->made_path && !lstat(socket_path(l), &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(socket_path(l));
	close(l->fd);
	l->fd = -1;
	address_done(&l->address);
	wait_done(&l->wait);
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct listener *l = io->data;

	(void)events;
	ev_io_stop(loop, io);
	wait_done(&l->wait);
}

static void cancel_accept(struct wait *w)
{
	struct listener *l = (struct listener *)w;

	ev_io_stop(l->loop, &l->io);
}

static int accept_go(lua_State *L, int status, lua_KContext ctx)
{
	struct listener *l = luaL_checkudata(L, 1, class_name);
	struct stream *s;
	char name[96];
	int fd, on = 1, ret;

	(void)status;
	(void)ctx;
	if (l->fd < 0)
		return stream_push_closed(L, l->address.name, "closed meanwhile");
	if (l->wait.task)
		return nerv_error(L, "%s: another task is accepting already", l->address.name);
	s = stream_new(L);
	do
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0 && errno == EAGAIN) {
		lua_pop(L, 1);
		ev_io_start(l->loop, &l->io);
		return task_wait(L, &l->wait, 0, accept_go);
	}
	if (fd < 0)
		return nerv_fail(L, errno, "%s", l->address.name);
	address_peer_name(fd, name, sizeof(name));
	if (l->address.addr.ss_family == AF_UNIX)
		snprintf(name, sizeof(name), "client of %.80s", l->address.name);
	else
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ret = stream_attach(s, fd, name);
	if (ret) {
		close(fd);
		return nerv_fail(L, ret, "%s", name);
	}
	return 1;
}

static int l_accept(lua_State *L)
{
	struct listener *l = luaL_checkudata(L, 1, class_name);

	if (l->fd < 0)
		return nerv_error(L, "the listener %s is closed", l->address.name);
	return accept_go(L, LUA_OK, 0);
}

static int l_close(lua_State *L)
{
	listener_close(luaL_checkudata(L, 1, class_name));
	return 0;
}

static int l_port(lua_State *L)
{
	struct listener *l = luaL_checkudata(L, 1, class_name);
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (l->fd < 0)
		return nerv_error(L, "the listener %s is closed", l->address.name);
	if (getsockname(l->fd, (struct sockaddr *)&addr, &len))
		return nerv_fail(L, errno, "%s", l->address.name);
	if (addr.ss_family == AF_INET)
		lua_pushinteger(L, ntohs(((struct sockaddr_in *)&addr)->sin_port));
	else if (addr.ss_family == AF_INET6)
		lua_pushinteger(L, ntohs(((struct sockaddr_in6 *)&addr)->sin6_port));
	else
		return nerv_fail(L, EOPNOTSUPP, "%s: a Unix socket has no port", l->address.name);
	return 1;
}

static int l_tostring(lua_State *L)
{
	struct listener *l = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "listener %s%s", l->address.name, l->fd < 0 ? " (closed)" : "");
	return 1;
}

/* A socket's file that nobody listens on any more is left by a process that was
 * killed: removes it. */
static void remove_stale(const struct listener *l)
{
	struct stat st;
	int fd;

	if (lstat(socket_path(l), &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&l->address.addr, l->address.len) &&
	    errno == ECONNREFUSED)
		unlink(socket_path(l));
	close(fd);
}

/* Nobody can connect before listen(), so owner and mode are in place in time. */
static int set_owner(struct listener *l, mode_t mode, gid_t group)
{
	struct stat st;

	if (lstat(socket_path(l), &st))
		return -errno;
	l->made_path = true;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	if (group != (gid_t)-1 && chown(socket_path(l), (uid_t)-1, group))
		return -errno;
	return chmod(socket_path(l), mode) ? -errno : 0;
}

static int start_listening(struct listener *l, mode_t mode, gid_t group, int backlog)
{
	bool is_unix = l->address.addr.ss_family == AF_UNIX;
	int on = 1, ret;

	l->fd = socket(l->address.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	ev_io_set(&l->io, l->fd, EV_READ);
	if (is_unix)
		remove_stale(l);
	else
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->fd, (struct sockaddr *)&l->address.addr, l->address.len))
		return -errno;
	if (is_unix) {
		ret = set_owner(l, mode, group);
		if (ret)
			return ret;
	}
	return listen(l->fd, backlog) ? -errno : 0;
}

int stream_l_listen(lua_State *L)
{
	struct listener *l = lua_newuserdatauv(L, sizeof(*l), 0);
	gid_t group = (gid_t)-1;
	int ret;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	l->loop = runtime_of(L)->loop;
	l->wait.cancel = cancel_accept;
	address_init(&l->address);
	ev_init(&l->io, on_client);
	l->io.data = l;
	luaL_setmetatable(L, class_name);
	ret = stream_address_option(L, "stream.listen", &l->address);
	if (field_present(L, 1, "group"))
		group = user_group_option(L, 1, "group");
	if (!ret)
		ret = start_listening(l, (mode_t)field_integer(L, 1, "mode", 0660), group,
				      (int)field_integer(L, 1, "backlog", 128));
	if (ret) {
		listener_close(l);
		return nerv_fail(L, ret, "%s", l->address.name);
	}
	return 1;
}

static const struct fn methods[] = {
	{ "accept", l_accept, NULL, "waits for a client; returns its stream",
	  STREAM_EXAMPLE_LISTEN
	  "local client <close> = assert(stream.connect { host = \"127.0.0.1\", port = listener:port() })\n"
	  "client:write \"hello\"\n"
	  "local server <close> = listener:accept()\n"
	  "print(server:read())" },
	{ "port", l_port, NULL, "returns the TCP port it listens on",
	  STREAM_EXAMPLE_LISTEN
	  "print(listener:port())" },
	{ "close", l_close, NULL, "stops listening and removes its socket's file" },
	{ 0 }
};

void stream_listener_open(lua_State *L)
{
	registry_class(L, class_name, "a socket that accepts connections", methods, l_close);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
