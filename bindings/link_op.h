/* Link operations: what the verbs of `link` do on a worker thread. No Lua here. */
#ifndef NERV_BINDINGS_LINK_OP_H
#define NERV_BINDINGS_LINK_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "bindings/link_tun.h"
#include "bindings/op.h"

/* Which fields are meant; strings are meant when they are not NULL. */
enum {
	LINK_MAC = 1 << 0,
	LINK_MTU = 1 << 1,
	LINK_GROUP = 1 << 2,
	LINK_UP = 1 << 3,
	LINK_STP = 1 << 4,
	LINK_FORWARD_DELAY = 1 << 5,
	LINK_AGEING = 1 << 6,
	LINK_SNOOPING = 1 << 7,
	LINK_BRIDGE = LINK_STP | LINK_FORWARD_DELAY | LINK_AGEING | LINK_SNOOPING,
};

struct link_spec {
	const char *name;
	const char *master;		/* a name; "": no master */
	const char *alias;		/* "": none */
	unsigned int set;
	uint8_t mac[6];
	uint32_t mtu, group;
	bool up;
	bool stp, snooping;		/* of a bridge */
	uint32_t forward_delay, ageing;	/* of a bridge: 1/100 s */
};

struct link_add_op {
	struct op op;
	const char *kind;
	int index;			/* wanted; 0: the kernel picks */
	struct link_spec link;
	struct link_spec peer;		/* of a veth; name NULL: the kernel picks everything */
	const char *peer_netns;		/* NULL: where the link is */
	bool is_tun;			/* kind tap or tun: made by tun_make() */
	struct tun_spec tun;
};

struct link_set_op {
	struct op op;
	struct link_spec link;
	const char *rename;
	const char *move_to;		/* path of a namespace */
};

struct link_delete_op {
	struct op op;
	const char *name;
};

struct link_group_op {
	struct op op;
	uint32_t group;
	int count;
	const char **names;		/* for link_run_delete_many() */
};

/* Makes the link and its peer with all that is wanted of them; when a part fails,
 * the link goes again. */
int link_run_add(struct op_list *l, struct op *op);

/* One message, which the kernel applies in its own order and not as a whole: after a
 * failure some of it may be done. */
int link_run_set(struct op_list *l, struct op *op);

int link_run_delete(struct op_list *l, struct op *op);
int link_run_delete_group(struct op_list *l, struct op *op);

/* Moves the links into the group, reads who is in it and deletes the group in one
 * message; with strangers in it, or when the kernel refuses, the links go one by
 * one. Names that are gone are no error. */
int link_run_delete_many(struct op_list *l, struct op *op);

#endif
