/* file.watch: changes of a file, or of what is in a directory, by inotify.
 *
 * The userdata owns the inotify descriptor; next() yields. A file is watched through its
 * directory, so it need not exist, and is followed when an editor or an atomic write puts
 * a new file in its place.
 */
#ifndef NERV_BINDINGS_FILE_WATCH_H
#define NERV_BINDINGS_FILE_WATCH_H

#include <lua.h>

/* file.watch(path): returns the userdata, or nil, message, code. */
int file_l_watch(lua_State *L);

/* Makes the class; once, before file_l_watch(). */
void file_watch_open(lua_State *L);

#endif
