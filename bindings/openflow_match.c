/* Matches and fields: Lua tables of values to OXM's type, length, value (7.2.3). */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/openflow_field.h"
#include "bindings/openflow_wire.h"
#include "shell/registry.h"

struct value {
	uint8_t bytes[16], mask[16];
	bool masked;
};

static const struct ofp_name vlan_names[] = { { "none", 0 }, { NULL, 0 } };

static int refuse_field(struct ofp_writer *w, const struct ofp_path *path, const struct oxm_field *f, const char *text)
{
	static const char *const wanted[] = {
		[OXM_NUMBER] = "an integer", [OXM_PORT] = "a port", [OXM_VLAN] = "0 to 4095, \"none\" or \"any\"",
		[OXM_MAC] = "an address such as \"02:00:00:00:00:01\"", [OXM_IPV4] = "an IPv4 address",
		[OXM_IPV6] = "an IPv6 address",
	};

	return ofp_misuse(w, path, "%s%s is expected, not '%.80s'", wanted[f->kind],
			  f->maskable ? ", or with a mask \"value/mask\"," : "", text);
}

/* One half of "value/mask". */
static bool parse_half(const struct oxm_field *f, const char *text, const char *end, uint8_t *to)
{
	char copy[64];
	uint64_t v;

	if (f->kind == OXM_MAC)
		return ofp_parse_mac(text, end, to);
	if (f->kind == OXM_IPV4 || f->kind == OXM_IPV6) {
		if ((size_t)(end - text) >= sizeof(copy))
			return false;
		memcpy(copy, text, (size_t)(end - text));
		copy[end - text] = '\0';
		return inet_pton(f->kind == OXM_IPV4 ? AF_INET : AF_INET6, copy, to) == 1;
	}
	if (!ofp_parse_number(text, end, &v) || (f->bits < 64 && v >> f->bits))
		return false;
	ofp_set(to, oxm_size(f), v);
	return true;
}

static bool parse_mask(const struct oxm_field *f, const char *text, const char *end, uint8_t *to)
{
	uint64_t length;

	if ((f->kind == OXM_IPV4 || f->kind == OXM_IPV6) && ofp_parse_number(text, end, &length)) {
		if (length > f->bits)
			return false;
		oxm_prefix(to, oxm_size(f), (unsigned int)length);
		return true;
	}
	return parse_half(f, text, end, to);
}

/* A tag's number means a frame that has a tag; "raw V/M" leaves the bit that says so as it is. */
static bool parse_vlan(const struct oxm_field *f, const char *text, const char *end, struct value *v)
{
	const char *slash = memchr(text, '/', (size_t)(end - text));
	bool raw = end - text > 4 && !memcmp(text, "raw ", 4);

	if (strcmp(text, "any") == 0) {
		ofp_set(v->bytes, 2, VLAN_PRESENT);
		ofp_set(v->mask, 2, VLAN_PRESENT);
		return v->masked = true;
	}
	if (!parse_half(f, raw ? text + 4 : text, slash ? slash : end, v->bytes))
		return false;
	if (slash && !parse_half(f, slash + 1, end, v->mask))
		return false;
	v->masked = slash != NULL;
	if (raw)
		return true;
	if ((v->bytes[0] | v->mask[0]) & 0x10)
		return false;
	v->bytes[0] |= 0x10;
	v->mask[0] |= 0x10;
	return true;
}

static void check_text(struct ofp_writer *w, const struct ofp_path *path, const struct oxm_field *f, struct value *v)
{
	size_t n;
	const char *text = lua_tolstring(w->L, -1, &n), *slash = memchr(text, '/', n);
	bool good;

	if (f->kind == OXM_VLAN) {
		good = parse_vlan(f, text, text + n, v);
	} else {
		good = parse_half(f, text, slash ? slash : text + n, v->bytes) &&
		       (!slash || parse_mask(f, slash + 1, text + n, v->mask));
		v->masked = slash != NULL;
	}
	if (!good)
		refuse_field(w, path, f, text);
	if (v->masked && !f->maskable)
		ofp_misuse(w, path, "it takes no mask: '%.80s'", text);
}

