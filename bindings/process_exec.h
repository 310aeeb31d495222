/* From this program to another one: what a new process does between its birth and exec.
 *
 * The process is born by clone3 with a copy of the memory, in which other threads may
 * have held any lock. So exec_child() calls only what is async-signal-safe, and no
 * function of the C library that speaks to all threads (setuid and its kin): everything
 * is looked up and allocated before, in `struct exec_plan`.
 */
#ifndef NERV_BINDINGS_PROCESS_EXEC_H
#define NERV_BINDINGS_PROCESS_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bindings/process_user.h"

/* Descriptors are borrowed; -1 means none. */
struct exec_plan {
	char *const *argv;
	char *const *envp;
	char *const *files;	/* tried in turn, as execvp tries PATH */
	const char *cwd;	/* NULL: unchanged */
	int stdio[3];		/* what becomes 0, 1 and 2 */
	bool blocking[3];	/* gets O_NONBLOCK removed */
	int error_fd;		/* a pipe: a zero byte at birth, a struct exec_failure on failure */
	int join_cgroup_fd;	/* directory of a cgroup to join before anything else */
	int netns_fd;
	int terminal_fd;	/* becomes the controlling terminal of a new session */
	bool session;
	bool mount_sys;		/* a private /sys that shows the network namespace */
	bool set_user, set_group, set_capabilities;
	struct user user;	/* with `set_group` its gid is the group's */
	uint64_t capabilities;
	int umask;		/* -1: unchanged */
	int death_signal;	/* when the parent dies; 0: none */
	pid_t parent;
};

struct exec_failure {
	int stage;		/* for exec_stage_text() */
	int error;		/* errno */
};

const char *exec_stage_text(int stage);

/* clone3: the child's pid in the parent, with its pidfd; 0 in the child; or negative
 * errno. `cgroup_fd` (or -1) is the cgroup that the child is born into. All signals are
 * blocked in the child. */
pid_t exec_clone(int cgroup_fd, int *pidfd);

/* What the child does after exec_clone(). */
_Noreturn void exec_child(const struct exec_plan *plan);

#endif
