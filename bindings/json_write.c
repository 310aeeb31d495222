/* Lua values as JSON (RFC 8259). */
#include "bindings/json_write.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/json_scan.h"
#include "shell/registry.h"

static const char buffer_class[] = "nerv.json.buffer";

/* Where in the value the writer is: the chain up to the top. */
struct place {
	const struct place *up;
	const char *name;	/* NULL: `index` */
	lua_Integer index;
};

struct writer {
	lua_State *L;
	struct buffer *out;
	bool sorted, pretty;
};

static void write_value(struct writer *w, int idx, const struct place *at, int depth);

static void put(struct writer *w, const char *bytes, size_t n)
{
	if (buffer_append(w->out, bytes, n))
		luaL_error(w->L, "not enough memory");
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void push_place(lua_State *L, const struct place *at)
{
	if (!at) {
		lua_pushliteral(L, "");
		return;
	}
	luaL_checkstack(L, 4, "json.encode");
	push_place(L, at->up);
	if (at->name)
		lua_pushfstring(L, ".%s", at->name);
	else
		lua_pushfstring(L, "[%I]", (LUAI_UACINT)at->index);
	lua_concat(L, 2);
}

static void refuse(struct writer *w, const char *what, const struct place *at)
{
	if (!at)
		nerv_error(w->L, "json.encode: JSON has no %s", what);
	push_place(w->L, at);
	nerv_error(w->L, "json.encode: JSON has no %s, as is at %s", what, lua_tostring(w->L, -1));
}

static void write_string(struct writer *w, const char *s, size_t len)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *run = s, *end = s + len;

	put_text(w, "\"");
	for (; s < end; s++) {
		const char *p = *s ? strchr(plain, *s) : NULL;
		char text[8];

		if (!p && (unsigned char)*s >= 0x20 && *s != 0x7f)
			continue;
		put(w, run, (size_t)(s - run));
		run = s + 1;
		if (p)
			snprintf(text, sizeof(text), "\\%c", letters[p - plain]);
		else
			snprintf(text, sizeof(text), "\\u%04x", (unsigned char)*s);
		put_text(w, text);
	}
	put(w, run, (size_t)(end - run));
	put_text(w, "\"");
}

/* As few digits as give the same number back. */
static void write_number(struct writer *w, int idx, const struct place *at)
{
	char text[40];
	double n;

	if (lua_isinteger(w->L, idx)) {
		snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(w->L, idx));
		put_text(w, text);
		return;
	}
	n = lua_tonumber(w->L, idx);
	if (isnan(n) || isinf(n))
		refuse(w, isnan(n) ? "NaN" : "infinity", at);
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, n);
		if (strtod(text, NULL) == n)
			break;
	}
	put_text(w, text);
}

static void new_line(struct writer *w, int depth)
{
	if (!w->pretty)
		return;
	put_text(w, "\n");
	while (depth-- > 0)
		put_text(w, "  ");
}

static bool is_marked(lua_State *L, int idx)
{
	bool marked;

	if (!lua_getmetatable(L, idx))
		return false;
	luaL_getmetatable(L, JSON_ARRAY_CLASS);
	marked = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return marked;
}

/* The length when the keys are 1 to it, but for a few holes, which become null; -1: it
 * is an object. */
static lua_Integer array_length(lua_State *L, int idx)
{
	lua_Integer n = 0, most = 0;

	for (lua_pushnil(L); lua_next(L, idx); n++) {
		lua_pop(L, 1);
		if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1) {
			lua_pop(L, 1);
			return -1;
		}
		if (lua_tointeger(L, -1) > most)
			most = lua_tointeger(L, -1);
	}
	if (!n)
		return is_marked(L, idx) ? 0 : -1;
	return most <= 10 || most / 2 <= n ? most : -1;
}

static void write_array(struct writer *w, int idx, lua_Integer n, const struct place *at, int depth)
{
	put_text(w, "[");
	for (lua_Integer i = 1; i <= n; i++) {
		const struct place here = { at, NULL, i };

		if (i > 1)
			put_text(w, ",");
		new_line(w, depth + 1);
		lua_rawgeti(w->L, idx, i);
		write_value(w, lua_gettop(w->L), &here, depth + 1);
		lua_pop(w->L, 1);
	}
	if (n)
		new_line(w, depth);
	put_text(w, "]");
}

