/* The reading methods of streams; for the class only. All may sleep. */
#ifndef NERV_BINDINGS_STREAM_READ_H
#define NERV_BINDINGS_STREAM_READ_H

#include <lua.h>

int stream_l_read(lua_State *L);
int stream_l_read_exactly(lua_State *L);
int stream_l_read_line(lua_State *L);
int stream_l_read_frame(lua_State *L);

#endif
