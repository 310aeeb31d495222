/* The link monitor: a userdata whose next() yields until a link changes. */
#include "bindings/link_monitor.h"

#include <errno.h>
#include <ev.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "bindings/link_read.h"
#include "bindings/op_lua.h"
#include "shell/runtime.h"

/* Room for the events of about 4000 links between two reads. */
#define SOCKET_ROOM (8 << 20)
#define READ_SIZE 32768

static const char class_name[] = "link.monitor";

struct monitor {
	struct wait wait;		/* first: cancel() */
	struct ev_io io;
	struct ev_loop *loop;
	struct nlconn conn;		/* sk NULL: closed */
	size_t len;			/* of what was received */
	size_t at;			/* where the next message begins */
	char buf[READ_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

const struct arg link_monitor_fields[] = {
	ARG_FIELD_NETNS,
	{ 0 }
};

static int run_monitor(struct op_list *l, struct op *op)
{
	const int room = SOCKET_ROOM;
	int ret = op_enter(l, op->netns);

	if (ret)
		return ret;
	ret = nlconn_open(&l->conn, &l->fault);
	op_leave(op->netns);
	if (ret)
		return ret;
	if (setsockopt(l->conn.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(l->conn.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (nl_socket_add_memberships(l->conn.sk, RTNLGRP_LINK, 0) ||
	    nl_socket_set_nonblocking(l->conn.sk))
		return fault_set(&l->fault, errno ? -errno : -EIO, "subscription");
	return 0;
}

static struct monitor *check_monitor(lua_State *L)
{
	struct monitor *m = luaL_checkudata(L, 1, class_name);

	if (!m->conn.sk)
		nerv_error(L, "this link monitor is closed");
	return m;
}

/* Idempotent: __gc, __close and close(). Who waits in next() hears of it. */
static int l_close(lua_State *L)
{
	struct monitor *m = luaL_checkudata(L, 1, class_name);

	if (!m->conn.sk)
		return 0;
	ev_io_stop(m->loop, &m->io);
	nlconn_close(&m->conn);
	wait_done(&m->wait);
	return 0;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct monitor *m = io->data;

	(void)events;
	ev_io_stop(loop, io);
	wait_done(&m->wait);
}

static void cancel(struct wait *w)
{
	struct monitor *m = (struct monitor *)w;

	ev_io_stop(m->loop, &m->io);
}

/* The next message of the datagram that tells of a link, or NULL. A bridge tells of
 * its ports a second time, in the family AF_BRIDGE. */
static const struct nlmsghdr *next_message(struct monitor *m)
{
	while (m->at < m->len) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(m->buf + m->at);
		const struct ifinfomsg *ifi = nlmsg_data(h);

		if (!nlmsg_ok(h, (int)(m->len - m->at)))
			break;
		m->at += NLMSG_ALIGN(h->nlmsg_len);
		if ((h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK) &&
		    ifi->ifi_family == AF_UNSPEC)
			return h;
	}
	return NULL;
}

static int push_event(lua_State *L, struct monitor *m, const struct nlmsghdr *msg)
{
	struct ifname master = { .index = link_master(msg) };

	lua_createtable(L, 0, 2);
	set_string(L, "event", msg->nlmsg_type == RTM_NEWLINK ? "new" : "delete");
	lua_newtable(L);
	if (master.index && !nlconn_name(&m->conn, master.index, master.name)) {
		lua_pushstring(L, master.name);
		lua_rawseti(L, -2, master.index);
	}
	link_push(L, msg, lua_gettop(L));
	lua_setfield(L, -3, "link");
	lua_pop(L, 1);
	return 1;
}

/* After an overflow the kernel drops what comes, and says so once, until the queue is
 * empty: what is still in it is stale, and is thrown away. */
static int push_lost(lua_State *L, struct monitor *m)
{
	ssize_t n;

	do
		n = recv(m->conn.fd, m->buf, sizeof(m->buf), 0);
	while (n >= 0 || errno == ENOBUFS || errno == EINTR);
	lua_createtable(L, 0, 1);
	set_string(L, "event", "lost");
	return 1;
}

/* Tries first, waits last. */
static int next_event(lua_State *L, int status, lua_KContext ctx)
{
	struct monitor *m = lua_touserdata(L, 1);

	(void)status;
	(void)ctx;
	while (m->conn.sk) {
		const struct nlmsghdr *h = next_message(m);
		ssize_t n;

		if (h)
			return push_event(L, m, h);
		n = recv(m->conn.fd, m->buf, sizeof(m->buf), MSG_TRUNC);
		m->at = 0;
		m->len = n > 0 && (size_t)n <= sizeof(m->buf) ? (size_t)n : 0;
		if (n > (ssize_t)sizeof(m->buf) || (n < 0 && errno == ENOBUFS))
			return push_lost(L, m);
		if (n < 0 && errno == EAGAIN) {
			m->wait.cancel = cancel;
			ev_io_start(m->loop, &m->io);
			return task_wait(L, &m->wait, 0, next_event);
		}
		if (n < 0 && errno != EINTR)
			return nerv_fail(L, errno, "link.monitor");
	}
	lua_pushnil(L);
	lua_pushliteral(L, "link.monitor: closed");
	lua_pushliteral(L, "closed");
	return 3;
}

static int l_next(lua_State *L)
{
	struct monitor *m = check_monitor(L);

	if (m->wait.task)
		return nerv_error(L, "link.monitor:next: another task waits already");
	lua_settop(L, 1);
	return next_event(L, LUA_OK, 0);
}

static const struct fn monitor_methods[] = {
	{ "next", l_next, NULL,
	  "waits for a change; returns { event = \"new\" or \"delete\", link = as link.get }, or "
	  "{ event = \"lost\" }: changes were missed, read the links again" },
	{ "close", l_close, NULL, "ends the monitor" },
	{ 0 }
};

static int push_monitor(lua_State *L, struct op_list *l, struct op *op)
{
	struct monitor *m;

	(void)op;
	m = lua_newuserdatauv(L, sizeof(*m), 0);
	memset(m, 0, sizeof(*m));
	luaL_setmetatable(L, class_name);
	m->loop = runtime_of(L)->loop;
	m->conn = l->conn;
	l->conn.sk = NULL;
	ev_io_init(&m->io, on_readable, m->conn.fd, EV_READ);
	m->io.data = m;
	return 1;
}

static void compile_monitor(const struct compile *c, struct op *op)
{
	(void)c;
	(void)op;
}

static const struct verb verb_monitor = {
	"link.monitor", link_monitor_fields, sizeof(struct op), compile_monitor, run_monitor,
	push_monitor,
};

int link_monitor_init(lua_State *L)
{
	registry_class(L, class_name, "changes of links as they happen", monitor_methods, l_close);
	return 1;
}

int link_monitor(lua_State *L)
{
	return op_call(L, &verb_monitor);
}
