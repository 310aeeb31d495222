/* Reading of option tables into ops: strings, numbers, names, MAC addresses. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/op_lua.h"

_Noreturn void compile_error(const struct compile *c, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	nerv_error(c->L, "%s: %s", c->where, what);
	abort();	/* lua_error() does not return */
}

void *compile_alloc(const struct compile *c, size_t size)
{
	void *p = arena_alloc(c->arena, size);

	if (!p)
		compile_error(c, "out of memory");
	return p;
}

const char *compile_string(const struct compile *c, const char *key)
{
	char *copy = NULL;
	size_t len;

	if (lua_getfield(c->L, c->idx, key) == LUA_TSTRING) {
		const char *s = lua_tolstring(c->L, -1, &len);

		if (memchr(s, '\0', len))
			compile_error(c, "%s holds a NUL byte", key);
		copy = compile_alloc(c, len + 1);
		memcpy(copy, s, len);
	}
	lua_pop(c->L, 1);
	return copy;
}

const char *compile_printf(const struct compile *c, const char *fmt, ...)
{
	char text[512], *copy;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || len >= (int)sizeof(text))
		compile_error(c, "a name is too long: \"%.60s...\"", text);
	copy = compile_alloc(c, (size_t)len + 1);
	memcpy(copy, text, (size_t)len);
	return copy;
}

bool compile_boolean(const struct compile *c, const char *key, bool *value)
{
	bool present = lua_getfield(c->L, c->idx, key) == LUA_TBOOLEAN;

	if (present)
		*value = lua_toboolean(c->L, -1);
	lua_pop(c->L, 1);
	return present;
}

bool compile_integer(const struct compile *c, const char *key, int64_t min, int64_t max,
		     int64_t *value)
{
	bool present = lua_getfield(c->L, c->idx, key) == LUA_TNUMBER;
	int64_t n = lua_tointeger(c->L, -1);

	lua_pop(c->L, 1);
	if (!present)
		return false;
	if (n < min || n > max)
		compile_error(c, "%s must be from %lld to %lld, not %lld", key, (long long)min,
			      (long long)max, (long long)n);
	*value = n;
	return true;
}

bool compile_number(const struct compile *c, const char *key, double min, double max,
		    double *value)
{
	bool present = lua_getfield(c->L, c->idx, key) == LUA_TNUMBER;
	double n = lua_tonumber(c->L, -1);

	lua_pop(c->L, 1);
	if (!present)
		return false;
	if (!(n >= min && n <= max))
		compile_error(c, "%s must be from %.14g to %.14g, not %.14g", key, min, max, n);
	*value = n;
	return true;
}

static bool is_mac(const char *s)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return !s[17];
}

bool compile_any_mac(const struct compile *c, const char *key, uint8_t mac[6])
{
	const char *s = compile_string(c, key);

	if (!s)
		return false;
	if (!is_mac(s))
		compile_error(c, "bad MAC address \"%s\": six pairs of hexadecimal digits are "
			      "wanted, such as 02:00:00:00:00:01", s);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(s + i * 3, NULL, 16);
	return true;
}

bool compile_mac(const struct compile *c, const char *key, uint8_t mac[6])
{
	static const uint8_t zero[6];

	if (!compile_any_mac(c, key, mac))
		return false;
	if (mac[0] & 1)
		compile_error(c, "bad MAC address \"%s\": it is a group address (the first byte "
			      "is odd)", compile_string(c, key));
	if (memcmp(mac, zero, sizeof(zero)) == 0)
		compile_error(c, "bad MAC address \"%s\": all zero names no interface",
			      compile_string(c, key));
	return true;
}

bool compile_word(const struct compile *c, const char *key, const struct word *words,
		  uint32_t *value)
{
	const char *text = compile_string(c, key);
	char all[200] = "";
	size_t len = 0;

	for (const struct word *w = words; text && w->name; w++) {
		if (strcmp(w->name, text) == 0) {
			*value = w->value;
			return true;
		}
		if (len < sizeof(all))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? ", " : "",
						w->name);
	}
	if (text)
		compile_error(c, "%s must be one of %s, not \"%s\"", key, all, text);
	return false;
}

