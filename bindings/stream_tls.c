/* Streams: going on with TLS. */
#include "bindings/stream_tls.h"

#include <errno.h>

#include "bindings/stream.h"
#include "bindings/tls.h"

const struct arg stream_secure_args[] = {
	{ "options", ARG_TABLE, true, "who we are and whom we trust",
	  (const struct arg[]){
		  { "ca", ARG_STRING, true, "file of the authority's certificates, PEM", NULL },
		  { "certificate", ARG_STRING, true, "file of our certificate, PEM", NULL },
		  { "key", ARG_STRING, true, "file of its private key, PEM", NULL },
		  { "server", ARG_BOOLEAN, false, "true on the end that accepted the connection", NULL },
		  { 0 } } },
	{ 0 }
};

static int refuse(lua_State *L, struct stream *s, int ret)
{
	const char *text = tls_problem(s->tls);

	if (ret == -EPROTO && *text) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: TLS: %s", s->name, text);
		lua_pushliteral(L, "EPROTO");
	} else {
		stream_push_error(L, s, -ret);
	}
	stream_close(s);
	return 3;
}

static int secure_go(lua_State *L, int status, lua_KContext ctx)
{
	struct stream *s = stream_test(L, 1);
	int ret;

	(void)status;
	(void)ctx;
	if (s->fd < 0)
		return stream_push_closed(L, s->name, "closed meanwhile");
	ret = tls_handshake(s->tls);
	if (ret == -EAGAIN && tls_wants_write(s->tls)) {
		ev_io_start(s->loop, &s->writable);
		return task_wait(L, &s->writer, 0, secure_go);
	}
	if (ret == -EAGAIN) {
		ev_io_start(s->loop, &s->readable);
		return task_wait(L, &s->reader, 0, secure_go);
	}
	if (ret)
		return refuse(L, s, ret);
	lua_pushvalue(L, 1);
	return 1;
}

int stream_l_secure(lua_State *L)
{
	struct stream *s = stream_check(L, 1);
	struct tls_files files = {
		.ca = field_string(L, 2, "ca", NULL),
		.certificate = field_string(L, 2, "certificate", NULL),
		.key = field_string(L, 2, "key", NULL),
	};
	char why[512];
	int ret;

	if (s->tls || buffer_length(&s->in) || buffer_length(&s->out) || s->reader.task || s->writer.task)
		return nerv_error(L, "stream:secure: %s is in use already", s->name);
	task_check_wait(L);
	ret = tls_new(&s->tls, &files, s->fd, field_boolean(L, 2, "server", false), why, sizeof(why));
	if (ret) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: TLS: %s", s->name, why);
		lua_pushstring(L, errno_name(ret));
		stream_close(s);
		return 3;
	}
	return secure_go(L, LUA_OK, 0);
}
