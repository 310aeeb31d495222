/* What qdisc, class and filter share: handles, statistics, requests and listings.
 *
 * An operation on traffic control begins with a struct tc_op. The compile_ functions
 * raise Lua errors; the run functions block and belong on a worker thread.
 */
#ifndef NERV_BINDINGS_TC_H
#define NERV_BINDINGS_TC_H

#include "bindings/op_lua.h"

/* What is said of a kind that the kernel lacks: the kind, the module. */
#define TC_LACKS "this kernel has no %s (module %s)"

struct tc_op {
	struct op op;
	const char *link;	/* a listing of qdiscs: NULL for all */
	const char *kind;	/* NULL: not given */
	uint32_t parent, handle, info;
	int flags;		/* NLM_F_* of the request */
	int index;		/* a listing: of `link`, found when it runs; 0: all */
};

/* "1:10" with hexadecimal parts, either of which may be empty; `key` is the option's name. */
uint32_t tc_parse_handle(const struct compile *c, const char *key, const char *text);

/* Sends RTM_* `type` for `o`; `put` (or NULL) adds what follows the kind and returns 0
 * or negative. */
int tc_request(struct op_list *l, const struct tc_op *o, int type,
	       int (*put)(struct nl_msg *msg, const struct tc_op *o));

/* Appends the listing RTM_GET* `type` to l->out, with the names of the interfaces. */
int tc_dump(struct op_list *l, struct tc_op *o, int type);

/* Pushes an array: `push` adds one table for each message of the listing that is of o's
 * link. `names` is the index of the table of interface names. */
int tc_push_list(lua_State *L, struct op_list *l, const struct tc_op *o,
		 void (*push)(lua_State *L, const struct nlmsghdr *msg, int names));

/* Sets `key` of the table on top to a handle's text: "root", "ingress", "1:10"; nothing
 * for 0. */
void tc_set_handle(lua_State *L, const char *key, uint32_t handle);

/* Pushes a table with kind, index, link and parent, and from TCA_STATS2 stats where
 * there are any; fills tb[TCA_MAX + 1]. Returns the kind, which lives as long as the
 * message. */
const char *tc_push_common(lua_State *L, const struct nlmsghdr *msg, int names,
			   struct nlattr **tb);

/* Finds out which kinds the kernel has, in a namespace that is made for it and goes away:
 * there[i] for kinds[i] of `n`. `type` is RTM_NEWQDISC or RTM_NEWTFILTER. 0 or negative
 * errno. */
int tc_probe(struct op_list *l, int type, const char *const *kinds, int n, bool *there);

/* What a request said. -ENOENT may mean that the kernel lacks the kind, or that it finds
 * no such parent; in the first case the fault names `module` and -EOPNOTSUPP is
 * returned, else `ret`. */
int tc_explain(struct op_list *l, int ret, int type, const char *kind, const char *module);

#endif
