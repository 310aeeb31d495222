/* Streams: the class, its reads and writes. */
#include "bindings/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bindings/stream_frame.h"
#include "bindings/stream_read.h"
#include "bindings/stream_tls.h"
#include "bindings/tls.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "stream";

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct stream *s = io->data;

	(void)events;
	ev_io_stop(loop, io);
	wait_done(&s->reader);
}

static void cancel_read(struct wait *w)
{
	struct stream *s = (struct stream *)((char *)w - offsetof(struct stream, reader));

	ev_io_stop(s->loop, &s->readable);
}

ssize_t stream_send(struct stream *s, const void *bytes, size_t n)
{
	ssize_t done;

	if (s->tls)
		return tls_write(s->tls, bytes, n);
	do
		done = s->is_socket ? send(s->fd, bytes, n, MSG_NOSIGNAL) : write(s->fd, bytes, n);
	while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

ssize_t stream_receive(struct stream *s, void *bytes, size_t n)
{
	ssize_t got;

	if (s->tls)
		return tls_read(s->tls, bytes, n);
	do
		got = read(s->fd, bytes, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* Goes on whether or not a task waits: a cancelled write is still sent whole. */
static void on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct stream *s = io->data;
	ssize_t n = stream_send(s, buffer_bytes(&s->out), buffer_length(&s->out));

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		s->error = (int)-n;
		buffer_free(&s->out);
	} else {
		buffer_consume(&s->out, (size_t)n);
	}
	if (buffer_length(&s->out))
		return;
	ev_io_stop(loop, io);
	wait_done(&s->writer);
}

static void cancel_write(struct wait *w)
{
	(void)w;
}

struct stream *stream_new(lua_State *L)
{
	struct stream *s = lua_newuserdatauv(L, sizeof(*s), 0);

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->loop = runtime_of(L)->loop;
	s->reader.cancel = cancel_read;
	s->writer.cancel = cancel_write;
	ev_init(&s->readable, on_readable);
	ev_init(&s->writable, on_writable);
	s->readable.data = s;
	s->writable.data = s;
	luaL_setmetatable(L, class_name);
	return s;
}

int stream_attach(struct stream *s, int fd, const char *name)
{
	int flags = fcntl(fd, F_GETFL), type;
	socklen_t len = sizeof(type);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	s->fd = fd;
	s->former_flags = flags;
	s->is_socket = !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	ev_io_set(&s->readable, fd, EV_READ);
	ev_io_set(&s->writable, fd, EV_WRITE);
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 0;
}

void stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	ev_io_stop(s->loop, &s->readable);
	ev_io_stop(s->loop, &s->writable);
	tls_free(s->tls);
	s->tls = NULL;
	if (s->borrowed)
		fcntl(s->fd, F_SETFL, s->former_flags);
	else
		close(s->fd);
	s->fd = -1;
	if (buffer_length(&s->out) && !s->error)
		s->error = EPIPE;
	buffer_free(&s->in);
	buffer_free(&s->out);
	wait_done(&s->reader);
	wait_done(&s->writer);
}

struct stream *stream_take(lua_State *L, int idx)
{
	struct stream *from = stream_check(L, idx), *s;

	if (from->reader.task || from->writer.task || buffer_length(&from->out))
		nerv_error(L, "%s: a task is using it", from->name);
	s = stream_new(L);
	ev_io_stop(from->loop, &from->readable);
	ev_io_stop(from->loop, &from->writable);
	s->fd = from->fd;
	s->borrowed = from->borrowed;
	s->terminal = from->terminal;
	s->is_socket = from->is_socket;
	s->tls = from->tls;
	s->former_flags = from->former_flags;
	s->in = from->in;
	memcpy(s->name, from->name, sizeof(s->name));
	ev_io_set(&s->readable, s->fd, EV_READ);
	ev_io_set(&s->writable, s->fd, EV_WRITE);
	from->fd = -1;
	from->tls = NULL;
	memset(&from->in, 0, sizeof(from->in));
	return s;
}

struct stream *stream_test(lua_State *L, int idx)
{
	return luaL_testudata(L, idx, class_name);
}

struct stream *stream_check(lua_State *L, int idx)
{
	struct stream *s = luaL_checkudata(L, idx, class_name);

	if (s->fd < 0)
		nerv_error(L, "the stream%s%s is closed", s->name[0] ? " " : "", s->name);
	return s;
}

int stream_push_closed(lua_State *L, const char *what, const char *text)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", what, text);
	lua_pushliteral(L, "closed");
	return 3;
}

