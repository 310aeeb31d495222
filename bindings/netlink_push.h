/* Messages of the kernel as Lua tables: what listings return and monitors tell.
 *
 * Each function pushes one table, or returns false and pushes nothing when the message
 * is of a family that its module leaves alone. `names` is the stack index of a table
 * from interface indexes to names. See also link_push() in link_read.h.
 */
#ifndef NERV_BINDINGS_NETLINK_PUSH_H
#define NERV_BINDINGS_NETLINK_PUSH_H

#include <lua.h>
#include <stdbool.h>

struct nlmsghdr;

bool address_push(lua_State *L, const struct nlmsghdr *msg, int names);
bool route_push(lua_State *L, const struct nlmsghdr *msg, int names);
bool rule_push(lua_State *L, const struct nlmsghdr *msg);
bool neighbour_push(lua_State *L, const struct nlmsghdr *msg, int names);
bool fdb_push(lua_State *L, const struct nlmsghdr *msg, int names);

#endif