/* The value is on top, a copy of its key below; pops both. */
static void write_member(struct writer *w, bool first, const struct place *at, int depth)
{
	struct place here = { at, NULL, 0 };
	size_t len;

	if (lua_type(w->L, -2) != LUA_TSTRING && lua_type(w->L, -2) != LUA_TNUMBER)
		refuse(w, "name that is no string or number", at);
	here.name = lua_tolstring(w->L, -2, &len);
	if (!first)
		put_text(w, ",");
	new_line(w, depth + 1);
	write_string(w, here.name, len);
	put_text(w, w->pretty ? ": " : ":");
	write_value(w, lua_gettop(w->L), &here, depth + 1);
	lua_pop(w->L, 2);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct sorted_name {
	const char *name;	/* for the comparison: a name with NUL counts up to there */
	lua_Integer place;	/* of the key in the table of keys */
};

/* Pushes a table of the keys, and a userdata of them in the order of their names. */
static size_t push_sorted(struct writer *w, int idx, const struct place *at)
{
	lua_State *L = w->L;
	struct sorted_name *names;
	lua_Integer n = 0;

	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, idx);) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -3, ++n);
	}
	names = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof(*names), 1);
	lua_createtable(L, (int)n, 0);	/* texts of numbers */
	for (lua_Integer i = 1; i <= n; i++) {
		const int type = lua_rawgeti(L, -3, i);

		if (type != LUA_TSTRING && type != LUA_TNUMBER)
			refuse(w, "name that is no string or number", at);
		names[i - 1] = (struct sorted_name){ lua_tostring(L, -1), i };
		lua_rawseti(L, -2, i);
	}
	lua_setiuservalue(L, -2, 1);
	qsort(names, (size_t)n, sizeof(*names), compare_names);
	return (size_t)n;
}

static void write_object(struct writer *w, int idx, const struct place *at, int depth)
{
	lua_State *L = w->L;
	bool first = true;

	put_text(w, "{");
	if (w->sorted) {
		const size_t n = push_sorted(w, idx, at);
		const struct sorted_name *names = lua_touserdata(L, -1);

		for (size_t i = 0; i < n; i++, first = false) {
			lua_rawgeti(L, -2, names[i].place);
			lua_pushvalue(L, -1);
			lua_rawget(L, idx);
			write_member(w, first, at, depth);
		}
		lua_pop(L, 2);
	} else {
		for (lua_pushnil(L); lua_next(L, idx); first = false) {
			lua_pushvalue(L, -2);	/* a copy, which may become a string */
			lua_insert(L, -2);
			write_member(w, first, at, depth);
		}
	}
	if (!first)
		new_line(w, depth);
	put_text(w, "}");
}

static void write_table(struct writer *w, int idx, const struct place *at, int depth)
{
	lua_Integer n;

	if (depth >= JSON_DEPTH)
		nerv_error(w->L, "json.encode: a table in itself, or more than %d in one another", JSON_DEPTH);
	luaL_checkstack(w->L, 12, "json.encode");
	n = array_length(w->L, idx);
	if (n >= 0)
		write_array(w, idx, n, at, depth);
	else
		write_object(w, idx, at, depth);
}

static void write_value(struct writer *w, int idx, const struct place *at, int depth)
{
	const char *s;
	size_t len;

	switch (lua_type(w->L, idx)) {
	case LUA_TNIL:
		put_text(w, "null");
		break;
	case LUA_TBOOLEAN:
		put_text(w, lua_toboolean(w->L, idx) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		write_number(w, idx, at);
		break;
	case LUA_TSTRING:
		s = lua_tolstring(w->L, idx, &len);
		write_string(w, s, len);
		break;
	case LUA_TTABLE:
		write_table(w, idx, at, depth);
		break;
	case LUA_TLIGHTUSERDATA:
		if (!lua_touserdata(w->L, idx)) {
			put_text(w, "null");
			break;
		}
		/* fall through */
	default:
		refuse(w, luaL_typename(w->L, idx), at);
	}
}

void json_write(lua_State *L, int idx, bool sorted, bool pretty)
{
	struct writer w = { .L = L, .sorted = sorted || pretty, .pretty = pretty };

	idx = lua_absindex(L, idx);
	w.out = lua_newuserdatauv(L, sizeof(*w.out), 0);
	memset(w.out, 0, sizeof(*w.out));
	luaL_setmetatable(L, buffer_class);
	write_value(&w, idx, NULL, 0);
	lua_pushlstring(L, buffer_bytes(w.out), buffer_length(w.out));
	buffer_free(w.out);
	lua_remove(L, -2);
}

static int collect_buffer(lua_State *L)
{
	buffer_free(luaL_checkudata(L, 1, buffer_class));
	return 0;
}

void json_write_open(lua_State *L)
{
	if (luaL_newmetatable(L, buffer_class)) {
		lua_pushcfunction(L, collect_buffer);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_newmetatable(L, JSON_ARRAY_CLASS);
	lua_pop(L, 1);
}