const char *compile_ifname(const struct compile *c, const char *key)
{
	const char *s = compile_string(c, key);
	size_t len;

	if (!s)
		return NULL;
	len = strlen(s);
	if (!len)
		compile_error(c, "%s is empty; an interface name has 1 to 15 characters", key);
	if (len >= IFNAMSIZ)
		compile_error(c, "%s \"%s\" has %zu characters; an interface name has at most 15",
			      key, s, len);
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || s[strcspn(s, "/:% \t\n\v\f\r")])
		compile_error(c, "%s \"%s\" is no interface name: it may not be '.' or '..' nor "
			      "hold '/', ':', '%%' or a blank", key, s);
	return s;
}

static const char *netns_path(const struct compile *c, const char *key, const char *name)
{
	if (strchr(name, '/'))
		return name;
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		compile_error(c, "%s \"%s\" is no namespace: a name of /run/netns, a path or a "
			      "process id is wanted", key, name);
	return compile_printf(c, "/run/netns/%s", name);
}

const char *compile_netns(const struct compile *c, const char *key)
{
	const char *name = NULL;
	int64_t pid;

	lua_getfield(c->L, c->idx, key);
	if (lua_isinteger(c->L, -1)) {
		compile_integer(c, key, 1, INT32_MAX, &pid);
		name = compile_printf(c, "/proc/%d/ns/net", (int)pid);
	}
	lua_pop(c->L, 1);
	if (name)
		return name;
	name = compile_string(c, key);
	return name ? netns_path(c, key, name) : NULL;
}

const char *compile_netns_file(const struct compile *c, const char *key)
{
	const char *name = compile_string(c, key);

	return name ? netns_path(c, key, name) : NULL;
}

static bool option_fits(lua_State *L, enum arg_type type)
{
	switch (type) {
	case ARG_STRING:
		return lua_type(L, -1) == LUA_TSTRING &&
		       strlen(lua_tostring(L, -1)) == lua_rawlen(L, -1);
	case ARG_NETNS:
		return lua_isinteger(L, -1) || lua_type(L, -1) == LUA_TSTRING;
	case ARG_INTEGER:
		return lua_isinteger(L, -1);
	case ARG_NUMBER:
		return lua_type(L, -1) == LUA_TNUMBER;
	case ARG_BOOLEAN:
		return lua_isboolean(L, -1);
	case ARG_TABLE:
		return lua_istable(L, -1);
	default:
		return true;
	}
}

static const char *option_type(enum arg_type type)
{
	switch (type) {
	case ARG_STRING: return "a string with no NUL in it";
	case ARG_NETNS: return "a namespace (its name, a path or a process id)";
	case ARG_INTEGER: return "an integer";
	case ARG_NUMBER: return "a number";
	case ARG_BOOLEAN: return "true or false";
	default: return "a table";
	}
}

_Noreturn static void unknown_option(const struct compile *c, const char *word,
				     const struct arg *fields)
{
	const char *names[64], *near;
	size_t n = 0;

	for (; fields->name && n < 63; fields++)
		names[n++] = fields->name;
	names[n] = NULL;
	near = nearest_name(word, names);
	if (near)
		compile_error(c, "unknown option '%s'; did you mean '%s'?", word, near);
	compile_error(c, "unknown option '%s'", word);
}

static void check_option(const struct compile *c, const struct arg *fields)
{
	const struct arg *f = fields;
	struct compile inner = *c;
	const char *key;

	if (lua_type(c->L, -2) != LUA_TSTRING)
		compile_error(c, "options are given by name");
	key = lua_tostring(c->L, -2);
	while (f->name && strcmp(f->name, key) != 0)
		f++;
	if (!f->name)
		unknown_option(c, key, fields);
	if (!option_fits(c->L, f->type))
		compile_error(c, "%s must be %s, not %s", key, option_type(f->type),
			      luaL_tolstring(c->L, -1, NULL));
	if (f->type != ARG_TABLE || !f->fields)
		return;
	inner.idx = lua_gettop(c->L);
	compile_check(&inner, f->fields);
}

void compile_check(const struct compile *c, const struct arg *fields)
{
	for (lua_pushnil(c->L); lua_next(c->L, c->idx); lua_pop(c->L, 1))
		check_option(c, fields);
	for (; fields->name; fields++) {
		if (fields->required && !field_present(c->L, c->idx, fields->name))
			compile_error(c, "option '%s' is missing (%s)", fields->name, fields->text);
	}
}
