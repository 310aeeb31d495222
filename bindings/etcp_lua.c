/* The Lua module `etcp`. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "bindings/etcp.h"
#include "shell/registry.h"

enum { NAMES_MOST = 8 };

/* -- reading -- */

/* The tables that are open are on the stack, the innermost on top. */

static void set_value(lua_State *L, const struct etcp_field *f)
{
	if (!f->repeated) {
		lua_setfield(L, -2, f->name);
		return;
	}
	if (lua_getfield(L, -2, f->name) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setfield(L, -4, f->name);
	}
	lua_insert(L, -2);
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	lua_pop(L, 1);
}

static void read_number(void *arg, const struct etcp_field *f, uint64_t value)
{
	lua_State *L = arg;
	size_t count = 0;

	while (f->names && f->names[count])
		count++;
	if (value < count)
		lua_pushstring(L, f->names[value]);
	else if (f->kind == ETCP_BOOLEAN)
		lua_pushboolean(L, value != 0);
	else
		lua_pushinteger(L, (lua_Integer)value);
	set_value(L, f);
}

static void read_string(void *arg, const struct etcp_field *f, const uint8_t *bytes, size_t n)
{
	lua_pushlstring(arg, (const char *)bytes, n);
	set_value(arg, f);
}

static void enter(void *arg, const struct etcp_field *f)
{
	(void)f;
	lua_newtable(arg);
}

static void leave(void *arg, const struct etcp_field *f)
{
	set_value(arg, f);
}

static const struct etcp_visitor visitor = { read_number, read_string, enter, leave };

/* Reads the part at `*at` into a new table; false: the failure's values are on the stack. */
static bool read_part(lua_State *L, const struct etcp_message *m, size_t *at)
{
	const char *fault = "it is cut";
	size_t n, length;
	const uint8_t *bytes = (const uint8_t *)lua_tolstring(L, 1, &n), *part;

	part = etcp_part(bytes, n, at, &length);
	lua_newtable(L);
	if (part)
		fault = etcp_read(m, part, length, &visitor, L);
	if (fault)
		nerv_fail(L, EBADMSG, "etcp: %s: %s", m->name, fault);
	return !fault;
}

/* The number of the type of the request on top of the stack. */
static uint64_t type_number(lua_State *L)
{
	const char *name;
	uint64_t type = 0;

	if (lua_getfield(L, -1, "type") == LUA_TNUMBER)
		type = (uint64_t)lua_tointeger(L, -1);
	else
		for (name = lua_tostring(L, -1); strcmp(etcp_types[type], name) != 0;)
			type++;
	lua_pop(L, 1);
	return type;
}

static int l_read_request(lua_State *L)
{
	const struct etcp_message *body;
	size_t at = 0;

	if (!read_part(L, &etcp_request, &at))
		return 3;
	body = etcp_body(type_number(L));
	if (!body)
		return 1;
	if (!read_part(L, body, &at))
		return 3;
	lua_setfield(L, -2, "body");
	return 1;
}

static int l_read_response(lua_State *L)
{
	size_t at = 0;

	return read_part(L, &etcp_response, &at) ? 1 : 3;
}

/* -- writing -- */

static void put_message(lua_State *L, int table, const struct etcp_message *m);

static int misuse(lua_State *L, const struct etcp_message *m, const char *field, const char *what)
{
	return nerv_error(L, "etcp: %s: %s: %s", m->name, field, what);
}

static void check_names(lua_State *L, int table, const struct etcp_message *m)
{
	const char *names[NAMES_MOST] = { NULL }, *near;
	const struct etcp_field *f;

	for (size_t i = 0; m->fields[i].name && i + 1 < NAMES_MOST; i++)
		names[i] = m->fields[i].name;
	lua_pushnil(L);
	while (lua_next(L, table)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			nerv_error(L, "etcp: %s: fields are given by name", m->name);
		for (f = m->fields; f->name && strcmp(f->name, lua_tostring(L, -2)) != 0;)
			f++;
		if (!f->name && !(m == &etcp_request && strcmp(lua_tostring(L, -2), "body") == 0)) {
			near = nearest_name(lua_tostring(L, -2), names);
			nerv_error(L, near ? "etcp: %s: unknown field '%s'; did you mean '%s'?"
					   : "etcp: %s: unknown field '%s'", m->name, lua_tostring(L, -2), near);
		}
		lua_pop(L, 1);
	}
}

