/* stream:secure(): a stream goes on with TLS. */
#ifndef NERV_BINDINGS_STREAM_TLS_H
#define NERV_BINDINGS_STREAM_TLS_H

#include "shell/registry.h"

extern const struct arg stream_secure_args[];
int stream_l_secure(lua_State *L);

#endif