int stream_push_error(lua_State *L, struct stream *s, int err)
{
	if (err == EPIPE || err == ECONNRESET)
		return stream_push_closed(L, s->name, "the other end has closed");
	return nerv_fail(L, err, "%s", s->name);
}

static int write_finished(lua_State *L, int status, lua_KContext ctx)
{
	struct stream *s = luaL_checkudata(L, 1, class_name);

	(void)status;
	(void)ctx;
	s->burst = 0;
	if (s->error)
		return stream_push_error(L, s, s->error);
	lua_pushboolean(L, true);
	return 1;
}


/* Success when all has been sent, else sleeps until it is. */
static int write_rest(lua_State *L, struct stream *s)
{
	if (!buffer_length(&s->out)) {
		lua_pushboolean(L, true);
		return 1;
	}
	ev_io_start(s->loop, &s->writable);
	return task_wait(L, &s->writer, 0, write_finished);
}

/* Hands `bytes` to the kernel as far as it takes them at once, the rest to the buffer:
 * the caller's string is not looked at again. 0, or a negative errno that is final. */
static int hand_over(struct stream *s, const char *bytes, size_t len)
{
	if (len && !buffer_length(&s->out) && s->burst <= STREAM_BURST_MOST) {
		ssize_t n = stream_send(s, bytes, len);

		if (n < 0 && n != -EAGAIN)
			return s->error = (int)-n, (int)n;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			s->burst += (size_t)n;
		}
	}
	if (buffer_append(&s->out, bytes, len))
		return s->error = ENOMEM, -ENOMEM;
	return 0;
}

/* The stream, ready to be written to. On an earlier error NULL, with results pushed. */
static struct stream *begin_write(lua_State *L)
{
	struct stream *s = stream_check(L, 1);

	if (s->writer.task)
		nerv_error(L, "%s: another task is writing to it already", s->name);
	if (!s->error)
		return s;
	stream_push_error(L, s, s->error);
	return NULL;
}

static int l_write(lua_State *L)
{
	struct stream *s = begin_write(L);
	size_t len;
	const char *bytes = lua_tolstring(L, 2, &len);

	if (!s)
		return 3;
	if (hand_over(s, bytes, len))
		return stream_push_error(L, s, s->error);
	return write_rest(L, s);
}

static int l_write_frame(lua_State *L)
{
	struct stream *s = begin_write(L);
	lua_Integer type = lua_tointeger(L, 2);
	uint8_t head[FRAME_HEAD];
	size_t len;
	const char *bytes = luaL_optlstring(L, 3, "", &len);

	if (!s)
		return 3;
	if (type < 0 || type > 255)
		return nerv_error(L, "stream:write_frame: type must be 0 to 255");
	if (len > FRAME_PAYLOAD_MOST)
		return nerv_fail(L, EMSGSIZE, "%s: a frame of %zu bytes", s->name, len);
	frame_head(head, (int)type, len);
	/* A short frame goes out in one piece. */
	if (len <= 16 * 1024 - FRAME_HEAD) {
		char whole[16 * 1024];

		memcpy(whole, head, FRAME_HEAD);
		memcpy(whole + FRAME_HEAD, bytes, len);
		hand_over(s, whole, FRAME_HEAD + len);
	} else if (!hand_over(s, (const char *)head, FRAME_HEAD)) {
		hand_over(s, bytes, len);
	}
	if (s->error)
		return stream_push_error(L, s, s->error);
	return write_rest(L, s);
}

/* Waits for what a cancelled write has left. */
static int shutdown_go(lua_State *L, int status, lua_KContext ctx)
{
	struct stream *s = luaL_checkudata(L, 1, class_name);

	(void)status;
	(void)ctx;
	if (s->error)
		return stream_push_error(L, s, s->error);
	if (s->fd < 0)
		return stream_push_closed(L, s->name, "closed meanwhile");
	if (buffer_length(&s->out)) {
		ev_io_start(s->loop, &s->writable);
		return task_wait(L, &s->writer, 0, shutdown_go);
	}
	if (!s->is_socket || s->tls)	/* TLS cannot be closed by halves */
		stream_close(s);
	else if (shutdown(s->fd, SHUT_WR))
		return stream_push_error(L, s, errno);
	lua_pushboolean(L, true);
	return 1;
}

static int l_shutdown(lua_State *L)
{
	return begin_write(L) ? shutdown_go(L, LUA_OK, 0) : 3;
}

