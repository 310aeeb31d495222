/* process.signals: the signals of this program itself, as a queue. */
#ifndef NERV_BINDINGS_PROCESS_SIGNALS_H
#define NERV_BINDINGS_PROCESS_SIGNALS_H

#include <lua.h>

int process_l_signals(lua_State *L);

/* Makes the class known. */
void process_signals_open(lua_State *L);

#endif
