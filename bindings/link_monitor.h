/* The link monitor: a userdata whose next() yields until a link changes.
 *
 * It owns a non-blocking netlink socket, which stays in the namespace where it was
 * opened. Everything but the opening runs on the loop's thread and takes no lock
 * of the kernel that can be held long. The kernel itself does not tell of everything:
 * a new alias or group of a link that is down makes no event.
 */
#ifndef NERV_BINDINGS_LINK_MONITOR_H
#define NERV_BINDINGS_LINK_MONITOR_H

#include <lua.h>

#include "shell/registry.h"

extern const struct arg link_monitor_fields[];

/* Makes its class; an `init` of a module. */
int link_monitor_init(lua_State *L);

/* link.monitor{ netns = }: opens on a worker, returns the userdata. */
int link_monitor(lua_State *L);

#endif