static uint64_t named_number(lua_State *L, const struct etcp_message *m, const struct etcp_field *f)
{
	const char *word = lua_tostring(L, -1), *near;
	uint64_t i = 0;

	if (lua_type(L, -1) != LUA_TSTRING)
		misuse(L, m, f->name, "a name is expected");
	for (; f->names[i]; i++)
		if (strcmp(f->names[i], word) == 0)
			return i;
	near = nearest_name(word, f->names);
	return (uint64_t)misuse(L, m, f->name, lua_pushfstring(L, near ? "there is no '%s'; did you mean '%s'?"
									: "there is no '%s'", word, near));
}

/* The number that stands for the value on top. */
static uint64_t number_of(lua_State *L, const struct etcp_message *m, const struct etcp_field *f)
{
	lua_Integer value;
	int whole;

	if (f->kind == ETCP_NAME)
		return named_number(L, m, f);
	if (f->kind == ETCP_BOOLEAN) {
		if (!lua_isboolean(L, -1))
			misuse(L, m, f->name, "true or false is expected");
		return (uint64_t)lua_toboolean(L, -1);
	}
	value = lua_tointegerx(L, -1, &whole);
	if (!whole || lua_type(L, -1) != LUA_TNUMBER)
		misuse(L, m, f->name, "an integer is expected");
	if (f->kind == ETCP_INTEGER && value != (int32_t)value)
		misuse(L, m, f->name, "it does not fit into 32 bits");
	return (uint64_t)value;
}

/* Puts the field's bytes in the place of the value on top. */
static void put_value(lua_State *L, const struct etcp_message *m, const struct etcp_field *f)
{
	uint8_t bytes[3 * ETCP_VARINT_MOST];
	size_t n, length;

	if (f->kind < ETCP_STRING) {
		n = etcp_put_tag(bytes, f, 0);
		n += etcp_put_varint(bytes + n, number_of(L, m, f));
		lua_pop(L, 1);
		lua_pushlstring(L, (const char *)bytes, n);
		return;
	}
	if (f->kind == ETCP_STRING && lua_type(L, -1) != LUA_TSTRING)
		misuse(L, m, f->name, "a string is expected");
	if (f->kind == ETCP_MESSAGE) {
		if (!lua_istable(L, -1))
			misuse(L, m, f->name, "a table is expected");
		put_message(L, lua_gettop(L), f->message);
		lua_remove(L, -2);
	}
	lua_tolstring(L, -1, &length);
	lua_pushlstring(L, (const char *)bytes, etcp_put_tag(bytes, f, length));
	lua_insert(L, -2);
	lua_concat(L, 2);
}

/* Pushes the field's bytes, as often as it is there; how many strings that are. */
static int put_field(lua_State *L, int table, const struct etcp_message *m, const struct etcp_field *f)
{
	int list, count;

	luaL_checkstack(L, 8, "etcp: too many fields");
	if (lua_getfield(L, table, f->name) == LUA_TNIL) {
		lua_pop(L, 1);
		if (f->required)
			misuse(L, m, f->name, "it is missing");
		return 0;
	}
	if (!f->repeated) {
		put_value(L, m, f);
		return 1;
	}
	if (!lua_istable(L, -1))
		misuse(L, m, f->name, "an array is expected");
	list = lua_gettop(L);
	count = (int)luaL_len(L, list);
	lua_pushliteral(L, "");
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, list, i);
		put_value(L, m, f);
		lua_concat(L, 2);
	}
	lua_remove(L, list);
	return 1;
}

/* Pushes the bytes of the message in the table at that index. */
static void put_message(lua_State *L, int table, const struct etcp_message *m)
{
	int count = 0;

	luaL_checkstack(L, 8, "etcp: too deep a message");
	check_names(L, table, m);
	for (const struct etcp_field *f = m->fields; f->name; f++)
		count += put_field(L, table, m, f);
	lua_concat(L, count);
}

