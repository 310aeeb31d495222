/* Packet sockets: the class, opening, sending, closing. */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bindings/packet_handle.h"
#include "bindings/process_netns.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "packet";

void packet_stop_reading(struct packet *p)
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
	packet_stop_reading(packet_of(w, offsetof(struct packet, reader)));
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
	packet_stop_reading(p);
	wait_done(&p->reader);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct packet *p = timer->data;

	(void)loop;
	(void)events;
	p->timed_out = true;
	packet_stop_reading(p);
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

	packet_stop_reading(p);
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
	struct packet *p = lua_newuserdatauv(L, sizeof(*p), 2);

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
	p->fd = packet_open(p->link, p->protocol, p->promiscuous, p->filter, p->why, sizeof(p->why));
	p->result = p->fd;
	if (p->fd >= 0)
		p->linktype = p->result = packet_linktype(p->fd, p->link);
	if (p->netns_fd >= 0)
		worker_leave_netns();
}

static int refused(lua_State *L, const struct packet *p)
{
	const char *in = *p->netns ? " in " : "";

	if (!*p->why)
		return nerv_fail(L, p->result, "packet socket on %s%s%s", p->link, in, p->netns);
	lua_pushnil(L);
	lua_pushfstring(L, "packet socket on %s%s%s: filter '%s': %s", p->link, in, p->netns, p->filter, p->why);
	lua_pushstring(L, errno_name(p->result));
	return 3;
}

static int opened(lua_State *L, int status, lua_KContext idx)
{
	struct packet *p = luaL_checkudata(L, (int)idx, class_name);

	(void)status;
	if (p->netns_fd >= 0)
		close(p->netns_fd);
	p->netns_fd = -1;
	if (p->result < 0)
		return refused(L, p);
	ev_io_set(&p->readable, p->fd, EV_READ);
	ev_io_set(&p->writable, p->fd, EV_WRITE);
	lua_settop(L, (int)idx);
	return 1;
}

/* The table may change while the worker reads it. */
static void keep_filter(lua_State *L, struct packet *p)
{
	const char *filter = field_string(L, 1, "filter", NULL);

	if (!filter)
		return;
	p->filter = lua_newuserdatauv(L, strlen(filter) + 1, 0);
	strcpy(p->filter, filter);
	lua_setiuservalue(L, -2, 2);
}

int packet_l_open(lua_State *L)
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
	keep_filter(L, p);
	if (field_present(L, 1, "netns")) {
		p->netns_fd = process_netns_open(L, 1, "netns", p->netns, sizeof(p->netns));
		if (p->netns_fd < 0)
			return nerv_fail(L, p->netns_fd, "network namespace %s", p->netns);
	}
	p->job.run = run_open;
	return worker_call(L, lua_gettop(L), &p->job, lua_gettop(L), opened);
}

struct packet *packet_check_handle(lua_State *L)
{
	return luaL_checkudata(L, 1, class_name);
}

struct packet *packet_check_open(lua_State *L)
{
	struct packet *p = packet_check_handle(L);

	if (p->fd < 0)
		nerv_error(L, "the packet socket on %s is closed", p->link);
	return p;
}

int packet_push_closed(lua_State *L, const struct packet *p)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: closed meanwhile", p->link);
	lua_pushliteral(L, "closed");
	return 3;
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
		return packet_push_closed(L, p);
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
	packet_check_open(L);
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

static int l_statistics(lua_State *L)
{
	struct packet *p = packet_check_open(L);
	int ret = packet_count(p->fd, &p->counts);

	if (ret)
		return nerv_fail(L, ret, "%s", p->link);
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, (lua_Integer)p->counts.received);
	lua_setfield(L, -2, "received");
	lua_pushinteger(L, (lua_Integer)p->counts.dropped);
	lua_setfield(L, -2, "dropped");
	return 1;
}

static int l_linktype(lua_State *L)
{
	lua_pushinteger(L, packet_check_open(L)->linktype);
	return 1;
}

static int l_tostring(lua_State *L)
{
	struct packet *p = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "packet socket on %s%s", p->link, p->fd < 0 ? " (closed)" : "");
	return 1;
}

static const struct arg send_args[] = {
	{ "frame", ARG_BYTES, true, "with its Ethernet header, without checksum", NULL }, { 0 }
};
static const struct arg recv_args[] = {
	{ "timeout", ARG_NUMBER, false, "longest time to wait, in seconds; by default for ever", NULL },
	{ 0 }
};
static const struct arg frames_args[] = {
	{ "timeout", ARG_NUMBER, false, "seconds without a frame that end the loop; by default none do", NULL },
	{ 0 }
};
static const struct arg records_args[] = {
	{ "timeout", ARG_NUMBER, false, "longest time to wait, in seconds; by default for ever", NULL },
	{ "count", ARG_INTEGER, false, "frames at most; by default 256", NULL },
	{ "snaplen", ARG_INTEGER, false, "bytes of each frame to keep; by default all", NULL },
	{ 0 }
};

#define EXAMPLE_SENT \
	"link.set{ name = \"lo\", up = true }\n" \
	"local s <close> = packet.open{ link = \"lo\", filter = \"ether proto 0x88b5\" }\n" \
	"s:send((\"\\0\"):rep(12) .. \"\\x88\\xb5hello\")\n"

static const struct fn methods[] = {
	{ "send", l_send, send_args, "sends a frame; waits while the interface takes none; returns true",
	  "link.set{ name = \"lo\", up = true }\n"
	  "local s <close> = packet.open{ link = \"lo\" }\n"
	  "s:send(packet.build{ { type = \"ethernet\", src = \"02:00:00:00:00:01\", dst = \"02:00:00:00:00:02\",\n"
	  "  ethertype = 0x88b5 }, \"hello\" })" },
	{ "recv", packet_l_recv, recv_args,
	  "returns the next frame and {time= seconds since 1970, time_ns= the same in whole nanoseconds, outgoing=, "
	  "length= in bytes, checksum_pending= a device was to fill it in, vlan= tag if it had one}",
	  EXAMPLE_SENT
	  "local frame, info = s:recv(1)\n"
	  "print(#frame, info.outgoing, info.time)" },
	{ "frames", packet_l_frames, frames_args,
	  "iterates: each turn gives what recv returns; ends with the time limit or when the socket is closed",
	  "link.set{ name = \"lo\", up = true }\n"
	  "local s <close> = packet.open{ link = \"lo\", filter = \"ether proto 0x88b5\" }\n"
	  "s:send((\"\\0\"):rep(12) .. \"\\x88\\xb5hello\")\n"
	  "for frame, info in s:frames(0.1) do print(#frame, info.outgoing) end" },
	{ "records", packet_l_records, records_args,
	  "returns the next frames as records of a pcap file with nanoseconds, and how many there are",
	  EXAMPLE_SENT
	  "local records, count = s:records(1)\n"
	  "print(#records, count)" },
	{ "statistics", l_statistics, NULL,
	  "returns {received= frames that passed the filter, dropped= those of them that found no room}",
	  EXAMPLE_SENT
	  "print(s:statistics().received)" },
	{ "linktype", l_linktype, NULL, "returns what frames begin with, as pcap files number it: 1 Ethernet, 101 IP",
	  "local s <close> = packet.open{ link = \"lo\" }\n"
	  "assert(s:linktype() == 1)" },
	{ "close", l_close, NULL, "closes the socket; whoever waits on it gets \"closed\"" },
	{ 0 }
};

void packet_class_open(lua_State *L)
{
	registry_class(L, class_name, "a raw socket on an interface", methods, collect);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
