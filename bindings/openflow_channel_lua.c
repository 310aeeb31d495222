/* Connections in Lua: the class `openflow_channel`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bindings/openflow_channel.h"
#include "bindings/openflow_lua.h"
#include "bindings/stream.h"
#include "shell/registry.h"
#include "shell/runtime.h"

static const char class_name[] = "openflow_channel", call_name[] = "openflow call", sender_name[] = "openflow sender";

enum { BURST = 256 };	/* events that a task takes before others get their turn */

int ofp_l_channel(lua_State *L)
{
	struct ofc_channel *c;

	lua_settop(L, 1);
	stream_check(L, 1);
	c = lua_newuserdatauv(L, sizeof(*c), 1);
	memset(c, 0, sizeof(*c));
	c->ended = true;
	luaL_setmetatable(L, class_name);
	c->stream = stream_take(L, 1);
	lua_setiuservalue(L, 2, 1);
	c->ended = false;
	ofc_begin(c, c->stream, runtime_of(L)->loop);
	return 1;
}

static struct ofc_channel *check_channel(lua_State *L)
{
	return luaL_checkudata(L, 1, class_name);
}

static int push_ended(lua_State *L, const struct ofc_channel *c)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", c->stream->name, c->reason);
	lua_pushstring(L, c->code);
	return 3;
}

/* Adds the request that an error is about to the table on top: as it was sent, or as far as the error's data tells. */
static void add_request(lua_State *L, const struct ofc_channel *c, const uint8_t *error, size_t n)
{
	size_t length, data = OFP_HEAD + 4;
	const uint8_t *request = ofc_request(c, (uint32_t)ofp_get(error + 4, 4), &length);

	if (!request) {
		if (n < data + OFP_HEAD)
			return;
		request = error + data;
		length = n - data;
	}
	if (ofp_decode(L, request, length)) {
		if (request[1] >= OFP_TYPES || !ofp_messages[request[1]])
			return;
		lua_createtable(L, 0, 2);
		lua_pushstring(L, ofp_messages[request[1]]->name);
		lua_setfield(L, -2, "message");
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "cut");
	}
	lua_setfield(L, -2, "request");
}

/* Pushes a message, an error with the request that it is about. NULL or what is wrong. */
static const char *push_message(lua_State *L, const struct ofc_channel *c, const uint8_t *bytes, size_t n)
{
	const char *fault = ofp_decode(L, bytes, n);

	if (!fault && bytes[1] == OFP_ERROR)
		add_request(L, c, bytes, n);
	return fault;
}

static int take_go(lua_State *L, int status, lua_KContext ctx)
{
	struct ofc_channel *c = lua_touserdata(L, 1);
	const uint8_t *bytes;
	const char *fault;
	size_t n;

	(void)ctx;
	if (status == LUA_YIELD)
		c->burst = 0;
	bytes = ofc_event(c, &n);
	if (!bytes && c->ended)
		return push_ended(L, c);
	if (!bytes)
		return task_wait(L, &c->taker, 0, take_go);
	if (++c->burst > BURST)
		return task_breathe(L, 0, take_go);
	fault = push_message(L, c, bytes, n);
	ofc_taken(c, n);
	if (!fault)
		return 1;
	ofc_end(c, "EPROTO", "%s", fault);
	return push_ended(L, c);
}

static void cancel_take(struct wait *w)
{
	(void)w;
}

static int l_take(lua_State *L)
{
	struct ofc_channel *c = check_channel(L);

	if (c->taker.task)
		return nerv_error(L, "openflow_channel:take: another task is taking its events already");
	c->taker.cancel = cancel_take;
	return take_go(L, LUA_OK, 0);
}

static int send_done(lua_State *L, int status, lua_KContext ctx)
{
	struct ofc_channel *c = lua_touserdata(L, 1);

	(void)status;
	(void)ctx;
	if (c->ended)
		return push_ended(L, c);
	lua_pushboolean(L, true);
	return 1;
}

static uint32_t next_xid(struct ofc_channel *c)
{
	if (++c->xid == 0)
		c->xid = 1;
	return c->xid;
}

static int l_send(lua_State *L)
{
	struct ofc_channel *c = check_channel(L);
	struct ofp_writer w;
	struct ofc_sender *s;

	w.what = NULL;
	ofp_encode_arguments(L, &w, 2, next_xid(c));
	ofc_send(c, w.bytes, w.n);
	if (c->ended || buffer_length(&c->stream->out) < OFC_OUT)
		return send_done(L, LUA_OK, 0);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	memset(s, 0, sizeof(*s));
	luaL_setmetatable(L, sender_name);
	task_check_wait(L);
	ofc_sender_add(c, s);
	return task_wait(L, &s->wait, 0, send_done);
}

/* Pushes all parts of a multipart reply as one: a list, or a table. */
static const char *push_parts(lua_State *L, const struct buffer *reply)
{
	const uint8_t *at = (const uint8_t *)buffer_bytes(reply), *end = at + buffer_length(reply);
	const char *fault = NULL;
	lua_Integer elements = 0;

	lua_newtable(L);
	for (; at < end && !fault; at += ofp_get(at + 2, 2))
		fault = ofp_decode_part(L, at, (size_t)ofp_get(at + 2, 2), &elements);
	return fault;
}

