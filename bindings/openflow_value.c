/* Numbers, names and addresses between Lua and OpenFlow. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/openflow_wire.h"
#include "shell/registry.h"

uint8_t *ofp_room(struct ofp_writer *w, size_t size)
{
	uint8_t *to = w->bytes + w->n;

	if (size > sizeof(w->bytes) - w->n)
		nerv_error(w->L, "%s: more than the %d bytes that a message may have", w->what, OFP_MOST);
	memset(to, 0, size);
	w->n += size;
	return to;
}

static size_t put_way(char *buf, size_t size, const struct ofp_path *path)
{
	size_t n = path->up ? put_way(buf, size, path->up) : 0;
	int more;

	if (n >= size)
		return size;
	if (path->name)
		more = snprintf(buf + n, size - n, "%s%s", n ? "." : "", path->name);
	else
		more = snprintf(buf + n, size - n, "[%d]", (int)path->index);
	return n + (size_t)more;
}

int ofp_misuse(struct ofp_writer *w, const struct ofp_path *path, const char *fmt, ...)
{
	char text[512], way[160] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (path)
		put_way(way, sizeof(way), path);
	return nerv_error(w->L, "%s: %s%s%s", w->what, way, *way ? ": " : "", text);
}

const char *ofp_hint(char *buf, size_t size, const char *word, const char *const *names)
{
	const char *near = nearest_name(word, names);

	if (near)
		snprintf(buf, size, "; did you mean '%s'?", near);
	else
		*buf = '\0';
	return buf;
}

bool ofp_parse_number(const char *text, const char *end, uint64_t *value)
{
	bool hex = end - text > 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
	uint64_t v = 0, base = hex ? 16 : 10;

	if (hex)
		text += 2;
	if (text == end)
		return false;
	for (; text < end; text++) {
		unsigned int c = (unsigned char)*text, digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10;
		else
			return false;
		if (v > (UINT64_MAX - digit) / base)
			return false;
		v = v * base + digit;
	}
	*value = v;
	return true;
}

static const char *names_text(char *buf, size_t size, const struct ofp_name *names)
{
	size_t n = 0;

	*buf = '\0';
	for (; names && names->name && n < size; names++)
		n += (size_t)snprintf(buf + n, size - n, "%s\"%s\"", n ? ", " : "", names->name);
	return buf;
}

static int refuse_number(struct ofp_writer *w, const struct ofp_path *path, unsigned int bits,
			 const struct ofp_name *names)
{
	const char *list[32], *given = luaL_tolstring(w->L, -1, NULL);
	char choices[256], hint[80] = "";
	size_t n = 0;

	for (const struct ofp_name *i = names; i && i->name && n < 31; i++)
		list[n++] = i->name;
	list[n] = NULL;
	if (n && lua_type(w->L, -2) == LUA_TSTRING)
		ofp_hint(hint, sizeof(hint), given, list);
	names_text(choices, sizeof(choices), names);
	return ofp_misuse(w, path, "an integer of %u bits%s%s is expected, not '%.60s'%s", bits, n ? " or one of " : "",
			  choices, given, hint);
}

uint64_t ofp_check_number(struct ofp_writer *w, const struct ofp_path *path, unsigned int bits,
			  const struct ofp_name *names)
{
	lua_State *L = w->L;
	uint64_t v = 0;
	bool good = false;
	int is = 0;

	if (lua_type(L, -1) == LUA_TSTRING) {
		size_t n;
		const char *text = lua_tolstring(L, -1, &n);

		good = ofp_value_of(names, text, &v) || ofp_parse_number(text, text + n, &v);
	} else if (lua_type(L, -1) == LUA_TNUMBER) {
		lua_Integer given = lua_tointegerx(L, -1, &is);

		v = (uint64_t)given;
		good = is && (given >= 0 || bits == 64);
	}
	if (!good || (bits < 64 && v >> bits))
		refuse_number(w, path, bits, names);
	return v;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ofp_parse_mac(const char *text, const char *end, uint8_t mac[6])
{
	if (end - text != 17)
		return false;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void ofp_check_mac(struct ofp_writer *w, const struct ofp_path *path, uint8_t mac[6])
{
	size_t n = 0;
	const char *text = lua_type(w->L, -1) == LUA_TSTRING ? lua_tolstring(w->L, -1, &n) : "";

	if (!ofp_parse_mac(text, text + n, mac))
		ofp_misuse(w, path, "an address such as \"02:00:00:00:00:01\" is expected, not '%.60s'",
			   luaL_tolstring(w->L, -1, NULL));
}

void ofp_push_mac(lua_State *L, const uint8_t mac[6])
{
	static const char digits[] = "0123456789abcdef";
	char text[18];

	for (int i = 0; i < 6; i++) {
		text[3 * i] = digits[mac[i] >> 4];
		text[3 * i + 1] = digits[mac[i] & 15];
		text[3 * i + 2] = ':';
	}
	lua_pushlstring(L, text, 17);
}

void ofp_push_named(lua_State *L, const struct ofp_name *names, uint64_t value)
{
	const char *name = ofp_name_of(names, value);

	if (name)
		lua_pushstring(L, name);
	else
		lua_pushinteger(L, (lua_Integer)value);
}
