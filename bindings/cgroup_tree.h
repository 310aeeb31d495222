/* Control groups (cgroup2) as a file tree: find it, make, list, kill and remove groups.
 *
 * No Lua here. Paths are absolute. The calls are short: the kernel answers from memory.
 * Source: Documentation/admin-guide/cgroup-v2.rst.
 */
#ifndef NERV_BINDINGS_CGROUP_TREE_H
#define NERV_BINDINGS_CGROUP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The mount point of the first writable cgroup2: 0, -ENOENT when none is mounted, or
 * -EROFS when none is writable. */
int cgroup_find_root(char *path, size_t size);

/* Whether the path exists and lies in a cgroup2: 0, -ENOENT, -EINVAL when it lies
 * elsewhere, or another errno. */
int cgroup_check(const char *path);

/* Makes the group and its parents, as far as they lack. 0 or negative errno; -EINVAL
 * when the nearest existing parent is no cgroup2. */
int cgroup_make(const char *path);

/* Calls f(data, name) for each child group until it returns nonzero; that is returned.
 * Negative errno on failure. */
int cgroup_each_child(const char *path, int (*f)(void *data, const char *name), void *data);

/* Calls f(data, pid) for each process in the group and those below it. */
int cgroup_each_pid(const char *path, int (*f)(void *data, pid_t pid), void *data);

/* SIGKILL to every process in the group and below, those being born included (Linux
 * 5.14). They end soon after. 0 or negative errno; -EOPNOTSUPP on an older kernel. */
int cgroup_kill_all(const char *path);

/* 1 when a process lives in the group or below, 0 when none does, or negative errno. */
int cgroup_is_populated(const char *path);

/* Removes the group and those below it. 0 also when there is none; -EBUSY when one
 * still holds a process. */
int cgroup_remove_all(const char *path);

#endif