/* Pushes the errors, as a list. */
static void push_errors(lua_State *L, const struct ofc_channel *c, const struct buffer *errors)
{
	const uint8_t *at = (const uint8_t *)buffer_bytes(errors), *end = at + buffer_length(errors);
	lua_Integer i = 1;

	lua_newtable(L);
	for (; at < end; at += ofp_get(at + 2, 2))
		if (!push_message(L, c, at, (size_t)ofp_get(at + 2, 2)))
			lua_rawseti(L, -2, i++);
}

/* Pushes nil, message, code for a reply that is an error. */
static int push_refusal(lua_State *L, struct ofc_channel *c, const struct buffer *reply)
{
	const char *fault = ofp_decode(L, (const uint8_t *)buffer_bytes(reply), buffer_length(reply));

	if (fault) {
		ofc_end(c, "EPROTO", "%s", fault);
		return push_ended(L, c);
	}
	lua_getfield(L, -1, "type");
	lua_getfield(L, -2, "code");
	lua_pushfstring(L, "%s/%s", lua_tostring(L, -2), lua_tostring(L, -1));
	lua_pushnil(L);
	lua_pushfstring(L, "%s: the switch refuses %s: %s", c->stream->name, lua_tostring(L, 2), lua_tostring(L, -2));
	lua_pushvalue(L, -3);
	return 3;
}

static int push_reply(lua_State *L, struct ofc_channel *c, struct ofc_call *call)
{
	const uint8_t *bytes = (const uint8_t *)buffer_bytes(&call->reply);
	const char *fault;

	if (buffer_length(&call->reply) < OFP_HEAD)
		return push_ended(L, c);
	if (bytes[1] == OFP_ERROR)
		return push_refusal(L, c, &call->reply);
	if (bytes[1] == OFP_MULTIPART_REPLY)
		fault = push_parts(L, &call->reply);
	else
		fault = ofp_decode(L, bytes, buffer_length(&call->reply));
	if (fault) {
		ofc_end(c, "EPROTO", "%s", fault);
		return push_ended(L, c);
	}
	push_errors(L, c, &call->errors);
	return 2;
}

static int call_done(lua_State *L, int status, lua_KContext ctx)
{
	struct ofc_channel *c = lua_touserdata(L, 1);
	struct ofc_call *call = lua_touserdata(L, (int)ctx);

	(void)status;
	if (call->too_long)
		return nerv_fail(L, EMSGSIZE, "%s: the reply to %s", c->stream->name, lua_tostring(L, 2));
	if (call->timed_out)
		return nerv_fail(L, ETIMEDOUT, "%s: no reply to %s", c->stream->name, lua_tostring(L, 2));
	return push_reply(L, c, call);
}

static uint8_t reply_type(lua_State *L, uint8_t type)
{
	switch (type) {
	case OFP_EXPERIMENTER:
		return OFP_EXPERIMENTER;
	case OFP_FEATURES_REQUEST:
	case OFP_GET_CONFIG_REQUEST:
	case OFP_MULTIPART_REQUEST:
	case OFP_BARRIER_REQUEST:
	case OFP_ROLE_REQUEST:
	case OFP_GET_ASYNC_REQUEST:
		return (uint8_t)(type + 1);
	default:
		nerv_error(L, "openflow_channel:call: nothing replies to %s", lua_tostring(L, 2));
		return 0;
	}
}

static int l_call(lua_State *L)
{
	struct ofc_channel *c = check_channel(L);
	double timeout = luaL_optnumber(L, 4, 10);
	struct ofp_writer w;
	struct ofc_call *call;

	lua_settop(L, 3);
	task_check_wait(L);
	w.what = NULL;
	ofp_encode_arguments(L, &w, 2, next_xid(c));
	lua_settop(L, 3);
	if (c->ended)
		return push_ended(L, c);
	call = lua_newuserdatauv(L, sizeof(*call), 0);
	memset(call, 0, sizeof(*call));
	luaL_setmetatable(L, call_name);
	call->xid = c->xid;
	call->expects = reply_type(L, w.bytes[1]);
	ofc_call_add(c, call, timeout > 0 ? timeout : 0);
	ofc_send(c, w.bytes, w.n);
	return task_wait(L, &call->wait, 4, call_done);
}

static int l_close(lua_State *L)
{
	struct ofc_channel *c = check_channel(L);

	ofc_end(c, "closed", "%s", luaL_optstring(L, 2, "closed here"));
	return 0;
}

static int l_gc(lua_State *L)
{
	struct ofc_channel *c = check_channel(L);

	ofc_end(c, "closed", "closed here");
	buffer_free(&c->events);
	buffer_free(&c->errors);
	buffer_free(&c->log);
	return 0;
}

