/* Functions of the module `stream` that lie outside of the class. */
#ifndef NERV_BINDINGS_STREAM_CONNECT_H
#define NERV_BINDINGS_STREAM_CONNECT_H

#include <lua.h>

struct address;

/* The address that the options table at index 1 names (path, or host and port). Raises
 * in the name of `fn` on misuse; 0 or negative errno. */
int stream_address_option(lua_State *L, const char *fn, struct address *a);

/* How examples begin that need somebody who listens. */
#define STREAM_EXAMPLE_LISTEN \
	"local listener <close> = assert(stream.listen { host = \"127.0.0.1\", port = 0 })\n"

int stream_l_connect(lua_State *L);
int stream_l_listen(lua_State *L);

/* Makes the class of listeners known. */
void stream_listener_open(lua_State *L);

#endif
