/* Streams: the reading half. */
#include "bindings/stream_read.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bindings/stream.h"
#include "bindings/stream_frame.h"
#include "shell/registry.h"

enum {
	READ_CHUNK = 64 * 1024,
	READ_MOST = 1024 * 1024,	/* in one system call */
	LINE_MOST = 16 * 1024 * 1024,
};

/* Reads what is there, at least room for `want` bytes: 1 when some came or the end was
 * seen, -EAGAIN when the task has to sleep, or another negative errno. */
static int fill(struct stream *s, size_t want)
{
	char *to;
	ssize_t n;

	if (s->burst > STREAM_BURST_MOST)
		return -EAGAIN;
	want = want < READ_CHUNK ? READ_CHUNK : want > READ_MOST ? READ_MOST : want;
	to = buffer_reserve(&s->in, want);
	if (!to)
		return -ENOMEM;
	n = stream_receive(s, to, want);
	if (n > 0) {
		buffer_added(&s->in, (size_t)n);
		s->burst += (size_t)n;
		return 1;
	}
	if (n < 0 && !(n == -EIO && s->terminal))
		return (int)n;
	s->end = true;
	return 1;
}

/* How each read method takes its result out of the buffer. They push their results
 * and return how many, or return 0 and in `want` how many bytes are missing. When
 * the end was seen they always return results. */
typedef int take_function(lua_State *L, struct stream *s, size_t *want);

static int push_bytes(lua_State *L, struct stream *s, size_t n, size_t with_end)
{
	lua_pushlstring(L, buffer_bytes(&s->in), n);	/* first: it may raise */
	buffer_consume(&s->in, n + with_end);
	s->scanned = 0;
	return 1;
}

static int push_end(lua_State *L, struct stream *s)
{
	return stream_push_closed(L, s->name, "end of the stream");
}

static int take_some(lua_State *L, struct stream *s, size_t *want)
{
	size_t n = buffer_length(&s->in), most = (size_t)luaL_optinteger(L, 2, READ_CHUNK);

	*want = 1;
	if (n)
		return push_bytes(L, s, n < most ? n : most, 0);
	return s->end ? push_end(L, s) : 0;
}

static int take_exactly(lua_State *L, struct stream *s, size_t *want)
{
	size_t n = (size_t)lua_tointeger(L, 2), have = buffer_length(&s->in);

	if (have >= n)
		return push_bytes(L, s, n, 0);
	*want = n - have;
	if (!s->end)
		return 0;
	lua_pushnil(L);
	lua_pushfstring(L, "%s: end of the stream after %I of %I bytes", s->name,
			(lua_Integer)have, (lua_Integer)n);
	lua_pushliteral(L, "closed");
	return 3;
}

static int take_line(lua_State *L, struct stream *s, size_t *want)
{
	const char *bytes = buffer_bytes(&s->in), *newline;
	size_t n = buffer_length(&s->in);

	newline = memchr(bytes + s->scanned, '\n', n - s->scanned);
	if (newline)
		return push_bytes(L, s, (size_t)(newline - bytes), 1);
	if (n > LINE_MOST)
		return nerv_fail(L, EMSGSIZE, "%s: a line of more than 16 MiB", s->name);
	s->scanned = n;
	*want = 1;
	if (!s->end)
		return 0;
	return n ? push_bytes(L, s, n, 0) : push_end(L, s);
}

static int take_frame(lua_State *L, struct stream *s, size_t *want)
{
	const char *bytes = buffer_bytes(&s->in);
	size_t n = buffer_length(&s->in), total;
	const char *fault = frame_measure(bytes, n, &total);

	if (!fault && s->end && n && n < total)
		fault = "the other end has closed in the middle of a frame";
	if (fault) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: %s", s->name, fault);
		lua_pushliteral(L, "EPROTO");
		return 3;
	}
	*want = total - n;
	if (n < total)
		return s->end ? push_end(L, s) : 0;
	lua_pushinteger(L, frame_type(bytes));
	lua_pushlstring(L, bytes + FRAME_HEAD, total - FRAME_HEAD);
	buffer_consume(&s->in, total);
	s->scanned = 0;
	return 2;
}

enum read_kind { READ_SOME, READ_EXACTLY, READ_LINE, READ_FRAME };

static take_function *const takes[] = {
	[READ_SOME] = take_some,
	[READ_EXACTLY] = take_exactly,
	[READ_LINE] = take_line,
	[READ_FRAME] = take_frame,
};

/* Tries until the method has its result, sleeping when the kernel has nothing. Both
 * the first attempt and, after each sleep, the continuation. */
static int read_go(lua_State *L, int status, lua_KContext kind)
{
	struct stream *s = stream_test(L, 1);
	size_t want;
	int n;

	if (status == LUA_YIELD)
		s->burst = 0;
	for (;;) {
		if (s->fd < 0)
			return stream_push_closed(L, s->name, "closed meanwhile");
		if (s->reader.task)
			return nerv_error(L, "%s: another task is reading from it already", s->name);
		n = takes[kind](L, s, &want);
		if (n)
			return n;
		n = fill(s, want);
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return stream_push_error(L, s, -n);
	}
	ev_io_start(s->loop, &s->readable);
	return task_wait(L, &s->reader, kind, read_go);
}

int stream_l_read(lua_State *L)
{
	stream_check(L, 1);
	if (luaL_optinteger(L, 2, 1) < 1)
		return nerv_error(L, "stream:read: bytes must be 1 or more");
	return read_go(L, LUA_OK, READ_SOME);
}

int stream_l_read_exactly(lua_State *L)
{
	stream_check(L, 1);
	if (lua_tointeger(L, 2) < 0)
		return nerv_error(L, "stream:read_exactly: bytes must be 0 or more");
	return read_go(L, LUA_OK, READ_EXACTLY);
}

int stream_l_read_line(lua_State *L)
{
	stream_check(L, 1);
	return read_go(L, LUA_OK, READ_LINE);
}

int stream_l_read_frame(lua_State *L)
{
	stream_check(L, 1);
	return read_go(L, LUA_OK, READ_FRAME);
}