static int l_keepalive(lua_State *L)
{
	double seconds = lua_tonumber(L, 2);

	if (!(seconds >= 0))
		return nerv_error(L, "openflow_channel:keepalive: seconds must be 0 or more");
	ofc_keepalive(check_channel(L), seconds);
	return 0;
}

static int l_queue(lua_State *L)
{
	lua_Integer bytes = lua_tointeger(L, 2);

	if (bytes < OFP_MOST || bytes > 1 << 30)
		return nerv_error(L, "openflow_channel:queue: bytes must be %d to %d", OFP_MOST, 1 << 30);
	check_channel(L)->queue = (size_t)bytes;
	return 0;
}

static void set_count(lua_State *L, const char *name, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, name);
}

static int l_info(lua_State *L)
{
	const struct ofc_channel *c = check_channel(L);

	lua_createtable(L, 0, 6);
	set_count(L, "received", c->received);
	set_count(L, "sent", c->sent);
	set_count(L, "dropped", c->dropped);
	set_count(L, "queued_bytes", buffer_length(&c->events));
	set_count(L, "unsent_bytes", c->ended ? 0 : buffer_length(&c->stream->out));
	lua_pushstring(L, c->stream->name);
	lua_setfield(L, -2, "name");
	if (c->ended) {
		lua_pushstring(L, c->reason);
		lua_setfield(L, -2, "reason");
	}
	return 1;
}

static int l_tostring(lua_State *L)
{
	const struct ofc_channel *c = check_channel(L);

	lua_pushfstring(L, "openflow_channel %s%s", c->stream ? c->stream->name : "", c->ended ? " (closed)" : "");
	return 1;
}

/* Of a task that ended where it waited. */
static int call_gc(lua_State *L)
{
	struct ofc_call *call = lua_touserdata(L, 1);

	ofc_call_remove(call);
	buffer_free(&call->reply);
	buffer_free(&call->errors);
	return 0;
}

static int sender_gc(lua_State *L)
{
	ofc_sender_remove(lua_touserdata(L, 1));
	return 0;
}

#define EXAMPLE \
	"local a, b = stream.pair()\n" \
	"local switch, controller <close> = openflow_codec.channel(a), openflow_codec.channel(b)\n"

static const struct fn methods[] = {
	{ "take", l_take, NULL,
	  "waits for the next message that is neither an echo nor a reply to a call; returns it as a table; at the end "
	  "nil, message, code",
	  EXAMPLE
	  "switch:send(\"hello\", { versions = { 4 } })\n"
	  "print(controller:take().message)" },
	{ "send", l_send,
	  (const struct arg[]){
		  { "message", ARG_STRING, true, "its name", NULL },
		  { "items", ARG_TABLE, false, "what is in it", NULL }, { 0 } },
	  "sends a message, and waits only when much is unsent; returns true, or nil, message, code",
	  EXAMPLE
	  "assert(controller:send(\"flow_mod\", { match = { in_port = 1 }, actions = { { output = 2 } } }))\n"
	  "switch:close()" },
	{ "call", l_call,
	  (const struct arg[]){
		  { "message", ARG_STRING, true, "its name", NULL },
		  { "items", ARG_TABLE, false, "what is in it", NULL },
		  { "timeout", ARG_NUMBER, false, "seconds; by default 10", NULL }, { 0 } },
	  "sends a request and waits for the reply; returns it, all parts as one, and the list of errors that came before "
	  "a barrier's; or nil, message, code",
	  EXAMPLE
	  "print(controller:call(\"barrier_request\", nil, 0.01))  -- nobody replies\n"
	  "switch:close()" },
	{ "keepalive", l_keepalive,
	  (const struct arg[]){ { "seconds", ARG_NUMBER, true, "of silence; 0: never", NULL }, { 0 } },
	  "asks the other end after so long a silence whether it is there; after the same time again the connection ends",
	  EXAMPLE
	  "controller:keepalive(5)\n"
	  "switch:close()" },
	{ "queue", l_queue,
	  (const struct arg[]){ { "bytes", ARG_INTEGER, true, "of messages", NULL }, { 0 } },
	  "sets how much may wait to be taken before reading pauses",
	  EXAMPLE
	  "controller:queue(1 << 20)\n"
	  "switch:close()" },
	{ "info", l_info, NULL, "returns { name, received, sent, dropped, queued_bytes, unsent_bytes, reason }",
	  EXAMPLE
	  "print(controller:info().received)\n"
	  "switch:close()" },
	{ "close", l_close,
	  (const struct arg[]){ { "reason", ARG_STRING, false, "what who waits is told", NULL }, { 0 } },
	  "ends the connection",
	  EXAMPLE
	  "switch:close()" },
	{ 0 }
};

static void open_helper(lua_State *L, const char *name, lua_CFunction gc)
{
	if (luaL_newmetatable(L, name)) {
		lua_pushcfunction(L, gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
}

void ofp_channel_open(lua_State *L)
{
	registry_class(L, class_name, "a controller's connection with a switch, or a switch's with a controller", methods,
		       l_gc);
	luaL_getmetatable(L, class_name);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	open_helper(L, call_name, call_gc);
	open_helper(L, sender_name, sender_gc);
}
