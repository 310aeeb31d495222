/* packet.build: bytes from a list of layers. */
#include <arpa/inet.h>
#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/packet_build.h"
#include "bindings/packet_lua.h"
#include "shell/registry.h"

enum {
	PIECES_MOST = 64,
	FIXED_MOST = 64,		/* no header without options is longer */
	BYTES_MOST = 16 * 1024 * 1024,
};

struct draft {
	lua_State *L;
	struct packet_piece pieces[PIECES_MOST];
	size_t count, end;
	const struct packet_field *field;	/* at hand, for messages */
	uint8_t *bytes;
};

/* Raises "packet.build: layer 2 (vlan): WHY". */
static int refuse(const struct draft *d, const char *why)
{
	const struct packet_protocol *p = d->pieces[d->count].protocol;

	return nerv_error(d->L, "packet.build: layer %d (%s): %s", (int)d->count + 1, p->name, why);
}

/* `must` may lie on the stack above the value at `idx`. */
static int refuse_value(const struct draft *d, int idx, const char *must)
{
	const char *value = luaL_tolstring(d->L, idx, NULL);

	return refuse(d, lua_pushfstring(d->L, "%s must be %s, not %s", d->field->name, must, value));
}

static uint32_t checked_number(const struct draft *d)
{
	const struct packet_field *f = d->field;
	lua_Integer scale = f->scale ? f->scale : 1, most = (lua_Integer)packet_most_bits(f) * scale + f->plus, v;

	v = lua_isinteger(d->L, -1) ? lua_tointeger(d->L, -1) : -1;
	if (v >= f->plus && v <= most && (v - f->plus) % scale == 0)
		return (uint32_t)((v - f->plus) / scale);
	if (scale == 1)
		lua_pushfstring(d->L, "an integer from 0 to %I", most);
	else
		lua_pushfstring(d->L, "a multiple of %I from %d to %I", scale, f->plus, most);
	refuse_value(d, -2, lua_tostring(d->L, -1));
	return 0;
}

static uint32_t checked_flags(const struct draft *d)
{
	const struct packet_field *f = d->field;
	lua_State *L = d->L;
	uint32_t bits = 0;

	if (!lua_istable(L, -1))
		refuse_value(d, -1, "a table such as { NAME = true }");
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
		unsigned int i = 0;

		while (f->flags[i] && strcmp(f->flags[i], name) != 0)
			i++;
		if (!f->flags[i] || !lua_isboolean(L, -1))
			refuse(d, lua_pushfstring(L, "%s: %s, each true or false, not '%s'", f->name, f->text,
						  luaL_tolstring(L, -2, NULL)));
		if (lua_toboolean(L, -1))
			bits |= 1u << (f->bits - 1u - i);
	}
	return bits;
}

static bool mac_from_text(const char *s, uint8_t mac[6])
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(s + 3 * i, NULL, 16);
	return !s[17];
}

static void put_address(const struct draft *d, uint8_t *to)
{
	const char *s = lua_type(d->L, -1) == LUA_TSTRING ? lua_tostring(d->L, -1) : "";

	if (d->field->kind == PACKET_MAC && !mac_from_text(s, to))
		refuse_value(d, -1, "a MAC address such as 02:00:00:00:00:01");
	if (d->field->kind == PACKET_IPV4 && inet_pton(AF_INET, s, to) != 1)
		refuse_value(d, -1, "an IPv4 address such as 10.0.0.1");
	if (d->field->kind == PACKET_IPV6 && inet_pton(AF_INET6, s, to) != 1)
		refuse_value(d, -1, "an IPv6 address such as fd00::1");
}

/* The bytes of a PACKET_RAW field, on top; their length was looked at before. */
static void put_raw(const struct draft *d, uint8_t *to)
{
	size_t n;
	const char *s = lua_tolstring(d->L, -1, &n);

	memcpy(to, s, n);
}

