/* The registry: modules, dispatch with argument checks, error helpers. */
#include "shell/registry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct module *const __start_nerv_modules[];
extern const struct module *const __stop_nerv_modules[];

/* Keys in the Lua registry: {module's name or "class NAME" -> {text=, functions={...}}}, and {function -> full name}
 * with weak keys. */
static const char descriptions_key[] = "nerv.descriptions";
static const char names_key[] = "nerv.names";

const char *errno_name(int err)
{
	const char *name;

	err = abs(err);
	if (err == ETIMEDOUT)
		return "timeout";
	if (err == ECANCELED)
		return "canceled";
	name = strerrorname_np(err);
	return name ? name : "EUNKNOWN";
}

int nerv_fail(lua_State *L, int err, const char *fmt, ...)
{
	char what[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", what, strerror(abs(err)));
	lua_pushstring(L, errno_name(err));
	return 3;
}

/* NERV's own Lua files have chunk names "@nerv:..."; users look for their own line. */
static void push_where(lua_State *L)
{
	lua_Debug ar;

	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && strncmp(ar.source, "@nerv:", 6) != 0) {
			lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
			return;
		}
	}
	lua_pushliteral(L, "");
}

int nerv_error(lua_State *L, const char *fmt, ...)
{
	char what[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	push_where(L);
	lua_pushstring(L, what);
	lua_concat(L, 2);
	return lua_error(L);
}

/* Levenshtein distance of words of up to 63 characters, neighbours swapped count one. */
static unsigned int distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned int row[3][64] = { 0 };	/* [0] two before, [2] the one before, [1] current */

	if (la > 63 || lb > 63)
		return UINT8_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[1][j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		memcpy(row[0], row[2], sizeof(row[0]));
		memcpy(row[2], row[1], sizeof(row[0]));
		row[1][0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = row[2][j - 1] + (a[i - 1] != b[j - 1]);

			if (row[2][j] + 1 < best)
				best = row[2][j] + 1;
			if (row[1][j - 1] + 1 < best)
				best = row[1][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    row[0][j - 2] + 1 < best)
				best = row[0][j - 2] + 1;
			row[1][j] = best;
		}
	}
	return row[1][lb];
}

/* Up to here a word is near another one. */
static unsigned int near_limit(const char *word)
{
	return 1 + (unsigned int)strlen(word) / 3;
}

const char *nearest_name(const char *word, const char *const *list)
{
	const char *best = NULL;
	unsigned int least = near_limit(word) + 1;

	for (; *list; list++) {
		unsigned int d = distance(word, *list);

		if (d < least) {
			best = *list;
			least = d;
		}
	}
	return best;
}

static const char *nearest_field(const char *word, const struct arg *fields)
{
	const char *names[64];
	size_t n = 0;

	for (; fields->name && n < 63; fields++)
		names[n++] = fields->name;
	names[n] = NULL;
	return nearest_name(word, names);
}

static bool type_fits(lua_State *L, int idx, enum arg_type type)
{
	switch (type) {
	case ARG_STRING:
		if (lua_type(L, idx) != LUA_TSTRING)
			return false;
		return strlen(lua_tostring(L, idx)) == lua_rawlen(L, idx);
	case ARG_BYTES:
		return lua_type(L, idx) == LUA_TSTRING;
	case ARG_INTEGER:
		return lua_type(L, idx) == LUA_TNUMBER && lua_isinteger(L, idx);
	case ARG_NUMBER:
		return lua_type(L, idx) == LUA_TNUMBER;
	case ARG_BOOLEAN:
		return lua_isboolean(L, idx);
	case ARG_TABLE:
		return lua_istable(L, idx);
	case ARG_FUNCTION:
		return lua_isfunction(L, idx);
	case ARG_NETNS:
		return lua_type(L, idx) == LUA_TSTRING || lua_isinteger(L, idx);
	case ARG_ANY:
	case ARG_REST:
		break;
	}
	return true;
}

