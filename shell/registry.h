/* The registry of everything that Lua can call.
 *
 * A binding describes its functions in a table of `struct fn` and announces the
 * table with NERV_MODULE. The one table feeds dispatch, the check of arguments,
 * help and completion, so a name cannot exist without its text. Modules place
 * themselves in a linker section: a new binding is a new file and nothing else.
 *
 * All functions here may raise Lua errors; errors point at the caller's line.
 */
#ifndef NERV_SHELL_REGISTRY_H
#define NERV_SHELL_REGISTRY_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum arg_type {
	ARG_ANY,
	ARG_STRING,	/* any bytes but NUL */
	ARG_BYTES,	/* any bytes */
	ARG_INTEGER,
	ARG_NUMBER,
	ARG_BOOLEAN,
	ARG_TABLE,	/* with `fields`: unknown keys are refused */
	ARG_FUNCTION,
	ARG_NETNS,	/* a name in /run/netns, a path that holds a '/', or a process id */
	ARG_REST,	/* any number of further arguments; last */
};

struct arg {
	const char *name;	/* NULL ends the array */
	enum arg_type type;
	bool required;
	const char *text;	/* one line: meaning and unit */
	const struct arg *fields;	/* of an ARG_TABLE: the options it may hold */
};

struct fn {
	const char *name;	/* NULL ends the array */
	lua_CFunction call;	/* may yield through task_wait() */
	const struct arg *args;	/* positional; NULL for none; `self` of a method is not listed */
	const char *text;	/* one line: what it does, what it returns */
	const char *example;	/* Lua that runs as it stands, in a namespace of its own; or NULL */
};

struct module {
	const char *name;	/* `link`: require "nerv.link", and a global of that name in the shell */
	const char *text;
	const struct fn *functions;
	int (*init)(lua_State *L);	/* or NULL: called with the module's table on top, leaves it there */
};

#define NERV_MODULE(id, ...) \
	static const struct module module_##id = { __VA_ARGS__ }; \
	static const struct module *const module_##id##_entry \
	__attribute__((used, section("nerv_modules"))) = &module_##id

/* Puts every announced module into package.preload and keeps the descriptions
 * for help. */
void registry_open(lua_State *L);

/* Makes the metatable `tname` (for luaL_setmetatable) whose methods are `methods`,
 * checked like module functions, with __name, and __gc and __close set to
 * `destroy` (idempotent), unless that is NULL. Describes the methods for help under
 * "class TNAME", with one line of `text` on what an object is; a class without
 * methods (NULL both) is not described. */
void registry_class(lua_State *L, const char *tname, const char *text, const struct fn *methods,
		    lua_CFunction destroy);

/* Raises "WHERE: what", where WHERE is the nearest caller outside of NERV's own
 * Lua files ("file:line"). */
int nerv_error(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The world said no: pushes nil, "what: why", "ECODE" and returns 3.
 * `err` is a positive or negative errno; ETIMEDOUT reads "timeout" and ECANCELED
 * "canceled". */
int nerv_fail(lua_State *L, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The name of an errno: "EEXIST". Never NULL. */
const char *errno_name(int err);

/* Fields of the table at `idx`, already checked by the dispatcher. A pointer
 * lives as long as the table holds the string. */
const char *field_string(lua_State *L, int idx, const char *key, const char *otherwise);
lua_Integer field_integer(lua_State *L, int idx, const char *key, lua_Integer otherwise);
double field_number(lua_State *L, int idx, const char *key, double otherwise);
bool field_boolean(lua_State *L, int idx, const char *key, bool otherwise);
bool field_present(lua_State *L, int idx, const char *key);

/* Edit distance based: the name in `list` (NULL-terminated) that is nearest to
 * `word`, or NULL when none is near. */
const char *nearest_name(const char *word, const char *const *list);

#endif
