/* The options of process.spawn and process.run, made into a plan for the new process.
 *
 * Everything that can raise or allocate happens here, before the process is born.
 */
#ifndef NERV_BINDINGS_PROCESS_OPTIONS_H
#define NERV_BINDINGS_PROCESS_OPTIONS_H

#include <ev.h>
#include <lua.h>

#include "bindings/process_exec.h"
#include "bindings/stream.h"
#include "shell/registry.h"
#include "shell/task.h"

/* Descriptors that a spawn owns until it has ended. The FAR ones are for the child. */
enum spawn_fd {
	FD_FAR_IN, FD_FAR_OUT, FD_FAR_ERR, FD_FAR_TERMINAL, FD_NETNS, FD_CGROUP, FD_ERROR_WRITE,
	FD_ERROR_READ, FD_NEAR_IN, FD_NEAR_OUT, FD_NEAR_ERR, FD_NEAR_TERMINAL,
	FD_COUNT,
	FD_FAR_COUNT = FD_ERROR_READ,
};

/* A full userdata; its user value 1 is a table that anchors what `plan` points to,
 * user value 2 the child. */
struct spawn {
	struct wait wait;
	struct ev_io io;		/* on FD_ERROR_READ */
	struct ev_loop *loop;
	struct exec_plan plan;
	struct child *child;		/* NULL before the birth */
	struct stream *moved[3];	/* streams that become the child's */
	int fds[FD_COUNT];
	size_t news_len;
	struct __attribute__((packed)) {
		char born;
		struct exec_failure failure;
	} news;				/* what has come through the pipe */
	lua_KFunction done;
	char what[512];			/* what could not be done, for the message */
};

/* What stdin, stdout and stderr are when the options do not say. */
struct stdio_defaults {
	const char *kind[3];
};

extern const struct arg process_spawn_options[];
extern const struct arg process_run_options[];

/* Reads the options at index 1 into `sp` at index `idx`. 0, or negative errno with
 * sp->what filled in. Raises on misuse. */
int process_options(lua_State *L, int idx, struct spawn *sp, const struct stdio_defaults *defaults);

/* The part of it that sees to stdin, stdout, stderr and pty. */
int process_stdio_options(lua_State *L, int idx, struct spawn *sp,
			  const struct stdio_defaults *defaults);

/* A signal's number from its name ("TERM", "SIGTERM") or number at `idx`; raises. */
int process_signal(lua_State *L, int idx);

/* Appends the value on top to the anchors of the spawn at `idx`; pops it. */
void process_anchor(lua_State *L, int idx);

#endif
