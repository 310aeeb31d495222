/* What the scheduler, the Lua module and the runtime share about tasks; nobody else includes it. */
#ifndef NERV_SHELL_TASK_PRIVATE_H
#define NERV_SHELL_TASK_PRIVATE_H

#include <ev.h>
#include <lua.h>
#include <stdbool.h>

#include "shell/task.h"

#define TASK_NAME 64

/* A full userdata; its user values are 1 the coroutine and 2 the results. The Lua
 * registry anchors it while the task lives. */
struct task {
	struct runtime *rt;
	lua_State *co;
	int anchor;
	int nargs;			/* on the coroutine's stack before the first resume */
	char name[TASK_NAME];
	char message[4096];		/* of a failed task, with what led to it */
	struct task *next, *prev;	/* all live tasks */
	struct task *ready_next;
	struct wait *wait;		/* what it waits for */
	struct wait *waiters;		/* who waits for it: struct joiner */
	lua_KFunction k;
	lua_KContext ctx;
	double deadline;		/* CLOCK_MONOTONIC seconds at which it ends even when it is busy; 0: none */
	const char *cancel_reason;	/* a literal */
	bool ready, started, cancelled, done, failed;
	bool quiet;			/* its error is no news: it was cancelled, or is reported elsewhere */
};

/* The class of a task's handle. */
extern const char task_class[];

struct sleeper {
	struct wait wait;
	struct ev_loop *loop;
	struct ev_timer timer;
};

struct joiner {
	struct wait wait;
	struct wait *next;
	struct task *target;		/* kept alive by the joining function's stack */
	struct ev_loop *loop;
	struct ev_timer timer;
};

void tasks_init(struct runtime *rt);

/* Whether what runs is a task, at a place where Lua can yield. */
bool task_can_wait(lua_State *L);

/* Ends a task that waits or is ready, where it stands: its to-be-closed variables are closed,
 * nothing else of it runs. */
void task_abandon(struct task *t);

/* Raises `reason` (a literal) in the task at the place where it waits. */
void task_cancel(struct task *t, const char *reason);

/* The name of a task that runs the function at `idx`: where it is defined. */
void task_function_name(lua_State *L, int idx, char name[TASK_NAME]);

/* task.sleep and task.every. */
int task_l_sleep(lua_State *L);
int task_l_every(lua_State *L);

#endif
