/* Tasks: coroutines on the event loop.
 *
 * Whatever runs Lua runs in a task. A primitive that has to wait calls
 * task_wait(), which yields; the event calls wait_done(), and the loop resumes
 * the task. The Lua code reads as if the primitive blocked. Everything here runs
 * on the loop's thread.
 */
#ifndef NERV_SHELL_TASK_H
#define NERV_SHELL_TASK_H

#include <lua.h>
#include <stdbool.h>

struct runtime;
struct task;

/* What a sleeping task waits for. It lives in the primitive's own memory, most
 * often a userdata on the task's stack, and must be zeroed before its first use. */
struct wait {
	struct task *task;	/* who waits; NULL when nobody does */
	/* Set before task_wait(): stops the event, so that wait_done() is not
	 * called any more. Called when the task is cancelled. */
	void (*cancel)(struct wait *w);
};

/* Yields the running task until wait_done(w); then continues with k(L, LUA_YIELD,
 * ctx). A cancelled task does not reach `k`: the cancellation is raised at the
 * place of the call. Call as `return task_wait(L, w, ctx, k);`. Raises "not inside
 * a task" where Lua cannot yield. */
int task_wait(lua_State *L, struct wait *w, lua_KContext ctx, lua_KFunction k);

/* Yields the running task until the next pass of the loop; then as task_wait(). Call as
 * `return task_breathe(L, ctx, k);`, in a task. */
int task_breathe(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* Raises "not inside a task" where task_wait() would: for what must not even begin there. */
void task_check_wait(lua_State *L);

/* The event has come. The task goes on in the next pass of the loop, never inside
 * this call. No effect when nobody waits. */
void wait_done(struct wait *w);

/* The runtime of a state or coroutine. */
struct runtime *runtime_of(lua_State *L);

/* Starts a task that calls the function on top of `from` with the `nargs` values
 * above it (pops all of them). `name` shows in listings and error reports, and is
 * copied. Pushes the task's handle on `from`. An error in a task that nobody waits
 * for is reported with its traceback. */
void task_spawn(lua_State *from, int nargs, const char *name);

#endif
