/* The events of a monitor: what messages of the kernel tell of, as Lua tables. */
#ifndef NERV_BINDINGS_MONITOR_EVENT_H
#define NERV_BINDINGS_MONITOR_EVENT_H

#include "bindings/op_lua.h"

/* What can be followed. */
enum {
	MONITOR_LINK, MONITOR_ADDRESS, MONITOR_ROUTE, MONITOR_RULE, MONITOR_NEIGHBOUR, MONITOR_FDB,
	MONITOR_SUBJECTS
};

extern const struct word monitor_subjects[];

/* The multicast groups of each; 0: none. */
extern const int monitor_groups[MONITOR_SUBJECTS][2];

/* What a message tells of, or MONITOR_SUBJECTS: of nothing that is followed. */
unsigned int monitor_subject(const struct nlmsghdr *msg);

/* Pushes the event of a message with a subject; false, and nothing pushed, for what the
 * subject's module leaves alone. `names` as in netlink_push.h. */
bool monitor_push(lua_State *L, const struct nlmsghdr *msg, int names);

#endif
