/* The Lua module `monitor`: changes of links, addresses, routes ... as they happen.
 *
 * A monitor owns a non-blocking netlink socket, which stays in the namespace where it
 * was opened. Everything but the opening runs on the loop's thread and takes no lock
 * of the kernel that can be held long.
 */
#include <errno.h>
#include <ev.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "bindings/monitor_event.h"
#include "bindings/op_lua.h"
#include "shell/runtime.h"

/* Room for the events of about 4000 links between two reads. */
#define SOCKET_ROOM (8 << 20)
#define READ_SIZE 32768

static const char class_name[] = "monitor";

struct monitor_op {
	struct op op;
	unsigned int wanted;	/* a bit for each subject */
};

struct monitor {
	struct wait wait;		/* first: cancel() */
	struct ev_io io;
	struct ev_timer timer;
	struct ev_loop *loop;
	struct nlconn conn;		/* sk NULL: closed */
	unsigned int wanted;
	bool timed_out;
	size_t len;			/* of what was received */
	size_t at;			/* where the next message begins */
	char buf[READ_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static const struct arg open_fields[] = {
	{ "only", ARG_TABLE, false, "list of what to follow: link, address, route, rule, neighbour, fdb; by "
	  "default all", NULL },
	ARG_FIELD_NETNS,
	{ 0 }
};

static const struct arg timeout_args[] = {
	{ "timeout", ARG_NUMBER, false, "longest time to wait for an event, seconds; by default for ever",
	  NULL },
	{ 0 }
};

static void compile_open(const struct compile *c, struct op *op)
{
	struct monitor_op *o = (struct monitor_op *)op;
	struct compile item = *c;
	uint32_t subject = 0;

	if (lua_getfield(c->L, c->idx, "only") == LUA_TTABLE) {
		lua_newtable(c->L);	/* compile_word() reads a named option */
		item.idx = lua_gettop(c->L);
		for (lua_Integer i = 1; lua_geti(c->L, item.idx - 1, i) != LUA_TNIL; i++) {
			if (lua_type(c->L, -1) != LUA_TSTRING)
				compile_error(c, "only must be a list of strings; item %d is none", (int)i);
			lua_setfield(c->L, item.idx, "only");
			compile_word(&item, "only", monitor_subjects, &subject);
			o->wanted |= 1u << subject;
		}
		lua_pop(c->L, 2);
		if (!o->wanted)
			compile_error(c, "only is empty: nothing would be told");
	} else {
		o->wanted = (1u << MONITOR_SUBJECTS) - 1;
	}
	lua_pop(c->L, 1);
}

static int subscribe(struct nlconn *conn, unsigned int wanted)
{
	int ret = nl_socket_set_nonblocking(conn->sk);

	for (unsigned int i = 0; !ret && i < MONITOR_SUBJECTS; i++)
		if (wanted & 1u << i)
			ret = nl_socket_add_memberships(conn->sk, monitor_groups[i][0],
						       monitor_groups[i][1], 0);
	return ret;
}

static int run_open(struct op_list *l, struct op *op)
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
	errno = 0;
	if (subscribe(&l->conn, ((struct monitor_op *)op)->wanted))
		return fault_set(&l->fault, errno ? -errno : -EIO, "subscription");
	return 0;
}

static struct monitor *check_monitor(lua_State *L)
{
	struct monitor *m = luaL_checkudata(L, 1, class_name);

	if (!m->conn.sk)
		nerv_error(L, "this monitor is closed");
	return m;
}

static void stop(struct monitor *m)
{
	ev_io_stop(m->loop, &m->io);
	ev_timer_stop(m->loop, &m->timer);
}

/* Idempotent: __gc, __close and close(). Who waits in next() hears of it. */
static int l_close(lua_State *L)
{
	struct monitor *m = luaL_checkudata(L, 1, class_name);

	if (!m->conn.sk)
		return 0;
	stop(m);
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

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct monitor *m = timer->data;

	(void)events;
	m->timed_out = true;
	ev_io_stop(loop, &m->io);
	wait_done(&m->wait);
}

static void cancel(struct wait *w)
{
	stop((struct monitor *)w);
}

/* The next message of the datagram that tells of what is wanted, or NULL. */
static const struct nlmsghdr *next_message(struct monitor *m)
{
	while (m->at < m->len) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(m->buf + m->at);

		if (!nlmsg_ok(h, (int)(m->len - m->at)))
			break;
		m->at += NLMSG_ALIGN(h->nlmsg_len);
		if (nlmsg_datalen(h) > 0 && (m->wanted & 1u << monitor_subject(h)))
			return h;
	}
	return NULL;
}

/* __index of the table of names: names[index]. */
static int l_name(lua_State *L)
{
	const struct monitor *m = lua_touserdata(L, lua_upvalueindex(1));
	char name[IFNAMSIZ];

	if (!m->conn.sk || nlconn_name(&m->conn, (int)lua_tointeger(L, 2), name))
		return 0;
	lua_pushstring(L, name);
	return 1;
}

/* Pushes a table that finds the name of an index when it is asked. */
static void push_names(lua_State *L)
{
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, l_name, 1);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

