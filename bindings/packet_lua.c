/* Parsed packets as Lua tables, and the table of protocols. */
#include "bindings/packet_lua.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/packet_parse.h"
#include "shell/registry.h"

static const char parsed_name[] = "parsed packet";

const struct packet_protocol *packet_named(lua_State *L, int idx, const char *what)
{
	const char *name = lua_tostring(L, idx), *names[64], *near;
	const struct packet_protocol *p = packet_protocol(name);
	size_t n = 0;

	if (p)
		return p;
	for (; packet_protocols[n]; n++)
		names[n] = packet_protocols[n]->name;
	names[n] = NULL;
	near = nearest_name(name, names);
	nerv_error(L, near ? "%s: unknown protocol '%s'; did you mean '%s'?"
			   : "%s: unknown protocol '%s'; packet.protocols() lists them", what, name, near);
	return NULL;
}

const char *packet_kind_name(enum packet_kind kind)
{
	static const char *const names[] = {
		[PACKET_NUMBER] = "integer", [PACKET_BOOLEAN] = "boolean", [PACKET_FLAGS] = "flags",
		[PACKET_MAC] = "mac", [PACKET_IPV4] = "ipv4", [PACKET_IPV6] = "ipv6", [PACKET_RAW] = "bytes",
	};

	return names[kind];
}

bool packet_has(const struct packet_field *f, const uint8_t *h, size_t length)
{
	return f->bit / 8u + (f->bits + 7u) / 8 <= length && (!f->present || f->present(h));
}

static void push_flags(lua_State *L, const struct packet_field *f, uint32_t bits)
{
	lua_newtable(L);
	for (unsigned int i = 0; i < f->bits; i++) {
		if (!(bits >> (f->bits - 1u - i) & 1))
			continue;
		lua_pushboolean(L, true);
		lua_setfield(L, -2, f->flags[i]);
	}
}

/* Pushes the value of a field, or nothing and returns false when it is not told of. */
static bool push_value(lua_State *L, const struct packet_field *f, const uint8_t *h, size_t length)
{
	const uint8_t *b = h + f->bit / 8;
	uint32_t bits = f->bits && f->bits <= 32 ? packet_bits(f, h) : 0;
	char text[INET6_ADDRSTRLEN];

	switch (f->kind) {
	case PACKET_NUMBER:
		if (f->quiet && !bits)
			return false;
		lua_pushinteger(L, (lua_Integer)bits * (f->scale ? f->scale : 1) + f->plus);
		return true;
	case PACKET_BOOLEAN:
		lua_pushboolean(L, bits != 0);
		return true;
	case PACKET_FLAGS:
		push_flags(L, f, bits);
		return true;
	case PACKET_MAC:
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
		break;
	case PACKET_IPV4:
		inet_ntop(AF_INET, b, text, sizeof(text));
		break;
	case PACKET_IPV6:
		inet_ntop(AF_INET6, b, text, sizeof(text));
		break;
	case PACKET_RAW:
		if (f->quiet && length == f->bit / 8u)
			return false;
		lua_pushlstring(L, (const char *)b, length - f->bit / 8u);
		return true;
	}
	lua_pushstring(L, text);
	return true;
}

static void push_layer(lua_State *L, const struct packet_layer *l, const uint8_t *bytes)
{
	lua_newtable(L);
	lua_pushstring(L, l->protocol->name);
	lua_setfield(L, -2, "type");
	for (const struct packet_field *f = l->protocol->fields; f->name; f++)
		if (packet_has(f, bytes + l->at, l->length) && push_value(L, f, bytes + l->at, l->length))
			lua_setfield(L, -2, f->name);
	if (l->sum == PACKET_SUM_NONE)
		return;
	lua_pushboolean(L, l->sum == PACKET_SUM_GOOD);
	lua_setfield(L, -2, "checksum_good");
}

int packet_l_parse(lua_State *L)
{
	size_t n;
	const uint8_t *bytes = (const uint8_t *)lua_tolstring(L, 1, &n);
	const struct packet_protocol *first = lua_isnoneornil(L, 2) ? packet_protocol("ethernet")
								    : packet_named(L, 2, "packet.parse");
	struct packet_parsed parsed;

	packet_parse(&parsed, first, bytes, n);
	lua_createtable(L, (int)parsed.layer_count, 3);
	for (size_t i = 0; i < parsed.layer_count; i++) {
		push_layer(L, &parsed.layers[i], bytes);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushlstring(L, (const char *)bytes + parsed.payload, parsed.payload_end - parsed.payload);
	lua_setfield(L, -2, "payload");
	if (parsed.payload_end < n) {
		lua_pushlstring(L, (const char *)bytes + parsed.payload_end, n - parsed.payload_end);
		lua_setfield(L, -2, "trailer");
	}
	if (parsed.note_count)
		lua_createtable(L, (int)parsed.note_count, 0);
	for (size_t i = 0; i < parsed.note_count; i++) {
		lua_pushstring(L, parsed.notes[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	if (parsed.note_count)
		lua_setfield(L, -2, "notes");
	luaL_setmetatable(L, parsed_name);
	return 1;
}

/* p.ipv4: the first layer of that type. */
static int parsed_index(lua_State *L)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, 1);

	for (lua_Integer i = 1; i <= n && lua_type(L, 2) == LUA_TSTRING; i++) {
		bool is;

		if (lua_rawgeti(L, 1, i) == LUA_TTABLE) {
			lua_pushliteral(L, "type");
			lua_rawget(L, -2);
			is = lua_rawequal(L, -1, 2);
			lua_pop(L, 1);
			if (is)
				return 1;
		}
		lua_pop(L, 1);
	}
	lua_pushnil(L);
	return 1;
}

void packet_parsed_open(lua_State *L)
{
	if (luaL_newmetatable(L, parsed_name)) {
		lua_pushcfunction(L, parsed_index);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
}

static void push_field(lua_State *L, const struct packet_field *f)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, f->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, packet_kind_name(f->kind));
	lua_setfield(L, -2, "type");
	lua_pushstring(L, f->text);
	lua_setfield(L, -2, "text");
	lua_pushboolean(L, f->required);
	lua_setfield(L, -2, "required");
}

int packet_l_protocols(lua_State *L)
{
	lua_newtable(L);
	for (const struct packet_protocol *const *p = packet_protocols; *p; p++) {
		lua_Integer i = 1;

		lua_newtable(L);
		lua_pushstring(L, (*p)->text);
		lua_setfield(L, -2, "text");
		lua_newtable(L);
		for (const struct packet_field *f = (*p)->fields; f->name; f++, i++) {
			push_field(L, f);
			lua_rawseti(L, -2, i);
		}
		lua_setfield(L, -2, "fields");
		lua_setfield(L, -2, (*p)->name);
	}
	return 1;
}