/* The type's name in signatures and for completion; types of Lua's own functions have such names, too. */
static const char *type_name(enum arg_type type)
{
	static const char *const name[] = {
		[ARG_ANY] = "any", [ARG_STRING] = "string", [ARG_BYTES] = "bytes",
		[ARG_INTEGER] = "integer", [ARG_NUMBER] = "number", [ARG_BOOLEAN] = "boolean",
		[ARG_TABLE] = "table", [ARG_FUNCTION] = "function", [ARG_NETNS] = "netns",
		[ARG_REST] = "rest",
	};

	return name[type];
}

static const char *type_text(enum arg_type type)
{
	static const char *const text[] = {
		[ARG_ANY] = "a value", [ARG_STRING] = "a string with no NUL in it",
		[ARG_BYTES] = "a string", [ARG_INTEGER] = "an integer",
		[ARG_NUMBER] = "a number", [ARG_BOOLEAN] = "true or false",
		[ARG_TABLE] = "a table", [ARG_FUNCTION] = "a function",
		[ARG_NETNS] = "a namespace (its name, a path or a process id)",
		[ARG_REST] = "values",
	};

	return text[type];
}

static void unknown_option(lua_State *L, const char *fn, const char *word, const struct arg *fields)
{
	const char *near = nearest_field(word, fields);
	luaL_Buffer names;

	if (near)
		nerv_error(L, "%s: unknown option '%s'; did you mean '%s'?", fn, word, near);
	luaL_buffinit(L, &names);
	for (const struct arg *f = fields; f->name; f++) {
		luaL_addstring(&names, f == fields ? "" : ", ");
		luaL_addstring(&names, f->name);
	}
	luaL_pushresult(&names);
	nerv_error(L, "%s: unknown option '%s'; there are %s", fn, word, lua_tostring(L, -1));
}

static void check_fields(lua_State *L, int idx, const char *fn, const struct arg *fields)
{
	idx = lua_absindex(L, idx);
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		const struct arg *f = fields;

		if (lua_type(L, -2) != LUA_TSTRING)
			nerv_error(L, "%s: options are given by name", fn);
		while (f->name && strcmp(f->name, lua_tostring(L, -2)) != 0)
			f++;
		if (!f->name)
			unknown_option(L, fn, lua_tostring(L, -2), fields);
		if (!type_fits(L, -1, f->type))
			nerv_error(L, "%s: %s must be %s, not %s", fn, f->name,
				   type_text(f->type), luaL_tolstring(L, -1, NULL));
		if (f->type == ARG_TABLE && f->fields)
			check_fields(L, -1, fn, f->fields);
	}
	for (const struct arg *f = fields; f->name; f++) {
		if (!f->required)
			continue;
		if (lua_getfield(L, idx, f->name) == LUA_TNIL)
			nerv_error(L, "%s: option '%s' is missing (%s)", fn, f->name, f->text);
		lua_pop(L, 1);
	}
}

static void check_args(lua_State *L, int first, const char *name, const struct arg *args)
{
	int idx = first;

	for (; args && args->name; args++, idx++) {
		if (args->type == ARG_REST)
			return;
		if (lua_isnoneornil(L, idx)) {
			if (args->required)
				nerv_error(L, "%s: argument '%s' is missing (%s)", name,
					   args->name, args->text);
			continue;
		}
		if (!type_fits(L, idx, args->type))
			nerv_error(L, "%s: %s must be %s, not %s", name, args->name,
				   type_text(args->type), luaL_tolstring(L, idx, NULL));
		if (args->type == ARG_TABLE && args->fields)
			check_fields(L, idx, name, args->fields);
	}
	if (lua_gettop(L) >= idx)
		nerv_error(L, "%s: too many arguments (%d expected)", name, idx - first);
}

/* Upvalues: the fn, its full name, the index of its first checked argument, the class. */
static int dispatch(lua_State *L)
{
	const struct fn *f = lua_touserdata(L, lua_upvalueindex(1));
	const char *name = lua_tostring(L, lua_upvalueindex(2));
	int first = (int)lua_tointeger(L, lua_upvalueindex(3));

	if (first == 2 && !luaL_testudata(L, 1, lua_tostring(L, lua_upvalueindex(4))))
		nerv_error(L, "%s: call it with a colon on a %s", name,
			   lua_tostring(L, lua_upvalueindex(4)));
	check_args(L, first, name, f->args);
	return f->call(L);
}

