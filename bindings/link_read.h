/* Reading links: link.get, link.list, link.kinds, and the table that describes a link. */
#ifndef NERV_BINDINGS_LINK_READ_H
#define NERV_BINDINGS_LINK_READ_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "bindings/op.h"

struct nlmsghdr;

/* link.get and link.list; absent filters are NULL, or has_group false. */
struct link_read_op {
	struct op op;
	const char *name;		/* link.get only */
	const char *alias_prefix, *kind, *master;
	bool has_group;
	uint32_t group;
	int master_index;		/* found when it runs */
};

int link_run_get(struct op_list *l, struct op *op);
int link_run_list(struct op_list *l, struct op *op);
int link_push_get(lua_State *L, struct op_list *l, struct op *op);
int link_push_list(lua_State *L, struct op_list *l, struct op *op);

/* link.settle: asks until the kernel's link watch has done its work, which makes a link that has its
 * carrier one that sends and, as a port of a bridge, forwards. It is put off by 1 s at the most
 * (net/core/link_watch.c); since Linux 6.7 a question for one link makes the kernel do it at once. */
int link_run_settle(struct op_list *l, struct op *op);

/* link.kinds: a table from kinds of link to whether this kernel has them. */
int link_run_kinds(struct op_list *l, struct op *op);
int link_push_kinds(lua_State *L, struct op_list *l, struct op *op);

/* Pushes the table of the link in an RTM_NEWLINK or RTM_DELLINK message. `names` is
 * the stack index of a table from interface indexes to names, or 0. */
void link_push(lua_State *L, const struct nlmsghdr *msg, int names);

/* The index of the master in such a message, and of the link below; 0: none. */
int link_master(const struct nlmsghdr *msg);
int link_parent(const struct nlmsghdr *msg);

#endif
