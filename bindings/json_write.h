/* Lua values as JSON (RFC 8259). */
#ifndef NERV_BINDINGS_JSON_WRITE_H
#define NERV_BINDINGS_JSON_WRITE_H

#include <lua.h>
#include <stdbool.h>

/* The metatable's name of tables that are arrays even when they are empty. */
#define JSON_ARRAY_CLASS "json.array"

/* Pushes the text of the value at `idx`; names of objects in their order when `sorted`,
 * one value a line when `pretty`. Raises, with the place in the value, what JSON has not. */
void json_write(lua_State *L, int idx, bool sorted, bool pretty);

/* Makes the classes that json_write() needs; once. */
void json_write_open(lua_State *L);

#endif
