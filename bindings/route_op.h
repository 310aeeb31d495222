/* Routes: what the verbs of `route` do on a worker thread, and how routes are read. */
#ifndef NERV_BINDINGS_ROUTE_OP_H
#define NERV_BINDINGS_ROUTE_OP_H

#include "bindings/address_lua.h"

/* One of several ways to a destination. */
struct route_hop {
	struct prefix via;	/* family 0: none */
	const char *link;	/* or NULL */
	uint8_t weight;		/* less one, as the kernel has it */
	bool onlink;
};

struct route_op {
	struct op op;
	struct prefix to, source;	/* family 0: not meant */
	struct route_hop hop;		/* the only way; weight unused */
	struct route_hop *hops;		/* or several */
	int hop_count;
	uint32_t type;			/* RTN_*; 0: any */
	uint32_t table;
	uint8_t protocol;		/* 0: not meant */
	bool has_metric;
	uint32_t metric;
	uint32_t mtu;			/* 0: not meant */
};

/* route.list and route.get. */
struct route_read_op {
	struct op op;
	uint32_t table;		/* 0: all */
	uint8_t protocol;	/* 0: all; so the two below */
	int family;
	const char *link;
	int index;		/* of `link`, found when it runs */
	struct prefix to, source;	/* of route.get */
	const char *from_link;
	uint32_t mark;
};

int route_run_add(struct op_list *l, struct op *op);
int route_run_replace(struct op_list *l, struct op *op);
int route_run_delete(struct op_list *l, struct op *op);

int route_run_list(struct op_list *l, struct op *op);
int route_run_get(struct op_list *l, struct op *op);
int route_push_list(lua_State *L, struct op_list *l, struct op *op);
int route_push_get(lua_State *L, struct op_list *l, struct op *op);

extern const struct word route_types[], route_scopes[];

#endif