/* The same behind its length. */
static void put_part(lua_State *L, int table, const struct etcp_message *m)
{
	char bytes[2];
	size_t n;

	put_message(L, table, m);
	lua_tolstring(L, -1, &n);
	if (n > ETCP_PART_MOST)
		nerv_error(L, "etcp: %s: %d bytes are too many: it has %d at most", m->name, (int)n, ETCP_PART_MOST);
	bytes[0] = (char)(n & 0xff);
	bytes[1] = (char)(n >> 8);
	lua_pushlstring(L, bytes, sizeof(bytes));
	lua_insert(L, -2);
	lua_concat(L, 2);
}

static int l_request(lua_State *L)
{
	put_part(L, 1, &etcp_request);
	if (lua_getfield(L, 1, "body") == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
	}
	if (!lua_istable(L, -1))
		misuse(L, &etcp_request, "body", "a table is expected");
	lua_pushvalue(L, 1);
	put_part(L, lua_gettop(L) - 1, etcp_body(type_number(L)));
	lua_replace(L, -3);
	lua_pop(L, 1);
	lua_concat(L, 2);
	return 1;
}

static int l_response(lua_State *L)
{
	put_part(L, 1, &etcp_response);
	return 1;
}

/* -- labels -- */

static int l_label(lua_State *L)
{
	size_t len, size = 32;
	const char *title = lua_tolstring(L, 1, &len);
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	uint8_t d[32];
	char text[2][18];

	g_checksum_update(sum, (const guchar *)title, (gssize)len);
	g_checksum_get_digest(sum, d, &size);
	g_checksum_free(sum);
	for (int i = 0; i < 2; i++) {
		g_snprintf(text[i], sizeof(text[i]), "%02x:%02x:%02x:%02x:%02x:%02x", d[6 * i], d[6 * i + 1],
			   d[6 * i + 2], d[6 * i + 3], d[6 * i + 4], d[6 * i + 5]);
		lua_pushstring(L, text[i]);
	}
	return 2;
}

static const struct arg bytes_args[] = {
	{ "bytes", ARG_BYTES, true, "what follows the Ethernet header; padding behind it is left out", NULL },
	{ 0 }
};

static const struct fn functions[] = {
	{ "request", l_request,
	  (const struct arg[]){ { "request", ARG_TABLE, true, "{type= name, id=, dst_title=, body= {FIELD=}}", NULL },
				{ 0 } },
	  "returns the bytes of a request, to follow the Ethernet header",
	  "local bytes = etcp.request{ type = \"workspace_attach\", id = 1,\n"
	  "  body = { workspace_title = \"room\", entity_title = \"bob\" } }\n"
	  "assert(etcp.read_request(bytes).body.entity_title == \"bob\")" },
	{ "response", l_response,
	  (const struct arg[]){ { "response", ARG_TABLE, true,
				  "{status= \"success\" or \"failure\", request_id=, src_title=, reason=}", NULL },
				{ 0 } },
	  "returns the bytes of a response, to follow the Ethernet header",
	  "print(#etcp.response{ status = \"success\", request_id = 1 })" },
	{ "read_request", l_read_request, bytes_args,
	  "returns {type= name, id=, dst_title=, body=}, or nil, message, code; of a type that is not known, its number "
	  "and no body",
	  "print(etcp.read_request \"\\4\\0\\8\\1\\x10\\4\\7\\0\\10\\5alice\")" },
	{ "read_response", l_read_response, bytes_args,
	  "returns {status=, request_id=, src_title=, reason=}, or nil, message, code; the reason of a failure is our own "
	  "addition, which others skip",
	  "assert(etcp.read_response(\"\\4\\0\\8\\1\\x10\\1\").status == \"failure\")" },
	{ "label", l_label,
	  (const struct arg[]){ { "title", ARG_BYTES, true, "title of a workspace", NULL }, { 0 } },
	  "returns a workspace's label, the Ethernet address that its frames are sent to: the first 6 bytes of the "
	  "title's SHA-256; and the next 6, which are their source in the oldest dialect",
	  "assert(etcp.label \"room\" == \"1f:1c:5b:2f:ad:77\")" },
	{ 0 }
};

NERV_MODULE(etcp, .name = "etcp", .text = "control messages of ETArch: entities and the Domain Title Service",
	    .functions = functions);
