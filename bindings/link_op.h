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
	LINK_QUEUE = 1 << 4,
	LINK_PROMISCUOUS = 1 << 5,
};

/* One attribute, ready to send. */
struct link_value {
	const struct link_value *next;
	const char *name;		/* of the option it comes from */
	uint16_t attr, len;
	uint8_t bytes[16];
};

/* The attributes of a kind of link. */
struct link_values {
	const struct link_values *next;	/* the same options for another kind */
	const char *kind, *driver;	/* NERV's and the kernel's name of it */
	const struct link_value *first;
};

struct link_spec {
	const char *name;
	const char *master;		/* a name; "": no master */
	const char *alias;		/* "": none */
	unsigned int set;
	uint8_t mac[6];
	uint32_t mtu, group, queue;
	bool up, promiscuous;
	const struct link_values *values;
	const struct link_value *port;	/* as a port of a bridge */
};

struct link_add_op {
	struct op op;
	const char *kind;
	const char *driver;		/* the kernel's name of the kind */
	const char *hint;		/* goes behind "this kernel has no ... links" */
	int index;			/* wanted; 0: the kernel picks */
	const char *parent;		/* the link below, or NULL */
	uint16_t parent_attr;		/* where its data holds it; 0: in IFLA_LINK */
	struct link_spec link;		/* its values have one entry */
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

/* One message, which the kernel applies in its own order and not as a whole, and one
 * for the settings of a bridge's port: after a failure some of it may be done. */
int link_run_set(struct op_list *l, struct op *op);

int link_run_delete(struct op_list *l, struct op *op);
int link_run_delete_group(struct op_list *l, struct op *op);

/* Moves the links into the group, reads who is in it and deletes the group in one
 * message; with strangers in it, or when the kernel refuses, the links go one by
 * one. Names that are gone are no error. */
int link_run_delete_many(struct op_list *l, struct op *op);

/* Changes what `s` has that is of no kind in particular. */
int link_change(struct op_list *l, struct nlconn *conn, int index, const struct link_spec *s);

/* Deletes the link of that name, or all of the group when `name` is NULL. */
int link_delete_by(struct nlconn *conn, const char *name, uint32_t group, struct fault *f);

#endif
