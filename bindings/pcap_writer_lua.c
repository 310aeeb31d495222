/* Files of packets, written: the class "pcap.writer". It formats, and a stream sends. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bindings/pcap_format.h"
#include "bindings/pcap_lua.h"
#include "bindings/stream.h"
#include "shell/registry.h"

static const char class_name[] = "pcap.writer";

enum { SNAPLEN_MOST = 256 * 1024 };

/* Its stream is user value 1. */
struct writer {
	uint32_t snaplen;
	bool nanoseconds;
	char name[96];
};

static int returns_writer(lua_State *L, int status, lua_KContext idx)
{
	(void)status;
	if (lua_isnil(L, (int)idx + 1))
		return lua_gettop(L) - (int)idx;
	lua_settop(L, (int)idx);
	return 1;
}

static int returns_all(lua_State *L, int status, lua_KContext before)
{
	(void)status;
	return lua_gettop(L) - (int)before;
}

/* Sends the string on top by the stream of the writer at `idx`; goes on with k. */
static int send_top(lua_State *L, int idx, lua_KContext ctx, lua_KFunction k)
{
	lua_getiuservalue(L, idx, 1);
	lua_getfield(L, -1, "write");
	lua_insert(L, -3);
	lua_insert(L, -2);
	lua_callk(L, 2, LUA_MULTRET, ctx, k);
	return k(L, LUA_OK, ctx);
}

/* Attaches the descriptor that argument 1 means: a path, "-", or a number. 0 or negative errno. */
static int attach(lua_State *L, struct stream *s, struct writer *w)
{
	bool number = lua_isinteger(L, 1), given;
	const char *path = lua_tostring(L, 1);
	int fd = -1, ret;

	given = number || strcmp(path, "-") == 0;
	if (given)
		fd = number ? (int)lua_tointeger(L, 1) : STDOUT_FILENO;
	snprintf(w->name, sizeof(w->name), number ? "descriptor %s" : "%s", given && !number ? "stdout" : path);
	if (!given)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0666);
	if (fd < 0)
		return number ? -EBADF : -errno;
	s->borrowed = given;
	ret = stream_attach(s, fd, w->name);
	if (ret && !given)
		close(fd);
	return ret;
}

int pcap_l_create(lua_State *L)
{
	uint8_t head[PCAP_FILE_HEAD];
	lua_Integer snaplen = SNAPLEN_MOST, linktype = 1;
	struct writer *w;
	struct stream *s;
	int ret;

	if (lua_type(L, 1) != LUA_TSTRING && !lua_isinteger(L, 1))
		return nerv_error(L, "pcap.create: a path, \"-\" or a descriptor is expected, not %s",
				  luaL_tolstring(L, 1, NULL));
	if (lua_istable(L, 2)) {
		snaplen = field_integer(L, 2, "snaplen", snaplen);
		linktype = field_integer(L, 2, "linktype", linktype);
	}
	if (snaplen < 1 || snaplen > SNAPLEN_MOST)
		return nerv_error(L, "pcap.create: snaplen must be 1 to %d", SNAPLEN_MOST);
	if (linktype < 0 || linktype > UINT16_MAX)
		return nerv_error(L, "pcap.create: linktype must be 0 to 65535");
	task_check_wait(L);
	lua_settop(L, 2);
	w = lua_newuserdatauv(L, sizeof(*w), 1);
	memset(w, 0, sizeof(*w));
	w->snaplen = (uint32_t)snaplen;
	w->nanoseconds = lua_isnil(L, 2) || field_boolean(L, 2, "nanoseconds", true);
	luaL_setmetatable(L, class_name);
	s = stream_new(L);
	lua_setiuservalue(L, 3, 1);
	ret = attach(L, s, w);
	if (ret)
		return nerv_fail(L, ret, "%s", w->name);
	pcap_file_head(head, w->nanoseconds, w->snaplen, (uint32_t)linktype);
	lua_pushlstring(L, (const char *)head, sizeof(head));
	return send_top(L, 3, 3, returns_writer);
}

static struct writer *check(lua_State *L)
{
	struct writer *w = luaL_checkudata(L, 1, class_name);
	struct stream *s;

