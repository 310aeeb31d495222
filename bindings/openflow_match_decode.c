/* Matches and fields: OXM's type, length, value (7.2.3) to Lua tables. */
#include <arpa/inet.h>
#include <stdio.h>

#include "bindings/openflow_field.h"
#include "bindings/openflow_wire.h"

enum { OXM_HEAD = 4 };

static bool is_prefix(const uint8_t *mask, size_t size, unsigned int *length)
{
	uint8_t same[16];

	for (*length = 0; *length <= size * 8; ++*length) {
		oxm_prefix(same, size, *length);
		if (!memcmp(mask, same, size))
			return true;
	}
	return false;
}

static void push_address(lua_State *L, const struct oxm_field *f, const uint8_t *v, const uint8_t *mask)
{
	int family = f->kind == OXM_IPV4 ? AF_INET : AF_INET6;
	char text[INET6_ADDRSTRLEN], more[INET6_ADDRSTRLEN];
	unsigned int length;

	inet_ntop(family, v, text, sizeof(text));
	if (!mask)
		lua_pushstring(L, text);
	else if (is_prefix(mask, oxm_size(f), &length))
		lua_pushfstring(L, "%s/%d", text, (int)length);
	else
		lua_pushfstring(L, "%s/%s", text, inet_ntop(family, mask, more, sizeof(more)));
}

static void push_pair(lua_State *L, const char *before, uint64_t v, uint64_t mask)
{
	char text[64];

	snprintf(text, sizeof(text), "%s0x%llx/0x%llx", before, (unsigned long long)v, (unsigned long long)mask);
	lua_pushstring(L, text);
}

static void push_vlan(lua_State *L, uint64_t v, uint64_t mask, bool masked)
{
	if (!masked && !v)
		lua_pushliteral(L, "none");
	else if (!masked && v & VLAN_PRESENT)
		lua_pushinteger(L, (lua_Integer)(v & 0xfff));
	else if (!masked)
		lua_pushfstring(L, "raw %d", (int)v);
	else if (v == VLAN_PRESENT && mask == VLAN_PRESENT)
		lua_pushliteral(L, "any");
	else if (v & mask & VLAN_PRESENT)
		push_pair(L, "", v & 0xfff, mask & 0xfff);
	else
		push_pair(L, "raw ", v, mask);
}

static void push_value(lua_State *L, const struct oxm_field *f, const uint8_t *bytes, bool masked)
{
	size_t size = oxm_size(f);
	const uint8_t *mask = bytes + size;
	uint64_t v = size <= 8 ? ofp_get(bytes, size) : 0, m = masked && size <= 8 ? ofp_get(mask, size) : 0;

	switch (f->kind) {
	case OXM_MAC:
		ofp_push_mac(L, bytes);
		if (masked) {
			lua_pushliteral(L, "/");
			ofp_push_mac(L, mask);
			lua_concat(L, 3);
		}
		return;
	case OXM_IPV4:
	case OXM_IPV6:
		return push_address(L, f, bytes, masked ? mask : NULL);
	case OXM_VLAN:
		return push_vlan(L, v, m, masked);
	case OXM_PORT:
		return ofp_push_named(L, ofp_ports, v);
	case OXM_NUMBER:
		break;
	}
	if (masked)
		push_pair(L, "", v, m);
	else
		lua_pushinteger(L, (lua_Integer)v);
}

static void push_other(lua_State *L, const uint8_t *head, const uint8_t *bytes, size_t length)
{
	bool masked = head[2] & 1;
	char name[32], hex[2 * 255 + 2];
	size_t n = 0;

	snprintf(name, sizeof(name), "oxm:%04x:%u", (unsigned int)ofp_get(head, 2), head[2] >> 1);
	for (size_t i = 0; i < length; i++) {
		if (masked && i == length / 2)
			hex[n++] = '/';
		n += (size_t)snprintf(hex + n, sizeof(hex) - n, "%02x", bytes[i]);
	}
	lua_pushlstring(L, hex, n);
	lua_setfield(L, -2, name);
}

/* Adds one field to the table on top. */
static bool decode_one(lua_State *L, struct ofp_reader *r)
{
	const uint8_t *head = r->at, *bytes = head + OXM_HEAD;
	const struct oxm_field *f = NULL;
	bool masked;
	size_t length;

	if (ofp_left(r) < OXM_HEAD || ofp_left(r) - OXM_HEAD < head[3])
		return ofp_fault(r, "a field that is cut");
	masked = head[2] & 1;
	length = head[3];
	r->at = bytes + length;
	if (ofp_get(head, 2) == OXM_BASIC && head[2] >> 1 < OXM_MOST && oxm_fields[head[2] >> 1].name)
		f = &oxm_fields[head[2] >> 1];
	if (f && length != oxm_size(f) << masked)
		return ofp_fault(r, "a field of a wrong length");
	if (!length || (masked && length % 2))
		return ofp_fault(r, "a field of a wrong length");
	if (!f) {
		push_other(L, head, bytes, length);
		return true;
	}
	push_value(L, f, bytes, masked);
	lua_setfield(L, -2, f->name);
	return true;
}

bool ofp_decode_field(lua_State *L, struct ofp_reader *r)
{
	lua_createtable(L, 0, 1);
	return decode_one(L, r);
}

bool ofp_decode_match(lua_State *L, struct ofp_reader *r)
{
	struct ofp_reader fields = { .fault = NULL };
	size_t length, whole;

	if (ofp_left(r) < 8)
		return ofp_fault(r, "a match that is cut");
	length = (size_t)ofp_get(r->at + 2, 2);
	whole = (length + 7) / 8 * 8;
	if (ofp_get(r->at, 2) != MATCH_OXM)
		return ofp_fault(r, "a match that is no OXM match");
	if (length < 4 || whole > ofp_left(r))
		return ofp_fault(r, "a match whose length does not fit");
	fields.at = r->at + 4;
	fields.end = r->at + length;
	r->at += whole;
	lua_createtable(L, 0, 2);
	while (fields.at < fields.end)
		if (!decode_one(L, &fields))
			return ofp_fault(r, fields.fault);
	return true;
}