/* A mask of all bits is none, and no bit may be set that it leaves out (7.2.3.5). */
static void check_mask(struct ofp_writer *w, const struct ofp_path *path, const struct oxm_field *f, struct value *v)
{
	size_t size = oxm_size(f);
	uint8_t whole[16] = { 0 };

	for (size_t i = 0; i < size; i++)
		if (v->bytes[i] & ~v->mask[i])
			ofp_misuse(w, path, "'%s' has bits that its mask leaves out", lua_tostring(w->L, -1));
	for (unsigned int i = 0; i < f->bits; i++)
		whole[size - 1 - i / 8] |= (uint8_t)(1u << i % 8);
	if (!memcmp(v->mask, whole, size))
		v->masked = false;
}

/* The value on top of the stack. */
static void check_value(struct ofp_writer *w, const struct ofp_path *path, const struct oxm_field *f, struct value *v)
{
	uint64_t number;

	memset(v, 0, sizeof(*v));
	if (lua_type(w->L, -1) == LUA_TSTRING && f->kind != OXM_PORT &&
	    !(f->kind == OXM_VLAN && ofp_value_of(vlan_names, lua_tostring(w->L, -1), &number))) {
		check_text(w, path, f, v);
		if (v->masked)
			check_mask(w, path, f, v);
	} else if (lua_type(w->L, -1) == LUA_TSTRING && f->kind == OXM_VLAN) {
		return;		/* "none" is 0 */
	} else if (f->kind == OXM_MAC || f->kind == OXM_IPV4 || f->kind == OXM_IPV6) {
		refuse_field(w, path, f, luaL_tolstring(w->L, -1, NULL));
	} else if (f->kind == OXM_VLAN) {
		ofp_set(v->bytes, 2, ofp_check_number(w, path, 12, NULL) | VLAN_PRESENT);
	} else {
		ofp_set(v->bytes, oxm_size(f),
			ofp_check_number(w, path, f->bits, f->kind == OXM_PORT ? ofp_ports : NULL));
	}
}

static void put_field(struct ofp_writer *w, int number, const struct value *v)
{
	size_t size = oxm_size(&oxm_fields[number]);

	ofp_put(w, 2, OXM_BASIC);
	ofp_put(w, 1, (uint64_t)number << 1 | v->masked);
	ofp_put(w, 1, size << v->masked);
	memcpy(ofp_room(w, size), v->bytes, size);
	if (v->masked)
		memcpy(ofp_room(w, size), v->mask, size);
}

static int refuse_name(struct ofp_writer *w, const struct ofp_path *path)
{
	const char *names[OXM_MOST + 1], *given = luaL_tolstring(w->L, -1, NULL);
	char hint[80];
	size_t n = 0;

	for (int i = 0; i < OXM_MOST; i++)
		if (oxm_fields[i].name)
			names[n++] = oxm_fields[i].name;
	names[n] = NULL;
	return ofp_misuse(w, path, "unknown field '%.60s'%s", given, ofp_hint(hint, sizeof(hint), given, names));
}

/* "oxm:CLASS:FIELD" with hexadecimal bytes is a field that has no name here. */
static bool parse_other(const char *name, unsigned int *class, unsigned int *field)
{
	int end = 0;

	return sscanf(name, "oxm:%4x:%3u%n", class, field, &end) == 2 && !name[end] && *field < 128 &&
	       *class != OXM_BASIC;
}

static size_t put_hex(struct ofp_writer *w, const struct ofp_path *path, const char *text, const char *end)
{
	size_t size = (size_t)(end - text) / 2;
	uint8_t *to = ofp_room(w, size);

	for (size_t i = 0; i < size; i++) {
		uint64_t v;
		char byte[5] = { '0', 'x', text[2 * i], text[2 * i + 1] };

		if (!ofp_parse_number(byte, byte + 4, &v))
			ofp_misuse(w, path, "hexadecimal bytes are expected, not '%.60s'", text);
		to[i] = (uint8_t)v;
	}
	if ((end - text) % 2 || !size || size > 120)
		ofp_misuse(w, path, "1 to 120 hexadecimal bytes are expected, not '%.60s'", text);
	return size;
}

static void put_other(struct ofp_writer *w, const struct ofp_path *path, unsigned int class, unsigned int field)
{
	size_t n, at, size;
	const char *text = luaL_tolstring(w->L, -1, &n), *slash = memchr(text, '/', n);

	ofp_put(w, 2, class);
	ofp_put(w, 1, field << 1 | (slash != NULL));
	at = w->n;
	ofp_put(w, 1, 0);
	size = put_hex(w, path, text, slash ? slash : text + n);
	if (slash && put_hex(w, path, slash + 1, text + n) != size)
		ofp_misuse(w, path, "value and mask differ in length: '%.120s'", text);
	w->bytes[at] = (uint8_t)(size << (slash != NULL));
	lua_pop(w->L, 1);
}