static void put_value(const struct draft *d, uint8_t *h)
{
	const struct packet_field *f = d->field;

	switch (f->kind) {
	case PACKET_NUMBER:
		packet_set_bits(f, h, checked_number(d));
		break;
	case PACKET_BOOLEAN:
		if (!lua_isboolean(d->L, -1))
			refuse_value(d, -1, "true or false");
		packet_set_bits(f, h, (uint32_t)lua_toboolean(d->L, -1));
		break;
	case PACKET_FLAGS:
		packet_set_bits(f, h, checked_flags(d));
		break;
	case PACKET_MAC:
	case PACKET_IPV4:
	case PACKET_IPV6:
		put_address(d, h + f->bit / 8);
		break;
	case PACKET_RAW:
		put_raw(d, h + f->bit / 8);
		break;
	}
}

static void refuse_missing(const struct draft *d, const char *name)
{
	const char *names[64], *near;
	const struct packet_field *f = d->pieces[d->count].protocol->fields;
	size_t n = 0;

	for (; f->name; f++)
		names[n++] = f->name;
	names[n] = NULL;
	near = nearest_name(name, names);
	refuse(d, near ? lua_pushfstring(d->L, "unknown field '%s'; did you mean '%s'?", name, near)
		       : lua_pushfstring(d->L, "unknown field '%s'", name));
}

/* Every key of the layer at `idx` is a field. */
static void check_names(const struct draft *d, int idx)
{
	lua_State *L = d->L;

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		const struct packet_field *f = d->pieces[d->count].protocol->fields;
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;

		if (!name)
			refuse(d, "fields are given by name");
		if (strcmp(name, "type") == 0 || strcmp(name, "checksum_good") == 0)
			continue;
		while (f->name && strcmp(f->name, name) != 0)
			f++;
		if (!f->name)
			refuse_missing(d, name);
	}
}

/* One field of the layer at `idx`, into the header `h`. */
static void put_field(struct draft *d, int idx, uint8_t *h)
{
	struct packet_piece *p = &d->pieces[d->count];
	const struct packet_field *f = d->field;
	bool here = !f->present || f->present(h), given;

	lua_pushstring(d->L, f->name);
	given = lua_rawget(d->L, idx) != LUA_TNIL;
	if (given && !here)
		refuse(d, lua_pushfstring(d->L, "it has no %s here (%s)", f->name, f->text));
	if (!given && here && f->required)
		refuse(d, lua_pushfstring(d->L, "%s is missing (%s)", f->name, f->text));
	if (given) {
		put_value(d, h);
		p->given |= 1u << f->role;
	} else if (here && f->otherwise) {
		packet_set_bits(f, h, f->otherwise);
	}
	lua_pop(d->L, 1);
}

/* Bytes of the layer's raw field. */
static size_t raw_length(struct draft *d, int idx)
{
	const struct packet_protocol *p = d->pieces[d->count].protocol;
	size_t n = 0;

	for (const struct packet_field *f = p->fields; f->name; f++) {
		if (f->kind != PACKET_RAW)
			continue;
		d->field = f;
		lua_pushstring(d->L, f->name);
		if (lua_rawget(d->L, idx) != LUA_TNIL) {
			if (lua_type(d->L, -1) != LUA_TSTRING)
				refuse_value(d, -1, "a string");
			n = lua_rawlen(d->L, -1);
			if ((f->bit / 8u + n) % (p->unit ? p->unit : 1) || f->bit / 8u + n < p->least)
				refuse(d, lua_pushfstring(d->L, "%s: %s; not %d bytes", f->name, f->text, (int)n));
		}
		lua_pop(d->L, 1);
		return f->bit / 8u + n;
	}
	return 0;
}