static void push_args(lua_State *L, const struct arg *args)
{
	lua_newtable(L);
	for (int i = 1; args && args->name; args++, i++) {
		lua_createtable(L, 0, 5);
		lua_pushstring(L, args->name);
		lua_setfield(L, -2, "name");
		lua_pushstring(L, type_name(args->type));
		lua_setfield(L, -2, "type");
		lua_pushboolean(L, args->required);
		lua_setfield(L, -2, "required");
		lua_pushstring(L, args->text);
		lua_setfield(L, -2, "text");
		if (args->type == ARG_TABLE && args->fields) {
			push_args(L, args->fields);
			lua_setfield(L, -2, "fields");
		}
		lua_rawseti(L, -2, i);
	}
}

/* Pushes what is told of a function. */
static void push_description(lua_State *L, const struct fn *f)
{
	lua_createtable(L, 0, 3);
	lua_pushstring(L, f->text);
	lua_setfield(L, -2, "text");
	lua_pushstring(L, f->example);
	lua_setfield(L, -2, "example");
	push_args(L, f->args);
	lua_setfield(L, -2, "args");
}

/* Pushes the checked function. */
static void push_function(lua_State *L, const char *owner, char separator, const struct fn *f)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)f);
	lua_pushfstring(L, "%s%c%s", owner, separator, f->name);
	lua_pushinteger(L, separator == ':' ? 2 : 1);
	lua_pushstring(L, owner);
	lua_pushcclosure(L, dispatch, 4);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, names_key);
	lua_pushvalue(L, -2);
	lua_pushfstring(L, "%s%c%s", owner, separator, f->name);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

/* Adds the functions to the table on top and describes them under `key`. */
static void add_functions(lua_State *L, const char *key, const char *owner, char separator,
			  const char *text, const struct fn *fns)
{
	int target = lua_gettop(L);

	luaL_getsubtable(L, LUA_REGISTRYINDEX, descriptions_key);
	luaL_getsubtable(L, -1, key);
	lua_pushstring(L, text);
	lua_setfield(L, -2, "text");
	luaL_getsubtable(L, -1, "functions");
	for (; fns && fns->name; fns++) {
		push_function(L, owner, separator, fns);
		lua_setfield(L, target, fns->name);
		push_description(L, fns);
		lua_setfield(L, -2, fns->name);
	}
	lua_settop(L, target);
}

void registry_class(lua_State *L, const char *tname, const char *text, const struct fn *methods,
		    lua_CFunction destroy)
{
	if (!luaL_newmetatable(L, tname)) {
		lua_pop(L, 1);
		return;
	}
	lua_newtable(L);
	if (methods) {
		lua_pushfstring(L, "class %s", tname);
		lua_insert(L, -2);
		add_functions(L, lua_tostring(L, -2), tname, ':', text, methods);
		lua_remove(L, -2);
	}
	lua_setfield(L, -2, "__index");
	if (destroy) {
		lua_pushcfunction(L, destroy);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, "__gc");
		lua_setfield(L, -2, "__close");
	}
	lua_pop(L, 1);
}

static int open_module(lua_State *L)
{
	const struct module *m = lua_touserdata(L, lua_upvalueindex(1));

	lua_newtable(L);
	add_functions(L, m->name, m->name, '.', m->text, m->functions);
	if (m->init)
		m->init(L);
	return 1;
}

static int l_nearest(lua_State *L)
{
	enum { WORD = 1, NAMES, FIRST, MOST = FIRST + 2 };
	const char *word = lua_tostring(L, WORD);
	unsigned int least = near_limit(word);
	lua_Integer n = luaL_len(L, NAMES);

	for (lua_Integer i = 1; i <= n; i++) {
		unsigned int d;

		if (lua_geti(L, NAMES, i) != LUA_TSTRING)
			return nerv_error(L, "registry.nearest: names must be strings");
		d = distance(word, lua_tostring(L, -1));
		if (d < least) {
			lua_insert(L, FIRST);
			lua_settop(L, FIRST);
			least = d;
		} else if (d > least || lua_gettop(L) > MOST) {
			lua_pop(L, 1);
		}
	}
	if (lua_gettop(L) < FIRST)
		lua_pushnil(L);
	return lua_gettop(L) - NAMES;
}