/* The fields that the table on top names, as bits of their numbers; writes those without a name. */
static uint64_t given_fields(struct ofp_writer *w, const struct ofp_path *path)
{
	lua_State *L = w->L;
	uint64_t given = 0;

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
		int number = name ? oxm_field_named(name) : -1;
		unsigned int class, field;

		if (number >= 0) {
			given |= 1ull << number;
		} else if (name && parse_other(name, &class, &field)) {
			struct ofp_path here = { path, name, 0 };

			put_other(w, &here, class, field);
		} else {
			lua_pushvalue(L, -2);
			refuse_name(w, path);
		}
	}
	return given;
}

static int lacks(struct ofp_writer *w, const struct ofp_path *path, const struct oxm_need *need)
{
	if (need->present)
		return ofp_misuse(w, path, "needs %s beside it", need->field);
	if (need->values[0] == need->values[1])
		return ofp_misuse(w, path, strcmp(need->field, "eth_type") ? "needs %s = %u beside it"
				  : "needs %s = 0x%04x beside it", need->field, need->values[0]);
	return ofp_misuse(w, path, strcmp(need->field, "eth_type") ? "needs %s = %u or %u beside it"
			  : "needs %s = 0x%04x or 0x%04x beside it", need->field, need->values[0], need->values[1]);
}

/* What a field needs stands before it: numbers are in that order. */
static void check_need(struct ofp_writer *w, const struct ofp_path *path, const struct oxm_need *need,
		       uint64_t given, const struct value *values)
{
	int number = oxm_field_named(need->field);
	uint64_t v;

	if (!(given >> number & 1))
		lacks(w, path, need);
	v = ofp_get(values[number].bytes, oxm_size(&oxm_fields[number]));
	if (need->present ? oxm_fields[number].kind == OXM_VLAN && !v : v != need->values[0] && v != need->values[1])
		lacks(w, path, need);
}

static void put_fields(struct ofp_writer *w, const struct ofp_path *path)
{
	uint64_t given = given_fields(w, path);
	struct value values[OXM_MOST];

	for (int i = 0; i < OXM_MOST; i++) {
		const struct oxm_field *f = &oxm_fields[i];
		struct ofp_path here = { path, f->name, 0 };

		if (!(given >> i & 1))
			continue;
		lua_getfield(w->L, -1, f->name);
		check_value(w, &here, f, &values[i]);
		lua_pop(w->L, 1);
		if (f->need.field)
			check_need(w, &here, &f->need, given, values);
		put_field(w, i, &values[i]);
	}
}

void ofp_encode_match(struct ofp_writer *w, const struct ofp_path *path)
{
	size_t start = w->n, length;

	ofp_put(w, 2, MATCH_OXM);
	ofp_put(w, 2, 0);
	if (lua_istable(w->L, -1))
		put_fields(w, path);
	else if (!lua_isnil(w->L, -1))
		ofp_misuse(w, path, "a table of fields is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	length = w->n - start;
	ofp_set(w->bytes + start + 2, 2, length);
	ofp_room(w, (8 - length % 8) % 8);
}

void ofp_encode_field(struct ofp_writer *w, const struct ofp_path *path)
{
	struct ofp_path here = { path, NULL, 0 };
	struct value v;
	uint64_t given;
	size_t before = w->n;
	int number = 0;

	if (!lua_istable(w->L, -1))
		ofp_misuse(w, path, "a table of one field is expected, not '%.60s'", luaL_tolstring(w->L, -1, NULL));
	given = given_fields(w, path);
	if (w->n > before ? given : !given || (given & (given - 1)))
		ofp_misuse(w, path, "exactly one field is expected");
	if (!given)
		return;
	while (!(given >> number & 1))
		number++;
	here.name = oxm_fields[number].name;
	lua_getfield(w->L, -1, here.name);
	check_value(w, &here, &oxm_fields[number], &v);
	lua_pop(w->L, 1);
	if (v.masked)
		ofp_misuse(w, &here, "a value without a mask is expected");
	put_field(w, number, &v);
}
