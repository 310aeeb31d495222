/* Starting a process: its birth and the news of whether exec went well. */
#ifndef NERV_BINDINGS_PROCESS_SPAWN_H
#define NERV_BINDINGS_PROCESS_SPAWN_H

#include <lua.h>

struct spawn;
struct stdio_defaults;

/* Starts what the options table at index 1 describes, sleeps until the program runs and
 * then continues with done(L, LUA_OK, index of the spawn userdata); user value 2 of that
 * is the child, and what pipes there are lie in its `fds`. On failure the results are
 * nil, message, code. A task that is cancelled meanwhile kills the process.
 * Call as `return spawn_begin(...)`. */
int spawn_begin(lua_State *L, const struct stdio_defaults *defaults, lua_KFunction done);

/* The spawn at `idx`. */
struct spawn *spawn_check(lua_State *L, int idx);

/* Takes a descriptor out of the spawn: it is the caller's. -1 when there is none. */
int spawn_take(struct spawn *sp, int which);

/* Makes the class known. */
void spawn_class_open(lua_State *L);

#endif
