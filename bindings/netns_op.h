/* Network namespaces as files: made, deleted, listed on a worker thread. No Lua. */
#ifndef NERV_BINDINGS_NETNS_OP_H
#define NERV_BINDINGS_NETNS_OP_H

#include <stdbool.h>

#include "bindings/op.h"

struct netns_op {
	struct op op;
	const char *path;	/* of the file; for a listing, of the directory */
	bool lo_up;
	bool exists;		/* the answer of netns_run_exists() */
	char identity[64];	/* the answer of netns_run_identity() */
};

/* Makes a namespace and binds it on the file `path`, which must not exist yet.
 * Under /run/netns it does what `ip netns add` does, so that both may be mixed. */
int netns_run_add(struct op_list *l, struct op *op);

/* Detaches the mount and removes the file. The kernel takes the namespace down later,
 * when its last user is gone. A left-over empty file goes too; anything else is
 * refused with EINVAL. */
int netns_run_delete(struct op_list *l, struct op *op);

/* Whether `path` is a network namespace. */
int netns_run_exists(struct op_list *l, struct op *op);

/* What tells the namespace op->netns from every other one until the machine is started anew:
 * device and inode, which the kernel gives again, and its cookie, which it does not (0 before
 * kernel 5.14). */
int netns_run_identity(struct op_list *l, struct op *op);

/* The paths in the directory that are network namespaces: NUL-terminated strings in
 * l->out, in no order. A directory that is not there holds none. */
int netns_run_list(struct op_list *l, struct op *op);

#endif
