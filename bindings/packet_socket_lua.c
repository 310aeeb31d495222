/* The Lua module `packet`. */
#include <errno.h>
#include <ev.h>
#include <lauxlib.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bindings/packet_socket.h"
#include "bindings/process_netns.h"
#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/worker.h"

static const char class_name[] = "packet";

enum { FRAME_LEAST = 14, FRAME_MOST = 256 * 1024 };	/* GSO frames pass 64 KiB */

struct packet {
	struct job job;			/* first: opening, and closing when promiscuous */
	struct wait reader, writer;
	struct ev_io readable, writable;
	struct ev_timer timer;
	struct ev_loop *loop;
	int fd;				/* -1: closed */
	int netns_fd, result;
	bool promiscuous, timed_out;
	uint16_t protocol;
	char link[IFNAMSIZ];
	char netns[160];
	uint8_t *frame;			/* FRAME_MOST bytes, in user value 1 */
};

static void stop_reading(struct packet *p)
{
	ev_io_stop(p->loop, &p->readable);
	ev_timer_stop(p->loop, &p->timer);
}

static struct packet *packet_of(struct wait *w, size_t offset)
{
	return (struct packet *)((char *)w - offset);
}

static void cancel_read(struct wait *w)
{
	stop_reading(packet_of(w, offsetof(struct packet, reader)));
}

static void cancel_write(struct wait *w)
{
	struct packet *p = packet_of(w, offsetof(struct packet, writer));

	ev_io_stop(p->loop, &p->writable);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct packet *p = io->data;

	(void)loop;
	(void)events;
	stop_reading(p);
	wait_done(&p->reader);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct packet *p = timer->data;

	(void)loop;
	(void)events;
	p->timed_out = true;
	stop_reading(p);
	wait_done(&p->reader);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct packet *p = io->data;

	(void)events;
	ev_io_stop(loop, io);
	wait_done(&p->writer);
}

/* Closes but for the descriptor, which it returns. */
static int detach(struct packet *p)
{
	int fd = p->fd;

	stop_reading(p);
	ev_io_stop(p->loop, &p->writable);
	p->fd = -1;
	wait_done(&p->reader);
	wait_done(&p->writer);
	return fd;
}

static int collect(lua_State *L)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);
	int fd = detach(p);

	if (fd >= 0)
		close(fd);
	if (p->netns_fd >= 0)
		close(p->netns_fd);
	p->netns_fd = -1;
	return 0;
}

static struct packet *packet_new(lua_State *L)
{
	struct packet *p = lua_newuserdatauv(L, sizeof(*p), 1);

	memset(p, 0, sizeof(*p));
	p->fd = p->netns_fd = -1;
	p->loop = runtime_of(L)->loop;
	p->reader.cancel = cancel_read;
	p->writer.cancel = cancel_write;
	ev_init(&p->readable, on_readable);
	ev_init(&p->writable, on_writable);
	ev_init(&p->timer, on_timeout);
	p->readable.data = p;
	p->writable.data = p;
	p->timer.data = p;
	luaL_setmetatable(L, class_name);
	p->frame = lua_newuserdatauv(L, FRAME_MOST, 0);
	lua_setiuservalue(L, -2, 1);
	return p;
}

static void run_open(struct job *job)
{
	struct packet *p = (struct packet *)job;

	if (p->netns_fd >= 0) {
		p->result = worker_enter_netns(p->netns_fd);
		if (p->result)
			return;
	}
	p->fd = packet_open(p->link, p->protocol, p->promiscuous);
	p->result = p->fd < 0 ? p->fd : 0;
	if (p->netns_fd >= 0)
		worker_leave_netns();
}

static int opened(lua_State *L, int status, lua_KContext idx)
{
	struct packet *p = luaL_checkudata(L, (int)idx, class_name);

	(void)status;
	if (p->netns_fd >= 0)
		close(p->netns_fd);
	p->netns_fd = -1;
	if (p->result)
		return nerv_fail(L, p->result, *p->netns ? "packet socket on %s in %s"
							 : "packet socket on %s", p->link, p->netns);
	ev_io_set(&p->readable, p->fd, EV_READ);
	ev_io_set(&p->writable, p->fd, EV_WRITE);
	lua_settop(L, (int)idx);
	return 1;
}

static int l_open(lua_State *L)
{
	struct packet *p = packet_new(L);
	const char *link = field_string(L, 1, "link", "");
	lua_Integer protocol = field_integer(L, 1, "protocol", 0);

	if (!*link || strlen(link) >= sizeof(p->link))
		return nerv_error(L, "packet.open: link must be the name of an interface, not '%s'", link);
	if (protocol < 0 || protocol > UINT16_MAX)
		return nerv_error(L, "packet.open: protocol must be 0 to 65535");
	snprintf(p->link, sizeof(p->link), "%s", link);
	p->protocol = (uint16_t)protocol;
	p->promiscuous = field_boolean(L, 1, "promiscuous", false);
	if (field_present(L, 1, "netns")) {
		p->netns_fd = process_netns_open(L, 1, "netns", p->netns, sizeof(p->netns));
		if (p->netns_fd < 0)
			return nerv_fail(L, p->netns_fd, "network namespace %s", p->netns);
	}
	p->job.run = run_open;
	return worker_call(L, lua_gettop(L), &p->job, lua_gettop(L), opened);
}

static struct packet *check(lua_State *L)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);

	if (p->fd < 0)
		nerv_error(L, "the packet socket on %s is closed", p->link);
	return p;
}