static void add_layer(struct draft *d, int idx)
{
	struct packet_piece *p = &d->pieces[d->count];
	uint8_t *h = d->bytes + d->end;
	size_t whole;

	lua_pushliteral(d->L, "type");
	if (lua_rawget(d->L, idx) != LUA_TSTRING)
		nerv_error(d->L, "packet.build: layer %d has no type, such as \"ethernet\"", (int)d->count + 1);
	*p = (struct packet_piece){ packet_named(d->L, -1, "packet.build"), d->end };
	lua_pop(d->L, 1);
	check_names(d, idx);
	whole = raw_length(d, idx);
	for (d->field = p->protocol->fields; d->field->name; d->field++)
		put_field(d, idx, h);
	p->length = whole ? whole : p->protocol->length ? p->protocol->length(h) : p->protocol->least;
	d->end += p->length;
	d->count++;
}

static void add_bytes(struct draft *d, int idx)
{
	size_t n;
	const char *s = lua_tolstring(d->L, idx, &n);

	if (!n)
		return;
	memcpy(d->bytes + d->end, s, n);
	d->pieces[d->count++] = (struct packet_piece){ NULL, d->end, n };
	d->end += n;
}

/* Room that the strings of a table need, those of its layers included. */
static size_t strings_length(lua_State *L, int idx, int depth)
{
	size_t n = 0;

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_type(L, -1) == LUA_TSTRING)
			n += lua_rawlen(L, -1);
		else if (lua_istable(L, -1) && depth)
			n += strings_length(L, lua_gettop(L), depth - 1);
	}
	return n;
}

/* The string in a field of the list, or NULL; it is on the stack then. */
static const char *list_string(lua_State *L, const char *key, size_t *n)
{
	lua_pushstring(L, key);
	*n = 0;
	if (lua_rawget(L, 1) == LUA_TNIL)
		return NULL;
	if (lua_type(L, -1) != LUA_TSTRING)
		nerv_error(L, "packet.build: %s must be a string, not %s", key, luaL_tolstring(L, -1, NULL));
	return lua_tolstring(L, -1, n);
}

static lua_Integer check_list(lua_State *L)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, 1);

	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (!lua_isinteger(L, -2) && strcmp(key, "payload") && strcmp(key, "trailer") && strcmp(key, "notes"))
			nerv_error(L, "packet.build: a list of layers, payload and trailer are expected, not '%s'",
				   luaL_tolstring(L, -2, NULL));
	}
	if (n >= PIECES_MOST)
		nerv_error(L, "packet.build: %d layers at most", PIECES_MOST - 1);
	return n;
}

int packet_l_build(lua_State *L)
{
	lua_Integer n = check_list(L);
	size_t room = strings_length(L, 1, 1) + (size_t)(n + 1) * FIXED_MOST, trailer, where, length;
	struct draft d = { .L = L };
	const char *s;
	char why[160];

	if (room > BYTES_MOST)
		return nerv_error(L, "packet.build: %d bytes at most", BYTES_MOST);
	d.bytes = lua_newuserdatauv(L, room, 0);
	memset(d.bytes, 0, room);
	for (lua_Integer i = 1; i <= n; i++) {
		int type = lua_rawgeti(L, 1, i);

		if (type == LUA_TTABLE)
			add_layer(&d, lua_gettop(L));
		else if (type == LUA_TSTRING)
			add_bytes(&d, -1);
		else
			return nerv_error(L, "packet.build: layer %d must be a table or a string, not %s", (int)i,
					  luaL_tolstring(L, -1, NULL));
		lua_pop(L, 1);
	}
	if (list_string(L, "payload", &length))
		add_bytes(&d, -1);
	s = list_string(L, "trailer", &trailer);
	if (packet_complete(d.bytes, d.pieces, d.count, d.end, &where, why, sizeof(why))) {
		d.count = where;
		return refuse(&d, why);
	}
	if (s)
		memcpy(d.bytes + d.end, s, trailer);
	lua_pushlstring(L, (const char *)d.bytes, d.end + trailer);
	return 1;
}
