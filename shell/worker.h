/* Worker threads for calls that block in the kernel (netlink writes under the
 * RTNL lock, setns, Thrift).
 *
 * A job runs once on a worker thread, without Lua and without the loop, and its
 * task sleeps meanwhile. A worker thread belongs to the process's own network
 * namespace; a job that enters another one must come back before it returns
 * (worker_enter_netns, worker_leave_netns).
 */
#ifndef NERV_SHELL_WORKER_H
#define NERV_SHELL_WORKER_H

#include <lua.h>

#include "shell/task.h"

struct ev_loop;

struct job {
	struct wait wait;		/* private */
	struct job *next;		/* private */
	struct runtime *rt;		/* private */
	int anchor;			/* private */
	void (*run)(struct job *job);	/* on a worker thread */
	void (*done)(struct job *job);	/* of worker_start() */
};

/* Queues `job`, the first member of the full userdata at `idx`, and sleeps until
 * it has run; then continues with `k`. The userdata is kept alive until the job
 * has ended, even when the task is cancelled before: then the result is dropped
 * and the userdata's __gc frees what it holds. Call as
 * `return worker_call(L, idx, job, ctx, k);`. */
int worker_call(lua_State *L, int idx, struct job *job, lua_KContext ctx, lua_KFunction k);

/* Queues a job that no task waits for: `done` is called on the loop's thread, also when the
 * program ends. The caller owns the job, and may forget it only then. 0, or a negative errno
 * when there is no worker (any more). */
int worker_start(struct ev_loop *loop, struct job *job);

/* Moves the calling worker thread into the network namespace `fd`; 0 or negative
 * errno. worker_leave_netns() brings it home; it cannot fail in a way that the
 * process survives. */
int worker_enter_netns(int fd);
void worker_leave_netns(void);

#endif
