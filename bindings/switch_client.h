/* A client of a P4 switch (nve/client.h) as a Lua handle: what the files of this binding share.
 *
 * Every call to the switch blocks, so it runs as a job on a worker thread, and a client serves one thread at a time.
 * Calls on one handle therefore take turns: those that wait do so on the loop and hold no worker thread, so that a
 * switch which does not answer keeps one thread busy, never the pool. A call whose task is cancelled goes on in its
 * thread; the next one has its turn when it has ended. All functions here run on the loop's thread, but the `run` of
 * a verb.
 */
#ifndef NERV_BINDINGS_SWITCH_CLIENT_H
#define NERV_BINDINGS_SWITCH_CLIENT_H

#include <ev.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bindings/op.h"
#include "nve/client.h"
#include "shell/worker.h"

struct switch_call;

/* A connection. A full userdata; calls refer to it, so it outlives them. */
struct switch_handle {
	struct nve_client *client;	/* NULL: not connected, or closed. Of the job that runs, else the loop's */
	const struct nve_desc *desc;	/* the client's; nobody changes it */
	struct ev_loop *loop;		/* NULL: `ended` is stopped */
	struct ev_async ended;		/* a job has ended */
	struct switch_call *first;	/* calls that wait for their turn, oldest first */
	atomic_bool busy;		/* from the moment a call has its turn until its job has ended */
	bool closed;
	char where[];			/* as nve_client_connect() takes it */
};

/* One kind of call. */
struct switch_verb {
	const char *name;		/* begins the text of misuse: "switch_client:add" */
	/* On a worker thread: 0, or a negative error of nve/error.h with c->e filled. */
	int (*run)(struct switch_call *c);
	/* Pushes the results, returns how many. NULL: `true`. */
	int (*push)(lua_State *L, struct switch_call *c);
	/* Or NULL: takes more of the arguments, once in each pass of the loop while it returns true, when the call
	 * has its turn. */
	bool (*take)(lua_State *L, struct switch_call *c);
};

/* A call in progress. A full userdata: arguments and results live in it and in its arena, and go with it. */
struct switch_call {
	struct job job;			/* first: worker_call() */
	struct switch_handle *h;
	const struct switch_verb *verb;
	struct switch_call *next;	/* of those that wait */
	bool turn;
	bool ended;			/* the job has ended and its task goes on */
	atomic_bool abandoned;		/* nobody wants the result any more */
	struct arena arena;
	/* arguments */
	const char *table;
	const char *name;		/* of an action, a counter or an interface */
	struct nve_blob *data;
	unsigned int n_data;
	uint32_t handle;
	int number;			/* of a port, or an index */
	int timeout_ms;
	struct nve_op *ops;
	unsigned int n_ops;
	unsigned int taken;		/* of a list of entries */
	/* results */
	int err;
	struct nve_error e;
	unsigned int refused;		/* position of the first refused op, from 1; 0: none */
	struct nve_row *rows;		/* in the arena */
	unsigned int n_rows;
	struct nve_client_port *ports;
	unsigned int n_ports;
	struct nve_count count;
	struct nve_client_info info;
};

/* switch_client_call.c: turns and jobs */

/* Pushes a closed handle for `where` whose metatable is `class`. */
struct switch_handle *switch_handle_new(lua_State *L, const char *class_name, const char *where);
/* Fails those that wait with "closed"; disconnects, or lets the job that runs do so at its end. Idempotent. */
void switch_handle_close(struct switch_handle *h);

/* Pushes a zeroed call on the handle at `idx`. */
struct switch_call *switch_call_new(lua_State *L, int idx, const struct switch_verb *verb);
/* Runs the call on top of the stack when its turn comes, and returns what its verb pushes or nil, message, code (and
 * the position of the refused op). Call as `return switch_call_start(L);`. */
int switch_call_start(lua_State *L);

/* switch_client_arguments.c: from Lua to C; what is wrong raises. Nothing points into Lua afterwards. */
const char *switch_take_string(lua_State *L, struct switch_call *c, int idx);
void switch_take_data(lua_State *L, struct switch_call *c, int idx);
void switch_take_handle(lua_State *L, struct switch_call *c, int idx);
/* An integer from 0 to INT32_MAX. */
void switch_take_number(lua_State *L, struct switch_call *c, int idx, const char *what);
/* A list of entries: c->ops that add them to c->table. Each call takes as many as a few milliseconds allow; the next one
 * goes on. Returns whether there are more. */
bool switch_take_entries(lua_State *L, struct switch_call *c, int idx);
/* One op for c->table, with c->name, c->data and c->handle. */
void switch_take_op(lua_State *L, struct switch_call *c, enum nve_op_kind kind);

/* switch_client_run.c: on a worker thread */

/* Adds all of c->ops or none: after a refusal, or when the call was abandoned, those that were added are deleted
 * again. */
int switch_run_add(struct switch_call *c);
/* Does the one op of c->ops. */
int switch_run_op(struct switch_call *c);
/* Reads all entries, or the default entry: c->rows. */
int switch_run_entries(struct switch_call *c);
int switch_run_default(struct switch_call *c);

/* switch_client_results.c: from C to Lua */
int switch_push_tables(lua_State *L, const struct nve_desc *d);
int switch_push_handles(lua_State *L, struct switch_call *c);
int switch_push_entries(lua_State *L, struct switch_call *c);
int switch_push_default(lua_State *L, struct switch_call *c);
int switch_push_count(lua_State *L, struct switch_call *c);
int switch_push_ports(lua_State *L, struct switch_call *c);
int switch_push_info(lua_State *L, struct switch_call *c);

#endif
