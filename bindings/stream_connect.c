/* Streams: connecting. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "bindings/stream.h"
#include "bindings/stream_address.h"
#include "bindings/stream_connect.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "stream.connecting";

/* A Unix socket whose listener is busy says EAGAIN and has no event for "try again". */
static const double retry_every = 0.02;

struct connecting {
	struct wait wait;
	struct ev_io io;
	struct ev_timer timer;
	struct ev_loop *loop;
	struct address address;
	double timeout, deadline;	/* seconds; time of the loop */
	int fd;
	bool in_progress;
};

static void stop_events(struct connecting *c)
{
	ev_io_stop(c->loop, &c->io);
	ev_timer_stop(c->loop, &c->timer);
}

static void on_connected(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct connecting *c = io->data;

	(void)loop;
	(void)events;
	stop_events(c);
	wait_done(&c->wait);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct connecting *c = timer->data;

	(void)loop;
	(void)events;
	stop_events(c);
	wait_done(&c->wait);
}

static void finish(struct connecting *c)
{
	stop_events(c);
	address_done(&c->address);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void cancel_connect(struct wait *w)
{
	finish((struct connecting *)w);
}

static int collect(lua_State *L)
{
	finish(luaL_checkudata(L, 1, class_name));
	return 0;
}

static int push_stream(lua_State *L, struct connecting *c)
{
	struct stream *s = stream_new(L);
	int on = 1, ret = stream_attach(s, c->fd, c->address.name);

	if (ret)
		return nerv_fail(L, ret, "%s", c->address.name);
	if (c->address.addr.ss_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->fd = -1;
	finish(c);
	return 1;
}

/* 0, -EINPROGRESS, -EAGAIN, or the errno of a failure. */
static int try_connect(struct connecting *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (c->in_progress) {
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len))
			return -errno;
		if (err)
			return -err;
	}
	if (!connect(c->fd, (struct sockaddr *)&c->address.addr, c->address.len))
		return 0;
	switch (errno) {
	case EISCONN:
		return 0;
	case EINTR:
	case EALREADY:
	case EINPROGRESS:
		return -EINPROGRESS;
	default:
		return -errno;
	}
}

static int connect_go(lua_State *L, int status, lua_KContext idx)
{
	struct connecting *c = luaL_checkudata(L, (int)idx, class_name);
	double left;
	int ret = try_connect(c);

	(void)status;
	if (!ret)
		return push_stream(L, c);
	if (ret != -EINPROGRESS && ret != -EAGAIN) {
		finish(c);
		return nerv_fail(L, ret, "%s", c->address.name);
	}
	ev_now_update(c->loop);
	left = c->deadline - ev_now(c->loop);
	if (left <= 0) {
		finish(c);
		lua_pushnil(L);
		lua_pushfstring(L, "%s: no connection within %f s", c->address.name, c->timeout);
		lua_pushliteral(L, "timeout");
		return 3;
	}
	c->in_progress = ret == -EINPROGRESS;
	if (c->in_progress)
		ev_io_start(c->loop, &c->io);
	else if (left > retry_every)
		left = retry_every;
	ev_timer_set(&c->timer, left, 0);
	ev_timer_start(c->loop, &c->timer);
	return task_wait(L, &c->wait, idx, connect_go);
}

static struct connecting *connecting_new(lua_State *L)
{
	struct connecting *c = lua_newuserdatauv(L, sizeof(*c), 0);

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->loop = runtime_of(L)->loop;
	c->wait.cancel = cancel_connect;
	address_init(&c->address);
	ev_init(&c->io, on_connected);
	ev_init(&c->timer, on_time);
	c->io.data = c;
	c->timer.data = c;
	if (luaL_newmetatable(L, class_name)) {
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return c;
}

int stream_address_option(lua_State *L, const char *fn, struct address *a)
{
	const char *path = field_string(L, 1, "path", NULL), *host = field_string(L, 1, "host", NULL);
	lua_Integer port = field_integer(L, 1, "port", -1);

	if (path ? host || port != -1 : !host)
		return nerv_error(L, "%s: give either path, or host and port", fn);
	if (path)
		return address_unix(a, path);
	if (port < 0 || port > 65535)
		return nerv_error(L, "%s: port must be 0 to 65535", fn);
	if (address_tcp(a, host, (int)port))
		return nerv_error(L, "%s: host must be a numeric IP address, not %s", fn, host);
	return 0;
}

int stream_l_connect(lua_State *L)
{
	struct connecting *c = connecting_new(L);
	int ret = stream_address_option(L, "stream.connect", &c->address);

	c->timeout = field_number(L, 1, "timeout", 10);
	ev_now_update(c->loop);
	c->deadline = ev_now(c->loop) + c->timeout;
	if (!ret) {
		c->fd = socket(c->address.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (c->fd < 0)
			ret = -errno;
	}
	if (ret) {
		finish(c);
		return nerv_fail(L, ret, "%s", c->address.name);
	}
	ev_io_set(&c->io, c->fd, EV_WRITE);
	return connect_go(L, LUA_OK, lua_gettop(L));
}
