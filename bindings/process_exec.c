/* From this program to another one: what a new process does between its birth and exec. */
#include "bindings/process_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum stage {
	STAGE_EXEC,
	STAGE_CGROUP,
	STAGE_NETNS,
	STAGE_SYS,
	STAGE_SESSION,
	STAGE_TERMINAL,
	STAGE_STDIO,
	STAGE_CWD,
	STAGE_USER,
	STAGE_CAPABILITIES,
};

const char *exec_stage_text(int stage)
{
	static const char *const texts[] = {
		[STAGE_EXEC] = NULL,
		[STAGE_CGROUP] = "joining the cgroup",
		[STAGE_NETNS] = "entering the network namespace",
		[STAGE_SYS] = "mounting /sys",
		[STAGE_SESSION] = "starting a session",
		[STAGE_TERMINAL] = "taking the terminal",
		[STAGE_STDIO] = "arranging standard input and output",
		[STAGE_CWD] = "entering the working directory",
		[STAGE_USER] = "changing the user",
		[STAGE_CAPABILITIES] = "setting capabilities",
	};

	return stage >= 0 && stage <= STAGE_CAPABILITIES ? texts[stage] : NULL;
}

pid_t exec_clone(int cgroup_fd, int *pidfd)
{
	struct clone_args args;
	sigset_t all, old;
	long pid;
	int err;

	memset(&args, 0, sizeof(args));
	args.flags = CLONE_PIDFD;
	args.pidfd = (uint64_t)(uintptr_t)pidfd;
	args.exit_signal = SIGCHLD;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	/* No handler of ours may run in the child, which shares our descriptors. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	err = errno;
	if (pid)
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? -err : (pid_t)pid;
}

static int reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);	/* fails for KILL, STOP and the C library's own */
	return 0;
}

static void allow_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As `ip netns exec` does it (iproute2, lib/namespace.c). */
static int mount_sys(void)
{
	unsigned long flags = 0;
	struct statvfs fs;

	if (unshare(CLONE_NEWNS) || mount("", "/", "none", MS_SLAVE | MS_REC, NULL))
		return -1;
	/* A read-only sysfs that cannot be removed may only be covered by another one. */
	if (umount2("/sys", MNT_DETACH) && !statvfs("/sys", &fs) && fs.f_flag & ST_RDONLY)
		flags = MS_RDONLY;
	return mount("nerv", "/sys", "sysfs", flags, NULL);
}

/* First all away from 0 to 2, then each to its place: no order can overwrite one. */
static int arrange_stdio(const struct exec_plan *plan)
{
	int fds[3];

	for (int i = 0; i < 3; i++) {
		int flags;

		fds[i] = fcntl(plan->stdio[i], F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return -1;
		flags = plan->blocking[i] ? fcntl(fds[i], F_GETFL) : 0;
		if (flags & O_NONBLOCK && fcntl(fds[i], F_SETFL, flags & ~O_NONBLOCK))
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return -1;
	return syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) ? -1 : 0;
}

/* System calls, not the C library's functions: those signal the threads of the parent,
 * which the child does not have, and wait for them. */
static int change_user(const struct exec_plan *plan)
{
	const struct user *u = &plan->user;
	size_t count = plan->set_user ? (size_t)u->group_count : 0;

	if (plan->set_user && plan->set_capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -1;
	if (syscall(SYS_setgroups, count, u->groups) || syscall(SYS_setresgid, u->gid, u->gid, u->gid))
		return -1;
	return plan->set_user ? (int)syscall(SYS_setresuid, u->uid, u->uid, u->uid) : 0;
}

/* Nothing that the program starts can have more than `set`. */
static int bound_capabilities(uint64_t set)
{
	for (int cap = 0; cap < 64; cap++) {
		if (set >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return errno == EINVAL ? 0 : -1;	/* past the kernel's last one */
	}
	return 0;
}

static int keep_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(set >> 32 * i);
		data[i].permitted = data[i].effective;
		data[i].inheritable = data[i].effective;
	}
	if (syscall(SYS_capset, &header, data))
		return -1;
	for (int cap = 0; cap < 64; cap++)
		if (set >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			return -1;
	return 0;
}

static int change_rights(const struct exec_plan *plan, enum stage *stage)
{
	*stage = STAGE_CAPABILITIES;
	if (plan->set_capabilities && bound_capabilities(plan->capabilities))
		return -1;
	*stage = STAGE_USER;
	if ((plan->set_user || plan->set_group) && change_user(plan))
		return -1;
	*stage = STAGE_CAPABILITIES;
	return plan->set_capabilities ? keep_capabilities(plan->capabilities) : 0;
}

static int join_cgroup(int dir)
{
	int fd = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -1;
}

static int prepare(const struct exec_plan *plan, enum stage *stage)
{
	*stage = STAGE_CGROUP;
	if (plan->join_cgroup_fd >= 0 && join_cgroup(plan->join_cgroup_fd))
		return -1;
	*stage = STAGE_NETNS;
	if (plan->netns_fd >= 0 && setns(plan->netns_fd, CLONE_NEWNET))
		return -1;
	*stage = STAGE_SYS;
	if (plan->mount_sys && mount_sys())
		return -1;
	*stage = STAGE_SESSION;
	if ((plan->session || plan->terminal_fd >= 0) && setsid() < 0)
		return -1;
	*stage = STAGE_TERMINAL;
	if (plan->terminal_fd >= 0 && ioctl(plan->terminal_fd, TIOCSCTTY, 0))
		return -1;
	*stage = STAGE_CWD;
	if (plan->cwd && chdir(plan->cwd))
		return -1;
	if (plan->umask >= 0)
		umask((mode_t)plan->umask);
	if (change_rights(plan, stage))
		return -1;
	*stage = STAGE_STDIO;
	return arrange_stdio(plan);
}

/* Tries each file as execvp does; the error that says most wins. */
static void try_files(const struct exec_plan *plan)
{
	bool denied = false;

	for (char *const *file = plan->files; *file; file++) {
		execve(*file, plan->argv, plan->envp);
		if (errno == EACCES)
			denied = true;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE)
			return;
	}
	errno = denied ? EACCES : ENOENT;
}

_Noreturn void exec_child(const struct exec_plan *plan)
{
	struct exec_failure failure;
	enum stage stage = STAGE_EXEC;
	int error_fd = fcntl(plan->error_fd, F_DUPFD_CLOEXEC, 3);	/* away from 0 to 2 */
	ssize_t n = write(error_fd, "", 1);

	reset_signals();
	if (n == 1 && prepare(plan, &stage) == 0) {
		stage = STAGE_EXEC;
		/* After the change of user, which clears it; a parent that is gone sends none. */
		if (plan->death_signal) {
			prctl(PR_SET_PDEATHSIG, plan->death_signal, 0, 0, 0);
			if (getppid() != plan->parent)
				_exit(127);
		}
		allow_signals();
		try_files(plan);
	}
	memset(&failure, 0, sizeof(failure));
	failure.error = errno;
	failure.stage = (int)stage;
	n = write(error_fd, &failure, sizeof(failure));
	_exit(n < 0 ? 126 : 127);
}
