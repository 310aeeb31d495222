/* The Lua module `stream`. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bindings/stream.h"
#include "bindings/stream_connect.h"
#include "shell/registry.h"

static int l_pair(lua_State *L)
{
	struct stream *a = stream_new(L), *b = stream_new(L);
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
		return nerv_fail(L, errno, "stream.pair");
	ret = stream_attach(a, fds[0], "pair");
	if (!ret)
		ret = stream_attach(b, fds[1], "pair");
	if (!ret)
		return 2;
	if (a->fd < 0)
		close(fds[0]);
	close(fds[1]);
	stream_close(a);
	return nerv_fail(L, ret, "stream.pair");
}

static int l_fd(lua_State *L)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };
	lua_Integer fd = lua_tointeger(L, 1);
	struct stream *s = stream_new(L);
	char name[32];
	int ret;

	if (fd < 0 || fd > 0x7fffffff)
		return nerv_error(L, "stream.fd: a descriptor is 0 or more");
	snprintf(name, sizeof(name), "descriptor %d", (int)fd);
	s->borrowed = true;
	ret = stream_attach(s, (int)fd, fd < 3 ? names[fd] : name);
	return ret ? nerv_fail(L, ret, "%s", name) : 1;
}

static const struct arg connect_args[] = {
	{ "options", ARG_TABLE, true, "where to",
	  (const struct arg[]){
		  { "path", ARG_STRING, false, "of a Unix socket", NULL },
		  { "host", ARG_STRING, false, "numeric IPv4 or IPv6 address", NULL },
		  { "port", ARG_INTEGER, false, "TCP port", NULL },
		  { "timeout", ARG_NUMBER, false, "longest time to wait, in seconds; by default 10", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg listen_args[] = {
	{ "options", ARG_TABLE, true, "where",
	  (const struct arg[]){
		  { "path", ARG_STRING, false,
		    "of a Unix socket; a file there that nobody listens on is replaced", NULL },
		  { "mode", ARG_INTEGER, false, "permissions of the path; by default 0660 octal", NULL },
		  { "group", ARG_ANY, false, "group of the path: name or number", NULL },
		  { "host", ARG_STRING, false, "numeric IPv4 or IPv6 address", NULL },
		  { "port", ARG_INTEGER, false, "TCP port; 0 takes a free one", NULL },
		  { "backlog", ARG_INTEGER, false, "clients that may queue; by default 128", NULL },
		  { 0 } } },
	{ 0 }
};
static const struct arg fd_args[] = {
	{ "descriptor", ARG_INTEGER, true, "0 stdin, 1 stdout, 2 stderr", NULL }, { 0 }
};

static const struct fn functions[] = {
	{ "connect", stream_l_connect, connect_args, "connects; returns a stream",
	  STREAM_EXAMPLE_LISTEN
	  "local client <close> = assert(stream.connect { host = \"127.0.0.1\", port = listener:port(), timeout = 2 })\n"
	  "print(client)" },
	{ "listen", stream_l_listen, listen_args, "listens; returns a listener with :accept()",
	  STREAM_EXAMPLE_LISTEN
	  "print(listener)" },
	{ "pair", l_pair, NULL, "returns two streams that are each other's other end",
	  "local a, b = stream.pair()\n"
	  "a:write \"there\"\n"
	  "b:write \"and back\"\n"
	  "print(b:read(), a:read())" },
	{ "fd", l_fd, fd_args,
	  "returns a stream over an open descriptor, which close leaves open, as it was",
	  "local out <close> = stream.fd(1)\n"
	  "out:write \"to standard output\\n\"" },
	{ 0 }
};

static int init(lua_State *L)
{
	stream_class_open(L);
	stream_listener_open(L);
	return 1;
}

NERV_MODULE(stream, .name = "stream", .text = "bytes over sockets, pipes and terminals",
	    .functions = functions, .init = init);