static int l_describe(lua_State *L)
{
	lua_settop(L, 1);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, descriptions_key);
	if (!lua_isnil(L, 1))
		lua_getfield(L, -1, lua_tostring(L, 1));
	return 1;
}

static int l_names(lua_State *L)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, names_key);
	return 1;
}

static int l_modules(lua_State *L)
{
	int i = 1;

	lua_newtable(L);
	for (const struct module *const *m = __start_nerv_modules; m < __stop_nerv_modules; m++) {
		lua_pushstring(L, (*m)->name);
		lua_rawseti(L, -2, i++);
	}
	return 1;
}

static int l_fail(lua_State *L)
{
	push_where(L);
	lua_pushvalue(L, 1);
	lua_concat(L, 2);
	return lua_error(L);
}

static const struct fn registry_functions[] = {
	{ "nearest", l_nearest,
	  (const struct arg[]){
		  { "word", ARG_STRING, true, "the word that was typed", NULL },
		  { "names", ARG_TABLE, true, "list of valid names", NULL },
		  { 0 } },
	  "returns the valid name that is nearest to a word, and up to two that are as near; nil when none is near",
	  "print(registry.nearest(\"lnik\", { \"link\", \"route\" }))" },
	{ "describe", l_describe,
	  (const struct arg[]){
		  { "name", ARG_STRING, false,
		    "a module, \"class NAME\" or \"command NAME\"; by default all of them, by name", NULL },
		  { 0 } },
	  "returns the description of an opened module, {text=, functions={NAME={text=, args=, example=}}}, or nil",
	  "print(registry.describe(\"registry\").functions.nearest.text)" },
	{ "names", l_names, NULL, "returns the table {function -> its full name} of what is described",
	  "print(registry.names()[registry.nearest])" },
	{ "modules", l_modules, NULL, "returns the names of the modules written in C",
	  "for _, name in ipairs(registry.modules()) do print(name) end" },
	{ "fail", l_fail,
	  (const struct arg[]){
		  { "message", ARG_STRING, true, "what is wrong", NULL },
		  { 0 } },
	  "raises an error that points at the user's line, not at NERV's own files",
	  "print(pcall(registry.fail, \"what is wrong\"))" },
	{ 0 }
};

NERV_MODULE(registry, .name = "registry", .text = "what Lua can call, and its descriptions",
	    .functions = registry_functions);

void registry_open(lua_State *L)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, names_key);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	for (const struct module *const *m = __start_nerv_modules; m < __stop_nerv_modules; m++) {
		lua_pushfstring(L, "nerv.%s", (*m)->name);
		lua_pushlightuserdata(L, (void *)(uintptr_t)*m);
		lua_pushcclosure(L, open_module, 1);
		lua_rawset(L, -3);
	}
	lua_pop(L, 2);
}

const char *field_string(lua_State *L, int idx, const char *key, const char *otherwise)
{
	const char *s = otherwise;

	if (lua_getfield(L, idx, key) == LUA_TSTRING)
		s = lua_tostring(L, -1);
	lua_pop(L, 1);
	return s;
}

lua_Integer field_integer(lua_State *L, int idx, const char *key, lua_Integer otherwise)
{
	lua_Integer n = otherwise;

	if (lua_getfield(L, idx, key) == LUA_TNUMBER)
		n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return n;
}

double field_number(lua_State *L, int idx, const char *key, double otherwise)
{
	double n = otherwise;

	if (lua_getfield(L, idx, key) == LUA_TNUMBER)
		n = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return n;
}

bool field_boolean(lua_State *L, int idx, const char *key, bool otherwise)
{
	bool b = otherwise;

	if (lua_getfield(L, idx, key) == LUA_TBOOLEAN)
		b = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return b;
}

bool field_present(lua_State *L, int idx, const char *key)
{
	bool present = lua_getfield(L, idx, key) != LUA_TNIL;

	lua_pop(L, 1);
	return present;
}
