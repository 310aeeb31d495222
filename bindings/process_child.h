/* Children: processes whose death is awaited by pidfd.
 *
 * A child is a full userdata that the Lua registry keeps while its process lives, so
 * that a process nobody holds a handle of is reaped all the same. When it has ended
 * the pidfd is closed and the status stays. A process that is not our child can be
 * watched too (adopted); of its end nothing more than the fact is known.
 */
#ifndef NERV_BINDINGS_PROCESS_CHILD_H
#define NERV_BINDINGS_PROCESS_CHILD_H

#include <ev.h>
#include <lua.h>
#include <stdbool.h>
#include <sys/types.h>

#include "shell/task.h"

struct child_waiter;

struct child {
	struct runtime *rt;
	pid_t pid;
	int pidfd;			/* -1: ended, or not started yet */
	bool ended, adopted;
	bool status_known;
	int code, status;		/* as in siginfo_t: si_code and si_status */
	struct ev_io io;
	struct child_waiter *waiters;
};

/* Makes children known to the state; to be called before anything else here. */
void child_class_open(lua_State *L);

/* Pushes a child without a process; child_watch() gives it one. */
struct child *child_new(lua_State *L);

/* The child at `idx` owns `pidfd` from now on, and is kept until the process ends. */
void child_watch(lua_State *L, int idx, pid_t pid, int pidfd);

/* Pushes the child for a running process `pid`, ours or not. 0 or negative errno, then
 * nothing is pushed. */
int child_adopt(lua_State *L, pid_t pid);

/* Whether there is a process `pid` that has not ended. */
bool child_exists(pid_t pid);

/* The child at `idx`. */
struct child *child_check(lua_State *L, int idx);

/* Whether the process has ended by now. */
bool child_poll(struct child *c);

/* Sleeps until the process has ended, at most `seconds` (negative: for ever), then
 * continues with `k`. Call as `return child_wait(...)`. */
int child_wait(lua_State *L, struct child *c, double seconds, lua_KContext ctx, lua_KFunction k);

/* Pushes {exit=n}, {signal=n, name="SIGKILL"} or {gone=true} of an ended child. */
void child_push_status(lua_State *L, const struct child *c);

/* 0 or negative errno; -ESRCH when it has ended. */
int child_kill(struct child *c, int sig);

#endif
