/* Descriptors of network namespaces, for those who enter one. */
#ifndef NERV_BINDINGS_PROCESS_NETNS_H
#define NERV_BINDINGS_PROCESS_NETNS_H

#include <lua.h>
#include <stddef.h>

/* Opens the namespace in the ARG_NETNS option `key` of the table at `idx`; its path
 * goes to `path` for messages. Returns a descriptor (close on exec) that the caller
 * closes, or a negative errno: -EINVAL when the file is no network namespace. */
int process_netns_open(lua_State *L, int idx, const char *key, char *path, size_t size);

#endif