	lua_getiuservalue(L, 1, 1);
	s = stream_test(L, -1);
	if (!s || s->fd < 0)
		nerv_error(L, "the pcap writer of %s is closed", w->name);
	lua_pop(L, 1);
	return w;
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Whole seconds and their fraction apart: together they have too many digits for a double. */
static int64_t from_seconds(double seconds)
{
	int64_t whole = seconds >= 0 && seconds <= UINT32_MAX ? (int64_t)seconds : -1;

	return whole < 0 ? -1 : whole * 1000000000 + (int64_t)((seconds - (double)whole) * 1e9);
}

/* When the packet at index 2 came: its time_ns, else its time, else now. */
static int64_t time_of(lua_State *L)
{
	int64_t time = now();
	double seconds;

	if (!lua_istable(L, 2))
		return time;
	seconds = field_number(L, 2, "time", -1);
	if (field_present(L, 2, "time_ns"))
		time = field_integer(L, 2, "time_ns", 0);
	else if (field_present(L, 2, "time"))
		time = from_seconds(seconds);
	if (time < 0 || time / 1000000000 > UINT32_MAX)
		nerv_error(L, "pcap.writer:write: time must be 0 to 4294967295 seconds since 1970");
	return time;
}

static int l_write(lua_State *L)
{
	struct writer *w = check(L);
	uint8_t head[PCAP_RECORD_HEAD];
	int64_t time;
	lua_Integer length;
	const char *bytes;
	size_t n;

	lua_settop(L, 2);
	if (lua_istable(L, 2))
		lua_getfield(L, 2, "bytes");
	if (lua_type(L, -1) != LUA_TSTRING)
		return nerv_error(L, "pcap.writer:write: a packet is a string, or a table whose bytes are one");
	bytes = lua_tolstring(L, -1, &n);
	length = lua_istable(L, 2) ? field_integer(L, 2, "length", (lua_Integer)n) : (lua_Integer)n;
	if (length < (lua_Integer)n || length > UINT32_MAX)
		return nerv_error(L, "pcap.writer:write: length must be %d, how many bytes there are, or more", (int)n);
	time = time_of(L);
	n = n < w->snaplen ? n : w->snaplen;
	pcap_record_head(head, time, w->nanoseconds, (uint32_t)n, (uint32_t)length);
	lua_pushlstring(L, (const char *)head, sizeof(head));
	lua_pushlstring(L, bytes, n);
	lua_concat(L, 2);
	lua_replace(L, 2);
	lua_settop(L, 2);
	return send_top(L, 1, 1, returns_all);
}

/* How many whole records the bytes are, or -1. */
static lua_Integer count_records(const uint8_t *bytes, size_t n, uint32_t snaplen)
{
	lua_Integer count = 0;

	for (size_t at = 0; at < n; count++) {
		const uint8_t *b = bytes + at;
		uint32_t kept;

		if (n - at < PCAP_RECORD_HEAD)
			return -1;
		kept = (uint32_t)b[8] | (uint32_t)b[9] << 8 | (uint32_t)b[10] << 16 | (uint32_t)b[11] << 24;
		if (kept > snaplen || kept > n - at - PCAP_RECORD_HEAD)
			return -1;
		at += PCAP_RECORD_HEAD + kept;
	}
	return count;
}

static int l_append(lua_State *L)
{
	struct writer *w = check(L);
	size_t n;
	const char *bytes = lua_tolstring(L, 2, &n);

	lua_settop(L, 2);
	if (!w->nanoseconds || count_records((const uint8_t *)bytes, n, w->snaplen) < 0)
		return nerv_error(L, "pcap.writer:append: whole records are expected, as packet:records returns them, "
				     "with nanoseconds and not above this file's snaplen");
	return send_top(L, 1, 1, returns_all);
}

static int collect(lua_State *L)
{
	luaL_checkudata(L, 1, class_name);
	lua_getiuservalue(L, 1, 1);
	if (stream_test(L, -1))
		stream_close(stream_test(L, -1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct writer *w = luaL_checkudata(L, 1, class_name);

	lua_pushfstring(L, "pcap writer of %s", w->name);
	return 1;
}

static const struct arg write_args[] = {
	{ "packet", ARG_ANY, true,
	  "its bytes, or {bytes=, time= seconds since 1970 or time_ns= nanoseconds (by default now), length= on the wire}",
	  NULL },
	{ 0 }
};
static const struct arg append_args[] = {
	{ "records", ARG_BYTES, true, "as packet:records returns them", NULL }, { 0 }
};

static const struct fn methods[] = {
	{ "write", l_write, write_args, "writes a packet, at most snaplen bytes of it, at once; returns true",
	  PCAP_EXAMPLE_FILE
	  "print(file.stat(path).size)\n"
	  "os.remove(path)" },
	{ "append", l_append, append_args, "writes records that are formatted already; returns true",
	  "link.set{ name = \"lo\", up = true }\n"
	  "local s <close> = packet.open{ link = \"lo\" }\n"
	  "s:send((\"\\0\"):rep(60))\n"
	  "local path = os.tmpname()\n"
	  "local w <close> = pcap.create(path)\n"
	  "w:append((s:records(1)))\n"
	  "os.remove(path)" },
	{ "close", collect, NULL, "closes the file; a descriptor that was given stays open" },
	{ 0 }
};

void pcap_writer_class_open(lua_State *L)
{
	stream_class_open(L);
	registry_class(L, class_name, "a file or pipe that packets are written to", methods, collect);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