static bool push_event(lua_State *L, const struct nlmsghdr *msg)
{
	bool pushed;

	push_names(L);
	pushed = monitor_push(L, msg, lua_gettop(L));
	lua_remove(L, pushed ? -2 : -1);
	return pushed;
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

/* Pushes what next() returns and gives its number; 0 when it has to wait. */
static int try_event(lua_State *L, struct monitor *m)
{
	while (m->conn.sk) {
		const struct nlmsghdr *h = next_message(m);
		ssize_t n;

		if (h && push_event(L, h))
			return 1;
		if (h)
			continue;	/* it is of no interest after all */
		n = recv(m->conn.fd, m->buf, sizeof(m->buf), MSG_TRUNC);
		m->at = 0;
		m->len = n > 0 && (size_t)n <= sizeof(m->buf) ? (size_t)n : 0;
		if (n > (ssize_t)sizeof(m->buf) || (n < 0 && errno == ENOBUFS))
			return push_lost(L, m);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return nerv_fail(L, errno, "monitor");
	}
	lua_pushnil(L);
	lua_pushliteral(L, "monitor: closed");
	lua_pushliteral(L, "closed");
	return 3;
}

/* Tries first, waits last. The time runs on while events come that are not wanted. */
static int next_event(lua_State *L, int status, lua_KContext ctx)
{
	struct monitor *m = lua_touserdata(L, 1);
	int n = try_event(L, m);

	(void)status;
	(void)ctx;
	if (!n && m->timed_out) {
		lua_pushnil(L);
		lua_pushfstring(L, "monitor: no event within %f s", lua_tonumber(L, 2));
		lua_pushliteral(L, "timeout");
		n = 3;
	}
	if (n) {
		ev_timer_stop(m->loop, &m->timer);
		return n;
	}
	m->wait.cancel = cancel;
	ev_io_start(m->loop, &m->io);
	return task_wait(L, &m->wait, 0, next_event);
}

/* With the monitor at 1 and the timeout or nil at 2. */
static int begin(lua_State *L, struct monitor *m)
{
	if (m->wait.task)
		return nerv_error(L, "monitor: another task waits for its events already");
	m->timed_out = false;
	if (lua_isnumber(L, 2)) {
		ev_now_update(m->loop);
		ev_timer_set(&m->timer, lua_tonumber(L, 2), 0);
		ev_timer_start(m->loop, &m->timer);
	}
	return next_event(L, LUA_OK, 0);
}

static void check_timeout(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_isnumber(L, 2) && !(lua_tonumber(L, 2) >= 0))
		nerv_error(L, "monitor: timeout must be 0 or more");
}

static int l_next(lua_State *L)
{
	struct monitor *m = check_monitor(L);

	check_timeout(L);
	return begin(L, m);
}

static int iterate(lua_State *L)
{
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, lua_upvalueindex(2));
	return begin(L, lua_touserdata(L, 1));
}

static int l_events(lua_State *L)
{
	check_monitor(L);
	check_timeout(L);
	lua_pushcclosure(L, iterate, 2);
	return 1;
}

#define EXAMPLE_OPEN "local m <close> = monitor.open{ only = { \"link\" } }\n"

static const struct fn monitor_methods[] = {
	{ "next", l_next, timeout_args,
	  "waits for an event; returns { event = \"new\" or \"delete\", subject = \"link\", link = as link.get }, the "
	  "same with address, route, rule, neighbour, fdb as their lists have them, or { event = \"lost\" }: changes "
	  "were missed, read them again; \"new\" is also what has changed",
	  EXAMPLE_OPEN
	  "link.add{ kind = \"bridge\", name = \"br0\" }\n"
	  "print(m:next(1).link.name)" },
	{ "events", l_events, timeout_args,
	  "returns an iterator over such events, for a loop that ends at the timeout or when the monitor is closed",
	  EXAMPLE_OPEN
	  "link.add{ kind = \"bridge\", name = \"br0\", up = true }\n"
	  "for e in m:events(0.1) do print(e.event, e.link and e.link.name) end" },
	{ "close", l_close, NULL, "ends the monitor, and the wait of who waits for its events", EXAMPLE_OPEN "m:close()" },
	{ 0 }
};

static int push_monitor(lua_State *L, struct op_list *l, struct op *op)
{
	struct monitor *m = lua_newuserdatauv(L, sizeof(*m), 0);

	memset(m, 0, sizeof(*m));
	luaL_setmetatable(L, class_name);
	m->loop = runtime_of(L)->loop;
	m->wanted = ((struct monitor_op *)op)->wanted;
	m->conn = l->conn;
	l->conn.sk = NULL;
	ev_io_init(&m->io, on_readable, m->conn.fd, EV_READ);
	ev_init(&m->timer, on_timeout);
	m->io.data = m->timer.data = m;
	return 1;
}

static const struct verb verb_open = {
	"monitor.open", open_fields, sizeof(struct monitor_op), compile_open, run_open, push_monitor,
};

static int l_open(lua_State *L)
{
	return op_call(L, &verb_open);
}

static const struct fn monitor_functions[] = {
	{ "open", l_open, OP_ARGS(open_fields, false),
	  "returns a monitor of a namespace, whose next() and events() tell what changes from now on; of an "
	  "alias or group of a link that is down the kernel tells nothing",
	  "link.add{ kind = \"veth\", name = \"a\", peer = { name = \"b\" } }\n"
	  "local m <close> = monitor.open{ only = { \"link\", \"address\" } }\n"
	  "address.add{ link = \"a\", address = \"10.1.0.1/24\" }\n"
	  "for e in m:events(1) do\n"
	  "  if e.subject == \"address\" then print(e.event, e.address.address) break end\n"
	  "end" },
	{ 0 }
};

static int init(lua_State *L)
{
	registry_class(L, class_name, "changes of a namespace as they happen", monitor_methods, l_close);
	return 1;
}

NERV_MODULE(monitor, .name = "monitor", .text = "changes of links, addresses, routes as they happen",
	    .functions = monitor_functions, .init = init);
