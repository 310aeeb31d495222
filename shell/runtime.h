/* The runtime: one Lua state on one libev loop, with its tasks and worker threads.
 *
 * There is one runtime in a process; all of its state hangs off this struct, which
 * every Lua thread reaches by runtime_of().
 */
#ifndef NERV_SHELL_RUNTIME_H
#define NERV_SHELL_RUNTIME_H

#include <ev.h>
#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "shell/task.h"
#include "shell/terminal.h"

struct job;
struct output;
struct prompt;

struct runtime {
	struct ev_loop *loop;
	lua_State *L;			/* the main state; runs no user code itself */
	/* tasks */
	struct task *tasks;		/* all live ones, newest first */
	struct task *ready_head, *ready_tail;	/* to be resumed in the next pass */
	struct task *running;
	double resumed;			/* when it was resumed, in seconds */
	struct task *awaited;		/* whose end runtime_run() waits for */
	struct task *foreground;	/* what Ctrl-C cancels; NULL at the prompt */
	struct ev_prepare ready_prepare;
	struct ev_idle ready_idle;
	volatile sig_atomic_t interrupted;	/* SIGINT arrived and is not handled yet */
	struct ev_async interrupt_async;
	struct task *insist;		/* interrupted twice: pcall does not help it any more */
	double deadline;		/* CLOCK_MONOTONIC seconds at which a sandboxed call ends; 0: none */
	size_t memory;			/* of Lua, bytes */
	size_t memory_limit;		/* most that it may have while a sandboxed call runs; 0: none */
	/* workers */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *queue_head, *queue_tail;	/* under lock */
	struct job *finished;		/* under lock */
	struct ev_async finished_async;
	pthread_t threads[4];
	int thread_count;
	bool stopping;			/* under lock */
	int jobs_in_flight;
	/* output */
	struct prompt *prompt;		/* while a line is read */
	struct output *output;		/* stdout and stderr, once a prompt has been there */
	struct terminal terminal;
	bool was_interrupted;		/* by Ctrl-C: the exit status says so */
	bool has_exit_code;		/* os.exit was called */
	int exit_code;
};

/* Makes the loop, the Lua state with its libraries and the worker pool. 0 or
 * negative errno; on failure nothing is left. */
int runtime_init(struct runtime *rt);

/* Cancels tasks newest first, runs the loop dry, closes Lua, ends the threads. */
void runtime_finish(struct runtime *rt);

/* Runs the loop until `task` has ended or os.exit was asked for. */
void runtime_run(struct runtime *rt, struct task *task);

/* The monotonic clock, in seconds. */
double runtime_now(void);

#endif
