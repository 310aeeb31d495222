/* Operations: what a Lua call or a batch wants from the kernel, as plain data.
 *
 * The loop's thread compiles arguments into a list of ops; one worker thread runs
 * the list in order. An op and all that it points at live in an arena, so nothing
 * is freed one by one and a Lua error leaks nothing. While a list runs, namespaces
 * and their netlink connections are kept open between ops, so consecutive ops of
 * one namespace share one setns and one socket. Knows nothing of Lua.
 */
#ifndef NERV_BINDINGS_OP_H
#define NERV_BINDINGS_OP_H

#include <stdbool.h>
#include <stddef.h>

#include "bindings/netlink.h"

struct arg;
struct compile;
struct lua_State;
struct op;
struct op_list;

/* What can be done: one for each Lua function that becomes an op. */
struct verb {
	const char *name;		/* "link.add" */
	const struct arg *fields;	/* the options of its one table */
	size_t size;			/* of its struct, which begins with a struct op */
	/* On the loop's thread: fills the zeroed op; raises on misuse. */
	void (*compile)(const struct compile *c, struct op *op);
	/* On a worker thread: 0, or a negative errno and l->fault. */
	int (*run)(struct op_list *l, struct op *op);
	/* On the loop's thread: pushes what was read, returns how many values. NULL gives
	 * `true`. Of items of a batch nothing is pushed. */
	int (*push)(struct lua_State *L, struct op_list *l, struct op *op);
};

/* Memory that is freed at once. Zero it before its first use. */
struct arena {
	struct arena_chunk *chunks;
};

void *arena_alloc(struct arena *a, size_t size);	/* zeroed; NULL when out of memory */
void arena_free(struct arena *a);

/* The head of each kind of op. */
struct op {
	const struct verb *verb;
	struct op *next;
	const char *netns;	/* path of the namespace; NULL: the process's own */
	const char *subject;	/* what error texts name, such as "veth0" */
	bool missing_ok;	/* succeeds when what it is about is not there */
};

#define OP_SPACES 8

struct netspace {
	const char *path;	/* in the list's arena; NULL: free */
	int fd;			/* of the namespace, or -1 */
	struct nlconn conn;	/* opened when first needed */
	unsigned int used;	/* for replacing the one not used for longest */
};

/* A list, its results, and what is open while it runs. Zero it, then op_list_add(). */
struct op_list {
	struct op *head, *tail;
	int count;
	int done;		/* how many ops succeeded */
	struct op *failed;	/* NULL: all succeeded */
	struct fault fault;	/* of the failed one */
	struct nlbuf out;	/* what a reading op read */
	struct nlbuf names;	/* struct ifname: names of the indexes in `out` */
	struct nlconn conn;	/* a connection that an op hands over */
	/* private */
	struct nlconn home;
	struct netspace spaces[OP_SPACES];
	unsigned int clock;
	bool run_dir_ready;
};

void op_list_add(struct op_list *l, struct op *op);

/* Runs the ops in order until one fails, on a thread that is in the process's own
 * namespace and returns there. All that it opened is closed, but `conn`. */
void op_list_run(struct op_list *l);

/* Frees what the list holds but its ops, which belong to the arena. */
void op_list_free(struct op_list *l);

/* For ops that run: the connection into a namespace (a path, or NULL). */
int op_conn(struct op_list *l, const char *netns, struct nlconn **conn);

/* The same, and in `index` that of the interface `link` in there; NULL leaves it. */
int op_conn_link(struct op_list *l, const char *netns, const char *link, struct nlconn **conn,
		 int *index);

/* What notes the names of the interfaces that a message speaks of. */
typedef int op_note(struct op_list *l, struct nlconn *conn, const struct nlmsghdr *msg);

/* Sends a request for a listing (nlconn_message(); NULL is out of memory), whose answers are in l->out
 * then, and notes the names in each. */
int op_dump(struct op_list *l, struct nlconn *conn, struct nl_msg *msg, op_note *note);

/* For messages whose header tells one interface: addresses, neighbours, traffic control. */
op_note op_note_link;

/* The descriptor of the namespace (a path, not NULL) for IFLA_NET_NS_FD; it belongs to
 * the list. Negative errno on failure. */
int op_netns_fd(struct op_list *l, const char *netns);

/* Moves this thread into the namespace and back. NULL stays at home. */
int op_enter(struct op_list *l, const char *netns);
void op_leave(const char *netns);

/* The thread just made `netns` and is in it: keeps a connection into it. `path` must
 * live as long as the list. */
int op_adopt(struct op_list *l, const char *path);

/* Closes what is open of `path`: it goes away. */
void op_forget(struct op_list *l, const char *path);

#endif