static int l_close(lua_State *L)
{
	stream_close(luaL_checkudata(L, 1, class_name));
	return 0;
}

static int l_fileno(lua_State *L)
{
	lua_pushinteger(L, stream_check(L, 1)->fd);
	return 1;
}

static int l_peer(lua_State *L)
{
	struct stream *s = stream_check(L, 1);
	int domain;
	socklen_t len = sizeof(domain);
	struct ucred who;

	if (!s->is_socket || getsockopt(s->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    domain != AF_UNIX)
		return nerv_fail(L, EOPNOTSUPP, "%s: only Unix sockets know their peer", s->name);
	len = sizeof(who);
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return nerv_fail(L, errno, "%s", s->name);
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, who.pid);
	lua_setfield(L, -2, "pid");
	lua_pushinteger(L, who.uid);
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, who.gid);
	lua_setfield(L, -2, "gid");
	return 1;
}

static int l_tostring(lua_State *L)
{
	struct stream *s = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "stream %s%s", s->name, s->fd < 0 ? " (closed)" : "");
	return 1;
}

static const struct arg read_args[] = {
	{ "bytes", ARG_INTEGER, false, "how many at most; by default 65536", NULL }, { 0 }
};
static const struct arg read_exactly_args[] = {
	{ "bytes", ARG_INTEGER, true, "how many", NULL }, { 0 }
};
static const struct arg write_args[] = {
	{ "bytes", ARG_BYTES, true, "what to send", NULL }, { 0 }
};
static const struct arg write_frame_args[] = {
	{ "type", ARG_INTEGER, true, "0 to 255", NULL },
	{ "bytes", ARG_BYTES, false, "the payload, less than 16 MiB; by default empty", NULL },
	{ 0 }
};

static const struct fn methods[] = {
	{ "read", stream_l_read, read_args,
	  "waits for some bytes and returns them; at the end nil, message, \"closed\"",
	  "local a, b = stream.pair()\n"
	  "a:write \"some bytes\"\n"
	  "print(b:read(4), b:read())" },
	{ "read_exactly", stream_l_read_exactly, read_exactly_args,
	  "returns exactly so many bytes; if the end comes first they stay for read",
	  "local a, b = stream.pair()\n"
	  "a:write \"12345\"\n"
	  "assert(b:read_exactly(4) == \"1234\")" },
	{ "read_line", stream_l_read_line, NULL,
	  "returns the next line without its line feed; the last one may lack it",
	  "local a, b = stream.pair()\n"
	  "a:write \"one\\ntwo\"\n"
	  "a:shutdown()\n"
	  "print(b:read_line(), b:read_line(), b:read_line())" },
	{ "read_frame", stream_l_read_frame, NULL,
	  "returns the next frame's type and payload; bytes that are no frame give \"EPROTO\"",
	  "local a, b = stream.pair()\n"
	  "a:write_frame(1, \"payload\")\n"
	  "print(b:read_frame())" },
	{ "write", l_write, write_args, "sends all bytes; returns true",
	  "local a, b = stream.pair()\n"
	  "assert(a:write \"some bytes\")\n"
	  "print(b:read())" },
	{ "write_frame", l_write_frame, write_frame_args, "sends one frame; returns true",
	  "local a, b = stream.pair()\n"
	  "assert(a:write_frame(7))\n"
	  "print(b:read_frame())" },
	{ "shutdown", l_shutdown, NULL,
	  "ends the writing half: the other end reads to its end; a pipe is closed; returns true",
	  "local a, b = stream.pair()\n"
	  "a:shutdown()\n"
	  "print(b:read())  -- the end\n"
	  "b:write \"but not of this direction\"\n"
	  "print(a:read())" },
	{ "secure", stream_l_secure, stream_secure_args,
	  "goes on with TLS, after a handshake in which both ends show certificates of one authority; "
	  "returns the stream; on failure it is closed" },
	{ "close", l_close, NULL, "closes; whoever waits on it gets \"closed\"" },
	{ "fileno", l_fileno, NULL, "returns the number of the descriptor, which stays the stream's",
	  "local a <close> = stream.pair()\n"
	  "print(a:fileno())" },
	{ "peer", l_peer, NULL,
	  "returns {pid=, uid=, gid=} of the process that connected or listened (Unix sockets); or nil, message, code",
	  "local a <close> = stream.pair()\n"
	  "assert(a:peer().pid == process.self())" },
	{ 0 }
};

void stream_class_open(lua_State *L)
{
	registry_class(L, class_name, "bytes over a socket, pipe or terminal", methods, l_close);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