static int push_closed(lua_State *L, struct packet *p)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: closed meanwhile", p->link);
	lua_pushliteral(L, "closed");
	return 3;
}

static int push_frame(lua_State *L, struct packet *p, size_t len, const struct packet_info *info)
{
	lua_pushlstring(L, (const char *)p->frame, len < FRAME_MOST ? len : FRAME_MOST);
	lua_createtable(L, 0, 3);
	lua_pushboolean(L, info->outgoing);
	lua_setfield(L, -2, "outgoing");
	lua_pushnumber(L, info->time);
	lua_setfield(L, -2, "time");
	if (info->has_vlan) {
		lua_pushinteger(L, info->vlan_tci);
		lua_setfield(L, -2, "vlan");
	}
	return 2;
}

static int receive_go(lua_State *L, int status, lua_KContext ctx)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);
	struct packet_info info;
	ssize_t n;

	(void)ctx;
	if (p->fd < 0)
		return push_closed(L, p);
	if (p->reader.task)
		return nerv_error(L, "%s: another task is receiving from it already", p->link);
	n = packet_receive(p->fd, p->frame, FRAME_MOST, &info);
	if (n >= 0) {
		stop_reading(p);
		return push_frame(L, p, (size_t)n, &info);
	}
	if (n != -EAGAIN)
		return nerv_fail(L, (int)n, "%s", p->link);
	if (status == LUA_YIELD && p->timed_out) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: no frame within %f s", p->link, lua_tonumber(L, 2));
		lua_pushliteral(L, "timeout");
		return 3;
	}
	p->timed_out = false;
	if (lua_isnumber(L, 2)) {
		ev_now_update(p->loop);
		ev_timer_set(&p->timer, lua_tonumber(L, 2), 0);
		ev_timer_start(p->loop, &p->timer);
	}
	ev_io_start(p->loop, &p->readable);
	return task_wait(L, &p->reader, 0, receive_go);
}

static int l_recv(lua_State *L)
{
	check(L);
	if (lua_isnumber(L, 2) && !(lua_tonumber(L, 2) >= 0))
		return nerv_error(L, "packet:recv: timeout must be 0 or more");
	return receive_go(L, LUA_OK, 0);
}

static int send_go(lua_State *L, int status, lua_KContext ctx)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);
	size_t len;
	const char *frame = lua_tolstring(L, 2, &len);
	ssize_t n;

	(void)status;
	(void)ctx;
	if (p->fd < 0)
		return push_closed(L, p);
	if (p->writer.task)
		return nerv_error(L, "%s: another task is sending on it already", p->link);
	do
		n = send(p->fd, frame, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		ev_io_start(p->loop, &p->writable);
		return task_wait(L, &p->writer, 0, send_go);
	}
	if (n < 0)
		return nerv_fail(L, errno, "sending %zu bytes on %s", len, p->link);
	lua_pushboolean(L, true);
	return 1;
}

static int l_send(lua_State *L)
{
	check(L);
	if (lua_rawlen(L, 2) < FRAME_LEAST)
		return nerv_error(L, "packet:send: a frame has %d bytes at least", FRAME_LEAST);
	return send_go(L, LUA_OK, 0);
}

static void run_close(struct job *job)
{
	close(((struct packet *)job)->result);
}

static int closed(lua_State *L, int status, lua_KContext ctx)
{
	(void)L;
	(void)status;
	(void)ctx;
	return 0;
}

/* To leave promiscuous mode takes the RTNL lock: a worker does it where one can wait. */
static int l_close(lua_State *L)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);

	if (p->fd < 0 || !p->promiscuous || !lua_isyieldable(L))
		return collect(L);
	p->result = detach(p);
	p->job.run = run_close;
	return worker_call(L, 1, &p->job, 0, closed);
}

static int l_tostring(lua_State *L)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "packet socket on %s%s", p->link, p->fd < 0 ? " (closed)" : "");
	return 1;
}

static const struct arg open_args[] = {
	{ "options", ARG_TABLE, true, "where, and what",
	  (const struct arg[]){
		  { "link", ARG_STRING, true, "name of the interface", NULL },
		  { "netns", ARG_NETNS, false, "network namespace of the interface", NULL },
		  { "protocol", ARG_INTEGER, false, "ethertype of incoming frames; by default all, both ways", NULL },
		  { "promiscuous", ARG_BOOLEAN, false, "true: frames for other addresses, too", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg send_args[] = {
	{ "frame", ARG_BYTES, true, "with its Ethernet header, without checksum", NULL }, { 0 }
};
static const struct arg recv_args[] = {
	{ "timeout", ARG_NUMBER, false, "longest time to wait, in seconds; by default for ever", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "send", l_send, send_args, "sends a frame; returns true" },
	{ "recv", l_recv, recv_args,
	  "returns the next frame and {outgoing=, vlan= tag if it had one, time= seconds since 1970}" },
	{ "close", l_close, NULL, "closes the socket" },
	{ 0 }
};

static const struct fn functions[] = {
	{ "open", l_open, open_args, "opens a packet socket on an interface; returns its handle" },
	{ 0 }
};

static int init(lua_State *L)
{
	registry_class(L, class_name, "a raw socket on an interface", methods, collect);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	return 1;
}

NERV_MODULE(packet, .name = "packet", .text = "frames of an interface, sent and received raw",
	    .functions = functions, .init = init);
