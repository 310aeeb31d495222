/* Locks on files, and mounts: the parts of module `file` that have a life of their own. */
#ifndef NERV_BINDINGS_FILE_LOCK_H
#define NERV_BINDINGS_FILE_LOCK_H

#include <lua.h>

int file_l_lock(lua_State *L);

/* Makes the class of locks known. */
void file_lock_open(lua_State *L);

int file_l_mount(lua_State *L);
int file_l_umount(lua_State *L);

#endif
