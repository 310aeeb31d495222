/* process.run: a program's whole output. */
#ifndef NERV_BINDINGS_PROCESS_RUN_H
#define NERV_BINDINGS_PROCESS_RUN_H

#include <lua.h>

int process_l_run(lua_State *L);

/* Makes the class known. */
void process_run_open(lua_State *L);

#endif
